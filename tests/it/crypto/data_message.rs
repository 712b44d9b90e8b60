//! Data-channel messages, against the official web client and C++ library.

use std::sync::Arc;

use conclave::crypto::data_message::DataCryptor;
use conclave::crypto::data_message::DataError;
use conclave::crypto::frame::FrameKeys;
use conclave::crypto::frame::MediaKey;
use conclave::model::KeyId;
use conclave::model::Secret;
use conclave::model::StreamId;
use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::fixture::ScriptedRng;
use super::fixture::array;
use super::fixture::bytes;
use super::fixture::endpoint;
use super::fixture::list;
use super::fixture::media;
use super::fixture::number;
use super::fixture::text;

const SENDER: StreamId = StreamId(7);
const ID: &str = "00112233445566778899aabbccddeeff";

fn keys(current: &str, keys: &[(&str, [u8; 32])]) -> Arc<FrameKeys> {
    let keys =
        keys.iter().map(|(id, key)| MediaKey { id: KeyId::from(*id), key: Secret::new(*key) });
    Arc::new(FrameKeys::new(KeyId::from(current), keys.collect()))
}

/// A message under this number; those before it are sealed and thrown away.
fn message(cryptor: &mut DataCryptor, data: &[u8]) -> Vec<u8> {
    cryptor.seal(&mut ScriptedRng::new(&[&[9; 12]]), data).unwrap()
}

#[test]
fn recorded_messages_open() {
    let all = media();
    let web: Vec<_> =
        list(&all["keys"]).iter().map(|key| (text(&key["keyId"]), array(&key["key"]))).collect();
    let mut cryptor = DataCryptor::new(keys(web[0].0, &web));
    for case in list(&all["dataChannel"]) {
        let opened = cryptor.open(SENDER, &bytes(&case["frame"])).unwrap();
        assert_eq!(opened.data, bytes(&case["plain"]));
        assert_eq!(i64::from(opened.sequence), number(&case["sequenceNumber"]));
        assert_eq!(opened.key_id.as_str(), text(&case["keyId"]));
    }
    for case in list(&endpoint()["dataChannel"]["messages"]) {
        let key_id = text(&case["keyId"]);
        let mut cryptor = DataCryptor::new(keys(key_id, &[(key_id, array(&case["key"]))]));
        let opened = cryptor.open(SENDER, &bytes(&case["message"])).unwrap();
        assert_eq!(opened.data, bytes(&case["plain"]));
        assert_eq!(i64::from(opened.sequence), number(&case["seq"]));
    }
}

#[test]
fn recorded_refusals_have_the_web_status() {
    let all = media();
    let web: Vec<_> =
        list(&all["keys"]).iter().map(|key| (text(&key["keyId"]), array(&key["key"]))).collect();
    for case in list(&all["dataChannelNegatives"]) {
        let name = text(&case["name"]);
        let known: &[_] = if name == "key not found" { &[] } else { &web };
        let mut cryptor = DataCryptor::new(keys(web[0].0, known));
        // Nothing sealed in the recording has these numbers, so ours bring the counter there.
        let last = u32::try_from(number(&case["lastSequenceNumber"])).unwrap();
        let mut sender = DataCryptor::new(keys(web[0].0, &web));
        for _ in 0..last {
            let filler = message(&mut sender, b"");
            cryptor.open(SENDER, &filler).unwrap();
        }
        let opened = cryptor.open(SENDER, &bytes(&case["frame"]));
        let status = opened.as_ref().map_or_else(DataError::status, |_| 0);
        assert_eq!(status, number(&case["status"]), "{name}");
    }
}

#[test]
fn recorded_refusals_have_the_native_code() {
    let all = endpoint();
    let group = &all["dataChannel"];
    let key = array(&group["messages"][0]["key"]);
    let key_id = text(&group["messages"][0]["keyId"]);
    for case in list(&group["refused"]) {
        let mut cryptor = DataCryptor::new(keys(key_id, &[(key_id, key)]));
        let refused = cryptor.open(SENDER, &bytes(&case["message"])).unwrap_err();
        assert_eq!(refused.code(), number(&case["statusCode"]), "{}", case["what"]);
    }
    let mut cryptor = DataCryptor::new(keys(key_id, &[(key_id, key)]));
    let first = bytes(&group["messages"][0]["message"]);
    cryptor.open(SENDER, &first).unwrap();
    let replayed = cryptor.open(SENDER, &first).unwrap_err();
    assert_eq!(replayed.code(), number(&group["replayError"]["code"]));
}

#[test]
fn our_first_message_is_the_fixed_vector() {
    let key = "630dcd2966c4336691125448bbb25b4ff412a49c732db2c8abc1b8581bd710dd";
    let key = hex::decode(key).unwrap().try_into().unwrap();
    let mut cryptor = DataCryptor::new(keys(ID, &[(ID, key)]));
    let iv: Vec<u8> = (0xb0..=0xbb).collect();
    let sealed = cryptor.seal(&mut ScriptedRng::new(&[&iv]), b"hello").unwrap();
    let expected = "0100000001b0b1b2b3b4b5b6b7b8b9babb20\
                    3030313132323333343435353636373738383939616162626363646465656666\
                    cabd48a4ec8a44b94b5d8f848a346d705813ea7ce2";
    assert_eq!(hex::encode(sealed), expected);
}

#[test]
fn counters_are_kept_per_sender_and_through_key_changes() {
    let (old, new) = (("old", [1; 32]), ("new", [2; 32]));
    let mut sender = DataCryptor::new(keys("old", &[old]));
    let mut receiver = DataCryptor::new(keys("old", &[old]));
    let first = message(&mut sender, b"1");
    assert_eq!(receiver.open(SENDER, &first).unwrap().sequence, 1);
    assert!(receiver.open(StreamId(8), &first).is_ok(), "another sender counts for itself");

    sender.set_keys(keys("new", &[old, new]));
    let second = message(&mut sender, b"2");
    assert_eq!(receiver.open(SENDER, &second), Err(DataError::UnknownKey));
    receiver.set_keys(keys("new", &[old, new]));
    let opened = receiver.open(SENDER, &second).unwrap();
    assert_eq!((opened.sequence, opened.key_id.as_str()), (2, "new"));
    assert_eq!(receiver.open(SENDER, &first), Err(DataError::Sequence { sequence: 1 }));
    receiver.forget(SENDER);
    assert!(receiver.open(SENDER, &first).is_ok());
}

#[test]
fn a_refused_message_does_not_advance_the_counter() {
    let keys = keys(ID, &[(ID, [3; 32])]);
    let mut sender = DataCryptor::new(Arc::clone(&keys));
    let mut receiver = DataCryptor::new(keys);
    let good = message(&mut sender, b"good");
    let mut forged = good.clone();
    forged[1..5].copy_from_slice(&u32::MAX.to_be_bytes());
    assert_eq!(receiver.open(SENDER, &forged), Err(DataError::NotAuthentic));
    assert_eq!(receiver.open(SENDER, &good).unwrap().data, b"good");
}

#[test]
fn nothing_is_sealed_without_a_usable_key() {
    let long = "x".repeat(256);
    let cases: [(&str, Arc<FrameKeys>); 3] = [
        ("missing", keys("a", &[("b", [1; 32])])),
        ("empty id", keys("", &[("", [1; 32])])),
        ("id too long", keys(&long, &[(&long, [1; 32])])),
    ];
    for (name, keys) in cases {
        let refused = DataCryptor::new(keys).seal(&mut ScriptedRng::new(&[]), b"");
        assert_eq!(refused, Err(DataError::NoSendingKey), "{name}");
    }
}

#[test]
fn senders_are_bounded() {
    let keys = keys(ID, &[(ID, [3; 32])]);
    let sealed = message(&mut DataCryptor::new(Arc::clone(&keys)), b"");
    let mut receiver = DataCryptor::new(keys);
    let refused = (0..).map(|id| receiver.open(StreamId(id), &sealed)).position(|it| it.is_err());
    assert_eq!(refused, Some(4096));
    assert_eq!(receiver.open(StreamId(-1), &sealed), Err(DataError::TooManySenders));
}

proptest! {
    #[test]
    fn what_is_sealed_opens(
        data in prop::collection::vec(any::<u8>(), 0..2000),
        id in "[a-z0-9]{1,255}",
        seed in any::<u64>(),
    ) {
        let keys = keys(&id, &[(&id, [5; 32])]);
        let mut rng = StdRng::seed_from_u64(seed);
        let sealed = DataCryptor::new(Arc::clone(&keys)).seal(&mut rng, &data).unwrap();
        prop_assert_eq!(sealed.len(), 18 + id.len() + data.len() + 16);
        let opened = DataCryptor::new(keys).open(SENDER, &sealed).unwrap();
        prop_assert_eq!(opened.data, data);
    }

    #[test]
    fn any_flipped_bit_is_refused(
        data in prop::collection::vec(any::<u8>(), 0..100),
        at in any::<prop::sample::Index>(),
        bit in 0u8..8,
    ) {
        let keys = keys(ID, &[(ID, [5; 32])]);
        let mut sealed = message(&mut DataCryptor::new(Arc::clone(&keys)), &data);
        let at = at.index(sealed.len());
        sealed[at] ^= 1 << bit;
        prop_assert!(DataCryptor::new(keys).open(SENDER, &sealed).is_err());
    }

    #[test]
    fn random_messages_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut cryptor = DataCryptor::new(keys("", &[("", [5; 32])]));
        prop_assert!(cryptor.open(SENDER, &bytes).is_err());
        let versioned = [&[1], bytes.as_slice()].concat();
        prop_assert!(cryptor.open(SENDER, &versioned).is_err());
    }
}
