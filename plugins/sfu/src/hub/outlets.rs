// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where the hub's decisions go: workers, the owner, the signaller.

use super::{HubObserver, NodeEvent};
use crate::io::{Command, Mailbox};
use crate::node::ToSignaller;
use std::sync::Arc;
use tokio::sync::mpsc::UnboundedSender;

/// All of them only queue; nothing here waits.
pub(super) struct Outlets {
    pub(super) workers: Arc<[Arc<Mailbox>]>,
    pub(super) observer: Arc<dyn HubObserver>,
    /// `None` while there is no connection.
    pub(super) signaller: Option<UnboundedSender<ToSignaller>>,
}

impl Outlets {
    /// Orders one worker.
    pub(super) fn order(&self, worker: u8, command: Command) {
        if let Some(mailbox) = self.workers.get(usize::from(worker)) {
            mailbox.send(command);
        }
    }

    /// Orders all workers, `first` before the others.
    pub(super) fn order_all(&self, first: u8, command: impl Fn() -> Command) {
        self.order(first, command());
        for worker in (0..self.count()).filter(|worker| *worker != first) {
            self.order(worker, command());
        }
    }

    /// Number of workers.
    pub(super) fn count(&self) -> u8 {
        self.workers.len() as u8
    }

    /// Says something to the signaller, if it is there. If not, it will learn by the resume.
    pub(super) fn say(&self, message: ToSignaller) {
        if let Some(signaller) = &self.signaller {
            let _ = signaller.send(message);
        }
    }

    pub(super) fn tell(&self, event: NodeEvent) {
        self.observer.event(event);
    }
}
