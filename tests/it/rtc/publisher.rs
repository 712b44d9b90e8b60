//! The sending connection.

use std::time::Duration;
use std::time::Instant;

use bytes::Bytes;
use conclave::model::Level;
use conclave::rtc::EncodedAudio;
use conclave::rtc::PeerState;
use conclave::rtc::Publisher;
use conclave::rtc::RtcError;

use super::counterpart::Counterpart;
use super::counterpart::Heard;
use super::loopback;
use super::until;

const FRAMES: u32 = 50;

fn frame(number: u32) -> EncodedAudio {
    EncodedAudio {
        payload: Bytes::from(format!("frame {number}")),
        timestamp: 1_000 + 960 * number,
        marker: number == 0,
    }
}

async fn negotiate(publisher: &Publisher, peer: &Counterpart) {
    let offer = publisher.create_offer().await.unwrap();
    let answer = peer.answer(offer).await;
    publisher.set_answer(&answer).await.unwrap();
}

async fn up(publisher: &Publisher, peer: &mut Counterpart) {
    until(&mut publisher.state(), PeerState::Connected).await;
    peer.wait(|heard| matches!(heard, Heard::Up).then_some(())).await;
}

fn rtp(heard: Heard) -> Option<rtc::rtp::Packet> {
    match heard {
        Heard::Rtp(packet) => Some(packet),
        _ => None,
    }
}

#[tokio::test]
async fn an_offer_is_complete() {
    let publisher = Publisher::new(&loopback()).unwrap();
    publisher.add_audio_track().await.unwrap();
    publisher.add_data_channel().await.unwrap();
    let offer = publisher.create_offer().await.unwrap();
    for wanted in [
        "a=rtpmap:111 opus/48000/2",
        "useinbandfec=1",
        "a=sendonly",
        "urn:ietf:params:rtp-hdrext:sdes:mid",
        "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
        "webrtc-datachannel",
        "127.0.0.1",
        "a=end-of-candidates",
        "a=setup:actpass",
    ] {
        assert!(offer.contains(wanted), "{wanted} in\n{offer}");
    }
    publisher.close().await;
}

#[tokio::test]
async fn frames_arrive_in_order_and_unchanged() {
    let publisher = Publisher::new(&loopback()).unwrap();
    let sink = publisher.add_audio_track().await.unwrap();
    let mut peer = Counterpart::new().await;
    let start = Instant::now();
    negotiate(&publisher, &peer).await;
    up(&publisher, &mut peer).await;
    println!("connected in {:?}", start.elapsed());
    sink.set_level(Some(Level::from_dbfs(-23.0)));
    for number in 0..FRAMES {
        sink.write(frame(number)).unwrap();
    }
    let mut last: Option<u16> = None;
    for number in 0..FRAMES {
        let packet = peer.wait(rtp).await;
        let sent = frame(number);
        assert_eq!(packet.payload, sent.payload);
        assert_eq!(packet.header.timestamp, sent.timestamp);
        assert_eq!(packet.header.marker, sent.marker);
        assert_eq!(packet.header.payload_type, 111);
        assert!(last.is_none_or(|last| packet.header.sequence_number == last.wrapping_add(1)));
        last = Some(packet.header.sequence_number);
        let values: Vec<_> = packet.header.extensions.iter().map(|e| e.payload.to_vec()).collect();
        assert!(values.contains(&b"0".to_vec()) && values.contains(&vec![23]), "{values:?}");
    }
    let stats = publisher.stats().await.unwrap();
    assert_eq!(stats.packets_sent, u64::from(FRAMES));
    assert!(stats.rtt.is_some_and(|rtt| rtt < Duration::from_millis(100)), "{stats:?}");
    publisher.close().await;
    peer.close().await;
}

#[tokio::test]
async fn messages_wait_for_the_channel_and_arrive_in_order() {
    let publisher = Publisher::new(&loopback()).unwrap();
    let sink = publisher.add_data_channel().await.unwrap();
    for number in 0..20u8 {
        sink.send(Bytes::from(vec![number; 1000])).await.unwrap();
    }
    let mut peer = Counterpart::new().await;
    negotiate(&publisher, &peer).await;
    for number in 0..20u8 {
        let (label, message) = peer
            .wait(|heard| match heard {
                Heard::Message(label, message) => Some((label, message)),
                _ => None,
            })
            .await;
        assert_eq!(label, "JanusDataChannel");
        assert_eq!(message, vec![number; 1000]);
    }
    let long = sink.send(Bytes::from(vec![0; 20_000])).await;
    assert!(matches!(long, Err(RtcError::MessageTooLarge { .. })));
    publisher.close().await;
    peer.close().await;
}

#[tokio::test]
async fn a_re_offer_adds_and_removes_tracks() {
    let publisher = Publisher::new(&loopback()).unwrap();
    let first = publisher.add_audio_track().await.unwrap();
    let mut peer = Counterpart::new().await;
    negotiate(&publisher, &peer).await;
    up(&publisher, &mut peer).await;

    let second = publisher.add_audio_track().await.unwrap();
    negotiate(&publisher, &peer).await;
    assert_ne!(
        publisher.track_id(&first).await.unwrap(),
        publisher.track_id(&second).await.unwrap()
    );
    first.write(frame(1)).unwrap();
    assert_eq!(peer.wait(rtp).await.payload, frame(1).payload);
    second.write(frame(2)).unwrap();
    assert_eq!(peer.wait(rtp).await.payload, frame(2).payload);

    publisher.remove_track(&first).await.unwrap();
    assert!(matches!(publisher.remove_track(&first).await, Err(RtcError::UnknownTrack)));
    negotiate(&publisher, &peer).await;
    let third = publisher.add_audio_track().await.unwrap();
    let offer = publisher.create_offer().await.unwrap();
    assert_eq!(offer.matches("m=audio").count(), 2, "the m-line of the first is reused:\n{offer}");
    publisher.set_answer(&peer.answer(offer).await).await.unwrap();
    third.write(frame(3)).unwrap();
    assert_eq!(peer.wait(rtp).await.payload, frame(3).payload);
    second.write(frame(4)).unwrap();
    assert_eq!(peer.wait(rtp).await.payload, frame(4).payload);
    publisher.close().await;
    peer.close().await;
}

#[tokio::test]
async fn an_ice_restart_keeps_the_connection() {
    let publisher = Publisher::new(&loopback()).unwrap();
    let sink = publisher.add_audio_track().await.unwrap();
    let mut peer = Counterpart::new().await;
    negotiate(&publisher, &peer).await;
    up(&publisher, &mut peer).await;
    let offer = publisher.create_restart_offer().await.unwrap();
    publisher.set_answer(&peer.answer(offer).await).await.unwrap();
    // Frames are lost until the new path stands.
    let mut number = 0;
    let mut pace = tokio::time::interval(Duration::from_millis(20));
    loop {
        pace.tick().await;
        sink.write(frame(number)).unwrap();
        number += 1;
        assert!(number < 500, "no frame arrived after the restart");
        if let Ok(Heard::Rtp(_)) = peer.heard.try_recv() {
            break;
        }
    }
    publisher.close().await;
    peer.close().await;
}

#[tokio::test]
async fn an_unanswered_offer_is_withdrawn_by_the_next() {
    let publisher = Publisher::new(&loopback()).unwrap();
    let sink = publisher.add_audio_track().await.unwrap();
    publisher.create_offer().await.unwrap();
    let mut peer = Counterpart::new().await;
    negotiate(&publisher, &peer).await;
    up(&publisher, &mut peer).await;
    sink.write(frame(7)).unwrap();
    assert_eq!(peer.wait(rtp).await.payload, frame(7).payload);
    publisher.close().await;
    peer.close().await;
}

#[tokio::test]
async fn hostile_answers_are_errors() {
    let publisher = Publisher::new(&loopback()).unwrap();
    publisher.add_audio_track().await.unwrap();
    assert!(matches!(publisher.set_answer("v=0").await, Err(RtcError::OutOfTurn(_))));
    let offer = publisher.create_offer().await.unwrap();
    let peer = Counterpart::new().await;
    let answer = peer.answer(offer).await;
    for hostile in [
        String::new(),
        "v=0\r\n".to_owned(),
        "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n".to_owned(),
        answer.replace("a=mid:0", "a=mid:9"),
        answer.replace("a=fingerprint:sha-256", "a=fingerprint:sha-999"),
        answer.replace("a=ice-ufrag:", "a=nothing:"),
        answer.replace("m=audio", "m=hologram"),
        "v=0\r\n".repeat(200_000),
    ] {
        assert!(publisher.set_answer(&hostile).await.is_err(), "{hostile:.80}");
    }
    publisher.close().await;
    peer.close().await;
}

#[tokio::test]
async fn close_leaves_no_task() {
    let handle = tokio::runtime::Handle::current();
    let before = handle.metrics().num_alive_tasks();
    let publisher = Publisher::new(&loopback()).unwrap();
    let sink = publisher.add_audio_track().await.unwrap();
    let mut peer = Counterpart::new().await;
    negotiate(&publisher, &peer).await;
    up(&publisher, &mut peer).await;
    publisher.close().await;
    // The other side learns of it at once instead of waiting for silence.
    peer.close().await;
    assert_eq!(handle.metrics().num_alive_tasks(), before);
    assert_eq!(*publisher.state().borrow(), PeerState::Closed);
    assert!(matches!(sink.write(frame(0)), Err(RtcError::Closed)));
    assert!(matches!(publisher.create_offer().await, Err(RtcError::Closed)));
    publisher.close().await;
}
