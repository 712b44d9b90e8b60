//! How a guest proves to a bridge that it holds an invite's token, without showing it.
//!
//! Management calls may travel over plain HTTP. Whoever reads one along must not be able to
//! use the invite, so what travels is a MAC over everything that the call asks for, keyed by
//! the hash of the token that the bridge keeps (docs/decisions/0003). Sent again, it asks for
//! what was granted already.

use crate::crypto::hash;
use crate::model::Timestamp;

/// Separates this MAC from all others made with the same key.
const LABEL: &[u8] = b"conclave invite redeem";

/// What a guest asks for with an invite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Redemption<'a> {
    /// Id of the invite.
    pub invite: &'a str,
    /// The name wished for.
    pub name: &'a str,
    /// The key to be added, base58.
    pub pub_key: &'a str,
    /// Drawn for this call.
    pub nonce: &'a str,
    /// When the call was made.
    pub timestamp: Timestamp,
}

/// The proof that whoever asks holds the token with this hash.
#[must_use]
pub fn redeem_proof(token_hash: &[u8], redemption: &Redemption<'_>) -> [u8; 32] {
    let Redemption { invite, name, pub_key, nonce, timestamp } = redemption;
    let time = timestamp.0.to_string();
    let mut text = Vec::new();
    for part in [LABEL, invite.as_bytes(), name.as_bytes(), pub_key.as_bytes()] {
        push(&mut text, part);
    }
    push(&mut text, nonce.as_bytes());
    push(&mut text, time.as_bytes());
    hash::hmac_sha256(token_hash, &text)
}

/// Appends a part behind its length, so that no two lists of parts make the same text.
fn push(text: &mut Vec<u8>, part: &[u8]) {
    text.extend_from_slice(&(part.len() as u64).to_be_bytes());
    text.extend_from_slice(part);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_is_asked_for_is_covered() {
        let asked = Redemption {
            invite: "i",
            name: "ben",
            pub_key: "key",
            nonce: "n",
            timestamp: Timestamp(7),
        };
        let proof = redeem_proof(&[1; 32], &asked);
        let others = [
            Redemption { invite: "j", ..asked },
            Redemption { name: "bea", ..asked },
            Redemption { pub_key: "kex", ..asked },
            Redemption { nonce: "m", ..asked },
            Redemption { timestamp: Timestamp(8), ..asked },
            Redemption { invite: "ib", name: "en", ..asked },
        ];
        for other in others {
            assert_ne!(redeem_proof(&[1; 32], &other), proof, "{other:?}");
        }
        assert_ne!(redeem_proof(&[2; 32], &asked), proof);
        assert_eq!(redeem_proof(&[1; 32], &asked), proof);
    }
}
