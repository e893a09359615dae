// SPDX-License-Identifier: MIT OR Apache-2.0
//! Looks at the pictures that a `fakesink` gets.

use gst::prelude::*;
use gst_rtc::embedded::Embedded;
use gst_rtc::{DEADLINE, Failure, Result};
use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Instant;

/// One picture in I420.
#[derive(Clone)]
pub(crate) struct Frame {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pixels: Vec<u8>,
}

/// The pictures of a sink, the newest of them kept.
pub(crate) struct Screen(Arc<(Mutex<Option<Frame>>, Condvar)>);

/// Y, U and V.
pub(crate) type Colour = [u8; 3];

pub(crate) const RED: Colour = [81, 90, 240];
pub(crate) const GREEN: Colour = [145, 54, 34];

/// The sink of a mix's pictures.
pub(crate) const OUT: &str = "video/x-raw,format=I420 ! fakesink name=screen signal-handoffs=true";

/// A live picture of one colour, 0xAARRGGBB.
pub(crate) fn picture(colour: u32) -> String {
    format!(
        "videotestsrc is-live=true pattern=solid-color foreground-color={colour}
         ! video/x-raw,format=I420,width=320,height=180,framerate=15/1"
    )
}

impl Frame {
    /// The colour at a place.
    pub(crate) fn at(&self, x: usize, y: usize) -> Colour {
        let (stride, half) = (
            self.width.next_multiple_of(4),
            (self.width / 2).next_multiple_of(4),
        );
        let rows = self.height.next_multiple_of(2);
        let chroma = stride * rows + y / 2 * half + x / 2;
        [
            self.pixels[y * stride + x],
            self.pixels[chroma],
            self.pixels[chroma + half * rows / 2],
        ]
    }

    /// Whether a place has about that colour.
    pub(crate) fn is(&self, x: usize, y: usize, colour: Colour) -> bool {
        let near = |(a, b): (u8, u8)| a.abs_diff(b) < 12;
        self.at(x, y).into_iter().zip(colour).all(near)
    }

    /// Whether there is something white in a rectangle, as letters are.
    pub(crate) fn has_white(&self, x: Range<usize>, y: Range<usize>) -> bool {
        y.flat_map(|y| x.clone().map(move |x| (x, y)))
            .any(|(x, y)| self.at(x, y)[0] > 190)
    }
}

impl Screen {
    /// Looks at the `fakesink` of that name, which must have `signal-handoffs`.
    pub(crate) fn of(pipeline: &Embedded, sink: &str) -> Result<Screen> {
        let shared = Arc::new((Mutex::new(None), Condvar::new()));
        let latest = shared.clone();
        pipeline
            .element(sink)?
            .connect("handoff", false, move |args| {
                let buffer = args[1]
                    .get::<gst::Buffer>()
                    .expect("the second argument is the buffer");
                let pad = args[2]
                    .get::<gst::Pad>()
                    .expect("the third argument is the pad");
                let caps = pad.current_caps()?;
                let size = |name| Some(caps.structure(0)?.get::<i32>(name).ok()? as usize);
                let frame = Frame {
                    width: size("width")?,
                    height: size("height")?,
                    pixels: buffer.map_readable().ok()?.to_vec(),
                };
                *latest.0.lock().expect("no panic") = Some(frame);
                latest.1.notify_all();
                None
            });
        Ok(Screen(shared))
    }

    /// Waits for a picture of which this holds.
    pub(crate) async fn shows(
        &self,
        what: impl Into<String>,
        holds: impl Fn(&Frame) -> bool + Send + 'static,
    ) -> Result<Frame> {
        let (shared, what) = (self.0.clone(), what.into());
        let wait = move || {
            let until = Instant::now() + DEADLINE;
            let mut latest = shared.0.lock().expect("no panic");
            loop {
                if let Some(frame) = latest.take_if(|frame| holds(frame)) {
                    return Ok(frame);
                }
                let left = until.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    let size = latest.as_ref().map(|frame| (frame.width, frame.height));
                    let middle = latest
                        .as_ref()
                        .map(|frame| frame.at(frame.width / 2, frame.height / 2));
                    return Err(Failure::new(format!(
                        "never seen: {what}; last {size:?}, middle {middle:?}"
                    )));
                }
                latest = shared.1.wait_timeout(latest, left).expect("no panic").0;
            }
        };
        tokio::task::spawn_blocking(wait).await?
    }
}

/// Where, at the sink `screen`, a picture did not begin where the one before it ended.
pub(crate) fn picture_times(pipeline: &Embedded) -> Result<Arc<Mutex<Vec<String>>>> {
    let jumps = Arc::new(Mutex::new(Vec::new()));
    let seen = jumps.clone();
    let next = Mutex::new(None::<gst::ClockTime>);
    pipeline
        .element("screen")?
        .connect("handoff", false, move |args| {
            let buffer = args[1]
                .get::<gst::Buffer>()
                .expect("the second argument is the buffer");
            let (start, duration) = (buffer.pts()?, buffer.duration()?);
            let mut next = next.lock().expect("no panic");
            if let Some(next) = next.filter(|next| next.absdiff(start) > gst::ClockTime::MSECOND) {
                seen.lock()
                    .expect("no panic")
                    .push(format!("{start} instead of {next}"));
            }
            *next = Some(start + duration);
            None
        });
    Ok(jumps)
}
