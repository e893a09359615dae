// SPDX-License-Identifier: MIT OR Apache-2.0
//! Identifiers. A node hands them out once for all of its workers, so an id means the same on each of them.

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
        pub struct $name(pub u32);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }
    };
}

id!(
    /// A named set of participants.
    RoomId, "r"
);
id!(
    /// One joined peer, or a local source published through a pad.
    ParticipantId, "p"
);
id!(
    /// One audio or video source of a participant.
    TrackId, "t"
);
id!(
    /// One peer connection: a transport with its ICE, DTLS and SRTP state.
    SessionId, "s"
);
