//! A browser and a call of ours in a room of the embedded bridge.
//!
//! The browser's bridge calls are made by the test; its media takes its own way.

use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;
use std::time::Duration;

use conclave::api::Call;
use conclave::api::CallConfig;
use conclave::api::DeviceSpec;
use conclave::api::VideoSpec;
use conclave::api::Wanted;
use conclave::bridge::BridgeConfig;
use conclave::model::StreamRoomId;
use conclave::model::VideoTrackStats;
use conclave::net::session::Session;
use conclave::net::session::SessionConfig;
use conclave::net::session::SessionEvent;
use conclave::wire::dto::event::Payload;
use serde_json::Value;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::page::PATIENCE;
use super::page::Page;
use super::pictures;
use super::pictures::Likeness;
use crate::support::lossy;
use crate::support::lossy::Lossy;
use crate::world::World;

/// Pictures that are compared, each way.
const ENOUGH: usize = 15;
/// Bits per second that the bridge takes of a publisher (streams.md §10.2).
const MOST: u64 = 512_000;

/// A user whose media a browser sends and receives.
struct Guest {
    page: Page,
    session: Session,
    events: mpsc::Receiver<SessionEvent>,
    /// The media session that receives.
    receiving: Value,
    room: StreamRoomId,
    /// What the page has to know.
    keys: Value,
}

impl Guest {
    /// Joins, and publishes the moving picture of the page, its offer as `adapted`.
    async fn enter(
        world: &World,
        name: &str,
        room: &StreamRoomId,
        mut page: Page,
        adapted: fn(&str) -> String,
    ) -> Self {
        let member = world.connect(name).await;
        let keys = member.create_stream_api().get_stream_room_recording_keys(room).await.unwrap();
        let key = keys.last().expect("the room has a key");
        let keys = json!({ "key": hex::encode(key.key.expose()), "keyId": key.id.0 });
        member.disconnect().await;
        let config = SessionConfig {
            url: world.bridge.url(),
            solution: world.solution.clone(),
            key: world.key(name),
            bridge_key: Some(world.bridge.public_key()),
        };
        let (session, events) = Session::connect(config).await.unwrap();
        let channels = ["streamroom/internal", "streamroom/internal/reoffer"];
        session.subscribe(channels.map(str::to_owned).to_vec()).await.unwrap();
        let offer = page.ask("publish", keys.clone()).await;
        let offer = adapted(offer.as_str().unwrap());
        let room = room.clone();
        let guest = Self { page, session, events, receiving: Value::Null, room, keys };
        guest.call("stream.streamRoomJoin", json!({})).await;
        guest.publish(offer).await
    }

    async fn publish(mut self, offer: String) -> Self {
        let offer = json!({ "offer": { "type": "offer", "sdp": offer } });
        let answer = self.call("stream.streamPublish", offer).await;
        println!("published: {}", answer["publishedData"]["stream"]["tracks"]);
        let sdp = &answer["answer"]["sdp"];
        say_negotiated("the browser sends with", sdp.as_str().unwrap());
        self.page.ask("answered", json!({ "sdp": sdp })).await;
        self
    }

    /// Subscribes to all that others send.
    async fn subscribe(&mut self, own: &str) {
        let mut pace = tokio::time::interval(Duration::from_millis(100));
        let others = loop {
            pace.tick().await;
            let list = self.call("stream.streamList", json!({})).await;
            let streams = list["list"].as_array().unwrap().iter();
            let others: Vec<_> = streams.filter(|stream| stream["userId"] != own).collect();
            if !others.is_empty() {
                break others.iter().map(|stream| json!({ "streamId": stream["id"] })).collect();
            }
        };
        let add = json!({ "subscriptionsToAdd": Value::Array(others) });
        let offered = self.call("stream.streamsSubscribeToRemote", add).await;
        self.receiving = offered["sessionId"].clone();
        self.answer(offered["offer"]["sdp"].as_str().expect("an offer")).await;
    }

    /// Answers the next offer that the bridge makes by itself.
    async fn follow(&mut self) {
        let offer = async {
            loop {
                let event = self.events.recv().await.expect("the session lives");
                if let SessionEvent::Notification(notification) = event
                    && let Payload::StreamRoomReoffer(offer) = notification.event.payload
                {
                    return offer.jsep.expect("there is something to answer").sdp;
                }
            }
        };
        let offer = timeout(PATIENCE, offer).await.expect("an offer in time");
        self.answer(&offer).await;
    }

    async fn answer(&mut self, offer: &str) {
        let mut options = self.keys.clone();
        options["sdp"] = offer.into();
        let answer = self.page.ask("subscribe", options).await;
        say_negotiated("the browser receives with", answer.as_str().unwrap());
        let accept = json!({
            "sessionId": self.receiving,
            "answer": { "type": "answer", "sdp": answer },
        });
        self.session.call("stream.streamAcceptOffer", accept).await.unwrap();
    }

    /// A call about the room.
    async fn call(&self, method: &str, mut params: Value) -> Value {
        params["streamRoomId"] = self.room.as_str().into();
        self.session.call(method, params).await.unwrap_or_else(|e| panic!("{method}: {e}"))
    }
}

/// The offer of a browser that sends nothing again: it has to be asked for key frames.
fn without_repair(offer: &str) -> String {
    let kept = |line: &&str| {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let repair = value.contains(" rtx/") || value.contains(" apt=") || value.contains(" nack");
        !(repair && !value.ends_with("pli") || name == "a=ssrc-group")
    };
    offer.lines().filter(kept).flat_map(|line| [line, "\r\n"]).collect()
}

fn say_negotiated(what: &str, sdp: &str) {
    let kept = |line: &&str| {
        let kept = ["a=rtpmap", "a=rtcp-fb", "a=extmap:", "a=fmtp", "a=group", "a=rtcp-rsize"];
        kept.iter().any(|start| line.starts_with(start))
    };
    let lines: Vec<_> = sdp.lines().filter(kept).map(|line| &line[2..]).collect();
    println!("{what} {}", lines.join(", "));
}

/// Watches the browser's picture in the call until enough have been compared.
async fn watch(call: &Call, user: &str) {
    let mut people = call.people();
    let video = {
        let shows = people.wait_for(|people| {
            people.iter().any(|person| person.user.as_str() == user && !person.videos.is_empty())
        });
        let people = shows.await.unwrap();
        let person = people.iter().find(|person| person.user.as_str() == user).unwrap();
        person.videos[0].clone()
    };
    let mut shown = call.pictures(video.stream, &video.track).unwrap();
    let (stream, track) = (video.stream, video.track);
    call.want_pictures(vec![Wanted { stream, track, max_width: 0, max_height: 0 }]);
    let (mut likeness, mut last) = (Likeness::default(), None);
    while likeness.pairs() < ENOUGH {
        shown.changed().await.unwrap();
        let Some(picture) = shown.borrow_and_update().as_ref().map(Arc::clone) else { continue };
        let number = pictures::number_of(&picture);
        assert!(Some(number) >= last, "{number} after {last:?}");
        last = Some(number);
        likeness.compare(&pictures::drawn(number), &picture);
    }
    likeness.is_close("the browser's in the call");
}

/// What the browser says once it says what is waited for.
async fn figures_with(page: &mut Page, enough: fn(&Value) -> bool) -> Value {
    let mut pace = tokio::time::interval(Duration::from_millis(100));
    loop {
        pace.tick().await;
        let figures = page.ask("figures", Value::Null).await;
        if enough(&figures) {
            return figures;
        }
    }
}

/// It knows how much it may send.
fn knows_its_bit_rate(figures: &Value) -> bool {
    figures["publisher"]["availableOutgoingBitrate"] == MOST
}

/// What was lost on either way was asked for, and sent again.
fn has_repaired(figures: &Value) -> bool {
    figures["publisher"]["retransmittedPacketsSent"].as_u64() > Some(0)
        && figures["subscriber"]["nackCount"].as_u64() > Some(0)
}

/// Has a call and a browser see each other until the browser has counted `enough`; answers what
/// the call has counted.
async fn meet(
    page: Page,
    config: BridgeConfig,
    adapted: fn(&str) -> String,
    enough: fn(&Value) -> bool,
) -> VideoTrackStats {
    let world = World::provision(config, &["ana", "ben"]).await;
    let ana = world.connect("ana").await.create_stream_api();
    let room = world.room(&ana, &["ana", "ben"]).await;
    let config = CallConfig::new(room.clone())
        .with_microphone(None)
        .with_speaker(DeviceSpec::Null)
        .with_camera(Some(VideoSpec::Pattern));
    let ana = Call::join(ana, config).await.unwrap();
    let mut ben = Guest::enter(&world, "ben", &room, page, adapted).await;
    ben.subscribe("ben").await;
    let both =
        async { tokio::join!(watch(&ana, "ben"), pictures::watch_pattern(&mut ben.page, ENOUGH)) };
    let seen = timeout(PATIENCE, both).await;
    if seen.is_err() {
        println!("{}", ben.page.ask("figures", Value::Null).await);
    }
    seen.expect("pictures both ways in time");
    let figures = timeout(PATIENCE, figures_with(&mut ben.page, enough)).await;
    let figures = figures.expect("what is waited for in time");
    assert_eq!(figures["counts"]["refused"], 0, "all is authentic");
    let mut stats = ana.stats().unwrap();
    let counted = stats.wait_for(|stats| !stats.video.is_empty() && !stats.video_sent.is_empty());
    let counted = timeout(PATIENCE, counted).await.expect("figures in time").unwrap().clone();
    println!("{figures}\n{:?}\n{:?}", counted.video, counted.video_sent);
    let video = counted.video[0].clone();
    assert_eq!((video.dropped_unauthenticated, video.undecodable), (0, 0));
    ana.leave().await.unwrap();
    ben.session.shutdown().await;
    world.bridge.shutdown().await;
    video
}

fn in_memory(port: u16) -> BridgeConfig {
    BridgeConfig::in_memory(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_and_a_call_see_each_other() {
    let Some(page) = Page::open().await else { return };
    let video = meet(page, in_memory(0), str::to_owned, knows_its_bit_rate).await;
    assert_eq!(video.lost, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_that_sends_nothing_again_is_seen() {
    let Some(page) = Page::open().await else { return };
    let video = meet(page, in_memory(0), without_repair, knows_its_bit_rate).await;
    assert_eq!(video.lost, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_and_a_call_see_each_other_over_a_network_that_loses() {
    let Some(page) = Page::open().await else { return };
    let mut network = Lossy::bind().await;
    let mut config = in_memory(network.port);
    config.advertise = vec![lossy::OUTSIDE];
    let counter = AtomicU32::new(0);
    network.carry(Arc::new(move |_, datagram| {
        lossy::is_rtp(datagram) && counter.fetch_add(1, Ordering::Relaxed) % 11 == 5
    }));
    meet(page, config, str::to_owned, has_repaired).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_camera_that_goes_and_comes_is_seen_again_by_a_browser() {
    let Some(page) = Page::open().await else { return };
    let world = World::provision(in_memory(0), &["ana", "ben"]).await;
    let ana = world.connect("ana").await.create_stream_api();
    let room = world.room(&ana, &["ana", "ben"]).await;
    let config = CallConfig::new(room.clone()).with_microphone(None).with_speaker(DeviceSpec::Null);
    let ana = Call::join(ana, config.with_camera(Some(VideoSpec::Pattern))).await.unwrap();
    let mut ben = Guest::enter(&world, "ben", &room, page, str::to_owned).await;
    for _ in 0..2 {
        ben.subscribe("ben").await;
        let watched = timeout(PATIENCE, pictures::watch_pattern(&mut ben.page, ENOUGH)).await;
        watched.expect("pictures in time");
        // The line ends, and is used again for the next camera.
        ana.set_camera(None).await.unwrap();
        ben.follow().await;
        ana.set_camera(Some(VideoSpec::Pattern)).await.unwrap();
    }
    ana.leave().await.unwrap();
    ben.session.shutdown().await;
    world.bridge.shutdown().await;
}
