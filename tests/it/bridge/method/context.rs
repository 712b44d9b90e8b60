//! `context.*`.

use serde_json::Value;
use serde_json::json;

use super::super::world::key;
use super::CAST;
use super::Cast;
use super::DENIED;
use super::Method;
use super::alone;
use super::bad_ids;
use super::set;

fn page() -> Value {
    json!({
        "skip": 0, "limit": 100, "sortOrder": "asc", "lastId": "x", "sortBy": "createDate",
        "query": {},
    })
}

fn bad_pages() -> Vec<(&'static str, Value)> {
    let mut cases = vec![
        ("skip", json!(-1)),
        ("limit", json!(0)),
        ("limit", json!(101)),
        ("sortOrder", json!("up")),
        ("sortBy", json!("name")),
        ("query", json!({"a": 1})),
    ];
    cases.extend(bad_ids().map(|id| ("lastId", id)));
    cases
}

#[tokio::test]
async fn method_context_list_checks_parameters() {
    let (world, mut alice) = alone().await;
    let optional = &["lastId", "sortBy", "query"];
    let method = Method { name: "context.contextList", good: page(), optional, any: &[] };
    method.refuses(&mut alice, &bad_pages()).await;
    method.takes_what_is_good(&mut alice).await;
    assert_eq!(alice.ws_refused(method.name, page()).await, 0x6123, "there is no such place");
    world.bridge.shutdown().await;
}

#[tokio::test]
async fn method_context_list_shows_the_callers_own() {
    let mut cast = Cast::new().await;
    let page = json!({"skip": 0, "limit": 10, "sortOrder": "desc"});
    for (index, name) in CAST.iter().enumerate() {
        let list = cast.clients[index].ws("context.contextList", page.clone()).await.unwrap();
        assert_eq!(list["count"], 1, "{name}");
        let context = &list["contexts"][0];
        assert_eq!(context["userId"], *name);
        assert_eq!(context["contextId"] == cast.world.context, *name != "foreigner");
        for key in ["acl", "policy", "created", "modified", "name", "description", "scope"] {
            assert!(context.get(key).is_some(), "{key}");
        }
    }
    cast.end().await;
}

#[tokio::test]
async fn method_context_get_checks_parameters() {
    let (world, mut alice) = alone().await;
    let good = json!({"id": "c"});
    let method = Method { name: "context.contextGet", good, optional: &[], any: &[] };
    method.refuses(&mut alice, &bad_ids().map(|id| ("id", id))).await;
    world.bridge.shutdown().await;
}

#[tokio::test]
async fn method_context_get_is_for_users_of_the_context() {
    let mut cast = Cast::new().await;
    cast.may("context.contextGet", [0, 0, 0, 0, DENIED], |_, world| json!({"id": world.context}))
        .await;
    cast.may("context.contextGet", [DENIED; 5], |_, _| json!({"id": "nowhere"})).await;
    cast.end().await;
}

#[tokio::test]
async fn method_context_list_users_checks_parameters() {
    let (world, mut alice) = alone().await;
    let good = set(&page(), "contextId", json!("c"));
    let optional = &["lastId", "sortBy", "query"];
    let method = Method { name: "context.contextListUsers", good, optional, any: &[] };
    let mut cases = bad_pages();
    cases.extend(bad_ids().map(|id| ("contextId", id)));
    method.refuses(&mut alice, &cases).await;
    world.bridge.shutdown().await;
}

#[tokio::test]
async fn method_context_list_users_is_for_users_of_the_context() {
    let mut cast = Cast::new().await;
    let method = "context.contextListUsers";
    let page = |world: &super::World| json!({"contextId": world.context, "skip": 0, "limit": 2, "sortOrder": "asc"});
    cast.may(method, [0, 0, 0, 0, DENIED], |_, world| page(world)).await;
    let list = cast.clients[0].ws(method, page(&cast.world)).await.unwrap();
    assert_eq!(list["count"], 4);
    let names: Vec<&Value> =
        list["users"].as_array().unwrap().iter().map(|user| &user["id"]).collect();
    assert_eq!(names, ["owner", "manager"]);
    let user = &list["users"][0];
    assert_eq!(user["pub"], key(1).public_key().to_base58());
    assert_eq!(user["status"], "active");
    assert_eq!(user["lastStatusChange"]["action"], "login");
    assert!(user["lastStatusChange"]["timestamp"].is_i64());
    cast.end().await;
}

#[tokio::test]
async fn method_context_get_users_checks_parameters_and_is_for_users() {
    let mut cast = Cast::new().await;
    let good = json!({"contextId": "c"});
    let method = Method { name: "context.contextGetUsers", good, optional: &[], any: &[] };
    method.refuses(&mut cast.clients[0], &bad_ids().map(|id| ("contextId", id))).await;
    let of = |_: &str, world: &super::World| json!({"contextId": world.context});
    cast.may(method.name, [0, 0, 0, 0, DENIED], of).await;
    let all = cast.clients[0].ws(method.name, of("", &cast.world)).await.unwrap();
    let keys: Vec<&String> = all["users"][0].as_object().unwrap().keys().collect();
    assert_eq!(keys, ["id", "pub", "status"]);
    cast.end().await;
}

fn event(context: &str) -> Value {
    json!({
        "contextId": context, "channel": "news", "data": {"a": 1},
        "users": [{"id": "user", "key": "wrapped"}],
    })
}

#[tokio::test]
async fn method_context_send_custom_event_checks_parameters() {
    let (world, mut alice) = alone().await;
    let name = "context.contextSendCustomEvent";
    let method = Method { name, good: event("c"), optional: &[], any: &["data"] };
    let mut cases = vec![
        ("channel", json!("")),
        ("channel", json!("a.b")),
        ("channel", json!("x".repeat(513))),
        ("data", json!("x".repeat(16_383))),
        ("users", json!([{"id": "user"}])),
        ("users", json!([{"id": "user", "key": null}])),
        ("users", json!([{"id": "user", "key": "k", "more": 1}])),
        ("users", json!([{"id": "user", "key": "x".repeat(4095)}])),
        ("users", json!([["user", "k"]])),
        ("users", json!(vec![json!({"id": "u", "key": "k"}); 1025])),
    ];
    for id in bad_ids() {
        cases.push(("contextId", id.clone()));
        cases.push(("users", json!([{"id": id, "key": "k"}])));
    }
    method.refuses(&mut alice, &cases).await;
    world.bridge.shutdown().await;
}

#[tokio::test]
async fn method_context_send_custom_event_is_for_users_of_the_context() {
    let mut cast = Cast::new().await;
    let method = "context.contextSendCustomEvent";
    cast.may(method, [0, 0, 0, 0, DENIED], |_, world| event(&world.context)).await;
    let foreign =
        set(&event(&cast.world.context), "users", json!([{"id": "foreigner", "key": "k"}]));
    assert_eq!(cast.clients[0].ws_refused(method, foreign).await, 0x09);
    cast.end().await;
}
