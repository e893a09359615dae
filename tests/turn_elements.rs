// SPDX-License-Identifier: MIT OR Apache-2.0
//! `stunsrc`, `turnsrc` and `turnsink` against a server that nobody here wrote.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use gst::prelude::*;
use gst_rtc::coturn::Coturn;
use gst_rtc::embedded::Embedded;
use gst_rtc::own_turn::OwnTurn;
use gst_rtc::relay_client::{RelayClient, address, next, push, samples};
use gst_rtc::{DEADLINE, Failure, GstLaunch, Result, check, fail};
use tokio::net::UdpSocket;
use tokio::time::timeout;

const LOOPBACK: Ipv4Addr = Ipv4Addr::LOCALHOST;

#[tokio::test]
async fn rtp_goes_from_one_gst_launch_line_to_another_through_two_relays() -> Result {
    let coturn = Coturn::start().await?;
    let server = coturn.turn_uri("");
    let receiver = GstLaunch::start(&format!(
        "turnsrc turn-server={server} permissions=127.0.0.1
         caps=application/x-rtp,media=audio,clock-rate=48000,encoding-name=OPUS
         ! rtpjitterbuffer ! rtpopusdepay ! opusdec ! fakesink num-buffers=50"
    ))?;
    let told = receiver.says("turnsrc-relayed-address-changed").await?;
    let relay = address_in(&told)?;
    let sender = GstLaunch::start(&format!(
        "audiotestsrc is-live=true ! opusenc ! rtpopuspay
         ! turnsink turn-server={server} host={} port={}",
        relay.ip(),
        relay.port()
    ))?;
    receiver.says("EOS").await?;
    sender.stop().await?;
    Ok(())
}

#[tokio::test]
async fn datagrams_pass_both_ways_over_udp_tcp_and_tls() -> Result {
    let coturn = Coturn::start().await?;
    let own = OwnTurn::start(&[]).await?;
    for server in coturn.ways().into_iter().chain(own.ways()) {
        for channels in [true, false] {
            let client = RelayClient::start(&format!("{server} channels={channels}")).await?;
            let through = both_ways(&client).await;
            through.map_err(|failure| {
                failure.with(format_args!("with {server}, channels {channels}"))
            })?;
            client.pipeline.stop().await?;
        }
    }
    Ok(())
}

/// A peer with a plain socket hears what we send, and we hear the peer.
async fn both_ways(client: &RelayClient) -> Result {
    let peer = UdpSocket::bind((LOOPBACK, 0)).await?;
    client.send_to(peer.local_addr()?)?;
    // The smallest, lengths that need padding in a stream, and one as large as media packets are;
    // over and over, as it takes a while until there is a channel.
    for length in [1, 2, 3, 4, 1200].repeat(10) {
        let sent: Vec<u8> = (0..length).map(|n| n as u8).collect();
        client.push(&sent)?;
        let mut received = [0; 2000];
        let (length, from) = timeout(DEADLINE, peer.recv_from(&mut received)).await??;
        check!(
            received[..length] == sent,
            "{length} of {} bytes",
            sent.len()
        );
        check!(
            from == client.relay,
            "from {from} instead of {}",
            client.relay
        );
        peer.send_to(&sent, client.relay).await?;
        let (back, from) = client.next().await?;
        check!(
            back == sent,
            "{} of {} bytes came back",
            back.len(),
            sent.len()
        );
        check!(from == Some(peer.local_addr()?), "said to be from {from:?}");
    }
    Ok(())
}

/// A peer hears one of the packets that we send one after the other, as media is.
async fn media_goes_on(client: &RelayClient) -> Result {
    let peer = UdpSocket::bind((LOOPBACK, 0)).await?;
    client.send_to(peer.local_addr()?)?;
    let mut received = [0; 100];
    let heard = async {
        loop {
            client.push(b"media")?;
            let heard = peer.recv_from(&mut received);
            if let Ok(heard) = timeout(Duration::from_millis(20), heard).await {
                return Ok::<_, Failure>(heard?);
            }
        }
    };
    let (length, _) = timeout(DEADLINE, heard).await??;
    check!(length == b"media".len(), "{length} bytes");
    Ok(())
}

#[tokio::test]
async fn a_relay_lets_nobody_in_without_permission() -> Result {
    let coturn = Coturn::start().await?;
    let client = RelayClient::start(&format!("turn-server={}", coturn.turn_uri(""))).await?;
    let (stranger, friend) = (
        UdpSocket::bind(("127.0.0.2", 0)).await?,
        UdpSocket::bind((LOOPBACK, 0)).await?,
    );
    let permitted = client
        .source()?
        .emit_by_name::<bool>("permit", &[&"127.0.0.1"]);
    check!(permitted, "the signal refuses an address");
    // What the stranger sent before the friend would come first.
    let heard = async {
        loop {
            stranger.send_to(b"stranger", client.relay).await?;
            friend.send_to(b"friend", client.relay).await?;
            if let Ok(heard) = timeout(Duration::from_millis(200), client.next()).await {
                return heard;
            }
        }
    };
    let (data, _) = timeout(DEADLINE, heard).await??;
    check!(data == b"friend", "let in {data:?}");
    Ok(())
}

#[tokio::test]
async fn a_restarted_server_is_asked_for_another_relay() -> Result {
    let mut coturn = Coturn::start().await?;
    for server in coturn.ways() {
        let mut client = relaying(&server).await?;
        coturn.restart().await?;
        another_relay(&mut client, &server).await?;
    }
    let mut own = OwnTurn::start(&[]).await?;
    for server in own.ways() {
        let mut client = relaying(&server).await?;
        own.restart().await?;
        another_relay(&mut client, &server).await?;
    }
    Ok(())
}

async fn relaying(server: &str) -> Result<RelayClient> {
    let client = RelayClient::start(server).await?;
    let through = both_ways(&client).await;
    through.map_err(|failure| failure.with(format_args!("with {server}")))?;
    Ok(client)
}

async fn another_relay(client: &mut RelayClient, server: &str) -> Result {
    let restarted = Instant::now();
    let lost = client
        .pipeline
        .message("turnsrc-relay-lost", |_| true)
        .await?;
    check!(address(&lost, "address")? == client.relay, "{lost}");
    let changed = "turnsrc-relayed-address-changed";
    let told = client.pipeline.message(changed, |_| true).await?;
    check!(address(&told, "previous")? == client.relay, "{told}");
    client.relay = address(&told, "address")?;
    let through = media_goes_on(client).await;
    through.map_err(|failure| failure.with(format_args!("after a restart, with {server}")))?;
    // What is measured is printed, not asserted: the machine may be busy.
    println!("{server}: back {:?} after a restart", restarted.elapsed());
    client.pipeline.stop().await
}

#[tokio::test]
async fn what_is_wrong_with_a_server_is_said() -> Result {
    let coturn = Coturn::start().await?;
    let address = coturn.address();
    // Nobody reads from it.
    let silent = UdpSocket::bind((LOOPBACK, 0)).await?;
    let silent = silent.local_addr()?;
    let wrong = [
        (
            format!("turn-server=turn://ann:wrong@{address}"),
            "check user name and password",
        ),
        (
            format!("turn-server=turn://ann:wrong@{address}?transport=tcp"),
            "check user name and password",
        ),
        (
            format!("turn-server=turn://ann:s3cret@{silent} timeout=100"),
            "does not answer",
        ),
        (
            "turn-server=turn://ann:s3cret@127.0.0.1:1?transport=tcp timeout=100".into(),
            "cannot reach 127.0.0.1:1",
        ),
        (
            format!("turn-server={}", coturn.turns_uri()),
            "certificate is not trusted",
        ),
        (
            "turn-server=turn://ann:s3cret@nowhere.invalid timeout=100".into(),
            "cannot find nowhere.invalid",
        ),
        (
            format!("turn-server=turn:{address}?transport=udp"),
            "turn://user:password@",
        ),
        (
            format!("turn-server=turn://{address}"),
            "user name and password",
        ),
        ("address=127.0.0.1".into(), "turn-server: not set"),
        (
            format!("turn-server={} permissions=camera", coturn.turn_uri("")),
            "\"camera\" is not an address",
        ),
    ];
    for (properties, words) in wrong {
        let error = error_of(&format!("turnsrc {properties} ! fakesink")).await?;
        check!(error.contains(words), "{properties}: {error}");
        check!(!error.contains("s3cret"), "tells the password: {error}");
    }
    Ok(())
}

#[tokio::test]
async fn a_sink_says_which_relay_it_misses() -> Result {
    let wrong = [
        ("host=127.0.0.1 port=9", "which relay?"),
        (
            "relay-of=nobody host=127.0.0.1 port=9",
            "no element \"nobody\"",
        ),
        (
            "relay-of=source host=127.0.0.1 port=9",
            "\"source\" is not a turnsrc",
        ),
        ("relay-of=x turn-server=turn://a:b@c", "only one of"),
        (
            "relay-of=source host=camera.example port=9",
            "not an IP address",
        ),
        ("relay-of=source host=127.0.0.1", "port: not set"),
    ];
    for (properties, words) in wrong {
        let error = error_of(&format!("fakesrc name=source ! turnsink {properties}")).await?;
        check!(error.contains(words), "{properties}: {error}");
    }
    Ok(())
}

/// What a pipeline says is wrong with it.
async fn error_of(description: &str) -> Result<String> {
    let pipeline = Embedded::parse(description)?;
    // It may fail at once or later.
    let _ = pipeline.pipeline().set_state(gst::State::Playing);
    let bus = pipeline.pipeline().bus().expect("a pipeline has a bus");
    let wait = gst::ClockTime::try_from(DEADLINE).ok();
    let message = tokio::task::spawn_blocking(move || {
        bus.timed_pop_filtered(wait, &[gst::MessageType::Error])
    });
    let Some(message) = message.await? else {
        fail!("no error from {description}");
    };
    match message.view() {
        gst::MessageView::Error(error) => Ok(error.error().to_string()),
        other => fail!("{other:?}"),
    }
}

#[tokio::test]
async fn elements_start_and_stop_ten_times() -> Result {
    let coturn = Coturn::start().await?;
    let client = RelayClient::start(&format!("turn-server={}", coturn.turn_uri(""))).await?;
    let stun = Embedded::parse(&format!(
        "stunsrc stun-server={} ! fakesink async=false",
        coturn.stun_uri()
    ))?;
    let mut relays = BTreeSet::from([client.relay]);
    for _ in 0..10 {
        client.pipeline.stop().await?;
        check!(
            client
                .source()?
                .property::<Option<String>>("relayed-address")
                .is_none(),
            "in NULL"
        );
        client.pipeline.play().await?;
        let changed = "turnsrc-relayed-address-changed";
        let told = client.pipeline.message(changed, |_| true).await?;
        relays.insert(address(&told, "address")?);
        stun.play().await?;
        stun.message("stunsrc-reflexive-address-changed", |_| true)
            .await?;
        stun.stop().await?;
    }
    check!(relays.len() > 1, "never another relay: {relays:?}");
    Ok(())
}

#[tokio::test]
async fn a_stun_source_tells_its_address_and_shares_its_socket() -> Result {
    let coturn = Coturn::start().await?;
    let pipeline = Embedded::parse(&format!(
        "stunsrc name=source address=127.0.0.1 stun-server={} ! appsink name=received sync=false async=false
         appsrc name=sent ! udpsink name=sink close-socket=false sync=false async=false",
        coturn.stun_uri()
    ))?;
    let (source, sink) = (pipeline.element("source")?, pipeline.element("sink")?);
    source.set_state(gst::State::Ready)?;
    let used = source.property_value("used-socket");
    sink.set_property_from_value("socket", &used);
    let mut received = samples(&pipeline)?;
    let peer = UdpSocket::bind((LOOPBACK, 0)).await?;
    sink.set_property("host", "127.0.0.1");
    sink.set_property("port", i32::from(peer.local_addr()?.port()));
    pipeline.play().await?;
    let told = pipeline
        .message("stunsrc-reflexive-address-changed", |_| true)
        .await?;
    let ours = address(&told, "address")?;
    // Without a NAT, inside and outside are the same.
    check!(
        source.property::<String>("local-address") == ours.to_string(),
        "{told}"
    );

    push(&pipeline, b"hello")?;
    let mut data = [0; 100];
    let (length, from) = timeout(DEADLINE, peer.recv_from(&mut data)).await??;
    check!(
        &data[..length] == b"hello" && from == ours,
        "{length} bytes from {from}"
    );
    peer.send_to(b"and back", ours).await?;
    let (data, from) = next(&mut received).await?;
    check!(data == b"and back", "{data:?}");
    check!(from == Some(peer.local_addr()?), "said to be from {from:?}");

    // A punch reaches the peer, and is STUN that nobody takes for media.
    let punched = source.emit_by_name::<bool>("punch", &[&peer.local_addr()?.to_string()]);
    check!(punched, "the signal refuses an address");
    let mut data = [0; 100];
    let (length, from) = timeout(DEADLINE, peer.recv_from(&mut data)).await??;
    check!(
        data[..2] == [0, 0x11] && from == ours,
        "{:?} from {from}",
        &data[..length]
    );
    Ok(())
}

#[tokio::test]
async fn a_server_with_two_addresses_classifies_the_lack_of_a_nat() -> Result {
    let coturn = Coturn::on(&[LOOPBACK.into(), [127, 0, 0, 2].into()]).await?;
    let pipeline = Embedded::parse(&format!(
        "stunsrc name=source address=127.0.0.1 stun-server={} ! fakesink async=false",
        coturn.stun_uri()
    ))?;
    pipeline.play().await?;
    let told = pipeline.message("stunsrc-nat-classified", |_| true).await?;
    let kind: (&str, &str) = (told.get("mapping")?, told.get("filtering")?);
    check!(kind == ("none", "endpoint-independent"), "{kind:?}");
    Ok(())
}

/// The address in a message as `gst-launch-1.0 -m` prints it.
fn address_in(line: &str) -> Result<SocketAddr> {
    let (_, rest) = line
        .split_once("address=(string)")
        .ok_or_else(|| Failure::new(format!("no address in {line}")))?;
    let address = rest.split([',', ';']).next().unwrap_or_default();
    Ok(address.trim_matches('"').parse()?)
}
