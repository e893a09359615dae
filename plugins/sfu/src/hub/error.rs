// SPDX-License-Identifier: MIT OR Apache-2.0
//! Why a hub did not start, or did not take a request.

use gst_rtc_core::data::{MAX_LABEL, MAX_MESSAGE, NODE_LABEL};
use std::net::SocketAddr;

/// Why a hub could not start. The texts name the property to change.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No address to listen on.
    #[error("listen: no address given; set for example listen=0.0.0.0:10000")]
    NoAddress,
    /// A port could not be bound.
    #[error(
        "listen: {protocol} {address} cannot be bound: {source}; choose another port, or port 0 for any free one"
    )]
    Bind {
        /// `UDP` or `TCP`.
        protocol: &'static str,
        /// The address tried.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The ports of the workers would exceed 65,535.
    #[error("listen: port {port} leaves no room for {workers} workers; choose a port up to {}", 65_536 - *workers)]
    Ports {
        /// The first port.
        port: u16,
        /// Number of workers.
        workers: usize,
    },
    /// Too many workers.
    #[error("workers: {0} is out of range; choose 1 to 64, or 0 for one per core")]
    Workers(usize),
    /// The address of the signaller is not one.
    #[error("signaller::uri: {uri:?} is not usable: {reason}; write ws://host:port")]
    SignallerUri {
        /// What was given.
        uri: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The name of the room cannot be used.
    #[error("room: {0:?} is not a room name; use 1 to 64 letters, digits, '-', '_' or '.'")]
    Room(String),
    /// The certificate could not be made.
    #[error("the DTLS certificate could not be made: {0}; check the OpenSSL installation")]
    Certificate(String),
    /// The system gave no thread, eventfd or epoll.
    #[error("{what}: {source}; check the limits of the process (ulimit -n, ulimit -u)")]
    System {
        /// What was asked of the system.
        what: &'static str,
        /// What it said.
        source: std::io::Error,
    },
}

/// Why a request was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Neither the request nor the configuration says which room.
    #[error("no room: set room on the element or on the pad")]
    NoRoom,
    /// The node serves another room only.
    #[error(
        "room {0:?} is not the room of this node; leave room on the pad unset, or unset it on the element"
    )]
    OtherRoom(String),
    /// A name that cannot be used.
    #[error("{what} {name:?} cannot be used; use 1 to 64 characters, no control characters")]
    Name {
        /// `participant`, `track`, …
        what: &'static str,
        /// What was given.
        name: String,
    },
    /// A message or its label is too long.
    #[error(
        "the message has {message} bytes and its label {label}; at most {MAX_MESSAGE} and {MAX_LABEL} can be sent"
    )]
    TooLong {
        /// Bytes of the message.
        message: usize,
        /// Bytes of the label.
        label: usize,
    },
    /// A text message that is no text.
    #[error("the message is not UTF-8; send it as bytes")]
    NoText,
    /// A label that nodes use among themselves.
    #[error("channels labelled {NODE_LABEL} are for nodes alone; use another label")]
    ReservedLabel,
    /// The hub is stopping.
    #[error("the hub has been stopped")]
    Stopped,
}
