// SPDX-License-Identifier: MIT OR Apache-2.0
//! Words that prove something, and so must not be shown.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Deref;

/// A token, password or resume string. In JSON it is a string as any other; in logs it is not.
#[derive(Clone, Default, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

/// Takes the same time wherever the difference is.
impl PartialEq for Secret {
    fn eq(&self, other: &Secret) -> bool {
        let (ours, theirs) = (self.0.as_bytes(), other.0.as_bytes());
        ours.len() == theirs.len() && openssl::memcmp::eq(ours, theirs)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

impl Deref for Secret {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<T: Into<String>> From<T> for Secret {
    fn from(text: T) -> Secret {
        Secret(text.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_compared_and_written_but_not_shown() {
        let secret = Secret::from("hunter2");
        assert!(secret == Secret::from("hunter2") && secret != Secret::from("hunter3"));
        assert_eq!(serde_json::to_string(&secret).expect("JSON"), "\"hunter2\"");
        assert!(!format!("{secret:?}").contains("hunter"));
    }
}
