// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask docs`: what `gst-inspect-1.0` says about each element, kept in the repository.
//!
//! The files are the reference of the elements' pads, properties and signals, and a change to any
//! of them shows up in review.

use std::fs;
use std::process::Command;

use crate::command::{cargo, output, root, run, target_directory};
use crate::plugins;

/// Writes `docs/elements/*.md`, or with `check` fails if one differs from the plugin.
pub(crate) fn docs(check: bool) -> Result<(), String> {
    run(cargo(&["build"]).args(plugins::package_arguments()))?;
    for element in plugins::ALL.iter().flat_map(|plugin| plugin.elements) {
        let page = page(element, &inspect(element)?);
        let path = root().join(format!("docs/elements/{element}.md"));
        if check {
            if fs::read_to_string(&path).unwrap_or_default() != page {
                return Err(format!(
                    "{} is stale: run `cargo xtask docs` and commit it",
                    path.display()
                ));
            }
        } else {
            fs::create_dir_all(root().join("docs/elements"))
                .and_then(|()| fs::write(&path, page))
                .map_err(|error| format!("{}: {error}", path.display()))?;
            eprintln!("wrote {}", path.display());
        }
    }
    Ok(())
}

/// What GStreamer says about the element, from the plugin just built.
fn inspect(element: &str) -> Result<String, String> {
    let plugins = target_directory()?.join("debug");
    output(
        Command::new("gst-inspect-1.0")
            .arg("--no-colors")
            .arg(element)
            .env("GST_PLUGIN_PATH", &plugins)
            .env("GST_REGISTRY", plugins.join("xtask-docs.registry")),
    )
    .ok_or_else(|| {
        format!(
            "gst-inspect-1.0 knows no {element} in {}",
            plugins.display()
        )
    })
}

fn page(element: &str, inspected: &str) -> String {
    let lines: Vec<&str> = inspected
        .lines()
        .filter(|line| !depends_on_the_build(line))
        .map(str::trim_end)
        .collect();
    format!(
        "<!-- SPDX-License-Identifier: MIT OR Apache-2.0 -->\n\
         <!-- Written by `cargo xtask docs`; change the element, not this file. -->\n\
         # {element}\n\n```text\n{}\n```\n",
        lines.join("\n").trim()
    )
}

/// Lines that differ between two builds of the same source.
fn depends_on_the_build(line: &str) -> bool {
    let key = line.trim_start();
    ["Filename", "Version", "Source release date"]
        .iter()
        .any(|name| key.starts_with(name))
}

#[cfg(test)]
mod tests {
    use super::page;

    #[test]
    fn a_page_says_the_same_wherever_it_is_built() {
        let here = "Plugin Details:\n  Filename   /home/a/libx.so\n  Version  0.1-abc\n  Name x\n";
        let there = "Plugin Details:\n  Filename   /srv/libx.so\n  Version  0.1-def\n  Name x\n";
        assert_eq!(page("x", here), page("x", there));
        assert!(page("x", here).contains("  Name x"));
    }
}
