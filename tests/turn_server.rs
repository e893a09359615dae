// SPDX-License-Identifier: MIT OR Apache-2.0
//! The STUN and TURN server with the clients of coturn, which nobody here wrote.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::process::Command;
use std::time::Duration;

use futures_util::future::try_join_all;
use gst_rtc::http::request;
use gst_rtc::natlab::Lab;
use gst_rtc::own_turn::OwnTurn;
use gst_rtc::port::free_port;
use gst_rtc::spaces::Spaces;
use gst_rtc::uclient::{ANN, peer_of_coturn, uclient, uclient_gets, udp_echo};
use gst_rtc::{DEADLINE, Failure, Process, Result, Server, check};
use tokio::time::{Instant, sleep};

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Packets that went to peers.
const RELAYED: &str = "gst_rtc_turn_packets_total{direction=\"to_peer\"}";

/// Runs a client of coturn until it has said all of this.
async fn client(program: &str, arguments: &[&str], words: &[&str]) -> Result {
    let process = Process::start(Command::new(program).args(arguments))?;
    for word in words {
        let said = |line: &str| line.contains(word).then_some(());
        process.line(word, said).await?;
    }
    Ok(())
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

/// Between two of its own clients, with more requests than needed, with everything that it can be told of an allocation; and
/// as somebody whose time-limited credentials come from the shared secret.
#[tokio::test]
async fn coturns_client_relays_with_all_it_can_ask_for() -> Result {
    let turn = OwnTurn::start(&["--turn-secret", "north"]).await?;
    let port = free_port()?;
    let peer = SocketAddr::new(LOOPBACK, port);
    let _echo = peer_of_coturn(peer)?;
    let of_secret = ["-u", "joe", "-W", "north"];
    let modes = [
        (&ANN as &[&str], &["-c", "-y"] as &[&str]),
        (&ANN, &["-c", "-y", "-t"]),
        (&ANN, &["-X", "-a", "1000"]),
        (&ANN, &["-G", "-M"]),
        (&ANN, &["-I", "-B"]),
        (&of_secret, &["-c"]),
        (&of_secret, &["-s", "-t"]),
    ];
    let all = modes.map(|(user, mode)| uclient(turn.address(), peer, user, mode));
    try_join_all(all).await?;
    Ok(())
}

/// RFC 6062: one client connects to the other one's relay, and waits to be connected with.
#[tokio::test]
async fn coturns_client_relays_tcp() -> Result {
    let turn = OwnTurn::start(&[]).await?;
    let nobody = SocketAddr::new(LOOPBACK, 9);
    tokio::try_join!(
        uclient(turn.address(), nobody, &ANN, &["-T"]),
        uclient(turn.tls_address(), nobody, &ANN, &["-T", "-S"]),
        // With any server, coturn's too, it does not read what half of its connections bring.
        uclient_gets(10, turn.address(), nobody, &ANN, &["-P"]),
    )?;
    Ok(())
}

/// It breaks rules, breaks messages, and leaves in the middle; then it is served as ever.
#[tokio::test]
async fn coturns_client_provokes_in_vain() -> Result {
    let turn = OwnTurn::start(&[]).await?;
    let peer = udp_echo(LOOPBACK)?;
    let (port, peer_port) = (turn.address().port().to_string(), peer.port().to_string());
    let provoke = |mode| {
        let there = [
            "-e",
            "127.0.0.1",
            "-r",
            &peer_port,
            "-p",
            &port,
            "127.0.0.1",
        ];
        let arguments = [&ANN as &[&str], &["-v", mode], &there].concat();
        Process::start(Command::new("turnutils_uclient").args(arguments))
    };
    let another_channel = |line: &str| line.contains("channel bind: error 400").then_some(());
    // Which rules it breaks it throws dice for, and is through within seconds.
    let until = Instant::now() + DEADLINE;
    loop {
        let breaks_rules = provoke("-N")?;
        let refused = breaks_rules.line("another channel", another_channel);
        if let Ok(Ok(())) = tokio::time::timeout(Duration::from_secs(10), refused).await {
            break;
        }
        check!(Instant::now() < until, "{}", breaks_rules.output());
    }
    provoke("-O")?.exit().await?;
    let breaks_messages = provoke("-R")?;
    let malformed = "gst_rtc_turn_refusals_total{reason=\"malformed\"}";
    let until = Instant::now() + DEADLINE;
    while turn.metric(malformed).await? == 0 {
        check!(Instant::now() < until, "{}", breaks_messages.output());
        sleep(Duration::from_millis(50)).await;
    }
    uclient(turn.address(), peer, &ANN, &["-c"]).await
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

/// Nothing is remembered of who has not authenticated, however many those are.
#[tokio::test]
async fn many_strangers_leave_nothing_behind() -> Result {
    let turn = OwnTurn::start(&[]).await?;
    let process = turn.process()?;
    // Memory that is taken once, and kept.
    let first = strangers(&turn, 0, 1_000).await?;
    let before = Held::by(process)?;
    strangers(&turn, first, 20_000).await?;
    let after = Held::by(process)?;
    println!("{before:?}, after 20,000 strangers {after:?}");
    check!(after.kib <= before.kib + 4 * 1024, "memory grows");
    // Connections that asked for numbers may be about to close.
    check!(after.files <= before.files + 4, "descriptors are kept");
    let allocations = turn.metric("gst_rtc_turn_allocations").await?;
    check!(allocations == 0, "{allocations} allocations");
    Ok(())
}

/// One Allocate from each of many addresses and ports, until so many have come; which is the next stranger.
async fn strangers(turn: &OwnTurn, start: u32, count: u64) -> Result<u32> {
    let refused = "gst_rtc_turn_refusals_total{reason=\"no_credentials\"}";
    let enough = turn.metric(refused).await? + count;
    let until = Instant::now() + DEADLINE;
    for number in start.. {
        let [_, a, b, c] = number.to_be_bytes();
        let socket = UdpSocket::bind((Ipv4Addr::new(127, a + 1, b, c), 0))?;
        socket.send_to(&allocate(number), turn.address())?;
        if number % 100 == 99 {
            sleep(Duration::from_millis(5)).await;
        }
        if number % 1_000 == 999 && turn.metric(refused).await? >= enough {
            return Ok(number + 1);
        }
        check!(Instant::now() < until, "not all of them are heard");
    }
    unreachable!("there are more numbers than time")
}

/// What a process has.
#[derive(Debug)]
struct Held {
    kib: u64,
    files: usize,
}

impl Held {
    fn by(process: u32) -> Result<Held> {
        let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = resident.and_then(|words| words.split_ascii_whitespace().next());
        let kib = kib.ok_or_else(|| Failure::new(format!("no VmRSS in {status}")))?;
        Ok(Held {
            kib: kib.parse()?,
            files: std::fs::read_dir(format!("/proc/{process}/fd"))?.count(),
        })
    }
}

/// An Allocate request of 28 bytes: a header, and REQUESTED-TRANSPORT.
fn allocate(number: u32) -> [u8; 28] {
    let mut request = [0; 28];
    request[..8].copy_from_slice(&[0, 3, 0, 8, 0x21, 0x12, 0xa4, 0x42]);
    request[8..12].copy_from_slice(&number.to_be_bytes());
    request[20..].copy_from_slice(&[0, 0x19, 0, 4, 17, 0, 0, 0]);
    request
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

/// An interface may come up, and be given a public address, when the server has been running for long.
#[tokio::test]
async fn a_later_address_of_this_machine_is_no_peer_either() -> Result {
    const LATER: &str = "9.9.9.9";
    if !Lab::is_here()? {
        return Ok(());
    }
    let mut spaces = Spaces::new("later");
    spaces.add("srv")?;
    let space = spaces.space("srv");
    let arguments = [
        "--turn-listen",
        "127.0.0.1:3478",
        "--turn-user",
        "ann:s3cret",
    ];
    let arguments = [&arguments as &[&str], &["--turn-old-channels"]].concat();
    let _server = Server::serve_inside(&space, LOOPBACK, &arguments).await?;
    let ask = || {
        let mut command = Command::new("turnutils_uclient");
        command
            .args(ANN)
            .args(["-v", "-c", "-n", "1", "-e", LATER, "127.0.0.1"]);
        Process::start(&mut space.wrap(&command))
    };
    let answer = |line: &str| {
        let refused = line.contains("channel bind: error 403").then_some(false);
        refused.or_else(|| line.contains("Total connect time").then_some(true))
    };
    check!(
        ask()?.line("an answer", answer).await?,
        "a public address is refused"
    );
    spaces.run("srv", &format!("ip addr add {LATER}/32 dev lo"))?;
    let until = Instant::now() + DEADLINE;
    while ask()?.line("an answer", answer).await? {
        check!(Instant::now() < until, "its own address is allowed");
        sleep(Duration::from_millis(100)).await;
    }
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
