// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who has how much.

use super::config::Limits;
use super::rate::Bucket;
use super::stats::Refusal;
use slab::Slab;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// How long a rate may be exceeded, by what was not used before.
const BURST: Duration = Duration::from_millis(500);

/// Which user.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct UserId(usize);

struct User {
    name: Box<str>,
    allocations: usize,
    bytes: Bucket,
}

/// The users that have allocations. Others are not known.
pub(super) struct Capacity {
    limits: Limits,
    allocations: usize,
    bytes: Bucket,
    users: Slab<User>,
    names: HashMap<Box<str>, usize>,
}

impl Capacity {
    pub(super) fn new(now: Instant, limits: Limits) -> Capacity {
        Capacity {
            limits,
            allocations: 0,
            bytes: Bucket::new(now, BURST),
            users: Slab::new(),
            names: HashMap::new(),
        }
    }

    /// One more allocation of this user.
    pub(super) fn take(&mut self, now: Instant, name: &str) -> Result<UserId, Refusal> {
        let known = self.names.get(name).copied();
        let held = known.map_or(0, |id| self.users[id].allocations);
        if held >= self.limits.allocations_per_user {
            return Err(Refusal::UserQuota);
        }
        if self.allocations >= self.limits.allocations {
            return Err(Refusal::Capacity);
        }
        let id = known.unwrap_or_else(|| self.enter(now, name));
        self.users[id].allocations += 1;
        self.allocations += 1;
        Ok(UserId(id))
    }

    fn enter(&mut self, now: Instant, name: &str) -> usize {
        let id = self.users.insert(User {
            name: name.into(),
            allocations: 0,
            bytes: Bucket::new(now, BURST),
        });
        self.names.insert(name.into(), id);
        id
    }

    /// One less.
    pub(super) fn give_back(&mut self, user: UserId) {
        self.allocations -= 1;
        self.users[user.0].allocations -= 1;
        if self.users[user.0].allocations == 0 {
            let gone = self.users.remove(user.0);
            self.names.remove(&gone.name);
        }
    }

    pub(super) fn find(&self, name: &str) -> Option<UserId> {
        self.names.get(name).copied().map(UserId)
    }

    /// Whether a user may relay so many bytes now.
    pub(super) fn relay(&mut self, now: Instant, user: UserId, bytes: usize) -> bool {
        let bytes = bytes as u64;
        if let Some(rate) = self.limits.user_bytes_per_second {
            let bucket = &mut self.users[user.0].bytes;
            if !bucket.take(now, bytes, rate, BURST) {
                return false;
            }
        }
        self.limits
            .bytes_per_second
            .is_none_or(|rate| self.bytes.take(now, bytes, rate, BURST))
    }
}
