// SPDX-License-Identifier: MIT OR Apache-2.0
//! Queues where inputs and outputs wait for their time.

use super::canvas::clock_time;
use gst::glib;
use gst::prelude::*;
use std::time::Duration;

/// What a queue holds beyond what waits because of the latency.
const ROOM: Duration = Duration::from_secs(1);

/// A queue for a stream that may wait as long as the latency.
pub(super) fn new(latency: Duration) -> Result<gst::Element, glib::BoolError> {
    gst::ElementFactory::make("queue")
        .property("max-size-buffers", 0u32)
        .property("max-size-bytes", 0u32)
        .property("max-size-time", clock_time(latency + ROOM))
        .build()
}

/// Another latency. It never holds less than before, for it may be full.
pub(super) fn grow(queue: &gst::Element, latency: Duration) {
    let wanted = clock_time(latency + ROOM).nseconds();
    if queue.property::<u64>("max-size-time") < wanted {
        queue.set_property("max-size-time", wanted);
    }
}
