// SPDX-License-Identifier: MIT OR Apache-2.0
//! The mixing unit: what is seen and heard of whom, by pixels and samples.

mod arrival;
mod broken;
mod changed;
mod coded;
mod coming;
mod drawn;
mod live;
mod picture;
mod room;
mod screen;
mod sound;
mod speaker;
