// SPDX-License-Identifier: MIT OR Apache-2.0
//! Queues where inputs and outputs wait for their time.

use super::canvas::clock_time;
use gst::glib;
use gst::prelude::*;
use std::time::Duration;

/// What a queue holds beyond what waits because of the latency.
pub(super) const ROOM: Duration = Duration::from_secs(1);
/// The same of sound that leaves, which is small: where a machine is so busy that the mixer has to catch up, all of that comes at
/// once.
pub(super) const ROOM_FOR_SOUND: Duration = Duration::from_secs(5);

/// A queue for a stream that may wait so long.
pub(super) fn new(time: Duration) -> Result<gst::Element, glib::BoolError> {
    gst::ElementFactory::make("queue")
        .property("max-size-buffers", 0u32)
        .property("max-size-bytes", 0u32)
        .property("max-size-time", clock_time(time))
        .build()
}

/// It may wait for another time. It never holds less than before, for it may be full.
pub(super) fn grow(queue: &gst::Element, time: Duration) {
    let wanted = clock_time(time).nseconds();
    if queue.property::<u64>("max-size-time") < wanted {
        queue.set_property("max-size-time", wanted);
    }
}
