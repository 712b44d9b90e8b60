//! The receiving connection.

use std::time::Duration;

use bytes::Bytes;
use conclave::model::StreamId;
use conclave::model::TrackId;
use conclave::model::TrackKind;
use conclave::rtc::PeerState;
use conclave::rtc::Subscriber;
use conclave::rtc::SubscriberEvent;
use tokio::sync::mpsc;

use super::counterpart::Counterpart;
use super::counterpart::Heard;
use super::counterpart::packet;
use super::loopback;
use super::until;

struct World {
    subscriber: Subscriber,
    events: mpsc::Receiver<SubscriberEvent>,
    sfu: Counterpart,
}

impl World {
    async fn new() -> Self {
        let (subscriber, events) = Subscriber::new(&loopback()).unwrap();
        Self { subscriber, events, sfu: Counterpart::new().await }
    }

    async fn negotiate(&self) {
        let offer = self.sfu.offer().await;
        let answer = self.subscriber.answer(&offer).await.unwrap();
        self.sfu.accept(answer).await;
    }

    /// The same, with the offer changed on the way.
    async fn negotiate_with(&self, change: impl FnOnce(String) -> String) -> String {
        let offer = change(self.sfu.offer().await);
        let answer = self.subscriber.answer(&offer).await.unwrap();
        self.sfu.accept(answer.clone()).await;
        answer
    }

    async fn up(&mut self) {
        until(&mut self.subscriber.state(), PeerState::Connected).await;
        self.sfu.wait(|heard| matches!(heard, Heard::Up).then_some(())).await;
    }

    /// The next event that is not about the state.
    async fn event(&mut self) -> SubscriberEvent {
        loop {
            let event = tokio::time::timeout(Duration::from_secs(10), self.events.recv()).await;
            match event.expect("an event within 10 s").unwrap() {
                SubscriberEvent::State(_) => {}
                event => return event,
            }
        }
    }

    /// The next event, which must be a packet: stream, line, number, payload.
    async fn rtp(&mut self) -> (i64, String, u64, Bytes) {
        match self.event().await {
            SubscriberEvent::Rtp { stream_id, mid, seq, payload, .. } => {
                (stream_id.0, mid.0, seq, payload)
            }
            other => panic!("{other:?}"),
        }
    }

    async fn close(self) {
        self.subscriber.close().await;
        self.sfu.close().await;
    }
}

fn track(stream: i64, name: &str, mid: &str) -> SubscriberEvent {
    SubscriberEvent::Track {
        stream_id: StreamId(stream),
        track: TrackId::from(name),
        mid: TrackId::from(mid),
        kind: TrackKind::Audio,
    }
}

fn ended(stream: i64, mid: &str) -> SubscriberEvent {
    SubscriberEvent::TrackEnded {
        stream_id: StreamId(stream),
        mid: TrackId::from(mid),
        kind: TrackKind::Audio,
    }
}

#[tokio::test]
async fn packets_arrive_in_order_with_their_stream_and_extended_numbers() {
    let mut world = World::new().await;
    let line = world.sfu.add_audio("42", 1111).await;
    let start = std::time::Instant::now();
    world.negotiate().await;
    assert_eq!(world.event().await, track(42, "track1111", "0"));
    world.up().await;
    println!("connected in {:?}", start.elapsed());
    for number in 0..100u16 {
        let seq = 65_500u16.wrapping_add(number);
        let sent = packet(1111, seq, 960 * u32::from(number), &number.to_be_bytes());
        world.sfu.send_audio(line, sent).await;
    }
    let mut expected = None;
    for number in 0..100u16 {
        let (stream, mid, seq, payload) = world.rtp().await;
        assert_eq!((stream, mid.as_str()), (42, "0"));
        assert_eq!(payload, number.to_be_bytes().to_vec());
        assert_eq!(seq, expected.unwrap_or(seq));
        expected = Some(seq + 1);
    }
    let stats = world.subscriber.stats().await.unwrap();
    assert_eq!((stats.packets_received, stats.packets_lost, stats.packets_dropped), (100, 0, 0));
    world.close().await;
}

#[tokio::test]
async fn sources_need_not_be_declared() {
    let mut world = World::new().await;
    let first = world.sfu.add_audio("1", 1111).await;
    let second = world.sfu.add_audio("2", 2222).await;
    let strip = |offer: String| {
        let keep = |line: &&str| !line.starts_with("a=ssrc");
        offer.lines().filter(keep).flat_map(|line| [line, "\r\n"]).collect()
    };
    world.negotiate_with(strip).await;
    assert_eq!(world.event().await, track(1, "track1111", "0"));
    assert_eq!(world.event().await, track(2, "track2222", "1"));
    world.up().await;
    for (line, ssrc, mid) in [(second, 2222, "1"), (first, 1111, "0")] {
        let mut sent = packet(ssrc, 1, 0, mid.as_bytes());
        let id = world
            .sfu
            .with(|connection| extension_id(connection.local_description().unwrap().sdp))
            .await;
        sent.header.set_extension(id, Bytes::copy_from_slice(mid.as_bytes())).unwrap();
        world.sfu.send_audio(line, sent).await;
        let (_, line, _, payload) = world.rtp().await;
        assert_eq!((line.as_str(), payload), (mid, Bytes::copy_from_slice(mid.as_bytes())));
    }
    world.close().await;
}

fn extension_id(sdp: String) -> u8 {
    let line = sdp.lines().find(|line| line.ends_with("sdes:mid")).unwrap();
    line.trim_start_matches("a=extmap:").split(' ').next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_line_goes_inactive_and_comes_back_for_somebody_else() {
    let mut world = World::new().await;
    let first = world.sfu.add_audio("11", 1111).await;
    world.sfu.add_audio("22", 2222).await;
    world.negotiate().await;
    assert_eq!(world.event().await, track(11, "track1111", "0"));
    assert_eq!(world.event().await, track(22, "track2222", "1"));
    world.up().await;
    world.sfu.send_audio(first, packet(1111, 7, 0, b"before")).await;
    let before = world.rtp().await;
    assert_eq!(before.3, "before");

    for (round, stream, ssrc) in [(1, "33", 3333), (2, "44", 4444)] {
        world.sfu.remove(first).await;
        let answer = world.negotiate_with(inactive_first).await;
        assert_eq!(answer.matches("a=inactive").count(), 1, "round {round}:\n{answer}");
        let gone = if round == 1 { 11 } else { 33 };
        assert_eq!(world.event().await, ended(gone, "0"));

        assert_eq!(world.sfu.add_audio(stream, ssrc).await, first);
        world.negotiate().await;
        assert_eq!(
            world.event().await,
            track(stream.parse().unwrap(), &format!("track{ssrc}"), "0")
        );
        world.sfu.send_audio(first, packet(ssrc, 3, 0, b"after")).await;
        let after = world.rtp().await;
        assert_eq!(
            (after.0, after.1.as_str(), &after.3[..]),
            (stream.parse().unwrap(), "0", &b"after"[..])
        );
        assert!(after.2 > before.2, "numbers keep growing");
    }
    world.close().await;
}

/// The engine of the other side says `recvonly` where an SFU says `inactive`.
fn inactive_first(offer: String) -> String {
    offer.replacen("a=recvonly", "a=inactive", 1)
}

#[tokio::test]
async fn messages_carry_the_stream_of_their_channel() {
    let mut world = World::new().await;
    world.sfu.open_channel("bootstrap").await;
    world.negotiate().await;
    world.up().await;
    let label = world
        .sfu
        .wait(|heard| match heard {
            Heard::ChannelOpen(_, label) if label != "bootstrap" => Some(label),
            _ => None,
        })
        .await;
    assert_eq!(label, "JanusDataChannel");
    let channel = world.sfu.open_channel("77").await;
    world
        .sfu
        .wait(|heard| matches!(heard, Heard::ChannelOpen(id, _) if id == channel).then_some(()))
        .await;
    world.sfu.send_message(channel, b"one").await;
    world.sfu.send_message(channel, b"two").await;
    for expected in ["one", "two"] {
        let payload = Bytes::from(expected);
        assert_eq!(world.event().await, SubscriberEvent::Data { stream_id: StreamId(77), payload });
    }
    world.close().await;
}

#[tokio::test]
async fn a_refused_offer_leaves_everything_as_it_was() {
    let mut world = World::new().await;
    let line = world.sfu.add_audio("42", 1111).await;
    world.negotiate().await;
    assert_eq!(world.event().await, track(42, "track1111", "0"));
    world.up().await;
    let good = world.sfu.offer().await;
    for hostile in [
        String::new(),
        good.replace("a=mid:0", "a=mid:"),
        good.replace("a=ice-pwd:", "a=x:"),
        good.replace("m=audio 9", "m=audio 99999999"),
        good.replace("opus/48000/2", "opus/\u{0}/2"),
        format!("{good}{}", "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\n".repeat(2)),
        format!("{good}{}", "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n".repeat(10_000)),
    ] {
        assert!(world.subscriber.answer(&hostile).await.is_err(), "{hostile:.60}");
    }
    let answer = world.subscriber.answer(&good).await.unwrap();
    world.sfu.accept(answer).await;
    world.sfu.send_audio(line, packet(1111, 1, 0, b"still here")).await;
    assert_eq!(world.rtp().await.3, "still here");
    world.close().await;
}

#[tokio::test]
async fn a_slow_reader_loses_packets_but_no_announcement() {
    let mut world = World::new().await;
    let line = world.sfu.add_audio("42", 1111).await;
    world.negotiate().await;
    world.up().await;
    for number in 0..1_500u16 {
        world.sfu.send_audio(line, packet(1111, number, 0, b"x")).await;
    }
    // Wait until all arrived, without reading events.
    loop {
        let stats = world.subscriber.stats().await.unwrap();
        if stats.packets_received == 1_500 {
            assert!(stats.packets_dropped > 0);
            break;
        }
        tokio::task::yield_now().await;
    }
    world.sfu.remove(line).await;
    world.negotiate_with(inactive_first).await;
    loop {
        match world.event().await {
            SubscriberEvent::TrackEnded { stream_id, .. } => {
                assert_eq!(stream_id, StreamId(42));
                break;
            }
            SubscriberEvent::Rtp { .. } | SubscriberEvent::Track { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    world.close().await;
}

#[tokio::test]
async fn close_leaves_no_task_and_ends_the_events() {
    let handle = tokio::runtime::Handle::current();
    let before = handle.metrics().num_alive_tasks();
    let mut world = World::new().await;
    world.sfu.add_audio("42", 1111).await;
    world.negotiate().await;
    world.up().await;
    world.subscriber.close().await;
    world.sfu.close().await;
    assert_eq!(handle.metrics().num_alive_tasks(), before);
    while let Some(event) = world.events.recv().await {
        assert!(!matches!(event, SubscriberEvent::Rtp { .. }));
    }
}

#[tokio::test]
async fn defect_14_2_c14_and_14_3_j13_one_bootstrap_channel_serves_a_connection() {
    let mut world = World::new().await;
    world.sfu.open_channel("bootstrap").await;
    world.negotiate().await;
    world.up().await;
    for (stream, ssrc) in [("42", 1111), ("43", 2222)] {
        world.sfu.add_audio(stream, ssrc).await;
        world.negotiate().await;
    }
    let channel = world.sfu.open_channel("77").await;
    let mut ours = 0;
    world
        .sfu
        .wait(|heard| match heard {
            Heard::ChannelOpen(_, label) if label == "JanusDataChannel" => {
                ours += 1;
                None
            }
            Heard::ChannelOpen(id, _) if id == channel => Some(()),
            _ => None,
        })
        .await;
    assert_eq!(ours, 1, "three answers, one channel");
    world.close().await;
}
