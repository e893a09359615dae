// SPDX-License-Identifier: MIT OR Apache-2.0
//! A node without its element: pads are calls, and the signaller is played by the test, word by word.

mod guest;
mod home;
mod pads;
mod signaller;
mod support;
