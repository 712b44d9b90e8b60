//! Error codes of the endpoint library, which applications see (transport.md 7.2,
//! streams.md 3.4). A compatible client gives its callers the same numbers.

/// What a server code or alert becomes, and codes that the client makes itself.
///
/// The high half names the module (1 core, 2 connection, 8 stream, F000 server), the low
/// half the error inside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EndpointCode(pub u32);

impl EndpointCode {
    /// A parameter that the call does not allow.
    pub const INVALID_PARAMS: Self = Self(0x0001_0002);
    /// A signature over data that does not verify.
    pub const INVALID_DATA_SIGNATURE: Self = Self(0x0001_0007);
    /// The user verifier refused the author.
    pub const USER_VERIFICATION_FAILED: Self = Self(0x0001_000E);
    /// A key entry that cannot be read.
    pub const MALFORMED_KEY: Self = Self(0x0001_0010);
    /// A key entry of a version that nobody knows.
    pub const UNKNOWN_KEY_VERSION: Self = Self(0x0001_0011);
    /// A key entry whose container does not match.
    pub const BAD_KEY_CONTAINER: Self = Self(0x0001_0012);
    /// An integrity object seen before.
    pub const DIO_DUPLICATED: Self = Self(0x0001_0013);
    /// An integrity object that cannot be read.
    pub const DIO_MALFORMED: Self = Self(0x0001_0014);
    /// An integrity object whose checksums do not match.
    pub const DIO_CHECKSUM: Self = Self(0x0001_0015);
    /// An integrity object of another key.
    pub const DIO_KEY_MISMATCH: Self = Self(0x0001_0016);
    /// An integrity object whose signature does not verify.
    pub const DIO_SIGNATURE: Self = Self(0x0001_0017);
    /// Public metadata that is not what was signed.
    pub const PUBLIC_DATA_MISMATCH: Self = Self(0x0001_0021);
    /// Metadata of a version that nobody knows.
    pub const BAD_DATA_VERSION: Self = Self(0x0001_0022);
    /// The bridge is too old.
    pub const SERVER_VERSION_MISMATCH: Self = Self(0x0002_0009);
    /// No connection to the bridge.
    pub const NOT_CONNECTED: Self = Self(0x0002_000E);
    /// A version that is not dotted integers.
    pub const VERSION_FORMAT: Self = Self(0xE003_0007);
    /// An answer that lacks a field or has one of the wrong type.
    pub const ANSWER_FORMAT: Self = Self(0xE003_0008);
    /// Room data of an unknown format.
    pub const UNKNOWN_ROOM_FORMAT: Self = Self(0x0008_0005);
    /// The media connection failed.
    pub const WEBRTC: Self = Self(0x0008_0009);
    /// A local track that does not exist.
    pub const INCORRECT_TRACK_ID: Self = Self(0x0008_000C);
    /// Nothing was subscribed to.
    pub const NOT_SUBSCRIBED: Self = Self(0x0008_000E);
    /// A second data track.
    pub const ONLY_ONE_DATA_TRACK: Self = Self(0x0008_0026);
    /// A message for a stream without data track.
    pub const DATA_TRACK_NOT_INITIALIZED: Self = Self(0x0008_0027);
    /// A stream handle that does not exist.
    pub const INCORRECT_STREAM_HANDLE: Self = Self(0x0008_000A);
    /// The key of a room failed its check during an update.
    pub const ROOM_KEY_VALIDATION: Self = Self(0x0008_0016);
    /// The data of a room failed its check.
    pub const ROOM_DATA_INTEGRITY: Self = Self(0x0008_0018);
    /// A subscription query that streams do not have.
    pub const INVALID_SUBSCRIPTION_QUERY: Self = Self(0x0008_0019);
    /// A room is gone when its streams changed.
    pub const NO_ROOM_ON_STREAMS_UPDATE: Self = Self(0x0008_001C);
    /// A TURN server with a bad URI.
    pub const INVALID_TURN_SERVER_URI: Self = Self(0x0008_001D);
    /// The room was not joined.
    pub const ROOM_CONNECTION_NOT_INITIALIZED: Self = Self(0x0008_0020);
    /// The stream was not created.
    pub const STREAM_HANDLE_NOT_INITIALIZED: Self = Self(0x0008_0021);
    /// The room already has a stream of this connection.
    pub const STREAM_ALREADY_PUBLISHED: Self = Self(0x0008_0022);
    /// No key to seal a message with.
    pub const NO_STREAM_ENCRYPTION_KEY: Self = Self(0x0008_0028);
    /// No key to open a message with.
    pub const NO_STREAM_DECRYPTION_KEY: Self = Self(0x0008_0029);
    /// A key id longer than a message can name.
    pub const INVALID_KEY_ID_LENGTH: Self = Self(0x0008_002A);
    /// A message shorter than its header.
    pub const INVALID_MESSAGE_HEADER_LENGTH: Self = Self(0x0008_002B);
    /// A message of a version that nobody knows.
    pub const UNSUPPORTED_MESSAGE_VERSION: Self = Self(0x0008_002C);
    /// The room was joined before.
    pub const ALREADY_JOINED: Self = Self(0x0008_002D);
    /// A message out of sequence.
    pub const INVALID_DATA_CHANNEL_SEQ: Self = Self(0x0008_002E);

    /// What an ALERT becomes.
    #[must_use]
    pub fn of_alert(text: &str) -> Self {
        if text == "User doesn't exist" { Self(0xF000_0009) } else { Self(0xF000_0000) }
    }
}

/// What the endpoint makes of a server's error code: positive ones move to `0xF0000000`,
/// JSON-RPC's negative ones keep their low half.
#[must_use]
pub const fn endpoint_code(server_code: i64) -> EndpointCode {
    let low = (server_code & 0xFFFF) as u32;
    if server_code < 0 { EndpointCode(0xFFFF_0000 | low) } else { EndpointCode(0xF000_0000 | low) }
}
