// SPDX-License-Identifier: MIT OR Apache-2.0
//! Threads that keep CPUs from halting.
//!
//! A virtual CPU that halts is given away by the hypervisor, and comes back late: without these threads delays of tens of milliseconds are
//! the hypervisor's. They run only where nobody else wants to.

use super::sys;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// One for each CPU; they end when this is dropped.
pub(super) struct Spinners {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Spinners {
    pub(super) fn start(cpus: usize) -> Spinners {
        let stop = Arc::new(AtomicBool::new(false));
        let spinner = |cpu| {
            let stop = stop.clone();
            std::thread::Builder::new()
                .name("load-spinner".to_owned())
                .spawn(move || spin(cpu, &stop))
                .ok()
        };
        let threads = (0..cpus).filter_map(spinner).collect();
        Spinners { stop, threads }
    }
}

impl Drop for Spinners {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn spin(cpu: usize, stop: &AtomicBool) {
    // In a container with fewer CPUs, or where it is not allowed, there is no spinner.
    if sys::pin(0, &[cpu]).is_err() || sys::run_when_idle().is_err() {
        return;
    }
    while !stop.load(Ordering::Relaxed) {
        for _ in 0..1000 {
            std::hint::spin_loop();
        }
    }
}
