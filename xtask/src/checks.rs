// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is checked without running the program.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::command::{cargo, output, root, run};

/// The version that `deny.toml` is written for.
const CARGO_DENY: &str = "0.20.2";

/// Formatting, licence lines, lints and documentation.
pub(crate) fn all() -> Result<(), String> {
    run(&mut cargo(&["fmt", "--all", "--check"]))?;
    spdx()?;
    run(&mut cargo(&[
        "clippy",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ]))?;
    documentation()
}

/// The documentation builds without broken links.
fn documentation() -> Result<(), String> {
    run(cargo(&["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings"))
}

/// Every source file says its licence within the first lines.
fn spdx() -> Result<(), String> {
    let files = output(
        Command::new("git")
            .current_dir(root())
            .args(["ls-files", "-z"]),
    )
    .ok_or("`git ls-files` failed: this check needs a git checkout")?;
    let without: Vec<&str> = files
        .split('\0')
        .filter(|path| wants_licence(path) && !has_licence(&root().join(path)))
        .collect();
    if without.is_empty() {
        return Ok(());
    }
    Err(format!(
        "no SPDX line (`SPDX-License-Identifier: MIT OR Apache-2.0`) in\n  {}",
        without.join("\n  ")
    ))
}

fn wants_licence(path: &str) -> bool {
    const KINDS: [&str; 11] = [
        "rs", "toml", "js", "css", "html", "py", "sh", "c", "h", "build", "gst",
    ];
    path == ".ci/run"
        || Path::new(path)
            .extension()
            .is_some_and(|kind| KINDS.iter().any(|known| kind == *known))
}

fn has_licence(path: &Path) -> bool {
    // A file deleted in the working tree but not yet in the index has nothing to check.
    fs::read_to_string(path).map_or(true, |text| {
        text.lines()
            .take(5)
            .any(|line| line.contains("SPDX-License-Identifier: "))
    })
}

/// Whether cargo-deny is installed.
pub(crate) fn has_cargo_deny() -> bool {
    output(&mut cargo(&["deny", "--version"])).is_some()
}

/// Licences, bans and sources of the dependencies, then known advisories.
///
/// The advisory database is a git repository; where it cannot be reached, that part is left out
/// with a word.
pub(crate) fn deny() -> Result<(), String> {
    if !has_cargo_deny() {
        run(&mut cargo(&[
            "install",
            "--locked",
            "cargo-deny",
            "--version",
            CARGO_DENY,
        ]))?;
    }
    run(&mut cargo(&[
        "deny",
        "--workspace",
        "--all-features",
        "check",
        "licenses",
        "bans",
        "sources",
    ]))?;
    if run(&mut cargo(&["deny", "fetch", "db"])).is_err() {
        eprintln!("advisories NOT checked: their database cannot be reached from here");
        return Ok(());
    }
    run(&mut cargo(&[
        "deny",
        "--workspace",
        "--all-features",
        "check",
        "--disable-fetch",
        "advisories",
    ]))
}

#[cfg(test)]
mod tests {
    use super::wants_licence;

    #[test]
    fn sources_want_a_licence_line_and_data_does_not() {
        for path in [
            "plugins/core/src/lib.rs",
            "signaller/web/room.js",
            ".ci/run",
        ] {
            assert!(wants_licence(path), "{path}");
        }
        for path in ["Cargo.lock", "README.md", "docs/room.svg", "LICENSE-MIT"] {
            assert!(!wants_licence(path), "{path}");
        }
    }
}
