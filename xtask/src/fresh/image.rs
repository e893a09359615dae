// SPDX-License-Identifier: MIT OR Apache-2.0
//! The container of `packaging/Dockerfile`, built and run without Docker and without a registry of images.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::{in_fresh, page, remove, rust};
use crate::command::{output, root, run, target_directory};

/// Builds it, runs it, and asks it for a page. What Cargo built stays for the next time.
pub(super) fn image() -> Result<(), String> {
    let folder = target_directory()?.join("fresh");
    let (store, built) = (folder.join("images"), folder.join("image-release"));
    remove(&store)?;
    for folder in [&store, &built] {
        fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    }
    let [(cargo, _), _] = rust()?;
    in_fresh("bookworm", |system| {
        run(Command::new("bash")
            .args(["-euxo", "pipefail", "-c", include_str!("image.sh")])
            .current_dir(root())
            .envs(page::variables()?)
            .env("system", &system.folder)
            .env("rust", toolchain()?)
            .env("registry", cargo.join("registry"))
            .env("built", &built)
            .env("store", &store)
            .env("log", folder.join("image.log")))
    })?;
    remove(&store)
}

/// The folder with `bin` and `lib` of the Rust in use.
fn toolchain() -> Result<PathBuf, String> {
    let sysroot = output(Command::new("rustc").args(["--print", "sysroot"]));
    let sysroot = sysroot.ok_or("`rustc --print sysroot` failed: is Rust installed?")?;
    Ok(PathBuf::from(sysroot.trim()))
}
