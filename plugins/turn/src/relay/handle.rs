// SPDX-License-Identifier: MIT OR Apache-2.0
//! A relay as one element hands it to another.

use std::net::SocketAddr;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError};

use gst::glib;
use gst::glib::subclass::prelude::*;
use gst::prelude::*;

use super::{Relay, Sent};

glib::wrapper! {
    /// The relay of a `turnsrc` or `turnsink`: property `used-relay` of the one that has it,
    /// `relay` of those that send through it. It is the same object for the life of its element,
    /// and empty while that is in NULL.
    pub struct TurnRelay(ObjectSubclass<imp::TurnRelay>);
}

impl Default for TurnRelay {
    fn default() -> Self {
        glib::Object::new()
    }
}

impl TurnRelay {
    /// Puts a relay in, or takes it out.
    pub(crate) fn set(&self, relay: Option<Arc<Relay>>) {
        let before = std::mem::replace(&mut *self.imp().relay(), relay);
        self.imp().changed.notify_all();
        if let Some(before) = before {
            before.notify();
        }
    }

    /// What is in it.
    pub(crate) fn relay(&self) -> Option<Arc<Relay>> {
        self.imp().relay().clone()
    }

    /// The address that peers send to.
    pub fn address(&self) -> Option<SocketAddr> {
        self.relay()?.address()
    }

    /// Sends a datagram to a peer. Before there is an allocation for the first time, it waits for
    /// it, until `interrupted` is set and [`notify`](Self::notify) called.
    pub(crate) fn send(
        &self,
        to: SocketAddr,
        data: &[u8],
        ready: &mut bool,
        interrupted: &AtomicBool,
    ) -> Sent {
        let Some(relay) = self.wait(interrupted) else {
            return Sent::No;
        };
        if !*ready && relay.wait(interrupted) {
            *ready = true;
        }
        relay.send(to, data)
    }

    fn wait(&self, interrupted: &AtomicBool) -> Option<Arc<Relay>> {
        let mut relay = self.imp().relay();
        while relay.is_none() && !interrupted.load(std::sync::atomic::Ordering::Acquire) {
            relay = self
                .imp()
                .changed
                .wait(relay)
                .unwrap_or_else(PoisonError::into_inner);
        }
        relay.clone()
    }

    /// Lets those who wait in [`send`](Self::send) look at what interrupts them.
    pub(crate) fn notify(&self) {
        let relay = self.relay();
        self.imp().changed.notify_all();
        if let Some(relay) = relay {
            relay.notify();
        }
    }
}

mod imp {
    use super::*;

    #[derive(Default)]
    pub struct TurnRelay {
        relay: Mutex<Option<Arc<Relay>>>,
        pub(super) changed: Condvar,
    }

    impl TurnRelay {
        pub(super) fn relay(&self) -> MutexGuard<'_, Option<Arc<Relay>>> {
            self.relay.lock().unwrap_or_else(PoisonError::into_inner)
        }
    }

    #[glib::object_subclass]
    impl ObjectSubclass for TurnRelay {
        const NAME: &'static str = "GstTurnRelay";
        type Type = super::TurnRelay;
    }

    impl ObjectImpl for TurnRelay {
        fn properties() -> &'static [glib::ParamSpec] {
            static SPECS: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
                vec![
                    glib::ParamSpecString::builder("relayed-address")
                        .nick("Relayed address")
                        .blurb("Address and port that peers send to. None while there is no allocation")
                        .read_only()
                        .build(),
                ]
            });
            &SPECS
        }

        fn property(&self, _id: usize, _spec: &glib::ParamSpec) -> glib::Value {
            self.obj()
                .address()
                .map(|address| address.to_string())
                .to_value()
        }
    }
}
