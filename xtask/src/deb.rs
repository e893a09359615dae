// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask deb`: Debian packages by debhelper, which meson tells what is installed where.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::{root, run, target_directory};
use crate::packages;

/// Builds both packages; returns their files, in `debian` of Cargo's target folder.
pub(crate) fn deb(debug: bool, no_install: bool) -> Result<Vec<PathBuf>, String> {
    packages::ensure(&[packages::BUILD, packages::DEB], no_install)?;
    let target = target_directory()?;
    let folder = target.join("debian");
    match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(format!("{}: {error}", folder.display()));
        }
        _ => {
            fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?
        }
    }
    let rules = |goal: &str| {
        run(Command::new("debian/rules")
            .arg(goal)
            .current_dir(root())
            .env("CARGO_TARGET_DIR", &target)
            .env("GST_RTC_DEBS", &folder)
            .env("GST_RTC_BUILDTYPE", if debug { "debug" } else { "release" })
            .env("DEB_BUILD_OPTIONS", options()))
    };
    let made = rules("binary").and_then(|()| files(&folder));
    // Also where the build has failed: the next one begins anew.
    rules("clean")?;
    for file in made.iter().flatten() {
        eprintln!("made {}", file.display());
    }
    made
}

/// Those of the caller, and no packages of debugging symbols.
fn options() -> String {
    let given = env::var("DEB_BUILD_OPTIONS").unwrap_or_default();
    format!("{given} noautodbgsym").trim_start().to_owned()
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let failed = |error| format!("{}: {error}", folder.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        files.push(entry.map_err(failed)?.path());
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugins;

    /// What stands between the words, the first time.
    fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
        let (_, rest) = text.split_once(before).expect("what stands before");
        rest.split_once(after).expect("what stands after").0
    }

    fn read(file: &str) -> String {
        fs::read_to_string(root().join(file)).expect("it is in the repository")
    }

    #[test]
    fn all_that_build_this_agree_on_its_version() {
        let version = between(&read("Cargo.toml"), "\nversion = \"", "\"").to_owned();
        assert_eq!(
            between(&read("meson.build"), "version: '", "'"),
            version,
            "meson.build"
        );
        assert_eq!(
            between(&read("debian/changelog"), "gst-rtc (", ")"),
            version,
            "debian/changelog"
        );
    }

    #[test]
    fn the_dockerfile_installs_what_packages_are_built_with() {
        let file = read("packaging/Dockerfile");
        let installed = between(&file, "--yes \\\n", "\nWORKDIR");
        let installed: Vec<&str> = installed.split_whitespace().collect();
        for package in packages::BUILD.iter().chain(packages::DEB) {
            let name = package.debian();
            assert!(installed.contains(&name), "{name}");
        }
    }

    #[test]
    fn meson_installs_every_plugin() {
        let meson = read("meson.build");
        let named = between(&meson, "\nplugins = [", "]").to_owned();
        let named: Vec<&str> = named
            .split(", ")
            .map(|name| name.trim_matches('\''))
            .collect();
        let known: Vec<&str> = plugins::ALL
            .iter()
            .map(|plugin| between(plugin.library, "libgst", ".so"))
            .collect();
        assert_eq!(named, known);
    }
}
