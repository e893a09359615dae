// SPDX-License-Identifier: MIT OR Apache-2.0
//! Header extension elements (RFC 8285 §4).

/// Profile of the one-byte form (RFC 8285 §4.2).
pub const ONE_BYTE_PROFILE: u16 = 0xBEDE;
/// Profile of the two-byte form without its four application bits (RFC 8285 §4.3).
pub const TWO_BYTE_PROFILE: u16 = 0x1000;

#[derive(Clone, Copy, PartialEq, Debug)]
enum Form {
    OneByte,
    TwoByte,
}

/// Iterates over `(id, data)` of a header extension. Ends at the first malformed element.
#[derive(Clone, Debug)]
pub struct Extensions<'a> {
    form: Form,
    rest: &'a [u8],
}

impl<'a> Extensions<'a> {
    /// `data` is what follows the profile and length fields. Empty for unknown profiles.
    pub fn new(profile: u16, data: &'a [u8]) -> Self {
        match profile {
            ONE_BYTE_PROFILE => Extensions {
                form: Form::OneByte,
                rest: data,
            },
            _ if profile & 0xFFF0 == TWO_BYTE_PROFILE => Extensions {
                form: Form::TwoByte,
                rest: data,
            },
            _ => Extensions {
                form: Form::OneByte,
                rest: &[],
            },
        }
    }

    /// Splits id and length off, and the bytes they took; `None` at the end.
    fn element_head(&self) -> Option<(u8, usize, usize)> {
        let first = *self.rest.first()?;
        match self.form {
            Form::OneByte => Some((first >> 4, usize::from(first & 0x0F) + 1, 1)),
            Form::TwoByte => Some((first, usize::from(*self.rest.get(1)?), 2)),
        }
    }

    fn end(&mut self) -> Option<(u8, &'a [u8])> {
        self.rest = &[];
        None
    }
}

impl<'a> Iterator for Extensions<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        // Zero bytes between elements are padding, in both forms one byte each (RFC 8285 §4.1).
        let padding = self.rest.iter().take_while(|byte| **byte == 0).count();
        self.rest = &self.rest[padding..];
        let Some((id, length, head)) = self.element_head() else {
            return self.end();
        };
        // In the one-byte form an id of 15, or of 0 with a length, ends the whole extension (RFC 8285 §4.2).
        if self.form == Form::OneByte && matches!(id, 0 | 15) {
            return self.end();
        }
        let Some(data) = self.rest.get(head..head + length) else {
            return self.end();
        };
        self.rest = &self.rest[head + length..];
        Some((id, data))
    }
}
