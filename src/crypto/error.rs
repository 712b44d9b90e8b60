//! Why something could not be opened, with the code that official clients use for it.

/// Why a key, a signature or a sealed box was refused.
///
/// [`code`](Self::code) is the number that official clients report for the same failure; it
/// is what ends up in a room's `status_code`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CryptoError {
    /// Not a private or public key: wrong length, checksum, version or not on the curve.
    #[error("malformed key")]
    MalformedKey,
    /// A signature that is not 65 bytes, has a wrong header or is out of range.
    #[error("malformed signature")]
    MalformedSignature,
    /// A well-formed signature of something or somebody else.
    #[error("the signature does not match")]
    WrongSignature,
    /// The box is too short, or not in base64.
    #[error("malformed sealed data")]
    MalformedBox,
    /// The authentication tag or the padding is wrong: another key, or changed data.
    #[error("sealed data does not authenticate")]
    NotAuthentic,
    /// The first byte names a cipher that is not accepted.
    #[error("unsupported cipher type {0}")]
    UnsupportedCipher(u8),
    /// The box was sealed for another recipient.
    #[error("sealed for another recipient")]
    WrongRecipient,
    /// What is to be sealed does not fit the format.
    #[error("too long for the format")]
    TooLong,
    /// The author's user id and key do not belong together.
    #[error("the author could not be verified")]
    UserVerification,
    /// A key entry that cannot be unwrapped.
    #[error("malformed key entry")]
    MalformedKeyEntry,
    /// A key entry of a version that is not known.
    #[error("unknown key entry version")]
    UnknownKeyEntryVersion,
    /// A key entry that contains another key than it says.
    #[error("the key entry contains another key")]
    WrongKeyEntry,
    /// Two keys of a room claim to have been made in the same moment by the same act.
    #[error("two keys share one integrity object")]
    DuplicateDio,
    /// A data integrity object that cannot be read or lacks a field.
    #[error("malformed integrity object")]
    MalformedDio,
    /// A field is not what the integrity object says.
    #[error("a checksum of the integrity object does not match")]
    DioChecksum,
    /// A key entry whose integrity object speaks about another place.
    #[error("the key entry belongs to another place")]
    DioPlace,
    /// The integrity object is not signed by the author that it names.
    #[error("the integrity object is not signed by its author")]
    DioSignature,
    /// Public metadata and its readable copy differ.
    #[error("public metadata differs from its readable copy")]
    PublicMetaMismatch,
    /// Encrypted data in a version that is not known.
    #[error("unknown version of encrypted data")]
    UnknownDataVersion,
    /// A room in a format that is not known.
    #[error("unknown room format")]
    UnknownRoomFormat,
    /// An old key does not belong to the room, so it is not handed on.
    #[error("a key of the room failed validation")]
    RoomKeyValidation,
    /// Room contents that were made for another room, by another author or at another time.
    #[error("room contents and room do not belong together")]
    RoomIntegrity,
}

impl CryptoError {
    /// The status code of official clients (transport.md 7.2).
    #[must_use]
    pub const fn code(self) -> i64 {
        match self {
            Self::MalformedKey
            | Self::MalformedSignature
            | Self::MalformedBox
            | Self::WrongRecipient
            | Self::TooLong => 0xE0A1_0000,
            Self::NotAuthentic => 0xE0A1_0007,
            Self::UnsupportedCipher(_) => 0xE0A1_0016,
            Self::WrongSignature => 0x0001_0007,
            Self::UserVerification => 0x0001_000E,
            Self::MalformedKeyEntry => 0x0001_0010,
            Self::UnknownKeyEntryVersion => 0x0001_0011,
            Self::WrongKeyEntry => 0x0001_0012,
            Self::DuplicateDio => 0x0001_0013,
            Self::MalformedDio => 0x0001_0014,
            Self::DioChecksum => 0x0001_0015,
            Self::DioPlace => 0x0001_0016,
            Self::DioSignature => 0x0001_0017,
            Self::PublicMetaMismatch => 0x0001_0021,
            Self::UnknownDataVersion => 0x0001_0022,
            Self::UnknownRoomFormat => 0x0008_0005,
            Self::RoomKeyValidation => 0x0008_0016,
            Self::RoomIntegrity => 0x0008_0018,
        }
    }
}
