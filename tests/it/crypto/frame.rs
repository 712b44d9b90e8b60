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
use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::StdRng;
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

const ID: &str = "00112233445566778899aabbccddeeff";

#[test]
fn our_frames_are_the_fixed_vector() {
    let key = "630dcd2966c4336691125448bbb25b4ff412a49c732db2c8abc1b8581bd710dd";
    let key = hex::decode(key).unwrap().try_into().unwrap();
    let cryptor = cryptor(ID, &[(ID, key)]);
    let frame = hex::decode("f8fffe0102030405").unwrap();
    let mut rng = ScriptedRng::new(&[&(0xa0..=0xab).collect::<Vec<u8>>()]);
    let sealed = cryptor.seal(&mut rng, &frame, Level::from_dbfs(-42.4)).unwrap();
    let expected = "f8186ae5e101044bfa543a5d785c81427baf2b11a4086726a0a1a2a3a4a5a6a7a8a9aaab0c\
                    3030313132323333343435353636373738383939616162626363646465656666203a";
    assert_eq!(hex::encode(&sealed), expected);
    assert_eq!(cryptor.open(TrackKind::Audio, &sealed).unwrap().level, Level::from_dbfs(-42.0));
}

#[test]
fn level_byte_is_rounded_and_bounded() {
    let cryptor = cryptor(ID, &[(ID, [1; 32])]);
    let cases = [(0.0, 100), (-0.4, 100), (-0.5, 100), (-0.6, 99), (-99.0, 1), (-99.6, 0)];
    for (dbfs, byte) in cases.into_iter().chain([(-100.0, 0), (7.0, 100), (f32::NAN, 0)]) {
        let mut rng = ScriptedRng::new(&[&[0; 12]]);
        let sealed = cryptor.seal(&mut rng, b"x", Level::from_dbfs(dbfs)).unwrap();
        assert_eq!(sealed.last(), Some(&byte), "{dbfs}");
    }
    assert_eq!(claimed_level(&[255]), Some(Level::from_dbfs(0.0)));
    assert_eq!(claimed_level(&[]), None);
}

#[test]
fn longer_clear_headers_are_tried_in_video_only() {
    let all = media();
    let case = list(&all["frames"])
        .iter()
        .find(|case| case["type"] == "key" && text(&case["plain"]).len() == 1800)
        .unwrap();
    let cryptor = cryptor("", &recorded_keys(&all));
    let sealed = bytes(&case["encrypted"]);
    assert_eq!(cryptor.open(TrackKind::Video, &sealed).unwrap().frame, bytes(&case["plain"]));
    for kind in [TrackKind::Audio, TrackKind::Data] {
        assert_eq!(cryptor.open(kind, &sealed), Err(FrameError::NotAuthentic), "{kind:?}");
    }
}

#[test]
fn a_changed_key_seals_at_once_and_old_frames_still_open() {
    let (old, new) = (("old", [1; 32]), ("new", [2; 32]));
    let mut sender = cryptor("old", &[old]);
    let mut rng = StdRng::seed_from_u64(1);
    let before = sender.seal(&mut rng, b"before", Level::FLOOR).unwrap();
    sender.set_keys(Arc::new(FrameKeys::new(
        KeyId::from("new"),
        vec![MediaKey { id: KeyId::from("new"), key: Secret::new([2; 32]) }],
    )));
    let after = sender.seal(&mut rng, b"after", Level::FLOOR).unwrap();
    let receiver = cryptor("new", &[old, new]);
    for (sealed, id, frame) in [(before, "old", "before"), (after, "new", "after")] {
        let opened = receiver.open(TrackKind::Audio, &sealed).unwrap();
        assert_eq!((opened.key_id.as_str(), opened.frame.as_slice()), (id, frame.as_bytes()));
    }
}

#[test]
fn what_cannot_be_sealed_is_refused() {
    let long = "x".repeat(256);
    let huge = vec![0; (4 << 20) + 1];
    let cases: [(&str, &str, &[u8], FrameError); 5] = [
        ("empty frame", "a", b"", FrameError::Empty),
        ("huge frame", "a", &huge, FrameError::TooLong),
        ("no such key", "b", b"x", FrameError::NoSendingKey),
        ("empty id", "", b"x", FrameError::NoSendingKey),
        ("long id", &long, b"x", FrameError::NoSendingKey),
    ];
    for (name, current, frame, expected) in cases {
        let cryptor = cryptor(current, &[("a", [1; 32]), ("", [1; 32]), (&long, [1; 32])]);
        let refused = cryptor.seal(&mut ScriptedRng::new(&[]), frame, Level::FLOOR);
        assert_eq!(refused, Err(expected), "{name}");
    }
}

#[test]
fn frames_with_another_iv_length_are_refused() {
    let cryptor = cryptor("a", &[("a", [1; 32])]);
    let mut sealed = cryptor.seal(&mut ScriptedRng::new(&[&[0; 12]]), b"x", Level::FLOOR).unwrap();
    let at = sealed.len() - 4;
    assert_eq!(sealed[at], 12);
    sealed[at] = 16;
    assert_eq!(cryptor.open(TrackKind::Audio, &sealed), Err(FrameError::IvLength(16)));
}

#[test]
fn keys_are_not_printed() {
    let shown = format!("{:?}", cryptor("a", &[("a", [0x5a; 32]), ("b", [0x5a; 32])]));
    assert!(shown.contains(r#"ids: ["a", "b"]"#), "{shown}");
    assert!(!shown.contains("90"), "{shown}");
}

fn kinds() -> impl Strategy<Value = TrackKind> {
    prop_oneof![Just(TrackKind::Audio), Just(TrackKind::Video), Just(TrackKind::Data)]
}

proptest! {
    #[test]
    fn what_is_sealed_opens(
        frame in prop::collection::vec(any::<u8>(), 1..3000),
        id in "[a-z0-9]{1,255}",
        dbfs in -100.0f32..0.0,
        seed in any::<u64>(),
        kind in kinds(),
    ) {
        let cryptor = cryptor(&id, &[(&id, [5; 32])]);
        let mut rng = StdRng::seed_from_u64(seed);
        let sealed = cryptor.seal(&mut rng, &frame, Level::from_dbfs(dbfs)).unwrap();
        prop_assert_eq!(sealed.len(), frame.len() + 31 + id.len());
        prop_assert_eq!(sealed[0], frame[0]);
        let opened = cryptor.open(kind, &sealed).unwrap();
        prop_assert_eq!(opened.frame, frame);
        prop_assert!((opened.level.dbfs() - dbfs).abs() <= 0.51);
    }

    /// The level byte alone is not protected.
    #[test]
    fn any_flipped_bit_is_refused(
        frame in prop::collection::vec(any::<u8>(), 1..60),
        at in any::<prop::sample::Index>(),
        bit in 0u8..8,
        kind in kinds(),
    ) {
        let cryptor = cryptor(ID, &[(ID, [5; 32])]);
        let mut sealed =
            cryptor.seal(&mut ScriptedRng::new(&[&[9; 12]]), &frame, Level::FLOOR).unwrap();
        let at = at.index(sealed.len() - 1);
        sealed[at] ^= 1 << bit;
        prop_assert!(cryptor.open(kind, &sealed).is_err());
        let mut out = b"left over".to_vec();
        prop_assert!(cryptor.open_into(kind, &sealed, &mut out).is_err());
        prop_assert!(out.is_empty());
    }

    #[test]
    fn random_frames_never_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        kind in kinds(),
    ) {
        let cryptor = cryptor("", &[("", [5; 32])]);
        prop_assert!(cryptor.open(kind, &bytes).is_err());
        // Random bytes with a plausible end reach the cipher.
        let ended = [bytes.as_slice(), &[12, 0, 0]].concat();
        prop_assert!(cryptor.open(kind, &ended).is_err());
    }
}
