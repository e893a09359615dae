// SPDX-License-Identifier: MIT OR Apache-2.0
//! `pipelines/mix-to-….toml` and `mcu-broadcast.toml`: a mixed room in files and broadcasts, read back by programs nobody here wrote.

mod broadcast;
mod files;
mod room;
