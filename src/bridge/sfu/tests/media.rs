//! Packets and messages, from publishers to subscribers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use str0m::media::MediaKind::Audio;
use str0m::media::MediaKind::Video;
use str0m::media::Mid;

use super::super::ClientId;
use super::super::SfuConfig;
use super::super::SfuEvent;
use super::super::Tap;
use super::world::World;
use super::world::whole;
use crate::model::TrackKind;

/// A payload that looks like a sealed frame: bytes of all kinds, the same for the same number.
fn payload(number: u8) -> Vec<u8> {
    (0..90_u8).map(|i| i.wrapping_mul(37).wrapping_add(number)).collect()
}

#[test]
fn audio_arrives_byte_for_byte_and_in_order() {
    let mut world = World::new();
    let alice = world.publish(1, &[Audio], false);
    world.join(2);
    let bob = world.subscribe(2, &[alice.stream]);
    for number in 0..50 {
        world.send(&alice, 0, &payload(number));
    }
    let client = &mut world.clients[bob.peer];
    let seqs: Vec<u64> = client.packets.iter().map(|packet| *packet.seq_no).collect();
    assert!(seqs.windows(2).all(|pair| pair[1] == pair[0] + 1), "{seqs:?}");
    let level = client.packets[0].header.ext_vals.audio_level;
    assert_eq!(level, Some(-42), "the level that the sender measured");
    let received = client.payloads("0");
    assert_eq!(received, (0..50).map(payload).collect::<Vec<_>>());
    let stats = world.hub.stats();
    assert_eq!((stats.packets_in, stats.packets_out), (50, 50));
}

#[test]
fn connections_are_up_within_60_ms() {
    let mut world = World::new();
    let start = world.now;
    let alice = world.publish(1, &[Audio], true);
    let took = world.clients[alice.peer].connected_at.unwrap() - start;
    assert!(took < Duration::from_millis(60), "publisher took {took:?}");
    let start = world.now;
    world.join(2);
    let bob = world.subscribe(2, &[alice.stream]);
    let took = world.clients[bob.peer].connected_at.unwrap() - start;
    assert!(took < Duration::from_millis(60), "subscriber took {took:?}");
}

#[test]
fn publisher_is_announced_once_it_is_connected_and_not_before() {
    let mut world = World::new();
    let stream = world.join(1);
    let peer = world.client();
    let (offer, _) = world.clients[peer].offer(&[Audio], false);
    let room = world.room.clone();
    let answer = world.hub.publish(&room, ClientId(1), &offer, world.now).unwrap();
    world.join(2);
    let early = world.hub.subscribe(&room, ClientId(2), &[whole(stream)], world.now);
    assert_eq!(early.unwrap_err().code(), 0x6215);
    assert_eq!(world.hub.list(&room), []);
    let now = world.now;
    world.clients[peer].take_answer(&answer.answer_sdp, now);
    world.run(Duration::from_secs(1));
    let [SfuEvent::PublisherConnected { client, stream: info, .. }] = &world.events[..] else {
        panic!("{:?}", world.events);
    };
    assert_eq!((*client, info.id), (ClientId(1), stream));
    assert_eq!(world.hub.list(&room), std::slice::from_ref(info));
}

#[test]
fn late_subscriber_hears_what_is_said_from_then_on() {
    let mut world = World::new();
    let alice = world.publish(1, &[Audio], false);
    for number in 0..10 {
        world.send(&alice, 0, &payload(number));
    }
    world.join(2);
    let bob = world.subscribe(2, &[alice.stream]);
    for number in 10..20 {
        world.send(&alice, 0, &payload(number));
    }
    let received = world.clients[bob.peer].payloads("0");
    assert_eq!(received, (10..20).map(payload).collect::<Vec<_>>());
}

#[test]
fn two_publishers_hear_each_other() {
    let mut world = World::new();
    let alice = world.publish(1, &[Audio], false);
    let bob = world.publish(2, &[Audio], false);
    let at_alice = world.subscribe(1, &[bob.stream]);
    let at_bob = world.subscribe(2, &[alice.stream]);
    for number in 0..5 {
        world.send(&alice, 0, &payload(number));
        world.send(&bob, 0, &payload(100 + number));
    }
    let heard = world.clients[at_bob.peer].payloads("0");
    assert_eq!(heard, (0..5).map(payload).collect::<Vec<_>>());
    let heard = world.clients[at_alice.peer].payloads("0");
    assert_eq!(heard, (100..105).map(payload).collect::<Vec<_>>());
}

#[test]
fn audio_and_video_of_a_stream_go_to_their_own_lines() {
    let mut world = World::new();
    let alice = world.publish(1, &[Audio, Video], false);
    world.join(2);
    let bob = world.subscribe(2, &[alice.stream]);
    for number in 0..5 {
        world.send(&alice, 0, &payload(number));
        world.send(&alice, 1, &payload(100 + number));
    }
    let client = &mut world.clients[bob.peer];
    assert_eq!(client.payloads("0"), (0..5).map(payload).collect::<Vec<_>>());
    assert_eq!(client.payloads("1"), (100..105).map(payload).collect::<Vec<_>>());
}

#[test]
fn lost_video_is_sent_again() {
    let mut world = World::new();
    let alice = world.publish(1, &[Video], false);
    world.join(2);
    let bob = world.subscribe(2, &[alice.stream]);
    world.send(&alice, 0, &payload(0));
    let (sfu, to) = (world.sfu, world.clients[bob.peer].address);
    let mut countdown = 2;
    world.lossy = Box::new(move |from, dest| {
        if (from, dest) == (sfu, to) && countdown > 0 {
            countdown -= 1;
            return countdown == 0;
        }
        false
    });
    for number in 1..60 {
        world.send(&alice, 0, &payload(number));
    }
    world.run(Duration::from_millis(500));
    let mut received = world.clients[bob.peer].payloads("0");
    received.sort_by_key(|payload| payload[0]);
    assert_eq!(received.len(), 60);
}

#[test]
fn keyframes_are_asked_for_on_connect_and_then_once_per_second() {
    let mut world = World::new();
    let alice = world.publish(1, &[Video], false);
    world.send(&alice, 0, &payload(0));
    world.join(2);
    let bob = world.subscribe(2, &[alice.stream]);
    assert_eq!(world.clients[alice.peer].keyframe_requests.len(), 1, "on connect");
    world.send(&alice, 0, &payload(1));
    world.run(Duration::from_secs(2));
    world.clients[alice.peer].keyframe_requests.clear();
    for number in 0..100 {
        let now = world.now;
        world.clients[bob.peer].request_keyframe(Mid::from("0"), now);
        world.send(&alice, 0, &payload(number));
    }
    world.run(Duration::from_secs(2));
    let asked = &world.clients[alice.peer].keyframe_requests;
    assert!((2..=4).contains(&asked.len()), "{}", asked.len());
    let gaps = asked.windows(2).map(|pair| pair[1].1 - pair[0].1);
    assert!(gaps.into_iter().all(|gap| gap >= Duration::from_millis(950)));
}

#[test]
fn messages_arrive_on_a_channel_named_after_the_stream() {
    let mut world = World::new();
    let alice = world.publish(1, &[Audio], true);
    world.join(2);
    let bob = world.subscribe(2, &[alice.stream]);
    assert_eq!(world.clients[bob.peer].messages, []);
    for number in 0..3 {
        let now = world.now;
        let binary = number != 1;
        assert!(world.clients[alice.peer].send_message(binary, &payload(number)[..40], now));
        world.run(Duration::from_millis(100));
    }
    let label = alice.stream.to_string();
    let expected: Vec<_> =
        (0..3).map(|n| (label.clone(), n != 1, payload(n)[..40].to_vec())).collect();
    assert_eq!(world.clients[bob.peer].messages, expected);
}

#[test]
fn messages_of_several_publishers_share_one_section() {
    let mut world = World::new();
    let alice = world.publish(1, &[], true);
    let bob = world.publish(2, &[], true);
    world.join(3);
    let carol = world.subscribe(3, &[alice.stream]);
    let offer = world.modify(&carol, &[whole(bob.stream)], &[]);
    assert_eq!(offer, None, "a second data source needs no new m-line");
    let now = world.now;
    assert!(world.clients[alice.peer].send_message(true, b"from alice", now));
    assert!(world.clients[bob.peer].send_message(true, b"from bob", now));
    world.run(Duration::from_millis(200));
    let mut received = world.clients[carol.peer].messages.clone();
    received.sort_by_key(|(_, _, message)| message.clone());
    assert_eq!(received[0], (alice.stream.to_string(), true, b"from alice".to_vec()));
    assert_eq!(received[1], (bob.stream.to_string(), true, b"from bob".to_vec()));
}

#[test]
fn what_a_subscriber_says_on_its_own_channel_goes_nowhere() {
    let mut world = World::new();
    let alice = world.publish(1, &[Audio], true);
    world.join(2);
    let bob = world.subscribe(2, &[alice.stream]);
    let now = world.now;
    world.clients[bob.peer].send_message(true, b"hello", now);
    world.run(Duration::from_millis(200));
    assert_eq!(world.hub.stats().messages_in, 0);
    assert_eq!(world.clients[alice.peer].messages, []);
}

#[test]
fn the_tap_sees_everything_that_the_server_sees() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let notes = Arc::clone(&seen);
    let tap = Tap::new(move |tapped| {
        notes.lock().unwrap().push((tapped.stream, tapped.kind, tapped.payload.to_vec()));
    });
    let mut world = World::with(SfuConfig { tap: Some(tap), ..SfuConfig::default() });
    let alice = world.publish(1, &[Audio], true);
    world.send(&alice, 0, &payload(9));
    let now = world.now;
    assert!(world.clients[alice.peer].send_message(true, b"sealed", now));
    world.run(Duration::from_millis(100));
    let expected = [
        (alice.stream, TrackKind::Audio, payload(9)),
        (alice.stream, TrackKind::Data, b"sealed".to_vec()),
    ];
    assert_eq!(*seen.lock().unwrap(), expected);
}

#[test]
fn everybody_hears_everybody_in_a_room_of_eight() {
    const PEOPLE: u64 = 8;
    let mut world = World::new();
    let speakers: Vec<_> = (0..PEOPLE).map(|n| world.publish(n, &[Audio], true)).collect();
    let mut listeners = Vec::new();
    for number in 0..PEOPLE {
        let own = speakers[usize::try_from(number).unwrap()].stream;
        let others = speakers.iter().map(|speaker| speaker.stream).filter(|s| *s != own);
        listeners.push(world.subscribe(number, &others.collect::<Vec<_>>()));
    }
    for round in 0..3 {
        for (number, speaker) in speakers.iter().enumerate() {
            let number = u8::try_from(number).unwrap();
            world.send(speaker, 0, &payload(number * 16 + round));
            let now = world.now;
            assert!(world.clients[speaker.peer].send_message(true, &[number, round], now));
        }
    }
    world.run(Duration::from_secs(1));
    for (number, listener) in listeners.iter().enumerate() {
        let client = &mut world.clients[listener.peer];
        assert_eq!(client.packets.len(), 3 * (speakers.len() - 1));
        let mut messages: Vec<_> = std::mem::take(&mut client.messages);
        messages.sort();
        let mut expected = Vec::new();
        for (other, speaker) in speakers.iter().enumerate().filter(|(other, _)| *other != number) {
            let other = u8::try_from(other).unwrap();
            let message = |round| (speaker.stream.to_string(), true, vec![other, round]);
            expected.extend((0..3).map(message));
        }
        expected.sort();
        assert_eq!(messages, expected);
    }
}

#[test]
fn a_silent_call_lets_the_sfu_sleep() {
    let mut world = World::new();
    let alice = world.publish(1, &[Audio], true);
    world.join(2);
    world.subscribe(2, &[alice.stream]);
    world.run(Duration::from_secs(10));
    world.woken = 0;
    world.run(Duration::from_secs(60));
    assert!(world.woken < 240, "woken {} times in a minute", world.woken);
    world.hub.leave_all(ClientId(1), world.now);
    world.hub.leave_all(ClientId(2), world.now);
    assert_eq!(world.hub.wake(), None);
}

#[test]
fn media_follows_a_subscriber_to_a_new_address() {
    let mut world = World::new();
    let alice = world.publish(1, &[Audio], false);
    world.join(2);
    let bob = world.subscribe(2, &[alice.stream]);
    world.send(&alice, 0, b"before");
    let inside = world.clients[bob.peer].address;
    for port in [7001, 7002] {
        world.translated.insert(inside, SocketAddr::from(([198, 51, 100, 9], port)));
        world.run(Duration::from_millis(1300));
        world.send(&alice, 0, b"after");
    }
    let heard = world.clients[bob.peer].payloads("0");
    assert_eq!(heard, [b"before".to_vec(), b"after".to_vec(), b"after".to_vec()]);
}

#[test]
fn subscriber_that_was_away_is_asked_to_find_a_path_anew() {
    let mut world = World::new();
    let alice = world.publish(1, &[Audio], false);
    world.join(2);
    let bob = world.subscribe(2, &[alice.stream]);
    world.send(&alice, 0, b"before");
    let away = world.clients[bob.peer].address;
    world.lossy = Box::new(move |from, to| from == away || to == away);
    let mut last = String::new();
    for round in 0..6 {
        world.run(Duration::from_secs(if round == 0 { 15 } else { 10 }));
        let offer = world.reoffer();
        let name =
            |sdp: &str| sdp.lines().find(|l| l.starts_with("a=ice-ufrag:")).map(str::to_owned);
        assert_ne!(name(&offer), name(&last), "round {round}");
        world.answer(&bob, &offer);
        last = offer;
    }
    world.lossy = Box::new(|_, _| false);
    world.run(Duration::from_secs(1));
    world.send(&alice, 0, b"after");
    let heard = world.clients[bob.peer].payloads("0");
    assert_eq!(heard, [b"before".to_vec(), b"after".to_vec()]);
    world.run(Duration::from_secs(60));
    world.collect_events();
    assert!(world.events.iter().all(|event| !matches!(event, SfuEvent::Reoffer { .. })));
    assert_eq!(world.hub.stats().failed_peers, 0);
}
