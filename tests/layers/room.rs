// SPDX-License-Identifier: MIT OR Apache-2.0
//! A room with two publishers and one subscriber, in memory and in virtual time.

use super::codec::Picture;
use super::end::{self, End};
use gst_rtc_core::codec::Codec;
use gst_rtc_core::engine::{
    Assign, Assignment, Engine, EngineConfig, Flush, Limits, SessionSpec, TrackSpec,
};
use gst_rtc_core::id::{ParticipantId, RoomId, SessionId, TrackId};
use gst_rtc_core::layer::Layer;
use gst_rtc_core::media::{MediaKind, ReceiveSpec, SlotSpec, SsrcDescription};
use gst_rtc_core::session::{Certificate, IceRole};
use std::sync::Arc;
use std::time::{Duration, Instant};

const ROOM: RoomId = RoomId(1);
const VIEWER: u32 = 2;
const FRAME: Duration = Duration::from_micros(33_333);
const STEP: Duration = Duration::from_millis(3);

pub struct Room {
    now: Instant,
    engine: Engine,
    /// The publishers, and the subscriber.
    ends: Vec<End>,
    /// Packets each publisher has sent of each encoding.
    sent: [Vec<u64>; 2],
}

impl Room {
    /// Everybody is connected; the publishers have that many encodings each.
    pub fn new(codec: Codec, encodings: usize, seed: u64) -> Room {
        let now = Instant::now();
        let certificate = Arc::new(Certificate::generate().expect("a certificate"));
        let config = EngineConfig {
            seed,
            certificate: certificate.clone(),
            worker: 0,
            ntp: 3_900_000_000 << 32,
            limits: Limits::default(),
        };
        let mut engine = Engine::new(now, config);
        engine.add_room(ROOM);
        let mut ends = Vec::new();
        for id in 0..=VIEWER {
            let end = End::new(now, id, &certificate);
            engine.add_participant(ROOM, ParticipantId(id));
            let mut spec = session(id, &end);
            if id == VIEWER {
                spec.slots.push(slot(codec));
            } else {
                engine.add_track(now, track(id, codec));
                spec.receive.push((TrackId(id), source(codec, encodings)));
            }
            engine.open_session(now, spec).expect("a session");
            ends.push(end);
        }
        let mut room = Room {
            now,
            engine,
            ends,
            // Numbers wrap on the way.
            sent: [vec![65_000; encodings], vec![30_000; encodings]],
        };
        room.connect();
        room
    }

    fn connect(&mut self) {
        for _ in 0..2_000 {
            self.run(STEP);
            if self.ends.iter().all(|end| end.session.is_connected()) {
                return;
            }
        }
        panic!("they do not connect");
    }

    /// One picture of each publisher, in each of its encodings.
    pub fn publish(&mut self, pictures: &[Vec<Picture>; 2]) {
        for (publisher, encodings) in pictures.iter().enumerate() {
            for (encoding, picture) in encodings.iter().enumerate() {
                for packet in picture {
                    self.send(publisher, encoding, packet);
                }
            }
        }
        let end = self.now + FRAME;
        while self.now < end {
            self.run(STEP);
        }
    }

    fn send(&mut self, publisher: usize, encoding: usize, packet: &[u8]) {
        let sequence = &mut self.sent[publisher][encoding];
        *sequence += 1;
        let end = &mut self.ends[publisher];
        let mut sealed = end.seal(packet, *sequence, encoding);
        let path = end.path_back();
        self.engine.handle_datagram(self.now, path, &mut sealed);
    }

    pub fn show(&mut self, id: u32) {
        let assignment = Assignment::Track(TrackId(id));
        let viewer = SessionId(VIEWER);
        assert!(self.engine.assign(self.now, viewer, "0", assignment));
    }

    /// Up to that layer; `None` pauses.
    pub fn limit(&mut self, layer: Option<Layer>) {
        assert!(self.engine.set_target(SessionId(VIEWER), "0", layer));
    }

    /// What the subscriber got, in order; asserts that the numbers have no gap.
    pub fn finish(mut self) -> Vec<Vec<u8>> {
        let got = self.ends.pop().expect("the subscriber is the last").got;
        let number = |packet: &Vec<u8>| u16::from_be_bytes([packet[2], packet[3]]);
        let gap = got
            .windows(2)
            .find(|w| number(&w[0]).wrapping_add(1) != number(&w[1]));
        assert!(gap.is_none(), "a gap in the sequence numbers");
        got
    }

    fn run(&mut self, time: Duration) {
        self.exchange();
        self.now += time;
        self.engine.handle_timeout(self.now);
        for end in &mut self.ends {
            end.session.handle_timeout(self.now);
        }
        self.exchange();
        while self.engine.poll_event().is_some() {}
    }

    /// Carries datagrams to and fro until there are none.
    fn exchange(&mut self) {
        let mut busy = true;
        while busy {
            busy = self.deliver();
            for end in &mut self.ends {
                let path = end.path_back();
                while let Some(mut transmit) = end.session.poll_transmit() {
                    self.engine
                        .handle_datagram(self.now, path, &mut transmit.data);
                    busy = true;
                }
                while end.session.poll_event().is_some() {}
            }
        }
    }

    fn deliver(&mut self) -> bool {
        let mut busy = false;
        loop {
            let flush = self.engine.flush(self.now);
            for run in self.engine.arena().runs() {
                let end = self.ends.iter_mut().find(|e| e.path_back() == run.path);
                let end = end.expect("somebody has that address");
                for datagram in run.datagrams() {
                    busy = true;
                    end.receive(self.now, &mut datagram.to_vec());
                }
            }
            self.engine.arena().clear();
            if flush == Flush::Done {
                return busy;
            }
        }
    }
}

fn track(id: u32, codec: Codec) -> TrackSpec {
    TrackSpec {
        id: TrackId(id),
        participant: ParticipantId(id),
        name: "video".into(),
        kind: MediaKind::Video,
        payloads: vec![end::payload(codec)],
        audience: None,
        home: 0,
        encrypted: false,
    }
}

fn source(codec: Codec, encodings: usize) -> ReceiveSpec {
    ReceiveSpec {
        mid: "v".into(),
        kind: MediaKind::Video,
        payloads: vec![end::payload(codec)],
        extensions: end::extensions(),
        ssrcs: Vec::new(),
        rids: (0..encodings).map(end::rid).collect(),
    }
}

fn slot(codec: Codec) -> SlotSpec {
    SlotSpec {
        mid: "0".into(),
        kind: MediaKind::Video,
        payloads: vec![end::payload(codec)],
        extensions: end::extensions(),
        ssrc: SsrcDescription {
            ssrc: end::ssrc(VIEWER, 0),
            rtx: None,
            cname: Some("room".into()),
        },
        encoding: None,
    }
}

fn session(id: u32, end: &End) -> SessionSpec {
    let (local_ufrag, local_pwd, candidate, remote) = end.introduction();
    SessionSpec {
        id: SessionId(id),
        participant: ParticipantId(id),
        ice: IceRole::Lite,
        local_ufrag,
        local_pwd,
        local_candidates: vec![candidate],
        remote,
        dtls_client: false,
        receive: Vec::new(),
        slots: Vec::new(),
        assign: Assign::Auto,
        data: None,
        sender: "".into(),
    }
}
