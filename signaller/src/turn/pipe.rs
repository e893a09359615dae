// SPDX-License-Identifier: MIT OR Apache-2.0
//! TCP with peers (RFC 6062): connections, and bytes that go through.

use super::wire::Wire;
use gst_rtc_core::turn::{ConnectionId, RelayId};
use mio::net::TcpStream;
use std::io;

/// A connection with a peer.
pub(super) struct Peer {
    pub(super) wire: Wire,
    pub(super) connection: ConnectionId,
    pub(super) relay: RelayId,
    /// The connection is being made.
    pub(super) connecting: bool,
    /// The client's stream that it is joined with.
    pub(super) stream: Option<usize>,
}

impl Peer {
    pub(super) fn new(
        socket: TcpStream,
        connection: ConnectionId,
        relay: RelayId,
        connecting: bool,
    ) -> Peer {
        Peer {
            wire: Wire::plain(socket),
            connection,
            relay,
            connecting,
            stream: None,
        }
    }

    /// Whether connecting has come to an end, and how.
    pub(super) fn connected(&mut self) -> Option<bool> {
        if !self.connecting {
            return None;
        }
        if let Ok(Some(_)) | Err(_) = self.wire.tcp().take_error() {
            return Some(false);
        }
        match self.wire.tcp().peer_addr() {
            Ok(_) => {
                self.connecting = false;
                Some(true)
            }
            Err(error) if error.kind() == io::ErrorKind::NotConnected => None,
            Err(_) => Some(false),
        }
    }
}

/// How a pipe is after bytes went through it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Pumped {
    pub(super) to_peer: u64,
    pub(super) to_client: u64,
    /// One side has ended, and the other got everything.
    pub(super) done: bool,
}

/// Moves what can be moved. Who does not read is not written to, and so holds up the other side.
pub(super) fn pump(client: &mut Wire, peer: &mut Wire) -> io::Result<Pumped> {
    let to_peer = one_way(client, peer)?;
    let to_client = one_way(peer, client)?;
    let done = (client.ended && peer.is_flushed()) || (peer.ended && client.is_flushed());
    Ok(Pumped {
        to_peer,
        to_client,
        done,
    })
}

fn one_way(from: &mut Wire, to: &mut Wire) -> io::Result<u64> {
    let mut moved = 0;
    let mut data = Vec::new();
    to.flush()?;
    while from.readable && !from.ended && to.has_room() {
        data.clear();
        from.read(&mut data)?;
        moved += data.len() as u64;
        to.write(&data)?;
    }
    Ok(moved)
}
