//! Ed25519 signatures: how operators' programs sign requests without sharing a secret.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ring::signature;

use super::CryptoError;

/// What comes before the key in a SubjectPublicKeyInfo: RFC 8410, the only encoding there is.
const SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
/// Bytes of a key.
const KEY_BYTES: usize = 32;

/// A public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ed25519Key([u8; KEY_BYTES]);

impl Ed25519Key {
    /// Reads a key in PEM (`-----BEGIN PUBLIC KEY-----`).
    ///
    /// # Errors
    ///
    /// [`CryptoError::MalformedKey`].
    pub fn from_pem(text: &str) -> Result<Self, CryptoError> {
        let body = text
            .trim()
            .strip_prefix("-----BEGIN PUBLIC KEY-----")
            .and_then(|rest| rest.strip_suffix("-----END PUBLIC KEY-----"))
            .ok_or(CryptoError::MalformedKey)?;
        let body: String = body.split_ascii_whitespace().collect();
        let der = BASE64_STANDARD.decode(body).map_err(|_| CryptoError::MalformedKey)?;
        let key = der.strip_prefix(&SPKI).ok_or(CryptoError::MalformedKey)?;
        key.try_into().map(Self).map_err(|_| CryptoError::MalformedKey)
    }

    /// Whether this key's owner signed `message`.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signed: &[u8]) -> bool {
        let key = signature::UnparsedPublicKey::new(&signature::ED25519, self.0);
        key.verify(message, signed).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8032, 7.1, test 2.
    const KEY: &str = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
    const SIGNATURE: &str = "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
                             085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";

    fn pem(der: &[u8]) -> String {
        let text = BASE64_STANDARD.encode(der);
        format!("-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n")
    }

    #[test]
    fn signatures_of_the_standard_are_verified() {
        let der = [&SPKI[..], &hex::decode(KEY).unwrap()].concat();
        let key = Ed25519Key::from_pem(&pem(&der)).unwrap();
        let signed = hex::decode(SIGNATURE).unwrap();
        assert!(key.verifies(&[0x72], &signed));
        assert!(!key.verifies(&[0x73], &signed));
        assert!(!key.verifies(&[0x72], &signed[..63]));
        assert!(!key.verifies(&[0x72], &[]));
    }

    #[test]
    fn other_keys_are_refused() {
        let mut der = [&SPKI[..], &[7; 32]].concat();
        assert!(Ed25519Key::from_pem(&pem(&der)).is_ok());
        assert!(Ed25519Key::from_pem(&pem(&der[..43])).is_err());
        der[8] = 0x71;
        for text in [pem(&der), String::new(), "-----BEGIN PUBLIC KEY-----".to_owned()] {
            assert!(Ed25519Key::from_pem(&text).is_err(), "{text}");
        }
    }
}
