//! What is on the disk: everything acknowledged, and nothing that is not ours.

use std::fs;
use std::path::Path;

use conclave::bridge::Bridge;
use conclave::bridge::BridgeConfig;
use conclave::bridge::BridgeError;
use conclave::bridge::store::Store;
use conclave::bridge::store::StoreError;
use conclave::model::Secret;
use serde_json::json;

use super::world::TOKEN;
use super::world::World;
use super::world::key;
use super::world::loopback;

fn on_disk(dir: &Path) -> BridgeConfig {
    let mut config = BridgeConfig::new(loopback(), dir.to_owned());
    config.initialization_token = Some(Secret::new(TOKEN.to_owned()));
    config
}

/// Copies the files as they are at this moment: what a crash now would leave behind.
fn snapshot(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

#[tokio::test]
async fn everything_acknowledged_survives_a_crash() {
    let (live, crashed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let world = World::with(on_disk(live.path())).await;
    let identity = world.bridge.public_key();
    let mut alice = world.join("alice", 1).await;
    let mut rooms = Vec::new();
    for _ in 0..20 {
        rooms.push(world.room(&mut alice, &["alice"]).await);
    }
    snapshot(live.path(), crashed.path());

    let bridge = Bridge::start(on_disk(crashed.path())).await.unwrap();
    assert_eq!(bridge.public_key(), identity);
    let again = World { bridge, ..world };
    let mut alice = again.login(&key(1)).await.unwrap();
    for room in rooms {
        assert!(alice.call("stream.streamRoomGet", json!({"id": room})).await.is_ok());
    }
    again.bridge.shutdown().await;
}

/// Everything that makes up the tables of a store, in any order.
fn schema(file: &Path) -> Vec<String> {
    let store = rusqlite::Connection::open(file).unwrap();
    let mut found: Vec<String> = ["table", "index"]
        .iter()
        .flat_map(|kind| {
            let sql = "SELECT m.name || '.' || coalesce(c.name, '') FROM sqlite_schema AS m \
                LEFT JOIN pragma_table_info(m.name) AS c WHERE m.type = ?1";
            let mut query = store.prepare(sql).unwrap();
            let rows = query.query_map([kind], |row| row.get(0)).unwrap();
            rows.collect::<Result<Vec<String>, _>>().unwrap()
        })
        .collect();
    found.sort();
    found
}

#[tokio::test]
async fn a_store_of_the_first_version_is_brought_up_to_date() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::with(on_disk(dir.path())).await;
    let mut alice = world.join("alice", 1).await;
    let room = world.room(&mut alice, &["alice"]).await;
    let (solution, http) = (world.solution, world.http);
    world.bridge.shutdown().await;
    let file = dir.path().join("bridge.db");
    let newest = schema(&file);
    let store = rusqlite::Connection::open(&file).unwrap();
    let back = "DROP TABLE queued_event; DROP INDEX context_share_solution; \
        DROP TABLE context_share; ALTER TABLE api_key DROP COLUMN public_key; \
        PRAGMA user_version = 1;";
    store.execute_batch(back).unwrap();
    drop(store);
    assert_ne!(schema(&file), newest);

    let bridge = Bridge::start(on_disk(dir.path())).await.unwrap();
    assert_eq!(schema(&file), newest);
    let world =
        World { bridge, http, authorization: String::new(), solution, context: String::new() };
    let mut alice = world.login(&key(1)).await.unwrap();
    assert!(alice.call("stream.streamRoomGet", json!({"id": room})).await.is_ok());
    world.bridge.shutdown().await;
}

#[tokio::test]
async fn a_restart_keeps_everything() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::with(on_disk(dir.path())).await;
    let mut alice = world.join("alice", 1).await;
    let room = world.room(&mut alice, &["alice"]).await;
    let World { bridge, .. } = world;
    bridge.shutdown().await;
    let bridge = Bridge::start(on_disk(dir.path())).await.unwrap();
    let (solution, http) = (world.solution, world.http);
    let world =
        World { bridge, http, authorization: String::new(), solution, context: String::new() };
    let mut alice = world.login(&key(1)).await.unwrap();
    assert!(alice.call("stream.streamRoomGet", json!({"id": room})).await.is_ok());
    world.bridge.shutdown().await;
}

#[cfg(unix)]
#[tokio::test]
async fn the_files_are_private() {
    use std::os::unix::fs::PermissionsExt;

    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let bridge = Bridge::start(on_disk(&data)).await.unwrap();
    assert_eq!(fs::metadata(&data).unwrap().permissions().mode() & 0o777, 0o700);
    for entry in fs::read_dir(&data).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{:?}", entry.file_name());
    }
    bridge.shutdown().await;
}

fn refusal(dir: &Path) -> StoreError {
    match Store::open(dir) {
        Err(error) => error,
        Ok(_) => panic!("opened"),
    }
}

#[tokio::test]
async fn files_that_are_not_ours_are_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("bridge.db");
    let mut foreign = b"SQLite format 3\0".to_vec();
    foreign.resize(4096, 0);
    for content in [b"not a database at all".to_vec(), foreign] {
        fs::write(&file, &content).unwrap();
        assert!(matches!(refusal(dir.path()), StoreError::Foreign(_)));
        assert_eq!(fs::read(&file).unwrap(), content);
    }
    let error = Bridge::start(on_disk(dir.path())).await.unwrap_err();
    assert!(matches!(error, BridgeError::Store(StoreError::Foreign(_))));
    assert!(error.to_string().contains("bridge.db"), "{error}");
}

#[tokio::test]
async fn a_newer_schema_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    Store::open(dir.path()).unwrap().shutdown().await;
    let file = dir.path().join("bridge.db");
    let mut content = fs::read(&file).unwrap();
    content[60..64].copy_from_slice(&99_u32.to_be_bytes());
    fs::write(&file, &content).unwrap();
    assert!(matches!(refusal(dir.path()), StoreError::Newer { found: 99, .. }));
    assert_eq!(fs::read(&file).unwrap(), content);
}

#[tokio::test]
async fn a_damaged_file_is_refused_and_kept() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::with(on_disk(dir.path())).await;
    let mut alice = world.join("alice", 1).await;
    for _ in 0..20 {
        world.room(&mut alice, &["alice"]).await;
    }
    world.bridge.shutdown().await;
    let file = dir.path().join("bridge.db");
    let mut content = fs::read(&file).unwrap();
    let end = content.len();
    content[4096..end].fill(0x5a);
    fs::write(&file, &content).unwrap();
    let error = refusal(dir.path());
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
    assert_eq!(fs::read(&file).unwrap(), content);
}

#[tokio::test]
async fn one_directory_serves_one_bridge() {
    let dir = tempfile::tempdir().unwrap();
    let first = Store::open(dir.path()).unwrap();
    assert!(matches!(refusal(dir.path()), StoreError::InUse(_)));
    first.shutdown().await;
    Store::open(dir.path()).unwrap().shutdown().await;
}
