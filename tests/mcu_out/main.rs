// SPDX-License-Identifier: MIT OR Apache-2.0
//! `pipelines/mix-to-….toml`, `mcu-broadcast.toml` and `mcu-peers.toml`: a mix in files, broadcasts and calls, read back by programs nobody here wrote.

mod broadcast;
mod files;
mod peers;
mod room;
