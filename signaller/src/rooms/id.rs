// SPDX-License-Identifier: MIT OR Apache-2.0
//! Names and ids.

use super::refusal::{Code, Refusal};
use crate::protocol::Secret;
use std::fmt;
use std::sync::Arc;

/// A WebSocket connection, numbered by whoever owns the socket.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ConnectionId(pub u64);

/// An HTTP exchange that waits for its reply.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct HttpId(pub u64);

macro_rules! string_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The text of it.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// Takes an id from a message: `[A-Za-z0-9_-]{1,64}`.
            pub fn parse(text: &str) -> Option<Self> {
                is_id(text).then(|| Self(text.into()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0.as_ref().to_owned()
            }
        }
    };
}

string_id!(
    /// A participant. Public within its room.
    ParticipantId
);
string_id!(
    /// A media node. Known to the node alone: it is its proof when it resumes.
    NodeId
);
string_id!(
    /// A session. Known to the node and, for WHIP and WHEP, to the client: it is the proof in its URL.
    SessionId
);

/// The name of a room: `[A-Za-z0-9_.-]{1,64}`, neither `.` nor `..`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RoomName(Arc<str>);

impl RoomName {
    /// Checks the name.
    ///
    /// # Errors
    /// [`Code::BadRoom`].
    pub fn parse(text: &str) -> Result<RoomName, Refusal> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        if (1..=64).contains(&text.len())
            && text.chars().all(allowed)
            && text != "."
            && text != ".."
        {
            return Ok(RoomName(text.into()));
        }
        Err(Refusal::new(
            Code::BadRoom,
            "the room name must have 1 to 64 characters of A-Z a-z 0-9 _ . - (and not be . or ..); choose another one",
        ))
    }

    /// The text of it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RoomName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&RoomName> for String {
    fn from(name: &RoomName) -> String {
        name.0.as_ref().to_owned()
    }
}

/// Checks the name of a participant: 1 to 64 characters, none a control character, no space at either end.
///
/// # Errors
/// [`Code::BadName`].
pub fn check_name(name: &str) -> Result<(), Refusal> {
    let invisible = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    let length = name.chars().take(65).count();
    if (1..=64).contains(&length) && !name.contains(invisible) && name.trim() == name {
        return Ok(());
    }
    Err(Refusal::new(
        Code::BadName,
        "a participant name must have 1 to 64 visible characters and no space at either end; choose another one",
    ))
}

fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
}

/// Where ids come from: 128 random bits a call.
pub struct IdSource(Box<dyn FnMut() -> u128 + Send>);

impl IdSource {
    /// Ids from the operating system's generator.
    pub fn random() -> IdSource {
        IdSource(Box::new(rand::random))
    }

    /// Ids from anything else, for tests.
    pub fn from_fn(source: impl FnMut() -> u128 + Send + 'static) -> IdSource {
        IdSource(Box::new(source))
    }

    pub(super) fn participant(&mut self) -> ParticipantId {
        ParticipantId(format!("p{:012x}", (self.0)() >> 80).into())
    }

    pub(super) fn node(&mut self) -> NodeId {
        NodeId(format!("n{:032x}", (self.0)()).into())
    }

    pub(super) fn session(&mut self) -> SessionId {
        SessionId(format!("{:032x}", (self.0)()).into())
    }

    pub(super) fn secret(&mut self) -> Secret {
        format!("{:032x}", (self.0)()).into()
    }
}

impl fmt::Debug for IdSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdSource")
    }
}
