// SPDX-License-Identifier: MIT OR Apache-2.0
//! What can go wrong for a client.

use crate::protocol::ErrorMessage;

/// Why a call of the client failed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The address is none.
    #[error("\"{uri}\" is no WebSocket address: {reason}; write ws://HOST:PORT or wss://HOST")]
    Address {
        /// What was given.
        uri: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The server cannot be reached.
    #[error("cannot reach {uri}: {reason}; is the server running there?")]
    Unreachable {
        /// The address.
        uri: String,
        /// What the system says.
        reason: String,
    },
    /// The connection was closed, by us or for good.
    #[error("the connection to the server is closed; connect again")]
    Closed,
    /// The connection broke before the reply came. It is being made anew.
    #[error(
        "the connection to the server broke before its reply; try again after Event::Reconnected"
    )]
    Interrupted,
    /// The server refused. Its text says what to do.
    #[error("the server refused ({}): {}", .0.code, .0.message)]
    Refused(ErrorMessage),
    /// No reply in time.
    #[error("no reply to {what} within {seconds} s")]
    Timeout {
        /// What was asked.
        what: &'static str,
        /// How long was waited.
        seconds: u64,
    },
    /// The server said something that does not fit.
    #[error("the server's reply does not fit the request: {0}; do the versions match?")]
    Protocol(String),
    /// Peer-to-peer in a room that is not.
    #[error(
        "this room is not peer to peer: publish and receive instead, or join a new room with mode p2p"
    )]
    WrongMode,
    /// The element is not what it should be.
    #[error("element {element}: {reason}")]
    Element {
        /// Its name.
        element: String,
        /// What is wrong.
        reason: String,
    },
    /// A sink pad has no caps yet.
    #[error(
        "element {element}: {reason} within {seconds} s; link its sink pads to running payloaders before publishing"
    )]
    NoMedia {
        /// Its name.
        element: String,
        /// What is missing.
        reason: String,
        /// How long was waited.
        seconds: u64,
    },
    /// `webrtcbin` refused a step of the negotiation.
    #[error("webrtcbin failed to {step}: {reason}; GST_DEBUG=webrtcbin:5 shows more")]
    WebRtcBin {
        /// Which step.
        step: &'static str,
        /// What it says.
        reason: String,
    },
    /// The other side's SDP is none.
    #[error("the other side's SDP cannot be used: {0}")]
    Sdp(String),
    /// Our certificate could not be made.
    #[error("the DTLS certificate cannot be made: {0}")]
    Certificate(#[from] openssl::error::ErrorStack),
}
