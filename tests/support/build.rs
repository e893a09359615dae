// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where the program and the plugins under test are, and that they are built.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

/// `target/<profile>`: where programs are, and above the folder where tests are.
static PROFILE: LazyLock<PathBuf> = LazyLock::new(|| {
    let test = std::env::current_exe().expect("a running test knows its own file");
    let folder = test.parent().expect("a file is in a folder");
    match folder.parent() {
        Some(profile) if folder.ends_with("deps") => profile.to_path_buf(),
        _ => folder.to_path_buf(),
    }
});

/// The server and the plugin, built once with the profile of the tests.
///
/// Cargo builds another package's binary for a test only if asked; this asks. When all is fresh
/// it takes a fraction of a second. It asks for the tests as well: without them Cargo would leave
/// out features that only tests need, and so build another variant of the plugin's library into
/// the same file.
static BUILT: LazyLock<()> = LazyLock::new(|| {
    let profile = match PROFILE.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(other) => other,
    };
    let status = Command::new(env!("CARGO"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["build", "--quiet", "--profile", profile])
        .args(["--workspace", "--lib", "--bins", "--tests", "--examples"])
        .status()
        .expect("cargo started this test, so it can be started");
    assert!(status.success(), "the server or the plugin does not build");
});

/// The folder that `GST_RTC_TEST_BUILD` names, to test a build made elsewhere; else that of this
/// test's own profile, with everything built.
static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    std::env::var_os("GST_RTC_TEST_BUILD")
        .map(PathBuf::from)
        .unwrap_or_else(|| {
            LazyLock::force(&BUILT);
            PROFILE.clone()
        })
});

/// The `gst-rtc` program under test.
pub fn program() -> PathBuf {
    FOLDER.join("gst-rtc")
}

/// The plugins under test.
pub(crate) const PLUGINS: &[&str] = &["libgstrtcsfu.so", "libgstrtcmcu.so", "libgstrtcturn.so"];

/// A program of `examples/`.
pub fn example(name: &str) -> PathBuf {
    FOLDER.join("examples").join(name)
}

/// A folder with the plugins under test and nothing else, for `GST_PLUGIN_PATH`.
///
/// GStreamer looks into every shared object below such a folder, and `target/` has hundreds.
pub fn plugin_path() -> PathBuf {
    static LINKED: LazyLock<PathBuf> = LazyLock::new(|| {
        let folder = scratch().join("plugins");
        std::fs::create_dir_all(&folder).expect("target/ can be written");
        for name in PLUGINS {
            link(&FOLDER.join(name), &folder.join(name));
        }
        folder
    });
    LINKED.clone()
}

/// Makes `link` lead to `original`, in one step, since other tests may look at the same moment.
fn link(original: &Path, link: &Path) {
    let new = link.with_extension(format!("{}", std::process::id()));
    std::os::unix::fs::symlink(original, &new)
        .and_then(|()| std::fs::rename(&new, link))
        .unwrap_or_else(|error| panic!("cannot link {}: {error}", link.display()));
}

/// A folder of `target/` for what tests leave behind: registries, recordings, screenshots.
pub fn scratch() -> PathBuf {
    let folder = PROFILE.join("test-scratch");
    std::fs::create_dir_all(&folder).expect("target/ can be written");
    folder
}

/// The root of the repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
