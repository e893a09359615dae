// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the two sources have in common: datagrams become buffers of a live stream.

use std::sync::{Arc, LazyLock};

use gst::prelude::*;
use gst_base::prelude::*;
use gst_base::subclass::base_src::CreateSuccess;

use crate::inbox::{Datagram, Inbox};
use crate::peer;

/// The next buffer: waits for it.
pub(crate) fn create(
    source: &gst_base::PushSrc,
    inbox: &Arc<Inbox>,
) -> Result<CreateSuccess, gst::FlowError> {
    let datagram = inbox.next().ok_or(gst::FlowError::Flushing)?;
    Ok(CreateSuccess::NewBuffer(buffer(source, datagram)))
}

/// With the running time of its arrival, and the address of its sender as meta.
fn buffer(source: &gst_base::PushSrc, datagram: Datagram) -> gst::Buffer {
    let time = source.current_running_time().map(|now| {
        let age = gst::ClockTime::try_from(datagram.at.elapsed()).unwrap_or_default();
        now.saturating_sub(age)
    });
    let mut buffer = gst::Buffer::from_mut_slice(datagram.data);
    let new = buffer.make_mut();
    new.set_pts(time);
    new.set_dts(time);
    gst_net::NetAddressMeta::add(new, &peer::to_gio(datagram.from));
    buffer
}

/// A live source of time-stamped buffers without a size, as both are.
pub(crate) fn set_up(source: &gst_base::PushSrc) {
    source.set_live(true);
    source.set_format(gst::Format::Time);
}

/// The caps of the property, as far as downstream wants them.
pub(crate) fn caps(configured: Option<gst::Caps>, filter: Option<&gst::Caps>) -> gst::Caps {
    let caps = configured.unwrap_or_else(gst::Caps::new_any);
    match filter {
        Some(filter) => filter.intersect_with_mode(&caps, gst::CapsIntersectMode::First),
        None => caps,
    }
}

/// Datagrams count only while the pipeline plays.
pub(crate) fn follow_state(inbox: &Inbox, transition: gst::StateChange) {
    match transition {
        gst::StateChange::PausedToPlaying => inbox.open(),
        gst::StateChange::PlayingToPaused => inbox.close(),
        _ => {}
    }
}

/// One field for each count of an inbox.
pub(crate) fn stats(name: &str, inbox: &Inbox) -> gst::Structure {
    let counts = inbox.counts();
    gst::Structure::builder(name)
        .field("packets-received", counts.packets)
        .field("bytes-received", counts.bytes)
        .field("packets-dropped", counts.dropped)
        .build()
}

/// One src pad, always there, of any caps.
pub(crate) fn pad_templates() -> &'static [gst::PadTemplate] {
    static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
        let template = gst::PadTemplate::new(
            "src",
            gst::PadDirection::Src,
            gst::PadPresence::Always,
            &gst::Caps::new_any(),
        );
        vec![template.expect("the template is well formed")]
    });
    &TEMPLATES
}
