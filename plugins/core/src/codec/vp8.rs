// SPDX-License-Identifier: MIT OR Apache-2.0
//! VP8.

use super::{Description, Format, rewrite_nothing};
use crate::media::MediaKind;

pub(super) const FORMAT: Format = Format {
    name: "VP8",
    kind: MediaKind::Video,
    clock_rate: 90_000,
    describe,
    rewrite: rewrite_nothing,
};

fn describe(_payload: &[u8]) -> Description {
    Description::default()
}
