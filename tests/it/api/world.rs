//! A bridge with a Context, and clients of its users.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use conclave::api::ApiKey;
use conclave::api::ConnectOptions;
use conclave::api::Connection;
use conclave::api::Endpoint;
use conclave::api::ManagementClient;
use conclave::api::NewStreamRoom;
use conclave::api::StreamApi;
use conclave::bridge::Bridge;
use conclave::bridge::BridgeConfig;
use conclave::bridge::BridgeHandle;
use conclave::crypto::key::PrivateKey;
use conclave::model::ContextId;
use conclave::model::Secret;
use conclave::model::SolutionId;
use conclave::model::StreamRoomId;
use conclave::model::UserWithPubKey;
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::Value;
use serde_json::json;
use tokio::time::timeout;

/// Longer than anything in these tests takes on a busy machine.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

const TOKEN: &str = "let me in";

pub(super) struct World {
    pub(super) bridge: BridgeHandle,
    pub(super) solution: SolutionId,
    pub(super) context: ContextId,
    keys: BTreeMap<String, Arc<PrivateKey>>,
}

impl World {
    /// A bridge in memory and one Context with these users.
    pub(super) async fn with_users(names: &[&str]) -> Self {
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self::with_config(BridgeConfig::in_memory(listen), names).await
    }

    /// The same with a bridge that can be restarted.
    pub(super) async fn stored_in(folder: &Path, names: &[&str]) -> Self {
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self::provision(BridgeConfig::new(listen, folder.to_owned()), names).await
    }

    /// Ends the bridge and starts it again at the same address.
    pub(super) async fn restart(mut self, folder: &Path) -> Self {
        let listen = self.bridge.local_addr();
        self.bridge.shutdown().await;
        let config = BridgeConfig::new(listen, folder.to_owned());
        self.bridge = Bridge::start(config).await.unwrap();
        self
    }

    /// A bridge of that kind.
    pub(super) async fn with_config(config: BridgeConfig, names: &[&str]) -> Self {
        Self::provision(config, names).await
    }

    async fn provision(mut config: BridgeConfig, names: &[&str]) -> Self {
        config.initialization_token = Some(Secret::new(TOKEN.to_owned()));
        let bridge = Bridge::start(config).await.unwrap();
        let first = ManagementClient::new(&bridge.url(), None).unwrap();
        let params = json!({ "initializationToken": TOKEN, "name": "test" });
        let key = first.call("manager/createFirstApiKey", params).await.unwrap();
        let key = ApiKey { id: text(&key, "id"), secret: Secret::new(text(&key, "secret")) };
        let management = ManagementClient::new(&bridge.url(), Some(key)).unwrap();
        let solution = management.call("solution/createSolution", json!({ "name": "s" })).await;
        let solution = text(&solution.unwrap(), "solutionId");
        let params = json!({
            "solution": solution, "name": "c", "description": "", "scope": "private"
        });
        let context = management.call("context/createContext", params).await.unwrap();
        let context = ContextId(text(&context, "contextId"));
        let mut rng = StdRng::seed_from_u64(11);
        let mut keys = BTreeMap::new();
        for name in names {
            let key = Arc::new(PrivateKey::generate(&mut rng));
            let params = json!({
                "contextId": context.as_str(),
                "userId": name,
                "userPubKey": key.public_key().to_base58(),
            });
            management.call("context/addUserToContext", params).await.unwrap();
            keys.insert((*name).to_owned(), key);
        }
        Self { bridge, solution: SolutionId(solution), context, keys }
    }

    pub(super) fn key(&self, name: &str) -> Arc<PrivateKey> {
        Arc::clone(&self.keys[name])
    }

    pub(super) fn user(&self, name: &str) -> UserWithPubKey {
        let pub_key = self.keys[name].public_key().to_base58();
        UserWithPubKey { user_id: name.into(), pub_key }
    }

    pub(super) fn users(&self, names: &[&str]) -> Vec<UserWithPubKey> {
        names.iter().map(|name| self.user(name)).collect()
    }

    pub(super) fn options(&self, name: &str) -> ConnectOptions {
        ConnectOptions::new(&self.bridge.url(), self.solution.clone(), self.key(name))
            .with_bridge_key(self.bridge.public_key())
    }

    pub(super) async fn connect(&self, name: &str) -> Connection {
        Endpoint::connect(self.options(name)).await.unwrap()
    }

    /// A room that the first of `names` manages.
    pub(super) async fn room(&self, api: &StreamApi, names: &[&str]) -> StreamRoomId {
        let new = NewStreamRoom {
            context_id: self.context.clone(),
            users: self.users(names),
            managers: self.users(&names[..1]),
            public_meta: b"{\"title\":\"stand-up\"}".to_vec(),
            private_meta: b"about the release".to_vec(),
            policy: None,
        };
        api.create_stream_room(&new).await.unwrap()
    }
}

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_else(|| panic!("{name} in {value}")).to_owned()
}

/// Waits for what must come.
pub(super) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("{what} did not happen"))
}
