// SPDX-License-Identifier: MIT OR Apache-2.0
//! An engine and its clients on links, in virtual time.

use super::client::{Client, Packet};
use super::link::{Impairment, Link};
use super::media;
use super::wraps::{Direction, Wraps};
use gst_rtc_core::data::{DataSpec, MAX_MESSAGE};
use gst_rtc_core::engine::{
    Assign, Engine, EngineConfig, EngineEvent, Flush, Limits, SessionSpec, TrackSpec,
};
use gst_rtc_core::id::{ParticipantId, RoomId, SessionId, TrackId};
use gst_rtc_core::media::{
    Candidate, CandidateKind, MediaKind, Path, PayloadParams, Proto, ReceiveSpec,
};
use gst_rtc_core::session::{Certificate, IceRole};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub const ROOM: RoomId = RoomId(1);

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Mail {
    ToServer(SocketAddr, Vec<u8>),
    ToClient(usize, Vec<u8>),
}

/// Everything of one test.
pub struct Lab {
    pub now: Instant,
    pub engine: Engine,
    pub clients: Vec<Client>,
    pub events: Vec<EngineEvent>,
    pub up: Vec<Link>,
    pub down: Vec<Link>,
    pub wraps: Wraps,
    /// Tracks made from now on are encrypted end to end.
    pub encrypted: bool,
    certificate: Arc<Certificate>,
    mail: BinaryHeap<Reverse<(Instant, u64, Mail)>>,
    posted: u64,
    seed: u64,
}

impl Lab {
    pub fn new(seed: u64) -> Lab {
        let start = Instant::now();
        let certificate = Arc::new(Certificate::generate().expect("a certificate"));
        let config = EngineConfig {
            seed,
            certificate: certificate.clone(),
            worker: 0,
            ntp: 3_900_000_000 << 32,
            limits: Limits::default(),
        };
        let mut engine = Engine::new(start, config);
        engine.add_room(ROOM);
        Lab {
            now: start,
            engine,
            clients: Vec::new(),
            events: Vec::new(),
            up: Vec::new(),
            down: Vec::new(),
            wraps: Wraps::default(),
            encrypted: false,
            certificate,
            mail: BinaryHeap::new(),
            posted: 0,
            seed,
        }
    }

    pub fn server_addr() -> SocketAddr {
        ([10, 0, 0, 1], 4000).into()
    }

    fn candidate() -> Candidate {
        Candidate {
            foundation: "1".into(),
            component: 1,
            proto: Proto::Udp,
            tcp_type: None,
            priority: 1,
            addr: Lab::server_addr(),
            kind: CandidateKind::Host,
        }
    }

    fn add_client(&mut self) -> usize {
        let n = self.clients.len();
        let addr = ([10, 0, 1 + (n / 200) as u8, 1 + (n % 200) as u8], 5000).into();
        self.clients.push(Client::new(self.now, addr));
        self.up.push(Link::new(self.seed + 2 * n as u64));
        self.down.push(Link::new(self.seed + 2 * n as u64 + 1));
        n
    }

    fn dial(&mut self, client: usize) -> (String, String) {
        let (ufrag, pwd) = (
            format!("srv{client:05}"),
            format!("a-password-of-enough-length{client}"),
        );
        let fingerprint = self.certificate.fingerprint();
        self.clients[client].dial(&ufrag, &pwd, &Lab::candidate(), &fingerprint);
        (ufrag, pwd)
    }

    fn open(&mut self, client: usize, participant: ParticipantId, parts: Parts) {
        let (local_ufrag, local_pwd) = self.dial(client);
        let remote = self.clients[client].transport();
        let spec = SessionSpec {
            id: SessionId(client as u32),
            participant,
            ice: IceRole::Lite,
            local_ufrag,
            local_pwd,
            local_candidates: vec![Lab::candidate()],
            remote,
            dtls_client: false,
            receive: parts.receive,
            slots: parts.slots,
            assign: Assign::Auto,
            data: parts.data,
            sender: format!("sender{}", participant.0).into(),
        };
        self.engine
            .open_session(self.now, spec)
            .expect("the session opens");
        self.collect();
        self.drain_client(client);
    }

    /// A participant `id` that publishes tracks of those kinds; its client.
    pub fn publisher(&mut self, id: u32, kinds: &[MediaKind]) -> usize {
        self.participant(id, kinds, None)
    }

    /// A participant `id` with a connection that has data channels, and publishes tracks of those kinds; its client.
    pub fn talker(&mut self, id: u32, kinds: &[MediaKind]) -> usize {
        let data = DataSpec {
            mid: "d".into(),
            port: 5000,
            max_message: MAX_MESSAGE,
            opens: None,
        };
        self.participant(id, kinds, Some(data))
    }

    fn participant(&mut self, id: u32, kinds: &[MediaKind], data: Option<DataSpec>) -> usize {
        let client = self.add_client();
        self.engine.add_participant(ROOM, ParticipantId(id));
        if data.is_some() {
            self.clients[client].start_sctp();
        }
        let mut parts = Parts {
            data,
            ..Parts::default()
        };
        for (index, kind) in kinds.iter().enumerate() {
            let spec =
                self.clients[client].declare_send(&format!("{kind}"), *kind, Lab::ssrc(id, *kind));
            parts
                .receive
                .push(self.add_track(id, &format!("{kind}{index}"), spec));
        }
        self.open(client, ParticipantId(id), parts);
        client
    }

    /// A participant `id` that publishes one audio track in those formats; its client.
    pub fn speaker(&mut self, id: u32, formats: Vec<PayloadParams>) -> usize {
        let client = self.add_client();
        self.engine.add_participant(ROOM, ParticipantId(id));
        let ssrc = Lab::ssrc(id, MediaKind::Audio);
        let mut spec = self.clients[client].declare_send("audio", MediaKind::Audio, ssrc);
        spec.payloads = formats;
        let mut parts = Parts::default();
        parts.receive.push(self.add_track(id, "audio", spec));
        self.open(client, ParticipantId(id), parts);
        client
    }

    /// A participant `id` that receives one audio track in those formats; its client.
    pub fn listener(&mut self, id: u32, formats: Vec<PayloadParams>) -> usize {
        let client = self.add_client();
        self.engine.add_participant(ROOM, ParticipantId(id));
        let ssrc = Lab::slot_ssrc(0);
        let mut spec = self.clients[client].declare_receive("s0", MediaKind::Audio, ssrc);
        spec.payloads = formats;
        let mut parts = Parts::default();
        parts.slots.push(spec);
        self.open(client, ParticipantId(id), parts);
        client
    }

    /// A participant `id` that publishes one video track in several encodings; its client.
    pub fn simulcast_publisher(&mut self, id: u32, rids: &[&str]) -> usize {
        let client = self.add_client();
        self.engine.add_participant(ROOM, ParticipantId(id));
        let ssrc = Lab::ssrc(id, MediaKind::Video);
        let spec = self.clients[client].declare_simulcast("video", ssrc, rids);
        let mut parts = Parts::default();
        parts.receive.push(self.add_track(id, "video", spec));
        self.open(client, ParticipantId(id), parts);
        client
    }

    /// A participant `id` whose video comes in at another worker: that worker, with the same track.
    pub fn other_worker(&mut self, id: u32) -> Engine {
        let config = EngineConfig {
            seed: self.seed,
            certificate: self.certificate.clone(),
            worker: 1,
            ntp: 3_900_000_000 << 32,
            limits: Limits::default(),
        };
        let mut other = Engine::new(self.now, config);
        other.add_room(ROOM);
        let track = TrackSpec {
            id: Lab::track(id, MediaKind::Video),
            participant: ParticipantId(id),
            name: "video".into(),
            kind: MediaKind::Video,
            payloads: super::media::payloads(MediaKind::Video),
            audience: None,
            home: 1,
            encrypted: false,
        };
        for engine in [&mut other, &mut self.engine] {
            engine.add_participant(ROOM, ParticipantId(id));
            engine.add_track(self.now, track.clone());
        }
        other
    }

    fn add_track(&mut self, id: u32, name: &str, spec: ReceiveSpec) -> (TrackId, ReceiveSpec) {
        let track = TrackSpec {
            id: Lab::track(id, spec.kind),
            participant: ParticipantId(id),
            name: name.into(),
            kind: spec.kind,
            payloads: spec.payloads.clone(),
            audience: None,
            home: 0,
            encrypted: self.encrypted,
        };
        self.engine.add_track(self.now, track);
        (Lab::track(id, spec.kind), spec)
    }

    /// A participant `id` that receives on slots of those kinds; its client.
    pub fn subscriber(&mut self, id: u32, kinds: &[MediaKind]) -> usize {
        self.receiver(id, kinds, false)
    }

    /// A [`subscriber`](Self::subscriber) that reports what arrives.
    pub fn reporting_subscriber(&mut self, id: u32, kinds: &[MediaKind]) -> usize {
        self.receiver(id, kinds, true)
    }

    fn receiver(&mut self, id: u32, kinds: &[MediaKind], reports: bool) -> usize {
        let client = self.add_client();
        if reports {
            self.clients[client].report_arrivals();
        }
        self.engine.add_participant(ROOM, ParticipantId(id));
        let mut parts = Parts::default();
        for (index, kind) in kinds.iter().enumerate() {
            let mut spec = self.clients[client].declare_receive(
                &format!("s{index}"),
                *kind,
                Lab::slot_ssrc(index),
            );
            spec.extensions = media::extensions(reports);
            parts.slots.push(spec);
        }
        self.open(client, ParticipantId(id), parts);
        client
    }

    /// Lets a client do something at once.
    pub fn touch<R>(&mut self, client: usize, act: impl FnOnce(&mut Client) -> R) -> R {
        let now = self.now;
        self.clients[client].wake(now);
        let result = act(&mut self.clients[client]);
        self.drain_client(client);
        result
    }

    pub fn track(id: u32, kind: MediaKind) -> TrackId {
        TrackId(id * 2 + u32::from(kind == MediaKind::Video))
    }

    pub fn ssrc(id: u32, kind: MediaKind) -> u32 {
        id * 1000 + if kind == MediaKind::Video { 100 } else { 10 }
    }

    pub fn slot_ssrc(index: usize) -> u32 {
        70_000 + 10 * index as u32
    }

    pub fn impair(&mut self, client: usize, impairment: Impairment) {
        self.up[client].impairment = impairment;
        self.down[client].impairment = impairment;
    }

    pub fn send(&mut self, client: usize, packet: Packet) {
        let now = self.now;
        self.clients[client].wake(now);
        self.drain_client(client);
        self.clients[client].send(now, packet);
        self.drain_client(client);
    }

    pub fn request_keyframe(&mut self, client: usize, ssrc: u32) {
        self.clients[client].request_keyframe(ssrc);
        let now = self.now;
        self.clients[client].wake(now);
        self.drain_client(client);
    }

    /// Puts a datagram on the wire to the server as if `from` had sent it.
    pub fn inject(&mut self, from: SocketAddr, data: Vec<u8>) {
        self.post(self.now, Mail::ToServer(from, data));
    }

    pub fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(next) = self.next().filter(|at| *at <= end) {
            self.now = self.now.max(next);
            self.step();
        }
        self.now = end;
    }

    /// Runs until every client is connected.
    pub fn connect(&mut self) {
        let deadline = self.now + Duration::from_secs(20);
        while !self.clients.iter().all(|c| c.connected) {
            assert!(self.now < deadline, "not connected: {:?}", self.events);
            self.run(Duration::from_millis(10));
        }
        self.run(Duration::from_millis(100));
    }

    fn next(&mut self) -> Option<Instant> {
        let mail = self.mail.peek().map(|Reverse((at, ..))| *at);
        let clients = self.clients.iter().map(|c| c.timeout).min();
        [mail, clients, self.engine.poll_timeout()]
            .into_iter()
            .flatten()
            .min()
    }

    fn step(&mut self) {
        while self
            .mail
            .peek()
            .is_some_and(|Reverse((at, ..))| *at <= self.now)
        {
            let Some(Reverse((_, _, mail))) = self.mail.pop() else {
                break;
            };
            self.deliver(mail);
        }
        for client in 0..self.clients.len() {
            if self.clients[client].timeout <= self.now {
                self.clients[client].wake(self.now);
                self.drain_client(client);
            }
        }
        if self.engine.poll_timeout().is_some_and(|at| at <= self.now) {
            self.engine.handle_timeout(self.now);
        }
        self.collect();
    }

    fn deliver(&mut self, mail: Mail) {
        match mail {
            Mail::ToServer(from, mut data) => {
                let path = Path {
                    proto: Proto::Udp,
                    local: Lab::server_addr(),
                    remote: from,
                };
                self.engine.handle_datagram(self.now, path, &mut data);
                self.collect();
            }
            Mail::ToClient(client, data) => {
                self.clients[client].receive(self.now, Lab::server_addr(), &data);
                self.drain_client(client);
            }
        }
    }

    /// Sends what the engine has to send and keeps its events.
    pub fn collect(&mut self) {
        loop {
            let flush = self.engine.flush(self.now);
            let runs: Vec<_> = self
                .engine
                .arena()
                .runs()
                .map(|r| {
                    (
                        r.path.remote,
                        r.datagrams().map(<[u8]>::to_vec).collect::<Vec<_>>(),
                    )
                })
                .collect();
            self.engine.arena().clear();
            for (to, datagrams) in runs {
                let Some(client) = self.clients.iter().position(|c| c.addr == to) else {
                    continue;
                };
                for data in datagrams {
                    self.wraps.note(Direction::Down, client, &data);
                    for at in self.down[client].arrivals(self.now, data.len()) {
                        self.post(at, Mail::ToClient(client, data.clone()));
                    }
                }
            }
            if flush == Flush::Done {
                break;
            }
        }
        while let Some(event) = self.engine.poll_event() {
            self.events.push(event);
        }
    }

    fn drain_client(&mut self, client: usize) {
        let from = self.clients[client].addr;
        for transmit in self.clients[client].drain(self.now) {
            self.wraps.note(Direction::Up, client, &transmit.contents);
            for at in self.up[client].arrivals(self.now, transmit.contents.len()) {
                self.post(at, Mail::ToServer(from, transmit.contents.to_vec()));
            }
        }
    }

    fn post(&mut self, at: Instant, mail: Mail) {
        self.posted += 1;
        self.mail.push(Reverse((at, self.posted, mail)));
    }
}

#[derive(Default)]
struct Parts {
    receive: Vec<(TrackId, ReceiveSpec)>,
    slots: Vec<gst_rtc_core::media::SlotSpec>,
    data: Option<DataSpec>,
}
