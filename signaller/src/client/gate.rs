// SPDX-License-Identifier: MIT OR Apache-2.0
//! Holds media back, in both directions, until the peer is verified.
//!
//! Packets are dropped, not kept: a live source does not wait, and what came from an unverified peer is nobody's.

use gst::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

const WAITING: u8 = 0;
const OPEN: u8 = 1;
const SHUT: u8 = 2;

/// On every pad of a `webrtcbin`.
#[derive(Clone, Debug, Default)]
pub(super) struct Gate(Arc<AtomicU8>);

impl Gate {
    /// Watches the pads that are there and those to come.
    pub(super) fn guard(&self, webrtcbin: &gst::Element) {
        webrtcbin.pads().iter().for_each(|pad| self.guard_pad(pad));
        let gate = self.clone();
        webrtcbin.connect_pad_added(move |_, pad| gate.guard_pad(pad));
    }

    fn guard_pad(&self, pad: &gst::Pad) {
        let gate = self.0.clone();
        let media = gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST;
        pad.add_probe(media, move |_, _| match gate.load(Ordering::Acquire) {
            OPEN => gst::PadProbeReturn::Remove,
            // Drop would do, but the bindings free the buffer and GStreamer 1.22 then complains that it is gone.
            _ => gst::PadProbeReturn::Handled,
        });
    }

    /// Lets media pass from now on, unless shut. True if it did not before. Encoders are asked for a keyframe, since what
    /// they sent so far was dropped.
    pub(super) fn open(&self, webrtcbin: &gst::Element) -> bool {
        let opened = self
            .0
            .compare_exchange(WAITING, OPEN, Ordering::AcqRel, Ordering::Acquire)
            .is_ok();
        if opened {
            webrtcbin.sink_pads().iter().for_each(request_keyframe);
        }
        opened
    }

    /// Lets nothing pass, for ever. True if it was not shut before.
    pub(super) fn shut(&self, webrtcbin: &gst::Element) -> bool {
        let before = self.0.swap(SHUT, Ordering::AcqRel);
        if before == OPEN {
            webrtcbin.pads().iter().for_each(|pad| self.guard_pad(pad));
        }
        before != SHUT
    }
}

fn request_keyframe(pad: &gst::Pad) {
    let request = gst::Structure::builder("GstForceKeyUnit")
        .field("all-headers", true)
        .build();
    let _ = pad.push_event(gst::event::CustomUpstream::new(request));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An element with a guarded sink pad, and how many buffers passed.
    fn guarded(gate: &Gate) -> (gst::Element, gst::Pad) {
        gst::init().expect("GStreamer");
        let identity = gst::ElementFactory::make("identity")
            .build()
            .expect("identity");
        gate.guard(&identity);
        let pad = identity.static_pad("sink").expect("a pad");
        (identity, pad)
    }

    fn passes(pad: &gst::Pad) -> bool {
        use std::sync::atomic::AtomicBool;
        let passed = Arc::new(AtomicBool::new(false));
        let seen = passed.clone();
        let probe = pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
            seen.store(true, Ordering::Release);
            gst::PadProbeReturn::Ok
        });
        let _ = pad.chain(gst::Buffer::new());
        if let Some(probe) = probe {
            pad.remove_probe(probe);
        }
        passed.load(Ordering::Acquire)
    }

    fn ready(element: &gst::Element, pad: &gst::Pad) {
        element.set_state(gst::State::Playing).expect("a state");
        pad.send_event(gst::event::StreamStart::new("test"));
        pad.send_event(gst::event::Segment::new(&gst::FormattedSegment::<
            gst::ClockTime,
        >::new()));
    }

    #[test]
    fn nothing_passes_before_it_is_open_nor_after_it_is_shut() {
        let gate = Gate::default();
        let (element, pad) = guarded(&gate);
        ready(&element, &pad);
        assert!(!passes(&pad));
        assert!(gate.open(&element) && !gate.open(&element));
        assert!(passes(&pad));
        assert!(gate.shut(&element) && !gate.shut(&element));
        assert!(!passes(&pad));
        assert!(!gate.open(&element));
        assert!(!passes(&pad));
        element.set_state(gst::State::Null).expect("a state");
    }
}
