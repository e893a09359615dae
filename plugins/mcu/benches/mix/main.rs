// SPDX-License-Identifier: MIT OR Apache-2.0
//! What mixing costs and how long it takes, each against its budget.
//!
//! Run it with `cargo bench -p gst-plugin-rtcmcu`, with nothing else running. It takes about three minutes.

mod delay;
mod pictures;
mod run;
mod sound;

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> Result {
    // `cargo test` only wants to know that it builds.
    if !std::env::args().any(|argument| argument == "--bench") {
        return Ok(());
    }
    gst::init()?;
    gstrtcmcu::plugin_register_static()?;
    sound::report();
    delay::report()?;
    pictures::report()
}

/// The one in the middle of an odd number of values.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
