// SPDX-License-Identifier: MIT OR Apache-2.0
//! A clock that goes on only when it is told to.

use std::collections::HashSet;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use gst::glib;
use gst::glib::translate::ToGlibPtr;
use gst::subclass::prelude::*;

glib::wrapper! {
    /// See the module.
    pub(crate) struct OwnClock(ObjectSubclass<Imp>) @extends gst::Clock, gst::Object;
}

impl OwnClock {
    pub(crate) fn new() -> OwnClock {
        glib::Object::new()
    }

    /// Sets the time, which never goes back; whoever waited for it goes on.
    pub(crate) fn go_to(&self, time: gst::ClockTime) {
        let imp = self.imp();
        let mut state = imp.lock();
        state.now = state.now.max(time);
        drop(state);
        imp.changed.notify_all();
    }

    /// Waits until it is that time, in a thread that may wait.
    pub(crate) fn wait_for(&self, time: gst::ClockTime) {
        let imp = self.imp();
        let waiting = |state: &mut State| state.now < time;
        drop(imp.changed.wait_while(imp.lock(), waiting));
    }
}

#[derive(Default)]
pub(crate) struct Imp {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    now: gst::ClockTime,
    /// Waits that were called off, maybe before they began; named by their address.
    called_off: HashSet<usize>,
}

impl Imp {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[glib::object_subclass]
impl ObjectSubclass for Imp {
    const NAME: &'static str = "GstRtcTestClock";
    type Type = OwnClock;
    type ParentType = gst::Clock;
}

impl ObjectImpl for Imp {}
impl GstObjectImpl for Imp {}

impl ClockImpl for Imp {
    fn internal_time(&self) -> gst::ClockTime {
        self.lock().now
    }

    fn wait(
        &self,
        id: &gst::ClockId,
    ) -> (
        Result<gst::ClockSuccess, gst::ClockError>,
        gst::ClockTimeDiff,
    ) {
        let address = address(id);
        let mut state = self.lock();
        loop {
            if state.called_off.remove(&address) {
                return (Err(gst::ClockError::Unscheduled), 0);
            }
            if state.now >= id.time() {
                let late = (state.now - id.time()).nseconds() as i64;
                return (Ok(gst::ClockSuccess::Ok), late);
            }
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn unschedule(&self, id: &gst::ClockId) {
        self.lock().called_off.insert(address(id));
        self.changed.notify_all();
    }
}

fn address(id: &gst::ClockId) -> usize {
    let pointer: *mut _ = id.to_glib_none().0;
    pointer as usize
}
