//! Base58check: text for bytes, with four bytes of checksum against typing errors.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use zeroize::Zeroizing;

use super::error::CryptoError;
use super::hash;

const CHECKSUM_BYTES: usize = 4;

/// Nothing that we decode is longer: an uncompressed key takes 95 characters. The cost of
/// decoding grows with the square of the length, so longer text is refused unread.
const MAX_CHARS: usize = 128;

fn checksum(payload: &[u8]) -> [u8; 32] {
    hash::sha256(&hash::sha256(payload))
}

/// Encodes `payload` and its checksum.
#[must_use]
pub fn encode(payload: &[u8]) -> String {
    let mut bytes =
        Zeroizing::new(Vec::with_capacity(payload.len().saturating_add(CHECKSUM_BYTES)));
    bytes.extend_from_slice(payload);
    bytes.extend(checksum(payload).iter().take(CHECKSUM_BYTES));
    bs58::encode(bytes.as_slice()).into_string()
}

/// Decodes text of at most 128 characters and checks the checksum.
///
/// # Errors
///
/// [`CryptoError::MalformedKey`] if the text is too long, not base58, or mistyped.
pub fn decode(text: &str) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
    if text.len() > MAX_CHARS {
        return Err(CryptoError::MalformedKey);
    }
    let bytes = bs58::decode(text).into_vec().map_err(|_| CryptoError::MalformedKey)?;
    let mut bytes = Zeroizing::new(bytes);
    let (payload, sum) =
        bytes.split_last_chunk::<CHECKSUM_BYTES>().ok_or(CryptoError::MalformedKey)?;
    if !checksum(payload).starts_with(sum) {
        return Err(CryptoError::MalformedKey);
    }
    let length = payload.len();
    bytes.truncate(length);
    Ok(bytes)
}
