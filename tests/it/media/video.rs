//! Sender and receiver of pictures against each other, over a network made of arithmetic.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use bytes::Bytes;
use conclave::crypto::frame::FrameCryptor;
use conclave::crypto::frame::FrameKeys;
use conclave::crypto::frame::MediaKey;
use conclave::media::Picture;
use conclave::media::codec::vp8::Content;
use conclave::media::codec::vp8::Decoder;
use conclave::media::codec::vp8::EncoderConfig;
use conclave::media::pipeline::EncodedPicture;
use conclave::media::pipeline::VideoPacket;
use conclave::media::pipeline::VideoReceiver;
use conclave::media::pipeline::VideoSender;
use conclave::media::pipeline::video_recv::FIRST_REQUEST_INTERVAL;
use conclave::media::pipeline::video_recv::GAP_PATIENCE;
use conclave::media::pipeline::video_send::MAX_PAYLOAD;
use conclave::media::video::psnr_y;
use conclave::model::KeyId;
use conclave::model::Secret;
use conclave::model::TrackKind;
use proptest::prelude::*;
use rand::RngExt;
use serde_json::Value;

use super::support::keys;
use super::support::rng;
use super::support::scene;

const WIDTH: u32 = 64;
const HEIGHT: u32 = 48;
/// Close below the end, so that every test crosses the wrap.
const FIRST_TIMESTAMP: u32 = u32::MAX - 20_000;
const FIRST_ID: u16 = 0x7ffe;
const FIRST_SEQ: u64 = 65_500;

fn sender(width: u32, height: u32) -> VideoSender {
    let config = EncoderConfig { width, height, fps: 15, bitrate_kbit: 600 };
    VideoSender::new(keys(1), config, Content::Camera, FIRST_TIMESTAMP, FIRST_ID).unwrap()
}

/// Encodes `count` pictures, with a key frame every `key_every`.
fn encode(count: u32, key_every: u32) -> Vec<EncodedPicture> {
    let mut sender = sender(WIDTH, HEIGHT);
    let mut rng = rng();
    let pictures = (0..count).map(|number| {
        if number % key_every == 0 {
            sender.request_key_frame();
        }
        let time = Duration::from_millis(u64::from(number) * 66);
        sender.handle_picture(&scene(WIDTH, HEIGHT, number), time, &mut rng).unwrap().unwrap()
    });
    pictures.collect()
}

/// The RTP packets of pictures, in order.
fn packets(pictures: &[EncodedPicture]) -> Vec<VideoPacket> {
    let mut packets = Vec::new();
    for picture in pictures {
        for (index, payload) in picture.payloads.iter().enumerate() {
            packets.push(VideoPacket {
                seq: FIRST_SEQ + packets.len() as u64,
                timestamp: picture.timestamp,
                marker: index + 1 == picture.payloads.len(),
                payload: payload.clone(),
            });
        }
    }
    packets
}

/// What the pictures look like when nothing is lost.
fn decoded(pictures: &[EncodedPicture]) -> Vec<Picture> {
    let cryptor = FrameCryptor::new(keys(1));
    let mut decoder = Decoder::new();
    let pictures = pictures.iter().map(|picture| {
        let sealed: Vec<u8> =
            picture.payloads.iter().flat_map(|payload| payload[4..].to_vec()).collect();
        let opened = cryptor.open(TrackKind::Video, &sealed).unwrap();
        decoder.decode(&opened.frame).unwrap().unwrap()
    });
    pictures.collect()
}

fn receiver() -> VideoReceiver {
    VideoReceiver::new(keys(1))
}

#[test]
fn every_picture_arrives() {
    let mut sender = sender(320, 180);
    let (mut receiver, mut rng, now) = (receiver(), rng(), Instant::now());
    let mut seq = FIRST_SEQ;
    for number in 0..8 {
        let source = scene(320, 180, number);
        let time = Duration::from_millis(u64::from(number) * 66);
        let encoded = sender.handle_picture(&source, time, &mut rng).unwrap().unwrap();
        assert_eq!(encoded.key, number == 0);
        assert_eq!(encoded.timestamp, FIRST_TIMESTAMP.wrapping_add(number * 66 * 90));
        assert!(encoded.payloads.iter().all(|payload| payload.len() <= MAX_PAYLOAD));
        let last = encoded.payloads.len() - 1;
        for (index, payload) in encoded.payloads.into_iter().enumerate() {
            assert_eq!(payload[..2], [if index == 0 { 0x90 } else { 0x80 }, 0x80]);
            let marker = index == last;
            let packet = VideoPacket { seq, timestamp: encoded.timestamp, marker, payload };
            seq += 1;
            let shown = receiver.handle_packet(packet, now + time);
            assert_eq!(shown.is_some(), marker);
            if let Some(shown) = shown {
                assert!(psnr_y(&source, &shown) > 30.0);
            }
            assert!(!receiver.wants_key_frame(now + time));
        }
    }
    let stats = receiver.stats();
    assert_eq!((stats.pictures, stats.key_frames, stats.breaks, stats.lost), (8, 1, 0, 0));
    assert_eq!((stats.width, stats.height), (320, 180));
    assert_eq!(sender.stats().frames, 8);
}

#[test]
fn key_frames_on_request_come_once_and_not_too_often() {
    let mut sender = sender(WIDTH, HEIGHT);
    let mut rng = rng();
    let mut keys = Vec::new();
    for number in 0..20 {
        if number == 2 || number == 3 || number == 15 {
            sender.request_key_frame();
        }
        let time = Duration::from_millis(u64::from(number) * 66);
        let encoded = sender.handle_picture(&scene(WIDTH, HEIGHT, number), time, &mut rng);
        if encoded.unwrap().unwrap().key {
            keys.push(number);
        }
    }
    // Asked for 132 ms after the first; it comes when 300 ms have passed.
    assert_eq!(keys, [0, 5, 15]);
}

#[test]
fn a_gap_that_is_filled_in_time_is_never_seen() {
    let pictures = encode(6, 100);
    let packets = packets(&pictures);
    let (mut receiver, now) = (receiver(), Instant::now());
    let missing = pictures[..2].iter().map(|picture| picture.payloads.len()).sum::<usize>();
    let mut shown = 0;
    for (index, packet) in packets.iter().enumerate() {
        if index != missing {
            shown += usize::from(receiver.handle_packet(packet.clone(), now).is_some());
        }
    }
    assert_eq!(shown, 2);
    let later = now + GAP_PATIENCE - Duration::from_millis(1);
    assert!(receiver.handle_time(later).is_none());
    assert!(!receiver.wants_key_frame(later));
    // All that waited is decoded, the newest is shown.
    let newest = receiver.handle_packet(packets[missing].clone(), later).unwrap();
    assert!(*newest == decoded(&pictures)[5]);
    let stats = receiver.stats();
    assert_eq!((stats.pictures, stats.breaks, stats.lost), (6, 0, 0));
}

#[test]
fn a_gap_that_stays_is_given_up_and_a_key_frame_asked_for() {
    let pictures = encode(12, 6);
    let good = decoded(&pictures);
    let packets = packets(&pictures);
    let (mut receiver, now) = (receiver(), Instant::now());
    let starts: Vec<usize> = pictures
        .iter()
        .scan(0, |start, picture| {
            let own = *start;
            *start += picture.payloads.len();
            Some(own)
        })
        .collect();
    for packet in &packets[..starts[2]] {
        receiver.handle_packet(packet.clone(), now);
    }
    for packet in &packets[starts[3]..starts[6]] {
        assert!(receiver.handle_packet(packet.clone(), now).is_none());
    }
    assert!(!receiver.wants_key_frame(now));
    let given_up = now + GAP_PATIENCE;
    assert!(receiver.handle_time(given_up).is_none());
    assert!(receiver.wants_key_frame(given_up), "asks at once");
    assert!(!receiver.wants_key_frame(given_up), "but not twice");
    assert!(receiver.wants_key_frame(given_up + FIRST_REQUEST_INTERVAL), "and again later");
    assert!(!receiver.wants_key_frame(given_up + FIRST_REQUEST_INTERVAL * 2), "but less often");
    // What is late now is of no use.
    assert!(receiver.handle_packet(packets[starts[2]].clone(), given_up).is_none());
    let mut shown = Vec::new();
    for packet in &packets[starts[6]..] {
        shown.extend(receiver.handle_packet(packet.clone(), given_up));
    }
    assert!(shown.iter().map(|picture| &**picture).eq(&good[6..]));
    assert!(!receiver.wants_key_frame(given_up + FIRST_REQUEST_INTERVAL * 9));
    assert_eq!(receiver.stats().breaks, 1);
}

#[test]
fn a_whole_key_frame_behind_a_gap_ends_the_wait() {
    let pictures = encode(12, 6);
    let good = decoded(&pictures);
    let (mut receiver, now) = (receiver(), Instant::now());
    let lost: Vec<u32> = pictures[2..4].iter().map(|picture| picture.timestamp).collect();
    let mut shown = Vec::new();
    for packet in packets(&pictures).into_iter().filter(|packet| !lost.contains(&packet.timestamp))
    {
        shown.extend(receiver.handle_packet(packet, now));
    }
    let expected = good[..2].iter().chain(&good[6..]);
    assert!(shown.iter().map(|picture| &**picture).eq(expected));
}

#[test]
fn a_stranger_shows_nothing_and_breaks_nothing_for_long() {
    let pictures = encode(4, 100);
    let (mut receiver, now) = (VideoReceiver::new(keys(2)), Instant::now());
    for packet in packets(&pictures) {
        assert!(receiver.handle_packet(packet, now).is_none());
    }
    let stats = receiver.stats();
    assert_eq!((stats.pictures, stats.undecryptable, stats.undecoded), (0, 1, 0));
    assert!(receiver.wants_key_frame(now));
    // The right key comes late: asked again at once.
    receiver.set_keys(keys(1));
    assert!(receiver.wants_key_frame(now));
    let again = encode(2, 100);
    let next = FIRST_SEQ + 1000;
    let mut shown = 0;
    for (index, packet) in packets(&again).into_iter().enumerate() {
        let packet = VideoPacket { seq: next + index as u64, ..packet };
        shown += usize::from(receiver.handle_packet(packet, now).is_some());
    }
    assert_eq!(shown, 2);
}

#[test]
fn what_came_before_is_not_shown_again() {
    let pictures = encode(3, 100);
    let packets = packets(&pictures);
    let (mut receiver, now) = (receiver(), Instant::now());
    let mut shown = 0;
    for (index, packet) in packets.iter().cycle().take(packets.len() * 3).enumerate() {
        let packet = VideoPacket { seq: FIRST_SEQ + index as u64, ..packet.clone() };
        shown += usize::from(receiver.handle_packet(packet, now).is_some());
    }
    assert_eq!(shown, 3);
    assert!(receiver.stats().undecryptable > 0);
}

#[test]
fn a_frame_that_was_left_out_on_the_way_is_noticed() {
    let pictures = encode(9, 6);
    let good = decoded(&pictures);
    // Somebody takes out a frame and closes the gap in the numbers.
    let kept = [&pictures[..3], &pictures[4..]].concat();
    let (mut receiver, now) = (receiver(), Instant::now());
    let mut shown = Vec::new();
    for packet in packets(&kept) {
        shown.extend(receiver.handle_packet(packet, now));
    }
    let expected = good[..3].iter().chain(&good[6..]);
    assert!(shown.iter().map(|picture| &**picture).eq(expected));
}

#[test]
fn padding_between_frames_changes_nothing() {
    let pictures = encode(4, 100);
    let (mut receiver, now) = (receiver(), Instant::now());
    let mut shown = 0;
    for (index, packet) in packets(&pictures).into_iter().enumerate() {
        let seq = FIRST_SEQ + index as u64 * 2;
        let ends = packet.marker;
        let timestamp = packet.timestamp;
        shown += usize::from(receiver.handle_packet(VideoPacket { seq, ..packet }, now).is_some());
        assert!(ends, "the pictures of this test fit into a packet each");
        let payload = Bytes::new();
        let padding = VideoPacket { seq: seq + 1, timestamp, marker: false, payload };
        assert!(receiver.handle_packet(padding, now).is_none());
    }
    assert_eq!((shown, receiver.stats().breaks), (4, 0));
}

/// Frames of the official web client, whatever they have in the clear, are authentic until a bit
/// of them changes. They hold noise, so none becomes a picture.
#[test]
fn recorded_frames_open_on_their_way_to_the_decoder() {
    let all: Value = serde_json::from_str(include_str!("../../data/media.json")).unwrap();
    let bytes = |value: &Value| hex::decode(value.as_str().unwrap()).unwrap();
    let keys = all["keys"].as_array().unwrap().iter().map(|key| MediaKey {
        id: KeyId::from(key["keyId"].as_str().unwrap()),
        key: Secret::new(bytes(&key["key"]).try_into().unwrap()),
    });
    let keys = Arc::new(FrameKeys::new(KeyId::from(""), keys.collect()));
    let receive = |sealed: &[u8]| {
        let mut receiver = VideoReceiver::new(Arc::clone(&keys));
        let pieces = sealed.chunks(1000);
        let last = pieces.len() - 1;
        for (index, piece) in pieces.enumerate() {
            let payload = [&[if index == 0 { 0x10 } else { 0 }][..], piece].concat().into();
            let (seq, marker) = (index as u64, index == last);
            let packet = VideoPacket { seq, timestamp: 0, marker, payload };
            assert!(receiver.handle_packet(packet, Instant::now()).is_none());
        }
        let stats = receiver.stats();
        (stats.undecryptable, stats.undecoded)
    };
    let mut opened = 0;
    for case in all["frames"].as_array().unwrap().iter().filter(|case| case["kind"] == "video") {
        let mut sealed = bytes(&case["encrypted"]);
        // Only what begins like a key frame is looked at without one before it.
        let key = sealed[0] & 1 == 0;
        assert_eq!(receive(&sealed), (0, u64::from(key)), "{case}");
        opened += u32::from(key);
        let middle = sealed.len() / 2;
        sealed[middle] ^= 1;
        assert_eq!(receive(&sealed), (u64::from(key), 0), "{case} with a bit changed");
    }
    assert!(opened >= 8, "{opened} of them begin like key frames");
}

/// `CORRUPTED_COUNT` sealed key frames with a byte changed each: not one becomes a picture.
#[test]
fn corrupted_frames_become_no_pictures() {
    let count: u64 = std::env::var("CORRUPTED_COUNT").map_or(2000, |count| count.parse().unwrap());
    let picture = encode(1, 1).pop().unwrap();
    let sealed: Vec<u8> =
        picture.payloads.iter().flat_map(|payload| payload[4..].to_vec()).collect();
    let (mut receiver, now, mut rng) = (receiver(), Instant::now(), rng());
    let mut seq = FIRST_SEQ;
    for number in 0..count {
        let mut sealed = sealed.clone();
        // The last byte is the level, which nobody vouches for.
        let place = rng.random_range(0..sealed.len() - 1);
        // The lowest bit of the first byte decides whether anybody looks at the rest.
        let change = rng.random_range(1..=255_u8);
        sealed[place] ^= if place == 0 { change & 0xfe | 2 } else { change };
        let pieces = sealed.chunks(MAX_PAYLOAD - 4);
        let last = pieces.len() - 1;
        for (index, piece) in pieces.enumerate() {
            let payload = [&picture.payloads[index.min(1)][..4], piece].concat().into();
            let timestamp = FIRST_TIMESTAMP.wrapping_add(number as u32);
            let packet = VideoPacket { seq, timestamp, marker: index == last, payload };
            seq += 1;
            assert!(receiver.handle_packet(packet, now).is_none(), "byte {place} of {number}");
        }
    }
    let stats = receiver.stats();
    println!("{count} corrupted frames: {} pictures", stats.pictures);
    assert_eq!((stats.pictures, stats.undecryptable, stats.undecoded), (0, count, 0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever the network loses, repeats and mixes up: what is shown was decoded from
    /// everything that it refers to, and never goes back in time.
    #[test]
    fn only_sound_pictures_are_shown_and_in_order(
        fates in prop::collection::vec((0_u8..10, 0_u64..60), 60),
        patience in 0_u64..3,
    ) {
        let pictures = encode(40, 8);
        let good = decoded(&pictures);
        let mut arrivals = Vec::new();
        for (index, packet) in packets(&pictures).into_iter().enumerate() {
            let (fate, delay) = fates[index % fates.len()];
            let at = index as u64 * 66 + if fate >= 7 { delay * 4 } else { 0 };
            if fate != 0 {
                arrivals.push((at, packet.clone()));
            }
            if fate == 1 {
                arrivals.push((at + delay, packet));
            }
        }
        arrivals.sort_by_key(|(at, packet)| (*at, packet.seq));
        let (mut receiver, start) = (receiver(), Instant::now());
        let mut newest = None;
        for (at, packet) in arrivals {
            let now = start + Duration::from_millis(at * patience);
            for shown in [receiver.handle_packet(packet, now), receiver.handle_time(now)] {
                let Some(shown) = shown else { continue };
                let number = good.iter().position(|picture| *picture == *shown);
                prop_assert!(number.is_some(), "a picture that nobody sent");
                prop_assert!(number > newest, "{number:?} after {newest:?}");
                newest = number;
            }
        }
        // The last picture is as good as the first key frame after the last loss.
        prop_assert!(receiver.stats().pictures <= 40);
    }

    #[test]
    fn any_packets_are_survived(
        packets in prop::collection::vec((any::<u64>(), any::<u32>(), any::<bool>(), any::<Vec<u8>>()), 0..60),
        near in any::<bool>(),
    ) {
        let (mut receiver, start) = (receiver(), Instant::now());
        for (index, (seq, timestamp, marker, payload)) in packets.into_iter().enumerate() {
            let seq = if near { seq % 32 } else { seq };
            let packet = VideoPacket { seq, timestamp, marker, payload: payload.into() };
            let now = start + Duration::from_millis(index as u64 * 20);
            prop_assert!(receiver.handle_packet(packet, now).is_none());
            receiver.wants_key_frame(now);
        }
        prop_assert_eq!(receiver.stats().pictures, 0);
    }
}

#[test]
fn all_pictures_of_the_scene_differ() {
    let different: HashSet<Vec<u8>> =
        decoded(&encode(40, 8)).iter().map(|picture| picture.y().to_vec()).collect();
    assert_eq!(different.len(), 40);
}
