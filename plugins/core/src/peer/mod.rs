// SPDX-License-Identifier: MIT OR Apache-2.0
//! One peer: its transport, the streams it sends us and the slots through which we send to it.

mod backlog;
mod receiver;
mod reports;
mod stream;

pub(crate) use backlog::{Backlog, Waiting};
pub(crate) use receiver::Receiver;
pub(crate) use reports::round_trip;
pub(crate) use stream::RESTART;

use crate::arena::SendArena;
use crate::bwe::{Estimator, Pacer};
use crate::engine::{Assign, Assignment, Division, SlotState};
use crate::id::{ParticipantId, SessionId};
use crate::media::{Path, SlotSpec};
use crate::router::{Outlet, Slot, View};
use crate::session::Session;
use rand::RngExt;
use rand::rngs::StdRng;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Reports go out about once in this time (RFC 3550 §6.2 allows a second and less above 360 kbit/s; §6.2.1 asks for jitter).
const REPORT_INTERVAL: Duration = Duration::from_millis(1_000);

/// A peer.
pub(crate) struct Peer {
    pub(crate) id: SessionId,
    pub(crate) participant: ParticipantId,
    /// By what name others know it.
    pub(crate) sender: Arc<str>,
    pub(crate) session: Session,
    pub(crate) receiver: Receiver,
    pub(crate) slots: Vec<Slot>,
    pub(crate) assign: Assign,
    /// Addresses from which it was heard.
    pub(crate) paths: Vec<Path>,
    pub(crate) connected: bool,
    /// The time for which it stands in the timer queue.
    pub(crate) scheduled: Option<Instant>,
    /// What the last `Slots` event said.
    pub(crate) announced: (Vec<SlotState>, u16, u16),
    /// Round trip by receiver reports (RFC 3550 §6.4.1).
    pub(crate) round_trip: Option<Duration>,
    /// Newest REMB, bit/s.
    pub(crate) remb: Option<u64>,
    /// Measures the path, where the peer reports what arrives.
    pub(crate) estimator: Option<Box<Estimator>>,
    pub(crate) division: Division,
    /// Says what has to wait, and what does.
    pub(crate) pacer: Pacer,
    pub(crate) backlog: Backlog,
    next_report: Option<Instant>,
    session_timeout: Option<Instant>,
}

impl Peer {
    /// A peer that is not connected yet.
    pub(crate) fn new(
        id: SessionId,
        participant: ParticipantId,
        session: Session,
        receiver: Receiver,
        slots: Vec<SlotSpec>,
        assign: Assign,
        random: &mut StdRng,
    ) -> Peer {
        let session_timeout = session.poll_timeout();
        Peer {
            id,
            participant,
            sender: Arc::default(),
            session,
            receiver,
            slots: slots
                .into_iter()
                .map(|spec| Slot::new(spec, random.random()))
                .collect(),
            assign,
            paths: Vec::new(),
            connected: false,
            scheduled: None,
            announced: Default::default(),
            round_trip: None,
            remb: None,
            estimator: None,
            division: Division::default(),
            pacer: Pacer::default(),
            backlog: Backlog::default(),
            next_report: None,
            session_timeout,
        }
    }

    /// Takes new m-lines after a renegotiation. Slots of a known mid and SSRC go on as they are.
    pub(crate) fn update_slots(&mut self, slots: Vec<SlotSpec>, random: &mut StdRng) {
        let mut old = std::mem::take(&mut self.slots);
        for spec in slots {
            let is_same = |slot: &Slot| {
                let (was, is) = (&slot.spec, &spec);
                (&was.mid, was.kind, was.ssrc.ssrc) == (&is.mid, is.kind, is.ssrc.ssrc)
            };
            let known = old.iter().position(is_same);
            self.slots.push(match known {
                Some(index) => {
                    let mut slot = old.swap_remove(index);
                    slot.spec = spec;
                    slot
                }
                None => Slot::new(spec, random.random()),
            });
        }
    }

    /// The session has been touched: its timer may have moved.
    pub(crate) fn refresh(&mut self) {
        self.session_timeout = self.session.poll_timeout();
    }

    /// DTLS is done: reports begin.
    pub(crate) fn connect(&mut self, now: Instant) {
        self.connected = true;
        self.next_report = Some(now + REPORT_INTERVAL / 4);
    }

    /// When it needs to be woken.
    pub(crate) fn timeout(&self) -> Option<Instant> {
        let media = if self.connected {
            self.receiver.timeout()
        } else {
            None
        };
        let probe = self.estimator.as_ref().and_then(|e| e.next_timeout());
        let division = self.division.timeout().filter(|_| self.connected);
        let backlog = self.backlog.timeout().filter(|_| self.connected);
        [
            self.session_timeout,
            self.next_report,
            media,
            probe,
            division,
            backlog,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// True when a slot shows whoever speaks.
    pub(crate) fn follows_speaker(&self) -> bool {
        let follows = |slot: &Slot| slot.assignment == Assignment::Speaker;
        self.slots.iter().any(follows)
    }

    /// A slot wants a report at once, because its source has changed.
    pub(crate) fn report_soon(&mut self, now: Instant) {
        if let Some(at) = &mut self.next_report {
            *at = (*at).min(now + Duration::from_millis(20));
        }
    }

    /// True when reports are due; sets the next time.
    pub(crate) fn report_due(&mut self, now: Instant, random: &mut StdRng) -> bool {
        let due = self.next_report.is_some_and(|at| at <= now);
        if due {
            let jitter = random.random_range(0.5..1.5);
            self.next_report = Some(now + REPORT_INTERVAL.mul_f64(jitter));
        }
        due
    }

    /// Where its media goes, once it may.
    pub(crate) fn outlet<'a>(
        &'a mut self,
        arena: &'a mut SendArena,
    ) -> Option<(&'a mut [Slot], Outlet<'a>)> {
        if !self.connected {
            return None;
        }
        let path = self.session.path()?;
        Some((
            &mut self.slots,
            Outlet {
                session: &mut self.session,
                path,
                arena,
                estimator: self.estimator.as_deref_mut(),
                pacer: &mut self.pacer,
            },
        ))
    }

    /// The slots of an m-line: one, or one for each encoding.
    pub(crate) fn slots_of(&mut self, mid: &str) -> impl Iterator<Item = &mut Slot> {
        self.slots
            .iter_mut()
            .filter(move |slot| slot.spec.mid == mid)
    }

    /// The slot of that SSRC.
    pub(crate) fn slot_of(&mut self, ssrc: u32) -> Option<&mut Slot> {
        self.slots.iter_mut().find(|s| s.spec.ssrc.ssrc == ssrc)
    }

    /// True when a slot has nothing to show and should.
    pub(crate) fn lacks(&self, slot: usize, view: &View) -> bool {
        let slot = self.slots.get(slot);
        slot.is_some_and(|slot| slot.lacks(view).is_some())
    }

    /// Seals an RTCP compound packet and puts it out.
    pub(crate) fn send_rtcp(&mut self, mut packet: Vec<u8>, arena: &mut SendArena) {
        if let Some(path) = self.session.path()
            && !packet.is_empty()
            && self.session.seal_rtcp(&mut packet)
        {
            arena.push(&path, &packet);
        }
    }

    /// What its slots show.
    pub(crate) fn slot_states(&self) -> Vec<SlotState> {
        let state = |slot: &Slot| SlotState {
            mid: slot.spec.mid.clone(),
            kind: slot.spec.kind,
            track: slot.track(),
        };
        self.slots.iter().map(state).collect()
    }
}
