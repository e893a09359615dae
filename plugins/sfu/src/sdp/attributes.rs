// SPDX-License-Identifier: MIT OR Apache-2.0
//! The attributes of a section as pairs, and small readers of their values.

use gst_sdp::{SDPMediaRef, SDPMessageRef};

/// All `a=<key>[:<value>]` of an m-line, in order; the value is empty where there is none.
pub(super) fn of_media(media: &SDPMediaRef) -> impl Iterator<Item = (&str, &str)> {
    media
        .attributes()
        .map(|a| (a.key(), a.value().unwrap_or_default().trim()))
}

/// All attributes above the first m-line.
pub(super) fn of_session(message: &SDPMessageRef) -> impl Iterator<Item = (&str, &str)> {
    message
        .attributes()
        .map(|a| (a.key(), a.value().unwrap_or_default().trim()))
}

/// The first word and what follows it.
pub(super) fn split_word(value: &str) -> (&str, &str) {
    match value.split_once([' ', '\t']) {
        Some((word, rest)) => (word, rest.trim_start()),
        None => (value, ""),
    }
}

/// A token of RFC 8866 §9.
pub(super) fn is_token(text: &str) -> bool {
    let ok = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`{|}~".contains(&b);
    !text.is_empty() && text.bytes().all(ok)
}
