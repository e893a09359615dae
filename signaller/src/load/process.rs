// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a process and its children use, from `/proc`.

use std::fs;
use std::io;
use std::time::Duration;

/// Bytes of a page where `/proc` counts in pages.
const PAGE: u64 = 4096;

/// Resources at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Usage {
    /// Time on a CPU since the threads that live now began.
    pub(super) cpu: Duration,
    /// Ticks in user and in kernel mode; only their ratio is of use.
    pub(super) user: u64,
    pub(super) system: u64,
    /// Resident bytes.
    pub(super) resident: u64,
    pub(super) threads: usize,
}

impl Usage {
    /// Of a process and those it started.
    pub(super) fn of_tree(pid: u32) -> io::Result<Usage> {
        let mut usage = Usage::of_process(pid)?;
        for child in children(pid) {
            // It may just have ended.
            if let Ok(child) = Usage::of_tree(child) {
                usage.cpu += child.cpu;
                usage.user += child.user;
                usage.system += child.system;
                usage.resident += child.resident;
                usage.threads += child.threads;
            }
        }
        Ok(usage)
    }

    fn of_process(pid: u32) -> io::Result<Usage> {
        let mut usage = Usage::default();
        for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
            usage.threads += 1;
            if let Ok(text) = fs::read_to_string(thread?.path().join("schedstat")) {
                usage.cpu += cpu_time(&text);
            }
        }
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        (usage.user, usage.system) = ticks(&stat);
        let statm = fs::read_to_string(format!("/proc/{pid}/statm"))?;
        usage.resident = PAGE * number(statm.split_ascii_whitespace().nth(1));
        Ok(usage)
    }

    /// Of the calling thread.
    pub(super) fn of_this_thread() -> io::Result<Usage> {
        let cpu = cpu_time(&fs::read_to_string("/proc/thread-self/schedstat")?);
        let (user, system) = ticks(&fs::read_to_string("/proc/thread-self/stat")?);
        Ok(Usage {
            cpu,
            user,
            system,
            resident: 0,
            threads: 1,
        })
    }

    /// What was used since `before`; of the sizes, what there is now.
    pub(super) fn since(self, before: Usage) -> Usage {
        Usage {
            cpu: self.cpu.saturating_sub(before.cpu),
            user: self.user.saturating_sub(before.user),
            system: self.system.saturating_sub(before.system),
            ..self
        }
    }

    /// The part of `cpu` in user mode.
    pub(super) fn user_time(&self) -> Duration {
        let ticks = self.user + self.system;
        if ticks == 0 {
            Duration::ZERO
        } else {
            self.cpu.mul_f64(self.user as f64 / ticks as f64)
        }
    }
}

fn children(pid: u32) -> Vec<u32> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task"))
        .into_iter()
        .flatten()
        .flatten();
    let lists = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    lists
        .flat_map(|list| {
            list.split_ascii_whitespace()
                .filter_map(|pid| pid.parse().ok())
                .collect::<Vec<_>>()
        })
        .collect()
}

/// The first number of `schedstat`: nanoseconds on a CPU.
fn cpu_time(schedstat: &str) -> Duration {
    Duration::from_nanos(number(schedstat.split_ascii_whitespace().next()))
}

/// Fields 14 and 15 of `stat` (proc(5)). The name in field 2 may contain anything, so count from its closing bracket.
fn ticks(stat: &str) -> (u64, u64) {
    let mut fields = stat
        .rsplit_once(')')
        .map_or("", |(_, rest)| rest)
        .split_ascii_whitespace()
        .skip(11);
    (number(fields.next()), number(fields.next()))
}

fn number(word: Option<&str>) -> u64 {
    word.and_then(|word| word.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_found_whatever_the_name_of_the_program() {
        let stat = "1 (a) b) (c) S 2 3 4 5 6 7 8 9 10 11 120 34 0 0 20";
        assert_eq!(ticks(stat), (120, 34));
    }

    #[test]
    fn this_process_uses_memory_and_time() {
        let usage = Usage::of_tree(std::process::id()).expect("/proc is there");
        assert!(
            usage.cpu > Duration::ZERO && usage.resident > 0 && usage.threads > 0,
            "{usage:?}"
        );
        assert!(Usage::of_tree(0).is_err());
    }
}
