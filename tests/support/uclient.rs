// SPDX-License-Identifier: MIT OR Apache-2.0
//! `turnutils_uclient` of coturn, which sends through relays, and a peer that sends all back.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::process::Command;

use crate::coturn::{PASSWORD, USER};
use crate::{Failure, Process, Result};

/// What `turnutils_uclient` is told of its user.
pub const ANN: [&str; 4] = ["-u", USER, "-w", PASSWORD];

/// `turnutils_uclient` sends ten messages for each of two clients, and must get them all back.
pub async fn uclient(server: SocketAddr, peer: SocketAddr, user: &[&str], mode: &[&str]) -> Result {
    uclient_gets(20, server, peer, user, mode).await
}

/// The same, where so many of the twenty come back.
pub async fn uclient_gets(
    back: u32,
    server: SocketAddr,
    peer: SocketAddr,
    user: &[&str],
    mode: &[&str],
) -> Result {
    let relayed = some_back(back, server, peer, user, mode).await;
    relayed
        .map(drop)
        .map_err(|failure| failure.with(format_args!("with {mode:?}")))
}

/// The client, when all have come back; it goes on as long as what is returned.
pub async fn all_back(
    server: SocketAddr,
    peer: SocketAddr,
    user: &[&str],
    mode: &[&str],
) -> Result<Process> {
    some_back(20, server, peer, user, mode).await
}

async fn some_back(
    back: u32,
    server: SocketAddr,
    peer: SocketAddr,
    user: &[&str],
    mode: &[&str],
) -> Result<Process> {
    let (server_ip, port) = (server.ip().to_string(), server.port().to_string());
    let (peer_ip, peer_port) = (peer.ip().to_string(), peer.port().to_string());
    let mut command = Command::new("turnutils_uclient");
    command
        .args(["-n", "10", "-m", "2", "-l", "171", "-p", &port])
        .args(["-e", &peer_ip, "-r", &peer_port])
        .args(user)
        .args(mode)
        .arg(server_ip);
    let process = Process::start(&mut command)?;
    let all = format!("tot_send_msgs=20, tot_recv_msgs={back}");
    let said = |line: &str| line.contains(&all).then_some(());
    process.line(&all, said).await?;
    Ok(process)
}

/// `turnutils_peer` of coturn, which echoes as well, at that address and port.
pub fn peer_of_coturn(address: SocketAddr) -> Result<Process> {
    let (ip, port) = (address.ip().to_string(), address.port().to_string());
    let mut command = Command::new("turnutils_peer");
    Process::start(command.args(["-L", &ip, "-p", &port]))
}

/// Echoes by UDP on two ports, of which the first is told: the client takes the other for RTCP.
pub fn udp_echo(ip: IpAddr) -> Result<SocketAddr> {
    for _ in 0..64 {
        let rtp = UdpSocket::bind((ip, 0))?;
        let address = rtp.local_addr()?;
        if let Ok(rtcp) = UdpSocket::bind((ip, address.port().saturating_add(1))) {
            echo(rtp);
            echo(rtcp);
            return Ok(address);
        }
    }
    Err(Failure::new("no two ports in a row are free"))
}

fn echo(socket: UdpSocket) {
    std::thread::spawn(move || {
        let mut data = [0; 2048];
        while let Ok((length, from)) = socket.recv_from(&mut data) {
            let _ = socket.send_to(&data[..length], from);
        }
    });
}
