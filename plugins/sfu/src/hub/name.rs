// SPDX-License-Identifier: MIT OR Apache-2.0
//! Names that people give.

use super::RequestError;

/// Longest name of a room, participant or track, in characters.
const LONGEST: usize = 64;

/// Whether a room may be called so: letters, digits, `-`, `_` and `.`.
pub(super) fn is_room(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    (1..=LONGEST).contains(&name.len()) && name.chars().all(fits) && name != "." && name != ".."
}

/// Takes a name of a participant or track as it is, or says why not.
pub(super) fn check(what: &'static str, name: &str) -> Result<(), RequestError> {
    let fits = (1..=LONGEST).contains(&name.chars().count())
        && !name.chars().any(char::is_control)
        && name.trim() == name;
    if fits {
        Ok(())
    } else {
        Err(RequestError::Name {
            what,
            name: name.chars().take(LONGEST).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_bounded() {
        assert!(
            is_room("a.b-c_D1")
                && !is_room("")
                && !is_room("..")
                && !is_room("a/b")
                && !is_room(&"a".repeat(65))
        );
        assert!(check("track", "Ünï code").is_ok() && check("track", &"ü".repeat(64)).is_ok());
        for wrong in ["", " a", "a\n", &"a".repeat(65)] {
            assert!(check("track", wrong).is_err(), "{wrong:?}");
        }
    }
}
