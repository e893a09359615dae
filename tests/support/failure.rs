// SPDX-License-Identifier: MIT OR Apache-2.0
//! Why a test failed, in words that a test's output shows unescaped.

use std::fmt;

/// What went wrong.
pub struct Failure(String);

/// What a test, and everything it calls, returns.
pub type Result<T = ()> = std::result::Result<T, Failure>;

impl Failure {
    /// A failure that says this.
    pub fn new(words: impl Into<String>) -> Failure {
        Failure(words.into())
    }

    /// The same failure with more to read below it.
    #[must_use]
    pub fn with(self, more: impl fmt::Display) -> Failure {
        Failure(format!("{}\n{more}", self.0))
    }
}

/// The test runner prints a returned error by `Debug`; quotes and `\n` would make it unreadable.
impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Failure {
        Failure(error.to_string())
    }
}

/// Returns from the test with a [`Failure`] in the words given.
#[macro_export]
macro_rules! fail {
    ($($words:tt)*) => {
        return Err($crate::Failure::new(format!($($words)*)))
    };
}

/// Fails with the words given unless the condition holds.
#[macro_export]
macro_rules! check {
    ($condition:expr, $($words:tt)*) => {
        if !$condition {
            $crate::fail!($($words)*);
        }
    };
}
