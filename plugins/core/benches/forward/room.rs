// SPDX-License-Identifier: MIT OR Apache-2.0
//! An engine with one publisher and many subscribers, connected in memory by real handshakes.

use super::cpu_time::CpuTime;
use super::media::{Encoding, Kind, Part};
use gst_rtc_core::engine::{Assign, Engine, EngineConfig, Flush, Limits, SessionSpec, TrackSpec};
use gst_rtc_core::id::{ParticipantId, RoomId, SessionId, TrackId};
use gst_rtc_core::media::{
    Candidate, CandidateKind, Fingerprint, MediaKind, Path, Proto, ReceiveSpec, Setup, SlotSpec,
};
use gst_rtc_core::media::{SsrcDescription, TransportDescription};
use gst_rtc_core::session::{
    Certificate, IceRole, SRTP_OVERHEAD, Session, SessionConfig, SrtpProfile,
};
use std::hint::black_box;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

const ROOM: RoomId = RoomId(1);
const TRACK: TrackId = TrackId(1);
/// SSRC of what a subscriber is sent.
pub(crate) const SSRC: u32 = 1000;
/// Virtual time of one step while connecting.
const STEP: Duration = Duration::from_millis(5);
/// Virtual time between packets: so little that no timer is due while measuring.
const GAP: Duration = Duration::from_nanos(100);

pub(crate) struct Room {
    pub(crate) now: Instant,
    pub(crate) engine: Engine,
    /// The publisher, then the subscribers.
    pub(crate) clients: Vec<Client>,
    pub(crate) encodings: Vec<Encoding>,
    pub(crate) kind: Kind,
    certificate: Arc<Certificate>,
    subscribers: usize,
}

pub(crate) struct Client {
    pub(crate) addr: SocketAddr,
    pub(crate) session: Session,
}

impl Client {
    /// Its path as the server sees it.
    pub(crate) fn path(&self) -> Path {
        Path {
            proto: Proto::Udp,
            local: server(),
            remote: self.addr,
        }
    }

    /// The same as it sees it.
    pub(crate) fn own_path(&self) -> Path {
        Path {
            proto: Proto::Udp,
            local: self.addr,
            remote: server(),
        }
    }
}

impl Room {
    /// Everybody is connected.
    pub(crate) fn new(kind: Kind, subscribers: usize) -> Room {
        let now = Instant::now();
        let certificate = Arc::new(Certificate::generate().expect("a certificate"));
        let config = EngineConfig {
            seed: 1,
            certificate: certificate.clone(),
            worker: 0,
            ntp: 3_900_000_000 << 32,
            limits: Limits::default(),
        };
        let mut engine = Engine::new(now, config);
        engine.add_room(ROOM);
        let mut room = Room {
            now,
            engine,
            clients: Vec::new(),
            encodings: kind.encodings(),
            kind,
            certificate,
            subscribers,
        };
        room.add_publisher();
        (0..subscribers).for_each(|_| room.add_subscriber());
        room.connect();
        room
    }

    /// Publishes `packets` of the first encoding at once and forwards them; the CPU time that took.
    pub(crate) fn round(&mut self, packets: usize) -> Duration {
        let sealed: Vec<Vec<u8>> = (0..packets).map(|_| self.next_packet()).collect();
        let path = self.clients[0].path();
        let began = CpuTime::now();
        for mut packet in sealed {
            self.engine.handle_datagram(self.now, path, &mut packet);
        }
        let sent = self.flush();
        let took = CpuTime::now() - began;
        assert_eq!(
            sent,
            packets * self.subscribers,
            "everybody gets everything"
        );
        while self.engine.poll_event().is_some() {}
        took
    }

    fn flush(&mut self) -> usize {
        let mut sent = 0;
        loop {
            let flush = self.engine.flush(self.now);
            let arena = self.engine.arena();
            sent += arena
                .runs()
                .map(|run| black_box(run).count())
                .sum::<usize>();
            arena.clear();
            if flush == Flush::Done {
                return sent;
            }
        }
    }

    fn next_packet(&mut self) -> Vec<u8> {
        self.now += GAP;
        let sequence = self.encodings[0].sequence;
        let begins = sequence == 1;
        let part = Part {
            first: begins,
            last: false,
            keyframe: begins,
        };
        self.packet(0, (sequence / 5) as u16, part)
    }

    /// The next packet of an encoding, as the publisher sends it.
    pub(crate) fn packet(&mut self, encoding: usize, picture: u16, part: Part) -> Vec<u8> {
        let encoding = &mut self.encodings[encoding];
        let index = encoding.sequence;
        let (mut packet, header) = encoding.packet(picture, part);
        let len = packet.len();
        packet.resize(len + SRTP_OVERHEAD, 0);
        let publisher = &mut self.clients[0].session;
        publisher
            .seal_rtp(&mut packet, header, len, index)
            .expect("connected");
        packet
    }

    fn add_publisher(&mut self) {
        self.engine.add_participant(ROOM, ParticipantId(0));
        let track = TrackSpec {
            id: TRACK,
            participant: ParticipantId(0),
            name: "video".into(),
            kind: MediaKind::Video,
            payloads: self.kind.payloads(),
            audience: None,
            home: 0,
            encrypted: false,
        };
        self.engine.add_track(self.now, track);
        self.open(vec![(TRACK, self.kind.receive())], Vec::new());
    }

    fn add_subscriber(&mut self) {
        let ssrc = SsrcDescription {
            ssrc: SSRC,
            rtx: Some(SSRC + 1),
            cname: Some("room".into()),
        };
        let slot = SlotSpec {
            mid: "0".into(),
            kind: MediaKind::Video,
            payloads: self.kind.payloads(),
            extensions: self.kind.extensions(),
            ssrc,
            encoding: None,
        };
        self.engine
            .add_participant(ROOM, ParticipantId(self.clients.len() as u32));
        self.open(Vec::new(), vec![slot]);
    }

    fn open(&mut self, receive: Vec<(TrackId, ReceiveSpec)>, slots: Vec<SlotSpec>) {
        let n = self.clients.len();
        let addr = SocketAddr::from(([10, 0, 1 + (n / 200) as u8, 1 + (n % 200) as u8], 5000));
        let (ours, theirs) = (name("server", n), name("client", n));
        let certificate = Arc::new(Certificate::generate().expect("a certificate"));
        let spec = SessionSpec {
            id: SessionId(n as u32),
            participant: ParticipantId(n as u32),
            ice: IceRole::Lite,
            local_ufrag: ours.0.clone(),
            local_pwd: ours.1.clone(),
            local_candidates: vec![candidate(server())],
            remote: transport(&theirs, false, certificate.fingerprint(), None),
            dtls_client: false,
            receive,
            slots,
            assign: Assign::Auto,
            data: None,
            sender: "".into(),
        };
        self.engine.open_session(self.now, spec).expect("a session");
        let config = SessionConfig {
            ice: IceRole::Full,
            local_ufrag: theirs.0,
            local_pwd: theirs.1,
            local_candidates: vec![candidate(addr)],
            remote: transport(
                &ours,
                true,
                self.certificate.fingerprint(),
                Some(candidate(server())),
            ),
            dtls_client: true,
            certificate,
            profiles: SrtpProfile::PREFERRED.to_vec(),
            data: None,
            data_rate: 0,
        };
        let session = Session::new(self.now, n as u64, config).expect("a session");
        self.clients.push(Client { addr, session });
    }

    fn connect(&mut self) {
        for _ in 0..2000 {
            self.exchange();
            if self
                .clients
                .iter()
                .all(|client| client.session.is_connected())
            {
                return self.exchange();
            }
            self.now += STEP;
            self.engine.handle_timeout(self.now);
            for client in &mut self.clients {
                client.session.handle_timeout(self.now);
            }
        }
        panic!("the clients do not connect");
    }

    /// Carries datagrams to and fro until there are none.
    fn exchange(&mut self) {
        let mut busy = true;
        while busy {
            busy = false;
            for client in &mut self.clients {
                while let Some(mut transmit) = client.session.poll_transmit() {
                    let path = client.path();
                    self.engine
                        .handle_datagram(self.now, path, &mut transmit.data);
                    busy = true;
                }
                while client.session.poll_event().is_some() {}
            }
            busy |= self.deliver();
            while self.engine.poll_event().is_some() {}
        }
    }

    fn deliver(&mut self) -> bool {
        let datagram = |run: gst_rtc_core::arena::Run<'_>| {
            let remote = run.path.remote;
            run.datagrams()
                .map(move |data| (remote, data.to_vec()))
                .collect::<Vec<_>>()
        };
        let arena = self.engine.arena();
        let datagrams: Vec<_> = arena.runs().flat_map(datagram).collect();
        arena.clear();
        for (remote, mut data) in datagrams.iter().cloned() {
            if let Some(client) = self.clients.iter_mut().find(|client| client.addr == remote) {
                let path = client.own_path();
                client.session.handle_datagram(self.now, path, &mut data);
            }
        }
        !datagrams.is_empty()
    }
}

fn server() -> SocketAddr {
    ([10, 0, 0, 1], 4000).into()
}

/// ICE user name fragment and password.
fn name(side: &str, n: usize) -> (String, String) {
    (
        format!("{side}{n}"),
        format!("{side}-{n}-with-a-long-password"),
    )
}

fn transport(
    (ufrag, pwd): &(String, String),
    ice_lite: bool,
    fingerprint: Fingerprint,
    candidate: Option<Candidate>,
) -> TransportDescription {
    TransportDescription {
        ufrag: ufrag.clone(),
        pwd: pwd.clone(),
        ice_lite,
        fingerprints: vec![fingerprint],
        setup: if ice_lite {
            Setup::Passive
        } else {
            Setup::Active
        },
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
