//! Why bytes are not PSON, or a value is not JSON.

/// Why a PSON text was refused. Carries no content, so it is safe to log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PsonError {
    /// The bytes end inside a value.
    #[error("the value is cut short")]
    Truncated,
    /// Bytes follow the value.
    #[error("bytes follow the value")]
    TrailingBytes,
    /// A variable-length integer does not fit its type.
    #[error("an integer is too long")]
    IntegerTooLong,
    /// Text that is not UTF-8.
    #[error("text is not UTF-8")]
    InvalidUtf8,
    /// A word that the dictionary does not have.
    #[error("no such word in the dictionary")]
    UnknownWord,
    /// The key of an object member is not text.
    #[error("the key of an object is not text")]
    KeyNotText,
    /// Values inside values beyond the limit.
    #[error("values are nested too deeply")]
    TooDeep,
    /// More values, or more bytes, than the limit.
    #[error("the value is too large")]
    TooLarge,
    /// Bytes where only JSON is wanted.
    #[error("bytes cannot be expressed in JSON")]
    BinaryInJson,
}
