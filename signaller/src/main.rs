// SPDX-License-Identifier: MIT OR Apache-2.0
//! The gst-rtc binary.
fn main() {}
