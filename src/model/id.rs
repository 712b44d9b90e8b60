//! Identifiers, one type each, so that a room id can't be passed where a user id is meant.

use std::fmt;

macro_rules! text_id {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub String);

        impl $name {
            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

macro_rules! number_id {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub i64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

text_id! {
    /// A Solution: one customer application of a bridge. A UUID on real bridges.
    SolutionId;
    /// A Context: the set of users that can share rooms.
    ContextId;
    /// A Stream Room. 24 hex digits on real bridges; any text of 1 to 128 characters is legal.
    StreamRoomId;
    /// A user of a Context, unique within it; 1 to 128 characters.
    UserId;
    /// The UUID that a room's creator gave it; signed into everything the room contains.
    ResourceId;
    /// A container key: 32 hex digits when made by an official client.
    KeyId;
    /// A subscription of this session to a channel of events.
    SubscriptionId;
    /// A track of a published stream: the `mid` of the publisher's m-line.
    TrackId;
    /// A recording that a bridge made: 24 hex digits.
    RecordingId;
    /// A track staged on a local stream handle; never on the wire.
    LocalTrackId;
}

number_id! {
    /// A published stream: the SFU's publisher id, at least 1.
    StreamId;
    /// One of the two media sessions of a joined room, up to 2^53.
    SessionId;
    /// A local stream, from `create_stream` to `unpublish_stream`; never on the wire.
    StreamHandle;
}
