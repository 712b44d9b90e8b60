//! Subscription queries: recorded texts, the grammar, and what matches.

use conclave::wire::subscription::ContextEvent;
use conclave::wire::subscription::Matching;
use conclave::wire::subscription::Query;
use conclave::wire::subscription::QueryError;
use conclave::wire::subscription::Selector;
use conclave::wire::subscription::StreamEvent;
use conclave::wire::subscription::Target;
use proptest::prelude::*;
use serde_json::json;

use super::data::ENDPOINT;
use super::data::laws;

#[test]
fn official_queries_are_built_and_refused_as_recorded() {
    let events = [
        ("STREAMROOM_CREATE", StreamEvent::RoomCreate),
        ("STREAMROOM_UPDATE", StreamEvent::RoomUpdate),
        ("STREAMROOM_DELETE", StreamEvent::RoomDelete),
        ("STREAM_JOIN", StreamEvent::StreamJoin),
        ("STREAM_LEAVE", StreamEvent::StreamLeave),
        ("STREAM_PUBLISH", StreamEvent::StreamPublish),
        ("STREAM_UNPUBLISH", StreamEvent::StreamUnpublish),
    ];
    let selectors = [
        ("CONTEXT_ID", Selector::Context),
        ("STREAMROOM_ID", Selector::Container),
        ("STREAM_ID", Selector::Item),
    ];
    let recorded = &ENDPOINT["subscriptionQueries"];
    for case in recorded["streams"].as_array().unwrap() {
        let event = events.iter().find(|(name, _)| case["event"] == *name).unwrap().1;
        let selector = selectors.iter().find(|(name, _)| case["selector"] == *name).unwrap().1;
        let query = Query::stream(event, selector, case["id"].as_str().unwrap());
        assert_eq!(json!(query.as_ref().ok().map(Query::to_string)), case["query"], "{case}");
        if let Ok(query) = query {
            let sent = query.for_streams().unwrap();
            assert_eq!(json!(sent.to_string()), case["sentChannel"], "{case}");
            assert_eq!(sent.to_string().parse(), Ok(sent), "{case}");
        }
    }
    let events = [
        ("USER_ADD", ContextEvent::UserAdd),
        ("USER_REMOVE", ContextEvent::UserRemove),
        ("USER_STATUS", ContextEvent::UserStatus),
    ];
    for case in recorded["context"].as_array().unwrap() {
        let event = &events.iter().find(|(name, _)| case["event"] == *name).unwrap().1;
        let query = Query::context(event, "ID").unwrap();
        assert_eq!(json!(query.to_string()), case["sentChannel"], "{case}");
    }
    let joining: Vec<_> =
        Query::for_joining("ROOM").unwrap().iter().map(Query::to_string).collect();
    for case in recorded["own"].as_array().unwrap() {
        let text = case["sentChannel"].as_str().unwrap();
        let ours = text == Query::internal().to_string() || joining.iter().any(|own| own == text);
        assert!(ours, "{case}");
    }
}

#[test]
fn custom_events_are_renamed() {
    let named: Query = "event/custom/chat|contextId=c".parse().unwrap();
    let sent = named.for_custom_events().unwrap();
    assert_eq!(sent.to_string(), "context/custom/chat|contextId=c");
    assert_eq!(sent, Query::context(&ContextEvent::Custom("chat".into()), "c").unwrap());
    for refused in
        ["event/custom/|contextId=c", "event/custom/chat", "context/custom/chat|contextId=c"]
    {
        let query: Query = refused.parse().unwrap();
        assert_eq!(query.for_custom_events(), Err(QueryError), "{refused}");
    }
}

#[test]
fn the_stream_module_takes_only_its_own_queries() {
    let cases = [
        ("streamroom/update|contextId=c", true),
        ("streamroom/streams/publish|containerId=r", true),
        ("streamroom|containerId=r", false),
        ("streamroom/a/b/c|containerId=r", false),
        ("streamroom/update", false),
        ("streamroom/update|containerType=stream", false),
        ("streamrooms/update|contextId=c", false),
        ("context/userAdded|contextId=c", false),
    ];
    for (text, legal) in cases {
        assert_eq!(text.parse::<Query>().unwrap().for_streams().is_ok(), legal, "{text}");
    }
}

#[test]
fn the_grammar_is_kept() {
    let long = format!("a|contextId={}", "x".repeat(512));
    let cases = [
        ("a", true),
        ("a/b/c", true),
        ("a|contextId=1", true),
        ("a|containerType=t", true),
        ("a|containerType=t,itemId=1", true),
        ("", false),
        ("|contextId=1", false),
        ("a|", false),
        ("a|contextId", false),
        ("a|contextId=", false),
        ("a|contextId=1=2", false),
        ("a|contextId=1,containerId=2", false),
        ("a|contextId=1,contextId=1", false),
        ("a|containerType=t,containerType=t", false),
        ("a|colour=red", false),
        ("a|contextId=1,", false),
        ("a|contextId=1|itemId=2", false),
        ("a b", false),
        ("a|contextId=ü", false),
        (&long, false),
    ];
    for (text, legal) in cases {
        assert_eq!(text.parse::<Query>().is_ok(), legal, "{text:?}");
    }
}

#[test]
fn matching_follows_both_generations() {
    let target = Target {
        channel: "streamroom/internal/reoffer".to_owned(),
        context_id: "c".to_owned(),
        container_id: Some("r".to_owned()),
        item_id: None,
        container_type: Some("stream".to_owned()),
    };
    // Query, and whether it matches by segments and by prefix.
    let cases = [
        ("streamroom/internal/reoffer", true, true),
        ("streamroom/internal", true, true),
        ("streamroom", true, true),
        ("streamroom/int", false, true),
        ("streamroom/internal/reoffer/x", false, false),
        ("streamroom|contextId=c", true, true),
        ("streamroom|contextId=d", false, false),
        ("streamroom|containerId=r", true, true),
        ("streamroom|containerId=s", false, false),
        ("streamroom|itemId=any", true, true),
        ("streamroom|containerId=r,containerType=stream", true, true),
        ("streamroom|containerType=kvdb", false, false),
    ];
    for (text, segments, prefix) in cases {
        let query: Query = text.parse().unwrap();
        assert_eq!(query.matches(&target, Matching::Segments), segments, "{text}");
        assert_eq!(query.matches(&target, Matching::Prefix), prefix, "{text}");
    }
    let bare = Target { container_id: None, container_type: None, ..target };
    let query = |text: &str| text.parse::<Query>().unwrap().matches(&bare, Matching::Segments);
    assert!(query("streamroom|containerId=anything"), "an event without a container");
    assert!(!query("streamroom|containerType=stream"), "a type is compared in any case");
}

proptest! {
    #![proptest_config(laws())]

    #[test]
    fn any_text_is_taken_or_refused(text in ".{0,60}") {
        if let Ok(query) = text.parse::<Query>() {
            prop_assert_eq!(query.to_string().parse(), Ok(query));
        }
    }

    #[test]
    fn what_matches_by_segments_matches_by_prefix(
        path in "[ab/]{1,6}", channel in "[ab/]{1,8}",
    ) {
        let query = Query::new(path).unwrap();
        let target = Target { channel, ..Target::default() };
        let segments = query.matches(&target, Matching::Segments);
        prop_assert!(!segments || query.matches(&target, Matching::Prefix));
    }
}
