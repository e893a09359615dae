// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which operating system this is, and what it has.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::command::output;

/// Where the missing packages come from.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum System {
    /// Debian 12 (bookworm) or 13 (trixie): packages can be installed here.
    Debian,
    /// Anything else: what is missing can only be named.
    Other,
}

impl System {
    /// Reads `/etc/os-release`.
    pub(crate) fn detect() -> System {
        System::from_os_release(&fs::read_to_string("/etc/os-release").unwrap_or_default())
    }

    fn from_os_release(text: &str) -> System {
        let value = |key: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
                .map(|value| value.trim_matches('"'))
        };
        match (value("ID"), value("VERSION_ID")) {
            (Some("debian"), Some("12" | "13")) => System::Debian,
            _ => System::Other,
        }
    }
}

/// Whether a program of that name is on `PATH`.
pub(crate) fn has_program(name: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(name).is_file()))
}

/// Whether pkg-config knows the library.
pub(crate) fn has_library(module: &str) -> bool {
    output(Command::new("pkg-config").args(["--exists", module])).is_some()
}

/// Whether GStreamer has the element.
pub(crate) fn has_element(name: &str) -> bool {
    output(Command::new("gst-inspect-1.0").args(["--exists", name])).is_some()
}

/// Whether this process may install packages without asking anybody.
pub(crate) fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    // The owner of our own entry in /proc is our effective user.
    fs::metadata("/proc/self").is_ok_and(|metadata| metadata.uid() == 0)
}

/// Whether `apt-get update` was ever run: a fresh container has no lists.
pub(crate) fn has_package_lists() -> bool {
    let Ok(entries) = fs::read_dir(Path::new("/var/lib/apt/lists")) else {
        return false;
    };
    entries
        .flatten()
        .any(|entry| entry.file_name().to_string_lossy().contains("_Packages"))
}

#[cfg(test)]
mod tests {
    use super::System;

    #[test]
    fn supported_debian_releases_are_recognised() {
        for version in ["12", "13"] {
            let text = format!("NAME=\"Debian GNU/Linux\"\nVERSION_ID=\"{version}\"\nID=debian\n");
            assert_eq!(System::from_os_release(&text), System::Debian);
        }
    }

    #[test]
    fn other_systems_are_not_installed_on() {
        for text in [
            "",
            "ID=debian\nVERSION_ID=\"11\"\n",
            "ID=ubuntu\nID_LIKE=debian\nVERSION_ID=\"12\"\n",
        ] {
            assert_eq!(System::from_os_release(text), System::Other);
        }
    }
}
