//! Finds the bridge of a data directory and the key to manage it.
//!
//! A bridge that runs has written down where, with an API key, for its owner alone. One that
//! does not run is started for the moment, on loopback: either way what is done goes through
//! the management API, with its checks, and nobody writes into the store behind its back.

use std::path::Path;

use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;
use serde_json::json;

use crate::api::ApiError;
use crate::api::ApiKey;
use crate::api::ManagementClient;
use crate::bridge::Bridge;
use crate::bridge::BridgeConfig;
use crate::bridge::BridgeHandle;
use crate::bridge::LocalApiKey;
use crate::cli::exit::Exit;
use crate::cli::exit::Failure;
use crate::cli::paths::Paths;
use crate::model::Secret;
use crate::profile::Hosting;
use crate::profile::KnownBridge;
use crate::profile::ProfileError;
use crate::profile::file;
use crate::profile::file::DirLock;

/// Name of the file beside the store.
const FILE: &str = "admin.toml";
/// Name of the API key.
const KEY_NAME: &str = "conclave bridge";
/// Entries of a page of a list.
const PAGE: usize = 100;

/// Where the bridge of a directory was last started, and a key that it takes.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    url: String,
    bridge_key: String,
    api_key_id: String,
    api_key_secret: String,
}

/// A bridge that can be managed.
pub struct Admin {
    client: ManagementClient,
    /// Where it is.
    pub url: String,
    /// How it identifies itself (base58).
    pub bridge_key: String,
    key: LocalApiKey,
    own: Option<(BridgeHandle, DirLock)>,
}

/// Makes sure that there is a key to manage this bridge with, and writes down where it is.
///
/// # Errors
///
/// If the key can't be made or written down.
pub async fn announce(bridge: &BridgeHandle, directory: &Path) -> anyhow::Result<LocalApiKey> {
    // A damaged file holds nothing that could not be made again.
    let stored: Option<Stored> = file::read_toml(&directory.join(FILE)).unwrap_or_default();
    let known = stored.map(|stored| LocalApiKey {
        id: stored.api_key_id,
        secret: Secret::new(stored.api_key_secret),
    });
    let key = bridge.local_api_key(KEY_NAME, known).await?;
    let stored = Stored {
        url: bridge.url(),
        bridge_key: bridge.public_key().to_base58(),
        api_key_id: key.id.clone(),
        api_key_secret: key.secret.expose().clone(),
    };
    file::write_toml(&directory.join(FILE), &stored)?;
    Ok(key)
}

/// The bridge that runs in this directory: one of `bridge serve`, or of `host`.
fn running(paths: &Paths) -> anyhow::Result<Stored> {
    if let Some(stored) = file::read_toml(&paths.bridge.join(FILE))? {
        return Ok(stored);
    }
    match (Hosting::load(&paths.data)?, KnownBridge::load(&paths.data)?) {
        (
            Some(hosting),
            Some(KnownBridge { url, bridge_key: Some(bridge_key), embedded: true, .. }),
        ) => Ok(Stored {
            url,
            bridge_key,
            api_key_id: hosting.api_key_id,
            api_key_secret: hosting.api_key_secret,
        }),
        _ => {
            let text = "a bridge runs in this data directory, but has not said where yet; \
                try again in a moment";
            Err(Failure::new(Exit::Unreachable, text).into())
        }
    }
}

impl Admin {
    /// Finds the bridge of this data directory, starting it for the moment if it does not run.
    ///
    /// # Errors
    ///
    /// If it can't be started, or runs and has not said where.
    pub async fn open(paths: &Paths) -> anyhow::Result<Self> {
        let (stored, own) = match DirLock::acquire(&paths.bridge) {
            Ok(lock) => {
                let listen = "127.0.0.1:0".parse().expect("a socket address");
                let config = BridgeConfig::new(listen, paths.bridge.clone());
                let bridge = Bridge::start(config).await?;
                let key = announce(&bridge, &paths.bridge).await?;
                let stored = Stored {
                    url: bridge.url(),
                    bridge_key: bridge.public_key().to_base58(),
                    api_key_id: key.id,
                    api_key_secret: key.secret.expose().clone(),
                };
                (stored, Some((bridge, lock)))
            }
            Err(ProfileError::Locked { .. }) => (running(paths)?, None),
            Err(error) => return Err(error.into()),
        };
        let Stored { url, bridge_key, api_key_id, api_key_secret } = stored;
        let key = LocalApiKey { id: api_key_id, secret: Secret::new(api_key_secret) };
        let client = ManagementClient::new(&url, Some(Self::api_key(&key)))?;
        Ok(Self { client, url, bridge_key, key, own })
    }

    fn api_key(key: &LocalApiKey) -> ApiKey {
        ApiKey { id: key.id.clone(), secret: Secret::new(key.secret.expose().clone()) }
    }

    /// A key for another client of the same bridge.
    pub fn key(&self) -> ApiKey {
        Self::api_key(&self.key)
    }

    /// A management call.
    ///
    /// # Errors
    ///
    /// As [`ManagementClient::call`].
    pub async fn call(&self, method: &str, params: Value) -> Result<Value, ApiError> {
        self.client.call(method, params).await
    }

    /// All entries of a list that comes in pages, under `name`.
    ///
    /// # Errors
    ///
    /// As [`ManagementClient::call`].
    pub async fn list(
        &self,
        method: &str,
        params: Value,
        name: &str,
    ) -> Result<Vec<Value>, ApiError> {
        let mut all: Vec<Value> = Vec::new();
        loop {
            let mut page = params.clone();
            page["skip"] = json!(all.len());
            page["limit"] = json!(PAGE);
            page["sortOrder"] = json!("asc");
            let answer = self.call(method, page).await?;
            let entries = answer.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
            let is_last = entries.len() < PAGE;
            all.extend(entries);
            if is_last {
                return Ok(all);
            }
        }
    }

    /// Ends a bridge that was started for this.
    pub async fn close(self) {
        if let Some((bridge, _lock)) = self.own {
            bridge.shutdown().await;
        }
    }
}
