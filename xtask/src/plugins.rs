// SPDX-License-Identifier: MIT OR Apache-2.0
//! The plugins of this repository, in one list for all that builds, installs or describes them.

/// One plugin.
pub(crate) struct Plugin {
    /// The crate that it is built from.
    pub(crate) package: &'static str,
    /// The file that GStreamer loads.
    pub(crate) library: &'static str,
    /// What it brings.
    pub(crate) elements: &'static [&'static str],
}

pub(crate) const ALL: &[Plugin] = &[
    Plugin {
        package: "gst-plugin-rtcmcu",
        library: "libgstrtcmcu.so",
        elements: &["rtcmcu"],
    },
    Plugin {
        package: "gst-plugin-rtcsfu",
        library: "libgstrtcsfu.so",
        elements: &["rtcsfu"],
    },
    Plugin {
        package: "gst-plugin-rtcturn",
        library: "libgstrtcturn.so",
        elements: &["stunsrc", "turnsink", "turnsrc"],
    },
];

/// `--package` and its name for each, as cargo wants it.
pub(crate) fn package_arguments() -> impl Iterator<Item = &'static str> {
    ALL.iter().flat_map(|plugin| ["--package", plugin.package])
}
