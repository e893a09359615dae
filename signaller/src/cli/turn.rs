// SPDX-License-Identifier: MIT OR Apache-2.0
//! The options of STUN and TURN.

use super::Fault;
use clap::Args;
use gst_rtc_signaller::protocol::Secret;
use gst_rtc_signaller::turn::{AddressRange, Limits, PortRange, TlsFiles, TurnConfig};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

/// The port of STUN and TURN (RFC 8656 §19).
const PORT: u16 = 3478;
/// Of both under TLS or DTLS.
const TLS_PORT: u16 = 5349;

/// The STUN and TURN server, on by default.
#[derive(Debug, Args)]
#[command(next_help_heading = "STUN and TURN")]
pub(super) struct TurnArgs {
    /// Do without the STUN and TURN server.
    #[arg(long)]
    no_turn: bool,

    /// Address for STUN and TURN, UDP and TCP; port 0 takes a free one. May be repeated. Default: the address of --listen, port 3478, or a
    /// free one when that is taken or the port of --listen is 0.
    #[arg(long = "turn-listen", value_name = "ADDRESS:PORT")]
    turn_listen: Vec<SocketAddr>,

    /// Certificates in PEM for STUN and TURN by TLS and DTLS, the server's own first.
    #[arg(long, value_name = "FILE", requires = "turn_tls_key")]
    turn_tls_cert: Option<PathBuf>,

    /// Private key in PEM that belongs to --turn-tls-cert.
    #[arg(long, value_name = "FILE", requires = "turn_tls_cert")]
    turn_tls_key: Option<PathBuf>,

    /// Address for STUN and TURN by TLS (TCP) and DTLS (UDP), when there is a certificate. May be repeated. Default: the addresses of --turn-listen, port 5349,
    /// or a free one when theirs is 0.
    #[arg(long, value_name = "ADDRESS:PORT")]
    turn_tls_listen: Vec<SocketAddr>,

    /// Second address and port, so that clients can find out what kind of NAT they are behind (RFC 5780).
    #[arg(long = "turn-alternate", value_name = "ADDRESS:PORT")]
    turn_alternate: Option<SocketAddr>,

    /// Host name or IP address by which clients reach STUN and TURN. Relays are told to be there, too, if it is an address.
    #[arg(long = "turn-public-address", value_name = "HOST")]
    turn_public_address: Option<String>,

    /// Address of this machine that relays are opened on. May be repeated, once for IPv4 and once for IPv6. Default: those of
    /// --turn-listen.
    #[arg(long = "turn-relay-address", value_name = "IP")]
    turn_relay_addresses: Vec<IpAddr>,

    /// Ports for relays.
    #[arg(long = "turn-ports", value_name = "FIRST-LAST", default_value_t = PortRange::default())]
    turn_ports: PortRange,

    /// Peers that may be relayed to though they are not public, as ADDRESS[/BITS][:PORT[-PORT]]. May be repeated. Private, loopback
    /// and all other special addresses are refused without it, and this machine's own; `dev` on a loopback address allows loopback and
    /// this machine.
    #[arg(long = "turn-allow", value_name = "RANGE")]
    turn_allow: Vec<AddressRange>,

    /// Peers that may not be relayed to though they are public. May be repeated.
    #[arg(long = "turn-deny", value_name = "RANGE")]
    turn_deny: Vec<AddressRange>,

    /// Static user. Participants of rooms need none: each gets credentials of its own. May be repeated.
    #[arg(long = "turn-user", value_name = "USER:PASSWORD", value_parser = user)]
    turn_users: Vec<(String, Secret)>,

    /// Secret that time-limited credentials are made of, as coturn's static-auth-secret. Default: a random one.
    #[arg(
        long = "turn-secret",
        value_name = "SECRET",
        env = "GST_RTC_TURN_SECRET",
        hide_env_values = true
    )]
    turn_secret: Option<String>,

    /// Take channel numbers from 0x5000 to 0x7FFF as well: clients of RFC 5766 may pick them, RFC 8656 reserves them. turnutils_uclient
    /// of coturn 4.6 needs it.
    #[arg(long)]
    turn_old_channels: bool,

    /// Most relays of one user.
    #[arg(long = "turn-user-relays", value_name = "NUMBER", default_value_t = Limits::default().allocations_per_user)]
    turn_user_relays: usize,

    /// Most relays.
    #[arg(long = "turn-relays", value_name = "NUMBER", default_value_t = Limits::default().allocations)]
    turn_relays: usize,

    /// Most bytes per second of one user, both directions together. Default: no limit.
    #[arg(long = "turn-user-rate", value_name = "BYTES")]
    turn_user_rate: Option<u64>,

    /// Most bytes per second. Default: no limit.
    #[arg(long = "turn-rate", value_name = "BYTES")]
    turn_rate: Option<u64>,

    /// Most errors per second to one address, or on one connection, that has not authenticated. More lets the server be used to flood others.
    #[arg(long = "turn-errors", value_name = "NUMBER", default_value_t = Limits::default().errors_per_second)]
    turn_errors: u32,
}

impl TurnArgs {
    /// `http` is where the pages are; `reach_here`: relays may go to this machine when only it can ask for them.
    pub(super) fn config(
        &self,
        http: SocketAddr,
        reach_here: bool,
    ) -> Result<Option<TurnConfig>, Fault> {
        if self.no_turn {
            return Ok(None);
        }
        if self.turn_secret.as_ref().is_some_and(String::is_empty) {
            return Err(Fault::usage(
                "--turn-secret is empty; set one that nobody can guess, or leave it out",
            ));
        }
        let by_default = self.turn_listen.is_empty();
        let port = if http.port() == 0 { 0 } else { PORT };
        let listen = match by_default {
            true => vec![SocketAddr::new(http.ip(), port)],
            false => self.turn_listen.clone(),
        };
        let tls_listen = match self.turn_tls_listen.is_empty() {
            true => listen.iter().copied().map(beside).collect(),
            false => self.turn_tls_listen.clone(),
        };
        let files = self.turn_tls_cert.clone().zip(self.turn_tls_key.clone());
        let mut allow = self.turn_allow.clone();
        if reach_here && listen.iter().all(|address| address.ip().is_loopback()) {
            allow.extend(this_machine());
        }
        Ok(Some(TurnConfig {
            listen,
            any_port: by_default,
            tls_listen,
            tls: files.map(|(certificates, key)| TlsFiles { certificates, key }),
            alternate: self.turn_alternate,
            public_address: self.turn_public_address.clone(),
            relay_addresses: self.turn_relay_addresses.clone(),
            relay_ports: self.turn_ports,
            allow,
            deny: self.turn_deny.clone(),
            users: self.turn_users.iter().cloned().collect(),
            secret: self.turn_secret.clone().map(Secret::from),
            old_channels: self.turn_old_channels,
            limits: Limits {
                allocations_per_user: self.turn_user_relays,
                allocations: self.turn_relays,
                user_bytes_per_second: self.turn_user_rate,
                bytes_per_second: self.turn_rate,
                errors_per_second: self.turn_errors,
                ..Limits::default()
            },
            ..TurnConfig::default()
        }))
    }
}

/// Where TLS is when nothing else is said.
fn beside(listen: SocketAddr) -> SocketAddr {
    let port = if listen.port() == 0 { 0 } else { TLS_PORT };
    SocketAddr::new(listen.ip(), port)
}

/// Loopback, and every address of an interface: where the media node of `dev` is.
fn this_machine() -> Vec<AddressRange> {
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
    let own = interfaces
        .iter()
        .map(|interface| AddressRange::of(interface.ip()));
    [
        AddressRange::prefix(Ipv4Addr::LOCALHOST.into(), 8),
        AddressRange::of(Ipv6Addr::LOCALHOST.into()),
    ]
    .into_iter()
    .chain(own)
    .collect()
}

fn user(text: &str) -> Result<(String, Secret), String> {
    match text.split_once(':') {
        Some((user, password)) if !user.is_empty() && !password.is_empty() => {
            Ok((user.to_owned(), password.into()))
        }
        _ => Err("write USER:PASSWORD".to_owned()),
    }
}
