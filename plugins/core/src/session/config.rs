// SPDX-License-Identifier: MIT OR Apache-2.0

use super::error::SessionError;
use super::{Certificate, IceRole, Message, SrtpProfile};
use crate::data::DataSpec;
use crate::media::{Candidate, Path, TransportDescription};
use std::sync::Arc;

/// What a session is made from: both sides of the negotiated transport.
#[derive(Clone, Debug)]
pub struct SessionConfig {
    /// Whether the peer checks, or we do.
    pub ice: IceRole,
    /// Our user name fragment: 4 to 256 characters, unique on this node.
    pub local_ufrag: String,
    /// Our password: 22 to 256 unguessable characters.
    pub local_pwd: String,
    /// Our candidates. A full agent sends from the UDP ones; a lite agent needs none here.
    pub local_candidates: Vec<Candidate>,
    /// What the peer's description says.
    pub remote: TransportDescription,
    /// True when we send the ClientHello (`a=setup:active`).
    pub dtls_client: bool,
    /// Our certificate, whose fingerprint our description announces.
    pub certificate: Arc<Certificate>,
    /// SRTP profiles we take, best first; [`SrtpProfile::PREFERRED`] by default. Must not be empty.
    pub profiles: Vec<SrtpProfile>,
    /// Data channels, where they were negotiated; see [`Session::set_data`](super::Session::set_data).
    pub data: Option<DataSpec>,
    /// Bytes per second that the peer may send on data channels; while it sends more, it is held up.
    pub data_rate: u32,
}

/// A STUN or DTLS datagram to be sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Transmit {
    /// From where to where.
    pub path: Path,
    /// The datagram.
    pub data: Vec<u8>,
}

/// What happened in a session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SessionEvent {
    /// ICE has a path.
    IceConnected(Path),
    /// The peer moved; media goes to this path now.
    PathChanged(Path),
    /// DTLS is done, the certificate is the announced one, and media can flow.
    Connected(SrtpProfile),
    /// Nothing authentic came for 30 s; `Failed` follows.
    IceDisconnected,
    /// The peer closed. The session is over.
    Closed,
    /// The session is over.
    Failed(SessionError),
    /// The peer opened a data channel of this label.
    ChannelOpened(Arc<str>),
    /// A data channel of this label is closed, by whichever side.
    ChannelClosed(Arc<str>),
    /// A message came by a data channel.
    Message(Message),
}

/// What a datagram held for the layers above.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Incoming {
    /// Nothing: it was for the session itself, or bad.
    None,
    /// `data[..n]` is now a plain RTP packet.
    Rtp(usize),
    /// `data[..n]` is now a plain compound RTCP packet.
    Rtcp(usize),
}
