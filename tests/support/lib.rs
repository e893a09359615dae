// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the tests of the whole share: a server, browsers, pipelines and foreign peers.
//!
//! Everything started here is a process of its own and ends with the value that stands for it.
//! Waiting is always for an event with a [`DEADLINE`], never for a time; where one passes, the
//! failure carries what the other side said last.

pub mod access;
pub mod aiortc;
pub mod browser;
pub mod build;
pub mod coturn;
pub mod described;
pub mod embedded;
pub mod example;
mod failure;
pub mod http;
pub mod marks;
pub mod media;
pub mod natlab;
pub mod own_peer;
pub mod own_turn;
pub mod pictures;
pub mod pipeline;
pub mod port;
pub mod process;
pub mod raw_peer;
pub mod relay_client;
pub mod server;
pub mod spaces;
mod turn_taking;
pub mod uclient;
pub mod visitor;
pub mod whip;

pub use browser::{Browser, Page};
pub use described::Described;
pub use failure::{Failure, Result};
pub use pipeline::GstLaunch;
pub use process::Process;
pub use server::Server;
pub use turn_taking::{Turn, my_turn};
pub use visitor::Visitor;

use std::time::Duration;

/// How long anything may take before a test gives up on it.
///
/// Generous, because a build server with two busy cores starts a browser in ten seconds. Nothing
/// waits this long when all is well.
pub const DEADLINE: Duration = Duration::from_secs(60);
