// SPDX-License-Identifier: MIT OR Apache-2.0
//! A `gst-rtc` server under test.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::Command;

use crate::build::{program, scratch};
use crate::spaces::Space;
use crate::{Process, Result};

/// A server on a free port, of the loopback interface if nothing else is said.
pub struct Server {
    process: Process,
    address: String,
}

impl Server {
    /// `gst-rtc dev`: signalling, page and SFU in one process.
    pub async fn dev(arguments: &[&str]) -> Result<Server> {
        Server::start("dev", arguments).await
    }

    /// The same, logging all it can.
    pub async fn dev_logging_all(arguments: &[&str]) -> Result<Server> {
        let mut command = command("dev", Ipv4Addr::LOCALHOST.into());
        Server::spawn(command.args(arguments).env("GST_RTC_LOG", "trace")).await
    }

    /// `gst-rtc serve`: signalling and page only; nodes come from elsewhere.
    pub async fn serve(arguments: &[&str]) -> Result<Server> {
        Server::start("serve", arguments).await
    }

    /// `gst-rtc dev` in a network namespace, on a free port of that address of it.
    pub async fn dev_inside(space: &Space, address: IpAddr) -> Result<Server> {
        Server::spawn(&mut space.wrap(&command("dev", address))).await
    }

    /// `gst-rtc serve` in a network namespace, the same way.
    pub async fn serve_inside(
        space: &Space,
        address: IpAddr,
        arguments: &[&str],
    ) -> Result<Server> {
        let mut command = command("serve", address);
        Server::spawn(&mut space.wrap(command.args(arguments))).await
    }

    async fn start(verb: &str, arguments: &[&str]) -> Result<Server> {
        let mut command = command(verb, Ipv4Addr::LOCALHOST.into());
        Server::spawn(command.args(arguments)).await
    }

    async fn spawn(command: &mut Command) -> Result<Server> {
        let process = Process::start(command)?;
        let address = process.line("address in its banner", address_in).await?;
        Ok(Server { process, address })
    }

    /// `127.0.0.1:port`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The address of a room's page, joining at once under that name.
    pub fn page(&self, room: &str, name: &str) -> String {
        format!("http://{}/r/{room}?name={name}&join=1", self.address)
    }

    /// The address of a room for peers and nodes.
    pub fn websocket(&self, room: &str) -> String {
        format!("ws://{}/ws/{room}", self.address)
    }

    /// Where to publish into a room as that participant.
    pub fn whip(&self, room: &str, name: &str) -> String {
        format!("http://{}/whip/{room}?name={name}", self.address)
    }

    /// Where to receive a participant of a room.
    pub fn whep(&self, room: &str, participant: &str) -> String {
        format!(
            "http://{}/whep/{room}?participant={participant}",
            self.address
        )
    }

    /// The id of its process.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// The process, for its output, its signals and its entry in `/proc`.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}

fn command(verb: &str, address: IpAddr) -> Command {
    let listen = SocketAddr::new(address, 0).to_string();
    let mut command = Command::new(program());
    command
        .args([verb, "--listen", &listen])
        .env("GST_REGISTRY", scratch().join("server.registry"));
    command
}

/// The host and port of the first `http://` address in a line.
fn address_in(line: &str) -> Option<String> {
    let (_, rest) = line.split_once("http://")?;
    let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || ".:[]".contains(c)));
    let address = &rest[..end.unwrap_or(rest.len())];
    address.contains(':').then(|| address.to_owned())
}
