//! Strangers, vandals and the merely broken.

use std::net::SocketAddr;
use std::time::Duration;

use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::StdRng;
use str0m::media::MediaKind::Audio;
use str0m::media::MediaKind::Video;

use super::super::ClientId;
use super::super::SfuConfig;
use super::super::SfuError;
use super::super::SfuEvent;
use super::super::SfuLimits;
use super::world::World;
use super::world::whole;

fn stranger() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 66], 666))
}

#[test]
fn garbage_is_dropped_and_the_call_goes_on() {
    let mut world = World::new();
    let alice = world.publish(1, &[Audio], true);
    world.join(2);
    let bob = world.subscribe(2, &[alice.stream]);
    let member = world.clients[alice.peer].address;
    let before = world.hub.stats();
    for first in 0..=255_u8 {
        for length in [1_usize, 3, 19, 20, 28, 200, 1500, 1501, 9000] {
            let mut data = vec![first; length];
            world.inject(stranger(), &data);
            data[length - 1] ^= 0x5a;
            world.inject(member, &data);
        }
    }
    let after = world.hub.stats();
    assert_eq!(after.peers, before.peers);
    assert!(after.dropped_unknown - before.dropped_unknown >= 256 * 9);
    world.send(&alice, 0, b"unharmed");
    assert_eq!(world.clients[bob.peer].payloads("0"), [b"unharmed".to_vec()]);
}

#[test]
fn stun_of_strangers_is_not_answered() {
    let mut world = World::new();
    world.publish(1, &[Audio], false);
    while world.hub.poll_datagram().is_some() {}
    let request = |username: &str| {
        let mut message = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
        message.extend([7; 12]);
        message.extend([0, 6, 0, u8::try_from(username.len()).unwrap()]);
        message.extend(username.bytes());
        message.resize(message.len().next_multiple_of(4), 0);
        message.extend([0, 0x24, 0, 4, 0, 0, 0, 1]);
        let length = u16::try_from(message.len() - 20).unwrap();
        message[2..4].copy_from_slice(&length.to_be_bytes());
        message
    };
    for username in ["nobody:me", "nobody", "", ":"] {
        world.inject(stranger(), &request(username));
        assert!(world.hub.poll_datagram().is_none(), "{username}");
    }
}

#[test]
fn forged_copies_of_every_datagram_change_nothing() {
    let mut world = World::new();
    let alice = world.publish(1, &[Audio, Video], true);
    world.join(2);
    let bob = world.subscribe(2, &[alice.stream]);
    world.forger = Some(StdRng::seed_from_u64(3));
    let now = world.now;
    assert!(world.clients[alice.peer].send_message(true, b"first", now));
    for number in 0..200_u8 {
        world.send(&alice, usize::from(number) % 2, &[number; 60]);
    }
    let now = world.now;
    assert!(world.clients[alice.peer].send_message(true, b"last", now));
    world.run(Duration::from_secs(20));
    let stats = world.hub.stats();
    assert_eq!((stats.peers, stats.failed_peers), (2, 0));
    let client = &mut world.clients[bob.peer];
    for line in 0..2_u8 {
        let expected: Vec<_> = (0..200_u8).filter(|n| n % 2 == line).map(|n| vec![n; 60]).collect();
        assert_eq!(client.payloads(&line.to_string()), expected);
    }
    let messages: Vec<_> = client.messages.iter().map(|(_, _, message)| &message[..]).collect();
    assert_eq!(messages, [&b"first"[..], b"last"]);
}

#[test]
fn unusable_descriptions_change_nothing() {
    let mut world = World::new();
    world.join(1);
    let peer = world.client();
    let (offer, _) = world.clients[peer].offer(&[Audio], true);
    let cases = [
        ("empty", String::new()),
        ("huge", "v=0\r\n".to_owned() + &"a=x\r\n".repeat(100_000)),
        ("no fingerprint", offer.replace("a=fingerprint", "a=x")),
        ("no credentials", offer.replace("a=ice-ufrag", "a=x")),
        ("bad password", offer.replace("a=ice-pwd:", "a=ice-pwd:\u{fc}")),
        ("no bundle", offer.replace("a=group:BUNDLE", "a=group:LS")),
        ("same mid twice", offer.replace("a=mid:", "a=mid:x\r\na=y:")),
        ("long mid", offer.replace("a=mid:", "a=mid:0123456789abcdefg")),
    ];
    let room = world.room.clone();
    for (name, sdp) in cases {
        let refused = world.hub.publish(&room, ClientId(1), &sdp, world.now);
        assert!(matches!(refused, Err(SfuError::InvalidSdp(_))), "{name}: {refused:?}");
        assert_eq!(world.hub.stats().peers, 0, "{name}");
    }
    assert!(world.hub.publish(&room, ClientId(1), &offer, world.now).is_ok());
    let again = world.hub.publish(&room, ClientId(1), &offer, world.now);
    assert!(matches!(again, Err(SfuError::AlreadyPublishing)));
}

#[test]
fn wrong_answers_leave_the_offer_open() {
    let mut world = World::new();
    let alice = world.publish(1, &[Audio], true);
    world.join(2);
    let room = world.room.clone();
    let first = world.hub.subscribe(&room, ClientId(2), &[whole(alice.stream)], world.now).unwrap();
    let peer = world.client();
    let answer = world.clients[peer].answer(&first.offer.unwrap(), world.now);
    let cases = [
        ("empty", String::new()),
        ("fewer lines", answer.split("m=application").next().unwrap().to_owned()),
        ("other kind", answer.replace("m=audio", "m=video")),
        ("other mid", answer.replace("a=mid:0", "a=mid:7")),
        ("all refused", answer.replace("m=audio 9", "m=audio 0").replace("cation 9", "cation 0")),
        ("no role", answer.replace("a=setup:active", "a=setup:actpass")),
    ];
    for (name, sdp) in cases {
        let refused = world.hub.accept_offer(ClientId(2), first.session_id, &sdp, world.now);
        assert!(matches!(refused, Err(SfuError::InvalidSdp(_))), "{name}: {refused:?}");
    }
    let other = world.hub.accept_offer(ClientId(1), first.session_id, &answer, world.now);
    assert!(matches!(other, Err(SfuError::UnknownSession)), "somebody else's session");
    world.hub.accept_offer(ClientId(2), first.session_id, &answer, world.now).unwrap();
    world.run(Duration::from_millis(500));
    assert!(world.clients[peer].connected_at.is_some());
}

#[test]
fn limits_hold() {
    let limits = SfuLimits { participants_per_room: 3, peers: 3, ..SfuLimits::default() };
    let mut world = World::with(SfuConfig { limits, ..SfuConfig::default() });
    let alice = world.publish(1, &[Audio], false);
    let bob = world.publish(2, &[Audio], false);
    let (first, again) = (world.join(3), world.join(3));
    assert_eq!(first, again);
    let full = world.hub.join(world.room.clone(), ClientId(4), "x".into());
    assert_eq!(full.unwrap_err().code(), 0x620B);
    world.subscribe(3, &[alice.stream]);
    let room = world.room.clone();
    let refused = world.hub.subscribe(&room, ClientId(1), &[whole(bob.stream)], world.now);
    assert!(matches!(refused, Err(SfuError::TooManyPeers)));
    let stranger = world.hub.publish(&room, ClientId(9), "", world.now);
    assert!(matches!(stranger, Err(SfuError::NotJoined)));
    let elsewhere = world.hub.subscribe(&"other".into(), ClientId(1), &[], world.now);
    assert!(matches!(elsewhere, Err(SfuError::NotJoined)));
}

#[test]
fn slow_subscriber_loses_messages_and_nobody_else_does() {
    let limits = SfuLimits { data_buffer_bytes: 20_000, ..SfuLimits::default() };
    let mut world = World::with(SfuConfig { limits, ..SfuConfig::default() });
    let alice = world.publish(1, &[], true);
    world.join(2);
    world.join(3);
    let slow = world.subscribe(2, &[alice.stream]);
    let quick = world.subscribe(3, &[alice.stream]);
    let now = world.now;
    assert!(world.clients[alice.peer].send_message(true, b"open the channel", now));
    world.run(Duration::from_millis(300));
    let to = world.clients[slow.peer].address;
    world.lossy = Box::new(move |_, dest| dest == to);
    for _ in 0..100 {
        let now = world.now;
        world.clients[alice.peer].send_message(true, &[1; 1000], now);
        world.run(Duration::from_millis(50));
    }
    assert_eq!(world.clients[quick.peer].messages.len(), 101);
    let dropped = world.hub.stats().dropped_messages;
    assert!((70..100).contains(&dropped), "{dropped}");
}

#[test]
fn oversized_messages_are_dropped() {
    let limits = SfuLimits { data_message_bytes: 1000, ..SfuLimits::default() };
    let mut world = World::with(SfuConfig { limits, ..SfuConfig::default() });
    let alice = world.publish(1, &[], true);
    world.join(2);
    let bob = world.subscribe(2, &[alice.stream]);
    for length in [1001, 1000] {
        let now = world.now;
        assert!(world.clients[alice.peer].send_message(true, &vec![7; length], now));
        world.run(Duration::from_millis(100));
    }
    assert_eq!(world.clients[bob.peer].messages.len(), 1);
    assert_eq!(world.hub.stats().dropped_messages, 1);
}

#[test]
fn vanished_peers_are_cleaned_up_and_reported() {
    let mut world = World::new();
    let alice = world.publish(1, &[Audio], false);
    let bob = world.publish(2, &[Audio], false);
    let gone = world.subscribe(1, &[bob.stream]);
    world.subscribe(2, &[alice.stream]);
    world.events.clear();
    let dead = [world.clients[alice.peer].address, world.clients[gone.peer].address];
    world.lossy = Box::new(move |from, to| dead.contains(&from) || dead.contains(&to));
    world.run(Duration::from_secs(120));
    // The one that has gone was asked to find a path anew before it was given up.
    let asked = |event: &SfuEvent| matches!(event, SfuEvent::Reoffer { session_id, .. } if *session_id == gone.session);
    assert_eq!(world.events.iter().filter(|event| asked(event)).count(), 1);
    world.events.retain(|event| !asked(event));
    let mut kinds: Vec<_> = world.events.iter().map(std::mem::discriminant).collect();
    kinds.dedup();
    assert_eq!(kinds.len(), 3, "{:?}", world.events);
    let published = world.events.iter().any(|event| {
        matches!(event, SfuEvent::PublisherGone { client: ClientId(1), announced: true, .. })
    });
    let subscribed = world.events.iter().any(
        |event| matches!(event, SfuEvent::SubscriberGone { session_id, .. } if *session_id == gone.session),
    );
    assert!(published && subscribed, "{:?}", world.events);
    assert_eq!(world.hub.stats().peers, 2, "those that are still there");
    assert_eq!(world.hub.list(&world.room.clone()).len(), 1);
}

#[test]
fn publisher_that_never_connects_is_given_up() {
    let mut world = World::new();
    world.join(1);
    let peer = world.client();
    let (offer, _) = world.clients[peer].offer(&[Audio], false);
    let room = world.room.clone();
    world.hub.publish(&room, ClientId(1), &offer, world.now).unwrap();
    world.run(Duration::from_secs(60));
    assert!(matches!(
        world.events[..],
        [SfuEvent::PublisherGone { client: ClientId(1), announced: false, .. }]
    ));
    assert_eq!(world.hub.stats().peers, 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn mangled_offers_never_hurt(
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut world = World::new();
        world.join(1);
        let peer = world.client();
        let (offer, _) = world.clients[peer].offer(&[Audio, Video], true);
        let mut lines: Vec<String> = offer.lines().map(str::to_owned).collect();
        for (index, byte) in edits {
            let at = index.index(lines.len());
            match byte % 4 {
                0 => { lines.remove(at); }
                1 => { let line = lines[at].clone(); lines.insert(at, line); }
                2 => { let other = usize::from(byte) % lines.len(); lines.swap(at, other); }
                _ => {
                    let kept: String = lines[at].chars().take(usize::from(byte) / 8).collect();
                    lines[at] = kept + &byte.to_string();
                }
            }
        }
        let mut text = lines.join("\r\n");
        text.truncate(cut.index(text.len() * 8).min(text.len()));
        let room = world.room.clone();
        let _ = world.hub.publish(&room, ClientId(1), &text, world.now);
        let _ = world.hub.update(&room, ClientId(1), &offer, world.now);
        world.run(Duration::from_secs(1));
    }
}
