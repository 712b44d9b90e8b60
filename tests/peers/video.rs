//! Pictures through Janus: sealed VP8 of one client decodes at another.

use std::time::Duration;
use std::time::Instant;

use conclave::device::video::pattern;
use conclave::media::codec::vp8::Content;
use conclave::media::codec::vp8::EncoderConfig;
use conclave::media::pipeline::VideoPacket;
use conclave::media::pipeline::VideoReceiver;
use conclave::media::pipeline::VideoSender;
use conclave::model::TrackKind;
use conclave::model::VideoContent;
use conclave::rtc::EncodedVideo;
use conclave::rtc::PeerConfig;
use conclave::rtc::PeerState;
use conclave::rtc::Publisher;
use conclave::rtc::Subscriber;
use conclave::rtc::SubscriberEvent;
use conclave::rtc::VideoSink;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::janus::Janus;
use crate::janus::PATIENCE;
use crate::member::KEY;
use crate::member::until_state;
use crate::room;
use crate::room::Seat;
use crate::room::whole;
use crate::sound::keys;

/// Pictures that must be seen, and how many the second of the rounds.
const ENOUGH: usize = 20;

/// Shows a picture that counts, for ever.
pub async fn show(sink: &VideoSink) -> ! {
    let config = EncoderConfig { width: 320, height: 180, fps: 15, bitrate_kbit: 150 };
    let mut sender = VideoSender::new(keys(KEY), config, Content::Camera, 0, 0).unwrap();
    let mut pace = tokio::time::interval(Duration::from_millis(66));
    let began = Instant::now();
    for number in 0.. {
        pace.tick().await;
        if sink.take_key_frame_wanted() {
            sender.request_key_frame();
        }
        let picture = pattern::picture(number, 320, 180);
        let encoded = sender.handle_picture(&picture, began.elapsed(), &mut rand::rng()).unwrap();
        if let Some(encoded) = encoded {
            let (payloads, timestamp) = (encoded.payloads, encoded.timestamp);
            // A queue that is full drops, as it does for cameras.
            let _ = sink.write(EncodedVideo { payloads, timestamp });
        }
    }
    unreachable!("numbers do not end")
}

/// Counts what is decoded until it is enough; asks for key frames where they are needed.
async fn watch(subscriber: &Subscriber, events: &mut mpsc::Receiver<SubscriberEvent>) {
    let mut receiver = VideoReceiver::new(keys(KEY));
    let (mut last, mut seen, began) = (None, 0, Instant::now());
    while seen < ENOUGH {
        let event = events.recv().await.unwrap();
        let SubscriberEvent::Rtp { kind, mid, seq, timestamp, marker, payload, arrival, .. } =
            event
        else {
            continue;
        };
        assert_eq!(kind, TrackKind::Video);
        let packet = VideoPacket { seq, timestamp, marker, payload };
        if let Some(picture) = receiver.handle_packet(packet, arrival) {
            if seen == 0 {
                println!("first picture {} ms after watching", began.elapsed().as_millis());
            }
            let counter = pattern::read_counter(&picture);
            assert!(counter > last, "{counter:?} after {last:?}");
            (last, seen) = (counter, seen + 1);
        }
        if receiver.wants_key_frame(Instant::now()) {
            subscriber.request_keyframe(&mid).await.unwrap();
        }
    }
    println!("{:?}", receiver.stats());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pictures_decode_at_the_other_side_of_janus() {
    let Some(janus) = Janus::start() else { return };
    let room = room::create(&janus).await;
    let mut ana = Seat::join(&janus, &room, "ana").await;
    let publisher = Publisher::new(&PeerConfig::default()).unwrap();
    let sink = publisher.add_video_track(VideoContent::Camera).await.unwrap();
    let offer = publisher.create_offer().await.unwrap();
    let (answer, tracks) = ana.publish(&offer).await;
    println!("Janus lists {tracks:?}");
    publisher.set_answer(&answer).await.unwrap_or_else(|error| panic!("{error} in\n{answer}"));
    until_state(publisher.state(), PeerState::Connected).await;
    ana.published().await;

    let mut ben = Seat::join(&janus, &room, "ben").await;
    let (subscriber, mut events) = Subscriber::new(&PeerConfig::default()).unwrap();
    let offer = ben.modify(&[whole(ana.stream)], &[]).await.expect("an offer");
    let answer = subscriber.answer(&offer).await.unwrap_or_else(|e| panic!("{e} in\n{offer}"));
    ben.accept(&answer).await;
    until_state(subscriber.state(), PeerState::Connected).await;
    let both = async {
        tokio::select! {
            never = show(&sink) => never,
            () = watch(&subscriber, &mut events) => {}
        }
        // Whoever begins anew in the middle needs a key frame, and has to get it by asking.
        tokio::select! {
            never = show(&sink) => never,
            () = watch(&subscriber, &mut events) => {}
        }
    };
    timeout(PATIENCE, both).await.expect("pictures within the time");
    println!("bandwidth: {:?} kbit/s", sink.bandwidth_kbit());
    subscriber.close().await;
    publisher.close().await;
}
