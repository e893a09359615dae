// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sockets and threads: what moves bytes between the network and the engines of the core.
//!
//! One worker is one thread with its own sockets and its own engine; nothing is shared but channels. All `unsafe` of the crate is
//! in [`sys`], a thin safe layer over what Linux offers and the standard library does not.
#![deny(unsafe_code)]

mod command;
mod framing;
mod listen;
#[allow(unsafe_code)]
mod sys;
mod tcp;
mod udp;
mod worker;

pub(crate) use command::{Command, Mailbox};
#[cfg(fuzzing)]
pub(crate) use framing::Deframer;
pub(crate) use listen::Listening;
pub(crate) use sys::interface_addresses;
pub(crate) use tcp::TcpLimits;
pub(crate) use udp::UdpSocket;
pub(crate) use worker::{Worker, WorkerConfig, WorkerEvent, WorkerObserver};
