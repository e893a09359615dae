// SPDX-License-Identifier: MIT OR Apache-2.0
//! A mix of their own for each of N participants: the work for each must not grow with N.

use super::median;
use gst_rtc_core::mcu::aligner::{CHANNELS, RATE};
use gst_rtc_core::mcu::mixer::{Listener, Mixer};
use std::time::Instant;

/// 10 ms.
const FRAMES: usize = RATE as usize / 100;
const BLOCKS: usize = 200;

pub(super) fn report() {
    println!("mix-minus, time for each participant and 10 ms of sound:");
    let few = cost(10);
    for participants in [10, 30, 100, 300] {
        let (each, many) = (cost(participants), participants as f64);
        println!(
            "  {participants:>3} participants    {each:7.2} µs, {:.2} of that with 10; a core has time for {:.0} such rooms",
            each / few,
            10_000.0 / (each * many)
        );
    }
}

/// Microseconds.
fn cost(participants: u32) -> f64 {
    let name = |id: u32| format!("participant {id}");
    let mut mixer = Mixer::default();
    let mut listeners = Vec::new();
    for id in 0..participants {
        mixer.add(id, &name(id));
        listeners.push((name(id), Listener::default()));
    }
    let voice: Vec<f32> = (0..FRAMES * CHANNELS)
        .map(|n| (n as f32 / 20.0).sin() / participants as f32)
        .collect();
    let mut heard = vec![0.0; FRAMES * CHANNELS];
    let mut block = |at: i64| {
        let start = Instant::now();
        for id in 0..participants {
            mixer.push(id, at, &voice);
        }
        mixer.mix(FRAMES);
        for (name, listener) in &mut listeners {
            mixer.write_without(name, listener, &mut heard);
            std::hint::black_box(&heard);
        }
        start.elapsed().as_secs_f64() * 1e6 / f64::from(participants)
    };
    median((0..BLOCKS).map(|n| block((n * FRAMES) as i64)).collect())
}
