// SPDX-License-Identifier: MIT OR Apache-2.0
//! The text of a description, and places in it.

use std::fmt;
use std::ops::Range;

/// A place a person can go to in an editor. Both count from 1; columns count characters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, serde::Serialize)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// Where the byte `offset` of `text` is. Beyond its end: at its end.
pub(super) fn position(text: &str, offset: usize) -> Position {
    let mut end = offset.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let before = &text[..end];
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    Position {
        line: before.matches('\n').count() + 1,
        column: before[start..].chars().count() + 1,
    }
}

/// Launch text as it stands somewhere in the file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Launch {
    /// The text, without the quotes of TOML.
    pub(super) text: String,
    /// The offset in the file of the text's first byte.
    start: usize,
    /// False when TOML escapes stand in the file, so that only the start of the text can be named.
    verbatim: bool,
}

impl Launch {
    /// A whole file of launch text.
    pub(super) fn whole(text: &str) -> Launch {
        Launch {
            text: text.to_owned(),
            start: 0,
            verbatim: true,
        }
    }

    /// A TOML string whose value is `text` and which stands at `span` of `file`, quotes included.
    pub(super) fn in_toml(file: &str, span: Range<usize>, text: String) -> Launch {
        let at = file.get(span.clone()).and_then(|raw| raw.find(&text));
        Launch {
            start: span.start + at.unwrap_or(0),
            verbatim: at.is_some(),
            text,
        }
    }

    /// The offset in the file of byte `at` of the text.
    pub(super) fn offset(&self, at: usize) -> usize {
        if self.verbatim {
            self.start + at
        } else {
            self.start
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters() {
        let text = "a\näöx";
        let x = text.find('x').expect("it is there");
        assert_eq!(position(text, x), Position { line: 2, column: 3 });
        assert_eq!(position(text, 999), Position { line: 2, column: 4 });
        assert_eq!(position(text, 3), Position { line: 2, column: 1 });
    }

    #[test]
    fn escaped_toml_is_placed_at_its_start() {
        let file = r#"launch = "a\tb""#;
        let launch = Launch::in_toml(file, 9..15, "a\tb".into());
        assert_eq!(launch.offset(2), 9);
        let launch = Launch::in_toml("launch = 'a b'", 9..14, "a b".into());
        assert_eq!(launch.offset(2), 12);
    }
}
