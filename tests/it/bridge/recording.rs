//! Recordings: files that survive anything, and who may do what with them.

use std::io::Cursor;
use std::path::Path;

use conclave::bridge::BridgeConfig;
use conclave::model::Secret;
use conclave::model::StreamId;
use conclave::model::TrackKind;
use conclave::rtc::PeerConfig;
use conclave::rtc::Publisher;
use conclave::wire::recording::MAX_BODY;
use conclave::wire::recording::TrackError;
use conclave::wire::recording::TrackHeader;
use conclave::wire::recording::TrackPacket;
use conclave::wire::recording::TrackReader;
use conclave::wire::recording::encode_header;
use conclave::wire::recording::encode_packet;
use proptest::prelude::*;
use serde_json::Value;
use serde_json::json;

use super::world::Client;
use super::world::TOKEN;
use super::world::World;
use super::world::loopback;
use super::world::text;

type Packet = (u64, u64, u32, bool, Vec<u8>);

fn header() -> TrackHeader {
    TrackHeader {
        recording: "0123456789abcdef01234567".into(),
        room: "r".into(),
        stream: StreamId(7),
        user: "ana \u{1f600}".into(),
        kind: TrackKind::Audio,
        codec: "opus".into(),
        track: "0".into(),
        clock_rate: 48_000,
        started_us: 1_700_000_000_000_000,
    }
}

fn file(packets: &[Packet]) -> Vec<u8> {
    let mut file = encode_header(&header());
    for (arrival_us, seq, timestamp, marker, payload) in packets {
        let (arrival_us, seq, timestamp, marker) = (*arrival_us, *seq, *timestamp, *marker);
        encode_packet(&TrackPacket { arrival_us, seq, timestamp, marker, payload }, &mut file);
    }
    file
}

/// Everything that can be read, and whether the end was torn.
fn read(file: &[u8]) -> Result<(TrackHeader, Vec<Packet>, bool), TrackError> {
    let mut reader = TrackReader::new(Cursor::new(file))?;
    let mut packets = Vec::new();
    while let Some(p) = reader.next_packet()? {
        packets.push((p.arrival_us, p.seq, p.timestamp, p.marker, p.payload.to_vec()));
    }
    Ok((reader.header().clone(), packets, reader.is_torn()))
}

fn packets() -> impl Strategy<Value = Vec<Packet>> {
    let payload = prop::collection::vec(any::<u8>(), 0..200);
    prop::collection::vec((any::<u64>(), any::<u64>(), any::<u32>(), any::<bool>(), payload), 0..20)
}

proptest! {
    #[test]
    fn what_is_written_is_read(packets in packets()) {
        let (found, read, torn) = read(&file(&packets)).unwrap();
        prop_assert_eq!(found, header());
        prop_assert_eq!(read, packets);
        prop_assert!(!torn);
    }

    #[test]
    fn a_torn_tail_costs_only_itself(packets in packets(), cut in any::<prop::sample::Index>()) {
        let whole = file(&packets);
        let start = encode_header(&header()).len();
        let cut = start + cut.index(whole.len() - start + 1);
        let (_, found, torn) = read(&whole[..cut]).unwrap();
        prop_assert_eq!(&packets[..found.len()], &found[..]);
        let kept = file(&packets[..found.len()]).len();
        prop_assert_eq!(torn, cut != kept);
        if let Some(next) = packets.get(found.len()) {
            prop_assert!(cut < kept + 8 + 22 + next.4.len(), "a whole record was not read");
        }
    }

    #[test]
    fn changed_bytes_are_noticed(
        packets in packets(), at in any::<prop::sample::Index>(), flip in 1_u8..,
    ) {
        let mut file = file(&packets);
        let at = at.index(file.len());
        file[at] ^= flip;
        // Whatever comes out was put in.
        if let Ok((_, found, torn)) = read(&file) {
            prop_assert!(torn);
            prop_assert_eq!(&packets[..found.len()], &found[..]);
        }
    }

    #[test]
    fn no_bytes_make_the_reader_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..400), framed in any::<bool>(),
    ) {
        let mut file = if framed { encode_header(&header()) } else { Vec::new() };
        file.extend_from_slice(&bytes);
        let _ = read(&file);
    }
}

#[test]
fn huge_records_are_neither_written_nor_believed() {
    let mut file = encode_header(&header());
    let start = file.len();
    let payload = vec![0; MAX_BODY];
    let packet =
        TrackPacket { arrival_us: 0, seq: 0, timestamp: 0, marker: false, payload: &payload };
    encode_packet(&packet, &mut file);
    assert_eq!(file.len(), start);
    file.extend_from_slice(&u32::MAX.to_be_bytes());
    file.extend_from_slice(&[0; 4]);
    assert!(read(&file).unwrap().2);
}

fn config(dir: &Path) -> BridgeConfig {
    let mut config = BridgeConfig::new(loopback(), dir.to_owned());
    config.initialization_token = Some(Secret::new(TOKEN.to_owned()));
    config
}

async fn listening(world: &World, user: &str, byte: u8) -> Client {
    let mut client = world.join(user, byte).await;
    client.connect(&world.bridge).await;
    client.subscribe(&["streamroom/streams"]).await;
    client
}

fn here(room: &str) -> Value {
    json!({"streamRoomId": room})
}

async fn enable(client: &mut Client, room: &str) {
    let done = client.ws("stream.streamRoomEnableRecording", here(room)).await.unwrap();
    assert_eq!(done, "OK");
}

#[tokio::test]
async fn recordings_are_told_stopped_listed_and_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::with(config(dir.path())).await;
    let mut alice = listening(&world, "alice", 1).await;
    let mut bob = listening(&world, "bob", 2).await;
    let mut carol = listening(&world, "carol", 3).await;
    let room = world.room(&mut alice, &["alice", "bob"]).await;
    assert_eq!(alice.ws_refused("recording.recordingStop", here(&room)).await, 0x6f11);
    alice.ws("stream.streamRoomJoin", here(&room)).await.unwrap();
    enable(&mut alice, &room).await;
    let mut ids = Vec::new();
    for client in [&mut alice, &mut bob] {
        let event = client.event_of("streamRoomRecordingStarted").await;
        assert_eq!(event.data["streamRoomId"], json!(room));
        assert_eq!(event.data["userId"], "alice");
        ids.push(text(&event.data["recordingId"]));
    }
    assert_eq!(ids[0], ids[1]);
    let id = &ids[0];

    // A second wish changes nothing; who comes later is told all the same.
    enable(&mut alice, &room).await;
    assert_eq!(alice.kinds().await, Vec::<String>::new());
    bob.ws("stream.streamRoomJoin", here(&room)).await.unwrap();
    assert_eq!(bob.event_of("streamRoomRecordingStarted").await.data["recordingId"], json!(id));
    let list = bob.call("recording.recordingList", here(&room)).await.unwrap();
    assert_eq!(list["list"][0]["state"], "running");

    // Only managers begin and end, only members see.
    assert_eq!(bob.ws_refused("stream.streamRoomEnableRecording", here(&room)).await, 0x30);
    assert_eq!(bob.refused("recording.recordingStop", here(&room)).await, 0x30);
    assert_eq!(bob.refused("recording.recordingDelete", json!({"recordingId": id})).await, 0x30);
    let part = |id: &str| json!({"recordingId": id, "track": 1, "offset": 0, "length": 100});
    for (method, params) in [
        ("recordingStop", here(&room)),
        ("recordingList", here(&room)),
        ("recordingGet", json!({"recordingId": id})),
        ("recordingRead", part(id)),
        ("recordingDelete", json!({"recordingId": id})),
    ] {
        let method = format!("recording.{method}");
        assert_eq!(carol.refused(&method, params).await, 0x30, "{method}");
    }
    for bad in ["../../../../../etc/pas", "0123456789abcdef01234567", "..", "x/y"] {
        let get = json!({"recordingId": bad});
        assert_eq!(alice.refused("recording.recordingGet", get.clone()).await, 0x6f12, "{bad}");
        assert_eq!(alice.refused("recording.recordingDelete", get).await, 0x6f12, "{bad}");
        assert_eq!(alice.refused("recording.recordingRead", part(bad)).await, 0x6f12, "{bad}");
    }
    assert_eq!(alice.refused("recording.recordingRead", part(id)).await, 0x6f12, "no such track");
    let delete = json!({"recordingId": id});
    assert_eq!(alice.refused("recording.recordingDelete", delete.clone()).await, 0x6f13);

    assert_eq!(alice.call("recording.recordingStop", here(&room)).await.unwrap(), "OK");
    for client in [&mut alice, &mut bob] {
        let event = client.event_of("streamRoomRecordingStopped").await;
        assert_eq!(
            (&event.data["recordingId"], &event.data["reason"]),
            (&json!(id), &json!("stopped"))
        );
    }
    let got = bob.call("recording.recordingGet", delete.clone()).await.unwrap();
    assert_eq!((&got["state"], &got["startedBy"]), (&json!("ended"), &json!("alice")));
    alice.call("recording.recordingDelete", delete).await.unwrap();
    let list = bob.call("recording.recordingList", here(&room)).await.unwrap();
    assert_eq!(list, json!({"list": []}));
    assert!(!carol.kinds().await.iter().any(|kind| kind.contains("Recording")));
    world.bridge.shutdown().await;
}

#[tokio::test]
async fn recordings_end_with_their_room_and_go_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::with(config(dir.path())).await;
    let mut alice = listening(&world, "alice", 1).await;
    let recordings = dir.path().join("recordings");
    let kept = || std::fs::read_dir(&recordings).unwrap().count();
    let room = world.room(&mut alice, &["alice"]).await;
    alice.ws("stream.streamRoomJoin", here(&room)).await.unwrap();
    enable(&mut alice, &room).await;
    alice.ws("stream.streamRoomClose", here(&room)).await.unwrap();
    let event = alice.event_of("streamRoomRecordingStopped").await;
    assert_eq!(event.data["reason"], "room");
    let list = alice.call("recording.recordingList", here(&room)).await.unwrap();
    assert_eq!((&list["list"][0]["reason"], kept()), (&json!("room"), 1));
    alice.ws("stream.streamRoomDelete", json!({"id": room})).await.unwrap();
    assert_eq!(alice.refused("recording.recordingList", here(&room)).await, 0x6122);
    assert_eq!(kept(), 0);
    world.bridge.shutdown().await;
}

/// Publishes something that is recorded: silence is enough.
async fn speak(client: &mut Client, room: &str) -> (Publisher, conclave::rtc::AudioSink) {
    let publisher =
        Publisher::new(&PeerConfig { ice_servers: Vec::new(), loopback: true, relay_only: false })
            .unwrap();
    let sink = publisher.add_audio_track().await.unwrap();
    let offer = json!({"type": "offer", "sdp": publisher.create_offer().await.unwrap()});
    let params = json!({"streamRoomId": room, "offer": offer});
    let answer = client.ws("stream.streamPublish", params).await.unwrap();
    publisher.set_answer(answer["answer"]["sdp"].as_str().unwrap()).await.unwrap();
    client.event_of("streamPublished").await;
    (publisher, sink)
}

fn packet(index: u32) -> conclave::rtc::EncodedAudio {
    let payload = vec![0x5a; 500].into();
    conclave::rtc::EncodedAudio { payload, timestamp: index * 960, marker: false }
}

#[tokio::test]
async fn recordings_end_at_their_limits() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(dir.path());
    config.recording.bytes = 20_000;
    config.recording.empty = std::time::Duration::ZERO;
    config.recording.per_room = 2;
    let world = World::with(config).await;
    let mut alice = listening(&world, "alice", 1).await;
    let room = world.room(&mut alice, &["alice"]).await;
    let (publisher, sink) = speak(&mut alice, &room).await;
    enable(&mut alice, &room).await;
    let feed = async {
        let mut pace = tokio::time::interval(std::time::Duration::from_millis(5));
        for index in 0.. {
            pace.tick().await;
            sink.write(packet(index)).unwrap();
        }
    };
    let event = tokio::select! {
        () = feed => unreachable!(),
        event = alice.event_of("streamRoomRecordingStopped") => event,
    };
    assert_eq!(event.data["reason"], "size");
    let get = json!({"recordingId": event.data["recordingId"]});
    let got = alice.call("recording.recordingGet", get).await.unwrap();
    let bytes = got["bytes"].as_u64().unwrap();
    assert!((15_000..=20_000).contains(&bytes), "{got}");
    let track = &got["tracks"][0];
    assert_eq!(
        (&track["userId"], &track["type"], &track["bytes"]),
        (&json!("alice"), &json!("audio"), &json!(bytes))
    );

    // Everybody leaves: with no patience the recording ends at once.
    enable(&mut alice, &room).await;
    publisher.close().await;
    alice.ws("stream.streamRoomLeave", here(&room)).await.unwrap();
    let event = alice.event_of("streamRoomRecordingStopped").await;
    assert_eq!(event.data["reason"], "empty");

    // As many as are kept; then no more.
    alice.ws("stream.streamRoomJoin", here(&room)).await.unwrap();
    let refused = alice.ws("stream.streamRoomEnableRecording", here(&room)).await.unwrap_err();
    assert_eq!(refused.code, 0x6210);
    assert!(refused.message.contains("delete some"), "{}", refused.message);
    world.bridge.shutdown().await;
}

#[tokio::test]
async fn a_full_disk_is_not_made_fuller() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(dir.path());
    config.recording.free_bytes = u64::MAX;
    let world = World::with(config).await;
    let mut alice = listening(&world, "alice", 1).await;
    let room = world.room(&mut alice, &["alice"]).await;
    alice.ws("stream.streamRoomJoin", here(&room)).await.unwrap();
    let refused = alice.ws("stream.streamRoomEnableRecording", here(&room)).await.unwrap_err();
    assert_eq!(refused.code, 0x6210);
    assert!(refused.message.contains("full"), "{}", refused.message);
    assert!(!dir.path().join("recordings").exists());
    world.bridge.shutdown().await;
}
