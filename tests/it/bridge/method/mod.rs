//! Every method of the protocol: what it refuses, and who may call it.
//!
//! Each method has one table of bad parameters and one of people. What holds for all methods
//! (unknown, missing, null and mistyped parameters) is derived from one call that is good.

mod context;
mod management;
mod media;
mod room;
mod session;

use serde_json::Value;
use serde_json::json;

use super::world::Client;
use super::world::World;
use super::world::key;

/// INVALID_PARAMS.
pub const INVALID: i64 = -32602;
/// ACCESS_DENIED.
pub const DENIED: i64 = 0x30;

/// Makes the parameters of a call about a room.
pub type Make<'a> = &'a dyn Fn(&str, &World) -> Value;

/// Replaces one parameter.
pub fn set(params: &Value, key: &str, value: Value) -> Value {
    let mut params = params.clone();
    params[key] = value;
    params
}

/// Leaves one parameter out.
pub fn without(params: &Value, key: &str) -> Value {
    let mut params = params.clone();
    params.as_object_mut().unwrap().remove(key);
    params
}

/// Values of other types than this one.
fn mistyped(value: &Value) -> Vec<Value> {
    match value {
        Value::String(_) => vec![json!(1), json!(true), json!(["x"]), json!({})],
        Value::Number(_) => vec![json!("1"), json!(1.5), json!(true), json!([1])],
        Value::Bool(_) => vec![json!("true"), json!(1), json!([])],
        Value::Array(_) => vec![json!("x"), json!({}), json!(1)],
        Value::Object(_) => vec![json!("x"), json!([]), json!(1)],
        Value::Null => Vec::new(),
    }
}

/// A method with parameters that are good, optional ones included.
pub struct Method<'a> {
    /// Its name.
    pub name: &'a str,
    /// What it takes.
    pub good: Value,
    /// Parameters that may be absent.
    pub optional: &'a [&'a str],
    /// Parameters that may be any JSON.
    pub any: &'a [&'a str],
}

impl Method<'_> {
    /// Bad parameters that follow from the good ones: what is wrong, the parameters, and the
    /// name that the error must tell.
    pub fn malformed(&self) -> Vec<(String, Value, String)> {
        let mut cases = vec![
            ("a list".to_owned(), json!([]), String::new()),
            ("a text".to_owned(), json!("x"), String::new()),
            ("unknown".to_owned(), set(&self.good, "unheard", json!(1)), "unheard".to_owned()),
        ];
        for (key, value) in self.good.as_object().unwrap() {
            let name = key.clone();
            if !self.optional.contains(&key.as_str()) {
                cases.push((format!("no {key}"), without(&self.good, key), name.clone()));
            }
            if self.any.contains(&key.as_str()) {
                continue;
            }
            for wrong in mistyped(value).into_iter().chain([Value::Null]) {
                let what = format!("{key} = {wrong}");
                cases.push((what, set(&self.good, key, wrong), name.clone()));
            }
        }
        cases
    }

    /// Calls with bad parameters: those that follow, and these, each a key and a bad value.
    pub async fn refuses(&self, client: &mut Client, more: &[(&str, Value)]) {
        let more = more.iter().map(|(key, value)| {
            let what =
                format!("{key} = {}", value.to_string().chars().take(80).collect::<String>());
            (what, set(&self.good, key, value.clone()), (*key).to_owned())
        });
        for (what, params, name) in self.malformed().into_iter().chain(more) {
            let result = if client.socket.is_some() {
                client.ws(self.name, params).await
            } else {
                client.call(self.name, params).await
            };
            let error = result.expect_err(&format!("{}: {what}", self.name));
            assert_eq!(error.code, INVALID, "{}: {what}: {error}", self.name);
            assert_eq!(error.message, "Invalid params", "{}: {what}", self.name);
            let data = error.data.as_str().unwrap_or_else(|| panic!("{}: {what}", self.name));
            assert!(data.contains(&name), "{}: {what}: {data}", self.name);
        }
    }

    /// The parameters are taken: with all that is optional, and without.
    pub async fn takes_what_is_good(&self, client: &mut Client) {
        let mut bare = self.good.clone();
        for key in self.optional {
            bare.as_object_mut().unwrap().remove(*key);
        }
        for params in [self.good.clone(), bare] {
            let result = if client.socket.is_some() {
                client.ws(self.name, params.clone()).await
            } else {
                client.call(self.name, params.clone()).await
            };
            if let Err(error) = result {
                assert_ne!(error.code, INVALID, "{} {params}: {error}", self.name);
            }
        }
    }
}

/// The people of the access tables.
pub const CAST: [&str; 5] = ["owner", "manager", "user", "stranger", "foreigner"];

/// Everybody, connected: the creator of the room, another manager, a member, a user of the
/// Context who is not in the room, and a user of another Context of the same solution.
pub struct Cast {
    pub world: World,
    pub clients: Vec<Client>,
}

impl Cast {
    pub async fn new() -> Self {
        Self::with(World::new().await).await
    }

    pub async fn with(world: World) -> Self {
        let elsewhere = world.new_context(json!({})).await;
        let mut clients = Vec::new();
        for (index, name) in CAST.iter().enumerate() {
            let key = key(u8::try_from(index + 1).unwrap());
            if *name == "foreigner" {
                let params = json!({
                    "contextId": elsewhere,
                    "userId": name,
                    "userPubKey": key.public_key().to_base58(),
                });
                world.manage("context/addUserToContext", params).await.unwrap();
            } else {
                world.add(name, &key).await;
            }
            let mut client = world.login(&key).await.unwrap();
            client.connect(&world.bridge).await;
            clients.push(client);
        }
        Self { world, clients }
    }

    /// A room of the first three, with these policies.
    pub async fn room(&mut self, policy: Value) -> String {
        let mut params = self.world.room_params(&CAST[..3]);
        params["managers"] = json!(["owner", "manager"]);
        params["policy"] = policy;
        let made = self.clients[0].call("stream.streamRoomCreate", params).await.unwrap();
        made["streamRoomId"].as_str().unwrap().to_owned()
    }

    /// Everybody calls `method` in turn, each for a room of their own; answers codes, 0 for
    /// success.
    pub async fn codes(
        &mut self,
        method: &str,
        policy: &Value,
        params: impl Fn(&str, &World) -> Value,
    ) -> [i64; 5] {
        let mut codes = [0; 5];
        for (index, code) in codes.iter_mut().enumerate() {
            let room = self.room(policy.clone()).await;
            let params = params(&room, &self.world);
            let result = self.clients[index].ws(method, params).await;
            *code = result.err().map_or(0, |error| error.code);
        }
        codes
    }

    /// Compares [`codes`](Self::codes) with what is expected.
    pub async fn may(
        &mut self,
        method: &str,
        expected: [i64; 5],
        params: impl Fn(&str, &World) -> Value,
    ) {
        let codes = self.codes(method, &json!({}), params).await;
        assert_eq!(codes, expected, "{method}: {CAST:?}");
    }

    pub async fn end(self) {
        self.world.bridge.shutdown().await;
    }
}

/// A world with one user who is connected.
pub async fn alone() -> (World, Client) {
    let world = World::new().await;
    let mut alice = world.join("alice", 1).await;
    alice.connect(&world.bridge).await;
    (world, alice)
}

/// Texts, ids and so on that are one too long or too short.
pub fn bad_ids() -> [Value; 2] {
    [json!(""), json!("x".repeat(129))]
}
