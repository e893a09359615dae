// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who speaks is heard and seen where not all can be.

use super::client::Packet;
use super::lab::Lab;
use super::media;
use gst_rtc_core::engine::{Assignment, EngineEvent};
use gst_rtc_core::id::SessionId;
use gst_rtc_core::media::MediaKind::{Audio, Video};
use std::collections::BTreeSet;
use std::time::Duration;

/// People with a microphone and a camera, numbered from 1.
struct Talk {
    clients: Vec<usize>,
    sequence: u64,
}

impl Talk {
    fn new(lab: &mut Lab, people: u32) -> Talk {
        let publisher = |id| lab.publisher(id, &[Audio, Video]);
        Talk {
            clients: (1..=people).map(publisher).collect(),
            sequence: 1,
        }
    }

    /// Lets some of them speak for a while.
    fn speak(&mut self, lab: &mut Lab, speaking: &[u32], ms: u64) {
        for _ in 0..ms / 20 {
            for (id, client) in (1..).zip(&self.clients) {
                let loud = speaking.contains(&id);
                let packet = Packet {
                    ssrc: Lab::ssrc(id, Audio),
                    pt: media::OPUS_PT,
                    sequence: self.sequence,
                    timestamp: self.sequence as u32 * 960,
                    marker: false,
                    payload: vec![0xfc; 60],
                    audio_level: Some(if loud { -20 } else { -100 }),
                };
                lab.send(*client, packet);
            }
            self.sequence += 1;
            lab.run(Duration::from_millis(20));
        }
    }
}

/// What the slots of a client show.
fn shown(lab: &Lab, client: usize) -> BTreeSet<u32> {
    let of_client = |event: &EngineEvent| match event {
        EngineEvent::Slots { session, slots, .. } if session.0 as usize == client => Some(
            slots
                .iter()
                .filter_map(|slot| Some(slot.track?.0))
                .collect(),
        ),
        _ => None,
    };
    lab.events
        .iter()
        .rev()
        .find_map(of_client)
        .expect("slots were told")
}

fn audio(ids: &[u32]) -> BTreeSet<u32> {
    ids.iter().map(|id| Lab::track(*id, Audio).0).collect()
}

fn video(ids: &[u32]) -> BTreeSet<u32> {
    ids.iter().map(|id| Lab::track(*id, Video).0).collect()
}

#[test]
fn where_not_all_can_be_heard_those_are_who_speak_or_spoke_last() {
    let mut lab = Lab::new(60);
    let mut talk = Talk::new(&mut lab, 5);
    let bob = lab.subscriber(20, &[Audio, Audio]);
    lab.connect();
    assert_eq!(shown(&lab, bob), audio(&[1, 2]));
    talk.speak(&mut lab, &[4], 1_000);
    assert_eq!(shown(&lab, bob), audio(&[1, 4]));
    talk.speak(&mut lab, &[], 2_000);
    talk.speak(&mut lab, &[5], 1_000);
    assert_eq!(shown(&lab, bob), audio(&[4, 5]));
    // Two who speak are not driven out by a third.
    talk.speak(&mut lab, &[4, 5], 1_000);
    talk.speak(&mut lab, &[4, 5, 1], 3_000);
    assert_eq!(shown(&lab, bob), audio(&[4, 5]));
    let before = lab.clients[bob].packets.len();
    talk.speak(&mut lab, &[], 400);
    let got = lab.clients[bob].packets.len() - before;
    assert!((38..=42).contains(&got), "two streams of 20 packets: {got}");
}

#[test]
fn the_last_who_had_the_floor_are_seen() {
    let mut lab = Lab::new(61);
    let mut talk = Talk::new(&mut lab, 4);
    let bob = lab.subscriber(20, &[Video, Video]);
    lab.connect();
    assert_eq!(shown(&lab, bob), video(&[1, 2]));
    talk.speak(&mut lab, &[3], 2_000);
    assert_eq!(shown(&lab, bob), video(&[1, 3]));
    // A word in between.
    talk.speak(&mut lab, &[3, 4], 200);
    talk.speak(&mut lab, &[3], 2_000);
    assert_eq!(shown(&lab, bob), video(&[1, 3]));
    talk.speak(&mut lab, &[4], 3_000);
    assert_eq!(shown(&lab, bob), video(&[3, 4]));
}

#[test]
fn a_slot_follows_the_speaker_but_never_shows_its_own_participant() {
    let mut lab = Lab::new(62);
    let mut talk = Talk::new(&mut lab, 3);
    let bob = lab.subscriber(20, &[Video]);
    lab.connect();
    let session = SessionId(bob as u32);
    assert!(
        lab.engine
            .assign(lab.now, session, "s0", Assignment::Speaker)
    );
    lab.collect();
    assert_eq!(shown(&lab, bob), video(&[1]), "nobody has spoken yet");
    for speaker in [2, 3, 1, 2] {
        talk.speak(&mut lab, &[speaker], 2_500);
        assert_eq!(shown(&lab, bob), video(&[speaker]));
    }
    let switches = lab
        .events
        .iter()
        .filter(|event| matches!(event, EngineEvent::Slots { session: s, .. } if *s == session));
    assert!(switches.count() <= 6, "no flapping");
}
