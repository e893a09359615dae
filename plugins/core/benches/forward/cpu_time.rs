// SPDX-License-Identifier: MIT OR Apache-2.0
//! Time of this thread on a CPU, in place of the time on the wall: what else the machine does is not in it.

use criterion::Throughput;
use criterion::measurement::{Measurement, ValueFormatter, WallTime};
use std::time::Duration;

/// The measurement.
pub(crate) struct CpuTime;

impl CpuTime {
    /// The time this thread has been on a CPU.
    pub(crate) fn now() -> Duration {
        let mut time = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // SAFETY: the kernel writes one timespec to where one is.
        let result = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
        assert_eq!(result, 0, "every thread has this clock");
        Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
    }
}

/// Adds up stretches of CPU time, without what it takes to look at the clock: that is a system call, and some stretches are short.
#[derive(Debug)]
pub(crate) struct Stopwatch {
    total: Duration,
    /// What an empty stretch shows.
    empty: Duration,
}

impl Stopwatch {
    pub(crate) fn new() -> Stopwatch {
        const LOOKS: u32 = 10_000;
        let mut watch = Stopwatch {
            total: Duration::ZERO,
            empty: Duration::ZERO,
        };
        (0..LOOKS).for_each(|_| watch.measure(|| ()));
        Stopwatch {
            total: Duration::ZERO,
            empty: watch.total / LOOKS,
        }
    }

    pub(crate) fn measure<T>(&mut self, run: impl FnOnce() -> T) -> T {
        let began = CpuTime::now();
        let result = run();
        let took = CpuTime::now() - began;
        self.total += took.saturating_sub(self.empty);
        result
    }

    pub(crate) fn reset(&mut self) {
        self.total = Duration::ZERO;
    }

    pub(crate) fn total(&self) -> Duration {
        self.total
    }
}

impl Measurement for CpuTime {
    type Intermediate = Duration;
    type Value = Duration;

    fn start(&self) -> Duration {
        CpuTime::now()
    }

    fn end(&self, began: Duration) -> Duration {
        CpuTime::now() - began
    }

    fn add(&self, a: &Duration, b: &Duration) -> Duration {
        *a + *b
    }

    fn zero(&self) -> Duration {
        Duration::ZERO
    }

    fn to_f64(&self, value: &Duration) -> f64 {
        value.as_nanos() as f64
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        &Nanoseconds
    }
}

/// Shows time, and for throughput the time of one element.
struct Nanoseconds;

impl ValueFormatter for Nanoseconds {
    fn scale_values(&self, typical: f64, values: &mut [f64]) -> &'static str {
        WallTime.formatter().scale_values(typical, values)
    }

    fn scale_throughputs(
        &self,
        _typical: f64,
        throughput: &Throughput,
        values: &mut [f64],
    ) -> &'static str {
        let elements = match throughput {
            Throughput::Elements(elements) => *elements as f64,
            _ => 1.0,
        };
        values.iter_mut().for_each(|value| *value /= elements);
        "ns/element"
    }

    fn scale_for_machines(&self, values: &mut [f64]) -> &'static str {
        WallTime.formatter().scale_for_machines(values)
    }
}
