// SPDX-License-Identifier: MIT OR Apache-2.0
#![no_main]

use gst_rtc_core::rtp::{Extensions, Header, rtx_original_sequence};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(header) = Header::parse(data) else {
        return;
    };
    let payload = &data[header.payload.clone()];
    rtx_original_sequence(payload);
    if let Some((profile, range)) = header.extension {
        for (_, value) in Extensions::new(profile, &data[range]) {
            assert!(value.len() <= data.len());
        }
    }
});
