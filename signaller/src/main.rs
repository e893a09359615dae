// SPDX-License-Identifier: MIT OR Apache-2.0
//! `gst-rtc`: the signalling server, and everything in one process for development.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
