// SPDX-License-Identifier: MIT OR Apache-2.0
//! From the hub's threads, which must not wait, to the application, which may take its time.

use super::notice::Notice;
use super::tap::Item;
use super::taps::Taps;
use super::{CAT, RtcSfu};
use crate::hub::{HubObserver, NodeEvent};
use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::thread::JoinHandle;

enum Message {
    Event(NodeEvent),
    Stop,
}

/// Takes the hub's events: media goes straight to the pads, the rest to a thread.
struct Observer {
    taps: Arc<Taps>,
    sender: Sender<Message>,
}

impl HubObserver for Observer {
    fn event(&self, event: NodeEvent) {
        match event {
            NodeEvent::TapMedia(tap, packet) => self.taps.push(tap, Item::Packet(packet)),
            NodeEvent::TapStarted {
                tap,
                track,
                payload,
                ..
            } => self.taps.push(tap, Item::Started { track, payload }),
            NodeEvent::TapEnded(tap) => self.taps.push(tap, Item::Ended),
            // The thread is gone only when the element has stopped.
            event => drop(self.sender.send(Message::Event(event))),
        }
    }
}

/// The thread that tells the application.
pub(super) struct Events {
    sender: Sender<Message>,
    thread: JoinHandle<()>,
}

impl Events {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(super) fn start(
        element: &RtcSfu,
        taps: Arc<Taps>,
    ) -> std::io::Result<(Events, Arc<dyn HubObserver>)> {
        let (sender, receiver) = mpsc::channel();
        let element = element.downgrade();
        let thread = std::thread::Builder::new()
            .name("rtcsfu-events".into())
            .spawn(move || {
                while let Ok(Message::Event(event)) = receiver.recv() {
                    handle(&element, event);
                }
            })?;
        let observer = Arc::new(Observer {
            taps,
            sender: sender.clone(),
        });
        Ok((Events { sender, thread }, observer))
    }

    /// Ends the thread. Called from the thread itself, by a signal handler that stops the element, it ends on its return.
    pub(super) fn stop(self) {
        // It is gone already only when a handler panicked.
        let _ = self.sender.send(Message::Stop);
        if self.thread.thread().id() != std::thread::current().id() {
            let _ = self.thread.join();
        }
    }
}

fn handle(element: &glib::WeakRef<RtcSfu>, event: NodeEvent) {
    let Some(element) = element.upgrade() else {
        return;
    };
    if let NodeEvent::KeyframeNeeded(track) = event {
        element.imp().ask_for_keyframe(track);
        return;
    }
    super::data::tell(&element, &event);
    let notice = Notice::of(&event);
    warn(&element, &event);
    if let Some(notice) = notice {
        notice.tell(&element);
    }
    element.imp().expose(&event);
}

/// What the application should not miss is a warning message as well.
fn warn(element: &RtcSfu, event: &NodeEvent) {
    match event {
        NodeEvent::SignallerLost { error } => gst::element_warning!(
            element,
            gst::ResourceError::OpenReadWrite,
            ("the signaller cannot be reached: {error}; it is tried again, media goes on"),
            ["check signaller::uri and that the signaller runs"]
        ),
        NodeEvent::Refused { what, message } => {
            gst::element_warning!(
                element,
                gst::LibraryError::Failed,
                ("{what} was refused: {message}")
            );
        }
        NodeEvent::SignallerConnected => {
            gst::info!(CAT, obj = element, "the signaller is connected")
        }
        _ => {}
    }
}
