//! Whoever has the wrong key, or gets a frame that is not what the sender sealed, hears exact
//! zeros, and every such frame is counted.

use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use bytes::Bytes;
use conclave::api::ApiError;
use conclave::api::Call;
use conclave::api::CallConfig;
use conclave::api::DeviceSpec;
use conclave::api::Person;
use conclave::api::RemoteStreamEvent;
use conclave::api::StreamApi;
use conclave::api::StreamRoomChange;
use conclave::api::Wanted;
use conclave::crypto::dio::BridgeIdentity;
use conclave::crypto::dio::Origin;
use conclave::crypto::dio::Place;
use conclave::crypto::dio::RandomId;
use conclave::crypto::frame::FrameKeys;
use conclave::crypto::key::PublicKey;
use conclave::crypto::meta;
use conclave::crypto::meta::Contents;
use conclave::crypto::room_key;
use conclave::crypto::room_key::ContainerKey;
use conclave::crypto::room_key::ContainerSecret;
use conclave::device::video::pattern;
use conclave::media::AudioFrame;
use conclave::media::EncodedFrame;
use conclave::media::codec::vp8::Content;
use conclave::media::codec::vp8::EncoderConfig;
use conclave::media::pipeline::AudioReceiver;
use conclave::media::pipeline::AudioSender;
use conclave::media::pipeline::EncodedPicture;
use conclave::media::pipeline::Received;
use conclave::media::pipeline::VideoSender;
use conclave::media::video::Picture;
use conclave::model::AudioLevels;
use conclave::model::CallStats;
use conclave::model::KeyId;
use conclave::model::ResourceId;
use conclave::model::StreamRoomId;
use conclave::model::UserId;
use conclave::model::VideoContent;
use conclave::net::session::Session;
use conclave::net::session::SessionConfig;
use conclave::rtc::EncodedAudio;
use conclave::rtc::EncodedVideo;
use conclave::rtc::PeerConfig;
use conclave::rtc::Publisher;
use rand::RngExt;
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::Value;
use serde_json::json;
use tokio::sync::watch;

use super::world::World;
use super::world::soon;

const SAMPLE_RATE: usize = 48_000;
const FRAME: usize = 960;

/// Frames that the victim of wrong keys must have refused.
const REFUSED: u64 = 100;
/// Frames that are changed on their way.
const CHANGED: u32 = 100_000;

fn rng() -> StdRng {
    StdRng::seed_from_u64(29)
}

/// A sine at half of full scale.
fn tone(samples: usize) -> Vec<f32> {
    let turns = (0..samples).map(|n| (n * 440 % SAMPLE_RATE) as f32 / SAMPLE_RATE as f32);
    turns.map(|turns| 0.5 * (turns * std::f32::consts::TAU).sin()).collect()
}

/// The samples of a 16-bit mono WAV file with a 44-byte header.
fn samples_of(wav: &[u8]) -> Vec<i16> {
    wav[44..].chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect()
}

fn keys(key: &ContainerKey) -> Arc<FrameKeys> {
    Arc::new(FrameKeys::new(key.id.clone(), vec![key.media_key()]))
}

/// The same id, and one bit of the key is another.
fn off_by_one_bit(key: &ContainerKey) -> ContainerKey {
    let mut bytes = *key.expose();
    bytes[31] ^= 1;
    ContainerKey::new(key.id.clone(), bytes)
}

/// Ana at the level of the protocol: she can do what the library would not do for her.
struct Ana<'a> {
    world: &'a World,
    session: Session,
}

impl<'a> Ana<'a> {
    async fn connect(world: &'a World) -> Self {
        let config = SessionConfig {
            url: world.bridge.url(),
            solution: world.solution.clone(),
            key: world.key("ana"),
            bridge_key: Some(world.bridge.public_key()),
        };
        let (session, _) = Session::connect(config).await.unwrap();
        Self { world, session }
    }

    /// Makes a room of ana, ben and chi; chi's entry holds other bytes than those of the rest.
    async fn room(&self, key: &ContainerKey) -> StreamRoomId {
        let world = self.world;
        let mut rng = rng();
        let bridge = BridgeIdentity {
            instance_id: None,
            pub_key: Some(world.bridge.public_key().to_base58()),
            url: self.session.api_url().to_owned(),
        };
        let resource = ResourceId(uuid::Uuid::new_v4().to_string());
        let origin = Origin {
            user: "ana".into(),
            place: Place { context: world.context.clone(), resource: resource.clone() },
            timestamp: conclave::net::session::now(),
            random_id: RandomId::generate(&mut rng),
            bridge: Some(bridge),
        };
        let author = world.key("ana");
        let secret = ContainerSecret::generate(&mut rng);
        let member = |name: &str| -> (UserId, PublicKey) {
            (name.into(), world.key(name).public_key().clone())
        };
        let mut seal = |names: &[&str], key: &ContainerKey| {
            let members: Vec<_> = names.iter().map(|name| member(name)).collect();
            room_key::seal_for_members(&author, &origin, &members, key, &secret, &mut rng)
        };
        let mut entries = seal(&["ana", "ben"], key);
        entries.extend(seal(&["chi"], &off_by_one_bit(key)));
        let entry = |entry: &room_key::KeyEntry| json!({"user": entry.user.as_str(), "keyId": entry.key_id.as_str(), "data": entry.data});
        let contents = Contents { public_meta: b"{}", private_meta: b"ours", secret: &secret };
        let params = json!({
            "contextId": world.context.as_str(),
            "resourceId": resource.as_str(),
            "type": "stream",
            "users": ["ana", "ben", "chi"],
            "managers": ["ana"],
            "data": meta::seal(&author, &origin, key, &contents, &mut rng),
            "keyId": key.id.as_str(),
            "keys": entries.iter().map(entry).collect::<Value>(),
        });
        let made = self.session.call("stream.streamRoomCreate", params).await.unwrap();
        made["streamRoomId"].as_str().unwrap().into()
    }

    /// Enters the room and publishes what the publisher has.
    async fn publish(&self, room: &StreamRoomId, publisher: &Publisher) {
        let here = json!({"streamRoomId": room.as_str()});
        self.session.call("stream.streamRoomJoin", here).await.unwrap();
        let sdp = publisher.create_offer().await.unwrap();
        let offer = json!({"streamRoomId": room.as_str(), "offer": {"type": "offer", "sdp": sdp}});
        let answer = self.session.call("stream.streamPublish", offer).await.unwrap();
        publisher.set_answer(answer["answer"]["sdp"].as_str().unwrap()).await.unwrap();
    }

    /// Publishes a test picture under `key`, for ever.
    async fn show(&self, room: &StreamRoomId, key: &ContainerKey) -> ! {
        let publisher =
            Publisher::new(&PeerConfig { loopback: true, ..PeerConfig::default() }).unwrap();
        let sink = publisher.add_video_track(VideoContent::Camera).await.unwrap();
        self.publish(room, &publisher).await;
        let config = EncoderConfig { width: 160, height: 90, fps: 15, bitrate_kbit: 100 };
        let mut sender = VideoSender::new(keys(key), config, Content::Camera, 0, 0).unwrap();
        let (mut rng, began) = (rng(), Instant::now());
        let mut pace = tokio::time::interval(Duration::from_millis(66));
        for number in 0.. {
            pace.tick().await;
            if sink.take_key_frame_wanted() {
                sender.request_key_frame();
            }
            let picture = pattern::picture(number, 160, 90);
            let sealed = sender.handle_picture(&picture, began.elapsed(), &mut rng).unwrap();
            if let Some(EncodedPicture { payloads, timestamp, .. }) = sealed {
                // A picture that finds the queue full is lost, like any other.
                let _ = sink.write(EncodedVideo { payloads, timestamp });
            }
        }
        unreachable!("numbers do not end")
    }

    /// Publishes a tone under `key`, whatever the room's current key is, for ever.
    async fn speak(&self, room: &StreamRoomId, key: &ContainerKey) -> ! {
        let publisher =
            Publisher::new(&PeerConfig { loopback: true, ..PeerConfig::default() }).unwrap();
        let sink = publisher.add_audio_track().await.unwrap();
        self.publish(room, &publisher).await;
        let mut sender = AudioSender::new(keys(key), 0).unwrap();
        let (mut rng, mut frames) = (rng(), Vec::new());
        // 20 ms at a time; 50 frames are a whole number of periods.
        let second = tone(SAMPLE_RATE);
        let mut pace = tokio::time::interval(Duration::from_millis(20));
        for samples in second.chunks(FRAME).cycle() {
            pace.tick().await;
            sender.handle_samples(samples, &mut rng, &mut frames).unwrap();
            for EncodedFrame { payload, timestamp, marker, .. } in frames.drain(..) {
                // A frame that finds the queue full is lost, like any other.
                let _ = sink.write(EncodedAudio { payload, timestamp, marker });
            }
        }
        unreachable!("a cycle has no end")
    }
}

/// As long as chi's only key is wrong, the room is not even shown, let alone entered. Then ana
/// makes a second one, which is right: chi can join, but what is sealed with the first stays
/// closed.
async fn let_chi_in(room: &StreamRoomId, world: &World, (bens, chis): (&StreamApi, &StreamApi)) {
    assert_eq!(bens.get_stream_room(room).await.unwrap().private_meta, b"ours");
    let shown = chis.get_stream_room(room).await.unwrap();
    assert!(shown.status_code != 0 && shown.private_meta.is_empty(), "{shown:?}");
    let refused = chis.join_stream_room(room).await;
    assert!(matches!(refused, Err(ApiError::Untrusted { .. })), "{refused:?}");
    let change = StreamRoomChange {
        stream_room_id: room.clone(),
        users: world.users(&["ana", "ben", "chi"]),
        managers: world.users(&["ana"]),
        version: 1,
        force_generate_new_key: true,
        ..StreamRoomChange::default()
    };
    let anas = world.connect("ana").await.create_stream_api();
    anas.update_stream_room(&change).await.unwrap();
}

/// Waits until ana is loud for ben and chi has refused enough; answers chi's counters.
async fn heard_and_refused(ben: &Call, chi: &Call) -> CallStats {
    let audible = |levels: &AudioLevels| {
        levels.levels.iter().any(|l| l.user.as_str() == "ana" && l.level.dbfs() > -20.0)
    };
    ben.levels().wait_for(audible).await.unwrap();
    let enough = |stats: &CallStats| stats.dropped_unauthenticated >= REFUSED;
    chi.stats().unwrap().wait_for(enough).await.unwrap().clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn member_with_a_wrong_key_hears_exact_zeros() {
    let world = World::with_users(&["ana", "ben", "chi"]).await;
    let ana = Ana::connect(&world).await;
    let first = ContainerKey::generate(&mut rng());
    let room = ana.room(&first).await;
    let bens = world.connect("ben").await.create_stream_api();
    let chis = world.connect("chi").await.create_stream_api();
    let_chi_in(&room, &world, (&bens, &chis)).await;

    let folder = tempfile::tempdir().unwrap();
    let heard = |name: &str| folder.path().join(name);
    let config = |name: &str| {
        let speaker = DeviceSpec::File(heard(name));
        CallConfig::new(room.clone()).with_microphone(None).with_speaker(speaker)
    };
    let ben = Call::join(bens, config("ben.wav")).await.unwrap();
    let chi = Call::join(chis.clone(), config("chi.wav")).await.unwrap();
    // What she cannot open she may look at, and still does not hear.
    chis.drop_broken_frames(&room, false).unwrap();
    let mut broken = chis.add_remote_stream_listener(&room, None).unwrap();
    let bens_stats = ben.stats().unwrap();
    let stats = tokio::select! {
        _ = ana.speak(&room, &first) => unreachable!("she speaks for ever"),
        stats = soon("sound for ben and none for chi", heard_and_refused(&ben, &chi)) => stats,
    };
    assert_eq!(bens_stats.borrow().dropped_unauthenticated, 0);
    let shown = soon("a broken frame", async {
        loop {
            if let Some(RemoteStreamEvent::BrokenFrame { frame, reason, .. }) =
                broken.next_event().await
            {
                return (frame, reason);
            }
        }
    });
    let (frame, reason) = shown.await;
    assert!(!frame.is_empty() && reason == "frame does not authenticate", "{reason}");
    assert_eq!(stats.concealed_ms, 0, "nothing is invented either: {stats:?}");
    chi.leave().await.unwrap();
    ben.leave().await.unwrap();
    let samples = |name: &str| samples_of(&std::fs::read(heard(name)).unwrap());
    let (bens, chis) = (samples("ben.wav"), samples("chi.wav"));
    let loud = |samples: &[i16]| samples.iter().filter(|sample| **sample != 0).count();
    let (bens_loud, chis_loud) = (loud(&bens), loud(&chis));
    println!("chi: {} of {} packets refused", stats.dropped_unauthenticated, stats.packets);
    println!("chi: {chis_loud} of {} samples not zero; ben: {bens_loud}", chis.len());
    assert!(chis.len() > SAMPLE_RATE && chis_loud == 0);
    assert!(bens_loud > SAMPLE_RATE / 2, "the right key hears it");
    world.bridge.shutdown().await;
}

/// Looks at what ana shows; answers where its pictures come.
async fn look(call: &Call) -> watch::Receiver<Option<Arc<Picture>>> {
    let mut people = call.people();
    let shows = |people: &Vec<Person>| people.iter().any(|person| !person.videos.is_empty());
    let people = soon("ana's camera", people.wait_for(shows)).await.unwrap().clone();
    let video = people.into_iter().flat_map(|person| person.videos).next().unwrap();
    let (stream, track) = (video.stream, video.track);
    let pictures = call.pictures(stream, &track).unwrap();
    call.want_pictures(vec![Wanted { stream, track, max_width: 0, max_height: 0 }]);
    pictures
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn member_with_a_wrong_key_sees_nothing() {
    let world = World::with_users(&["ana", "ben", "chi"]).await;
    let ana = Ana::connect(&world).await;
    let first = ContainerKey::generate(&mut rng());
    let room = ana.room(&first).await;
    let bens = world.connect("ben").await.create_stream_api();
    let chis = world.connect("chi").await.create_stream_api();
    let_chi_in(&room, &world, (&bens, &chis)).await;
    let config = CallConfig::new(room.clone()).with_microphone(None).with_speaker(DeviceSpec::Null);
    let ben = Call::join(bens, config.clone()).await.unwrap();
    let chi = Call::join(chis, config).await.unwrap();
    let seen = async {
        let (mut bens, chis) = tokio::join!(look(&ben), look(&chi));
        let refuses = |stats: &CallStats| stats.dropped_unauthenticated >= 3;
        let mut stats = chi.stats().unwrap();
        let refused = stats.wait_for(refuses).await.unwrap().clone();
        bens.wait_for(Option::is_some).await.unwrap();
        assert!(chis.borrow().is_none());
        refused
    };
    let stats = tokio::select! {
        _ = ana.show(&room, &first) => unreachable!("she shows for ever"),
        stats = soon("a picture for ben and none for chi", seen) => stats,
    };
    let [track] = stats.video.as_slice() else { panic!("one track: {stats:?}") };
    println!("chi: {} frames refused, {} pictures", track.dropped_unauthenticated, track.pictures);
    assert_eq!(track.pictures, 0);
    chi.leave().await.unwrap();
    ben.leave().await.unwrap();
    world.bridge.shutdown().await;
}

/// A genuine frame that somebody changed in more than one place.
fn changed(genuine: &[EncodedFrame], n: u32, rng: &mut StdRng) -> Vec<u8> {
    let frame = &genuine[n as usize % genuine.len()].payload;
    let mut bytes = frame.to_vec();
    // The last byte is the level, which anybody may change.
    let length = bytes.len() - 1;
    match n % 5 {
        // Several bytes, anywhere.
        0 => {
            for _ in 0..rng.random_range(2..=8) {
                let at = rng.random_range(0..length);
                bytes[at] = rng.random();
            }
        }
        // Several bytes in a row.
        1 => {
            let start = rng.random_range(0..length - 16);
            for byte in &mut bytes[start..][..rng.random_range(2..=16)] {
                *byte ^= rng.random_range(1..=u8::MAX);
            }
        }
        // Bytes are missing, at the end, at the start or in the middle.
        2 => {
            let start = rng.random_range(0..length);
            let end = rng.random_range(start + 1..=length);
            bytes.drain(start..end);
        }
        // Bytes too many.
        3 => {
            let at = rng.random_range(0..length);
            let more: Vec<u8> = (0..rng.random_range(1..20)).map(|_| rng.random()).collect();
            bytes.splice(at..at, more);
        }
        // The front of one frame and the back of another.
        _ => {
            let other = &genuine[rng.random_range(0..genuine.len())].payload;
            let at = rng.random_range(1..length.min(other.len() - 1));
            bytes.splice(at.., other[at..].iter().copied());
        }
    }
    bytes
}

#[test]
fn a_hundred_thousand_frames_changed_in_several_bytes_are_never_heard() {
    let key = ContainerKey::new(KeyId::from("0123456789abcdef"), [7; 32]);
    let mut rng = rng();
    let mut genuine = Vec::new();
    let mut sender = AudioSender::new(keys(&key), 0).unwrap();
    sender.handle_samples(&tone(50 * FRAME), &mut rng, &mut genuine).unwrap();
    let untouched = |bytes: &[u8]| {
        let signed = |payload: &[u8]| payload[..payload.len() - 1].to_vec();
        genuine.iter().any(|frame| signed(&frame.payload) == signed(bytes))
    };
    let mut receiver = AudioReceiver::new(keys(&key)).unwrap();
    let mut out = AudioFrame::silence();
    let start = Instant::now();
    let (mut sent, mut n, mut loud) = (0u32, 0, 0usize);
    while sent < CHANGED {
        let bytes = changed(&genuine, n, &mut rng);
        n += 1;
        if bytes.is_empty() || untouched(&bytes) {
            continue;
        }
        let now = start + Duration::from_millis(20) * sent;
        let verdict = receiver.handle_packet(u64::from(sent), sent.wrapping_mul(960), &bytes, now);
        assert_eq!(verdict, Received::Unauthenticated, "{}", hex::encode(&bytes));
        receiver.pull(now, &mut out);
        loud += out.samples().iter().filter(|&&sample| sample != 0.0).count();
        sent += 1;
    }
    let stats = receiver.stats();
    println!(
        "{} of {sent} changed frames refused, {loud} samples are not zero",
        stats.dropped_unauthenticated
    );
    assert_eq!((loud, stats.dropped_unauthenticated), (0, u64::from(CHANGED)));

    // The same receiver plays the same frames if nobody touched them.
    for (seq, frame) in (u64::from(CHANGED)..).zip(&genuine) {
        let now = start + Duration::from_millis(20) * u32::try_from(seq).unwrap();
        let payload: &Bytes = &frame.payload;
        assert_eq!(receiver.handle_packet(seq, frame.timestamp, payload, now), Received::Queued);
        receiver.pull(now, &mut out);
        loud += out.samples().iter().filter(|&&sample| sample != 0.0).count();
    }
    assert!(loud > SAMPLE_RATE / 2, "{loud}");
}
