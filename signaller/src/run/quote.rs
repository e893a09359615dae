// SPDX-License-Identifier: MIT OR Apache-2.0
//! Quoting: for GStreamer's parser, and for a shell.

/// Whether a value may stand anywhere without changing what the text around it means.
pub(super) fn plain(value: &str) -> bool {
    !value.is_empty()
        && value
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "_+-.:/@%,".contains(c))
}

/// A value as one word of launch text that GStreamer reads back as the same value.
///
/// Two steps of GStreamer take something away: the parser takes backslashes, and the string it leaves is unwrapped once more
/// if it has quotes around it (and is no string at all if it is `NULL`). A backslash at the end of a word would
/// also swallow the blank behind it. So what has either is wrapped, with backslashes in octal.
pub(super) fn quoted(value: &str) -> String {
    if value.is_empty() {
        return "\"\"".to_owned();
    }
    let in_quotes = value.len() > 1 && value.starts_with('"') && value.ends_with('"');
    if value.contains('\\') || value == "NULL" || value == "\"" || in_quotes {
        return escaped(&wrapped(value));
    }
    escaped(value)
}

/// What GStreamer unwraps: in quotes, with everything unusual as `\ooo`.
fn wrapped(value: &str) -> String {
    let mut out = String::from("\"");
    for byte in value.bytes() {
        match byte {
            b'\\' | b'"' | 0x80.. => out.push_str(&format!("\\{byte:03o}")),
            _ => out.push(char::from(byte)),
        }
    }
    out.push('"');
    out
}

fn escaped(value: &str) -> String {
    let mut out = String::new();
    for c in value.chars() {
        if !(c.is_alphanumeric() || "_+-.:/@%,=*".contains(c)) && c.is_ascii() {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// A literal value of launch text without its quotes and backslashes.
pub(super) fn unquoted(raw: &str) -> String {
    unescaped(inside(raw))
}

/// A value without the quotes around it.
pub(super) fn inside(raw: &str) -> &str {
    let inside = |quote: char| raw.strip_prefix(quote)?.strip_suffix(quote);
    inside('"').or_else(|| inside('\'')).unwrap_or(raw)
}

/// Text without its backslashes.
pub(super) fn unescaped(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        out.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    out
}

/// A word that a shell reads as one.
pub(super) fn for_shell(word: &str) -> String {
    if !word.is_empty() && word.chars().all(plain_in_shell) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

fn plain_in_shell(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_+-.:/@%,=".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shells_read_one_word() {
        assert_eq!(for_shell("width=320"), "width=320");
        assert_eq!(for_shell("a b"), "'a b'");
        assert_eq!(for_shell("!"), "'!'");
        assert_eq!(for_shell("it's"), "'it'\\''s'");
    }
}
