// SPDX-License-Identifier: MIT OR Apache-2.0
//! The STUN and TURN server with the clients of coturn, which nobody here wrote.

use std::net::UdpSocket;
use std::process::Command;

use gst_rtc::http::request;
use gst_rtc::{Failure, Process, Result, Server, check};

/// What a client of a lab needs: peers on loopback, and a user with a password.
const LAB: &[&str] = &[
    "--turn-allow",
    "127.0.0.0/8",
    "--turn-user",
    "user:password",
    "--turn-old-channels",
];

/// A server, and where its TURN is.
async fn turn_server(arguments: &[&str]) -> Result<(Server, String)> {
    let mut server = Server::serve(arguments).await?;
    let port = |line: &str| {
        let (_, rest) = line.split_once("TURN ")?;
        let (address, _) = rest.split_once(',')?;
        address.rsplit_once(':').map(|(_, port)| port.to_owned())
    };
    let port = server.process().line("port of TURN", port).await?;
    Ok((server, port))
}

/// Echoes by UDP on two ports, of which the first is told: the client takes the other for RTCP.
fn udp_echo() -> Result<u16> {
    for _ in 0..64 {
        let rtp = UdpSocket::bind("127.0.0.1:0")?;
        let port = rtp.local_addr()?.port();
        if let Ok(rtcp) = UdpSocket::bind(("127.0.0.1", port.saturating_add(1))) {
            echo(rtp);
            echo(rtcp);
            return Ok(port);
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

/// Runs a client of coturn to its end; what it wrote.
async fn client(program: &str, arguments: &[&str]) -> Result<String> {
    let mut process = Process::start(Command::new(program).args(arguments))?;
    process.exit().await?;
    Ok(process.output())
}

/// `turnutils_uclient` sends ten messages for each of two clients, and must get them all back.
async fn uclient(port: &str, peer: u16, mode: &[&str]) -> Result {
    let peer = peer.to_string();
    let mut arguments = vec!["-u", "user", "-w", "password", "-n", "10", "-m", "2"];
    arguments.extend(["-l", "171", "-e", "127.0.0.1", "-r", &peer, "-p", port]);
    arguments.extend(mode);
    arguments.push("127.0.0.1");
    let output = client("turnutils_uclient", &arguments).await?;
    let all = output.contains("tot_send_msgs=20, tot_recv_msgs=20");
    check!(all, "{mode:?}: {output}");
    Ok(())
}

#[tokio::test]
async fn coturns_client_relays_by_every_way() -> Result {
    let (server, port) = turn_server(LAB).await?;
    let peer = udp_echo()?;
    for mode in [
        &["-c"] as &[&str],
        &["-c", "-s"],
        &["-s", "-g"],
        &["-c", "-t"],
        &["-s", "-t"],
        &["-D", "-c"],
    ] {
        uclient(&port, peer, mode).await?;
    }
    let metrics = request(server.address(), "GET", "/metrics", "text/plain", "").await?;
    let relayed = "gst_rtc_turn_packets_total{direction=\"to_peer\"} 120\n";
    check!(metrics.body.contains(relayed), "{}", metrics.body);
    Ok(())
}

#[tokio::test]
async fn by_default_nothing_is_relayed_to_this_machine() -> Result {
    let (server, port) =
        turn_server(&["--turn-user", "user:password", "--turn-old-channels"]).await?;
    let peer = udp_echo()?;
    let relayed = uclient(&port, peer, &["-c"]).await;
    check!(relayed.is_err(), "data went through");
    let metrics = request(server.address(), "GET", "/metrics", "text/plain", "").await?;
    let passed = "gst_rtc_turn_packets_total{direction=\"to_peer\"} 0\n";
    let forbidden = "reason=\"forbidden_peer\"} 0\n";
    check!(metrics.body.contains(passed), "{}", metrics.body);
    check!(!metrics.body.contains(forbidden), "{}", metrics.body);
    Ok(())
}

#[tokio::test]
async fn coturns_clients_of_stun_learn_address_and_nat() -> Result {
    let (_server, port) = turn_server(&["--turn-alternate", "127.0.0.2:0"]).await?;
    let output = client("turnutils_stunclient", &["-p", &port, "127.0.0.1"]).await?;
    check!(
        output.contains("UDP reflexive addr: 127.0.0.1:"),
        "{output}"
    );
    let output = client(
        "turnutils_natdiscovery",
        &["-m", "-f", "-p", &port, "127.0.0.1"],
    )
    .await?;
    for found in [
        "NAT with Endpoint Independent Mapping!",
        "NAT with Endpoint Independent Filtering!",
    ] {
        check!(output.contains(found), "{output}");
    }
    Ok(())
}

#[tokio::test]
async fn no_turn_is_no_turn() -> Result {
    let server = Server::serve(&["--no-turn"]).await?;
    let metrics = request(server.address(), "GET", "/metrics", "text/plain", "").await?;
    check!(metrics.body.contains("gst_rtc_rooms 0\n"), "{metrics:?}");
    check!(!metrics.body.contains("turn"), "{metrics:?}");
    Ok::<(), Failure>(())
}
