//! Calls through coturn, with nothing else to go through.

use std::collections::BTreeSet;
use std::time::Duration;
use std::time::Instant;
use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use conclave::api::Call;
use conclave::api::CallConfig;
use conclave::api::DeviceSpec;
use conclave::api::Endpoint;
use conclave::api::LocalTrack;
use conclave::api::StreamApi;
use conclave::bridge::BridgeConfig;
use conclave::bridge::TurnServer;
use conclave::model::AudioLevels;
use conclave::model::CallStats;
use conclave::model::Secret;
use conclave::model::StreamRoomId;
use conclave::model::Timestamp;
use conclave::model::TurnCredentials;
use conclave::rtc::PeerConfig;
use conclave::rtc::Publisher;
use conclave::rtc::RtcError;
use hmac::Hmac;
use hmac::KeyInit;
use hmac::Mac;
use sha1::Sha1;

use crate::coturn::Coturn;
use crate::coturn::SECRET;
use crate::coturn::sound_of;
use crate::sound::Heard;
use crate::world::World;
use crate::world::soon;

/// How long the long call lasts, in seconds; `make peers` keeps it short.
const LONG_CALL: &str = "CONCLAVE_PEERS_LONG_CALL";

/// A bridge that knows of `coturn`, and its users ana and ben.
async fn world(coturn: &Coturn, ttl: Duration) -> World {
    let secret = Secret::new(SECRET.to_owned());
    let config = BridgeConfig {
        turn: vec![TurnServer { url: coturn.url.clone(), secret }],
        turn_ttl: ttl,
        ..BridgeConfig::in_memory("127.0.0.1:0".parse().unwrap())
    };
    World::provision(config, &["ana", "ben"]).await
}

/// A client that may take relayed paths only.
async fn relayed(world: &World, name: &str) -> StreamApi {
    let options = world.options(name).with_relay_only(true);
    Endpoint::connect(options).await.unwrap().create_stream_api()
}

fn config(room: &StreamRoomId, mic: DeviceSpec, speaker: DeviceSpec) -> CallConfig {
    CallConfig::new(room.clone()).with_microphone(Some(mic)).with_speaker(speaker)
}

fn hears(levels: &AudioLevels, user: &str) -> bool {
    levels.levels.iter().any(|level| {
        level.stream.is_some() && level.user.as_str() == user && level.level.dbfs() > -20.0
    })
}

/// Waits until so many more packets have come.
async fn packets(call: &Call, more: u64) -> CallStats {
    let mut stats = call.stats().unwrap();
    let before = stats.borrow().packets;
    let came = |stats: &CallStats| stats.packets >= before + more;
    let patience = Duration::from_millis(20 * more) + Duration::from_secs(20);
    let came = tokio::time::timeout(patience, stats.wait_for(came)).await;
    came.unwrap_or_else(|_| panic!("no {more} packets came")).unwrap().clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_goes_through_coturn_alone() {
    let Some(coturn) = Coturn::start("127.0.0.1", &[]) else { return };
    let world = world(&coturn, Duration::from_secs(3600)).await;
    let (ana, ben) = (relayed(&world, "ana").await, relayed(&world, "ben").await);
    let room = world.room(&ana, &["ana", "ben"]).await;
    let folder = tempfile::tempdir().unwrap();
    let heard = folder.path().join("heard.wav");
    let tone = config(&room, DeviceSpec::Tone(440.0), DeviceSpec::Null);
    let ana = Call::join(ana, tone).await.unwrap();
    let began = Instant::now();
    let listening = config(&room, DeviceSpec::Tone(660.0), DeviceSpec::File(heard.clone()));
    let ben = Call::join(ben, listening).await.unwrap();
    for (call, user) in [(&ben, "ana"), (&ana, "ben")] {
        let mut levels = call.levels();
        soon("sound", levels.wait_for(|levels| hears(levels, user))).await.unwrap();
    }
    println!("join to audible through coturn, both ways: {} ms", began.elapsed().as_millis());
    let stats = packets(&ben, 100).await;
    println!("ben: {stats:?}");
    assert_eq!(stats.dropped_unauthenticated, 0, "{stats:?}");
    ben.leave().await.unwrap();
    ana.leave().await.unwrap();
    Heard::played(sound_of(&heard)).is_mostly_tone("relayed", 440.0);
    world.bridge.shutdown().await;
    let sessions = coturn.ended(4).await;
    println!("coturn: {sessions:#?}");
    let through: u64 = sessions.iter().map(|session| session.sent).sum();
    assert!(through >= stats.packets + 100, "{through} packets came through coturn");
}

/// Credentials of the shared-secret scheme that end `seconds` from now.
fn credentials(coturn: &Coturn, seconds: i64) -> TurnCredentials {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let ends = i64::try_from(now).unwrap() + seconds;
    let username = format!("{ends}:anybody");
    let mut mac = Hmac::<Sha1>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(username.as_bytes());
    TurnCredentials {
        url: coturn.url.clone(),
        username,
        password: BASE64.encode(mac.finalize().into_bytes()),
        expiration_time: Timestamp(ends * 1000),
    }
}

#[tokio::test]
async fn only_credentials_that_have_not_ended_lead_to_a_relay() {
    let Some(coturn) = Coturn::start("127.0.0.1", &[]) else { return };
    for (seconds, good) in [(60, true), (-60, false)] {
        let ice_servers = vec![credentials(&coturn, seconds)];
        let config = PeerConfig { ice_servers, relay_only: true, ..PeerConfig::default() };
        let publisher = Publisher::new(&config).unwrap();
        publisher.add_audio_track().await.unwrap();
        let offer = publisher.create_offer().await.unwrap();
        assert_eq!(offer.contains("typ relay"), good, "{seconds} s: {offer}");
        assert!(!offer.contains("typ host"), "{offer}");
        publisher.close().await;
    }
    let config = PeerConfig { relay_only: true, ..PeerConfig::default() };
    assert!(matches!(Publisher::new(&config), Err(RtcError::NoRelay)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credentials_are_renewed_before_they_end() {
    let Some(coturn) = Coturn::start("127.0.0.1", &[]) else { return };
    // The client takes nothing for good that ends within five minutes.
    let world = world(&coturn, Duration::from_secs(308)).await;
    let api = relayed(&world, "ana").await;
    let room = world.room(&api, &["ana", "ben"]).await;
    api.join_stream_room(&room).await.unwrap();
    let mut users = Vec::new();
    for round in 0..3 {
        if round == 2 {
            // Until what was handed out first is within the five minutes.
            soon("the time", renewal(&users)).await;
        }
        let handle = api.create_stream(&room).unwrap();
        api.add_stream_track(handle, LocalTrack::Microphone(DeviceSpec::Tone(440.0)))
            .await
            .unwrap();
        let published = api.publish_stream(handle).await.unwrap();
        assert!(published.published);
        api.unpublish_stream(handle).await.unwrap();
        let sessions = coturn.ended(round + 1).await;
        users.push(sessions.last().unwrap().username.clone());
    }
    println!("names at coturn: {users:?}");
    assert_eq!(users[0], users[1], "kept while they are good");
    assert_ne!(users[1], users[2], "renewed in time");
    api.leave_stream_room(&room).await.unwrap();
    world.bridge.shutdown().await;
}

/// Waits until the first of these users has less than five minutes.
async fn renewal(users: &[String]) {
    let ends: u64 = users[0].split(':').next().unwrap().parse().unwrap();
    let mut tick = tokio::time::interval(Duration::from_millis(50));
    loop {
        tick.tick().await;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        if now + 300 >= ends {
            return;
        }
    }
}

/// Every refusal that time brings: credentials end after 2 s, nonces and allocations soon.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relayed_call_outlives_its_credentials() {
    let seconds = std::env::var(LONG_CALL).ok().and_then(|text| text.parse().ok()).unwrap_or(4u64);
    let lifetimes = ["--stale-nonce=50", "--max-allocate-lifetime=100"];
    let Some(coturn) = Coturn::start("127.0.0.1", &lifetimes) else { return };
    let world = world(&coturn, Duration::from_secs(2)).await;
    let (ana_api, ben_api) = (relayed(&world, "ana").await, relayed(&world, "ben").await);
    let room = world.room(&ana_api, &["ana", "ben"]).await;
    let tone = || config(&room, DeviceSpec::Tone(440.0), DeviceSpec::Null);
    let ana = Call::join(ana_api.clone(), tone()).await.unwrap();
    let ben = Call::join(ben_api, tone()).await.unwrap();
    let mut levels = ben.levels();
    soon("sound", levels.wait_for(|levels| hears(levels, "ana"))).await.unwrap();
    let began = Instant::now();
    let stats = packets(&ben, 50 * seconds).await;
    println!("{} s through coturn at ben: {stats:?}", began.elapsed().as_secs());
    assert!(hears(&levels.borrow(), "ana"), "{:?}", *levels.borrow());
    assert!(stats.lost * 100 <= stats.packets, "{stats:?}");
    ana.leave().await.unwrap();
    // Whoever comes back gets new ones.
    let ana = Call::join(ana_api, tone()).await.unwrap();
    packets(&ben, 50).await;
    ana.leave().await.unwrap();
    ben.leave().await.unwrap();
    world.bridge.shutdown().await;
    let sessions = coturn.ended(6).await;
    let users: BTreeSet<_> = sessions.iter().map(|session| &session.username).collect();
    println!("{} allocations under {} names", sessions.len(), users.len());
    assert!(users.len() >= 3, "{users:?}");
}
