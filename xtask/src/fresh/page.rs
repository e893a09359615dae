// SPDX-License-Identifier: MIT OR Apache-2.0
//! The commands of the README and of the guide's page about installing, as they stand there.

use std::fs;

use crate::command::root;

/// The page whose blocks have names: "```sh NAME".
pub(super) const INSTALLING: &str = "docs/guide/installing.md";

/// A block of commands.
pub(super) struct Block {
    /// What stands behind "```sh", if anything does.
    pub(super) name: String,
    pub(super) text: String,
}

/// The blocks of commands of a page.
pub(super) fn blocks(page: &str) -> Result<Vec<Block>, String> {
    let text = fs::read_to_string(root().join(page)).map_err(|error| format!("{page}: {error}"))?;
    let fenced = text.split("```").skip(1).step_by(2);
    Ok(fenced
        .filter_map(|block| {
            let (kind, text) = block.split_once('\n')?;
            let (language, name) = kind.split_once(' ').unwrap_or((kind, ""));
            (language == "sh").then(|| Block {
                name: name.to_owned(),
                text: text.to_owned(),
            })
        })
        .collect())
}

/// What the scripts know: the README's line as `line`, and each way to install as `install_NAME`.
pub(super) fn variables() -> Result<Vec<(String, String)>, String> {
    let installing = blocks(INSTALLING)?.into_iter();
    let mut variables: Vec<_> = installing
        .map(|block| (format!("install_{}", block.name), block.text))
        .collect();
    variables.push(("line".to_owned(), line_of_readme()?));
    Ok(variables)
}

/// The line of the README that needs no server.
fn line_of_readme() -> Result<String, String> {
    let readme = blocks("README.md")?;
    let mut lines = readme.iter().flat_map(|block| block.text.lines());
    let line = lines.find(|line| {
        line.starts_with("gst-launch-1.0 ")
            && line.contains("rtcsfu")
            && !line.contains("signaller")
    });
    line.map(str::to_owned)
        .ok_or_else(|| "README.md has no gst-launch-1.0 line without a server".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCRIPTS: [&str; 2] = [include_str!("source.sh"), include_str!("image.sh")];

    #[test]
    fn the_readme_has_a_line_for_a_system_without_a_server() {
        let line = line_of_readme().expect("a line");
        assert!(line.contains("location=loop.mkv"), "{line}");
    }

    #[test]
    fn every_block_about_installing_is_run() {
        let page = fs::read_to_string(root().join(INSTALLING)).expect("a page");
        let blocks = blocks(INSTALLING).expect("a page");
        assert_eq!(page.matches("```").count(), 2 * blocks.len());
        assert!(!blocks.is_empty());
        for Block { name, text } in blocks {
            let run = format!("eval \"$install_{name}\"");
            assert!(SCRIPTS.iter().any(|script| script.contains(&run)), "{text}");
        }
    }

    #[test]
    fn every_command_of_the_readme_is_run() {
        let blocks = blocks("README.md").expect("a page");
        let lines = blocks.iter().flat_map(|block| block.text.lines());
        let commands = lines.map(|line| line.split(" #").next().unwrap_or(line).trim_end());
        // What is GStreamer's, tests/guide.rs runs.
        let mut commands = commands.filter(|command| !command.starts_with("gst-"));
        let not_run = commands.find(|command| !SCRIPTS[0].contains(command));
        assert_eq!(not_run, None);
    }
}
