// SPDX-License-Identifier: MIT OR Apache-2.0
//! One heavy test at a time.
//!
//! Two tests with three browser pages each on two cores measure the scheduler, not this project.

use std::fs::File;

use crate::build::scratch;

/// This test's turn; it ends when dropped.
#[derive(Debug)]
pub struct Turn(#[allow(dead_code, reason = "the lock is held as long as the file is open")] File);

/// Waits for every other test that uses the machine heavily, of this process and of any other.
pub async fn my_turn() -> Turn {
    let wait = || {
        let file = File::create(scratch().join("turn.lock")).expect("target/ can be written");
        file.lock().expect("a file in target/ can be locked");
        Turn(file)
    };
    tokio::task::spawn_blocking(wait)
        .await
        .expect("waiting for a lock does not panic")
}
