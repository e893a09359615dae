// SPDX-License-Identifier: MIT OR Apache-2.0
//! The command line.

mod banner;
mod describe;
mod descriptors;
#[cfg(feature = "dev-node")]
mod dev;
#[cfg(feature = "load")]
mod load;
mod manual;
mod serve;
mod turn;

use clap::{Args, Parser, Subcommand};
use gst_rtc_signaller::protocol::{IceServer, Mode, Secret};
use gst_rtc_signaller::rooms::Settings;
use gst_rtc_signaller::server::{AllowedOrigins, ServerConfig};
use std::fmt;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;
use tracing_subscriber::EnvFilter;

/// What the runtime gets to end its threads.
const RUNTIME_END: Duration = Duration::from_millis(200);

/// WebRTC rooms for GStreamer: signalling, WHIP, WHEP and a web page.
#[derive(Debug, Parser)]
#[command(name = "gst-rtc", version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server. Media nodes (pipelines with rtcsfu) connect to it.
    Serve(ServerArgs),
    /// Run everything in one process: the server and a media node. For development and single machines.
    #[cfg(feature = "dev-node")]
    Dev(dev::DevArgs),
    /// Run a pipeline described in a file, and connect its webrtcbin elements to rooms. Exit code 0: it ended well or
    /// was told to, 2: the values given are wrong, 3: the description is, 4: an element is not installed, 5: it failed.
    Run(describe::RunArgs),
    /// Say what is wrong with a description, with line, column and advice. Exit codes as of run.
    Check(describe::CheckArgs),
    /// Print the JSON Schema of descriptions in TOML, with which editors complete and check them while they are written.
    Schema,
    /// Test a WHIP and WHEP server under load: loss, delay, joining times, and what the server uses.
    #[cfg(feature = "load")]
    Load(load::LoadArgs),
    /// Write the manual pages, one for each of these commands. For those who make packages.
    #[command(hide = true)]
    Man(manual::ManArgs),
}

/// What both commands have.
#[derive(Debug, Args)]
struct ServerArgs {
    /// Address for HTTP and WebSocket; port 0 takes a free one.
    #[arg(
        long,
        value_name = "ADDRESS:PORT",
        default_value = "127.0.0.1:8080",
        env = "GST_RTC_LISTEN"
    )]
    listen: SocketAddr,

    /// STUN server handed to clients, for peers behind NAT. May be repeated.
    #[arg(long = "stun-server", value_name = "HOST[:PORT]", value_parser = stun_server)]
    stun_servers: Vec<IceServer>,

    /// STUN or TURN server handed to clients: stun:HOST[:PORT] or turn[s]://USER:PASSWORD@HOST[:PORT][?transport=udp|tcp]. May be repeated.
    #[arg(long = "ice-server", value_name = "URL", value_parser = parse_ice_server)]
    ice_servers: Vec<IceServer>,

    /// Web origin, besides the server's own, whose pages may use this server: scheme://host[:port], or * for all. May be repeated.
    #[arg(long = "allow-origin", value_name = "ORIGIN")]
    allow_origins: Vec<String>,

    /// What administrators prove themselves by, as a bearer token: they may remove participants from rooms. 16 bytes or more. Default:
    /// there are no administrators.
    #[arg(
        long = "admin-secret",
        value_name = "SECRET",
        env = "GST_RTC_ADMIN_SECRET",
        hide_env_values = true
    )]
    admin_secret: Option<Secret>,

    /// Mode of new rooms whose first participant does not say: sfu (through a media node) or p2p (directly).
    #[arg(long, value_name = "MODE", default_value_t = Mode::Sfu)]
    mode: Mode,

    #[command(flatten)]
    turn: turn::TurnArgs,
}

/// Why the program ends early. The exit code is 2 when the invocation is at fault.
#[derive(Debug)]
struct Fault {
    text: String,
    code: u8,
}

impl Fault {
    /// What there is to say was said on standard output.
    fn silent(code: u8) -> Fault {
        Fault {
            text: String::new(),
            code,
        }
    }

    /// Something in the command line is to be changed.
    fn usage(text: impl fmt::Display) -> Fault {
        Fault {
            text: text.to_string(),
            code: 2,
        }
    }

    /// Something went wrong while running.
    #[cfg(any(feature = "dev-node", feature = "load"))]
    fn runtime(text: impl fmt::Display) -> Fault {
        Fault {
            text: text.to_string(),
            code: 1,
        }
    }
}

impl ServerArgs {
    /// `reach_here`: relays may go to this machine itself.
    fn config(&self, reach_here: bool) -> Result<ServerConfig, Fault> {
        let allowed_origins = AllowedOrigins::new(self.allow_origins.clone())
            .map_err(|text| Fault::usage(format!("--allow-origin: {text}")))?;
        let ice_servers = self
            .stun_servers
            .iter()
            .chain(&self.ice_servers)
            .cloned()
            .collect();
        let rooms = Settings {
            default_mode: self.mode,
            ice_servers,
            ..Settings::default()
        };
        Ok(ServerConfig {
            listen: self.listen,
            allowed_origins,
            admin_secret: self.admin_secret.clone(),
            rooms,
            turn: self.turn.config(self.listen, reach_here)?,
        })
    }
}

fn stun_server(text: &str) -> Result<IceServer, String> {
    let host = text.strip_prefix("stun:").unwrap_or(text);
    parse_ice_server(&format!("stun:{}", host.trim_start_matches("//")))
}

fn parse_ice_server(text: &str) -> Result<IceServer, String> {
    text.parse()
}

/// Runs the command. The exit code is 0 after Ctrl-C or SIGTERM.
pub(crate) fn main() -> ExitCode {
    let cli = Cli::parse();
    tracing_subscriber::fmt()
        .with_env_filter(log_filter())
        .with_writer(std::io::stderr)
        .with_target(false)
        .init();
    descriptors::raise_limit();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("gst-rtc: cannot start threads: {error}");
            return ExitCode::from(1);
        }
    };
    let result = runtime.block_on(async {
        match cli.command {
            Command::Serve(args) => serve::serve(&args).await,
            #[cfg(feature = "dev-node")]
            Command::Dev(args) => dev::dev(&args).await,
            Command::Run(args) => describe::run(&args).await,
            Command::Check(args) => describe::check(&args),
            Command::Schema => {
                describe::schema();
                Ok(())
            }
            #[cfg(feature = "load")]
            Command::Load(args) => load::load(&args).await,
            Command::Man(args) => manual::write(&args),
        }
    });
    runtime.shutdown_timeout(RUNTIME_END);
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            if !fault.text.is_empty() {
                eprintln!("gst-rtc: {}", fault.text);
            }
            ExitCode::from(fault.code)
        }
    }
}

/// What is logged. Never the libraries that read STUN messages: they would warn of each that a stranger sends, and trace keys.
/// Nor what is in WebSocket frames: credentials, and secrets to resume with.
fn log_filter() -> EnvFilter {
    let filter = EnvFilter::try_from_env("GST_RTC_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    const QUIET: [&str; 5] = [
        "stun_types=off",
        "stun_proto=off",
        "turn_client_proto=off",
        "turn_types=off",
        "tungstenite=info",
    ];
    QUIET.into_iter().fold(filter, |filter, quiet| {
        filter.add_directive(quiet.parse().expect("a directive of tracing-subscriber"))
    })
}

/// Returns at Ctrl-C (SIGINT) or SIGTERM.
async fn told_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut term) = signal(SignalKind::terminate()) else {
        let _ = tokio::signal::ctrl_c().await;
        return;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = term.recv() => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn servers_for_ice_are_read() {
        let cli = Cli::try_parse_from([
            "gst-rtc",
            "serve",
            "--stun-server",
            "stun.example.org",
            "--ice-server",
            "turn://u:p%40@turn.example.org:3478?transport=tcp",
            "--mode",
            "p2p",
        ]);
        let config = serve_args(cli.expect("a command line"))
            .config(false)
            .expect("a configuration");
        assert_eq!(config.rooms.default_mode, Mode::P2p);
        assert_eq!(config.rooms.ice_servers[0].urls, ["stun:stun.example.org"]);
        assert_eq!(
            config.rooms.ice_servers[1].urls,
            ["turn:turn.example.org:3478?transport=tcp"]
        );
        assert_eq!(
            config.rooms.ice_servers[1].credential.as_deref(),
            Some("p@")
        );
    }

    #[test]
    fn wrong_values_are_refused_with_their_name() {
        for bad in [
            ["--listen", "here"],
            ["--mode", "mcu"],
            ["--ice-server", "http://x"],
            ["--ice-server", "turn:host"],
            ["--stun-server", ""],
        ] {
            let error = Cli::try_parse_from(["gst-rtc", "serve"].into_iter().chain(bad))
                .expect_err("refused");
            assert!(error.to_string().contains(bad[0]), "{error}");
        }
        let cli = Cli::try_parse_from(["gst-rtc", "serve", "--allow-origin", "app.example"])
            .expect("a command line");
        assert_eq!(serve_args(cli).config(false).expect_err("refused").code, 2);
    }

    fn serve_args(cli: Cli) -> ServerArgs {
        match cli.command {
            Command::Serve(args) => args,
            #[cfg(feature = "dev-node")]
            Command::Dev(_) => panic!("serve was asked for"),
            #[cfg(feature = "load")]
            Command::Load(_) => panic!("serve was asked for"),
            Command::Run(_) | Command::Check(_) | Command::Schema | Command::Man(_) => {
                panic!("serve was asked for")
            }
        }
    }
}
