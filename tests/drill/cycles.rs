//! Somebody comes and goes, again and again: what does that leave behind?

use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;
use std::time::Instant;

use conclave::api::Call;
use conclave::api::CallConfig;
use conclave::api::DeviceSpec;
use conclave::api::Person;
use conclave::bridge::BridgeConfig;
use tokio::runtime::Builder;
use tokio::runtime::Runtime;
use tokio::time::interval;

use crate::support::wait;
use crate::world::World;
use crate::world::soon;

/// Cycles of a normal test run.
const FEW: usize = 10;
/// Cycles before the first measurement: what is made once is made then.
const WARM_UP: usize = 5;

/// What there is at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Held {
    bridge_tasks: usize,
    client_tasks: usize,
    descriptors: usize,
    rows: i64,
}

impl Held {
    fn now(bridge: &Runtime, clients: &Runtime, store: &Path) -> Self {
        Self {
            bridge_tasks: bridge.metrics().num_alive_tasks(),
            client_tasks: clients.metrics().num_alive_tasks(),
            descriptors: std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count),
            rows: rows(store),
        }
    }

    /// Nothing is held that was not held before.
    fn is_within(&self, before: &Self) -> bool {
        self.bridge_tasks <= before.bridge_tasks
            && self.client_tasks <= before.client_tasks
            && self.descriptors <= before.descriptors
            && self.rows <= before.rows
    }
}

/// Rows of all tables of the bridge.
fn rows(store: &Path) -> i64 {
    let files = std::fs::read_dir(store).unwrap().map(|entry| entry.unwrap().path());
    let is_store = |path: &std::path::PathBuf| {
        std::fs::read(path).is_ok_and(|bytes| bytes.starts_with(b"SQLite format 3"))
    };
    let file = files.into_iter().find(is_store).unwrap();
    let database = rusqlite::Connection::open(file).unwrap();
    let tables = "select name from sqlite_master where type = 'table'";
    let mut tables = database.prepare(tables).unwrap();
    let names = tables.query_map([], |row| row.get::<_, String>(0)).unwrap();
    names
        .map(|name| {
            let query = format!("select count(*) from \"{}\"", name.unwrap());
            database.query_row(&query, [], |row| row.get::<_, i64>(0)).unwrap()
        })
        .sum()
}

/// Resident memory of this process in MiB.
fn memory() -> f64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: f64 = text.split(' ').nth(1).and_then(|text| text.parse().ok()).unwrap_or(0.0);
    pages * 4096.0 / f64::from(1 << 20)
}

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

#[test]
fn coming_and_going_leaves_nothing_behind() {
    let cycles = std::env::var("CYCLES").ok().map_or(FEW, |text| text.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let (bridge, clients) = (runtime(), runtime());
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let mut config = BridgeConfig::new(listen, folder.path().to_owned());
    // Nobody comes and goes thirty times a second, so a bridge would soon have enough of it.
    config.limits.calls_per_second = 0;
    let world = bridge.block_on(World::provision(config, &["ana", "ben"]));
    clients.block_on(async {
        let ana = world.connect("ana").await.create_stream_api();
        let ben = world.connect("ben").await.create_stream_api();
        let room = world.room(&ana, &["ana", "ben"]).await;
        let config = || {
            CallConfig::new(room.clone())
                .with_microphone(Some(DeviceSpec::Tone(440.0)))
                .with_speaker(DeviceSpec::Null)
        };
        let stays = Call::join(ben, config()).await.unwrap();
        let mut people = stays.people();
        let cycle = async |people: &mut tokio::sync::watch::Receiver<Vec<Person>>| {
            let call = Call::join(ana.clone(), config()).await.unwrap();
            let is_heard = |people: &Vec<Person>| people.iter().any(|p| !p.is_self && p.has_audio);
            soon("somebody coming", people.wait_for(is_heard)).await.unwrap();
            call.leave().await.unwrap();
            let is_alone = |people: &Vec<Person>| people.len() == 1;
            soon("somebody leaving", people.wait_for(is_alone)).await.unwrap();
        };
        for _ in 0..WARM_UP {
            cycle(&mut people).await;
        }
        let look = || Held::now(&bridge, &clients, folder.path());
        let (before, memory_before, began) = (look(), memory(), Instant::now());
        let mut marks = Vec::new();
        for number in 1..=cycles {
            cycle(&mut people).await;
            if number % 100 == 0 {
                marks.push(format!("{:.1}", memory()));
            }
        }
        let took = began.elapsed().as_secs_f64();
        // What has ended may take a moment to be gone.
        let deadline = Instant::now() + wait::PATIENCE;
        let mut tick = interval(Duration::from_millis(100));
        let mut after = look();
        while !after.is_within(&before) && Instant::now() < deadline {
            tick.tick().await;
            after = look();
        }
        println!("{cycles} cycles of joining, publishing and leaving in {took:.1} s");
        println!("before: {before:?}, {memory_before:.1} MiB");
        println!("after:  {after:?}, {:.1} MiB", memory());
        println!("memory after each 100 cycles: {}", marks.join(" "));
        assert!(after.is_within(&before), "something is left behind");
        stays.leave().await.unwrap();
    });
    drop(clients);
    bridge.block_on(world.bridge.shutdown());
}
