// SPDX-License-Identifier: MIT OR Apache-2.0
#![no_main]

use gst_rtc_core::codec::{Codec, describe, rewrite, spatial_resolutions};
use libfuzzer_sys::fuzz_target;

const CODECS: [Codec; 7] = [
    Codec::Opus,
    Codec::Vp8,
    Codec::Vp9,
    Codec::H264,
    Codec::H265,
    Codec::Av1,
    Codec::Pcmu,
];

fuzz_target!(|data: &[u8]| {
    let Some((choice, payload)) = data.split_first() else {
        return;
    };
    let codec = CODECS[usize::from(*choice) % CODECS.len()];
    let description = describe(codec, payload);
    assert!(spatial_resolutions(codec, payload).count() <= 8);
    let mut rewritten = payload.to_vec();
    rewrite(codec, &mut rewritten, &description, 0x1234, 0x56);
    assert_eq!(rewritten.len(), payload.len());
    // What was written over is read again, and nothing else has changed.
    let again = describe(codec, &rewritten);
    assert_eq!(again.keyframe, description.keyframe);
});
