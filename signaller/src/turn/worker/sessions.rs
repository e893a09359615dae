// SPDX-License-Identifier: MIT OR Apache-2.0
//! What comes by DTLS, and what goes by it.

use super::super::hello::Greeting;
use super::super::session::Session;
use super::Worker;
use super::clients::IDLE;
use gst_rtc_core::turn::FiveTuple;

/// Most sessions, each of some 40 KiB.
const SESSIONS: usize = 5_000;
/// Most sessions with one address.
const SESSIONS_OF_ONE: usize = 500;

impl Worker {
    /// Takes a datagram that came to a socket for DTLS.
    pub(super) fn record(&mut self, path: &FiveTuple, data: &[u8]) {
        match self.sessions.by_path.get(path).copied() {
            Some(at) if !self.sessions.all[at].is_another_hello(data) => {
                let taken = self.sessions.all[at].handle_datagram(data);
                match taken {
                    Ok(()) => self.session_messages(at),
                    Err(_) => self.end_session(at),
                }
            }
            _ => self.knock(path, data),
        }
    }

    fn knock(&mut self, path: &FiveTuple, data: &[u8]) {
        let theirs = self.sessions.by_ip.get(&path.client.ip());
        let full = self.sessions.all.len() >= SESSIONS
            || theirs.is_some_and(|count| *count >= SESSIONS_OF_ONE);
        let Some(door) = self.sessions.door.as_mut().filter(|_| !full) else {
            return;
        };
        match door.knock(self.now, path, data) {
            Greeting::Ignored => {}
            Greeting::Answer(answer) => {
                if let Some(way) = self.way_to(path) {
                    self.outbox.push(&answer, way, 1);
                }
            }
            Greeting::Welcome(session) => self.begin_session(*session),
        }
    }

    fn begin_session(&mut self, session: Session) {
        let path = session.path;
        // Who brings a cookie is there, and so the one before it is not (RFC 6347 §4.2.8).
        if let Some(old) = self.sessions.by_path.get(&path) {
            self.end_session(*old);
        }
        let at = self.sessions.all.insert(session);
        self.sessions.by_path.insert(path, at);
        *self.sessions.by_ip.entry(path.client.ip()).or_default() += 1;
        self.transmit(at);
    }

    fn session_messages(&mut self, at: usize) {
        let mut message = std::mem::take(&mut self.sessions.message);
        // A message may have been the end of its session.
        while let Some(session) = self.sessions.all.get_mut(at) {
            match session.next_message(&mut message) {
                Ok(true) => {
                    session.heard = self.now;
                    let path = session.path;
                    self.client_message(&path, &message);
                }
                Ok(false) => {
                    self.transmit(at);
                    break;
                }
                Err(_) => {
                    self.end_session(at);
                    break;
                }
            }
        }
        self.sessions.message = message;
    }

    pub(super) fn send_encrypted(&mut self, to: &FiveTuple, data: &[u8]) {
        if let Some(at) = self.sessions.by_path.get(to).copied() {
            self.sessions.all[at].send(data);
            self.transmit(at);
        }
    }

    /// Sends what the outbox holds since `start` as a record instead.
    pub(super) fn deliver_encrypted(&mut self, start: usize, client: &FiveTuple) {
        let (sessions, outbox) = (&mut self.sessions, &mut self.outbox);
        let at = sessions.by_path.get(client).copied();
        outbox.take_back(start, |message| {
            if let Some(at) = at {
                sessions.all[at].send(message);
            }
        });
        if let Some(at) = at {
            self.transmit(at);
        }
    }

    fn transmit(&mut self, at: usize) {
        let path = self.sessions.all[at].path;
        let way = self.way_to(&path);
        while let Some(data) = self.sessions.all[at].poll_transmit() {
            if let Some(way) = way {
                let segments = self.segments(&way);
                self.outbox.push(&data, way, segments);
            }
        }
    }

    /// Says goodbye; what belongs to the session goes with it.
    pub(super) fn end_session(&mut self, at: usize) {
        let Some(session) = self.sessions.all.get_mut(at) else {
            return;
        };
        session.close();
        let path = session.path;
        self.transmit(at);
        self.sessions.all.remove(at);
        self.sessions.by_path.remove(&path);
        let ip = path.client.ip();
        if let Some(theirs) = self.sessions.by_ip.get_mut(&ip) {
            *theirs -= 1;
            if *theirs == 0 {
                self.sessions.by_ip.remove(&ip);
            }
        }
        self.server.client_gone(&path);
        self.carry_out();
    }

    /// Repeats lost parts of handshakes, and ends what nobody uses.
    pub(super) fn look_after_sessions(&mut self) {
        let all: Vec<usize> = self.sessions.all.iter().map(|(at, _)| at).collect();
        for at in all {
            let Some(session) = self.sessions.all.get_mut(at) else {
                continue;
            };
            let idle = session.is_open()
                && self.now.saturating_duration_since(session.heard) > IDLE
                && !self.server.is_client(&session.path);
            if idle || session.handle_timeout(self.now).is_err() {
                self.end_session(at);
            } else {
                self.transmit(at);
            }
        }
    }
}
