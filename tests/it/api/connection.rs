//! Connecting, contexts, users, messages between users, losing the connection.

use conclave::api::ApiError;
use conclave::api::ContextEventType;
use conclave::api::Endpoint;
use conclave::api::context_query;
use conclave::model::EventKind;
use conclave::model::PagingQuery;
use conclave::net::NetError;

use super::world::World;
use super::world::soon;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn user_finds_contexts_and_other_users() {
    let world = World::with_users(&["ana", "ben"]).await;
    let ana = world.connect("ana").await;
    let contexts = ana.list_contexts(&PagingQuery::default()).await.unwrap();
    assert_eq!(contexts.total_available, 1);
    assert_eq!(contexts.items[0].context_id, world.context);
    assert_eq!(ana.get_context(&world.context).await.unwrap().user_id, "ana".into());
    let users = ana.list_users(&world.context, &PagingQuery::default()).await.unwrap();
    let names: Vec<_> = users.items.iter().map(|info| info.user.user_id.as_str()).collect();
    assert_eq!(names, ["ana", "ben"]);
    ana.disconnect().await;
    let refused = ana.get_context(&world.context).await;
    assert!(matches!(refused, Err(ApiError::Net(NetError::Closed))), "{refused:?}");
    world.bridge.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connecting_fails_with_what_is_wrong() {
    let world = World::with_users(&["ana", "ben"]).await;
    let wrong_key = world.options("ana").with_bridge_key(world.key("ben").public_key().clone());
    let error = Endpoint::connect(wrong_key).await.unwrap_err();
    assert!(matches!(error, ApiError::Net(NetError::BridgeIdentity { .. })), "{error}");
    let mut options = world.options("ana");
    options.url = "ftp://example.com".to_owned();
    let error = Endpoint::connect(options).await.unwrap_err();
    assert!(matches!(error, ApiError::Net(NetError::Url { .. })), "{error}");
    let options = world.options("ana");
    world.bridge.shutdown().await;
    let error = Endpoint::connect(options).await.unwrap_err();
    assert!(matches!(error, ApiError::Net(NetError::Unreachable { .. })), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn message_reaches_whom_it_is_for_and_nobody_else() {
    let world = World::with_users(&["ana", "ben", "chi"]).await;
    let (ana, ben, chi) =
        (world.connect("ana").await, world.connect("ben").await, world.connect("chi").await);
    let channel = ContextEventType::Custom("conclave/admission".to_owned());
    let query = context_query(&channel, &world.context).unwrap();
    let mut bens = ben.events();
    let mut chis = chi.events();
    ben.subscribe_for(std::slice::from_ref(&query)).await.unwrap();
    chi.subscribe_for(&[query]).await.unwrap();
    let to_ben = world.users(&["ben"]);
    ana.send_custom_event(&world.context, "conclave/admission", b"hello", &to_ben).await.unwrap();
    let event = soon("the message", bens.next_event()).await.unwrap();
    let EventKind::Custom { channel, author, data, .. } = event.kind else {
        panic!("{event:?}");
    };
    assert_eq!(channel, "conclave/admission");
    assert_eq!(author, world.user("ana"));
    assert_eq!(data, b"hello");
    assert_eq!(event.subscriptions.len(), 1);
    assert_eq!(chis.try_next_event(), None);
    world.bridge.shutdown().await;
}
