// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask install --user`: GStreamer finds the plugin by itself, and removal leaves nothing. And where meson would put
//! what; that it does, and that packages do, `cargo xtask fresh` shows.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use gst_rtc::build::{program, root};
use gst_rtc::described::folder;
use gst_rtc::{Result, check, my_turn};

/// A command of a user who has an empty home and no variables of GStreamer.
fn at_home(program: impl AsRef<std::ffi::OsStr>, home: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root()).env("HOME", home);
    for variable in [
        "GST_PLUGIN_PATH",
        "GST_REGISTRY",
        "XDG_DATA_HOME",
        "XDG_CACHE_HOME",
    ] {
        command.env_remove(variable);
    }
    // Cargo itself lives in the real home.
    for (variable, place) in [("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup")] {
        if std::env::var_os(variable).is_none()
            && let Some(real) = std::env::var_os("HOME")
        {
            command.env(variable, Path::new(&real).join(place));
        }
    }
    command
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else {
            found.push(path);
        }
    }
    Ok(found)
}

#[tokio::test]
async fn what_is_installed_works_without_variables_and_goes_without_a_trace() -> Result {
    let _turn = my_turn().await;
    // Built already, with the features that tests have.
    program();
    let home = folder("home")?;
    let xtask = |verb: &[&str]| {
        let mut command = at_home(env!("CARGO"), &home);
        command
            .args(["run", "--quiet", "--package", "xtask", "--"])
            .args(verb);
        command.output()
    };
    let installed = xtask(&["install", "--user", "--debug"])?;
    check!(
        installed.status.success(),
        "{}",
        String::from_utf8_lossy(&installed.stderr)
    );

    let inspected = at_home("gst-inspect-1.0", &home).arg("rtcsfu").output()?;
    let text = String::from_utf8_lossy(&inspected.stdout);
    check!(
        inspected.status.success() && text.contains(&*home.to_string_lossy()),
        "{text}{}",
        String::from_utf8_lossy(&inspected.stderr)
    );
    let program = home.join(".local/bin/gst-rtc");
    check!(
        at_home(program, &home).arg("--version").status()?.success(),
        "it does not run"
    );

    let removed = xtask(&["uninstall", "--user"])?;
    check!(
        removed.status.success(),
        "{}",
        String::from_utf8_lossy(&removed.stderr)
    );
    let mut left = files(&home)?;
    // GStreamer's own notes about all plugins of the system.
    left.retain(|path| !path.starts_with(home.join(".cache")));
    check!(left.is_empty(), "{left:?}");
    Ok(())
}

/// What `meson install` would bring, by the name of the file.
fn meson_places(name: &str, options: &[&str]) -> Result<BTreeMap<String, PathBuf>> {
    let build = folder(name)?;
    let meson = |arguments: &[&str]| -> Result<String> {
        let output = Command::new("meson")
            .args(arguments)
            .arg(&build)
            .current_dir(root())
            .output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        check!(
            output.status.success(),
            "{text}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(text)
    };
    meson(&[&["setup"], options].concat())?;
    let places: BTreeMap<PathBuf, PathBuf> =
        serde_json::from_str(&meson(&["introspect", "--installed"])?)?;
    let by_name = places.into_iter().filter_map(|(file, place)| {
        let name = file.file_name()?.to_str()?.to_owned();
        Some((name, place))
    });
    Ok(by_name.collect())
}

#[test]
fn meson_installs_where_the_gstreamer_of_the_system_looks() -> Result {
    let plugins = Command::new("pkg-config")
        .args(["--variable=pluginsdir", "gstreamer-1.0"])
        .output()?;
    let plugins = PathBuf::from(String::from_utf8(plugins.stdout)?.trim());
    let places = meson_places("meson-system", &[])?;
    for library in ["libgstrtcmcu.so", "libgstrtcsfu.so", "libgstrtcturn.so"] {
        check!(
            places.get(library) == Some(&plugins.join(library)),
            "{places:?}"
        );
    }
    check!(
        places.get("gst-rtc") == Some(&PathBuf::from("/usr/local/bin/gst-rtc")),
        "{places:?}"
    );
    Ok(())
}

#[test]
fn meson_installs_below_a_prefix() -> Result {
    let prefix = ["--prefix=/opt/rtc", "--libdir=lib"];
    let places = meson_places("meson-prefix", &prefix)?;
    let sfu = Path::new("/opt/rtc/lib/gstreamer-1.0/libgstrtcsfu.so");
    check!(
        places
            .get("libgstrtcsfu.so")
            .is_some_and(|place| place == sfu),
        "{places:?}"
    );
    for (file, place) in &places {
        check!(place.starts_with("/opt/rtc"), "{file}: {place:?}");
    }
    Ok(())
}
