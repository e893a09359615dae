// SPDX-License-Identifier: MIT OR Apache-2.0
//! Users whose credentials are good no more, though their time has not come.

use super::server::Server;
use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

/// Most users remembered. Beyond, those are forgotten who would be soonest.
const MOST: usize = 100_000;

/// The revoked users, until their credentials expire by themselves.
#[derive(Default)]
pub(super) struct Revoked {
    until: HashMap<Box<str>, Instant>,
    order: BTreeSet<(Instant, Box<str>)>,
}

impl Revoked {
    pub(super) fn contains(&self, now: Instant, user: &str) -> bool {
        self.until.get(user).is_some_and(|until| now < *until)
    }

    fn add(&mut self, now: Instant, user: &str, until: Instant) {
        while self
            .order
            .first()
            .is_some_and(|(at, _)| *at <= now || self.order.len() >= MOST)
        {
            if let Some((_, gone)) = self.order.pop_first() {
                self.until.remove(&gone);
            }
        }
        if let Some(before) = self.until.insert(user.into(), until) {
            self.order.remove(&(before, user.into()));
        }
        self.order.insert((until, user.into()));
    }
}

impl Server {
    /// Ends a user's relays, and refuses the user's credentials for so long: as long as they might still be good. For the user
    /// of a time-limited name, see [`super::user_of`].
    pub fn revoke(&mut self, now: Instant, user: &str, duration: Duration) {
        self.revoked.add(now, user, now + duration);
        let Some(user) = self.capacity.find(user) else {
            return;
        };
        let theirs = self.allocations.iter().filter(|(_, a)| a.user == user);
        let theirs: Vec<_> = theirs.map(|(id, _)| id).collect();
        for id in theirs {
            self.remove(id);
        }
    }
}
