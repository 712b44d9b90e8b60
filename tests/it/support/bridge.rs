//! A bridge that has users but no invites, as an official one: for tests that drive processes.

use std::collections::BTreeMap;
use std::fs;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::path::PathBuf;

use conclave::api::ApiKey;
use conclave::api::ManagementClient;
use conclave::bridge::Bridge;
use conclave::bridge::BridgeConfig;
use conclave::bridge::BridgeHandle;
use conclave::crypto::key::PrivateKey;
use conclave::model::Secret;
use serde_json::Value;
use serde_json::json;
use tokio::runtime::Runtime;

const TOKEN: &str = "let me in";

/// A running bridge with one Context.
pub struct RemoteBridge {
    runtime: Runtime,
    bridge: Option<BridgeHandle>,
    keys: BTreeMap<String, PrivateKey>,
    /// Where it is.
    pub url: String,
    /// Its solution.
    pub solution: String,
    /// Its Context.
    pub context: String,
    /// Its own public key.
    pub bridge_key: String,
}

impl RemoteBridge {
    /// A bridge in memory whose Context has these users.
    pub fn with_users(names: &[&str]) -> Self {
        let runtime = Runtime::new().unwrap();
        let (bridge, solution, context, keys) = runtime.block_on(provision(names));
        let (url, bridge_key) = (bridge.url(), bridge.public_key().to_base58());
        Self { runtime, bridge: Some(bridge), keys, url, solution, context, bridge_key }
    }

    /// Writes a user's key to a file in `directory` that only its owner can read.
    pub fn key_file(&self, directory: &Path, name: &str) -> PathBuf {
        let path = directory.join(format!("{name}.wif"));
        fs::write(&path, format!("{}\n", self.wif(name))).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    /// A user's private key.
    pub fn wif(&self, name: &str) -> String {
        self.keys[name].to_wif().expose().to_string()
    }

    /// The fingerprint of a user's public key.
    pub fn fingerprint(&self, name: &str) -> String {
        self.keys[name].public_key().fingerprint().to_string()
    }

    /// Ends it.
    pub fn stop(&mut self) {
        if let Some(bridge) = self.bridge.take() {
            self.runtime.block_on(bridge.shutdown());
        }
    }
}

impl Drop for RemoteBridge {
    fn drop(&mut self) {
        self.stop();
    }
}

async fn provision(names: &[&str]) -> (BridgeHandle, String, String, BTreeMap<String, PrivateKey>) {
    let mut config = BridgeConfig::in_memory(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    config.initialization_token = Some(Secret::new(TOKEN.to_owned()));
    let bridge = Bridge::start(config).await.unwrap();
    let first = ManagementClient::new(&bridge.url(), None).unwrap();
    let params = json!({"initializationToken": TOKEN, "name": "test"});
    let key = first.call("manager/createFirstApiKey", params).await.unwrap();
    let key = ApiKey { id: text(&key, "id"), secret: Secret::new(text(&key, "secret")) };
    let management = ManagementClient::new(&bridge.url(), Some(key)).unwrap();
    let solution = management.call("solution/createSolution", json!({"name": "s"})).await;
    let solution = text(&solution.unwrap(), "solutionId");
    let params = json!({"solution": solution, "name": "c", "description": "", "scope": "private"});
    let context = management.call("context/createContext", params).await.unwrap();
    let context = text(&context, "contextId");
    let mut keys = BTreeMap::new();
    for name in names {
        let key = PrivateKey::generate(&mut rand::rng());
        let params = json!({"contextId": context, "userId": name,
            "userPubKey": key.public_key().to_base58()});
        management.call("context/addUserToContext", params).await.unwrap();
        keys.insert((*name).to_owned(), key);
    }
    (bridge, solution, context, keys)
}

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_else(|| panic!("{name} in {value}")).to_owned()
}
