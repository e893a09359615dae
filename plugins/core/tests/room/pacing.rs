// SPDX-License-Identifier: MIT OR Apache-2.0
//! Bursts on narrow links: they are spread, so that no queue overflows and sound does not wait behind pictures.

use super::Camera;
use super::client::Packet;
use super::lab::Lab;
use super::link::Impairment;
use super::media;
use gst_rtc_core::media::MediaKind::{Audio, Video};
use std::time::{Duration, Instant};

const TICK: Duration = Duration::from_millis(20);
/// A picture comes with every so many packets of sound.
const PICTURE: u64 = 10;
/// Bytes of one packet of a large picture, about.
const PART: usize = 1_170;
/// Packets of a keyframe of 65 kB.
const LARGE: u64 = 56;

/// Somebody who speaks, on a camera that moves little: sound of 24 kbit/s, and 5 pictures a second of one packet.
struct Speaker {
    client: usize,
    id: u32,
    tick: u64,
    sequence: u64,
    picture: u16,
    /// When each packet of sound was sent.
    spoke: Vec<Instant>,
}

impl Speaker {
    fn new(lab: &mut Lab, id: u32) -> Speaker {
        Speaker {
            client: lab.publisher(id, &[Audio, Video]),
            id,
            tick: 0,
            sequence: 1_000,
            picture: 7,
            spoke: Vec::new(),
        }
    }

    fn run(&mut self, lab: &mut Lab, ticks: u64) {
        for _ in 0..ticks {
            self.speak(lab);
            if self.tick.is_multiple_of(PICTURE) {
                self.shoot(lab, 1, self.tick == 0);
            }
            self.tick += 1;
            lab.run(TICK);
        }
    }

    fn speak(&mut self, lab: &mut Lab) {
        self.spoke.push(lab.now);
        let packet = Packet {
            ssrc: Lab::ssrc(self.id, Audio),
            pt: media::OPUS_PT,
            sequence: self.tick + 1,
            timestamp: self.tick as u32 * 960,
            marker: false,
            payload: vec![0x78; 60],
            audio_level: Some(-20),
        };
        lab.send(self.client, packet);
    }

    /// A picture of so many packets.
    fn shoot(&mut self, lab: &mut Lab, parts: u64, keyframe: bool) {
        for part in 0..parts {
            let tl0 = self.picture as u8;
            let mut payload = media::vp8(self.sequence, self.picture, tl0, part == 0, keyframe);
            if parts > 1 {
                payload.resize(PART, 0x55);
            }
            let packet = Packet {
                ssrc: Lab::ssrc(self.id, Video),
                pt: media::VP8_PT,
                sequence: self.sequence,
                timestamp: self.tick as u32 * 1_800,
                marker: part + 1 == parts,
                payload,
                audio_level: None,
            };
            self.sequence += 1;
            lab.send(self.client, packet);
        }
        self.picture += 1;
    }

    /// The longest that sound was on its way to a client that has heard all of it, since then.
    fn longest(&self, lab: &Lab, client: usize, since: Instant) -> Duration {
        let packets = lab.clients[client].packets.iter();
        let mut sound: Vec<_> = packets
            .filter(|packet| *packet.header.payload_type == media::OPUS_PT)
            .map(|packet| (*packet.seq_no, packet.timestamp))
            .collect();
        sound.sort_unstable();
        assert_eq!(sound.len(), self.spoke.len(), "all of it has come");
        let on_way = sound.iter().zip(&self.spoke);
        let since = on_way.filter(|(_, spoke)| **spoke >= since);
        since
            .map(|((_, heard), spoke)| *heard - *spoke)
            .max()
            .expect("sound")
    }
}

fn narrow_down(lab: &mut Lab, viewer: usize) {
    lab.down[viewer].impairment = Impairment {
        rate: Some(300_000),
        queue: Some(64 * 1024),
        ..Impairment::GOOD
    };
}

/// The numbers of the packets of pictures a viewer got; asserts that none is missing.
fn pictures(lab: &Lab, viewer: usize) -> Vec<u64> {
    let packets = lab.clients[viewer].packets.iter();
    let mut pictures: Vec<_> = packets
        .filter(|packet| *packet.header.payload_type == media::VP8_PT)
        .map(|packet| (*packet.seq_no, media::read_vp8(&packet.payload).2))
        .collect();
    pictures.sort_unstable();
    pictures.dedup();
    let gap = pictures.windows(2).find(|w| w[0].0 + 1 != w[1].0);
    assert_eq!(gap, None, "a gap in the sequence numbers");
    pictures.into_iter().map(|(_, number)| number).collect()
}

/// A room of a speaker and a viewer behind 300 kbit/s and a queue of 64 KiB; it has run long enough to be known.
fn narrow(seed: u64, reports: bool) -> (Lab, Speaker, usize) {
    let mut lab = Lab::new(seed);
    let mut speaker = Speaker::new(&mut lab, 1);
    let viewer = if reports {
        lab.reporting_subscriber(2, &[Audio, Video])
    } else {
        lab.subscriber(2, &[Audio, Video])
    };
    narrow_down(&mut lab, viewer);
    lab.connect();
    speaker.run(&mut lab, 500);
    lab.down[viewer].longest = Duration::ZERO;
    (lab, speaker, viewer)
}

#[test]
fn a_large_keyframe_overflows_no_queue_and_holds_up_no_sound() {
    let (mut lab, mut speaker, viewer) = narrow(70, true);
    let shot = lab.now;
    speaker.shoot(&mut lab, LARGE, true);
    speaker.run(&mut lab, 250);
    lab.run(Duration::from_secs(1));
    let link = &lab.down[viewer];
    assert_eq!(link.overflowed, 0);
    let queued = link.longest;
    assert!(queued < Duration::from_millis(150), "{queued:?}");
    let sound = speaker.longest(&lab, viewer, shot);
    assert!(sound < Duration::from_millis(200), "{sound:?}");
    assert_eq!(pictures(&lab, viewer).last(), Some(&(speaker.sequence - 1)));
}

#[test]
fn without_a_pace_it_would() {
    let (mut lab, mut speaker, viewer) = narrow(71, false);
    speaker.shoot(&mut lab, LARGE, true);
    speaker.run(&mut lab, 250);
    let link = &lab.down[viewer];
    assert!(link.overflowed > 0);
    assert!(link.longest > Duration::from_secs(1), "{:?}", link.longest);
}

#[test]
fn on_a_wide_link_nothing_waits() {
    let mut lab = Lab::new(72);
    let client = lab.publisher(1, &[Video]);
    let viewer = lab.reporting_subscriber(2, &[Video]);
    lab.connect();
    let mut camera = Camera::new(client, 1);
    camera.run(&mut lab, 150);
    for _ in 0..150 {
        let last = camera.sequence + 2;
        camera.shoot(&mut lab);
        lab.run(2 * Impairment::GOOD.delay);
        assert_eq!(pictures(&lab, viewer).last(), Some(&last));
        lab.run(Duration::from_millis(13));
    }
}

#[test]
fn a_newcomer_on_a_narrow_link_is_not_flooded_with_the_past() {
    let mut lab = Lab::new(73);
    let mut speaker = Speaker::new(&mut lab, 1);
    lab.connect();
    speaker.run(&mut lab, 1);
    for _ in 0..20 {
        speaker.shoot(&mut lab, 10, false);
        speaker.run(&mut lab, 20);
    }
    let viewer = lab.reporting_subscriber(2, &[Audio, Video]);
    narrow_down(&mut lab, viewer);
    lab.connect();
    speaker.run(&mut lab, 500);
    lab.run(Duration::from_secs(1));
    assert_eq!(lab.down[viewer].overflowed, 0);
    assert_eq!(pictures(&lab, viewer).last(), Some(&(speaker.sequence - 1)));
}

#[test]
fn a_newcomer_on_a_wide_link_soon_catches_up() {
    let mut lab = Lab::new(74);
    let client = lab.publisher(1, &[Video]);
    lab.connect();
    let mut camera = Camera::new(client, 1);
    camera.keyframes = 1_000;
    camera.run(&mut lab, 200);
    let viewer = lab.reporting_subscriber(2, &[Video]);
    while !lab.clients[viewer].connected {
        lab.run(Duration::from_millis(1));
    }
    // 600 packets of 450 bytes are 8 s of the track.
    camera.run(&mut lab, 30);
    lab.run(2 * Impairment::GOOD.delay);
    let got = pictures(&lab, viewer);
    assert_eq!(got, (1_000..camera.sequence).collect::<Vec<_>>());
}
