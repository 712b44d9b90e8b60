//! Whole calls: sound from a tone to a file, levels, messages, key rotation, reconnection.

use std::path::Path;
use std::time::Instant;

use conclave::api::Call;
use conclave::api::CallConfig;
use conclave::api::CallStatus;
use conclave::api::DeviceSpec;
use conclave::api::StreamApi;
use conclave::api::StreamRoomChange;
use conclave::model::AudioLevels;
use conclave::model::CallStats;
use conclave::model::StreamRoomId;

use super::world::World;
use super::world::soon;

const SAMPLE_RATE: f64 = 48_000.0;

/// What one bin of the spectrum holds, as a fraction of the signal's energy.
fn tone_share(samples: &[f32], hertz: f64) -> f64 {
    let step = std::f64::consts::TAU * hertz / SAMPLE_RATE;
    let (mut re, mut im, mut energy) = (0.0, 0.0, 0.0);
    for (index, sample) in samples.iter().enumerate() {
        let (value, phase) = (f64::from(*sample), step * index as f64);
        re += value * phase.cos();
        im += value * phase.sin();
        energy += value * value;
    }
    2.0 * (re * re + im * im) / (samples.len() as f64 * energy.max(1e-9))
}

/// The samples of a 16-bit mono WAV file with a 44-byte header, without leading silence.
fn sound_of(path: &Path) -> Vec<f32> {
    let bytes = std::fs::read(path).unwrap();
    let samples = bytes[44..].chunks_exact(2);
    let samples: Vec<f32> =
        samples.map(|b| f32::from(i16::from_le_bytes([b[0], b[1]])) / 32768.0).collect();
    let first = samples.iter().position(|s| s.abs() > 0.1).unwrap_or(samples.len());
    samples[first..].to_vec()
}

fn config(room: &StreamRoomId, mic: DeviceSpec, speaker: DeviceSpec) -> CallConfig {
    CallConfig::new(room.clone()).with_microphone(Some(mic)).with_speaker(speaker)
}

fn hears(levels: &AudioLevels, user: &str, above: f32) -> bool {
    levels.levels.iter().any(|level| {
        level.stream.is_some() && level.user.as_str() == user && level.level.dbfs() > above
    })
}

async fn two_in_a_room(world: &World) -> (StreamApi, StreamApi, StreamRoomId) {
    let ana = world.connect("ana").await.create_stream_api();
    let ben = world.connect("ben").await.create_stream_api();
    let room = world.room(&ana, &["ana", "ben"]).await;
    (ana, ben, room)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tone_of_one_is_heard_by_the_other_at_the_right_pitch() {
    let world = World::with_users(&["ana", "ben"]).await;
    let (ana, ben, room) = two_in_a_room(&world).await;
    let folder = tempfile::tempdir().unwrap();
    let heard = folder.path().join("heard.wav");
    let ana =
        Call::join(ana, config(&room, DeviceSpec::Tone(440.0), DeviceSpec::Null)).await.unwrap();
    let began = Instant::now();
    let speaker = DeviceSpec::File(heard.clone());
    let ben = Call::join(ben, config(&room, DeviceSpec::Silence, speaker)).await.unwrap();
    let mut levels = ben.levels();
    soon("sound", levels.wait_for(|levels| hears(levels, "ana", -20.0))).await.unwrap();
    println!("join to first audible level: {} ms", began.elapsed().as_millis());
    let mut people = ben.people();
    let both = |people: &Vec<_>| people.len() == 2;
    soon("both people", people.wait_for(both)).await.unwrap();
    let mut stats = ben.stats().unwrap();
    let arrived = |stats: &CallStats| stats.packets > 75;
    soon("a second of packets", stats.wait_for(arrived)).await.unwrap();
    let last = stats.borrow().clone();
    assert_eq!(last.dropped_unauthenticated, 0, "{last:?}");
    ben.leave().await.unwrap();
    ana.leave().await.unwrap();
    let sound = sound_of(&heard);
    let second = &sound[4800..][..38_400];
    let share = tone_share(second, 440.0);
    assert!(share > 0.95, "{share} of the energy is at 440 Hz; {last:?}");
    assert!(tone_share(second, 880.0) < 0.02);
    world.bridge.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn muted_microphone_is_silent_and_says_so() {
    let world = World::with_users(&["ana", "ben"]).await;
    let (ana, ben, room) = two_in_a_room(&world).await;
    let tone = config(&room, DeviceSpec::Tone(440.0), DeviceSpec::Null);
    let ana = Call::join(ana, tone.with_muted(true)).await.unwrap();
    let ben = Call::join(ben, config(&room, DeviceSpec::Silence, DeviceSpec::Null)).await.unwrap();
    let mut own = ana.levels();
    let muted = |levels: &AudioLevels| levels.levels.iter().any(|l| l.stream.is_none() && l.muted);
    soon("own mute", own.wait_for(muted)).await.unwrap();
    ana.set_muted(false).await.unwrap();
    let mut levels = ben.levels();
    soon("sound", levels.wait_for(|levels| hears(levels, "ana", -20.0))).await.unwrap();
    ana.set_muted(true).await.unwrap();
    let told = |levels: &AudioLevels| {
        levels.levels.iter().any(|l| l.user.as_str() == "ana" && l.muted && l.level.dbfs() < -60.0)
    };
    soon("mute", levels.wait_for(told)).await.unwrap();
    ben.leave().await.unwrap();
    ana.leave().await.unwrap();
    world.bridge.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn message_travels_and_whoever_leaves_disappears() {
    let world = World::with_users(&["ana", "ben"]).await;
    let (ana, ben, room) = two_in_a_room(&world).await;
    let quiet = |mic| config(&room, mic, DeviceSpec::Null);
    let ana = Call::join(ana, quiet(DeviceSpec::Silence)).await.unwrap();
    let ben = Call::join(ben, quiet(DeviceSpec::Silence)).await.unwrap();
    let mut messages = ben.messages().unwrap();
    let mut people = ben.people();
    let with_data = |people: &Vec<conclave::api::Person>| {
        people.iter().any(|person| person.user.as_str() == "ana" && person.has_data)
    };
    soon("ana", people.wait_for(with_data)).await.unwrap();
    // Messages are not kept: one that is sent before ben's channel is up is not delivered.
    let received = soon("a message", async {
        let mut tick = tokio::time::interval(std::time::Duration::from_millis(200));
        loop {
            tokio::select! {
                _ = tick.tick() => ana.send_message(b"deploy is done").await.unwrap(),
                message = messages.next_message() => break message.unwrap(),
            }
        }
    });
    let received = received.await;
    assert_eq!((received.user.as_str(), received.data.as_slice()), ("ana", &b"deploy is done"[..]));
    ana.leave().await.unwrap();
    let alone = |people: &Vec<conclave::api::Person>| people.len() == 1;
    soon("ana leaving", people.wait_for(alone)).await.unwrap();
    ben.leave().await.unwrap();
    world.bridge.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn call_goes_on_under_a_new_key() {
    let world = World::with_users(&["ana", "ben", "eve"]).await;
    let ana_api = world.connect("ana").await.create_stream_api();
    let ben = world.connect("ben").await.create_stream_api();
    let room = world.room(&ana_api, &["ana", "ben", "eve"]).await;
    let tone = config(&room, DeviceSpec::Tone(440.0), DeviceSpec::Null);
    let ana = Call::join(ana_api.clone(), tone).await.unwrap();
    let ben = Call::join(ben, config(&room, DeviceSpec::Silence, DeviceSpec::Null)).await.unwrap();
    let mut levels = ben.levels();
    soon("sound", levels.wait_for(|levels| hears(levels, "ana", -20.0))).await.unwrap();
    let change = StreamRoomChange {
        stream_room_id: room.clone(),
        users: world.users(&["ana", "ben"]),
        managers: world.users(&["ana"]),
        version: 1,
        ..StreamRoomChange::default()
    };
    ana_api.update_stream_room(&change).await.unwrap();
    let mut stats = ben.stats().unwrap();
    let before = stats.borrow().packets;
    let went_on = |stats: &CallStats| stats.packets > before + 100;
    soon("two more seconds", stats.wait_for(went_on)).await.unwrap();
    assert!(hears(&levels.borrow(), "ana", -20.0), "{:?}", *levels.borrow());
    ben.leave().await.unwrap();
    ana.leave().await.unwrap();
    world.bridge.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn missing_microphone_means_listening_only() {
    let world = World::with_users(&["ana", "ben"]).await;
    let (ana, ben, room) = two_in_a_room(&world).await;
    let missing = DeviceSpec::File("/nowhere/at/all.wav".into());
    let ana = Call::join(ana, config(&room, missing, DeviceSpec::Null)).await.unwrap();
    assert!(ana.limits().microphone.is_some());
    assert!(ana.is_muted());
    let ben = Call::join(ben, config(&room, DeviceSpec::Silence, DeviceSpec::Null)).await.unwrap();
    ana.set_microphone(DeviceSpec::Tone(440.0)).await.unwrap();
    let mut levels = ben.levels();
    soon("sound", levels.wait_for(|levels| hears(levels, "ana", -20.0))).await.unwrap();
    ben.leave().await.unwrap();
    ana.leave().await.unwrap();
    assert!(matches!(*ana.status().borrow(), CallStatus::Ended { .. }));
    world.bridge.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn call_comes_back_after_the_bridge_was_away() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::stored_in(folder.path(), &["ana", "ben"]).await;
    let (ana, ben, room) = two_in_a_room(&world).await;
    let tone = config(&room, DeviceSpec::Tone(440.0), DeviceSpec::Null);
    let ana = Call::join(ana, tone).await.unwrap();
    let ben = Call::join(ben, config(&room, DeviceSpec::Silence, DeviceSpec::Null)).await.unwrap();
    let mut levels = ben.levels();
    soon("sound", levels.wait_for(|levels| hears(levels, "ana", -20.0))).await.unwrap();
    let (mut anas, mut bens) = (ana.status(), ben.status());
    let lost = |status: &CallStatus| matches!(status, CallStatus::Reconnecting { .. });
    let world = world.restart(folder.path()).await;
    soon("the loss", bens.wait_for(lost)).await.unwrap();
    let active = |status: &CallStatus| *status == CallStatus::Active;
    soon("ana's return", anas.wait_for(active)).await.unwrap();
    soon("ben's return", bens.wait_for(active)).await.unwrap();
    let mut stats = ben.stats().unwrap();
    let flows = |stats: &CallStats| stats.packets > 0;
    soon("packets on the new connection", stats.wait_for(flows)).await.unwrap();
    soon("sound again", levels.wait_for(|levels| hears(levels, "ana", -20.0))).await.unwrap();
    ben.leave().await.unwrap();
    ana.leave().await.unwrap();
    world.bridge.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_removed_is_told_and_the_room_stays_the_same() {
    let world = World::with_users(&["ana", "ben"]).await;
    let (ana_api, ben_api, room) = two_in_a_room(&world).await;
    let anchor = ana_api.room_anchor(&room).await.unwrap();
    assert_eq!(ben_api.room_anchor(&room).await.unwrap(), anchor);
    let silence = || config(&room, DeviceSpec::Silence, DeviceSpec::Null);
    let ana = Call::join(ana_api.clone(), silence()).await.unwrap();
    let ben = Call::join(ben_api.clone(), silence()).await.unwrap();
    let change = StreamRoomChange {
        stream_room_id: room.clone(),
        users: world.users(&["ana"]),
        managers: world.users(&["ana"]),
        version: 1,
        ..StreamRoomChange::default()
    };
    ana_api.update_stream_room(&change).await.unwrap();
    let mut status = ben.status();
    let removed = |status: &CallStatus| match status {
        CallStatus::Ended { reason } => reason.contains("removed"),
        _ => false,
    };
    soon("the end of ben's call", status.wait_for(removed)).await.unwrap();
    assert_eq!(*ana.status().borrow(), CallStatus::Active);
    assert_eq!(ana_api.room_anchor(&room).await.unwrap(), anchor, "under a new key too");
    assert!(ben_api.room_anchor(&room).await.is_err());
    ben.leave().await.unwrap();
    ana.leave().await.unwrap();
    world.bridge.shutdown().await;
}
