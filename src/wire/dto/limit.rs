//! Limits of parameters (transport.md 6.6, streams.md 5.1).

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value as Json;
use uuid::Uuid;

use super::Invalid;

/// Longest id of a user, context, room or key, in characters.
const ID_MAX: usize = 128;
/// Longest channel text.
const CHANNEL_MAX: usize = 512;
/// Longest entry of a policy.
const POLICY_ENTRY_MAX: usize = 32;
/// Longest list of users, managers or keys.
const MEMBERS_MAX: usize = 16_384;
/// Largest metadata of a room or of a key entry, counted by [`json_size`].
const CONTAINER_DATA_MAX: usize = 4096;
/// Largest payload of a custom event, counted by [`json_size`].
const CUSTOM_DATA_MAX: usize = 16_384;
/// Most receivers of one custom event. Not a limit of the official server: each of them gets a
/// copy of a payload that may be large.
const RECEIVERS_MAX: usize = 1024;
/// Longest session description.
const SDP_MAX: usize = 256 * 1024;
/// Longest text of a candidate.
const CANDIDATE_MAX: usize = 1024;
/// Largest media session id: what a double holds exactly.
const SESSION_ID_MAX: i64 = 1 << 53;
/// Longest name, description or secret of the management API.
const TEXT_MAX: usize = 1024;
/// Longest ACL.
const ACL_MAX: usize = 16_384;
/// Most entries of an API key's scope, and most channels of a management socket.
const SCOPE_MAX: usize = 64;
/// Length of a key or token.
const KEY_BYTES: usize = 32;
/// Most items of one page.
const PAGE_MAX: i64 = 100;
/// Most rooms that one call deletes.
pub(super) const DELETE_MAX: usize = 128;
/// Where [`json_size`] stops descending; what is deeper counts as too large.
const DEPTH_MAX: usize = 64;

/// The size of a JSON value as the bridge counts it: roughly its compact text.
#[must_use]
pub fn json_size(value: &Json) -> usize {
    size_within(value, DEPTH_MAX)
}

fn size_within(value: &Json, depth: usize) -> usize {
    let Some(depth) = depth.checked_sub(1) else { return CUSTOM_DATA_MAX.saturating_add(1) };
    match value {
        Json::Null | Json::Bool(true) => 4,
        Json::Bool(false) => 5,
        Json::Number(number) => number.to_string().len(),
        Json::String(text) => text_length(text).saturating_add(2),
        Json::Array(items) => items.iter().fold(2_usize, |size, item| {
            size.saturating_add(1).saturating_add(size_within(item, depth))
        }),
        Json::Object(members) => members.iter().fold(2_usize, |size, (key, member)| {
            let key = text_length(key).saturating_add(4);
            size.saturating_add(key).saturating_add(size_within(member, depth))
        }),
    }
}

/// Length in UTF-16 units, which is what the bridge counts.
fn text_length(text: &str) -> usize {
    text.encode_utf16().count()
}

fn check(holds: bool, key: &'static str, rule: &'static str) -> Result<(), Invalid> {
    if holds { Ok(()) } else { Err(Invalid { key, rule }) }
}

pub(super) fn id(key: &'static str, text: &str) -> Result<(), Invalid> {
    let length = text_length(text);
    check((1..=ID_MAX).contains(&length), key, "must have 1 to 128 characters")
}

pub(super) fn optional_id(key: &'static str, text: Option<&str>) -> Result<(), Invalid> {
    text.map_or(Ok(()), |text| id(key, text))
}

pub(super) fn ids<T: AsRef<str>>(key: &'static str, texts: &[T]) -> Result<(), Invalid> {
    count(key, texts.len())?;
    texts.iter().try_for_each(|text| id(key, text.as_ref()))
}

pub(super) fn count(key: &'static str, length: usize) -> Result<(), Invalid> {
    check(length <= MEMBERS_MAX, key, "must have at most 16384 entries")
}

pub(super) fn at_most(
    key: &'static str,
    length: usize,
    limit: usize,
    rule: &'static str,
) -> Result<(), Invalid> {
    check(length <= limit, key, rule)
}

pub(super) fn resource_id(text: Option<&str>) -> Result<(), Invalid> {
    let Some(text) = text else { return Ok(()) };
    let uuid = Uuid::try_parse(text).ok().filter(|_| text.len() == 36);
    let version_4 = uuid.is_some_and(|uuid| uuid.get_version_num() == 4);
    check(version_4, "resourceId", "must be a UUID of version 4")
}

pub(super) fn container_data(key: &'static str, data: &Json) -> Result<(), Invalid> {
    check(json_size(data) <= CONTAINER_DATA_MAX, key, "must have a size of at most 4096")
}

/// A wrapped key that is a text: as large as one in a room may be.
pub(super) fn wrapped_key(key: &'static str, text: &str) -> Result<(), Invalid> {
    let size = text_length(text).saturating_add(2);
    check(size <= CONTAINER_DATA_MAX, key, "must have a size of at most 4096")
}

pub(super) fn custom_data(key: &'static str, data: &Json) -> Result<(), Invalid> {
    check(json_size(data) <= CUSTOM_DATA_MAX, key, "must have a size of at most 16384")
}

pub(super) fn channel(key: &'static str, text: &str) -> Result<(), Invalid> {
    check(is_channel(text), key, "must be at most 512 of letters, digits and , / _ | = : -")
}

/// Text that may name a channel.
pub(in crate::wire) fn is_channel(text: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b",/_|=:-".contains(&byte);
    (1..=CHANNEL_MAX).contains(&text.len()) && text.bytes().all(legal)
}

pub(super) fn receivers(key: &'static str, length: usize) -> Result<(), Invalid> {
    check(length <= RECEIVERS_MAX, key, "must have at most 1024 entries")
}

pub(super) fn sdp(key: &'static str, text: &str) -> Result<(), Invalid> {
    check(text.len() <= SDP_MAX, key, "must have a description of at most 256 KiB")
}

pub(super) fn candidate(key: &'static str, text: Option<&str>) -> Result<(), Invalid> {
    let short = text.is_none_or(|text| text.len() <= CANDIDATE_MAX);
    check(short, key, "must have texts of at most 1024 characters")
}

pub(super) fn session_id(number: i64) -> Result<(), Invalid> {
    check((0..=SESSION_ID_MAX).contains(&number), "sessionId", "must be a media session id")
}

pub(super) fn policy_entry(key: &'static str, text: Option<&str>) -> Result<(), Invalid> {
    let short = text.is_none_or(|text| text_length(text) <= POLICY_ENTRY_MAX);
    check(short, key, "must have at most 32 characters")
}

pub(super) fn number(
    key: &'static str,
    number: i64,
    least: i64,
    rule: &'static str,
) -> Result<(), Invalid> {
    check(number >= least, key, rule)
}

/// Base64 of a 32-byte key or token.
pub(super) fn key_text(key: &'static str, text: &str) -> Result<(), Invalid> {
    let bytes = BASE64_STANDARD.decode(text).unwrap_or_default();
    check(bytes.len() == KEY_BYTES, key, "must be base64 of 32 bytes")
}

/// A name or description, which may be empty.
pub(super) fn text(key: &'static str, text: &str) -> Result<(), Invalid> {
    check(text_length(text) <= TEXT_MAX, key, "must have at most 1024 characters")
}

/// A name or secret, which may not.
pub(super) fn some_text(key: &'static str, text: &str) -> Result<(), Invalid> {
    text_range(key, text, 1, TEXT_MAX, "must have 1 to 1024 characters")
}

pub(super) fn acl(key: &'static str, text: &str) -> Result<(), Invalid> {
    check(text_length(text) <= ACL_MAX, key, "must have at most 16384 characters")
}

/// What an API key may do.
pub(super) fn scope(key: &'static str, scope: &[String]) -> Result<(), Invalid> {
    at_most(key, scope.len(), SCOPE_MAX, "must have at most 64 entries")?;
    ids(key, scope)
}

/// Channels of a management socket.
pub(super) fn management_channels(key: &'static str, channels: &[String]) -> Result<(), Invalid> {
    at_most(key, channels.len(), SCOPE_MAX, "must have at most 64 entries")?;
    channels.iter().try_for_each(|one| channel(key, one))
}

/// The `limit` of a list call.
pub(super) fn page(limit: i64) -> Result<(), Invalid> {
    check((1..=PAGE_MAX).contains(&limit), "limit", "must be 1 to 100")
}

pub(super) fn text_range(
    key: &'static str,
    text: &str,
    least: usize,
    most: usize,
    rule: &'static str,
) -> Result<(), Invalid> {
    check((least..=most).contains(&text_length(text)), key, rule)
}
