//! Offers and answers over the life of a connection.

use std::time::Duration;

use str0m::media::MediaKind::Audio;
use str0m::media::MediaKind::Video;

use super::super::ClientId;
use super::super::SfuError;
use super::super::SfuEvent;
use super::world::World;
use super::world::sections;
use super::world::track;
use super::world::whole;
use crate::model::TrackKind;

#[test]
fn offer_to_a_subscriber_has_the_agreed_layout() {
    let mut world = World::new();
    let alice = world.publish(1, &[Audio, Video], true);
    world.join(2);
    let room = world.room.clone();
    let answer = world.hub.subscribe(&room, ClientId(2), &[whole(alice.stream)], world.now);
    let offer = answer.unwrap().offer.unwrap();
    let parts = sections(&offer);
    assert_eq!(parts.len(), 4);
    assert!(parts[0].contains("s=VideoRoom "), "{}", parts[0]);
    assert!(parts[0].contains("a=group:BUNDLE 0 1 2\n"));
    assert!(parts[0].contains("a=msid-semantic: WMS *\n"));
    for (index, kind) in ["audio", "video", "application"].iter().enumerate() {
        let part = &parts[index + 1];
        assert!(part.starts_with(&format!("m={kind} 9 UDP/")), "{part}");
        for line in [
            &*format!("a=mid:{index}"),
            "a=sendonly",
            "a=setup:actpass",
            "a=candidate:1 1 udp 2130706431 203.0.113.1 4000 typ host",
            "a=end-of-candidates",
        ] {
            assert!(part.lines().any(|l| l == line), "{line} in {part}");
        }
        assert!(part.contains("a=rtcp-mux") == (*kind != "application"));
    }
    for (index, mid) in alice.mids.iter().enumerate() {
        let msid = format!("a=msid:{} {mid}\n", alice.stream);
        assert!(parts[index + 1].contains(&msid));
    }
    assert!(parts[1].contains("m=audio 9 UDP/TLS/RTP/SAVPF 111\n"));
    assert!(parts[2].contains("m=video 9 UDP/TLS/RTP/SAVPF 96 97\n"));
    assert!(!parts[3].contains("msid"));
}

#[test]
fn answer_to_a_publisher_takes_opus_and_vp8_and_refuses_the_rest() {
    let mut world = World::new();
    world.join(1);
    let peer = world.client();
    let (offer, mids) = world.clients[peer].offer(&[Audio, Video, Video], true);
    // The last video line offers H.264 only.
    let mut parts = sections(&offer);
    parts[3] = parts[3].replace("VP8/90000", "H264/90000");
    let room = world.room.clone();
    let offer = parts.concat();
    let published = world.hub.publish(&room, ClientId(1), &offer, world.now).unwrap();
    let tracks: Vec<_> = published
        .tracks
        .iter()
        .map(|t| (t.kind, t.mindex, t.disabled, t.codec.as_deref()))
        .collect();
    assert_eq!(
        tracks,
        [
            (TrackKind::Audio, 0, false, Some("opus")),
            (TrackKind::Video, 1, false, Some("vp8")),
            (TrackKind::Video, 2, true, None),
            (TrackKind::Data, 3, false, None),
        ]
    );
    assert_eq!(published.tracks[0].mid.0, mids[0].to_string());
    let parts = sections(&published.answer_sdp);
    assert!(parts[1].contains("a=recvonly\n") && parts[2].contains("a=recvonly\n"));
    assert!(parts[1].contains("a=setup:active\n") && parts[1].contains("a=candidate:"));
    assert!(parts[3].starts_with("m=video 0 ") && parts[3].contains("a=inactive\n"));
    assert!(parts[4].contains("a=sctp-port:5000\n"));
    assert!(published.session_id.0 > 0 && published.session_id.0 < 1 << 53);
}

#[test]
fn unsubscribed_line_goes_inactive_and_is_reused_with_a_new_msid() {
    let mut world = World::new();
    let alice = world.publish(1, &[Audio], false);
    let bob = world.publish(2, &[Audio], false);
    world.join(3);
    let carol = world.subscribe(3, &[alice.stream]);
    world.send(&alice, 0, b"alice 1");

    let offer = world.modify(&carol, &[], &[whole(alice.stream)]).unwrap();
    let parts = sections(&offer);
    assert_eq!(parts.len(), 2);
    assert!(parts[1].contains("a=inactive\n") && !parts[1].contains("msid:"), "{offer}");
    world.answer(&carol, &offer);
    world.send(&alice, 0, b"alice 2");

    let offer = world.modify(&carol, &[whole(bob.stream)], &[]).unwrap();
    let parts = sections(&offer);
    assert_eq!(parts.len(), 2, "the line is reused");
    assert!(parts[1].contains(&format!("a=msid:{} {}\n", bob.stream, bob.mids[0])));
    // Nothing is forwarded before the client has agreed.
    world.send(&bob, 0, b"bob 1");
    world.answer(&carol, &offer);
    world.run(Duration::from_millis(100));
    world.send(&bob, 0, b"bob 2");
    let client = &mut world.clients[carol.peer];
    // Browsers open no frames of a source that went and came back.
    assert_ne!(client.packets[0].header.ssrc, client.packets[1].header.ssrc);
    assert_eq!(client.payloads("0"), [b"alice 1".to_vec(), b"bob 2".to_vec()]);
}

#[test]
fn line_swaps_its_source_in_one_step() {
    let mut world = World::new();
    let alice = world.publish(1, &[Audio], false);
    let bob = world.publish(2, &[Audio], false);
    world.join(3);
    let carol = world.subscribe(3, &[alice.stream]);
    let offer = world.modify(&carol, &[whole(bob.stream)], &[whole(alice.stream)]).unwrap();
    assert_eq!(sections(&offer).len(), 2);
    world.answer(&carol, &offer);
    world.send(&alice, 0, b"alice");
    world.send(&bob, 0, b"bob");
    assert_eq!(world.clients[carol.peer].payloads("0"), [b"bob".to_vec()]);
}

#[test]
fn subscribers_get_an_offer_when_a_publisher_leaves() {
    let mut world = World::new();
    let alice = world.publish(1, &[Audio], true);
    let bob = world.publish(2, &[Audio], false);
    world.join(3);
    let carol = world.subscribe(3, &[alice.stream, bob.stream]);
    world.events.clear();
    let departure = world.hub.leave(&world.room.clone(), ClientId(1), world.now).unwrap();
    assert!(departure.published && departure.stream == alice.stream);
    let offer = world.reoffer();
    let parts = sections(&offer);
    assert_eq!(parts.len(), 4, "lines are never removed");
    assert!(parts[1].contains("a=inactive\n"));
    assert!(parts[2].contains("a=sendonly\n"), "one line of data, even with no source");
    assert!(parts[3].contains("a=sendonly\n"));
    world.answer(&carol, &offer);
    world.send(&bob, 0, b"bob");
    assert_eq!(world.clients[carol.peer].payloads("2"), [b"bob".to_vec()]);
    assert!(world.clients[alice.peer].closed, "the publisher is told goodbye");
    assert_eq!(world.events, [], "whoever asked for it knows");
}

#[test]
fn unpublishing_keeps_the_stream_id() {
    let mut world = World::new();
    let alice = world.publish(1, &[Audio], false);
    let room = world.room.clone();
    assert_eq!(world.hub.unpublish(&room, ClientId(1), world.now).unwrap(), alice.stream);
    assert_eq!(world.hub.list(&room), []);
    let gone = world.hub.unpublish(&room, ClientId(1), world.now);
    assert!(matches!(gone, Err(SfuError::NotPublishing)));
    let again = world.publish(1, &[Audio], false);
    assert_eq!(again.stream, alice.stream);
    assert_ne!(again.answer.session_id, alice.answer.session_id, "sessions are never reused");
    assert_eq!(world.hub.list(&room).len(), 1);
}

#[test]
fn changes_while_an_offer_is_unanswered_follow_in_one_offer() {
    let mut world = World::new();
    let streams: Vec<_> = (1..=4).map(|n| world.publish(n, &[Audio], false)).collect();
    world.join(9);
    let room = world.room.clone();
    let first = world.hub.subscribe(&room, ClientId(9), &[whole(streams[0].stream)], world.now);
    let first = first.unwrap();
    let peer = world.client();
    let carol = super::world::Subscribed { client: 9, peer, session: first.session_id };
    for published in &streams[1..3] {
        assert_eq!(world.modify(&carol, &[whole(published.stream)], &[]), None);
    }
    world.collect_events();
    world.events.clear();
    world.answer(&carol, &first.offer.unwrap());
    let second = world.reoffer();
    assert_eq!(sections(&second).len(), 4, "both changes at once");
    assert_eq!(world.modify(&carol, &[whole(streams[3].stream)], &[]), None);
    world.answer(&carol, &second);
    let third = world.reoffer();
    world.answer(&carol, &third);
    world.collect_events();
    assert_eq!(world.events, [], "nothing left to offer");
    let nothing = world.hub.accept_offer(ClientId(9), carol.session, "v=0\nm=x 0 x", world.now);
    assert!(matches!(nothing, Err(SfuError::NoOfferPending)));
    world.run(Duration::from_millis(500));
    for (index, published) in streams.iter().enumerate() {
        world.send(published, 0, &[u8::try_from(index).unwrap(); 20]);
    }
    for index in 0..4_u8 {
        let heard = world.clients[peer].payloads(&index.to_string());
        assert_eq!(heard, [vec![index; 20]], "line {index}");
    }
}

#[test]
fn line_that_lost_its_source_while_pending_stays_silent() {
    let mut world = World::new();
    let alice = world.publish(1, &[Audio], false);
    let bob = world.publish(2, &[Audio], false);
    world.join(3);
    let carol = world.subscribe(3, &[alice.stream]);
    let offer = world.modify(&carol, &[whole(bob.stream)], &[]).unwrap();
    assert_eq!(world.modify(&carol, &[], &[whole(bob.stream)]), None);
    world.answer(&carol, &offer);
    world.send(&bob, 0, b"nobody listens");
    let offer = world.reoffer();
    assert!(sections(&offer)[2].contains("a=inactive\n"));
    world.answer(&carol, &offer);
    world.send(&alice, 0, b"alice");
    assert_eq!(world.clients[carol.peer].packets.len(), 1);
}

#[test]
fn publisher_adds_and_removes_tracks() {
    let mut world = World::new();
    let alice = world.publish(1, &[Audio], false);
    world.join(2);
    let bob = world.subscribe(2, &[alice.stream]);
    let room = world.room.clone();

    let (offer, video) = world.clients[alice.peer].offer(&[Video], true);
    let answer = world.hub.update(&room, ClientId(1), &offer, world.now).unwrap();
    let now = world.now;
    world.clients[alice.peer].take_answer(&answer.answer_sdp, now);
    assert_eq!(answer.tracks.len(), 3);
    world.run(Duration::from_millis(100));
    world.collect_events();
    let offers = world.events.iter().any(|e| matches!(e, SfuEvent::Reoffer { .. }));
    assert!(!offers, "tracks added later are not part of the subscription");
    let offer = world.modify(&bob, &[track(alice.stream, &video[0].to_string())], &[]).unwrap();
    world.answer(&bob, &offer);
    let now = world.now;
    world.clients[alice.peer].send(video[0], b"picture", 0, now);
    world.run(Duration::from_millis(50));
    assert_eq!(world.clients[bob.peer].payloads("1"), [b"picture".to_vec()]);

    let offer = world.clients[alice.peer].offer_without(alice.mids[0]);
    let answer = world.hub.update(&room, ClientId(1), &offer, world.now).unwrap();
    let now = world.now;
    world.clients[alice.peer].take_answer(&answer.answer_sdp, now);
    assert!(answer.tracks[0].disabled && !answer.tracks[1].disabled);
    let offer = world.reoffer();
    assert!(sections(&offer)[1].contains("a=inactive\n"));
    world.answer(&bob, &offer);
    let early = world.hub.subscribe(
        &room,
        ClientId(2),
        &[track(alice.stream, &alice.mids[0].to_string())],
        world.now,
    );
    assert!(matches!(early, Err(SfuError::FeedNotFound(_))), "a disabled track can't be had");
}

#[test]
fn publisher_restarts_ice_from_another_address() {
    let mut world = World::new();
    let alice = world.publish(1, &[Audio], false);
    world.join(2);
    let bob = world.subscribe(2, &[alice.stream]);
    let offer = world.clients[alice.peer].offer_restart();
    let room = world.room.clone();
    let answer = world.hub.update(&room, ClientId(1), &offer, world.now).unwrap();
    let now = world.now;
    world.clients[alice.peer].take_answer(&answer.answer_sdp, now);
    world.run(Duration::from_secs(2));
    world.send(&alice, 0, b"still here");
    assert_eq!(world.clients[bob.peer].payloads("0"), [b"still here".to_vec()]);
}

#[test]
fn leaving_tells_what_was_received() {
    let mut world = World::new();
    let alice = world.publish(1, &[Audio], true);
    world.join(2);
    world.subscribe(2, &[alice.stream]);
    let departures = world.hub.leave_all(ClientId(2), world.now);
    assert_eq!(departures.len(), 1);
    assert!(!departures[0].published);
    assert_eq!(departures[0].subscriptions.len(), 2);
    assert_eq!(world.hub.leave(&world.room.clone(), ClientId(2), world.now), None);
    world.hub.leave(&world.room.clone(), ClientId(1), world.now);
    assert_eq!((world.hub.stats().rooms, world.hub.stats().peers), (0, 0));
    assert_eq!(world.hub.wake(), None, "nothing to wake up for");
}
