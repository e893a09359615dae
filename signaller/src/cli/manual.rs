// SPDX-License-Identifier: MIT OR Apache-2.0
//! `gst-rtc man`: the manual pages, made of what `--help` says.

use super::{Cli, Fault};
use clap::{Args, CommandFactory};
use std::path::PathBuf;

/// The options of `man`.
#[derive(Debug, Args)]
pub(super) struct ManArgs {
    /// Where the pages go: `gst-rtc.1`, and `gst-rtc-VERB.1` for each verb.
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
}

/// Writes a page for the program and one for each verb that is not hidden.
pub(super) fn write(args: &ManArgs) -> Result<(), Fault> {
    clap_mangen::generate_to(Cli::command(), &args.folder)
        .map_err(|error| Fault::usage(format!("{}: {error}", args.folder.display())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::Path;

    fn pages() -> Vec<(String, String)> {
        let folder = tempfile::tempdir().expect("a folder");
        let args = ManArgs {
            folder: folder.path().to_owned(),
        };
        assert!(write(&args).is_ok());
        let files = fs::read_dir(folder.path()).expect("it is there");
        let mut pages: Vec<_> = files
            .map(|file| file.expect("a file").path())
            .map(|path| {
                let name = path.file_stem().expect("a name").to_string_lossy();
                let text = fs::read_to_string(&path).expect("text");
                (name.into_owned(), text)
            })
            .collect();
        pages.sort();
        pages
    }

    #[test]
    fn pages_say_what_options_do() {
        let pages = pages();
        let (_, serve) = pages
            .iter()
            .find(|(name, _)| name == "gst-rtc-serve")
            .expect("a page of serve");
        assert!(serve.contains(r"\-\-listen"), "{serve}");
        assert!(serve.contains("Address for HTTP and WebSocket"), "{serve}");
    }

    #[test]
    fn meson_installs_every_page() {
        let meson = Path::new(env!("CARGO_MANIFEST_DIR")).join("../meson.build");
        let meson = fs::read_to_string(meson).expect("it is in the repository");
        let (_, verbs) = meson.split_once("\nverbs = [").expect("a list");
        let (verbs, _) = verbs.split_once(']').expect("its end");
        let mut named = vec!["gst-rtc".to_owned()];
        named.extend(
            verbs
                .split(", ")
                .map(|verb| format!("gst-rtc-{}", verb.trim_matches('\''))),
        );
        let made: Vec<String> = pages().into_iter().map(|(name, _)| name).collect();
        assert_eq!(made, named);
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let folder = PathBuf::from("/nowhere/man");
        let fault = write(&ManArgs { folder }).expect_err("nowhere to write");
        assert!(fault.text.contains("/nowhere/man"), "{}", fault.text);
    }
}
