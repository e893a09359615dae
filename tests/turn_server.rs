// SPDX-License-Identifier: MIT OR Apache-2.0
//! The STUN and TURN server with the clients of coturn, which nobody here wrote.

use std::net::UdpSocket;
use std::process::Command;
use std::time::Duration;

use gst_rtc::http::request;
use gst_rtc::{Browser, DEADLINE, Failure, Process, Result, Server, Visitor, check, my_turn};
use tokio::time::{Instant, sleep};

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
        let (_, rest) = line.split_once("TURN  ")?;
        port_in(rest)
    };
    let port = server.process().line("port of TURN", port).await?;
    Ok((server, port))
}

/// The port of `ADDRESS:PORT, …`.
fn port_in(text: &str) -> Option<String> {
    let (address, _) = text.split_once(',')?;
    let (_, port) = address.rsplit_once(':')?;
    Some(port.to_owned())
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

/// Runs a client of coturn until it has said all of this.
async fn client(program: &str, arguments: &[&str], words: &[&str]) -> Result {
    let process = Process::start(Command::new(program).args(arguments))?;
    for word in words {
        let said = |line: &str| line.contains(word).then_some(());
        process.line(word, said).await?;
    }
    Ok(())
}

/// `turnutils_uclient` sends ten messages for each of two clients, and must get them all back.
async fn uclient(port: &str, peer: u16, mode: &[&str]) -> Result {
    let peer = peer.to_string();
    let mut arguments = vec!["-u", "user", "-w", "password", "-n", "10", "-m", "2"];
    arguments.extend(["-l", "171", "-e", "127.0.0.1", "-r", &peer, "-p", port]);
    arguments.extend(mode);
    arguments.push("127.0.0.1");
    let all = ["tot_send_msgs=20, tot_recv_msgs=20"];
    client("turnutils_uclient", &arguments, &all)
        .await
        .map_err(|failure| failure.with(format_args!("with {mode:?}")))
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
async fn coturns_client_relays_by_tls() -> Result {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    let files = tempfile::tempdir()?;
    let (certificate, key) = (files.path().join("cert.pem"), files.path().join("key.pem"));
    std::fs::write(&certificate, made.cert.pem())?;
    std::fs::write(&key, made.signing_key.serialize_pem())?;
    let (certificate, key) = (certificate.to_string_lossy(), key.to_string_lossy());
    let mut arguments = LAB.to_vec();
    arguments.extend(["--turn-tls-cert", &certificate, "--turn-tls-key", &key]);
    let (mut server, _) = turn_server(&arguments).await?;
    let port = |line: &str| port_in(line.split_once("TURN TLS")?.1);
    let port = server.process().line("port of TLS", port).await?;
    let peer = udp_echo()?;
    uclient(&port, peer, &["-c", "-t", "-S"]).await?;
    uclient(&port, peer, &["-s", "-t", "-S"]).await
}

/// The credentials of `/ws`, relays made by them, and what becomes of these when their participant leaves.
#[tokio::test]
async fn chromium_meets_a_room_through_relays_only() -> Result {
    let _turn = my_turn().await;
    let server = Server::dev(&[]).await?;
    let browser = Browser::chromium().await?;
    let bob = Visitor::join(&browser, &server, "lobby", "bob").await?;
    let url = server.page("lobby", "alice").replace("&join=1", "");
    let page = browser.open(&url).await?;
    let relays_only = "(() => {
        const Any = window.RTCPeerConnection;
        window.RTCPeerConnection = class extends Any {
            constructor(config) { super({ ...config, iceTransportPolicy: 'relay' }); }
        };
        document.querySelector('#enter').requestSubmit();
        return true;
    })()";
    page.eval::<bool>(relays_only).await?;
    page.wait_for::<bool>("alice joined", "document.body.dataset.state === 'joined'")
        .await?;
    bob.sees_and_hears("alice").await?;
    let during = relays(&server).await?;
    check!(during.packets > 0, "nothing was relayed");
    page.close().await?;
    let until = Instant::now() + DEADLINE;
    let mut after = relays(&server).await?;
    while after.allocations >= during.allocations && Instant::now() < until {
        sleep(Duration::from_millis(100)).await;
        after = relays(&server).await?;
    }
    check!(
        after.allocations < during.allocations,
        "{} relays while alice was there, {} after",
        during.allocations,
        after.allocations
    );
    Ok(())
}

struct Relays {
    allocations: u64,
    packets: u64,
}

/// By the server's own account.
async fn relays(server: &Server) -> Result<Relays> {
    let answer = request(server.address(), "GET", "/metrics", "text/plain", "").await?;
    let number = |name: &str| {
        let mut lines = answer.body.lines();
        lines.find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
    };
    let missing = || Failure::new(format!("a number is missing: {}", answer.body));
    Ok(Relays {
        allocations: number("gst_rtc_turn_allocations ").ok_or_else(missing)?,
        packets: number("gst_rtc_turn_packets_total{direction=\"to_peer\"} ")
            .ok_or_else(missing)?,
    })
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
    let arguments = ["-p", &port, "127.0.0.1"];
    let address = ["UDP reflexive addr: 127.0.0.1:"];
    client("turnutils_stunclient", &arguments, &address).await?;
    let arguments = ["-m", "-f", "-p", &port, "127.0.0.1"];
    let kinds = [
        "NAT with Endpoint Independent Mapping!",
        "NAT with Endpoint Independent Filtering!",
    ];
    client("turnutils_natdiscovery", &arguments, &kinds).await?;
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
