//! Media frames, against the official web client.

use std::sync::Arc;

use conclave::crypto::frame::FrameCryptor;
use conclave::crypto::frame::FrameError;
use conclave::crypto::frame::FrameKeys;
use conclave::crypto::frame::MediaKey;
use conclave::crypto::frame::claimed_level;
use conclave::model::KeyId;
use conclave::model::Level;
use conclave::model::Secret;
use conclave::model::TrackKind;
use serde_json::Value;

use super::fixture::ScriptedRng;
use super::fixture::array;
use super::fixture::bytes;
use super::fixture::list;
use super::fixture::media;
use super::fixture::text;

fn cryptor(current: &str, keys: &[(&str, [u8; 32])]) -> FrameCryptor {
    let keys =
        keys.iter().map(|(id, key)| MediaKey { id: KeyId::from(*id), key: Secret::new(*key) });
    FrameCryptor::new(Arc::new(FrameKeys::new(KeyId::from(current), keys.collect())))
}

fn recorded_keys(all: &Value) -> Vec<(&str, [u8; 32])> {
    list(&all["keys"]).iter().map(|key| (text(&key["keyId"]), array(&key["key"]))).collect()
}

fn kind(value: &Value) -> TrackKind {
    match text(value) {
        "audio" => TrackKind::Audio,
        "video" => TrackKind::Video,
        other => panic!("kind {other}"),
    }
}

#[test]
fn recorded_frames_open_and_reproduce() {
    let all = media();
    let keys = recorded_keys(&all);
    for case in list(&all["frames"]) {
        let (plain, sealed) = (bytes(&case["plain"]), bytes(&case["encrypted"]));
        let key_id = text(&case["keyId"]);
        let cryptor = cryptor(key_id, &keys);
        let opened = cryptor.open(kind(&case["kind"]), &sealed).unwrap();
        assert_eq!(opened.frame, plain);
        assert_eq!(opened.key_id.as_str(), key_id);
        assert_eq!(opened.level, Level::MUTED);
        assert_eq!(claimed_level(&sealed), Some(Level::MUTED));
        // What the recording has in the clear beyond one byte is sealed by us.
        if case["kind"] == "audio" {
            let iv_start = sealed.len() - key_id.len() - 3 - 12;
            let mut rng = ScriptedRng::new(&[&sealed[iv_start..iv_start + 12]]);
            assert_eq!(cryptor.seal(&mut rng, &plain, Level::MUTED).unwrap(), sealed);
        }
    }
}

#[test]
fn what_the_reference_passes_through_is_dropped() {
    let all = media();
    let keys = recorded_keys(&all);
    for case in list(&all["frameNegatives"]) {
        let name = text(&case["name"]);
        let cryptor = match name.contains("store holds only 'other'") {
            true => cryptor("other", &[("other", [7; 32])]),
            false => cryptor("other", &keys),
        };
        let opened = cryptor.open(kind(&case["kind"]), &bytes(&case["input"]));
        if case["authentic"] == true {
            assert_eq!(opened.unwrap().frame, bytes(&case["referenceOutput"]), "{name}");
        } else {
            let expected = match name {
                _ if name.starts_with("truncated") => FrameError::Truncated,
                _ if name.starts_with("unknown key id") => FrameError::UnknownKey,
                _ => FrameError::NotAuthentic,
            };
            match opened.unwrap_err() {
                FrameError::IvLength(_) if expected == FrameError::Truncated => {}
                refused => assert_eq!(refused, expected, "{name}"),
            }
        }
    }
}
