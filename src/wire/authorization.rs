//! The `Authorization` header of the management interface (transport.md 10).

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use crate::crypto::hash;
use crate::model::Timestamp;

const HMAC_SCHEME: &str = "pmx-hmac-sha256";
/// Version of the signed text.
const HMAC_VERSION: &str = "1";
/// How much of the HMAC is sent.
const HMAC_BYTES: usize = 20;
/// How far the clocks may be apart: 10 minutes in ms.
const SKEW_MAX_MS: u64 = 600_000;
/// Longest nonce.
const NONCE_MAX: usize = 128;
/// Longer headers are not looked at.
const HEADER_MAX: usize = 4096;

/// How a caller of the management interface proves who it is.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Authorization {
    /// API key id and its secret.
    Basic {
        /// Which API key.
        id: String,
        /// Its secret.
        secret: String,
    },
    /// An access token.
    Bearer(String),
    /// API key id and a signature by its secret over the request.
    Hmac(HmacAuthorization),
}

/// A signature over one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HmacAuthorization {
    /// Which API key.
    pub id: String,
    /// When it was signed.
    pub timestamp: Timestamp,
    /// Used once.
    pub nonce: String,
    /// Base64 of the cut HMAC.
    pub signature: String,
}

/// The request that a signature is about.
#[derive(Clone, Copy, Debug)]
pub struct SignedRequest<'a> {
    /// Such as `POST`.
    pub method: &'a str,
    /// Such as `/api`.
    pub path: &'a str,
    /// The body, byte by byte.
    pub body: &'a [u8],
}

impl Authorization {
    /// Reads the header; nothing if it is of no known form.
    #[must_use]
    pub fn parse(header: &str) -> Option<Self> {
        if header.len() > HEADER_MAX {
            return None;
        }
        let (scheme, rest) = header.split_once(' ')?;
        match scheme.to_ascii_lowercase().as_str() {
            "basic" => {
                let text = String::from_utf8(BASE64_STANDARD.decode(rest.trim()).ok()?).ok()?;
                let (id, secret) = text.split_once(':')?;
                Some(Self::Basic { id: id.to_owned(), secret: secret.to_owned() })
            }
            "bearer" => Some(Self::Bearer(rest.trim().to_owned())),
            HMAC_SCHEME => HmacAuthorization::parse(rest).map(Self::Hmac),
            _ => None,
        }
    }
}

impl fmt::Debug for Authorization {
    /// The kind only.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Basic { .. } => "Basic",
            Self::Bearer(_) => "Bearer",
            Self::Hmac(_) => "Hmac",
        })
    }
}

impl HmacAuthorization {
    /// Signs `request` with the secret of API key `id`.
    #[must_use]
    pub fn sign(
        id: &str,
        secret: &str,
        request: SignedRequest<'_>,
        nonce: &str,
        now: Timestamp,
    ) -> Self {
        let (id, nonce) = (id.to_owned(), nonce.to_owned());
        let signature = signature(secret, request, &nonce, now);
        Self { id, timestamp: now, nonce, signature }
    }

    /// The header.
    #[must_use]
    pub fn header(&self) -> String {
        let Self { id, timestamp, nonce, signature } = self;
        format!("{HMAC_SCHEME} {id};{HMAC_VERSION};{};{nonce};{signature}", timestamp.0)
    }

    /// Whether this is a signature by `secret` over `request`, made about now. That the nonce
    /// was not used before is for the caller to check.
    #[must_use]
    pub fn verify(&self, secret: &str, request: SignedRequest<'_>, now: Timestamp) -> bool {
        let expected = signature(secret, request, &self.nonce, self.timestamp);
        now.0.abs_diff(self.timestamp.0) <= SKEW_MAX_MS
            && self.nonce.len() <= NONCE_MAX
            && hash::equal(expected.as_bytes(), self.signature.as_bytes())
    }

    fn parse(text: &str) -> Option<Self> {
        let parts: Vec<_> = text.trim().splitn(6, ';').collect();
        let [id, HMAC_VERSION, timestamp, nonce, signature] = parts.as_slice() else {
            return None;
        };
        Some(Self {
            id: (*id).to_owned(),
            timestamp: Timestamp(timestamp.parse().ok()?),
            nonce: (*nonce).to_owned(),
            signature: (*signature).to_owned(),
        })
    }
}

fn signature(secret: &str, request: SignedRequest<'_>, nonce: &str, at: Timestamp) -> String {
    let head = format!("{};{nonce};{}\n{}\n", at.0, request.method, request.path);
    let parts = [head.as_bytes(), request.body, b"\n"];
    let mac = hash::hmac_sha256_parts(secret.as_bytes(), &parts);
    BASE64_STANDARD.encode(mac.first_chunk::<HMAC_BYTES>().expect("20 of 32 bytes"))
}
