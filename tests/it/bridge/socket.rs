//! Sessions on WebSockets: authorisation, subscriptions, presence, and dead peers.

use std::time::Duration;

use conclave::wire::notification::NotificationKey;
use serde_json::Value;
use serde_json::json;

use super::world::World;
use super::world::config;
use super::world::key;

fn authorize(many: bool) -> Value {
    let key = NotificationKey::generate(&mut rand::rng()).to_base64();
    json!({"key": key, "addWsChannelId": many})
}

#[tokio::test]
async fn a_socket_is_authorised_once_per_key() {
    let world = World::new().await;
    let mut alice = world.join("alice", 1).await;
    let mut bob = world.join("bob", 2).await;
    assert_eq!(alice.refused("authorizeWebSocket", authorize(true)).await, 0x72);
    alice.connect(&world.bridge).await;
    assert_eq!(alice.ws_refused("authorizeWebSocket", authorize(true)).await, 0x73);
    for bad in [json!({}), json!({"key": "AA==", "addWsChannelId": true})] {
        assert_eq!(alice.ws_refused("authorizeWebSocket", bad).await, -32602);
    }
    // A second session on the same socket must ask for a channel.
    bob.socket = alice.socket.take();
    assert_eq!(bob.ws_refused("authorizeWebSocket", authorize(false)).await, 0x86);
    assert!(bob.ws("authorizeWebSocket", authorize(true)).await.is_ok());
    // The same key on another socket is fine.
    alice.connect(&world.bridge).await;
    assert_eq!(alice.ws("unauthorizeWebSocket", json!({})).await.unwrap(), "OK");
    let params = json!({"channels": ["streamroom"]});
    assert_eq!(alice.ws_refused("subscribeToChannels", params).await, 0x72);
    // A first session without a channel stays alone.
    assert!(alice.ws("authorizeWebSocket", authorize(false)).await.is_ok());
    bob.socket = alice.socket.take();
    assert_eq!(bob.ws_refused("authorizeWebSocket", authorize(true)).await, 0x87);
    world.bridge.shutdown().await;
}

#[tokio::test]
async fn subscriptions_are_checked_and_counted() {
    let world = World::new().await;
    let mut alice = world.join("alice", 1).await;
    let channels = |count: usize| -> Vec<String> {
        (0..count).map(|index| format!("context/custom/n{index}")).collect()
    };
    let params = |list: Vec<String>| json!({"channels": list});
    assert_eq!(alice.refused("subscribeToChannels", params(channels(1))).await, 0x72);
    alice.connect(&world.bridge).await;
    for bad in ["a|b", "a|contextId=1,itemId=2", "späte", "a b"] {
        let code = alice.ws_refused("subscribeToChannels", params(vec![bad.into()])).await;
        assert_eq!(code, -32602, "{bad}");
    }
    assert_eq!(alice.ws_refused("subscribeToChannels", params(channels(129))).await, -32602);
    let answer = alice.ws("subscribeToChannels", params(channels(128))).await.unwrap();
    let first = &answer["subscriptions"][0];
    assert_eq!(first["channel"], "context/custom/n0");
    assert_eq!(first["subscriptionId"].as_str().unwrap().len(), 24);
    assert_eq!(alice.ws_refused("subscribeToChannels", params(channels(1))).await, 0x6139);
    let ids = json!({"subscriptionsIds": [first["subscriptionId"], "unknown"]});
    assert_eq!(alice.ws("unsubscribeFromChannels", ids).await.unwrap(), "OK");
    assert!(alice.ws("subscribeToChannels", params(channels(1))).await.is_ok());
    world.bridge.shutdown().await;
}

#[tokio::test]
async fn presence_is_told_to_those_who_share_a_context() {
    let world = World::new().await;
    let mut alice = world.join("alice", 1).await;
    let mut bob = world.join("bob", 2).await;
    alice.connect(&world.bridge).await;
    alice.subscribe(&[&format!("context/userStatus|contextId={}", world.context)]).await;
    bob.connect(&world.bridge).await;
    let find = |data: &Value, action: &str| {
        let users = data["users"].as_array().unwrap().clone();
        users.iter().any(|user| {
            user["userId"] == "bob"
                && user["action"] == action
                && user["pubKey"] == key(2).public_key().to_base58()
        })
    };
    loop {
        let event = alice.event_of("contextUserStatusChanged").await;
        assert_eq!(event.data["contextId"], world.context);
        assert_eq!(event.version, 2);
        if find(&event.data, "login") {
            break;
        }
    }
    let params = json!({"contextId": world.context, "skip": 0, "limit": 10, "sortOrder": "asc"});
    let list = alice.call("context.contextListUsers", params.clone()).await.unwrap();
    assert_eq!(list["count"], 2);
    assert_eq!(list["users"][1]["status"], "active");
    assert_eq!(list["users"][1]["lastStatusChange"]["action"], "login");
    drop(bob.socket.take());
    loop {
        let event = alice.event_of("contextUserStatusChanged").await;
        if find(&event.data, "logout") {
            break;
        }
    }
    let list = alice.call("context.contextListUsers", params).await.unwrap();
    assert_eq!(list["users"][1]["status"], "inactive");
    world.bridge.shutdown().await;
}

#[tokio::test]
async fn a_socket_without_life_is_dropped() {
    let mut config = config();
    config.limits.ping_interval = Duration::from_millis(200);
    let world = World::with(config).await;
    let mut alice = world.join("alice", 1).await;
    let mut bob = world.join("bob", 2).await;
    alice.connect(&world.bridge).await;
    alice.subscribe(&["context/userStatus"]).await;
    bob.connect(&world.bridge).await;
    // Bob's socket stays open and is never read again, so his pongs do not go out; Alice
    // reads, and so answers.
    let silent = bob.socket.take().unwrap();
    loop {
        let event = alice.event_of("contextUserStatusChanged").await;
        let users = event.data["users"].as_array().unwrap().clone();
        if users.iter().any(|user| user["userId"] == "bob" && user["action"] == "logout") {
            break;
        }
    }
    drop(silent);
    world.bridge.shutdown().await;
}
