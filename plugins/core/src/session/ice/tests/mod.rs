// SPDX-License-Identifier: MIT OR Apache-2.0

mod full;
mod lite;
mod vectors;

use super::*;
use crate::media::Proto;

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let value = |digit: u8| (digit as char).to_digit(16).expect("a hexadecimal digit") as u8;
    digits
        .chunks(2)
        .map(|pair| value(pair[0]) << 4 | value(pair[1]))
        .collect()
}

fn credentials() -> Credentials {
    Credentials {
        local_ufrag: "serverufrag".into(),
        local_pwd: "server-password-of-22-or-more".into(),
        remote_ufrag: "clientufrag".into(),
        remote_pwd: "client-password-of-22-or-more".into(),
    }
}

/// The path from our port 2000 to the peer's host 192.0.2.`host`.
fn path(proto: Proto, host: u8) -> Path {
    let local = "198.51.100.1:2000".parse().expect("an address");
    Path {
        proto,
        local,
        remote: format!("192.0.2.{host}:1000").parse().expect("an address"),
    }
}
