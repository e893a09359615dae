// SPDX-License-Identifier: MIT OR Apache-2.0
//! What must be on the machine before anything is built or tested, and how it gets there.

use std::process::{Command, Stdio};

use crate::command::run;
use crate::system::{System, has_element, has_library, has_package_lists, has_program, is_root};

/// One thing needed: the Debian package, and how any other system shows that it has it.
pub(crate) struct Package {
    debian: &'static str,
    evidence: Evidence,
}

/// How to see on a system without dpkg that something is there.
enum Evidence {
    /// One of these programs on `PATH`.
    Program(&'static [&'static str]),
    /// A library known to pkg-config.
    Library(&'static str),
    /// A GStreamer element.
    Element(&'static str),
}
use Evidence::{Element, Library, Program};

const fn package(debian: &'static str, evidence: Evidence) -> Package {
    Package { debian, evidence }
}

/// To build.
pub(crate) const BUILD: &[Package] = &[
    package("gcc", Program(&["cc"])),
    package("libc6-dev", Program(&["cc"])),
    package("pkg-config", Program(&["pkg-config", "pkgconf"])),
    package("libssl-dev", Library("openssl")),
    package("libgstreamer1.0-dev", Library("gstreamer-1.0 >= 1.22")),
    package(
        "libgstreamer-plugins-base1.0-dev",
        Library("gstreamer-sdp-1.0 >= 1.22"),
    ),
    package(
        "libgstreamer-plugins-bad1.0-dev",
        Library("gstreamer-webrtc-1.0 >= 1.22"),
    ),
];

/// To run `gst-rtc dev` and the pipelines it prints, besides [`BUILD`].
pub(crate) const RUN: &[Package] = &[
    package("gstreamer1.0-tools", Program(&["gst-launch-1.0"])),
    package("gstreamer1.0-plugins-base", Element("opusenc")),
    package("gstreamer1.0-plugins-good", Element("vp8enc")),
    package("gstreamer1.0-plugins-bad", Element("webrtcbin")),
    package("gstreamer1.0-nice", Element("nicesrc")),
    package("gstreamer1.0-x", Element("textrender")),
];

/// To test, besides [`BUILD`] and [`RUN`].
pub(crate) const TEST: &[Package] = &[
    package("chromium", Program(&["chromium"])),
    package("firefox-esr", Program(&["firefox-esr", "firefox"])),
    package("coturn", Program(&["turnserver"])),
    package("conntrack", Program(&["conntrack"])),
    package("iproute2", Program(&["ip"])),
    package("nftables", Program(&["nft"])),
    package("procps", Program(&["sysctl"])),
    package("ffmpeg", Program(&["ffprobe"])),
    package("gstreamer1.0-plugins-ugly", Element("x264enc")),
    package("gstreamer1.0-libav", Element("avdec_h264")),
    package("python3", Program(&["python3"])),
    package("python3-venv", Program(&["python3"])),
    package("python3-gi", Program(&["python3"])),
    package("python3-jsonschema", Program(&["python3"])),
    package("gir1.2-gstreamer-1.0", Program(&["python3"])),
    package("gir1.2-gst-rtsp-server-1.0", Program(&["python3"])),
    package("meson", Program(&["meson"])),
    package("xvfb", Program(&["Xvfb"])),
    package("curl", Program(&["curl"])),
];

/// To make Debian packages, besides [`BUILD`].
pub(crate) const DEB: &[Package] = &[
    package("debhelper", Program(&["dh"])),
    package("meson", Program(&["meson"])),
    package("python3", Program(&["python3"])),
];

/// To try out what is installed in fresh systems, besides [`DEB`].
pub(crate) const FRESH: &[Package] = &[package("debootstrap", Program(&["debootstrap"]))];

/// To build and try out the container, besides [`FRESH`].
pub(crate) const IMAGE: &[Package] = &[
    package("buildah", Program(&["buildah"])),
    package("curl", Program(&["curl"])),
];

/// To fuzz, besides [`BUILD`] and [`RUN`].
pub(crate) const FUZZ: &[Package] = &[package("g++", Program(&["c++"]))];

/// To measure TURN alone, besides [`BUILD`] and [`RUN`].
pub(crate) const BENCH_TURN: &[Package] = &[package("coturn", Program(&["turnserver"]))];

/// Sees to it that all packages are there.
///
/// # Errors
/// Says what is missing and how to install it, where this could not be done here.
pub(crate) fn ensure(sets: &[&[Package]], no_install: bool) -> Result<(), String> {
    let needed = sets.iter().copied().flatten();
    match System::detect() {
        System::Debian => ensure_on_debian(needed, no_install),
        System::Other => ensure_elsewhere(needed),
    }
}

fn ensure_on_debian<'a>(
    needed: impl Iterator<Item = &'a Package>,
    no_install: bool,
) -> Result<(), String> {
    let missing: Vec<&str> = needed
        .map(|package| package.debian)
        .filter(|name| !is_installed(name))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    eprintln!("missing packages: {}", missing.join(" "));
    let Some(prefix) = (if is_root() {
        Some("")
    } else {
        has_program("sudo").then_some("sudo ")
    }) else {
        return Err(format!(
            "this needs root and there is no sudo; as root, type\n\n  {}\n",
            command_line("", &missing)
        ));
    };
    if no_install {
        return Err(format!(
            "to install them, type\n\n  {}\n",
            command_line(prefix, &missing)
        ));
    }
    install(&missing)
}

/// The exact command that installs the packages.
fn command_line(prefix: &str, missing: &[&str]) -> String {
    let update = if has_package_lists() {
        String::new()
    } else {
        format!("{prefix}apt-get update && ")
    };
    format!(
        "{update}{prefix}apt-get install --no-install-recommends --yes {}",
        missing.join(" ")
    )
}

fn install(missing: &[&str]) -> Result<(), String> {
    if !has_package_lists() {
        run(apt_get().arg("update"))?;
    }
    let install = || {
        run(apt_get()
            .args(["install", "--no-install-recommends", "--yes"])
            .args(missing))
    };
    // Old lists name files that the mirror no longer has: refresh them once and try again.
    install().or_else(|_| {
        run(apt_get().arg("update"))?;
        install()
    })
}

/// `apt-get` that asks no questions, through sudo where we are not root.
fn apt_get() -> Command {
    let mut command = if is_root() {
        Command::new("env")
    } else {
        let mut sudo = Command::new("sudo");
        sudo.arg("env");
        sudo
    };
    command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get"]);
    command
}

fn is_installed(package: &str) -> bool {
    Command::new("dpkg-query")
        .args(["--show", "--showformat", "${db:Status-Status}\\n", package])
        .stderr(Stdio::null())
        .output()
        .is_ok_and(|output| {
            String::from_utf8_lossy(&output.stdout)
                .lines()
                .any(|status| status == "installed")
        })
}

fn ensure_elsewhere<'a>(needed: impl Iterator<Item = &'a Package>) -> Result<(), String> {
    let missing: Vec<String> = needed
        .filter(|package| !package.evidence.is_seen())
        .map(|package| format!("  {} (Debian: {})", package.evidence.name(), package.debian))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(format!(
        "missing, and packages are installed only on Debian 12 and 13:\n{}",
        missing.join("\n")
    ))
}

impl Package {
    /// Its name on Debian.
    #[cfg(test)]
    pub(crate) fn debian(&self) -> &'static str {
        self.debian
    }
}

impl Evidence {
    fn is_seen(&self) -> bool {
        match self {
            Program(names) => names.iter().any(|name| has_program(name)),
            Library(module) => has_library(module),
            Element(name) => has_element(name),
        }
    }

    fn name(&self) -> String {
        match self {
            Program(names) => format!("program {}", names.join(" or ")),
            Library(module) => format!("library {module}"),
            Element(name) => format!("GStreamer element {name}"),
        }
    }
}
