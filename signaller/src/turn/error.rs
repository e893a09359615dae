// SPDX-License-Identifier: MIT OR Apache-2.0
//! Why the server does not start.

use std::io;
use std::net::SocketAddr;

/// Why the STUN and TURN server does not start.
#[derive(Debug, thiserror::Error)]
pub enum TurnError {
    /// The address cannot be listened on.
    #[error("STUN and TURN cannot listen on {address}: {error}. {}", remedy(.error))]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        error: io::Error,
    },
    /// What is set makes no sense.
    #[error("STUN and TURN: {0}")]
    Config(String),
    /// The system does not give what every program needs.
    #[error("STUN and TURN cannot start: {0}. Is the limit of open files or threads reached?")]
    System(#[from] io::Error),
}

fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "Another TURN server runs there: end it, choose another port with --turn-listen, or do without with --no-turn."
        }
        io::ErrorKind::AddrNotAvailable => {
            "This machine has no such address: choose one of its own, or 0.0.0.0 for all, with --turn-listen."
        }
        _ => "Choose another address with --turn-listen, or do without with --no-turn.",
    }
}
