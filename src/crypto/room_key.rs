//! Container keys: what a room is encrypted with, and how its members get hold of it
//! (crypto.md 6.1, 6.2, 6.6).
//!
//! A room has one key after another. Each is handed to each member in an entry that only that
//! member can open and that names its author. The container secret, which never changes and
//! which only members know, ties every key to the room it was made for.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rand::CryptoRng;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;
use zeroize::Zeroize;
use zeroize::ZeroizeOnDrop;
use zeroize::Zeroizing;

use super::dio;
use super::dio::Dio;
use super::dio::KEY_ENTRY_STRUCTURE;
use super::dio::Origin;
use super::dio::Place;
use super::ecies;
use super::error::CryptoError;
use super::frame::MediaKey;
use super::hash;
use super::key::PrivateKey;
use super::key::PublicKey;
use crate::model::KeyId;
use crate::model::Secret;
use crate::model::UserId;

const ENTRY_VERSION: i64 = 2;
const KEY_BYTES: usize = 32;
const KEY_ID_BYTES: usize = 16;

const ENCRYPTED_KEY: &str = "encryptedKey";
const SECRET_HASH: &str = "secretHash";

/// Longest wrapped key that is read, in base64; official ones have 396 characters.
const MAX_ENCRYPTED_KEY: usize = 4096;

/// A key of a room.
pub struct ContainerKey {
    /// Its id, chosen by whoever made it.
    pub id: KeyId,
    key: Secret<[u8; KEY_BYTES]>,
}

impl ContainerKey {
    /// Makes a new key.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        let mut id = [0; KEY_ID_BYTES];
        rng.fill_bytes(&mut id);
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        rng.fill_bytes(key.as_mut_slice());
        Self::new(KeyId(hex::encode(id)), *key)
    }

    /// The key with this id and these bytes.
    #[must_use]
    pub const fn new(id: KeyId, key: [u8; KEY_BYTES]) -> Self {
        Self { id, key: Secret::new(key) }
    }

    /// Lends the bytes.
    #[must_use]
    pub const fn expose(&self) -> &[u8; KEY_BYTES] {
        self.key.expose()
    }

    /// What media frames, data messages and recordings are encrypted with.
    #[must_use]
    pub fn media_key(&self) -> MediaKey {
        MediaKey { id: self.id.clone(), key: Secret::new(hash::sha256(self.expose())) }
    }
}

impl fmt::Debug for ContainerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ContainerKey({}, [secret])", self.id)
    }
}

/// What all keys of one room have in common and only members know: 64 hex digits, used as text.
#[derive(Debug)]
pub struct ContainerSecret(Secret<String>);

impl ContainerSecret {
    /// Makes the secret of a new room.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        Self(random_text(rng))
    }

    /// Takes the secret out of room contents.
    #[must_use]
    pub const fn new(text: String) -> Self {
        Self(Secret::new(text))
    }

    /// Lends the text.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

fn random_text(rng: &mut impl CryptoRng) -> Secret<String> {
    let mut bytes = Zeroizing::new([0; KEY_BYTES]);
    rng.fill_bytes(bytes.as_mut_slice());
    Secret::new(hex::encode(bytes.as_slice()))
}

/// Ties a key entry to its room (crypto.md 6.1).
#[must_use]
pub fn secret_hash(secret: &ContainerSecret, key_secret: &[u8], place: &Place) -> [u8; 32] {
    let context = place.context.0.as_bytes();
    let resource = place.resource.0.as_bytes();
    hash::hmac_sha256_parts(secret.expose().as_bytes(), &[key_secret, context, resource])
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    dio: String,
    encrypted_key: String,
    version: i64,
}

#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(rename_all = "camelCase")]
struct Inner {
    id: String,
    key: String,
    key_secret: String,
}

/// Wraps `key` for one member: the `data` of a key entry, version 2.
#[must_use]
pub fn seal_entry(
    author: &PrivateKey,
    origin: &Origin,
    recipient: &PublicKey,
    key: &ContainerKey,
    secret: &ContainerSecret,
    rng: &mut impl CryptoRng,
) -> Value {
    let key_secret = random_text(rng);
    let inner = Inner {
        id: key.id.0.clone(),
        key: BASE64_STANDARD.encode(key.expose()),
        key_secret: BASE64_STANDARD.encode(key_secret.expose()),
    };
    // Room for everything at once: a buffer that grows leaves copies behind.
    let capacity = inner.id.len().saturating_mul(6).saturating_add(256);
    let mut json = Zeroizing::new(Vec::with_capacity(capacity));
    serde_json::to_writer(&mut *json, &inner).expect("text is valid JSON");
    let encrypted_key = BASE64_STANDARD.encode(ecies::seal(author, recipient, &json));
    let tie = secret_hash(secret, key_secret.expose().as_bytes(), &origin.place);
    let checksums = [(ENCRYPTED_KEY, dio::checksum(&encrypted_key)), (SECRET_HASH, tie)];
    let checksums = checksums.each_ref().map(|(name, sum)| (*name, sum.as_slice()));
    let dio = dio::seal(author, origin, KEY_ENTRY_STRUCTURE, &checksums);
    let entry = Entry { dio, encrypted_key, version: ENTRY_VERSION };
    serde_json::to_value(entry).expect("text and numbers are valid JSON")
}

/// A key that was unwrapped, and the proof where it comes from.
#[derive(Debug)]
pub struct OpenedKey {
    /// The key.
    pub key: ContainerKey,
    /// Who handed it over. Verify the author before the key is used.
    ///
    /// `None` in entries of version 1, which anybody can make, the bridge included: such a key
    /// may serve to read old data, but not to authenticate anything.
    pub proof: Option<KeyProof>,
}

/// Where a key comes from.
#[derive(Debug)]
pub struct KeyProof {
    /// The statement of its author.
    pub dio: Dio,
    key_secret: Secret<Vec<u8>>,
}

/// Opens the `data` of one key entry that came for `reader`.
///
/// # Errors
///
/// [`CryptoError::UnknownKeyEntryVersion`] and [`CryptoError::MalformedKeyEntry`] if it cannot
/// be read; those of [`Dio::open`] and [`Dio::check`]; [`CryptoError::DioPlace`] if it was made
/// for another place; [`CryptoError::WrongKeyEntry`] if it contains another key or was wrapped
/// by somebody else than its author.
pub fn open_entry(
    reader: &PrivateKey,
    id: &KeyId,
    data: &Value,
    place: &Place,
) -> Result<OpenedKey, CryptoError> {
    if let Some(encrypted) = data.as_str() {
        return open_legacy(reader, id, encrypted);
    }
    match data.get("version").map(Value::as_i64) {
        Some(Some(ENTRY_VERSION)) => {}
        Some(Some(_)) => return Err(CryptoError::UnknownKeyEntryVersion),
        _ => return Err(CryptoError::MalformedKeyEntry),
    }
    let entry = Entry::deserialize(data).map_err(|_| CryptoError::MalformedKeyEntry)?;
    let dio = Dio::open(&entry.dio, KEY_ENTRY_STRUCTURE)?;
    dio.check(ENCRYPTED_KEY, &dio::checksum(&entry.encrypted_key))?;
    if dio.origin.place != *place {
        return Err(CryptoError::DioPlace);
    }
    let opened = unwrap(reader, &entry.encrypted_key)?;
    if opened.author != dio.creator {
        return Err(CryptoError::WrongKeyEntry);
    }
    let inner: Inner = serde_json::from_slice(opened.plaintext.expose())
        .map_err(|_| CryptoError::MalformedKeyEntry)?;
    if inner.id != id.0 {
        return Err(CryptoError::WrongKeyEntry);
    }
    let key = decode_secret(&inner.key)?;
    let key_secret = decode_secret(&inner.key_secret)?;
    let proof = KeyProof { dio, key_secret };
    Ok(OpenedKey { key: container_key(id, key.expose())?, proof: Some(proof) })
}

fn open_legacy(reader: &PrivateKey, id: &KeyId, text: &str) -> Result<OpenedKey, CryptoError> {
    let opened = unwrap(reader, text)?;
    Ok(OpenedKey { key: container_key(id, opened.plaintext.expose())?, proof: None })
}

fn unwrap(reader: &PrivateKey, text: &str) -> Result<ecies::Opened, CryptoError> {
    if text.len() > MAX_ENCRYPTED_KEY {
        return Err(CryptoError::MalformedKeyEntry);
    }
    let envelope = BASE64_STANDARD.decode(text).map_err(|_| CryptoError::MalformedKeyEntry)?;
    ecies::open(reader, &envelope).map_err(|_| CryptoError::MalformedKeyEntry)
}

fn decode_secret(text: &str) -> Result<Secret<Vec<u8>>, CryptoError> {
    let bytes = BASE64_STANDARD.decode(text).map_err(|_| CryptoError::MalformedKeyEntry)?;
    Ok(Secret::new(bytes))
}

fn container_key(id: &KeyId, bytes: &[u8]) -> Result<ContainerKey, CryptoError> {
    let key = bytes.try_into().map_err(|_| CryptoError::MalformedKeyEntry)?;
    Ok(ContainerKey::new(id.clone(), key))
}

/// Opens all entries of a room, one result each, in their order.
///
/// Two different keys that claim the same moment of the same act are both refused with
/// [`CryptoError::DuplicateDio`]: one of them is a replacement that its author never made.
#[must_use]
pub fn open_entries<'a>(
    reader: &PrivateKey,
    entries: impl IntoIterator<Item = (&'a KeyId, &'a Value)>,
    place: &Place,
) -> Vec<(KeyId, Result<OpenedKey, CryptoError>)> {
    let mut opened: Vec<_> = entries
        .into_iter()
        .map(|(id, data)| (id.clone(), open_entry(reader, id, data, place)))
        .collect();
    let moments: Vec<_> = opened
        .iter()
        .filter_map(|(id, result)| {
            let origin = &result.as_ref().ok()?.proof.as_ref()?.dio.origin;
            Some((id.clone(), origin.random_id.clone(), origin.timestamp))
        })
        .collect();
    for (id, result) in &mut opened {
        let Ok(OpenedKey { proof: Some(proof), .. }) = result else { continue };
        let origin = &proof.dio.origin;
        let shared = moments.iter().any(|(other, random_id, timestamp)| {
            other != id && *random_id == origin.random_id && *timestamp == origin.timestamp
        });
        if shared {
            *result = Err(CryptoError::DuplicateDio);
        }
    }
    opened
}

impl OpenedKey {
    /// Checks that the key was made for the room whose secret this is, before it is handed on.
    ///
    /// # Errors
    ///
    /// [`CryptoError::RoomKeyValidation`] if it was not, or if nothing proves that it was.
    pub fn check_secret(&self, secret: &ContainerSecret) -> Result<(), CryptoError> {
        let proof = self.proof.as_ref().ok_or(CryptoError::RoomKeyValidation)?;
        let tie = secret_hash(secret, proof.key_secret.expose(), &proof.dio.origin.place);
        proof.dio.check(SECRET_HASH, &tie).map_err(|_| CryptoError::RoomKeyValidation)
    }
}

/// The media keys of a room: those of every key that is proven.
pub fn media_keys<'a>(keys: impl IntoIterator<Item = &'a OpenedKey>) -> Vec<MediaKey> {
    let proven = keys.into_iter().filter(|opened| opened.proof.is_some());
    proven.map(|opened| opened.key.media_key()).collect()
}

/// What an update of the members means for the keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// A new key is needed, for everybody: somebody must no longer be able to read, or the
    /// caller wants it.
    pub new_key: bool,
    /// Members that get every key made so far.
    pub newcomers: Vec<UserId>,
}

/// Decides about the keys of a room whose members (users and managers) change.
#[must_use]
pub fn plan_rotation(before: &[UserId], after: &[UserId], force_new_key: bool) -> Rotation {
    let removed = before.iter().any(|user| !after.contains(user));
    let mut newcomers = Vec::new();
    for user in after {
        if !before.contains(user) && !newcomers.contains(user) {
            newcomers.push(user.clone());
        }
    }
    Rotation { new_key: force_new_key || removed, newcomers }
}

/// A key entry as it is sent: whom it is for, which key it contains, and its `data`.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyEntry {
    /// The member.
    pub user: UserId,
    /// The key.
    pub key_id: KeyId,
    /// What [`seal_entry`] made.
    pub data: Value,
}

/// Wraps a new key for every member, each once however often listed: for a new room, and for
/// the new key of an update.
#[must_use]
pub fn seal_for_members(
    author: &PrivateKey,
    origin: &Origin,
    members: &[(UserId, PublicKey)],
    key: &ContainerKey,
    secret: &ContainerSecret,
    rng: &mut impl CryptoRng,
) -> Vec<KeyEntry> {
    let mut entries: Vec<KeyEntry> = Vec::with_capacity(members.len());
    for (user, public) in members {
        if entries.iter().all(|entry| entry.user != *user) {
            let data = seal_entry(author, origin, public, key, secret, rng);
            entries.push(KeyEntry { user: user.clone(), key_id: key.id.clone(), data });
        }
    }
    entries
}

/// Wraps the keys made so far for newcomers, after checking that each belongs to the room.
///
/// Each entry keeps the random id of the act in which its key was made.
///
/// # Errors
///
/// [`CryptoError::RoomKeyValidation`] if a key does not belong to the room; then nobody gets any.
pub fn seal_for_newcomers(
    author: &PrivateKey,
    origin: &Origin,
    newcomers: &[(UserId, PublicKey)],
    keys: &[&OpenedKey],
    secret: &ContainerSecret,
    rng: &mut impl CryptoRng,
) -> Result<Vec<KeyEntry>, CryptoError> {
    for opened in keys {
        opened.check_secret(secret)?;
    }
    let mut entries = Vec::new();
    for opened in keys {
        let proof = opened.proof.as_ref().ok_or(CryptoError::RoomKeyValidation)?;
        let random_id = proof.dio.origin.random_id.clone();
        let origin = Origin { random_id, ..origin.clone() };
        entries.extend(seal_for_members(author, &origin, newcomers, &opened.key, secret, rng));
    }
    Ok(entries)
}
