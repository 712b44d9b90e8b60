//! Losing the network under a call: everything comes back, once.

use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::time::Duration;
use std::time::Instant;

use conclave::api::Call;
use conclave::api::CallConfig;
use conclave::api::CallStatus;
use conclave::api::Connection;
use conclave::api::ContextEventType;
use conclave::api::DeviceSpec;
use conclave::api::Endpoint;
use conclave::api::Person;
use conclave::api::RemoteStreamEvent;
use conclave::api::context_query;
use conclave::bridge::BridgeConfig;
use conclave::model::AudioLevels;
use conclave::model::EventKind;

use super::world::World;
use super::world::soon;

#[path = "../../drill/proxy.rs"]
#[expect(dead_code, reason = "the drill breaks more")]
mod proxy;

async fn connect(world: &World, name: &str) -> Connection {
    let mut options = world.options(name);
    let port = world.bridge.local_addr().port();
    options.url = format!("http://{}:{port}", proxy::OUTSIDE);
    Endpoint::connect(options).await.unwrap()
}

fn heard_once(levels: &AudioLevels, user: &str) -> bool {
    let mut theirs = levels.levels.iter().filter(|level| level.user.as_str() == user);
    let heard = theirs.next().is_some_and(|level| level.level.dbfs() > -20.0);
    heard && theirs.next().is_none()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_comes_back_once_when_the_network_changes() {
    // It has a runtime of its own, which can't be made within another one.
    let network = match std::thread::spawn(proxy::Proxy::start).join().unwrap() {
        Ok(network) => network,
        Err(error) => {
            eprintln!("skipped: {} is not this machine's: {error}", proxy::OUTSIDE);
            return;
        }
    };
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, network.port));
    let config =
        BridgeConfig { advertise: vec![proxy::OUTSIDE], ..BridgeConfig::in_memory(listen) };
    let world = World::provision(config, &["ana", "ben"]).await;
    let (ana, ben) = (connect(&world, "ana").await, connect(&world, "ben").await);
    let (ana_api, ben_api) = (ana.create_stream_api(), ben.create_stream_api());
    let room = world.room(&ana_api, &["ana", "ben"]).await;
    let channel = ContextEventType::Custom("test/news".to_owned());
    let query = context_query(&channel, &world.context).unwrap();
    let mut bens_events = ben.events();
    ben.subscribe_for(&[query]).await.unwrap();
    let call = |hertz| {
        CallConfig::new(room.clone())
            .with_microphone(Some(DeviceSpec::Tone(hertz)))
            .with_speaker(DeviceSpec::Null)
    };
    let anas = Call::join(ana_api.clone(), call(440.0)).await.unwrap();
    let bens = Call::join(ben_api.clone(), call(660.0)).await.unwrap();
    let mut levels = bens.levels();
    soon("ana", levels.wait_for(|levels| heard_once(levels, "ana"))).await.unwrap();
    let streams = ben_api.list_streams(&room).await.unwrap();
    let anas_stream = streams.iter().find(|info| info.user_id.as_str() == "ana").unwrap().id;
    let mut listener = ben_api.add_remote_stream_listener(&room, Some(anas_stream)).unwrap();

    let returns = [anas.status(), bens.status()].map(|mut status| {
        tokio::spawn(async move {
            let lost = |status: &CallStatus| matches!(status, CallStatus::Reconnecting { .. });
            soon("the loss", status.wait_for(lost)).await.unwrap();
            let active = |status: &CallStatus| *status == CallStatus::Active;
            soon("the return", status.wait_for(active)).await.unwrap();
        })
    });
    network.change_addresses();
    network.lose_streams();
    let began = Instant::now();
    for returned in returns {
        returned.await.unwrap();
    }
    soon("ana again", levels.wait_for(|levels| heard_once(levels, "ana"))).await.unwrap();
    let mut anas_levels = anas.levels();
    soon("ben again", anas_levels.wait_for(|levels| heard_once(levels, "ben"))).await.unwrap();
    println!("both are heard again after {} ms", began.elapsed().as_millis());

    let mut people = bens.people();
    let both = |people: &Vec<Person>| {
        people.len() == 2 && people.iter().all(|person| person.streams.len() == 1)
    };
    soon("both, once each", people.wait_for(both)).await.unwrap();
    let listed = ben_api.list_streams(&room).await.unwrap();
    assert_eq!(listed.len(), 2, "{listed:?}");

    let message = soon("a message", async {
        let mut tick = tokio::time::interval(Duration::from_millis(200));
        loop {
            tokio::select! {
                _ = tick.tick() => anas.send_message(b"still here").await.unwrap(),
                event = listener.next_event() => {
                    if let RemoteStreamEvent::Data { stream, data } = event.unwrap() {
                        break (stream, data);
                    }
                }
            }
        }
    });
    let (stream, data) = message.await;
    assert_ne!(stream, anas_stream, "the listener follows ana to her new stream");
    assert_eq!(data, b"still here");

    let to_ben = world.users(&["ben"]);
    ana.send_custom_event(&world.context, "test/news", b"one", &to_ben).await.unwrap();
    ana.send_custom_event(&world.context, "test/news", b"two", &to_ben).await.unwrap();
    let mut seen = Vec::new();
    while seen.last() != Some(&"two".to_owned()) {
        let event = soon("the news", bens_events.next_event()).await.unwrap();
        seen.push(match event.kind {
            EventKind::Disconnected { .. } => "lost".to_owned(),
            EventKind::Connected => "back".to_owned(),
            EventKind::Custom { data, .. } => String::from_utf8(data).unwrap(),
            other => panic!("{other:?}"),
        });
    }
    assert_eq!(seen, ["lost", "back", "one", "two"]);
    bens.leave().await.unwrap();
    anas.leave().await.unwrap();
    world.bridge.shutdown().await;
}
