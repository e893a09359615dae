// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask install` and `uninstall`: plugins where GStreamer looks by itself, and the program.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::{cargo, output, run, target_directory};
use crate::{packages, plugins};

/// Where things go.
struct Places {
    plugins: PathBuf,
    programs: PathBuf,
    /// Made by us if need be, and so also ours to remove.
    own: Vec<PathBuf>,
}

impl Places {
    /// For everybody, below `DESTDIR` if that is set, or for this user alone.
    fn new(user: bool) -> Result<Places, String> {
        if user {
            return Places::of_user();
        }
        let plugins = output(
            Command::new("pkg-config").args(["--variable=pluginsdir", "gstreamer-1.0"]),
        )
        .ok_or(
            "pkg-config does not know gstreamer-1.0: `cargo xtask run` installs what is missing",
        )?;
        let below = |path: &str| {
            let destdir = env::var("DESTDIR").unwrap_or_default();
            PathBuf::from(format!("{destdir}{path}"))
        };
        Ok(Places {
            plugins: below(plugins.trim()),
            programs: below("/usr/local/bin"),
            own: Vec::new(),
        })
    }

    fn of_user() -> Result<Places, String> {
        let home = env::var_os("HOME").map(PathBuf::from);
        let home = home.ok_or("HOME is not set, so there is no place of yours")?;
        let data = env::var_os("XDG_DATA_HOME")
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
            .unwrap_or_else(|| home.join(".local/share"));
        let gstreamer = data.join("gstreamer-1.0");
        Ok(Places {
            plugins: gstreamer.join("plugins"),
            programs: home.join(".local/bin"),
            own: vec![gstreamer.join("plugins"), gstreamer],
        })
    }

    fn files(&self) -> impl Iterator<Item = (&'static str, PathBuf)> {
        let plugins = plugins::ALL
            .iter()
            .map(|plugin| (plugin.library, self.plugins.join(plugin.library)));
        plugins.chain([("gst-rtc", self.programs.join("gst-rtc"))])
    }
}

/// Builds and copies. `debug`: as the tests build, which is quicker to build and slower to run.
pub(crate) fn install(user: bool, debug: bool, no_install: bool) -> Result<(), String> {
    packages::ensure(&[packages::BUILD, packages::RUN], no_install)?;
    let places = Places::new(user)?;
    build(if debug { "dev" } else { "release" })?;
    let built = target_directory()?.join(if debug { "debug" } else { "release" });
    for (file, to) in places.files() {
        let folder = to.parent().unwrap_or(Path::new("/"));
        fs::create_dir_all(folder)
            .and_then(|()| replace(&built.join(file), &to))
            .map_err(|error| format!("{}: {error}{}", to.display(), advice(&error, user)))?;
        eprintln!("installed {}", to.display());
    }
    let path = env::var_os("PATH").unwrap_or_default();
    if !env::split_paths(&path).any(|folder| folder == places.programs) {
        eprintln!("{} is not on your PATH", places.programs.display());
    }
    Ok(())
}

fn build(profile: &str) -> Result<(), String> {
    let mut command = cargo(&["build", "--profile", profile]);
    if profile == "dev" {
        // With the features of the tests, as they build themselves: nothing is built twice.
        command.args(["--workspace", "--lib", "--bins", "--tests", "--examples"]);
    } else {
        command.args(["--package", "gst-rtc-signaller"]);
        command.args(plugins::package_arguments());
    }
    run(&mut command)
}

/// In one step, since the file may be in use.
fn replace(from: &Path, to: &Path) -> std::io::Result<()> {
    let new = to.with_extension("new");
    fs::copy(from, &new)?;
    fs::rename(&new, to)
}

fn advice(error: &std::io::Error, user: bool) -> &'static str {
    if error.kind() == std::io::ErrorKind::PermissionDenied && !user {
        "; run this as root, or with --user"
    } else {
        ""
    }
}

/// Takes away what [`install`] brought.
pub(crate) fn uninstall(user: bool) -> Result<(), String> {
    let places = Places::new(user)?;
    for (_, file) in places.files() {
        match fs::remove_file(&file) {
            Ok(()) => eprintln!("removed {}", file.display()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => {
                return Err(format!(
                    "{}: {error}{}",
                    file.display(),
                    advice(&error, user)
                ));
            }
        }
    }
    for folder in places.own {
        // What somebody else has put there stays.
        let _ = fs::remove_dir(folder);
    }
    Ok(())
}
