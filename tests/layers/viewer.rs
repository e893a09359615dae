// SPDX-License-Identifier: MIT OR Apache-2.0
//! A room with two sources that pads feed, and one subscriber, in memory and in virtual time.

use super::codec::Picture;
use gst_rtc_core::engine::{
    Assign, Assignment, Engine, EngineConfig, Flush, Limits, SessionSpec, TrackSpec,
};
use gst_rtc_core::id::{ParticipantId, RoomId, SessionId, TrackId};
use gst_rtc_core::layer::Layer;
use gst_rtc_core::media::{
    Candidate, CandidateKind, ExtensionMap, Fingerprint, MediaKind, Path, PayloadParams, Proto,
    Setup, SlotSpec, SsrcDescription, TransportDescription,
};
use gst_rtc_core::session::{Certificate, IceRole, Incoming, Session, SessionConfig, SrtpProfile};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

const ROOM: RoomId = RoomId(1);
const VIEWER: SessionId = SessionId(9);
const FRAME: Duration = Duration::from_micros(33_333);
const STEP: Duration = Duration::from_millis(3);

pub struct Room {
    now: Instant,
    engine: Engine,
    viewer: Session,
    got: Vec<Vec<u8>>,
}

impl Room {
    /// The subscriber is connected.
    pub fn new(payload: PayloadParams, seed: u64) -> Room {
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
        for id in [0, 1] {
            engine.add_participant(ROOM, ParticipantId(id));
            engine.add_track(now, track(id, payload.clone()));
        }
        engine.add_participant(ROOM, ParticipantId(9));
        let own = Arc::new(Certificate::generate().expect("a certificate"));
        let spec = session(&own, slot(payload));
        engine.open_session(now, spec).expect("a session");
        let viewer = Session::new(now, seed, client(&certificate, own)).expect("a session");
        let mut room = Room {
            now,
            engine,
            viewer,
            got: Vec::new(),
        };
        room.connect();
        room
    }

    fn connect(&mut self) {
        for _ in 0..2_000 {
            self.run(STEP);
            if self.viewer.is_connected() {
                return;
            }
        }
        panic!("the subscriber does not connect");
    }

    /// One picture of each source.
    pub fn publish(&mut self, pictures: [&Picture; 2]) {
        for (id, picture) in (0..).zip(pictures) {
            for packet in picture {
                self.engine
                    .handle_local_rtp(self.now, TrackId(id), packet, self.now);
            }
        }
        let end = self.now + FRAME;
        while self.now < end {
            self.run(STEP);
        }
    }

    pub fn show(&mut self, id: u32) {
        let assignment = Assignment::Track(TrackId(id));
        assert!(self.engine.assign(self.now, VIEWER, "0", assignment));
    }

    pub fn limit(&mut self, temporal: u8) {
        let layer = Layer {
            temporal,
            ..Layer::default()
        };
        assert!(self.engine.set_target(VIEWER, "0", Some(layer)));
    }

    pub fn pause(&mut self) {
        assert!(self.engine.set_target(VIEWER, "0", None));
    }

    /// What the subscriber got, in order; asserts that the numbers have no gap.
    pub fn finish(self) -> Vec<Vec<u8>> {
        let number = |packet: &Vec<u8>| u16::from_be_bytes([packet[2], packet[3]]);
        let gap = self
            .got
            .windows(2)
            .find(|w| number(&w[0]).wrapping_add(1) != number(&w[1]));
        assert!(gap.is_none(), "a gap in the sequence numbers");
        self.got
    }

    fn run(&mut self, time: Duration) {
        self.exchange();
        self.now += time;
        self.engine.handle_timeout(self.now);
        self.viewer.handle_timeout(self.now);
        self.exchange();
        while self.engine.poll_event().is_some() {}
    }

    /// Carries datagrams to and fro until there are none.
    fn exchange(&mut self) {
        let mut busy = true;
        while busy {
            busy = self.deliver();
            while let Some(mut transmit) = self.viewer.poll_transmit() {
                let path = path(SERVER, VIEWER_ADDR);
                self.engine
                    .handle_datagram(self.now, path, &mut transmit.data);
                busy = true;
            }
            while self.viewer.poll_event().is_some() {}
        }
    }

    fn deliver(&mut self) -> bool {
        let mut busy = false;
        loop {
            let flush = self.engine.flush(self.now);
            let runs = self.engine.arena().runs();
            let datagrams: Vec<_> = runs
                .flat_map(|run| run.datagrams().map(<[u8]>::to_vec).collect::<Vec<_>>())
                .collect();
            self.engine.arena().clear();
            for mut datagram in datagrams {
                busy = true;
                let path = path(VIEWER_ADDR, SERVER);
                let incoming = self.viewer.handle_datagram(self.now, path, &mut datagram);
                if let Incoming::Rtp(len) = incoming {
                    datagram.truncate(len);
                    self.got.push(datagram);
                }
            }
            if flush == Flush::Done {
                return busy;
            }
        }
    }
}

const SERVER: ([u8; 4], u16) = ([10, 0, 0, 1], 4000);
const VIEWER_ADDR: ([u8; 4], u16) = ([10, 0, 0, 2], 5000);
const PASSWORDS: [&str; 2] = [
    "a-long-password-of-the-server",
    "a-long-password-of-the-viewer",
];

fn path(local: ([u8; 4], u16), remote: ([u8; 4], u16)) -> Path {
    Path {
        proto: Proto::Udp,
        local: local.into(),
        remote: remote.into(),
    }
}

fn track(id: u32, payload: PayloadParams) -> TrackSpec {
    TrackSpec {
        id: TrackId(id),
        participant: ParticipantId(id),
        name: "video".into(),
        kind: MediaKind::Video,
        payloads: vec![payload],
        audience: None,
        home: 0,
        encrypted: false,
    }
}

fn slot(payload: PayloadParams) -> SlotSpec {
    SlotSpec {
        mid: "0".into(),
        kind: MediaKind::Video,
        payloads: vec![payload],
        extensions: ExtensionMap::default(),
        ssrc: SsrcDescription {
            ssrc: 1_000,
            rtx: None,
            cname: Some("room".into()),
        },
    }
}

fn session(own: &Arc<Certificate>, slot: SlotSpec) -> SessionSpec {
    SessionSpec {
        id: VIEWER,
        participant: ParticipantId(9),
        ice: IceRole::Lite,
        local_ufrag: "server".into(),
        local_pwd: PASSWORDS[0].into(),
        local_candidates: vec![candidate(SERVER.into())],
        remote: transport(1, own.fingerprint(), None),
        dtls_client: false,
        receive: Vec::new(),
        slots: vec![slot],
        assign: Assign::Auto,
        data: None,
        sender: "".into(),
    }
}

fn client(server: &Certificate, own: Arc<Certificate>) -> SessionConfig {
    SessionConfig {
        ice: IceRole::Full,
        local_ufrag: "viewer".into(),
        local_pwd: PASSWORDS[1].into(),
        local_candidates: vec![candidate(VIEWER_ADDR.into())],
        remote: transport(0, server.fingerprint(), Some(candidate(SERVER.into()))),
        dtls_client: true,
        certificate: own,
        profiles: SrtpProfile::PREFERRED.to_vec(),
        data: None,
        data_rate: 0,
    }
}

fn transport(
    side: usize,
    fingerprint: Fingerprint,
    candidate: Option<Candidate>,
) -> TransportDescription {
    TransportDescription {
        ufrag: ["server", "viewer"][side].into(),
        pwd: PASSWORDS[side].into(),
        ice_lite: side == 0,
        fingerprints: vec![fingerprint],
        setup: [Setup::Passive, Setup::Active][side],
        candidates: candidate.into_iter().collect(),
    }
}

fn candidate(addr: SocketAddr) -> Candidate {
    Candidate {
        foundation: "1".into(),
        component: 1,
        proto: Proto::Udp,
        tcp_type: None,
        priority: 2_130_706_431,
        addr,
        kind: CandidateKind::Host,
    }
}
