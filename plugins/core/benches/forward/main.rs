// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the core costs per packet and subscriber, without any system call.
//!
//! `forward` is the whole path of one published packet: opened, parsed, and for every subscriber rewritten and sealed into the arena. Its
//! time per element is that per packet and subscriber. The benchmarks after it are parts of it. At the end a call of minutes with three
//! encodings, estimation and allocation is compared with one that only forwards. All is CPU time.

mod call;
mod cpu_time;
mod media;
mod room;

use cpu_time::CpuTime;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group};
use gst_rtc_core::codec::{self, Codec};
use gst_rtc_core::rtp::Header;
use gst_rtc_core::srtp::{MasterKey, SRTP_OVERHEAD, Sealer, SrtpProfile};
use media::{Kind, Part};
use room::Room;
use std::hint::black_box;
use std::time::Duration;

/// Subscribers of the one publisher.
const SUBSCRIBERS: usize = 100;
/// Packets that arrive together: one alone, and a frame of 1.5 Mbit/s at 30 frames per second.
const BURSTS: [usize; 2] = [1, 5];

fn forward(c: &mut Criterion<CpuTime>) {
    let mut group = c.benchmark_group("forward");
    let mut room = Room::new(Kind::Plain, SUBSCRIBERS);
    room.round(1); // the keyframe
    for burst in BURSTS {
        group.throughput(Throughput::Elements((burst * SUBSCRIBERS) as u64));
        group.bench_function(BenchmarkId::new("packets_per_flush", burst), |b| {
            b.iter_custom(|rounds| (0..rounds).map(|_| room.round(burst)).sum::<Duration>());
        });
    }
    group.finish();
}

fn seal(c: &mut Criterion<CpuTime>) {
    let mut group = c.benchmark_group("seal");
    group.throughput(Throughput::Elements(1));
    let (mut packet, header) = first_packet();
    let len = packet.len();
    packet.resize(len + SRTP_OVERHEAD, 0);
    for profile in SrtpProfile::PREFERRED {
        let (key, salt) = (vec![1; profile.key_len()], vec![2; profile.salt_len()]);
        let master = MasterKey {
            key: &key,
            salt: &salt,
        };
        let sealer = Sealer::new(profile, master).expect("key and salt of the profile's lengths");
        let mut index = 0;
        group.bench_function(format!("{profile:?}"), |b| {
            b.iter(|| {
                index += 1;
                sealer.seal_rtp(black_box(&mut packet), header, len, index)
            });
        });
    }
    group.finish();
}

fn parse(c: &mut Criterion<CpuTime>) {
    let mut group = c.benchmark_group("parse");
    group.throughput(Throughput::Elements(1));
    let (packet, _) = first_packet();
    group.bench_function("header_and_vp8_description", |b| {
        b.iter(|| {
            let header = Header::parse(black_box(&packet)).expect("an RTP packet");
            codec::describe(Codec::Vp8, &packet[header.payload.clone()])
        });
    });
    group.finish();
}

/// The plain first packet of a keyframe, and the length of its header.
fn first_packet() -> (Vec<u8>, usize) {
    let part = Part {
        first: true,
        last: false,
        keyframe: true,
    };
    Kind::Plain.encodings()[0].packet(1, part)
}

criterion_group!(name = benches; config = Criterion::default().with_measurement(CpuTime); targets = forward, seal, parse);

fn main() {
    benches();
    call::compare(SUBSCRIBERS);
    Criterion::default().configure_from_args().final_summary();
}
