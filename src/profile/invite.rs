//! The invite link: what a guest needs to find a bridge, trust it and prove that they were asked.
//!
//! `conclave://HOST:PORT/PAYLOAD`, where PAYLOAD is base64url of the packed fields. Two things
//! are derived from its 32-byte secret, and neither gives the other away: a *token* that the
//! bridge checks against a stored hash, and a *voucher key* that the bridge never learns. The
//! guest MACs their public key with the voucher key, and so the inviter can tell whether
//! the key that asks to be admitted is the guest's, or one that the bridge has put in its place.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::CryptoRng;
use subtle::ConstantTimeEq;

use crate::crypto::hash;
use crate::crypto::kdf;
use crate::crypto::key::PublicKey;
use crate::model::ContextId;
use crate::model::Secret;
use crate::model::StreamRoomId;
use crate::model::Timestamp;

use super::error::ProfileError;

/// The only layout there is.
const VERSION: u8 = 1;
/// Longest link we look at; ours have about 350 characters.
const MAX_LINK_LEN: usize = 2048;
/// Scheme of a link.
const SCHEME: &str = "conclave://";

/// The secret of an invite.
pub type InviteSecret = Secret<[u8; 32]>;

/// An invite, as its link tells it.
#[derive(Debug)]
pub struct Invite {
    /// Host name or address, and port, of the bridge.
    pub address: String,
    /// Key with which the bridge must identify itself.
    pub bridge_key: PublicKey,
    /// Key of the manager who will be asked to admit the guest.
    pub inviter_key: PublicKey,
    /// Context that the guest becomes a user of.
    pub context: ContextId,
    /// Room that the guest wants to enter.
    pub room: StreamRoomId,
    /// Id under which the bridge knows the invite.
    pub id: String,
    /// When it ends.
    pub expires: Timestamp,
    /// What the guest got from the inviter, and the bridge did not.
    pub secret: InviteSecret,
}

/// Draws a new secret.
pub fn draw_secret(rng: &mut impl CryptoRng) -> InviteSecret {
    let mut bytes = [0; 32];
    rng.fill_bytes(&mut bytes);
    Secret::new(bytes)
}

/// What the guest shows to the bridge.
#[must_use]
pub fn token(secret: &InviteSecret) -> [u8; 32] {
    derive(secret, "conclave invite token")
}

/// What the bridge stores: the SHA-256 of the token.
#[must_use]
pub fn token_hash(secret: &InviteSecret) -> [u8; 32] {
    hash::sha256(&token(secret))
}

/// What the guest shows to the inviter: a MAC over the invite, the guest's name and key.
#[must_use]
pub fn voucher(secret: &InviteSecret, id: &str, name: &str, guest: &PublicKey) -> [u8; 32] {
    let mut text = Vec::new();
    for part in [id.as_bytes(), name.as_bytes(), &guest.to_sec1()] {
        text.extend_from_slice(&(part.len() as u64).to_be_bytes());
        text.extend_from_slice(part);
    }
    hash::hmac_sha256(&derive(secret, "conclave invite voucher"), &text)
}

/// Whether `proof` is the voucher of that guest, in constant time.
#[must_use]
pub fn vouches(
    secret: &InviteSecret,
    id: &str,
    name: &str,
    guest: &PublicKey,
    proof: &[u8],
) -> bool {
    voucher(secret, id, name, guest).ct_eq(proof).into()
}

impl Invite {
    /// Base URL of the bridge.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl fmt::Display for Invite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut payload = vec![VERSION];
        payload.extend_from_slice(&self.bridge_key.to_sec1());
        payload.extend_from_slice(&self.inviter_key.to_sec1());
        payload.extend_from_slice(self.secret.expose());
        payload.extend_from_slice(&self.expires.0.to_be_bytes());
        for text in [self.context.as_str(), self.room.as_str(), &self.id] {
            payload.push(u8::try_from(text.len()).map_err(|_| fmt::Error)?);
            payload.extend_from_slice(text.as_bytes());
        }
        write!(f, "{SCHEME}{}/{}", self.address, URL_SAFE_NO_PAD.encode(payload))
    }
}

impl FromStr for Invite {
    type Err = ProfileError;

    fn from_str(text: &str) -> Result<Self, ProfileError> {
        parse(text.trim()).map_err(ProfileError::BadInvite)
    }
}

fn parse(link: &str) -> Result<Invite, &'static str> {
    if link.len() > MAX_LINK_LEN {
        return Err("too long");
    }
    let rest = link.strip_prefix(SCHEME).ok_or("another kind of link")?;
    let (address, payload) = rest.split_once('/').ok_or("cut off after the address")?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']');
    if address.is_empty() || !address.chars().all(plain) {
        return Err("no usable address");
    }
    let payload = URL_SAFE_NO_PAD.decode(payload).map_err(|_| "cut off or mistyped")?;
    let mut fields = Fields(&payload);
    if fields.bytes::<1>()? != [VERSION] {
        return Err("made by another version of conclave");
    }
    let key = |bytes: [u8; 33]| PublicKey::from_sec1(&bytes).map_err(|_| "mistyped");
    let invite = Invite {
        address: address.to_owned(),
        bridge_key: key(fields.bytes()?)?,
        inviter_key: key(fields.bytes()?)?,
        secret: Secret::new(fields.bytes()?),
        expires: Timestamp(i64::from_be_bytes(fields.bytes()?)),
        context: fields.text()?.into(),
        room: fields.text()?.into(),
        id: fields.text()?,
    };
    if fields.0.is_empty() { Ok(invite) } else { Err("mistyped") }
}

/// What is left to read of a payload.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], &'static str> {
        let (taken, rest) = self.0.split_first_chunk().ok_or("cut off")?;
        self.0 = rest;
        Ok(*taken)
    }

    fn text(&mut self) -> Result<String, &'static str> {
        let [length] = self.bytes()?;
        let (taken, rest) = self.0.split_at_checked(length.into()).ok_or("cut off")?;
        self.0 = rest;
        String::from_utf8(taken.to_vec()).map_err(|_| "mistyped")
    }
}

fn derive(secret: &InviteSecret, label: &str) -> [u8; 32] {
    let mut key = [0; 32];
    kdf::kdf(secret.expose(), label.as_bytes(), &mut key);
    key
}
