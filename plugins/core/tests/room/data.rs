// SPDX-License-Identifier: MIT OR Apache-2.0
//! Data channels between participants.

use super::client::Packet;
use super::lab::{Lab, ROOM};
use super::link::Impairment;
use super::media;
use gst_rtc_core::data::{DataMessage, FROM_PROTOCOL};
use gst_rtc_core::engine::EngineEvent;
use gst_rtc_core::id::{ParticipantId, SessionId};
use gst_rtc_core::media::MediaKind;
use std::time::Duration;
use str0m::channel::{ChannelConfig, ChannelId, Reliability};

fn chat() -> ChannelConfig {
    ChannelConfig {
        label: "chat".into(),
        ..ChannelConfig::default()
    }
}

fn game() -> ChannelConfig {
    ChannelConfig {
        label: "game".into(),
        ordered: false,
        reliability: Reliability::MaxRetransmits { retransmits: 0 },
        ..ChannelConfig::default()
    }
}

/// Participants 1, 2, … each with one channel of that configuration, open.
fn room(lab: &mut Lab, configs: &[ChannelConfig]) -> Vec<ChannelId> {
    let talkers: Vec<_> = (1..)
        .zip(configs)
        .map(|(id, _)| lab.talker(id, &[]))
        .collect();
    let channels = (talkers.iter().zip(configs))
        .map(|(client, config)| lab.touch(*client, |c| c.open(config.clone())))
        .collect();
    lab.connect();
    lab.run(Duration::from_secs(3));
    for client in talkers {
        assert_eq!(lab.clients[client].channels.len(), 1, "client {client}");
    }
    channels
}

fn payloads(lab: &Lab, client: usize) -> Vec<Vec<u8>> {
    let messages = lab.clients[client].messages.iter();
    messages.map(|message| message.data.clone()).collect()
}

#[test]
fn a_message_reaches_the_others_that_have_the_channel_open() {
    let mut lab = Lab::new(1);
    let named = ChannelConfig {
        protocol: FROM_PROTOCOL.into(),
        ..chat()
    };
    let channels = room(&mut lab, &[chat(), chat(), named, game()]);
    lab.touch(0, |client| client.write(channels[0], b"hello"));
    lab.run(Duration::from_secs(1));
    assert!(payloads(&lab, 0).is_empty());
    assert_eq!(payloads(&lab, 1), [b"hello"]);
    assert_eq!(payloads(&lab, 2), [b"sender1\nhello"]);
    assert!(payloads(&lab, 3).is_empty());
    let told = lab.events.iter().any(|event| {
        matches!(event, EngineEvent::Data(m) if *m.payload == *b"hello"
            && &*m.label == "chat" && m.from == Some(ParticipantId(1)) && !m.text)
    });
    assert!(told);
}

#[test]
fn messages_and_goodbyes_pass_beside_media() {
    let mut lab = Lab::new(6);
    let talkers = [1, 2].map(|id| lab.talker(id, &[MediaKind::Audio]));
    let channels = talkers.map(|client| lab.touch(client, |c| c.open(chat())));
    lab.connect();
    lab.run(Duration::from_secs(3));
    // From its first packet on the server knows that the handshake is over for this peer, and no longer needs all of DTLS.
    for id in [1, 2] {
        let packet = Packet {
            ssrc: Lab::ssrc(id, MediaKind::Audio),
            pt: media::OPUS_PT,
            sequence: 1,
            timestamp: 1,
            marker: false,
            payload: vec![0xfc; 60],
            audio_level: None,
        };
        lab.send(talkers[id as usize - 1], packet);
    }
    lab.run(Duration::from_secs(1));
    for (from, to) in [(0, 1), (1, 0)] {
        for number in 0..20u8 {
            lab.touch(from, |client| client.write(channels[from], &[number; 3000]));
        }
        lab.run(Duration::from_secs(1));
        let expected: Vec<_> = (0..20u8).map(|number| vec![number; 3000]).collect();
        assert_eq!(payloads(&lab, to), expected);
    }
    lab.engine.close_session(lab.now, SessionId(1));
    lab.collect();
    lab.run(Duration::from_secs(1));
    assert!(!lab.clients[1].rtc.is_alive(), "it was told goodbye");
}

#[test]
fn a_participant_with_two_connections_gets_a_message_once() {
    let mut lab = Lab::new(2);
    let clients = [lab.talker(1, &[]), lab.talker(2, &[]), lab.talker(2, &[])];
    let channels = clients.map(|client| lab.touch(client, |c| c.open(chat())));
    lab.connect();
    lab.run(Duration::from_secs(3));
    lab.touch(0, |client| client.write(channels[0], b"once"));
    // From either of its connections, and not back to the other.
    lab.touch(2, |client| client.write(channels[2], b"back"));
    lab.run(Duration::from_secs(1));
    assert_eq!(payloads(&lab, 0), [b"back"]);
    let got = [payloads(&lab, 1), payloads(&lab, 2)].concat();
    assert_eq!(got, [b"once"]);
}

#[test]
fn this_process_speaks_to_all_or_to_one() {
    let mut lab = Lab::new(3);
    room(&mut lab, &[chat(), chat()]);
    let mut message = DataMessage {
        room: ROOM,
        from: None,
        sender: "".into(),
        to: None,
        label: "chat".into(),
        text: true,
        payload: b"to all"[..].into(),
    };
    lab.engine.send_data(lab.now, &message);
    (message.to, message.payload) = (Some(ParticipantId(2)), b"to two"[..].into());
    lab.engine.send_data(lab.now, &message);
    lab.collect();
    lab.run(Duration::from_secs(1));
    assert_eq!(payloads(&lab, 0), [b"to all"]);
    assert_eq!(payloads(&lab, 1), [b"to all", b"to two"]);
    assert!(
        lab.clients[1]
            .messages
            .iter()
            .all(|message| !message.binary)
    );
}

/// Sends `count` messages of a number and some length, 20 ms apart.
fn talk(lab: &mut Lab, channel: ChannelId, count: u32, len: usize) {
    for n in 0..count {
        let mut data = vec![0; len];
        data[..4].copy_from_slice(&n.to_be_bytes());
        assert!(lab.touch(0, |client| client.write(channel, &data)));
        lab.run(Duration::from_millis(20));
    }
    lab.run(Duration::from_secs(30));
}

fn numbers(lab: &Lab, client: usize) -> Vec<u32> {
    let number = |data: Vec<u8>| u32::from_be_bytes(data[..4].try_into().expect("four bytes"));
    payloads(lab, client).into_iter().map(number).collect()
}

#[test]
fn on_bad_links_reliable_channels_deliver_all_in_order_and_others_what_they_can() {
    let mut lab = Lab::new(4);
    let channels = room(&mut lab, &[chat(), chat()]);
    lab.impair(0, Impairment::BAD);
    lab.impair(1, Impairment::BAD);
    talk(&mut lab, channels[0], 200, 400);
    assert!(numbers(&lab, 1).into_iter().eq(0..200));

    let mut lab = Lab::new(5);
    let channels = room(&mut lab, &[game(), game()]);
    lab.impair(1, Impairment::BAD);
    talk(&mut lab, channels[0], 200, 100);
    let got = numbers(&lab, 1);
    assert!((120..200).contains(&got.len()), "{}", got.len());
}

/// What is unordered does not wait for what was lost before it.
#[test]
fn reliable_unordered_channels_deliver_all() {
    let mut lab = Lab::new(6);
    let unordered = || ChannelConfig {
        ordered: false,
        ..chat()
    };
    let channels = room(&mut lab, &[unordered(), unordered()]);
    lab.impair(1, Impairment::BAD);
    talk(&mut lab, channels[0], 200, 1_000);
    let mut got = numbers(&lab, 1);
    assert!(!got.is_sorted(), "nothing overtook what was lost");
    got.sort_unstable();
    assert!(got.into_iter().eq(0..200));
}

#[test]
fn a_long_message_arrives_whole() {
    let mut lab = Lab::new(7);
    let channels = room(&mut lab, &[chat(), chat()]);
    // str0m sends none longer unless a description says so.
    let data: Vec<u8> = (0..64 * 1024).map(|n| n as u8).collect();
    assert!(lab.touch(0, |client| client.write(channels[0], &data)));
    lab.run(Duration::from_secs(10));
    assert_eq!(payloads(&lab, 1), [data]);
}

/// One receiver whose link is dead costs the others nothing, and no memory without bound.
#[test]
fn a_dead_receiver_is_cut_off_and_the_others_go_on() {
    let mut lab = Lab::new(8);
    let channels = room(&mut lab, &[chat(), chat(), chat()]);
    let dead = Impairment {
        loss: 1.0,
        ..Impairment::GOOD
    };
    lab.impair(1, dead);
    for n in 0..80_u32 {
        let mut data = vec![0; 10_000];
        data[..4].copy_from_slice(&n.to_be_bytes());
        assert!(lab.touch(0, |client| client.write(channels[0], &data)));
        lab.run(Duration::from_millis(100));
    }
    assert!(numbers(&lab, 2).into_iter().eq(0..80));
    let data = |id| {
        let stats = lab
            .engine
            .session_stats()
            .find(|s| s.session == SessionId(id));
        stats
            .and_then(|stats| stats.data)
            .expect("a session with data")
    };
    assert_eq!((data(1).cut_off, data(1).channels), (1, 0));
    assert_eq!(
        (data(2).cut_off, data(2).channels, data(2).sent),
        (0, 1, 80)
    );
}

#[test]
fn channels_close_and_participants_leave() {
    let mut lab = Lab::new(9);
    let channels = room(&mut lab, &[chat(), chat(), chat()]);
    lab.touch(1, |client| {
        client.rtc.direct_api().close_data_channel(channels[1])
    });
    lab.run(Duration::from_secs(2));
    assert!(lab.clients[1].channels.is_empty());
    lab.engine.remove_participant(lab.now, ParticipantId(3));
    lab.collect();
    lab.touch(0, |client| client.write(channels[0], b"anybody?"));
    lab.run(Duration::from_secs(2));
    assert!(payloads(&lab, 1).is_empty() && payloads(&lab, 2).is_empty());
    let again = lab.touch(1, |client| client.open(chat()));
    lab.run(Duration::from_secs(2));
    assert_eq!(lab.clients[1].channels, [(again, "chat".to_owned())]);
    lab.touch(0, |client| client.write(channels[0], b"you"));
    lab.run(Duration::from_secs(2));
    assert_eq!(payloads(&lab, 1), [b"you"]);
}
