//! Recordings through the public library: keys of all epochs, for members of any time.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::sync::Arc;

use conclave::api::Call;
use conclave::api::CallConfig;
use conclave::api::DeviceSpec;
use conclave::api::StreamApi;
use conclave::api::StreamRoomChange;
use conclave::crypto::frame::FrameCryptor;
use conclave::crypto::frame::FrameKeys;
use conclave::crypto::frame::MediaKey;
use conclave::model::EventKind;
use conclave::model::KeyId;
use conclave::model::RecordingId;
use conclave::model::RecordingState;
use conclave::model::StreamRoomId;
use conclave::model::TrackKind;
use conclave::wire::recording::TrackReader;

use super::world::World;
use super::world::soon;

/// How many recorded frames each key opens, by key; those that none opens under "".
async fn opened(api: &StreamApi, recording: &RecordingId) -> BTreeMap<String, usize> {
    let found = api.get_recording(recording).await.unwrap();
    let keys = api.get_stream_room_recording_keys(&found.room).await.unwrap();
    let keys = keys.into_iter().map(|key| MediaKey { id: key.id, key: key.key }).collect();
    let cryptor = FrameCryptor::new(Arc::new(FrameKeys::new(KeyId::default(), keys)));
    let mut counts = BTreeMap::new();
    for track in found.tracks {
        let mut file = Vec::new();
        loop {
            let offset = file.len() as u64;
            let part = api.read_recording(recording, track.number, offset).await.unwrap();
            if part.is_empty() {
                break;
            }
            file.extend(part);
        }
        let mut reader = TrackReader::new(Cursor::new(file)).unwrap();
        while let Some(packet) = reader.next_packet().unwrap() {
            let key = cryptor.open(TrackKind::Audio, packet.payload).map(|frame| frame.key_id.0);
            *counts.entry(key.unwrap_or_default()).or_default() += 1;
        }
    }
    counts
}

/// Waits until so many keys have sealed at least ten recorded frames each.
async fn sealed_with(api: &StreamApi, recording: &RecordingId, keys: usize) {
    let wait = async {
        let mut pace = tokio::time::interval(std::time::Duration::from_millis(100));
        loop {
            pace.tick().await;
            let counts = opened(api, recording).await;
            if counts.values().filter(|count| **count >= 10).count() >= keys {
                return;
            }
        }
    };
    soon("frames under a key", wait).await;
}

async fn change(
    api: &StreamApi,
    world: &World,
    room: &StreamRoomId,
    members: &[&str],
    new_key: bool,
) {
    let before = api.get_stream_room(room).await.unwrap();
    let change = StreamRoomChange {
        stream_room_id: room.clone(),
        users: world.users(members),
        managers: world.users(&members[..1]),
        public_meta: before.public_meta,
        private_meta: before.private_meta,
        version: before.version,
        force_generate_new_key: new_key,
        ..StreamRoomChange::default()
    };
    api.update_stream_room(&change).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_all_epochs_open_a_recording() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::stored_in(folder.path(), &["ana", "ben", "chi"]).await;
    let ana = world.connect("ana").await.create_stream_api();
    let ben = world.connect("ben").await.create_stream_api();
    let room = world.room(&ana, &["ana", "ben"]).await;
    let speaks = CallConfig::new(room.clone())
        .with_microphone(Some(DeviceSpec::Tone(440.0)))
        .with_speaker(DeviceSpec::Null);
    let listens =
        CallConfig::new(room.clone()).with_microphone(None).with_speaker(DeviceSpec::Null);
    let mut heard = ben.room_events(&room);
    let call = Call::join(ana.clone(), speaks).await.unwrap();
    let other = Call::join(ben.clone(), listens).await.unwrap();
    ana.enable_stream_room_recording(&room).await.unwrap();
    let told = async {
        while let Some(event) = heard.next_event().await {
            if let EventKind::StreamRoomRecordingStarted { recording, user, .. } = event.kind {
                assert_eq!(user.as_str(), "ana");
                return recording;
            }
        }
        panic!("no event");
    };
    let recording = soon("the event", told).await;
    sealed_with(&ben, &recording, 1).await;
    change(&ana, &world, &room, &["ana", "ben"], true).await;
    sealed_with(&ben, &recording, 2).await;
    ana.stop_stream_room_recording(&room).await.unwrap();
    let listed = ben.list_recordings(&room).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!((listed[0].state, listed[0].dropped), (RecordingState::Ended, 0));

    // Who comes later gets the old keys as well; who was thrown out gets nothing any more.
    let chi = world.connect("chi").await.create_stream_api();
    assert_eq!(chi.get_recording(&recording).await.unwrap_err().code(), Some(0x30));
    assert_eq!(chi.get_stream_room_recording_keys(&room).await.unwrap_err().code(), Some(0x30));
    change(&ana, &world, &room, &["ana", "chi"], false).await;
    let counts = opened(&chi, &recording).await;
    assert_eq!(counts, opened(&ana, &recording).await);
    assert!(counts.len() == 2 && !counts.contains_key(""), "{counts:?}");
    assert_eq!(ben.get_recording(&recording).await.unwrap_err().code(), Some(0x30));
    drop(other.leave().await);
    call.leave().await.unwrap();
    world.bridge.shutdown().await;
}
