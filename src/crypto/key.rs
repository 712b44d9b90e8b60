//! Identities: secp256k1 key pairs and their text forms.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::fmt;
use std::hash::Hash;
use std::hash::Hasher;

use k256::NonZeroScalar;
use k256::ecdsa::SigningKey;
use k256::ecdsa::VerifyingKey;
use rand::CryptoRng;
use zeroize::Zeroizing;

use super::base58;
use super::error::CryptoError;
use super::hash;
use crate::model::Secret;

const WIF_VERSION: u8 = 0x80;
/// Ends a WIF whose public key is meant in compressed form; they all are.
const WIF_COMPRESSED: u8 = 0x01;
const ADDRESS_VERSION: u8 = 0x00;

/// Length of a compressed point.
pub const PUBLIC_KEY_BYTES: usize = 33;
const UNCOMPRESSED_BYTES: usize = 65;
const UNCOMPRESSED_TAG: u8 = 0x04;

/// The secret half of an identity. Not `Clone`; share it in an `Arc`.
pub struct PrivateKey {
    key: SigningKey,
    public: PublicKey,
}

impl PrivateKey {
    /// Makes a new identity.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        let mut bytes = Zeroizing::new([0; 32]);
        loop {
            // Practically every 256-bit number is a valid key.
            rng.fill_bytes(bytes.as_mut_slice());
            if let Ok(key) = Self::from_bytes(&bytes) {
                return key;
            }
        }
    }

    /// The key with this number, big-endian.
    ///
    /// # Errors
    ///
    /// [`CryptoError::MalformedKey`] if it is zero or not below the order of the curve.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, CryptoError> {
        let key = SigningKey::from_bytes(bytes.into()).map_err(|_| CryptoError::MalformedKey)?;
        let public = PublicKey::new(*key.verifying_key());
        Ok(Self { key, public })
    }

    /// The number, big-endian.
    #[must_use]
    pub fn to_bytes(&self) -> Secret<[u8; 32]> {
        Secret::new(self.key.to_bytes().into())
    }

    /// Reads WIF, with or without the marker of compression.
    ///
    /// # Errors
    ///
    /// [`CryptoError::MalformedKey`] if the text is anything else.
    pub fn from_wif(wif: &str) -> Result<Self, CryptoError> {
        let payload = base58::decode(wif)?;
        let (version, rest) = payload.split_first().ok_or(CryptoError::MalformedKey)?;
        let number = match rest {
            [number @ .., WIF_COMPRESSED] if rest.len() == 33 => number,
            number => number,
        };
        let number: &[u8; 32] = number.try_into().map_err(|_| CryptoError::MalformedKey)?;
        if *version != WIF_VERSION {
            return Err(CryptoError::MalformedKey);
        }
        Self::from_bytes(number)
    }

    /// Writes WIF.
    #[must_use]
    pub fn to_wif(&self) -> Secret<String> {
        let number = self.to_bytes();
        let mut payload = Zeroizing::new([0; 34]);
        let [version, middle @ .., marker] = &mut *payload;
        *version = WIF_VERSION;
        middle.copy_from_slice(number.expose());
        *marker = WIF_COMPRESSED;
        Secret::new(base58::encode(payload.as_slice()))
    }

    /// The half that may be shown to everybody.
    #[must_use]
    pub const fn public_key(&self) -> &PublicKey {
        &self.public
    }

    pub(super) const fn signing_key(&self) -> &SigningKey {
        &self.key
    }

    pub(super) fn scalar(&self) -> &NonZeroScalar {
        self.key.as_nonzero_scalar()
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey([secret] of {})", self.public)
    }
}

/// The public half of an identity; shown as base58check of its 33 bytes.
#[derive(Clone)]
pub struct PublicKey {
    key: VerifyingKey,
    sec1: [u8; PUBLIC_KEY_BYTES],
}

impl PublicKey {
    fn new(key: VerifyingKey) -> Self {
        Self { key, sec1: k256::CompressedPoint::from(&key).into() }
    }

    /// Reads a point of 33 bytes (compressed) or 65 (uncompressed).
    ///
    /// # Errors
    ///
    /// [`CryptoError::MalformedKey`] if that is no point of the curve.
    pub fn from_sec1(bytes: &[u8]) -> Result<Self, CryptoError> {
        let known = match bytes {
            [0x02 | 0x03, ..] => bytes.len() == PUBLIC_KEY_BYTES,
            [UNCOMPRESSED_TAG, ..] => bytes.len() == UNCOMPRESSED_BYTES,
            _ => false,
        };
        if !known {
            return Err(CryptoError::MalformedKey);
        }
        let key = VerifyingKey::from_sec1_bytes(bytes).map_err(|_| CryptoError::MalformedKey)?;
        Ok(Self::new(key))
    }

    /// The compressed point.
    #[must_use]
    pub const fn to_sec1(&self) -> [u8; PUBLIC_KEY_BYTES] {
        self.sec1
    }

    /// Reads the text form.
    ///
    /// # Errors
    ///
    /// [`CryptoError::MalformedKey`] if it is mistyped or no point of the curve.
    pub fn from_base58(text: &str) -> Result<Self, CryptoError> {
        Self::from_sec1(&base58::decode(text)?)
    }

    /// The text form: what is signed, stored and sent in JSON.
    #[must_use]
    pub fn to_base58(&self) -> String {
        base58::encode(&self.sec1)
    }

    /// A short form that people can compare by voice.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        let [a, b, c, d, e, f, g, h, ..] = hash::sha256(&self.sec1);
        Fingerprint([a, b, c, d, e, f, g, h])
    }

    /// The Bitcoin address of the key, which official tools print.
    #[must_use]
    pub fn address(&self) -> String {
        let mut payload = [0; 21];
        let [version, rest @ ..] = &mut payload;
        *version = ADDRESS_VERSION;
        rest.copy_from_slice(&hash::hash160(&self.sec1));
        base58::encode(&payload)
    }

    pub(super) const fn verifying_key(&self) -> &VerifyingKey {
        &self.key
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.sec1 == other.sec1
    }
}

impl Eq for PublicKey {}

impl Hash for PublicKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.sec1.hash(state);
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_base58())
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

/// The first eight bytes of the SHA-256 of a public key, shown as `4f2a 91c0 77b1 03de`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub [u8; 8]);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g, h, i] = self.0;
        write!(f, "{a:02x}{b:02x} {c:02x}{d:02x} {e:02x}{g:02x} {h:02x}{i:02x}")
    }
}
