// SPDX-License-Identifier: MIT OR Apache-2.0
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    // Whatever is lost is told packet by packet: no packet may tell of more than its bytes can.
    for packet in gst_rtc_core::rtcp::parse(data).flatten() {
        std::hint::black_box(packet);
    }
});
