//! Errors as they go over the wire: number, text and data.

use serde_json::Value;
use serde_json::json;

use super::media::publish;
use super::method::Cast;
use super::method::set;

#[tokio::test]
async fn error_codes_messages_and_data_are_exact() {
    let mut cast = Cast::new().await;
    let room = cast.room(json!({})).await;
    let closed = cast.room(json!({})).await;
    let close = json!({"streamRoomId": closed});
    cast.clients[0].ws("stream.streamRoomClose", close).await.unwrap();
    let here = |room: &str| json!({"streamRoomId": room});
    let mut update = cast.world.room_params(&["owner", "manager", "user"]);
    update
        .as_object_mut()
        .unwrap()
        .retain(|key, _| !["contextId", "type", "resourceId"].contains(&key.as_str()));
    let update = set(&set(&update, "id", json!(room)), "force", json!(false));
    let stale = set(&update, "version", json!(9));
    let page = json!({
        "contextId": cast.world.context, "skip": 0, "limit": 1, "sortOrder": "asc", "lastId": "x",
    });
    let list = json!([{"streamId": 1}]);
    let subscribe = json!({"streamRoomId": room, "subscriptionsToAdd": list});
    let null = Value::Null;
    // The caller's place in the cast, the call, and the error.
    let cases: Vec<(usize, &str, Value, i64, &str, Value)> = vec![
        (0, "nonsense", json!({}), -32601, "Method not found", null.clone()),
        (
            0,
            "stream.streamRoomJoin",
            json!({}),
            -32602,
            "Invalid params",
            json!("streamRoomId: missing parameter"),
        ),
        (
            0,
            "stream.streamRoomJoin",
            set(&here(&room), "more", json!(1)),
            -32602,
            "Invalid params",
            json!("more: unexpected parameter"),
        ),
        (3, "stream.streamRoomGet", json!({"id": room}), 0x30, "Access denied", null.clone()),
        (
            0,
            "stream.streamRoomUpdate",
            stale,
            0x30,
            "Access denied",
            json!("version does not match"),
        ),
        (0, "stream.streamRoomJoin", here("x"), 0x6122, "Stream room does not exist", null.clone()),
        (0, "stream.streamRoomJoin", here(&closed), 0x6208, "Stream room closed", null.clone()),
        (0, "stream.streamRoomList", page, 0x6123, "No match for last id", null.clone()),
        (
            0,
            "stream.streamsSubscribeToRemote",
            subscribe,
            0x6202,
            "Not connected to the room",
            null.clone(),
        ),
        (
            0,
            "stream.streamRoomEnableRecording",
            here(&room),
            0x6207,
            "Main media session for user missing",
            null,
        ),
    ];
    for (caller, method, params, code, message, data) in cases {
        let error = cast.clients[caller].ws(method, params).await.unwrap_err();
        let got = (error.code, error.message.as_str(), &error.data);
        assert_eq!(got, (code, message, &data), "{method}");
    }
    cast.end().await;
}

#[tokio::test]
async fn error_of_the_media_server_carries_a_reference() {
    let mut cast = Cast::new().await;
    let room = cast.room(json!({})).await;
    let owner = &mut cast.clients[0];
    let (publisher, _) = publish(owner, &room).await;
    let offer = json!({"type": "offer", "sdp": "v=0"});
    let params = json!({"streamRoomId": room, "offer": offer});
    let unknown = json!({"streamRoomId": room, "subscriptionsToAdd": [{"streamId": 999}]});
    let cases = [
        ("stream.streamPublish", params.clone(), 0x6210),
        ("stream.streamUpdate", params, 0x6211),
        ("stream.streamsSubscribeToRemote", unknown, 0x6215),
    ];
    let mut references = std::collections::BTreeSet::new();
    for (method, params, code) in cases {
        let error = owner.ws(method, params).await.unwrap_err();
        assert_eq!(error.code, code, "{method}: {error}");
        let data = error.data.as_object().unwrap();
        assert_eq!(data.keys().collect::<Vec<_>>(), ["referenceId"]);
        let reference = data["referenceId"].as_str().unwrap();
        assert!(uuid::Uuid::try_parse(reference).is_ok(), "{reference}");
        references.insert(reference.to_owned());
    }
    assert_eq!(references.len(), 3);
    publisher.close().await;
    cast.end().await;
}

#[tokio::test]
async fn error_answers_of_the_management_api_have_all_members() {
    let cast = Cast::new().await;
    let body = br#"{"jsonrpc":"2.0","id":7,"method":"solution/getSolution","params":{}}"#;
    let authorization = &cast.world.authorization;
    let head = format!(
        "POST /api HTTP/1.1\r\nContent-Type: application/json\r\nAuthorization: {authorization}"
    );
    let answer = cast.world.raw(&head, body).await;
    let (_, json) = answer.split_once("\r\n\r\n").unwrap();
    let answer: Value = serde_json::from_str(json).unwrap();
    let error = json!({
        "code": -32602, "message": "Invalid params", "data": "id: missing parameter",
    });
    assert_eq!(answer, json!({"jsonrpc": "2.0", "id": 7, "error": error}));
    cast.end().await;
}
