//! Backups of a store that is being written to: whole, and not older than they must be.

use conclave::bridge::BridgeConfig;
use conclave::bridge::store;
use conclave::bridge::store::StoreError;
use conclave::model::Secret;

use super::world::TOKEN;
use super::world::World;
use super::world::key;
use super::world::loopback;

fn rows(report: &store::Report, table: &str) -> u64 {
    report.rows.iter().find(|(name, _)| *name == table).unwrap().1
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_made_under_way_is_whole_and_holds_what_was_acknowledged() {
    let (live, kept) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut config = BridgeConfig::new(loopback(), live.path().to_owned());
    config.initialization_token = Some(Secret::new(TOKEN.to_owned()));
    let world = World::with(config).await;
    let mut alice = world.join("alice", 1).await;
    let mut acknowledged = 0_u64;
    for number in 0..5 {
        let before = acknowledged;
        let (from, to) = (live.path().to_owned(), kept.path().join(format!("{number}.db")));
        let made = tokio::task::spawn_blocking(move || {
            store::backup(&from, &to).unwrap();
            store::check(&to).unwrap()
        });
        // Calls go on while the copy is made.
        for _ in 0..10 {
            world.room(&mut alice, &["alice"]).await;
            acknowledged += 1;
        }
        let report = made.await.unwrap();
        assert_eq!(report.problems, Vec::<String>::new());
        assert_eq!(report.schema, report.known_schema);
        let rooms = rows(&report, "stream_room");
        assert!((before..=acknowledged).contains(&rooms), "{rooms} of {before}..={acknowledged}");
        assert_eq!(rows(&report, "stream_room_version"), rooms);
    }
    let report = store::check(live.path()).unwrap();
    assert_eq!((rows(&report, "stream_room"), report.problems), (acknowledged, Vec::new()));
    let running = store::restore(live.path(), &kept.path().join("0.db"), 1);
    assert!(matches!(running, Err(StoreError::InUse(_))), "{running:?}");
    let again = store::backup(live.path(), &kept.path().join("0.db"));
    assert!(matches!(again, Err(StoreError::Exists(_))), "{again:?}");
    let identity = world.bridge.public_key();
    world.bridge.shutdown().await;

    let last = kept.path().join("4.db");
    let rooms = rows(&store::check(&last).unwrap(), "stream_room");
    let aside = store::restore(live.path(), &last, 7).unwrap().unwrap();
    assert_eq!(rows(&store::check(&aside).unwrap(), "stream_room"), acknowledged);
    assert_eq!(rows(&store::check(live.path()).unwrap(), "stream_room"), rooms);
    let config = BridgeConfig::new(loopback(), live.path().to_owned());
    let bridge = conclave::bridge::Bridge::start(config).await.unwrap();
    assert_eq!(bridge.public_key(), identity);
    let world = World { bridge, ..world };
    assert!(world.login(&key(1)).await.is_ok());
    world.bridge.shutdown().await;
    // Nothing but the copies and the store is left lying around.
    let drafts = |dir: &std::path::Path| {
        let names = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name());
        names.filter(|name| name.to_string_lossy().contains("draft")).count()
    };
    assert_eq!(drafts(kept.path()) + drafts(live.path()), 0);
}
