//! The management API over a WebSocket.

use futures_util::SinkExt;
use futures_util::StreamExt;
use serde_json::Value;
use serde_json::json;
use tokio::net::TcpStream;
use tokio_tungstenite::MaybeTlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use super::world::PATIENCE;
use super::world::World;
use super::world::text;

struct Operator(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Operator {
    async fn new(world: &World) -> Self {
        let url = format!("ws://{}/api", world.bridge.local_addr());
        Self(tokio_tungstenite::connect_async(url).await.unwrap().0)
    }

    async fn next(&mut self) -> Value {
        loop {
            let message = tokio::time::timeout(PATIENCE, self.0.next()).await;
            match message.expect("something comes in time").unwrap().unwrap() {
                Message::Text(text) => return serde_json::from_str(&text).unwrap(),
                Message::Ping(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// A call; events that come before its answer are none.
    async fn call(&mut self, method: &str, params: Value) -> Result<Value, i64> {
        let body = json!({"jsonrpc": "2.0", "id": 3, "method": method, "params": params});
        self.0.send(Message::Text(body.to_string().into())).await.unwrap();
        let answer = self.next().await;
        assert_eq!(answer["id"], 3);
        match answer.get("error") {
            Some(error) => Err(error["code"].as_i64().unwrap()),
            None => Ok(answer["result"].clone()),
        }
    }
}

async fn token(world: &World, scope: Value) -> String {
    let params = json!({"name": "key", "scope": scope});
    let key = world.manage("manager/createApiKey", params).await.unwrap();
    let grant = json!({
        "grantType": "api_key_credentials", "apiKeyId": key["id"], "apiKeySecret": key["secret"],
    });
    let tokens = world.manage("manager/auth", grant).await.unwrap();
    text(&tokens["accessToken"])
}

#[tokio::test]
async fn method_bind_access_token_authorises_a_management_socket() {
    let world = World::new().await;
    let mut operator = Operator::new(&world).await;
    assert_eq!(operator.call("versions", json!({})).await, Ok(json!(["v2.0"])));
    let list = "solution/listSolutions";
    let stream = || json!({"channels": ["stream"]});
    assert_eq!(operator.call(list, json!({})).await, Err(0x612f));
    assert_eq!(operator.call("subscribeToChannel", stream()).await, Err(0x612f));
    let bad = [
        (json!({}), -32602),
        (json!({"accessToken": 1}), -32602),
        (json!({"accessToken": "x", "more": 1}), -32602),
        (json!({"accessToken": "x"}), 0x612f),
    ];
    for (params, code) in bad {
        assert_eq!(operator.call("bindAccessToken", params.clone()).await, Err(code), "{params}");
    }
    let narrow = json!({"accessToken": token(&world, json!(["solution", "solution:*"])).await});
    assert_eq!(operator.call("bindAccessToken", narrow).await, Ok(json!("OK")));
    assert!(operator.call(list, json!({})).await.is_ok());
    assert_eq!(operator.call("subscribeToChannel", stream()).await, Err(0x612e));
    let other = json!({"channels": ["thread"]});
    assert_eq!(operator.call("subscribeToChannel", other).await, Err(-32602));
    assert_eq!(operator.call("nonsense", json!({})).await, Err(-32601));
    operator.0.send(Message::Text("{".into())).await.unwrap();
    assert_eq!(operator.next().await["error"]["code"], -32700);
    world.bridge.shutdown().await;
}

#[tokio::test]
async fn event_stream_rooms_are_told_on_the_management_channel() {
    let world = World::new().await;
    let mut alice = world.join("alice", 1).await;
    let mut operator = Operator::new(&world).await;
    let all = token(&world, json!(["stream", "solution:*"])).await;
    let bind = json!({"accessToken": all});
    assert_eq!(operator.call("manager/bindAccessToken", bind).await, Ok(json!("OK")));
    let stream = json!({"channels": ["stream"]});
    let subscribed = operator.call("manager/subscribeToChannel", stream.clone()).await;
    assert_eq!(subscribed, Ok(json!("OK")));
    // One who may not see this solution.
    let mut tenant = Operator::new(&world).await;
    let bind = json!({"accessToken": token(&world, json!(["stream"])).await});
    tenant.call("bindAccessToken", bind).await.unwrap();
    tenant.call("subscribeToChannel", stream.clone()).await.unwrap();

    let room = world.room(&mut alice, &["alice"]).await;
    let close = json!({"streamRoomId": room});
    alice.call("stream.streamRoomClose", close).await.unwrap();
    alice.call("stream.streamRoomDelete", json!({"id": room})).await.unwrap();
    for (kind, closed) in [("streamRoomCreated", false), ("streamRoomUpdated", true)] {
        let event = operator.next().await;
        assert_eq!((&event["type"], &event["channel"]), (&json!(kind), &json!("stream")));
        assert_eq!(
            (&event["data"]["id"], &event["data"]["closed"]),
            (&json!(room), &json!(closed))
        );
        assert!(event["timestamp"].is_i64());
        assert!(!event.to_string().contains("metadata"), "{event}");
    }
    let event = operator.next().await;
    assert_eq!(event["type"], "streamRoomDeleted");
    assert_eq!(event["data"], json!({"streamRoomId": room}));
    let ended = operator.call("unsubscribeFromChannel", stream).await;
    assert_eq!(ended, Ok(json!("OK")));
    world.room(&mut alice, &["alice"]).await;
    assert!(operator.call("versions", json!({})).await.is_ok(), "no event came before");
    assert!(tenant.call("versions", json!({})).await.is_ok(), "none at all");
    world.bridge.shutdown().await;
}
