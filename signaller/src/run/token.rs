// SPDX-License-Identifier: MIT OR Apache-2.0
//! Launch syntax cut into words, with their places.
//!
//! As GStreamer's own scanner (`gst/parse/parse.l`) cuts it, and with two things more: comments from a `#` at the start
//! of a word to the end of its line, and `${variables}`, which may stand wherever a letter may.

use std::ops::Range;

/// What a word is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Token {
    /// `!` or `:`.
    Link,
    /// The caps between two links.
    Caps,
    /// `(`, `name.(` or `name(`: a bin begins.
    Open,
    /// `)`.
    Close,
    /// `,` or `;`.
    List,
    /// The name of an element's factory.
    Element,
    /// `name=value`; the value with its quotes.
    Assign {
        /// The name.
        name: Range<usize>,
        /// The value.
        value: Range<usize>,
    },
    /// `element.` or `element.pad` or `.pad`.
    Reference {
        /// The element, perhaps empty.
        element: Range<usize>,
        /// The pad, perhaps empty.
        pad: Range<usize>,
    },
    /// `${name}` alone.
    Variable,
    /// Addresses, presets and whatever else; GStreamer decides.
    Word,
}

/// A token and where it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Spanned {
    /// What it is.
    pub(super) token: Token,
    /// Where it is.
    pub(super) at: Range<usize>,
}

/// Something that cannot be cut.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Uncut {
    /// Where it begins.
    pub(super) at: usize,
    /// What is wrong.
    pub(super) message: &'static str,
    /// What to do.
    pub(super) help: &'static str,
}

/// What stands around a piece of launch text.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Around {
    /// A link is before it.
    pub(super) linked_before: bool,
    /// A link comes after it.
    pub(super) linked_after: bool,
}

/// Cuts launch text into tokens.
pub(super) fn tokens(text: &str, around: Around) -> Result<Vec<Spanned>, Uncut> {
    let mut scanner = Scanner {
        text,
        at: 0,
        linked_after: around.linked_after,
    };
    let mut tokens: Vec<Spanned> = Vec::new();
    loop {
        scanner.skip_blank_and_comments();
        if scanner.rest().is_empty() {
            return Ok(tokens);
        }
        let linked = tokens
            .last()
            .map_or(around.linked_before, |last| last.token == Token::Link);
        let start = scanner.at;
        let token = scanner.token(linked)?;
        tokens.push(Spanned {
            token,
            at: start..scanner.at,
        });
    }
}

/// The end of the variable that begins at the start of `text`: behind its `}`.
pub(super) fn variable_end(text: &str) -> Option<usize> {
    text.strip_prefix("${")?.find('}').map(|at| at + 3)
}

struct Scanner<'t> {
    text: &'t str,
    at: usize,
    /// A link comes after the text.
    linked_after: bool,
}

impl<'t> Scanner<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn skip(&mut self, condition: impl Fn(char) -> bool) {
        let rest = self.rest();
        self.at += rest.find(|c| !condition(c)).unwrap_or(rest.len());
    }

    fn skip_blank_and_comments(&mut self) {
        self.skip(is_blank);
        while self.peek() == Some('#') {
            self.skip(|c| c != '\n');
            self.skip(is_blank);
        }
    }

    fn token(&mut self, linked: bool) -> Result<Token, Uncut> {
        if linked && is_media_type(self.rest()) {
            return self.caps();
        }
        let single = match self.peek() {
            Some('!' | ':') => Some(Token::Link),
            Some('(') => Some(Token::Open),
            Some(')') => Some(Token::Close),
            Some(',' | ';') => Some(Token::List),
            _ => None,
        };
        if let Some(token) = single {
            self.at += 1;
            return Ok(token);
        }
        if self.peek() == Some('.') {
            let start = self.at;
            self.at += 1;
            return Ok(self.pad_of(start..start));
        }
        self.word()
    }

    /// Caps reach to the next `!`, whatever is in between.
    fn caps(&mut self) -> Result<Token, Uncut> {
        let start = self.at;
        let mut escaped = false;
        self.skip_while(|c| {
            let ends = c == '!' && !escaped;
            escaped = c == '\\' && !escaped;
            !ends
        });
        if self.peek().is_none() && !self.linked_after {
            return Err(Uncut {
                at: start,
                message: "caps must stand between two links",
                help: "write `! CAPS ! ELEMENT`",
            });
        }
        self.at = start + self.text[start..self.at].trim_end().len();
        Ok(Token::Caps)
    }

    fn skip_while(&mut self, mut condition: impl FnMut(char) -> bool) {
        let rest = self.rest();
        self.at += rest.find(|c| !condition(c)).unwrap_or(rest.len());
    }

    fn word(&mut self) -> Result<Token, Uncut> {
        let name = self.identifier()?;
        if name.is_empty() {
            self.skip_to_blank()?;
            return Ok(Token::Word);
        }
        let blank = self.rest().len() - self.rest().trim_start().len();
        if self.rest()[blank..].starts_with('=') {
            self.at += blank + 1;
            self.skip(is_blank);
            let value = self.value()?;
            return Ok(Token::Assign { name, value });
        }
        match self.peek() {
            Some('.') => {
                self.at += 1;
                Ok(self.pad_of(name))
            }
            Some('(') => {
                self.at += 1;
                Ok(Token::Open)
            }
            None | Some('!' | ')' | ',' | ';') => Ok(self.element(&name)),
            Some(c) if is_blank(c) => Ok(self.element(&name)),
            Some(_) => {
                self.skip_to_blank()?;
                Ok(Token::Word)
            }
        }
    }

    fn element(&self, name: &Range<usize>) -> Token {
        let word = &self.text[name.clone()];
        if variable_end(word) == Some(word.len()) {
            Token::Variable
        } else {
            Token::Element
        }
    }

    /// What follows the dot of a reference.
    fn pad_of(&mut self, element: Range<usize>) -> Token {
        let behind = self.rest().trim_start();
        if behind.starts_with('(') {
            self.at = self.text.len() - behind.len() + 1;
            return Token::Open;
        }
        let start = self.at;
        // An unfinished variable is found when the word is filled in.
        let pad = self.identifier().unwrap_or(start..start);
        Token::Reference { element, pad }
    }

    /// `[A-Za-z0-9_][A-Za-z0-9_%:-]*`, with variables.
    fn identifier(&mut self) -> Result<Range<usize>, Uncut> {
        let start = self.at;
        loop {
            let first = self.at == start;
            match self.peek() {
                Some('$') if self.rest().starts_with("${") => self.variable()?,
                Some(c) if c.is_ascii_alphanumeric() || c == '_' => self.at += 1,
                Some('-' | '%' | ':') if !first => self.at += 1,
                _ => return Ok(start..self.at),
            }
        }
    }

    fn variable(&mut self) -> Result<(), Uncut> {
        let end = variable_end(self.rest()).ok_or(Uncut {
            at: self.at,
            message: "this variable has no end",
            help: "write ${NAME}; for a dollar sign itself write $$",
        })?;
        self.at += end;
        Ok(())
    }

    /// A value: quoted, or up to the next blank that has no backslash before it.
    fn value(&mut self) -> Result<Range<usize>, Uncut> {
        let start = self.at;
        match self.peek() {
            Some(quote @ ('"' | '\'')) => self.quoted(quote)?,
            _ => self.skip_to_blank()?,
        }
        Ok(start..self.at)
    }

    fn quoted(&mut self, quote: char) -> Result<(), Uncut> {
        let start = self.at;
        self.at += 1;
        let mut escaped = false;
        self.skip_while(|c| {
            let ends = c == quote && !escaped;
            escaped = c == '\\' && !escaped;
            !ends
        });
        if self.peek().is_none() {
            return Err(Uncut {
                at: start,
                message: "this quote is never closed",
                help: "close it, or put a backslash before it",
            });
        }
        self.at += 1;
        Ok(())
    }

    fn skip_to_blank(&mut self) -> Result<(), Uncut> {
        while let Some(c) = self.peek().filter(|c| !is_blank(*c)) {
            if self.rest().starts_with("${") {
                self.variable()?;
                continue;
            }
            self.at += c.len_utf8();
            if c == '\\' {
                self.at += self.peek().map_or(0, char::len_utf8);
            }
        }
        Ok(())
    }
}

/// What `isspace` of the C locale says.
fn is_blank(c: char) -> bool {
    c.is_ascii_whitespace() || c == '\u{b}'
}

/// Whether caps begin here: `video/x-raw`, and not the path or address that it may look like.
fn is_media_type(text: &str) -> bool {
    let of_name = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let Some((kind, rest)) = text.split_once('/') else {
        return false;
    };
    !kind.is_empty() && kind.chars().all(of_name) && rest.starts_with(of_name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cut(text: &str) -> Vec<(&'static str, &str)> {
        let tokens = tokens(text, Around::default()).expect("it can be cut");
        let word = |spanned: &Spanned| {
            let kind = match spanned.token {
                Token::Link => "link",
                Token::Caps => "caps",
                Token::Open => "open",
                Token::Close => "close",
                Token::List => "list",
                Token::Element => "element",
                Token::Assign { .. } => "assign",
                Token::Reference { .. } => "reference",
                Token::Variable => "variable",
                Token::Word => "word",
            };
            (kind, &text[spanned.at.clone()])
        };
        tokens.iter().map(word).collect()
    }

    #[test]
    fn a_line_is_cut_as_gstreamer_cuts_it() {
        let text = "videotestsrc is-live = true # live\n ! video/x-raw, width=320 ! ${enc} ! mux. \
                    sfu.video_${p} ! queue name=\"a b\" ! bin.( a ! b ) rtsp://h/p ! .sink x.y , x.z";
        assert_eq!(
            cut(text),
            [
                ("element", "videotestsrc"),
                ("assign", "is-live = true"),
                ("link", "!"),
                ("caps", "video/x-raw, width=320"),
                ("link", "!"),
                ("variable", "${enc}"),
                ("link", "!"),
                ("reference", "mux."),
                ("reference", "sfu.video_${p}"),
                ("link", "!"),
                ("element", "queue"),
                ("assign", "name=\"a b\""),
                ("link", "!"),
                ("open", "bin.("),
                ("element", "a"),
                ("link", "!"),
                ("element", "b"),
                ("close", ")"),
                ("word", "rtsp://h/p"),
                ("link", "!"),
                ("reference", ".sink"),
                ("reference", "x.y"),
                ("list", ","),
                ("reference", "x.z"),
            ]
        );
    }

    #[test]
    fn a_hash_inside_a_word_is_no_comment() {
        assert_eq!(
            cut("x color=#ff0000\\ b # c"),
            [("element", "x"), ("assign", "color=#ff0000\\ b")]
        );
    }

    #[test]
    fn what_never_ends_is_told_with_its_place() {
        for (text, at) in [
            ("x a=\"b", 4),
            ("x a=${b", 4),
            ("a ! video/x-raw", 4),
            ("${", 0),
        ] {
            let uncut = tokens(text, Around::default()).expect_err("never ends");
            assert_eq!(uncut.at, at, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_text_is_cut_or_refused(text in r#"[ a-z!:.,;()=\\"'$#{}/0-9\n-]{0,60}|\PC{0,40}"#) {
            if let Ok(tokens) = tokens(&text, Around::default()) {
                let mut end = 0;
                for spanned in tokens {
                    prop_assert!(spanned.at.start >= end && spanned.at.end > spanned.at.start);
                    end = spanned.at.end;
                }
            }
        }
    }
}
