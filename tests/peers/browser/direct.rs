//! A browser and our connections, without anything between them.

use std::time::Instant;

use conclave::media::pipeline::VideoPacket;
use conclave::media::pipeline::VideoReceiver;
use conclave::model::TrackKind;
use conclave::model::VideoContent;
use conclave::rtc::PeerConfig;
use conclave::rtc::PeerState;
use conclave::rtc::Publisher;
use conclave::rtc::Subscriber;
use conclave::rtc::SubscriberEvent;
use serde_json::Value;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::page::PATIENCE;
use super::page::Page;
use super::pictures;
use super::pictures::Likeness;
use crate::member::KEY;
use crate::member::until_state;
use crate::sound::KEY_ID;
use crate::sound::keys;
use crate::video::show;

/// Pictures that are compared, each way.
const ENOUGH: usize = 15;

fn loopback() -> PeerConfig {
    PeerConfig { loopback: true, ..PeerConfig::default() }
}

/// What the page has to know.
fn room() -> Value {
    json!({ "key": hex::encode([KEY; 32]), "keyId": KEY_ID })
}

/// The offer of a browser as an SFU passes it on: streams are named by numbers.
fn numbered(offer: &str) -> String {
    let msid = offer.lines().find_map(|line| line.strip_prefix("a=msid:"));
    let stream = msid.and_then(|msid| msid.split(' ').next()).unwrap();
    offer.replace(stream, "42")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_decodes_our_pictures() {
    let Some(mut page) = Page::open().await else { return };
    let publisher = Publisher::new(&loopback()).unwrap();
    let sink = publisher.add_video_track(VideoContent::Camera).await.unwrap();
    let mut options = room();
    options["sdp"] = publisher.create_offer().await.unwrap().into();
    let answer = page.ask("subscribe", options).await;
    publisher.set_answer(answer.as_str().unwrap()).await.unwrap();
    until_state(publisher.state(), PeerState::Connected).await;
    let watch = async {
        pictures::watch_pattern(&mut page, ENOUGH).await;
        // It decoded; now it asks for a picture that stands alone.
        let decoded = |figures: &Value| figures["subscriber"]["keyFramesDecoded"].as_u64();
        let before = decoded(&page.ask("figures", Value::Null).await);
        page.ask("want_key_frame", Value::Null).await;
        loop {
            pictures::look(&mut page).await;
            let figures = page.ask("figures", Value::Null).await;
            if decoded(&figures) > before {
                return figures;
            }
        }
    };
    let figures = tokio::select! {
        never = show(&sink) => never,
        figures = timeout(PATIENCE, watch) => figures.expect("pictures and a key frame in time"),
    };
    println!("{figures}\n{:?}", publisher.stats().await.unwrap());
    assert!(figures["subscriber"]["pliCount"].as_u64() > Some(0), "it has asked");
    assert_eq!(figures["counts"]["refused"], 0, "all is authentic");
    publisher.close().await;
}

/// Decodes until enough pictures have been compared and a key frame has come that was asked for.
async fn decode(subscriber: &Subscriber, events: &mut mpsc::Receiver<SubscriberEvent>) {
    let mut receiver = VideoReceiver::new(keys(KEY));
    let (mut likeness, mut last, mut asked_after) = (Likeness::default(), None, None);
    loop {
        let event = events.recv().await.expect("the connection lives");
        let SubscriberEvent::Rtp { kind, mid, seq, timestamp, marker, payload, arrival, .. } =
            event
        else {
            continue;
        };
        assert_eq!(kind, TrackKind::Video);
        let packet = VideoPacket { seq, timestamp, marker, payload };
        if let Some(picture) = receiver.handle_packet(packet, arrival) {
            let number = pictures::number_of(&picture);
            assert!(Some(number) >= last, "{number} after {last:?}");
            last = Some(number);
            likeness.compare(&pictures::drawn(number), &picture);
        }
        let stats = receiver.stats();
        if asked_after.is_none() && likeness.pairs() >= ENOUGH {
            asked_after = Some(stats.key_frames);
            subscriber.request_keyframe(&mid).await.unwrap();
        } else if asked_after.is_some_and(|before| stats.key_frames > before) {
            break;
        } else if receiver.wants_key_frame(Instant::now()) {
            subscriber.request_keyframe(&mid).await.unwrap();
        }
    }
    likeness.is_close("the browser's pictures here");
    let stats = receiver.stats();
    println!("{stats:?}");
    assert_eq!((stats.undecryptable, stats.undecoded), (0, 0), "{stats:?}");
    assert!(stats.packets > stats.frames, "frames of several packets: {stats:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn we_decode_the_pictures_of_a_browser() {
    let Some(mut page) = Page::open().await else { return };
    let (subscriber, mut events) = Subscriber::new(&loopback()).unwrap();
    let offer = page.ask("publish", room()).await;
    let offer = numbered(offer.as_str().unwrap());
    let answer = subscriber.answer(&offer).await.unwrap_or_else(|e| panic!("{e} in\n{offer}"));
    page.ask("answered", json!({ "sdp": answer })).await;
    until_state(subscriber.state(), PeerState::Connected).await;
    let decoded = timeout(PATIENCE, decode(&subscriber, &mut events)).await;
    let figures = page.ask("figures", Value::Null).await;
    println!("{figures}\n{:?}", subscriber.stats().await.unwrap());
    decoded.expect("pictures and a key frame in time");
    assert!(figures["publisher"]["pliCount"].as_u64() > Some(0), "it was asked");
    subscriber.close().await;
}
