// SPDX-License-Identifier: MIT OR Apache-2.0
//! `gst-rtc serve` as a TURN server that relays on the loopback interface.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use tempfile::TempDir;

use crate::coturn::{PASSWORD, USER, write_certificate};
use crate::http::request;
use crate::natlab::{Lab, SERVER, SERVER_2};
use crate::port::free_port;
use crate::{Failure, Result, Server};

/// A running server, with the same user as [`Coturn`](crate::coturn::Coturn).
pub struct OwnTurn {
    /// None only in between two.
    server: Option<Server>,
    more: Vec<String>,
    port: u16,
    tls_port: u16,
    folder: TempDir,
}

impl OwnTurn {
    /// By UDP and TCP, and by TLS and DTLS, on free ports; with more arguments than those it needs.
    pub async fn start(more: &[&str]) -> Result<OwnTurn> {
        let mut arguments = vec!["--turn-allow", "127.0.0.0/8"];
        arguments.extend(more);
        OwnTurn::with(&arguments).await
    }

    /// The same, relaying to whom it does by default: not to this machine.
    pub async fn strict() -> Result<OwnTurn> {
        OwnTurn::with(&[]).await
    }

    /// On the lab's server, on the ports that a server has, with TLS on that of the web, and with its second address.
    pub async fn inside(lab: &Lab) -> Result<(Server, TempDir)> {
        let folder = tempfile::tempdir()?;
        write_certificate(folder.path())?;
        let file = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
        let (cert, key) = (file("cert.pem"), file("key.pem"));
        let (plain, tls) = (format!("{SERVER}:3478"), format!("{SERVER}:443"));
        let alternate = format!("{SERVER_2}:3479");
        let user = format!("{USER}:{PASSWORD}");
        let mut arguments = vec!["--turn-listen", &plain, "--turn-tls-listen", &tls];
        arguments.extend(["--turn-alternate", &alternate]);
        arguments.extend(["--turn-tls-cert", &cert, "--turn-tls-key", &key]);
        // A relay's peer is a relay of the same server.
        arguments.extend(["--turn-user", &user, "--turn-allow", "203.0.113.0/24"]);
        let server = Server::serve_inside(&lab.server_space(), SERVER.into(), &arguments).await?;
        Ok((server, folder))
    }

    async fn with(more: &[&str]) -> Result<OwnTurn> {
        let folder = tempfile::tempdir()?;
        write_certificate(folder.path())?;
        let mut turn = OwnTurn {
            server: None,
            more: more.iter().map(|word| (*word).to_owned()).collect(),
            port: free_port()?,
            tls_port: free_port()?,
            folder,
        };
        turn.run().await?;
        Ok(turn)
    }

    /// Kills it, and starts another at the same place that knows nothing of the first one's allocations.
    pub async fn restart(&mut self) -> Result {
        // The new one is started only when the old one is dead and has let go of its ports.
        drop(self.server.take());
        self.run().await
    }

    async fn run(&mut self) -> Result {
        let file = |name: &str| self.folder.path().join(name).to_string_lossy().into_owned();
        let (cert, key) = (file("cert.pem"), file("key.pem"));
        let at = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)).to_string();
        let (listen, tls_listen) = (at(self.port), at(self.tls_port));
        let user = format!("{USER}:{PASSWORD}");
        let mut arguments = vec!["--turn-listen", &listen, "--turn-tls-listen", &tls_listen];
        arguments.extend(["--turn-tls-cert", &cert, "--turn-tls-key", &key]);
        // The client of coturn 4.6 takes any channel.
        arguments.extend(["--turn-user", &user, "--turn-old-channels"]);
        arguments.extend(self.more.iter().map(String::as_str));
        let mut server = Server::serve(&arguments).await?;
        let last = |line: &str| line.contains("TURN TLS").then_some(());
        server.process().line("TURN in its banner", last).await?;
        self.server = Some(server);
        Ok(())
    }

    /// Where it answers without TLS.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// Where it answers by TLS and DTLS.
    pub fn tls_address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.tls_port).into()
    }

    /// The certificate that makes `turns://` trustworthy.
    pub fn ca_file(&self) -> PathBuf {
        self.folder.path().join("cert.pem")
    }

    /// What makes an element use it by UDP, TCP and TLS.
    pub fn ways(&self) -> [String; 3] {
        let user = format!("{USER}:{PASSWORD}");
        let (plain, tls) = (self.address(), self.tls_address());
        [
            format!("turn-server=turn://{user}@{plain}"),
            format!("turn-server=turn://{user}@{plain}?transport=tcp"),
            format!(
                "turn-server=turns://{user}@{tls} tls-ca-file={}",
                self.ca_file().display()
            ),
        ]
    }

    /// Its process.
    pub fn process(&self) -> Result<u32> {
        let server = self.server.as_ref();
        let server = server.ok_or_else(|| Failure::new("the server does not run"))?;
        Ok(server.id())
    }

    /// Everything that it has counted.
    pub async fn metrics(&self) -> Result<String> {
        let Some(server) = &self.server else {
            return Err(Failure::new("the server does not run"));
        };
        let answer = request(server.address(), "GET", "/metrics", "text/plain", "").await?;
        Ok(answer.body)
    }

    /// One number of those, by its name and labels.
    pub async fn metric(&self, name: &str) -> Result<u64> {
        let metrics = self.metrics().await?;
        let mut lines = metrics.lines();
        let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        let value = value.ok_or_else(|| Failure::new(format!("no {name} in {metrics}")))?;
        Ok(value.trim().parse()?)
    }
}
