// SPDX-License-Identifier: MIT OR Apache-2.0
//! The first look at a text from outside: limits and line shapes.

use super::{MAX_BYTES, MAX_LINE, MAX_MEDIA, SdpError};

/// Checks the text and returns the lines that are read later, one per `\r\n`.
///
/// Only `v o s t m a` lines are kept: the parser behind then never sees the rest of the grammar, of which nothing is used.
pub(super) fn scan(text: &str) -> Result<String, SdpError> {
    if text.len() > MAX_BYTES {
        return Err(SdpError::TooLong(text.len()));
    }
    let mut kept = String::with_capacity(text.len() + 64);
    let mut media = 0;
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        check_line(number, line)?;
        if number == 1 && line != "v=0" {
            return Err(SdpError::NoVersion);
        }
        if let Some(value) = line.strip_prefix("m=") {
            media += 1;
            check_media(number, value)?;
        }
        if media > MAX_MEDIA {
            return Err(SdpError::TooManyMedia(number));
        }
        if line.starts_with(['v', 'o', 's', 't', 'm', 'a']) {
            kept.push_str(line);
            kept.push_str("\r\n");
        }
    }
    match (kept.is_empty(), media) {
        (true, _) => Err(SdpError::NoVersion),
        (false, 0) => Err(SdpError::NoMedia),
        _ => Ok(kept),
    }
}

fn check_line(number: usize, line: &str) -> Result<(), SdpError> {
    if line.len() > MAX_LINE {
        return Err(SdpError::LineTooLong(number));
    }
    if line.bytes().any(|b| b < 0x20 && b != b'\t') {
        return Err(SdpError::ControlCharacter(number));
    }
    let mut letters = line.bytes();
    let shaped =
        letters.next().is_some_and(|b| b.is_ascii_lowercase()) && letters.next() == Some(b'=');
    // Blank lines are no SDP, but templates and shells like to leave some.
    if shaped || line.trim().is_empty() {
        Ok(())
    } else {
        wrong_line(number)
    }
}

fn wrong_line(number: usize) -> Result<(), SdpError> {
    Err(if number == 1 {
        SdpError::NoVersion
    } else {
        SdpError::NotALine(number)
    })
}

/// `<media> <port>[/<count>] <protocol> <format> …` (RFC 8866 §5.14).
fn check_media(line: usize, value: &str) -> Result<(), SdpError> {
    let wrong = |problem| Err(SdpError::MediaLine { line, problem });
    let mut words = value.split_ascii_whitespace();
    let (Some(_), Some(port), Some(_), Some(_)) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return wrong("a word is missing");
    };
    let (port, count) = port.split_once('/').unwrap_or((port, "1"));
    if !is_number(port) || port.parse::<u16>().is_err() {
        return wrong("the port is not from 0 to 65535");
    }
    if count != "1" {
        return wrong("the number of ports is not 1");
    }
    Ok(())
}

/// `u16::from_str` also takes a sign.
fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}
