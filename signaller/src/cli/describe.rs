// SPDX-License-Identifier: MIT OR Apache-2.0
//! `gst-rtc run` and `gst-rtc check`: pipelines described in files.

use super::{Fault, banner, told_to_stop};
use clap::Args;
use gst_rtc_signaller::run::{
    self, Description, Fault as Found, Finding, Line, Options, Prepared, RunError,
};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::PathBuf;

/// Exit code: the invocation is at fault.
const USAGE: u8 = 2;
/// Exit code: the description is at fault.
const INVALID: u8 = 3;
/// Exit code: an element is not installed.
const MISSING: u8 = 4;
/// Exit code: it ran, and failed.
const FAILED: u8 = 5;

/// What both verbs have.
#[derive(Debug, Args)]
struct FileArgs {
    /// The description: a .toml file, or launch text with # comments and ${variables} (.gst). - reads standard input.
    #[arg(value_name = "FILE")]
    file: String,

    /// Gives a parameter its value. May be repeated.
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = assignment)]
    set: Vec<(String, String)>,
}

/// The options of `run`.
#[derive(Debug, Args)]
pub(super) struct RunArgs {
    #[command(flatten)]
    file: FileArgs,

    /// Print the gst-launch-1.0 command instead of running it. Secrets are ***.
    #[arg(long)]
    print: bool,

    /// Write the graph of the pipeline to this file as soon as it plays, in the format of Graphviz.
    #[arg(long, value_name = "FILE")]
    dot: Option<PathBuf>,

    /// The server that webrtcbin elements connect to, where the description does not say.
    #[arg(
        long,
        value_name = "URI",
        default_value = "ws://127.0.0.1:8080",
        env = "GST_RTC_SIGNALLER"
    )]
    signaller: String,

    /// The room that webrtcbin elements join, where the description does not say.
    #[arg(long, value_name = "NAME", default_value = "lobby")]
    room: String,
}

/// The options of `check`.
#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    file: FileArgs,

    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
}

fn assignment(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

impl FileArgs {
    fn shown(&self) -> &str {
        if self.file == "-" {
            "standard input"
        } else {
            &self.file
        }
    }

    fn text(&self) -> Result<String, Fault> {
        let read = if self.file == "-" {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).map(|_| text)
        } else {
            std::fs::read_to_string(&self.file)
        };
        read.map_err(|error| Fault::usage(format!("{}: {error}", self.shown())))
    }

    /// Reads it and fills it in. The inner error is the description's.
    fn prepare(&self) -> Result<Result<Prepared, Vec<Finding>>, Fault> {
        let text = self.text()?;
        start_gstreamer()?;
        let given: BTreeMap<String, String> = self.set.iter().cloned().collect();
        let environment = |name: &str| std::env::var(name).ok();
        let read = Description::read(&self.file, &text);
        Ok(read.and_then(|description| Prepared::new(description, &given, &environment)))
    }

    /// Shows the findings as compilers do. The fault has only their code.
    fn fault(&self, findings: &[Finding]) -> Fault {
        for finding in findings {
            eprintln!("{}", finding.shown(self.shown()));
        }
        Fault::silent(code(findings))
    }
}

/// GStreamer with the elements of this program, where they are not installed.
fn start_gstreamer() -> Result<(), Fault> {
    gst::init().map_err(|error| Fault {
        text: format!("GStreamer does not start: {error}. Is it installed whole?"),
        code: FAILED,
    })?;
    #[cfg(feature = "dev-node")]
    {
        register("rtcsfu", gstrtcsfu::plugin_register_static)?;
        register("rtcmcu", gstrtcmcu::plugin_register_static)?;
        register("turnsrc", gstrtcturn::plugin_register_static)?;
    }
    Ok(())
}

#[cfg(feature = "dev-node")]
fn register(element: &str, plugin: fn() -> Result<(), gst::glib::BoolError>) -> Result<(), Fault> {
    if gst::ElementFactory::find(element).is_some() {
        return Ok(());
    }
    plugin().map_err(|error| Fault {
        text: format!("the plugin {element} cannot be registered: {error}"),
        code: FAILED,
    })
}

fn code(findings: &[Finding]) -> u8 {
    let mut errors = findings
        .iter()
        .filter(|finding| finding.is_error())
        .peekable();
    if errors.peek().is_none() {
        return 0;
    }
    let all = |fault: Found| {
        findings
            .iter()
            .filter(|finding| finding.is_error())
            .all(|finding| finding.fault == fault)
    };
    if all(Found::Argument) {
        USAGE
    } else if all(Found::MissingElement) {
        MISSING
    } else {
        INVALID
    }
}

/// Says what is wrong with a description.
pub(super) fn check(args: &CheckArgs) -> Result<(), Fault> {
    let prepared = args.file.prepare()?;
    let findings = match &prepared {
        Ok(prepared) => prepared.check(),
        Err(findings) => findings.clone(),
    };
    let code = code(&findings);
    if args.json {
        let report = serde_json::json!({
            "file": args.file.file, "ok": code == 0, "code": code, "findings": findings,
        });
        banner::print(&format!("{report:#}\n"));
        return if code == 0 {
            Ok(())
        } else {
            Err(Fault::silent(code))
        };
    }
    if code != 0 {
        return Err(args.file.fault(&findings));
    }
    args.file.fault(&findings);
    let prepared = prepared.map_err(|findings| args.file.fault(&findings))?;
    banner::print(&about(args.file.shown(), prepared.description()));
    Ok(())
}

/// Prints the schema of descriptions.
pub(super) fn schema() {
    banner::print(&format!("{:#}\n", run::schema()));
}

fn about(file: &str, description: &Description) -> String {
    let about = description.about().map(|about| format!(": {about}"));
    let mut text = format!("{file}: right{}\n", about.unwrap_or_default());
    for param in description.params() {
        text.push_str(&format!("  {param}\n"));
    }
    text
}

/// Checks a description and runs it until it ends, or Ctrl-C.
pub(super) async fn run(args: &RunArgs) -> Result<(), Fault> {
    let prepared = args
        .file
        .prepare()?
        .map_err(|findings| args.file.fault(&findings))?;
    let findings = prepared.check();
    if code(&findings) != 0 {
        return Err(args.file.fault(&findings));
    }
    args.file.fault(&findings);
    if args.print {
        if prepared.has_more_than_launch() {
            eprintln!(
                "gst-rtc: this description has templates or webrtcbin, which gst-launch-1.0 leaves unconnected"
            );
        }
        banner::print(&format!("{}\n", prepared.launch_line()));
        return Ok(());
    }
    let options = Options {
        signaller: args.signaller.clone(),
        room: args.room.clone(),
        dot: args.dot.clone(),
    };
    let tell = |line: Line| banner::print(&format!("{line}\n"));
    run::run(prepared, &options, told_to_stop(), tell)
        .await
        .map_err(|error: RunError| Fault {
            text: error.to_string(),
            code: FAILED,
        })
}
