// SPDX-License-Identifier: MIT OR Apache-2.0
#![no_main]

use gstrtcsfu::sdp;
use libfuzzer_sys::fuzz_target;
use std::sync::Once;

static GSTREAMER: Once = Once::new();

fuzz_target!(|data: &[u8]| {
    GSTREAMER.call_once(|| gst::init().expect("GStreamer starts"));
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    // Most are none.
    let _ = sdp::parse_candidate(text);
    if let Ok(description) = sdp::parse(text) {
        // What was understood can be written, and is understood again.
        let written = sdp::write(&description, 1, 1);
        if description.media.iter().any(|media| !media.rejected) {
            sdp::parse(&written).expect("our own text");
        }
    }
});
