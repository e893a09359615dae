// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the server wants done.

use super::path::FiveTuple;
use std::net::SocketAddr;

/// A relayed transport address: a socket that belongs to one allocation. The number is used again only after
/// [`Output::CloseRelay`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RelayId(pub usize);

/// A TCP connection with a peer (RFC 6062 §6.2.1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ConnectionId(pub u32);

/// What a relay is made of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RelayKind {
    /// A UDP socket.
    Udp,
    /// A TCP listener, from whose address connections can be made as well (RFC 6062 §5.1).
    Tcp,
}

/// Which port a relay gets. Always a random one from the range that is set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RelayPort {
    /// Whichever.
    Any,
    /// An even one.
    Even,
    /// An even one, and the next higher one kept open as this relay (RFC 8656 §7.2, `EVEN-PORT` with the R bit).
    EvenAndNext(RelayId),
}

/// Something to be done, in the order in which it came out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Output {
    /// Send a message to a client.
    Send {
        /// To whom, and from which address of the server.
        to: FiveTuple,
        /// The message.
        data: Vec<u8>,
    },
    /// Open a socket and call [`super::Server::relay_opened`].
    OpenRelay {
        /// Its name.
        relay: RelayId,
        /// UDP or TCP.
        kind: RelayKind,
        /// IPv6 rather than IPv4.
        ipv6: bool,
        /// The port.
        port: RelayPort,
    },
    /// Close a socket, and whatever came by it and is not [`Output::Join`]ed.
    CloseRelay {
        /// Which.
        relay: RelayId,
    },
    /// Connect to a peer from the address of a TCP relay and call [`super::Server::peer_connected`].
    Connect {
        /// From where.
        relay: RelayId,
        /// Its name.
        connection: ConnectionId,
        /// To whom.
        peer: SocketAddr,
    },
    /// From now on, pass every byte between the client's connection and the peer's. The client's is no longer a
    /// client of this server; what of it came after the request belongs to the peer.
    Join {
        /// The client's connection.
        client: FiveTuple,
        /// The peer's connection.
        connection: ConnectionId,
    },
    /// Close the connection with a peer, and what it is joined with.
    Disconnect {
        /// Which.
        connection: ConnectionId,
    },
    /// Close a client's TCP or TLS connection, or forget its DTLS session.
    Hangup {
        /// Whose.
        client: FiveTuple,
    },
}

/// A datagram for a peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ToPeer<'a> {
    /// The socket to send it from.
    pub relay: RelayId,
    /// To whom.
    pub peer: SocketAddr,
    /// What.
    pub data: &'a [u8],
    /// Set the DF bit (RFC 8656 §14.9).
    pub dont_fragment: bool,
}
