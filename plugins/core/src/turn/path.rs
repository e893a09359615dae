// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who a client is: where it comes from and how.

use std::net::SocketAddr;

/// What carries messages between client and server.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Transport {
    /// Datagrams.
    Udp,
    /// A stream; messages are framed by their own length.
    Tcp,
    /// A stream under TLS.
    Tls,
    /// Datagrams under DTLS.
    Dtls,
}

impl Transport {
    /// True for TCP and TLS, where ChannelData is padded (RFC 8656 §12.5) and TCP may be relayed (RFC 6062 §5.1).
    pub fn is_stream(self) -> bool {
        matches!(self, Transport::Tcp | Transport::Tls)
    }

    /// The word for it in metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Transport::Udp => "udp",
            Transport::Tcp => "tcp",
            Transport::Tls => "tls",
            Transport::Dtls => "dtls",
        }
    }
}

/// The 5-tuple that names a client (RFC 8656 §2.2).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct FiveTuple {
    /// How it comes.
    pub transport: Transport,
    /// From where. IPv4 is never written as IPv6.
    pub client: SocketAddr,
    /// To which address of the server.
    pub server: SocketAddr,
}
