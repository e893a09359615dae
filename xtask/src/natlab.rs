// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask natlab`: which pairs of NATs connect, tried out, and written to `docs/nat.md`.

use crate::command::{cargo, run};
use crate::packages;

/// Tries all pairs. It takes some minutes, and needs root for its network namespaces.
pub(crate) fn natlab(no_install: bool) -> Result<(), String> {
    packages::ensure(
        &[packages::BUILD, packages::RUN, packages::TEST],
        no_install,
    )?;
    for what in ["table", "pages", "calls"] {
        run(&mut cargo(&[
            "run", "--quiet", "--bin", "natlab", what, "--write",
        ]))?;
    }
    Ok(())
}
