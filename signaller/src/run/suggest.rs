// SPDX-License-Identifier: MIT OR Apache-2.0
//! What somebody may have meant, and where it comes from.

use gst::prelude::*;
use std::collections::HashMap;
use std::sync::LazyLock;

/// Names this alike (0 to 1, Jaro-Winkler) are taken for slips of the same name.
const ALIKE: f64 = 0.84;

/// The name most like `wanted`, if any is alike enough to be worth a word.
pub(super) fn nearest<'n>(
    wanted: &str,
    names: impl IntoIterator<Item = &'n str>,
) -> Option<&'n str> {
    let likeness = |name: &'n str| {
        // Of short names, two letters swapped or one wrong make a large part.
        let one_slip = name.len() > 2 && strsim::osa_distance(wanted, name) == 1;
        let alike = strsim::jaro_winkler(wanted, name);
        (if one_slip { alike.max(ALIKE) } else { alike }, name)
    };
    names
        .into_iter()
        .map(likeness)
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, name)| name)
}

/// "did you mean", if there is anything one could have meant.
pub(super) fn did_you_mean<'n>(
    wanted: &str,
    names: impl IntoIterator<Item = &'n str>,
) -> Option<String> {
    nearest(wanted, names).map(|name| format!("did you mean \"{name}\"?"))
}

/// The Debian package that has an element, if it is known.
pub(super) fn package_of(element: &str) -> Option<&'static str> {
    static PACKAGES: LazyLock<HashMap<&str, &str>> = LazyLock::new(|| packages().collect());
    const LIBAV: [&str; 5] = ["avdec_", "avenc_", "avmux_", "avdemux_", "avdeinterlace"];
    if LIBAV.iter().any(|prefix| element.starts_with(prefix)) {
        return Some("gstreamer1.0-libav");
    }
    PACKAGES.get(element).copied()
}

fn packages() -> impl Iterator<Item = (&'static str, &'static str)> {
    let lines = include_str!("debian.txt").lines();
    let mut package = "";
    lines
        .filter(|line| !line.starts_with('#'))
        .flat_map(move |line| {
            let name = line.strip_suffix(':');
            package = name.unwrap_or(package);
            let elements = if name.is_some() { "" } else { line };
            let package = package;
            elements
                .split_whitespace()
                .map(move |element| (element, package))
        })
}

/// What to do about an element that is not there, and the package that has it.
pub(super) fn missing_element(name: &str) -> (String, Option<String>) {
    const OURS: [&str; 5] = ["rtcsfu", "rtcmcu", "stunsrc", "turnsrc", "turnsink"];
    if OURS.contains(&name) {
        let help = "it is a plugin of gst-rtc: install it with `cargo xtask install`, or set \
                    GST_PLUGIN_PATH to the folder it was built in";
        return (help.to_owned(), None);
    }
    if let Some(package) = package_of(name) {
        let help = format!("it is in the Debian package {package}: apt install {package}");
        return (help, Some(package.to_owned()));
    }
    let registry = gst::Registry::get();
    let factories = registry.features(gst::ElementFactory::static_type());
    let names: Vec<_> = factories.iter().map(|factory| factory.name()).collect();
    let known = names.iter().map(|name| name.as_str());
    let known = known
        .chain(OURS)
        .chain(packages().map(|(element, _)| element));
    let help = did_you_mean(name, known)
        .unwrap_or_else(|| "`gst-inspect-1.0` lists the elements that are installed".to_owned());
    (help, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_known_by_element() {
        assert_eq!(package_of("x264enc"), Some("gstreamer1.0-plugins-ugly"));
        assert_eq!(package_of("srtsink"), Some("gstreamer1.0-plugins-bad"));
        assert_eq!(package_of("avdec_h264"), Some("gstreamer1.0-libav"));
        assert_eq!(package_of("nosuchelement"), None);
    }

    #[test]
    fn slips_are_understood_and_other_words_are_not() {
        assert_eq!(nearest("rtcsuf", ["rtcmcu", "rtcsfu"]), Some("rtcsfu"));
        assert_eq!(nearest("mxu", ["sink", "mux"]), Some("mux"));
        assert_eq!(nearest("zzz", ["rtcmcu", "rtcsfu"]), None);
    }
}
