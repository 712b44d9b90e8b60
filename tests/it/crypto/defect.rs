//! What official programs get wrong about frames and messages (streams.md §14), and ours must
//! not: one test per defect, named after it.

use std::sync::Arc;

use conclave::crypto::data_message::DataCryptor;
use conclave::crypto::data_message::DataError;
use conclave::crypto::frame::FrameCryptor;
use conclave::crypto::frame::FrameKeys;
use conclave::crypto::frame::MediaKey;
use conclave::crypto::frame::ReplayWindow;
use conclave::media::pipeline::AudioReceiver;
use conclave::media::pipeline::AudioSender;
use conclave::media::pipeline::Received;
use conclave::model::KeyId;
use conclave::model::Level;
use conclave::model::Secret;
use conclave::model::StreamId;
use conclave::model::TrackKind;
use rand::SeedableRng;
use rand::rngs::StdRng;

const SENDER: StreamId = StreamId(7);

fn keys(id: &str) -> Arc<FrameKeys> {
    let id = KeyId::from(id);
    let key = MediaKey { id: id.clone(), key: Secret::new([5; 32]) };
    Arc::new(FrameKeys::new(id, vec![key]))
}

fn rng() -> StdRng {
    StdRng::seed_from_u64(41)
}

/// Frames of a tone, as they go to the network.
fn frames(keys: &Arc<FrameKeys>) -> Vec<Vec<u8>> {
    let mut sender = AudioSender::new(Arc::clone(keys), 0).unwrap();
    let samples: Vec<f32> = (0..9600).map(|n| 0.3 * (n as f32 / 17.0).sin()).collect();
    let mut made = Vec::new();
    sender.handle_samples(&samples, &mut rng(), &mut made).unwrap();
    made.into_iter().map(|frame| frame.payload.to_vec()).collect()
}

#[test]
fn defect_14_2_c6_key_ids_have_the_length_that_the_message_says() {
    for id in ["k", "0123456789abcdef0123456789abcdef", &"x".repeat(255)] {
        let mut cryptor = DataCryptor::new(keys(id));
        let message = cryptor.seal(&mut rng(), b"hello").unwrap();
        assert_eq!(usize::from(message[17]), id.len());
        assert_eq!(cryptor.open(SENDER, &message).unwrap().data, b"hello", "{}", id.len());
    }
    // And a message that ends anywhere is an error, never an end of the program.
    let message = DataCryptor::new(keys("key")).seal(&mut rng(), b"hello").unwrap();
    for end in 0..message.len() {
        let mut cryptor = DataCryptor::new(keys("key"));
        let error = cryptor.open(SENDER, &message[..end]).unwrap_err();
        assert!((0x1001..=0x1009).contains(&error.status()), "{end}: {error}");
    }
}

#[test]
fn defect_14_2_c8_a_message_out_of_sequence_has_a_status() {
    let mut cryptor = DataCryptor::new(keys("key"));
    let first = cryptor.seal(&mut rng(), b"1").unwrap();
    let second = cryptor.seal(&mut rng(), b"2").unwrap();
    cryptor.open(SENDER, &second).unwrap();
    for old in [&first, &second] {
        let error = cryptor.open(SENDER, old).unwrap_err();
        assert!(matches!(error, DataError::Sequence { .. }));
        assert_eq!((error.status(), error.code()), (0x1009, 0x0008_002E));
    }
}

#[test]
fn defect_14_3_j1_video_has_one_clear_byte_and_the_intended_ones_are_read() {
    let keys = keys("0123456789abcdef0123456789abcdef");
    let cryptor = FrameCryptor::new(Arc::clone(&keys));
    let frame: Vec<u8> = (0..100).collect();
    let sealed = cryptor.seal(&mut rng(), &frame, Level::MUTED).unwrap();
    assert_eq!(sealed[0], frame[0]);
    assert_ne!(sealed[1..10], frame[1..10]);
    for kind in [TrackKind::Audio, TrackKind::Video] {
        assert_eq!(cryptor.open(kind, &sealed).unwrap().frame, frame);
    }
    // Frames with 10 and 3 clear bytes are in the table test of longer_clear_headers.
}

#[test]
fn defect_14_3_j12_what_cannot_be_decrypted_is_dropped() {
    let keys = keys("key");
    let now = std::time::Instant::now();
    let genuine = frames(&keys);
    let mut receiver = AudioReceiver::new(Arc::clone(&keys)).unwrap();
    let mut bad: Vec<Vec<u8>> = vec![Vec::new(), vec![0], vec![0xf8, 0xff, 0xfe]];
    bad.extend((0..genuine[0].len()).map(|end| genuine[0][..end].to_vec()));
    for (seq, frame) in bad.iter().enumerate() {
        let seq = u64::try_from(seq).unwrap();
        let received = receiver.handle_packet(seq, 0, frame, now);
        assert_eq!(received, Received::Unauthenticated, "{seq}");
    }
    let refused = u64::try_from(bad.len()).unwrap();
    assert_eq!(receiver.stats().dropped_unauthenticated, refused);
}

#[test]
fn defect_14_3_j14_counters_belong_to_their_stream() {
    let mut sender = DataCryptor::new(keys("key"));
    let mut other = DataCryptor::new(keys("key"));
    let mut receiver = DataCryptor::new(keys("key"));
    for text in [b"1", b"2"] {
        let message = sender.seal(&mut rng(), text).unwrap();
        assert_eq!(receiver.open(SENDER, &message).unwrap().data, text);
        let message = other.seal(&mut rng(), text).unwrap();
        assert_eq!(receiver.open(StreamId(8), &message).unwrap().data, text);
    }
}

#[test]
fn defect_14_4_d1_a_frame_is_heard_once() {
    let keys = keys("key");
    let now = std::time::Instant::now();
    let genuine = frames(&keys);
    let mut receiver = AudioReceiver::new(Arc::clone(&keys)).unwrap();
    let mut packet = 0;
    let mut hear = |frame: &[u8]| {
        packet += 1;
        receiver.handle_packet(packet, u32::try_from(packet * 960).unwrap(), frame, now)
    };
    // In whatever order they come, and whatever numbers somebody gives them.
    let last = genuine.len() - 1;
    assert_eq!(hear(&genuine[last]), Received::Queued);
    assert_eq!(hear(&genuine[0]), Received::Queued);
    assert_eq!(hear(&genuine[last]), Received::Useless);
    assert_eq!(hear(&genuine[0]), Received::Useless);
    // The memory is bounded, and nothing that was refused enters it.
    let mut window = ReplayWindow::default();
    let cryptor = FrameCryptor::new(keys);
    let (mut random, mut first) = (rng(), Vec::new());
    for n in 0..2049 {
        let sealed = cryptor.seal(&mut random, b"frame", Level::MUTED).unwrap();
        assert!(window.accept(&sealed) && !window.accept(&sealed), "{n}");
        if n == 0 {
            first = sealed;
        }
    }
    assert!(window.accept(&first), "the oldest was forgotten");
    assert!(!window.accept(b""));
}

#[test]
fn defect_14_4_d2_stated_levels_are_hints() {
    let keys = keys("key");
    let now = std::time::Instant::now();
    let mut receiver = AudioReceiver::new(Arc::clone(&keys)).unwrap();
    for (seq, mut frame) in frames(&keys).into_iter().enumerate() {
        // The level byte is not authenticated: whoever carries it can make it full scale.
        *frame.last_mut().unwrap() = 100;
        let seq = u64::try_from(seq).unwrap();
        let timestamp = u32::try_from(seq * 960).unwrap();
        assert_eq!(receiver.handle_packet(seq, timestamp, &frame, now), Received::Queued);
    }
    assert_eq!(receiver.stats().level, Level::FLOOR, "nothing has been played yet");
}
