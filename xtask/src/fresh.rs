// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask fresh`: systems that have nothing yet, and this project in them.
//!
//! Packages are built once, on Debian 12, or were before, and installed, tried out and removed in fresh systems of each
//! suite. With `--source` a fresh system builds for itself, as README and guide say; `--fast` leaves the tests with browsers and
//! the benchmarks out. With `--image` a container is built and run. The systems are folders below `fresh` in Cargo's target
//! folder; each command runs with mounts of its own, which end with it. Where something fails its system stays until the
//! next time, to be looked into.

mod image;
mod page;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::{output, root, run, target_directory};
use crate::system::is_root;
use crate::{deb, packages};

const SUITES: [&str; 3] = ["bookworm", "trixie", "sid"];
/// A mirror may be a snapshot, whose lists have expired; they are signed all the same. And nobody is there to be asked.
const APT: &str = "Acquire::Check-Valid-Until \"false\";\nAPT::Get::Assume-Yes \"true\";\n";
const MIRROR: &str = "http://deb.debian.org/debian";

/// Parses what stands behind the verb, and does it.
pub(crate) fn fresh(arguments: &[String]) -> Result<(), String> {
    let wish = Wish::new(arguments)?;
    if !is_root() {
        return Err("only root can make a system: sudo cargo xtask fresh".to_owned());
    }
    packages::ensure(&[packages::FRESH], false)?;
    if wish.image {
        packages::ensure(&[packages::IMAGE], false)?;
        return image::image();
    }
    if wish.source {
        let mut suites = wish.suites.iter();
        return suites.try_for_each(|suite| build_there(suite, wish.fast));
    }
    let mut made = wish.made;
    if made.is_empty() {
        builds_for_all()?;
        made = deb::deb(wish.debug, false)?;
    }
    let mut suites = wish.suites.iter();
    suites.try_for_each(|suite| try_out(suite, &made))
}

/// What is to be done.
#[derive(Default)]
struct Wish {
    source: bool,
    image: bool,
    fast: bool,
    debug: bool,
    suites: Vec<String>,
    /// Packages that are there already.
    made: Vec<PathBuf>,
}

impl Wish {
    fn new(arguments: &[String]) -> Result<Wish, String> {
        let mut wish = Wish::default();
        for argument in arguments {
            match argument.as_str() {
                "--source" => wish.source = true,
                "--image" => wish.image = true,
                "--fast" => wish.fast = true,
                "--debug" => wish.debug = true,
                suite if SUITES.contains(&suite) => wish.suites.push(suite.to_owned()),
                file if file.ends_with(".deb") => wish.made.push(PathBuf::from(file)),
                other => {
                    return Err(format!(
                        "\"{other}\" is none of --source, --image, --fast, --debug, {}, and no .deb",
                        SUITES.join(", ")
                    ));
                }
            }
        }
        if wish.suites.is_empty() {
            // Who builds in sid has it already.
            let suites = &SUITES[..if wish.source { 2 } else { 3 }];
            wish.suites = suites.iter().map(ToString::to_string).collect();
        }
        Ok(wish)
    }
}

/// Libraries work with newer ones than those they were built with, and not with older ones.
fn builds_for_all() -> Result<(), String> {
    let version = fs::read_to_string("/etc/debian_version").unwrap_or_default();
    if version.starts_with("12") {
        return Ok(());
    }
    Err("packages for Debian 12 and later are built on Debian 12: run this there".to_owned())
}

/// Installs packages in a fresh system, and removes them.
fn try_out(suite: &str, made: &[PathBuf]) -> Result<(), String> {
    in_fresh(suite, |system| {
        for package in made {
            let name = package.file_name().ok_or("a package has a name")?;
            copy(package, &system.folder.join("tmp").join(name))?;
        }
        system.run(include_str!("fresh/packages.sh"), &[])
    })
}

/// Clones, builds, tests, installs and removes in a fresh system that has Rust.
fn build_there(suite: &str, fast: bool) -> Result<(), String> {
    in_fresh(suite, |system| {
        run(Command::new("git")
            .args(["clone", "--quiet", "--no-hardlinks"])
            .arg(root())
            .arg(system.folder.join("root/gst-rtc")))?;
        let fast = if fast { "--fast" } else { "" };
        let script = format!("fast={fast}\n{}", include_str!("fresh/source.sh"));
        system.run(&script, &rust()?)
    })
}

/// The folders of Rust's toolchains and of what Cargo has fetched: mounted, not fetched for each system.
fn rust() -> Result<[(PathBuf, &'static str); 2], String> {
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let home = home.ok_or("HOME is not set")?;
    let folder =
        |variable, name| std::env::var_os(variable).map_or_else(|| home.join(name), PathBuf::from);
    Ok([
        (folder("CARGO_HOME", ".cargo"), "root/.cargo"),
        (folder("RUSTUP_HOME", ".rustup"), "root/.rustup"),
    ])
}

/// Makes a system and removes it again; one that failed is left for a look.
fn in_fresh(suite: &str, work: impl FnOnce(&Fresh) -> Result<(), String>) -> Result<(), String> {
    let system = Fresh::new(suite)?;
    let place = system.folder.display();
    work(&system).map_err(|error| format!("{error}\nthe system is left in {place}"))?;
    remove(&system.folder)
}

/// A system just made.
struct Fresh {
    folder: PathBuf,
}

impl Fresh {
    fn new(suite: &str) -> Result<Fresh, String> {
        let folder = target_directory()?.join("fresh").join(suite);
        remove(&folder)?;
        fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let system = Fresh { folder };
        run(Command::new("debootstrap")
            .args(["--variant=minbase", suite])
            .arg(&system.folder)
            .arg(MIRROR))?;
        let apt = system.folder.join("etc/apt/apt.conf.d/10fresh");
        fs::write(&apt, APT).map_err(|error| format!("{}: {error}", apt.display()))?;
        Ok(system)
    }

    /// Runs a script in the system, with these folders in it and what pages say as variables.
    fn run(&self, script: &str, folders: &[(PathBuf, &str)]) -> Result<(), String> {
        let mut mounts = String::from("mount -t proc proc proc\nmount --rbind /dev dev\n");
        for (from, to) in folders {
            mounts += &format!("mkdir -p {to}\nmount --bind {} {to}\n", from.display());
        }
        let into = format!("{mounts}exec chroot . bash -euxo pipefail -c \"$script\"");
        // The variables of whoever runs this are not those of a fresh system.
        run(Command::new("unshare")
            .args([
                "--mount",
                "--propagation",
                "private",
                "--",
                "bash",
                "-euc",
                &into,
            ])
            .current_dir(&self.folder)
            .env_clear()
            .env("HOME", "/root")
            .env(
                "PATH",
                "/root/.cargo/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            )
            .env("DEBIAN_FRONTEND", "noninteractive")
            .envs(page::variables()?)
            .env("script", script))
    }
}

fn copy(from: &Path, to: &Path) -> Result<(), String> {
    fs::copy(from, to)
        .map(drop)
        .map_err(|error| format!("{}: {error}", to.display()))
}

/// Removes a system, and nothing that is mounted in it: mounts are those of the commands that ran there.
fn remove(folder: &Path) -> Result<(), String> {
    let mounted = output(Command::new("findmnt").args(["--noheadings", "--output", "TARGET"]));
    let inside = folder.to_string_lossy();
    if mounted.is_none_or(|mounted| mounted.contains(&*inside)) {
        return Err(format!("{inside}: something is mounted there"));
    }
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(format!("{inside}: {error}"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_suite_is_refused_by_name() {
        let error = fresh(&["buster".to_owned()]).unwrap_err();
        assert!(error.contains("buster"), "{error}");
    }

    #[test]
    fn packages_that_were_made_before_are_taken() {
        let wish = Wish::new(&["a.deb".to_owned(), "sid".to_owned()]).expect("a wish");
        assert_eq!(wish.made, [PathBuf::from("a.deb")]);
        assert_eq!(wish.suites, ["sid"]);
    }
}
