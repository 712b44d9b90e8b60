//! Pictures through the SFU of the embedded bridge: whole, asked for, and sent again when lost.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use bytes::Bytes;
use conclave::bridge::sfu::SfuConfig;
use conclave::crypto::frame::FrameKeys;
use conclave::crypto::frame::MediaKey;
use conclave::device::video::pattern;
use conclave::media::codec::vp8::Content;
use conclave::media::codec::vp8::EncoderConfig;
use conclave::media::pipeline::VideoPacket;
use conclave::media::pipeline::VideoReceiver;
use conclave::media::pipeline::VideoReceiverStats;
use conclave::media::pipeline::VideoSender;
use conclave::model::KeyId;
use conclave::model::Secret;
use conclave::model::TrackId;
use conclave::model::VideoContent;
use conclave::rtc::EncodedVideo;
use conclave::rtc::PeerState;
use conclave::rtc::Publisher;
use conclave::rtc::SubscriberEvent;
use conclave::rtc::VideoSink;

use super::loopback;
use super::sfu::ANA;
use super::sfu::BEN;
use super::sfu::Listener;
use super::sfu::World;
use super::until;
use crate::support::lossy;
use crate::support::lossy::Lossy;

const PACE: Duration = Duration::from_millis(20);

fn picture(number: u32, packets: usize) -> EncodedVideo {
    let payload = |index: usize| Bytes::from(format!("{number}:{index}:{}", "x".repeat(1000)));
    EncodedVideo { payloads: (0..packets).map(payload).collect(), timestamp: 3000 * number }
}

async fn world() -> World {
    let bind = (Ipv4Addr::LOCALHOST, 0).into();
    World::with(SfuConfig { bind, ..SfuConfig::default() }).await
}

/// Waits until a key frame of the track is wanted, and takes it as sent.
async fn wanted(sink: &VideoSink) {
    let wait = async {
        let mut pace = tokio::time::interval(PACE);
        while !sink.take_key_frame_wanted() {
            pace.tick().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), wait).await.expect("a wish within 10 s");
}

/// Sends pictures of `packets` until one has arrived whole on the line.
async fn arrives(ben: &mut Listener, sink: &VideoSink, line: &TrackId, packets: usize) {
    let mut pace = tokio::time::interval(PACE);
    let send = async {
        for number in 0.. {
            pace.tick().await;
            sink.write(picture(number, packets)).unwrap();
        }
    };
    let mut got: BTreeMap<u32, Vec<(Bytes, bool)>> = BTreeMap::new();
    let receive = ben.wait(|event| match event {
        SubscriberEvent::Rtp { timestamp, payload, marker, mid, .. } if mid == *line => {
            let parts = got.entry(timestamp).or_default();
            parts.push((payload, marker));
            (parts.len() == packets).then(|| parts.clone())
        }
        _ => None,
    });
    let parts = tokio::select! {
        whole = receive => whole,
        () = send => unreachable!("it sends for ever"),
    };
    let markers: Vec<_> = parts.iter().map(|(_, marker)| *marker).collect();
    assert!(markers.iter().rev().skip(1).all(|marker| !marker) && markers[packets - 1]);
}

async fn track_of(ben: &mut Listener) -> (TrackId, TrackId) {
    ben.wait(|event| match event {
        SubscriberEvent::Track { track, mid, .. } => Some((track, mid)),
        _ => None,
    })
    .await
}

#[tokio::test]
async fn pictures_arrive_whole_and_key_frames_are_asked_for() {
    let mut world = world().await;
    let stream = world.join(ANA).await;
    let publisher = Publisher::new(&loopback()).unwrap();
    let camera = publisher.add_video_track(VideoContent::Camera).await.unwrap();
    let screen = publisher.add_video_track(VideoContent::Screen).await.unwrap();
    world.publish(ANA, &publisher).await;
    let described: Vec<_> =
        world.tracks().await.into_iter().map(|t| t.description.unwrap()).collect();
    assert_eq!(described, ["camera", "screen"]);
    assert!(camera.take_key_frame_wanted() && screen.take_key_frame_wanted(), "the first is due");
    // Before anything has come, nobody can be asked.
    for sink in [&camera, &screen] {
        sink.write(picture(0, 1)).unwrap();
    }

    world.join(BEN).await;
    let mut ben = Listener::new();
    world.subscribe(BEN, &[stream], &mut ben).await;
    let tracks = [track_of(&mut ben).await, track_of(&mut ben).await];
    until(&mut ben.subscriber.state(), PeerState::Connected).await;
    for (sink, (track, mid)) in [&camera, &screen].into_iter().zip(&tracks) {
        assert_eq!(publisher.track_id(sink).await.unwrap().as_ref(), Some(track));
        wanted(sink).await;
        arrives(&mut ben, sink, mid, 30).await;
        ben.subscriber.request_keyframe(mid).await.unwrap();
        wanted(sink).await;
    }
    let mut pace = tokio::time::interval(PACE);
    while camera.bandwidth_kbit().is_none() {
        pace.tick().await;
    }
    assert_eq!(camera.bandwidth_kbit(), Some(256), "two tracks share what the SFU takes");

    // A camera goes and another one comes, on the same line.
    publisher.remove_track(&camera).await.unwrap();
    world.update(ANA, &publisher, false).await;
    assert!(world.tracks().await[0].disabled);
    let camera = publisher.add_video_track(VideoContent::Camera).await.unwrap();
    world.update(ANA, &publisher, false).await;
    assert_eq!(world.tracks().await.len(), 2);
    ben.subscriber.close().await;
    world.sfu.leave(&"room".into(), BEN).await.unwrap();
    world.join(BEN).await;
    let mut ben = Listener::new();
    world.subscribe(BEN, &[stream], &mut ben).await;
    let (_, line) = track_of(&mut ben).await;
    wanted(&camera).await;
    arrives(&mut ben, &camera, &line, 3).await;
    ben.subscriber.close().await;
    publisher.close().await;
    world.sfu.shutdown().await;
}

#[tokio::test]
async fn what_is_lost_on_either_way_comes_again() {
    let mut network = Lossy::bind().await;
    let bind = (Ipv4Addr::LOCALHOST, network.port).into();
    let advertise = vec![lossy::OUTSIDE];
    let mut world = World::with(SfuConfig { bind, advertise, ..SfuConfig::default() }).await;
    let counter = AtomicU32::new(0);
    let lost = Arc::new(AtomicU32::new(0));
    let total = Arc::clone(&lost);
    network.carry(Arc::new(move |_, datagram| {
        let is_lost = lossy::is_rtp(datagram) && counter.fetch_add(1, Ordering::Relaxed) % 11 == 5;
        lost.fetch_add(u32::from(is_lost), Ordering::Relaxed);
        is_lost
    }));
    let stream = world.join(ANA).await;
    let publisher = Publisher::new(&loopback()).unwrap();
    let sink = publisher.add_video_track(VideoContent::Camera).await.unwrap();
    world.publish(ANA, &publisher).await;
    world.join(BEN).await;
    let mut ben = Listener::new();
    world.subscribe(BEN, &[stream], &mut ben).await;
    until(&mut ben.subscriber.state(), PeerState::Connected).await;
    let (_, line) = track_of(&mut ben).await;
    arrives(&mut ben, &sink, &line, 1).await;

    // Every picture of this burst is whole in the end, though one packet in six is lost.
    let (first, count, packets) = (100_000, 50, 10);
    let mut pace = tokio::time::interval(PACE);
    let send = async {
        for number in first.. {
            pace.tick().await;
            sink.write(picture(number, packets)).unwrap();
        }
    };
    let mut got: BTreeMap<String, usize> = BTreeMap::new();
    let receive = ben.wait(|event| {
        let SubscriberEvent::Rtp { payload, .. } = event else { return None };
        let text = String::from_utf8(payload.to_vec()).unwrap();
        let number = text.split(':').next().unwrap().to_owned();
        *got.entry(number).or_default() += 1;
        let whole = (first..first + count).all(|n| got.get(&n.to_string()) == Some(&packets));
        whole.then_some(())
    });
    tokio::select! {
        () = receive => {}
        () = send => unreachable!("it sends for ever"),
    }
    let stats = ben.subscriber.stats().await.unwrap();
    println!(
        "{} datagrams were lost, {} packets are missing",
        total.load(Ordering::Relaxed),
        stats.packets_lost
    );
    assert!(total.load(Ordering::Relaxed) > 50);
    ben.subscriber.close().await;
    publisher.close().await;
    world.sfu.shutdown().await;
}

/// Payload type of what is sent again, on either leg.
const REPAIR_TYPE: u8 = 97;

/// What the sender of pictures and the receiver tell each other past the network.
#[derive(Default)]
struct Fate {
    /// Pictures are seen: from now on one may get lost.
    seen: AtomicBool,
    /// Packets that are to be lost.
    doomed: AtomicUsize,
    /// The number of the picture that was lost.
    lost: AtomicU32,
}

fn keys() -> Arc<FrameKeys> {
    let id = KeyId::from("k");
    let key = MediaKey { id: id.clone(), key: Secret::new([7; 32]) };
    Arc::new(FrameKeys::new(id, vec![key]))
}

/// Shows the test picture; dooms the second key frame once the first was seen.
async fn show(sink: &VideoSink, fate: &Fate) {
    let config = EncoderConfig { width: 320, height: 180, fps: 15, bitrate_kbit: 150 };
    let mut sender = VideoSender::new(keys(), config, Content::Camera, 0, 0).unwrap();
    let mut pace = tokio::time::interval(Duration::from_millis(66));
    let began = Instant::now();
    for number in 1.. {
        pace.tick().await;
        let dooms = fate.seen.load(Ordering::Relaxed) && fate.lost.load(Ordering::Relaxed) == 0;
        if sink.take_key_frame_wanted() || dooms {
            sender.request_key_frame();
        }
        let picture = pattern::picture(number, 320, 180);
        let encoded = sender.handle_picture(&picture, began.elapsed(), &mut rand::rng()).unwrap();
        let Some(encoded) = encoded else { continue };
        if encoded.key && dooms {
            fate.doomed.store(encoded.payloads.len(), Ordering::Relaxed);
            fate.lost.store(number, Ordering::Relaxed);
        }
        let (payloads, timestamp) = (encoded.payloads, encoded.timestamp);
        // A queue that is full drops, and wants a key frame again.
        let _ = sink.write(EncodedVideo { payloads, timestamp });
    }
}

/// Decodes until a picture from after the lost one is seen; answers how often it asked for one
/// that stands alone, and the counters.
async fn recover(ben: &mut Listener, fate: &Fate) -> (u32, VideoReceiverStats) {
    let mut receiver = VideoReceiver::new(keys());
    let mut asked = 0;
    loop {
        let event = ben.events.recv().await.unwrap();
        let SubscriberEvent::Rtp { mid, seq, timestamp, marker, payload, arrival, .. } = event
        else {
            continue;
        };
        let packet = VideoPacket { seq, timestamp, marker, payload };
        let lost = fate.lost.load(Ordering::Relaxed);
        if let Some(picture) = receiver.handle_packet(packet, arrival) {
            let number = pattern::read_counter(&picture).unwrap();
            assert_ne!(Some(number), Some(lost).filter(|lost| *lost > 0), "it was lost");
            if lost > 0 && number > lost {
                let stats = receiver.stats();
                assert!(stats.breaks > 0 && stats.key_frames > 1 && stats.undecoded == 0);
                return (asked, stats);
            }
            fate.seen.store(true, Ordering::Relaxed);
        }
        if receiver.wants_key_frame(Instant::now()) {
            asked += u32::from(lost > 0);
            ben.subscriber.request_keyframe(&mid).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_key_frame_that_never_comes_again_is_replaced_by_another() {
    let mut network = Lossy::bind().await;
    let bind = (Ipv4Addr::LOCALHOST, network.port).into();
    let advertise = vec![lossy::OUTSIDE];
    let mut world = World::with(SfuConfig { bind, advertise, ..SfuConfig::default() }).await;
    let fate = Arc::new(Fate::default());
    let judge = Arc::clone(&fate);
    network.carry(Arc::new(move |way, datagram| {
        // Nothing is sent again with success.
        let again = datagram.get(1).is_some_and(|second| second & 0x7f == REPAIR_TYPE);
        let spare = |left: usize| left.checked_sub(1);
        let doomed = || {
            way == lossy::Way::ToSfu
                && judge.doomed.fetch_update(Ordering::Relaxed, Ordering::Relaxed, spare).is_ok()
        };
        lossy::is_rtp(datagram) && (again || doomed())
    }));
    let stream = world.join(ANA).await;
    let publisher = Publisher::new(&loopback()).unwrap();
    let sink = publisher.add_video_track(VideoContent::Camera).await.unwrap();
    world.publish(ANA, &publisher).await;
    world.join(BEN).await;
    let mut ben = Listener::new();
    world.subscribe(BEN, &[stream], &mut ben).await;
    let recovered = async {
        tokio::select! {
            done = recover(&mut ben, &fate) => done,
            () = show(&sink, &fate) => unreachable!("it shows for ever"),
        }
    };
    let recovered = tokio::time::timeout(Duration::from_secs(20), recovered).await;
    let (asked, stats) = recovered.expect("pictures again within 20 s");
    println!("asked {asked} times: {stats:?}");
    assert!(asked > 0, "it had to ask");
    ben.subscriber.close().await;
    publisher.close().await;
    world.sfu.shutdown().await;
}
