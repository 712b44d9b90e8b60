//! What the official client really sent, replayed against our bridge: each answer must have
//! the shape of the recorded one. Both server generations are replayed.
//!
//! Two differences are meant. Our SFU lets a publisher stop before its connection is up,
//! where the recorded media server refused. And no media flowed in the recordings, so the
//! 2.42 server announced a stream that nobody could receive; ours announces streams when they
//! can be received, which the media tests cover.

use std::collections::HashMap;

use conclave::bridge::TurnServer;
use conclave::crypto::key::PrivateKey;
use conclave::model::Secret;
use serde_json::Value;
use serde_json::json;

use super::world::Client;
use super::world::World;
use super::world::config;

/// Events that depend on media that never flowed.
const MEDIA_EVENTS: [&str; 2] = ["streamPublished", "streamUpdated"];

struct Replay {
    recorded: Value,
    /// Recorded texts and what stands for them here, such as ids.
    texts: HashMap<String, String>,
    /// The same for media sessions.
    numbers: HashMap<i64, i64>,
}

fn recorded(generation: &str) -> Value {
    let all: Value = serde_json::from_str(include_str!("../../data/endpoint.json")).unwrap();
    all["transcripts"][generation].clone()
}

/// Fails unless `ours` has the keys and types of `theirs`.
fn same_shape(theirs: &Value, ours: &Value, path: &str) {
    match (theirs, ours) {
        (Value::Object(a), Value::Object(b)) => {
            let (a_keys, b_keys): (Vec<_>, Vec<_>) = (a.keys().collect(), b.keys().collect());
            assert_eq!(a_keys, b_keys, "keys of {path}");
            for (key, value) in a {
                same_shape(value, &b[key], &format!("{path}.{key}"));
            }
        }
        (Value::Array(a), Value::Array(b)) => {
            assert_eq!(a.is_empty(), b.is_empty(), "{path}");
            for (index, value) in b.iter().enumerate() {
                same_shape(&a[index.min(a.len() - 1)], value, &format!("{path}.{index}"));
            }
        }
        (Value::Number(a), Value::Number(b)) => assert_eq!(a.is_i64(), b.is_i64(), "{path}"),
        (Value::String(_), Value::String(_))
        | (Value::Bool(_), Value::Bool(_))
        | (Value::Null, Value::Null) => {}
        _ => panic!("{path}: {theirs} became {ours}"),
    }
}

impl Replay {
    /// The recorded value with our ids in place of the recorded ones.
    fn translate(&self, value: &Value) -> Value {
        match value {
            Value::Object(map) => {
                map.iter().map(|(key, value)| (key.clone(), self.translate(value))).collect()
            }
            Value::Array(list) => list.iter().map(|value| self.translate(value)).collect(),
            Value::String(text) => {
                let mut text = text.clone();
                for (theirs, ours) in &self.texts {
                    text = text.replace(theirs, ours);
                }
                json!(text)
            }
            Value::Number(number) => {
                let known = number.as_i64().and_then(|number| self.numbers.get(&number));
                known.map_or_else(|| value.clone(), |ours| json!(ours))
            }
            _ => value.clone(),
        }
    }

    fn learn(&mut self, theirs: &Value, ours: &Value) {
        for key in ["streamRoomId", "subscriptionId"] {
            if let (Some(a), Some(b)) = (theirs[key].as_str(), ours[key].as_str()) {
                self.texts.insert(a.to_owned(), b.to_owned());
            }
        }
        if let (Some(a), Some(b)) = (theirs["sessionId"].as_i64(), ours["sessionId"].as_i64()) {
            self.numbers.insert(a, b);
        }
        if let (Some(a), Some(b)) =
            (theirs["subscriptions"].as_array(), ours["subscriptions"].as_array())
        {
            for (a, b) in a.iter().zip(b) {
                self.learn(a, b);
            }
        }
    }

    fn wire(&self, user: &str) -> Vec<Value> {
        self.recorded["users"][user]["wire"].as_array().unwrap().clone()
    }

    /// Replays recorded calls; answers the recorded events among them.
    async fn play(&mut self, world: &World, client: &mut Client, steps: &[Value]) -> Vec<Value> {
        let mut events = Vec::new();
        for step in steps {
            let Some(method) = step["method"].as_str() else {
                events.push(step.clone());
                continue;
            };
            let params = self.translate(&step["params"]);
            if method == "authorizeWebSocket" {
                client.connect(&world.bridge).await;
                continue;
            }
            let over_socket = step["over"] == "websocket";
            let result = if over_socket {
                client.ws(method, params).await
            } else {
                client.call(method, params).await
            };
            match (step.get("result"), step.get("error"), result) {
                (Some(theirs), _, Ok(ours)) => {
                    same_shape(theirs, &ours, method);
                    self.learn(theirs, &ours);
                }
                (None, Some(_), Ok(ours)) if method == "stream.streamUnpublish" => {
                    assert_eq!(ours, "OK");
                }
                (None, Some(theirs), Err(ours)) => {
                    assert_eq!(theirs["data"]["error"]["code"], ours.code, "{method}");
                }
                // Never answered then: the client had to ask again.
                (None, None, Ok(_)) => assert!(step.get("note").is_some(), "{method}"),
                (_, _, result) => panic!("{method}: {step} became {result:?}"),
            }
        }
        events
    }

    /// Each recorded event has a counterpart of the same shape.
    async fn expect(&self, client: &mut Client, events: &[Value]) {
        let mut seen: Vec<(String, Value)> = Vec::new();
        for event in events {
            let kind = event["event"].as_str().unwrap();
            if MEDIA_EVENTS.contains(&kind) {
                continue;
            }
            // Presence changes that came in two events may come in one here.
            if kind == "contextUserStatusChanged" && seen.iter().any(|(of, _)| of == kind) {
                continue;
            }
            let ours = client.pick(kind).await;
            assert_eq!(ours.version, 2);
            assert_eq!(ours.subscriptions.len(), event["subscriptions"].as_array().unwrap().len());
            same_shape(&event["data"], &ours.data, kind);
            seen.push((kind.to_owned(), ours.data));
        }
    }
}

async fn replay(generation: &str) {
    let mut config = config();
    config.turn.push(TurnServer {
        url: "turn:127.0.0.1:3478".to_owned(),
        secret: Secret::new("secret".to_owned()),
    });
    let world = World::with(config).await;
    let recorded = recorded(generation);
    let mut replay = Replay {
        texts: HashMap::from([
            (recorded["contextId"].as_str().unwrap().to_owned(), world.context.clone()),
            (recorded["solutionId"].as_str().unwrap().to_owned(), world.solution.clone()),
        ]),
        numbers: HashMap::new(),
        recorded,
    };
    let mut clients = Vec::new();
    for user in ["user-alice", "user-bob", "user-carol"] {
        let wif = replay.recorded["users"][user]["wif"].as_str().unwrap();
        let key = PrivateKey::from_wif(wif).unwrap();
        world.add(user, &key).await;
        clients.push(world.login(&key).await.unwrap());
    }
    let [alice, bob, carol] = &mut clients[..] else { unreachable!("three were pushed") };

    // Carol had been there before, and so has a last change of presence.
    carol.connect(&world.bridge).await;
    carol.ws("unauthorizeWebSocket", json!({})).await.unwrap();

    // Bob watches; Alice acts until she deletes the room; Carol comes; Alice ends it.
    let bobs = replay.wire("user-bob");
    let first_event = bobs.iter().position(|step| step.get("event").is_some()).unwrap();
    let (before, after) = bobs.split_at(first_event);
    assert!(replay.play(&world, bob, before).await.is_empty());
    let alices = replay.wire("user-alice");
    let delete = |step: &Value| step["method"] == "stream.streamRoomDelete";
    let (act, end) = alices.split_at(alices.iter().position(delete).unwrap());
    let events = replay.play(&world, alice, act).await;
    replay.expect(alice, &events).await;
    let carols = replay.wire("user-carol");
    assert!(replay.play(&world, carol, &carols).await.is_empty());
    replay.play(&world, alice, end).await;
    let (events, rest): (Vec<Value>, Vec<Value>) =
        after.iter().cloned().partition(|step| step.get("event").is_some());
    replay.expect(bob, &events).await;
    replay.play(&world, bob, &rest).await;
    world.bridge.shutdown().await;
}

#[tokio::test]
async fn a_2_42_conversation_has_the_same_shape() {
    replay("bridge-2.42.1").await;
}

#[tokio::test]
async fn a_3_0_conversation_has_the_same_shape() {
    replay("bridge-3.0.0").await;
}
