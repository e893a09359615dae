// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a running pipeline tells its user: one line for each event.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

/// Something that happened, and when.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// Time of day in UTC, in seconds.
    seconds: u64,
    text: String,
}

impl Line {
    pub(super) fn now(text: impl Into<String>) -> Line {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        Line {
            seconds: since.map_or(0, |since| since.as_secs() % 86_400),
            text: text.into(),
        }
    }

    /// What happened.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (hours, rest) = (self.seconds / 3600, self.seconds % 3600);
        // Names come from the network; none of them shall move the cursor.
        let text = self.text.replace(char::is_control, " ");
        write!(f, "{hours:02}:{:02}:{:02} {text}", rest / 60, rest % 60)
    }
}
