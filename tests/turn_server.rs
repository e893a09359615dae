// SPDX-License-Identifier: MIT OR Apache-2.0
//! The STUN and TURN server with the clients of coturn, which nobody here wrote.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::process::Command;
use std::time::Duration;

use gst_rtc::coturn::{PASSWORD, USER};
use gst_rtc::http::request;
use gst_rtc::own_turn::OwnTurn;
use gst_rtc::raw_peer;
use gst_rtc::{Browser, DEADLINE, Failure, Process, Result, Server, Visitor, check, my_turn};
use gst_rtc_core::media::Setup;
use gst_rtc_core::session::Certificate;
use tokio::time::{Instant, sleep};

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Packets that went to peers.
const RELAYED: &str = "gst_rtc_turn_packets_total{direction=\"to_peer\"}";

/// Echoes by UDP on two ports, of which the first is told: the client takes the other for RTCP.
fn udp_echo(ip: IpAddr) -> Result<SocketAddr> {
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

/// Runs a client of coturn until it has said all of this.
async fn client(program: &str, arguments: &[&str], words: &[&str]) -> Result {
    let process = Process::start(Command::new(program).args(arguments))?;
    for word in words {
        let said = |line: &str| line.contains(word).then_some(());
        process.line(word, said).await?;
    }
    Ok(())
}

/// What `turnutils_uclient` is told of its user.
const ANN: [&str; 4] = ["-u", USER, "-w", PASSWORD];

/// `turnutils_uclient` sends ten messages for each of two clients, and must get them all back.
async fn uclient(server: SocketAddr, peer: SocketAddr, user: &[&str], mode: &[&str]) -> Result {
    let relayed = all_back(server, peer, user, mode).await;
    relayed
        .map(drop)
        .map_err(|failure| failure.with(format_args!("with {mode:?}")))
}

/// The same; it goes on as long as what is returned.
async fn all_back(
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
    let all = "tot_send_msgs=20, tot_recv_msgs=20";
    let said = |line: &str| line.contains(all).then_some(());
    process.line(all, said).await?;
    Ok(process)
}

#[tokio::test]
async fn coturns_client_relays_by_every_way() -> Result {
    let turn = OwnTurn::start(&[]).await?;
    let peer = udp_echo(LOOPBACK)?;
    for mode in [
        &["-c"] as &[&str],
        &["-c", "-s"],
        &["-s", "-g"],
        &["-c", "-t"],
        &["-s", "-t"],
        &["-D", "-c"],
    ] {
        uclient(turn.address(), peer, &ANN, mode).await?;
    }
    let relayed = turn.metric(RELAYED).await?;
    check!(relayed == 120, "{relayed} packets");
    Ok(())
}

#[tokio::test]
async fn coturns_client_relays_by_tls_and_dtls() -> Result {
    let turn = OwnTurn::start(&[]).await?;
    let peer = udp_echo(LOOPBACK)?;
    // It picks a version of DTLS at random, and another time another one when it is refused.
    for mode in [
        &["-S", "-t", "-c"] as &[&str],
        &["-S", "-t", "-s"],
        &["-S", "-c"],
        &["-S", "-s"],
    ] {
        uclient(turn.tls_address(), peer, &ANN, mode).await?;
    }
    let relayed = turn.metric(RELAYED).await?;
    check!(relayed == 80, "{relayed} packets");
    Ok(())
}

#[tokio::test]
async fn coturns_client_relays_by_ipv6_and_by_both() -> Result {
    let v6 = IpAddr::from(Ipv6Addr::LOCALHOST);
    if UdpSocket::bind((v6, 0)).is_err() {
        eprintln!("NOT TESTED: this machine has no IPv6");
        return Ok(());
    }
    let turn = OwnTurn::start(&[
        "--turn-allow=::1",
        "--turn-relay-address=127.0.0.1",
        "--turn-relay-address=::1",
    ])
    .await?;
    let (peer4, peer6) = (udp_echo(LOOPBACK)?, udp_echo(v6)?);
    uclient(turn.address(), peer6, &ANN, &["-c", "-x"]).await?;
    uclient(turn.address(), peer6, &ANN, &["-s", "-x", "-t"]).await?;
    uclient(turn.address(), peer4, &ANN, &["-Z"]).await?;
    uclient(turn.address(), peer6, &ANN, &["-Z"]).await
}

/// Errors to one address are few, or others could be flooded in its name.
#[tokio::test]
async fn a_flood_without_credentials_gets_few_answers() -> Result {
    let turn = OwnTurn::start(&[]).await?;
    let socket = tokio::net::UdpSocket::bind((LOOPBACK, 0)).await?;
    socket.connect(turn.address()).await?;
    let started = Instant::now();
    for number in 0..2000_u32 {
        socket.send(&allocate(number)).await?;
        // The server's buffer has room for all that is under way.
        if number % 100 == 99 {
            sleep(Duration::from_millis(5)).await;
        }
    }
    let refused = "gst_rtc_turn_refusals_total{reason=\"too_many_errors\"}";
    let until = Instant::now() + DEADLINE;
    let mut answers = 0;
    loop {
        let mut answer = [0; 200];
        while let Ok(length) = socket.try_recv(&mut answer) {
            check!(
                answer[..2] == [1, 0x13],
                "no error: {:?}",
                &answer[..length]
            );
            check!(length <= allocate(0).len() * 21 / 10, "{length} bytes");
            answers += 1;
        }
        if turn.metric(refused).await? + answers >= 2000 {
            break;
        }
        check!(
            Instant::now() < until,
            "{answers} answers, and the rest is lost"
        );
    }
    let allowed = 10 * (started.elapsed().as_secs() + 2);
    check!(answers > 0 && answers <= allowed, "{answers} answers");
    let allocations = turn.metric("gst_rtc_turn_allocations").await?;
    check!(allocations == 0, "{allocations} allocations");
    Ok(())
}

/// An Allocate request of 28 bytes: a header, and REQUESTED-TRANSPORT.
fn allocate(number: u32) -> [u8; 28] {
    let mut request = [0; 28];
    request[..8].copy_from_slice(&[0, 3, 0, 8, 0x21, 0x12, 0xa4, 0x42]);
    request[8..12].copy_from_slice(&number.to_be_bytes());
    request[20..].copy_from_slice(&[0, 0x19, 0, 4, 17, 0, 0, 0]);
    request
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

/// What `Link: rel="ice-server"` of WHIP is good for, and how long (RFC 9725 §4.6).
#[tokio::test]
async fn credentials_of_a_whip_session_end_with_it() -> Result {
    let server = Server::dev(&["--turn-old-channels"]).await?;
    let here = UdpSocket::bind((LOOPBACK, 0))?.local_addr()?;
    let fingerprint = Certificate::generate()?.fingerprint();
    let offer = raw_peer::offer(here, &fingerprint, Setup::ActPass);
    let path = "/whip/lobby?name=camera";
    let made = request(server.address(), "POST", path, "application/sdp", &offer).await?;
    check!(made.status == 201, "{made:?}");
    let links = made
        .headers
        .iter()
        .filter(|(name, _)| name.eq_ignore_ascii_case("link"));
    let link = links
        .map(|(_, link)| link.as_str())
        .find(|link| link.contains("transport=udp"));
    let link = link.ok_or_else(|| Failure::new(format!("no TURN by UDP in {made:?}")))?;
    let (turn, user) = (turn_in(link)?, quoted(link, "username")?);
    let password = quoted(link, "credential")?;
    let user = ["-u", user, "-w", password];

    let peer = udp_echo(LOOPBACK)?;
    // It stays after its messages.
    // It stays after its messages.
    let _client = all_back(turn, peer, &user, &["-c", "-h"]).await?;
    check!(relays(&server).await?.allocations > 0, "no relays");

    let session = made.header("location").unwrap_or_default();
    let end = request(server.address(), "DELETE", session, "text/plain", "").await?;
    check!(end.status == 200, "{end:?}");
    no_relays_are_left(&server).await?;
    let packets = relays(&server).await?.packets;
    check!(packets >= 20, "only {packets} packets were relayed");
    let again = uclient(turn, peer, &user, &["-c"]).await;
    check!(again.is_err(), "credentials outlive their participant");
    let after = relays(&server).await?;
    check!(
        after.packets == packets && after.allocations == 0,
        "relayed"
    );
    Ok(())
}

async fn no_relays_are_left(server: &Server) -> Result {
    let until = Instant::now() + DEADLINE;
    loop {
        let count = relays(server).await?.allocations;
        if count == 0 {
            return Ok(());
        }
        check!(Instant::now() < until, "there are {count} relays");
        sleep(Duration::from_millis(50)).await;
    }
}

/// The address in `<turn:ADDRESS?…>`.
fn turn_in(link: &str) -> Result<SocketAddr> {
    let (_, rest) = link.split_once("<turn:").unwrap_or_default();
    Ok(rest.split('?').next().unwrap_or_default().parse()?)
}

/// The value of `; name="value"`.
fn quoted<'a>(link: &'a str, name: &str) -> Result<&'a str> {
    let found = link.split_once(&format!("{name}=\""));
    let value = found.and_then(|(_, rest)| rest.split('"').next());
    value.ok_or_else(|| Failure::new(format!("no {name} in {link}")))
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
    let turn = OwnTurn::strict().await?;
    let peer = udp_echo(LOOPBACK)?;
    let relayed = uclient(turn.address(), peer, &ANN, &["-c"]).await;
    check!(relayed.is_err(), "data went through");
    let forbidden = "gst_rtc_turn_refusals_total{reason=\"forbidden_peer\"}";
    check!(turn.metric(RELAYED).await? == 0, "something was relayed");
    check!(turn.metric(forbidden).await? > 0, "nothing was forbidden");
    Ok(())
}

#[tokio::test]
async fn coturns_clients_of_stun_learn_address_and_nat() -> Result {
    let turn = OwnTurn::start(&["--turn-alternate", "127.0.0.2:0"]).await?;
    let port = turn.address().port().to_string();
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
