//! Frames against recorded bytes, and laws that hold for all of them.

use conclave::wire::record::ContentType;
use conclave::wire::record::FRAMES_MAX;
use conclave::wire::record::KeyBlock;
use conclave::wire::record::RecordError;
use conclave::wire::record::RecordKeys;
use conclave::wire::record::RecordReader;
use conclave::wire::record::RecordWriter;
use proptest::prelude::*;
use serde_json::Value as Json;

use super::data::bytes;
use super::data::laws;
use super::data::vector;

const TYPES: [ContentType; 5] = [
    ContentType::ChangeCipherSpec,
    ContentType::Alert,
    ContentType::Handshake,
    ContentType::ApplicationData,
    ContentType::Hello,
];

fn content(json: &Json) -> ContentType {
    let number = json.as_u64().unwrap();
    TYPES.into_iter().find(|content| u64::from(*content as u8) == number).unwrap()
}

fn keys(seed: u8) -> RecordKeys {
    RecordKeys::new([seed; 32], [seed.wrapping_add(1); 32])
}

#[test]
fn plain_frames_are_written_as_recorded() {
    let recorded = vector("frame-plain");
    let mut writer = RecordWriter::default();
    writer.write(ContentType::Alert, b"Invalid ticket");
    assert_eq!(writer.into_bytes(), bytes(&recorded["alert_hex"]));
    let mut writer = RecordWriter::default();
    writer.change_cipher(keys(1));
    assert_eq!(writer.into_bytes(), bytes(&recorded["ccs_hex"]));
}

#[test]
fn encrypted_frames_are_written_and_read_as_recorded() {
    let recorded = vector("frame-encrypted");
    let block = || {
        let random = |key: &str| bytes(&recorded[key]);
        let master = bytes(&recorded["master_hex"]);
        KeyBlock::derive(&master, &random("client_random_hex"), &random("server_random_hex"))
    };
    let frames = recorded["frames"].as_array().unwrap();
    let mut writer = RecordWriter::default();
    writer.change_cipher(block().client);
    let mut expected = bytes(&vector("frame-plain")["ccs_hex"]);
    for frame in frames {
        writer.write(content(&frame["content_type"]), &bytes(&frame["payload_hex"]));
        expected.extend(bytes(&frame["frame_hex"]));
    }
    let message = writer.into_bytes();
    assert_eq!(message, expected);
    let mut reader = RecordReader::new(message);
    assert_eq!(reader.read().unwrap().unwrap().content, ContentType::ChangeCipherSpec);
    reader.change_cipher(block().client);
    for frame in frames {
        let read = reader.read().unwrap().unwrap();
        assert_eq!(read.content, content(&frame["content_type"]));
        assert_eq!(read.payload, bytes(&frame["payload_hex"]));
        assert!(read.encrypted);
    }
    assert_eq!(reader.read(), Ok(None));
}

#[test]
fn too_many_frames_are_refused() {
    let mut writer = RecordWriter::default();
    for _ in 0..=FRAMES_MAX {
        writer.write(ContentType::Hello, &[]);
    }
    let mut reader = RecordReader::new(writer.into_bytes());
    for _ in 0..FRAMES_MAX {
        assert!(reader.read().unwrap().is_some());
    }
    assert_eq!(reader.read(), Err(RecordError::TooLarge));
}

#[test]
fn frames_of_another_place_are_refused() {
    let mut writer = RecordWriter::default();
    writer.change_cipher(keys(1));
    writer.write(ContentType::ApplicationData, b"first");
    writer.write(ContentType::ApplicationData, b"second");
    let message = writer.into_bytes()[8..].to_vec();
    let (first, second) = message.split_at(message.len() / 2);
    let read = |message: Vec<u8>, key| {
        let mut reader = RecordReader::new(message);
        reader.change_cipher(key);
        reader.read()
    };
    assert_eq!(read(first.to_vec(), keys(1)).unwrap().unwrap().payload, b"first");
    assert_eq!(read(second.to_vec(), keys(1)), Err(RecordError::Tag), "out of sequence");
    assert_eq!(read(first.to_vec(), keys(2)), Err(RecordError::Tag), "another key");
    assert_eq!(read(first[..20].to_vec(), keys(1)), Err(RecordError::Truncated));
}

fn any_frames() -> impl Strategy<Value = Vec<(ContentType, Vec<u8>)>> {
    let frame = (prop::sample::select(TYPES.to_vec()), prop::collection::vec(any::<u8>(), 0..60));
    prop::collection::vec(frame, 1..6)
}

proptest! {
    #![proptest_config(laws())]

    #[test]
    fn what_is_written_is_read(frames in any_frames(), encrypted in any::<bool>()) {
        let mut writer = RecordWriter::default();
        if encrypted {
            writer.change_cipher(keys(9));
        }
        for (content, payload) in &frames {
            writer.write(*content, payload);
        }
        let mut reader = RecordReader::new(writer.into_bytes());
        if encrypted {
            reader.read().unwrap();
            reader.change_cipher(keys(9));
        }
        for (content, payload) in frames {
            let frame = reader.read().unwrap().unwrap();
            prop_assert_eq!((frame.content, frame.payload), (content, payload));
            prop_assert_eq!(frame.encrypted, encrypted);
        }
        prop_assert_eq!(reader.read(), Ok(None));
    }

    #[test]
    fn a_changed_encrypted_message_is_never_accepted(
        frames in any_frames(), at in any::<prop::sample::Index>(), flip in 1_u8..,
    ) {
        let mut writer = RecordWriter::default();
        writer.change_cipher(keys(9));
        for (content, payload) in &frames {
            writer.write(*content, payload);
        }
        let mut message = writer.into_bytes()[8..].to_vec();
        let at = at.index(message.len());
        message[at] ^= flip;
        let mut reader = RecordReader::new(message);
        reader.change_cipher(keys(9));
        let refused = loop {
            match reader.read() {
                Ok(Some(_)) => {}
                Ok(None) => break false,
                Err(_) => break true,
            }
        };
        prop_assert!(refused);
    }

    #[test]
    fn arbitrary_bytes_never_panic(
        message in prop::collection::vec(any::<u8>(), 0..300), encrypted in any::<bool>(),
    ) {
        let mut reader = RecordReader::new(message);
        if encrypted {
            reader.change_cipher(keys(9));
        }
        while let Ok(Some(_)) = reader.read() {}
    }
}
