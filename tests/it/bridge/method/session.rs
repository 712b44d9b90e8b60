//! Methods of the session itself: authorisation of sockets, subscriptions, ping and logout.

use conclave::wire::notification::NotificationKey;
use serde_json::json;

use super::super::world::World;
use super::super::world::key;
use super::INVALID;
use super::Method;
use super::alone;

#[tokio::test]
async fn method_authorize_web_socket_checks_parameters() {
    let (world, mut alice) = alone().await;
    let good = NotificationKey::generate(&mut rand::rng()).to_base64();
    let good = json!({"key": good, "addWsChannelId": true});
    let method = Method { name: "authorizeWebSocket", good, optional: &[], any: &[] };
    let cases = [
        ("key", json!("")),
        ("key", json!("AAAA")),
        ("key", json!("?".repeat(44))),
        ("key", json!("A".repeat(48))),
    ];
    method.refuses(&mut alice, &cases).await;
    world.bridge.shutdown().await;
}

#[tokio::test]
async fn method_authorize_web_socket_and_others_need_a_socket() {
    let world = World::new().await;
    let mut alice = world.join("alice", 1).await;
    let key = NotificationKey::generate(&mut rand::rng()).to_base64();
    let cases = [
        ("authorizeWebSocket", json!({"key": key, "addWsChannelId": true})),
        ("unauthorizeWebSocket", json!({})),
        ("subscribeToChannels", json!({"channels": ["streamroom"]})),
        ("unsubscribeFromChannels", json!({"subscriptionsIds": ["x"]})),
        ("subscribeToChannel", json!({"channel": "streamroom"})),
        ("unsubscribeFromChannel", json!({"channel": "streamroom"})),
    ];
    for (method, params) in cases {
        let error = alice.call(method, params).await.unwrap_err();
        assert_eq!((error.code, error.message.as_str()), (0x72, "WebSocket required"), "{method}");
    }
    world.bridge.shutdown().await;
}

#[tokio::test]
async fn method_unauthorize_web_socket_ping_and_logout_check_parameters() {
    let (world, mut alice) = alone().await;
    for name in ["unauthorizeWebSocket", "logout"] {
        let method = Method { name, good: json!({}), optional: &[], any: &[] };
        method.refuses(&mut alice, &[]).await;
    }
    assert_eq!(alice.ws("ping", json!({})).await.unwrap(), "pong");
    assert_eq!(alice.ws("unauthorizeWebSocket", json!({})).await.unwrap(), "OK");
    assert_eq!(alice.ws_refused("unauthorizeWebSocket", json!({})).await, 0x72);
    assert_eq!(alice.ws("logout", json!({})).await.unwrap(), "OK");
    world.bridge.shutdown().await;
}

#[tokio::test]
async fn method_subscribe_to_channels_checks_parameters() {
    let (world, mut alice) = alone().await;
    let good = json!({"channels": ["streamroom/create|contextId=c,containerType=stream"]});
    let method = Method { name: "subscribeToChannels", good, optional: &[], any: &[] };
    let bad = [
        "",
        "a b",
        "a|b",
        "a|",
        "a|b=c",
        "a|contextId=",
        "a|contextId=1,itemId=2",
        "a|contextId=1|itemId=2",
        "a|containerType=x,containerType=y",
        "späte",
    ];
    let mut cases: Vec<_> = bad.map(|text| ("channels", json!([text]))).into();
    cases.push(("channels", json!([1])));
    cases.push(("channels", json!(["x".repeat(513)])));
    cases.push(("channels", json!(vec!["a"; 129])));
    method.refuses(&mut alice, &cases).await;
    method.takes_what_is_good(&mut alice).await;
    world.bridge.shutdown().await;
}

#[tokio::test]
async fn method_unsubscribe_from_channels_checks_parameters() {
    let (world, mut alice) = alone().await;
    let good = json!({"subscriptionsIds": ["unknown"]});
    let method = Method { name: "unsubscribeFromChannels", good, optional: &[], any: &[] };
    let cases = [
        ("subscriptionsIds", json!([1])),
        ("subscriptionsIds", json!([""])),
        ("subscriptionsIds", json!(["x".repeat(129)])),
    ];
    method.refuses(&mut alice, &cases).await;
    method.takes_what_is_good(&mut alice).await;
    world.bridge.shutdown().await;
}

#[tokio::test]
async fn method_subscribe_to_channel_gives_events_of_the_old_style() {
    let (world, mut alice) = alone().await;
    for name in ["subscribeToChannel", "unsubscribeFromChannel"] {
        let good = json!({"channel": "context/custom/x"});
        let method = Method { name, good, optional: &[], any: &[] };
        method.refuses(&mut alice, &[("channel", json!("a b")), ("channel", json!(""))]).await;
    }
    let bad = json!({"channel": "a|b"});
    assert_eq!(alice.ws_refused("subscribeToChannel", bad).await, INVALID);
    let room = world.room(&mut alice, &["alice"]).await;
    let channel = json!({"channel": "stream/custom/news"});
    let made = alice.ws("subscribeToChannel", channel.clone()).await.unwrap();
    assert_eq!(made["subscriptionId"].as_str().unwrap().len(), 24);
    let event = json!({"streamRoomId": room, "channel": "news", "keyId": "k1", "data": 1});
    let send = "stream.streamRoomSendCustomEvent";
    alice.ws(send, event.clone()).await.unwrap();
    let got = alice.event_of("custom").await;
    assert_eq!(got.version, 1);
    assert_eq!(got.subscriptions, [made["subscriptionId"].as_str().unwrap()]);

    // With a subscription of the new style besides, there is one copy, and it is new.
    alice.subscribe(&["stream/custom"]).await;
    alice.ws(send, event.clone()).await.unwrap();
    let got = alice.event_of("custom").await;
    assert_eq!((got.version, got.subscriptions.len()), (2, 2));
    assert_eq!(alice.ws("unsubscribeFromChannel", channel).await.unwrap(), "OK");
    alice.ws(send, event).await.unwrap();
    assert_eq!(alice.event_of("custom").await.subscriptions.len(), 1);
    world.bridge.shutdown().await;
}

#[tokio::test]
async fn method_names_that_nobody_knows_are_refused() {
    let (world, mut alice) = alone().await;
    for method in ["nonsense", "context.nonsense", "stream.nonsense", "thread.threadGet", "stream."]
    {
        let error = alice.ws(method, json!({})).await.unwrap_err();
        assert_eq!((error.code, error.message.as_str()), (-32601, "Method not found"), "{method}");
    }
    world.bridge.shutdown().await;
}

#[tokio::test]
async fn method_calls_of_a_removed_user_find_no_context() {
    let (world, mut alice) = alone().await;
    let room = world.room(&mut alice, &["alice"]).await;
    world.add("bob", &key(2)).await;
    let who = json!({"contextId": world.context, "userId": "alice"});
    world.manage("context/removeUserFromContext", who).await.unwrap();
    let page = json!({"skip": 0, "limit": 1, "sortOrder": "asc"});
    let none = json!({"contexts": [], "count": 0});
    assert_eq!(alice.ws("context.contextList", page).await.unwrap(), none);
    for (method, params) in [
        ("context.contextGet", json!({"id": world.context})),
        ("stream.streamRoomGet", json!({"id": room})),
        ("stream.streamRoomJoin", json!({"streamRoomId": room})),
        ("stream.streamRoomCreate", world.room_params(&["bob"])),
    ] {
        assert_eq!(alice.ws_refused(method, params).await, 0x30, "{method}");
    }
    world.bridge.shutdown().await;
}
