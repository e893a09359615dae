// SPDX-License-Identifier: MIT OR Apache-2.0
#![no_main]

use libfuzzer_sys::fuzz_target;

// Of the signaller to a node; those of peers to the signaller are read in the same way.
fuzz_target!(|data: &[u8]| gstrtcsfu::fuzz::message(data));
