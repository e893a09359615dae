// SPDX-License-Identifier: MIT OR Apache-2.0
//! A call in virtual time, with all its timers and reports: what it costs to choose, over what it costs to forward.
//!
//! Both calls deliver the same pictures. In the one there is nothing to choose; in the other three encodings come in, every subscriber
//! reports when packets arrived, the bandwidth towards it is estimated, divided, and its encoding chosen. The past is kept in both.

use super::cpu_time::Stopwatch;
use super::media::{Kind, Part, WIDE};
use super::room::{Room, SSRC};
use gst_rtc_core::engine::Flush;
use gst_rtc_core::media::Path;
use gst_rtc_core::rtcp::Builder;
use gst_rtc_core::rtp::Header;
use gst_rtc_core::session::{PacketKind, demux};
use gst_rtc_core::twcc::Recorder;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Time of a packet from the server to a subscriber, and of its report back.
const ONE_WAY: Duration = Duration::from_millis(10);
/// Between pictures.
const INTERVAL: Duration = Duration::from_micros(33_333);
/// Pictures before the comparison: every subscriber gets the best encoding by then.
const BEFORE: usize = 30 * 15;
/// Pictures of one of the pairs.
const PICTURES: usize = 30 * 5;
/// Pairs that are compared.
const PAIRS: usize = 15;
/// The bit of the first byte that says that there is padding (RFC 3550 §5.1).
const PADDED: u8 = 0x20;

/// Prints what choosing costs.
pub(crate) fn compare(subscribers: usize) {
    let mut calls = [Kind::Plain, Kind::Choosing].map(|kind| Call::new(kind, subscribers));
    let mut pairs: Vec<[f64; 2]> = (0..PAIRS)
        .map(|_| calls.each_mut().map(|call| call.cost(PICTURES)))
        .collect();
    pairs.sort_by(|a, b| (a[1] / a[0]).total_cmp(&(b[1] / b[0])));
    let [plain, choosing] = pairs[PAIRS / 2];
    let more = |[plain, choosing]: [f64; 2]| (choosing / plain - 1.0) * 100.0;
    println!(
        "choosing: {choosing:.0} ns per packet and subscriber, forwarding alone {plain:.0} ns: {:+.1} % ({:+.1} to {:+.1} in {PAIRS} pairs)",
        more([plain, choosing]),
        more(pairs[0]),
        more(pairs[PAIRS - 1]),
    );
}

struct Call {
    room: Room,
    picture: u16,
    ears: HashMap<SocketAddr, Ear>,
    /// CPU time of the engine.
    watch: Stopwatch,
    /// Packets with a picture that were sent to subscribers.
    delivered: usize,
}

/// What a subscriber notes of what it gets.
struct Ear {
    client: usize,
    recorder: Recorder,
}

impl Call {
    fn new(kind: Kind, subscribers: usize) -> Call {
        let room = Room::new(kind, subscribers);
        let ears = room.clients.iter().enumerate().skip(1);
        let ears = ears.map(|(client, c)| {
            let recorder = Recorder::new();
            (c.addr, Ear { client, recorder })
        });
        let mut call = Call {
            ears: ears.collect(),
            room,
            picture: 0,
            watch: Stopwatch::new(),
            delivered: 0,
        };
        call.run(BEFORE);
        call
    }

    /// Nanoseconds per packet and subscriber of the next pictures.
    fn cost(&mut self, pictures: usize) -> f64 {
        self.watch.reset();
        self.delivered = 0;
        self.run(pictures);
        let best = self.room.encodings.last().expect("an encoding").parts;
        let expected = pictures * best * self.ears.len();
        let share = self.delivered as f64 / expected as f64;
        assert!(
            (0.99..1.01).contains(&share),
            "{share} of the best encoding was delivered"
        );
        self.watch.total().as_nanos() as f64 / self.delivered as f64
    }

    fn run(&mut self, pictures: usize) {
        for _ in 0..pictures {
            self.publish();
            let next = self.room.now + INTERVAL;
            while let Some(due) = self.due().filter(|due| *due < next) {
                self.room.now = self.room.now.max(due);
                self.wake();
            }
            self.room.now = next;
            self.converse();
        }
    }

    fn publish(&mut self) {
        let path = self.room.clients[0].path();
        let keyframe = self.picture.is_multiple_of(300);
        let mut packets = Vec::new();
        for encoding in 0..self.room.encodings.len() {
            let parts = self.room.encodings[encoding].parts;
            packets.extend((0..parts).map(|n| {
                let part = Part {
                    first: n == 0,
                    last: n + 1 == parts,
                    keyframe,
                };
                (path, self.room.packet(encoding, self.picture, part))
            }));
        }
        self.picture = self.picture.wrapping_add(1);
        self.hand_in(packets);
    }

    /// When something is to be done before the next picture.
    fn due(&mut self) -> Option<Instant> {
        let reports = self
            .ears
            .values()
            .filter_map(|ear| ear.recorder.next_timeout());
        let reports = reports.map(|at| at + ONE_WAY).min();
        [self.room.engine.poll_timeout(), reports]
            .into_iter()
            .flatten()
            .min()
    }

    fn wake(&mut self) {
        let now = self.room.now;
        self.watch.measure(|| self.room.engine.handle_timeout(now));
        self.flush();
        let reports: Vec<_> = self
            .ears
            .values_mut()
            .filter_map(|ear| Some((ear.client, ear.recorder.poll(now - ONE_WAY)?)))
            .collect();
        let mut packets = Vec::new();
        for (client, mut feedback) in reports {
            (feedback.sender, feedback.media) = (1, SSRC);
            let mut packet = Builder::new()
                .receiver_report(1, &[])
                .transport_cc(&feedback)
                .finish();
            let client = &mut self.room.clients[client];
            assert!(client.session.seal_rtcp(&mut packet), "connected");
            packets.push((client.path(), packet));
        }
        self.hand_in(packets);
    }

    /// The clients' own timers, as those of ICE, and what they send for them.
    fn converse(&mut self) {
        let mut packets = Vec::new();
        for client in &mut self.room.clients {
            client.session.handle_timeout(self.room.now);
            while let Some(transmit) = client.session.poll_transmit() {
                packets.push((client.path(), transmit.data));
            }
            while client.session.poll_event().is_some() {}
        }
        self.hand_in(packets);
    }

    /// Lets the engine have datagrams, and takes what it sends.
    fn hand_in(&mut self, packets: Vec<(Path, Vec<u8>)>) {
        let now = self.room.now;
        self.watch.measure(|| {
            for (path, mut packet) in packets {
                self.room.engine.handle_datagram(now, path, &mut packet);
            }
        });
        self.flush();
    }

    fn flush(&mut self) {
        loop {
            let now = self.room.now;
            let flush = self.watch.measure(|| self.room.engine.flush(now));
            self.deliver();
            if flush == Flush::Done {
                break;
            }
        }
        while self.room.engine.poll_event().is_some() {}
    }

    fn deliver(&mut self) {
        let arrival = self.room.now + ONE_WAY;
        let mut others = Vec::new();
        for run in self.room.engine.arena().runs() {
            let remote = run.path.remote;
            for datagram in run.datagrams() {
                match demux(datagram) {
                    PacketKind::Rtp => {
                        let ear = self.ears.get_mut(&remote).expect("a subscriber");
                        self.delivered += usize::from(ear.hears(arrival, datagram));
                    }
                    PacketKind::Rtcp => {}
                    _ => others.push((remote, datagram.to_vec())),
                }
            }
        }
        self.room.engine.arena().clear();
        for (remote, mut data) in others {
            let client = self.room.clients.iter_mut().find(|c| c.addr == remote);
            let client = client.expect("one of the clients");
            let path = client.own_path();
            client
                .session
                .handle_datagram(self.room.now, path, &mut data);
        }
    }
}

impl Ear {
    /// Notes a packet; true when it is one of a picture. What is sealed of it need not be read for that.
    fn hears(&mut self, arrival: Instant, datagram: &[u8]) -> bool {
        let mut readable = datagram.to_vec();
        readable[0] &= !PADDED; // how long the padding is, is sealed
        let header = Header::parse(&readable).expect("an RTP packet");
        let wide = header.extensions(&readable).find(|(id, _)| *id == WIDE);
        if let Some((_, &[high, low])) = wide {
            let wide = u16::from_be_bytes([high, low]);
            self.recorder.received(arrival, wide);
        }
        header.ssrc == SSRC
    }
}
