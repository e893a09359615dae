// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask docs`: what `gst-inspect-1.0` says about each element, kept in the repository.
//!
//! The files are the reference of the elements' pads, properties and signals, and a change to any
//! of them shows up in review.

mod inspect;

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::{cargo, output, root, run, target_directory};
use crate::plugins;
use inspect::normal;

/// Writes `docs/elements/*.md`, or with `check` fails if one differs from the plugin.
pub(crate) fn docs(check: bool) -> Result<(), String> {
    build(check)?;
    let folder = alone().map_err(|error| format!("the plugins just built: {error}"))?;
    for element in plugins::ALL.iter().flat_map(|plugin| plugin.elements) {
        let page = page(element, &inspect(element, &folder)?);
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

/// After the tests the plugins are there as the tests have built them: asking for the same again costs nothing.
fn build(tested: bool) -> Result<(), String> {
    if tested {
        let all = ["build", "--workspace", "--lib", "--bins", "--tests"];
        return run(&mut cargo(&all));
    }
    run(cargo(&["build"]).args(plugins::package_arguments()))
}

/// A folder with the plugins just built and nothing else. GStreamer looks into every shared object below a folder, and `target/`
/// has older ones.
fn alone() -> Result<PathBuf, Box<dyn Error>> {
    let built = target_directory()?.join("debug");
    let folder = built.join("xtask-docs");
    fs::create_dir_all(&folder)?;
    for plugin in plugins::ALL {
        fs::copy(built.join(plugin.library), folder.join(plugin.library))?;
    }
    Ok(folder)
}

/// What GStreamer says about the element of one of the plugins in a folder.
fn inspect(element: &str, plugins: &Path) -> Result<String, String> {
    output(
        Command::new("gst-inspect-1.0")
            .arg("--no-colors")
            .arg(element)
            .env("GST_PLUGIN_PATH", plugins)
            .env("GST_REGISTRY", plugins.join("registry"))
            // Else it writes what is not ASCII as question marks where no locale is set.
            .env("LC_ALL", "C.UTF-8"),
    )
    .ok_or_else(|| {
        format!(
            "gst-inspect-1.0 knows no {element} in {}",
            plugins.display()
        )
    })
}

fn page(element: &str, inspected: &str) -> String {
    format!(
        "<!-- SPDX-License-Identifier: MIT OR Apache-2.0 -->\n\
         <!-- Written by `cargo xtask docs`; change the element, not this file. -->\n\
         # {element}\n\n```text\n{}```\n",
        normal(inspected)
    )
}
