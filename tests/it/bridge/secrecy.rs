//! What the server can know of a call. A call is held; everything that the server ever held of
//! it (payloads, files, its identity key) is searched for a key that opens the sound, and for
//! the words that only members may read.
//!
//! Each search is also shown to find what is really there.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;
use std::time::Instant;

use base64::Engine;
use base64::alphabet::STANDARD as STANDARD_ALPHABET;
use base64::alphabet::URL_SAFE as URL_SAFE_ALPHABET;
use base64::engine::DecodePaddingMode;
use base64::engine::GeneralPurpose;
use base64::engine::GeneralPurposeConfig;
use base64::prelude::BASE64_STANDARD;
use conclave::api::Call;
use conclave::api::CallConfig;
use conclave::api::ConnectOptions;
use conclave::api::DeviceSpec;
use conclave::api::Endpoint;
use conclave::api::NewStreamRoom;
use conclave::api::StreamApi;
use conclave::bridge::BridgeConfig;
use conclave::bridge::sfu::Tap;
use conclave::bridge::store::Store;
use conclave::crypto::base58;
use conclave::crypto::data_message::DataCryptor;
use conclave::crypto::dio::Place;
use conclave::crypto::ecdh;
use conclave::crypto::ecies;
use conclave::crypto::frame::FrameCryptor;
use conclave::crypto::frame::FrameKeys;
use conclave::crypto::frame::MediaKey;
use conclave::crypto::hash;
use conclave::crypto::key::PUBLIC_KEY_BYTES;
use conclave::crypto::key::PrivateKey;
use conclave::crypto::key::PublicKey;
use conclave::crypto::room_key;
use conclave::crypto::room_key::OpenedKey;
use conclave::model::CallStats;
use conclave::model::ContextId;
use conclave::model::KeyId;
use conclave::model::Level;
use conclave::model::ResourceId;
use conclave::model::Secret;
use conclave::model::SolutionId;
use conclave::model::StreamId;
use conclave::model::StreamRoomId;
use conclave::model::TrackKind;
use conclave::model::UserWithPubKey;
use conclave::wire::dto::stream_room::StreamRoom;
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::Value;
use serde_json::json;
use tokio::sync::watch;
use tokio::time::timeout;

use super::world::PATIENCE;
use super::world::TOKEN;
use super::world::World;
use super::world::key;
use super::world::loopback;

/// Audio frames that the server must have had in its hands: two seconds of sound.
const FRAMES: usize = 100;
/// Bytes of every key here.
const KEY: usize = 32;

/// What only members may read.
const PRIVATE_NAME: &str = "operation halibut under glass";
const MESSAGE: &str = "the launch code is swordfish";
/// What the server may read: the search for words must find it.
const PUBLIC_NAME: &str = "a room for everybody to see";

/// What the tap kept of one payload.
struct Heard {
    stream: StreamId,
    kind: TrackKind,
    payload: Vec<u8>,
}

/// All payloads that reached the SFU, and how many of them were sound.
struct Ear {
    heard: Arc<Mutex<Vec<Heard>>>,
    frames: watch::Receiver<usize>,
}

impl Ear {
    fn new() -> (Self, Tap) {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (count, frames) = watch::channel(0);
        let kept = Arc::clone(&heard);
        let tap = Tap::new(move |tapped| {
            let (stream, kind) = (tapped.stream, tapped.kind);
            kept.lock().unwrap().push(Heard { stream, kind, payload: tapped.payload.to_vec() });
            if kind == TrackKind::Audio {
                count.send_modify(|count| *count += 1);
            }
        });
        (Self { heard, frames }, tap)
    }
}

/// One sealed frame: it tells the right key from all others.
struct Lock {
    id: KeyId,
    frame: Vec<u8>,
}

impl Lock {
    fn opens_with(&self, key: [u8; KEY]) -> bool {
        let key = MediaKey { id: self.id.clone(), key: Secret::new(key) };
        let keys = Arc::new(FrameKeys::new(self.id.clone(), vec![key]));
        FrameCryptor::new(keys).open(TrackKind::Audio, &self.frame).is_ok()
    }

    /// Whether these bytes are the media key, or the room key that it is made of.
    fn yields_to(&self, bytes: &[u8; KEY]) -> bool {
        self.opens_with(*bytes) || self.opens_with(hash::sha256(bytes))
    }
}

/// Bytes that somebody holds, in as many pieces as there are files, payloads, and texts in them.
#[derive(Clone, Default)]
struct Memory {
    pieces: Vec<Vec<u8>>,
    known: HashSet<Vec<u8>>,
}

impl Memory {
    fn add(&mut self, piece: Vec<u8>) {
        if !piece.is_empty() && self.known.insert(piece.clone()) {
            self.pieces.push(piece);
        }
    }

    fn add_files(&mut self, folder: &Path) {
        for entry in std::fs::read_dir(folder).unwrap() {
            self.add(std::fs::read(entry.unwrap().path()).unwrap());
        }
    }

    fn bytes(&self) -> usize {
        self.pieces.iter().map(Vec::len).sum()
    }

    /// Adds what any text in here stands for, and any text in that.
    fn decode(mut self) -> Self {
        let mut next = 0;
        while let Some(piece) = self.pieces.get(next) {
            for inner in decoded(piece) {
                self.add(inner);
            }
            next += 1;
        }
        self
    }

    fn contains(&self, words: &str) -> bool {
        let words = words.as_bytes();
        self.pieces.iter().any(|piece| piece.windows(words.len()).any(|window| window == words))
    }

    /// Every string of this many bytes at every offset, each once.
    fn windows<const N: usize>(&self) -> HashSet<[u8; N]> {
        let windows = self.pieces.iter().flat_map(|piece| piece.windows(N));
        windows.map(|window| window.try_into().unwrap()).collect()
    }

    /// Every point of the curve, by itself or in text.
    fn public_keys(&self) -> HashSet<PublicKey> {
        let compressed = self.windows::<PUBLIC_KEY_BYTES>();
        compressed.iter().filter_map(|window| PublicKey::from_sec1(window).ok()).collect()
    }

    /// Boxes of one user for another, whole.
    fn envelopes(&self) -> impl Iterator<Item = &Vec<u8>> {
        self.pieces.iter().filter(|piece| {
            let recipient = piece.get(1 + PUBLIC_KEY_BYTES..1 + 2 * PUBLIC_KEY_BYTES);
            piece[0] == b'e' && recipient.is_some_and(|point| PublicKey::from_sec1(point).is_ok())
        })
    }
}

/// What the texts in `piece` stand for that could hold a key: hex, base64 and base58.
fn decoded(piece: &[u8]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    for run in runs(piece, 2 * KEY, |byte| byte.is_ascii_hexdigit()) {
        for start in 0..2 {
            let even = &run[start..][..(run.len() - start) & !1];
            found.push(hex::decode(even).unwrap());
        }
    }
    let lenient = GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone);
    for (alphabet, more) in [(&STANDARD_ALPHABET, b"+/"), (&URL_SAFE_ALPHABET, b"-_")] {
        let engine = GeneralPurpose::new(alphabet, lenient);
        let shortest = (KEY * 4).div_ceil(3);
        for run in
            runs(piece, shortest, |byte| byte.is_ascii_alphanumeric() || more.contains(&byte))
        {
            // What stands before it may belong to the run by accident.
            for start in 0..4 {
                let mut text = &run[start..];
                if text.len() % 4 == 1 {
                    text = &text[..text.len() - 1];
                }
                found.push(engine.decode(text).unwrap());
            }
        }
    }
    // Keys in base58 have a checksum: these are the lengths of a public and of a private one.
    let is_base58 = |byte: u8| byte.is_ascii_alphanumeric() && !b"0OIl".contains(&byte);
    for run in runs(piece, 49, is_base58) {
        for length in 49..=52 {
            let texts = run.windows(length).map(|text| str::from_utf8(text).unwrap());
            found.extend(texts.filter_map(|text| Some(base58::decode(text).ok()?.to_vec())));
        }
    }
    found
}

/// Stretches of at least `shortest` bytes that are all of one sort.
fn runs(piece: &[u8], shortest: usize, is: impl Fn(u8) -> bool) -> Vec<&[u8]> {
    piece.split(|byte| !is(*byte)).filter(|run| run.len() >= shortest).collect()
}

/// What the holder of a private key shares with the holders of public ones.
fn shared<'a>(
    own: &PrivateKey,
    others: impl IntoIterator<Item = &'a PublicKey>,
) -> HashSet<[u8; KEY]> {
    let mut candidates = HashSet::from([*own.to_bytes().expose()]);
    for other in others {
        let x = ecdh::shared_x(own, other);
        let both = hash::sha512(x.expose());
        candidates.insert(*x.expose());
        candidates.insert(*both.first_chunk().unwrap());
        candidates.insert(*both.last_chunk().unwrap());
    }
    candidates
}

/// The first of `candidates` that opens the lock.
fn search(candidates: &HashSet<[u8; KEY]>, lock: &Lock) -> Option<[u8; KEY]> {
    candidates.iter().find(|bytes| lock.yields_to(bytes)).copied()
}

/// The room as the server hands it to a member, before anything is opened.
async fn sealed_room(world: &World, member: &PrivateKey, room: &StreamRoomId) -> StreamRoom {
    let mut client = world.login(member).await.unwrap();
    let got = client.call("stream.streamRoomGet", json!({"id": room.as_str()})).await.unwrap();
    serde_json::from_value(got["streamRoom"].clone()).unwrap()
}

/// The keys in it that are for this member.
fn keys_of(room: &StreamRoom, member: &PrivateKey) -> Vec<OpenedKey> {
    let place = Place {
        context: ContextId(room.context_id.clone()),
        resource: ResourceId(room.resource_id.clone().unwrap()),
    };
    let entries: Vec<(KeyId, &Value)> =
        room.keys.iter().map(|key| (KeyId(key.key_id.clone()), &key.data)).collect();
    let entries = entries.iter().map(|(id, data)| (id, *data));
    let opened = room_key::open_entries(member, entries, &place);
    opened.into_iter().map(|(_, key)| key.unwrap()).collect()
}

/// A bridge that forgets nothing, and whose every payload is kept.
async fn tapped_bridge(folder: &Path) -> (World, Ear) {
    let (ear, tap) = Ear::new();
    let mut config = BridgeConfig::new(loopback(), folder.to_owned());
    config.initialization_token = Some(Secret::new(TOKEN.to_owned()));
    config.tap = Some(tap);
    let world = World::with(config).await;
    (world, ear)
}

async fn client(world: &World, key: PrivateKey) -> StreamApi {
    let solution = SolutionId(world.solution.clone());
    let options = ConnectOptions::new(&world.bridge.url(), solution, Arc::new(key))
        .with_bridge_key(world.bridge.public_key());
    Endpoint::connect(options).await.unwrap().create_stream_api()
}

async fn create_room(world: &World, ana: &StreamApi) -> StreamRoomId {
    let user = |name: &str, byte| UserWithPubKey {
        user_id: name.into(),
        pub_key: key(byte).public_key().to_base58(),
    };
    let new = NewStreamRoom {
        context_id: ContextId(world.context.clone()),
        users: vec![user("ana", 1), user("ben", 2)],
        managers: vec![user("ana", 1)],
        public_meta: serde_json::to_vec(&json!({"title": PUBLIC_NAME})).unwrap(),
        private_meta: serde_json::to_vec(&json!({"name": PRIVATE_NAME})).unwrap(),
        policy: None,
    };
    ana.create_stream_room(&new).await.unwrap()
}

/// Ana speaks and writes, ben hears and reads, until the server has had enough in its hands.
async fn hold_a_call(ana: StreamApi, ben: StreamApi, room: &StreamRoomId, ear: &mut Ear) {
    let config =
        |mic| CallConfig::new(room.clone()).with_microphone(mic).with_speaker(DeviceSpec::Null);
    let ana = Call::join(ana, config(Some(DeviceSpec::Tone(440.0)))).await.unwrap();
    let ben = Call::join(ben, config(None)).await.unwrap();
    let mut messages = ben.messages().unwrap();
    // Messages are not kept: one that is sent before ben's channel is up is not delivered.
    let exchange = async {
        let mut tick = tokio::time::interval(Duration::from_millis(200));
        loop {
            tokio::select! {
                _ = tick.tick() => ana.send_message(MESSAGE.as_bytes()).await.unwrap(),
                message = messages.next_message() => break message.unwrap(),
            }
        }
    };
    let received = timeout(PATIENCE, exchange).await.expect("the message comes");
    assert_eq!(received.data, MESSAGE.as_bytes());
    let mut stats = ben.stats().unwrap();
    let enough = |stats: &CallStats| stats.packets >= FRAMES as u64;
    let last = timeout(PATIENCE, stats.wait_for(enough)).await.expect("ben hears").unwrap().clone();
    assert_eq!(last.dropped_unauthenticated, 0, "{last:?}");
    let enough = ear.frames.wait_for(|frames| *frames >= FRAMES);
    timeout(PATIENCE, enough).await.expect("the server passes frames on").unwrap();
    ben.leave().await.unwrap();
    ana.leave().await.unwrap();
}

/// The key that the bridge proves its identity with.
async fn identity(folder: &Path) -> PrivateKey {
    let store = Store::open(folder).unwrap();
    let stored = store.read(|tx| tx.meta("identity")).await;
    store.shutdown().await;
    let stored: Option<Vec<u8>> = stored.unwrap();
    PrivateKey::from_bytes(&stored.unwrap().try_into().unwrap()).unwrap()
}

/// What the server had of a call, and what a member got from it.
struct Aftermath {
    /// The files while the server ran and after it ended, and all payloads.
    memory: Memory,
    /// The server's own key.
    identity: PrivateKey,
    /// All payloads, as they came.
    heard: Vec<Heard>,
    /// The room as ben got it.
    sealed: StreamRoom,
}

async fn aftermath() -> Aftermath {
    let folder = tempfile::tempdir().unwrap();
    let (world, mut ear) = tapped_bridge(folder.path()).await;
    for (name, byte) in [("ana", 1), ("ben", 2)] {
        world.add(name, &key(byte)).await;
    }
    let (ana, ben) = (client(&world, key(1)).await, client(&world, key(2)).await);
    let room = create_room(&world, &ana).await;
    hold_a_call(ana, ben, &room, &mut ear).await;
    let sealed = sealed_room(&world, &key(2), &room).await;
    let mut memory = Memory::default();
    memory.add_files(folder.path());
    let public = world.bridge.public_key();
    world.bridge.shutdown().await;
    memory.add_files(folder.path());
    let heard = std::mem::take(&mut *ear.heard.lock().unwrap());
    for heard in &heard {
        memory.add(heard.payload.clone());
    }
    let identity = identity(folder.path()).await;
    assert_eq!(*identity.public_key(), public);
    Aftermath { memory, identity, heard, sealed }
}

/// A member opens every frame and every message; answers how many there are of both, one frame,
/// and the key that opens it.
fn read_everything(heard: &[Heard], sealed: &StreamRoom) -> ([usize; 2], Lock, OpenedKey) {
    let mut keys = keys_of(sealed, &key(2));
    let id = KeyId(sealed.key_id.clone());
    let frame_keys = Arc::new(FrameKeys::new(id.clone(), room_key::media_keys(&keys)));
    let cryptor = FrameCryptor::new(Arc::clone(&frame_keys));
    let mut data = DataCryptor::new(frame_keys);
    let (mut frames, mut messages) = (Vec::new(), 0);
    for Heard { stream, kind, payload } in heard {
        if *kind == TrackKind::Audio {
            assert_eq!(cryptor.open(*kind, payload).unwrap().key_id, id);
            frames.push(payload);
        } else {
            // Calls ask each other for shared terminals, too.
            let opened = data.open(*stream, payload).unwrap();
            messages += usize::from(opened.data == MESSAGE.as_bytes());
        }
    }
    assert!(frames.len() >= FRAMES && messages >= 1);
    let count = [frames.len(), messages];
    let shortest = frames.into_iter().min_by_key(|frame| frame.len()).unwrap();
    assert_eq!(keys.len(), 1);
    (count, Lock { id, frame: shortest.clone() }, keys.remove(0))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_cannot_hear() {
    let Aftermath { memory: raw, identity, heard, sealed } = aftermath().await;
    let ([frames, messages], lock, room_key) = read_everything(&heard, &sealed);
    println!("the server held {} bytes, {} payloads among them", raw.bytes(), heard.len());
    println!("a member opens all of them: {frames} frames, {messages} messages");

    let began = Instant::now();
    let memory = raw.clone().decode();
    println!("{} bytes to search, texts decoded, {:?}", memory.bytes(), began.elapsed());
    let candidates = memory.windows::<KEY>();
    assert_eq!(search(&candidates, &lock), None);
    let count = candidates.len();
    println!("none of {count} strings of 32 bytes opens a frame, {:?}", began.elapsed());

    let others = memory.public_keys();
    for known in [key(1).public_key(), key(2).public_key(), identity.public_key()] {
        assert!(others.contains(known), "{known} has to be found");
    }
    assert_eq!(search(&shared(&identity, &others), &lock), None);
    println!("nor what it shares with {} points, {:?}", others.len(), began.elapsed());

    let private = candidates.iter().filter_map(|bytes| PrivateKey::from_bytes(bytes).ok());
    let public = private.map(|private| private.public_key().clone());
    let held: Vec<PublicKey> = public.filter(|public| others.contains(public)).collect();
    assert_eq!(held, [identity.public_key().clone()], "its own is the only private key it has");
    println!("nor is any of them the private key of a member, {:?}", began.elapsed());

    assert!(memory.contains(PUBLIC_NAME), "what is public has to be found");
    for words in [PRIVATE_NAME, MESSAGE] {
        assert!(!memory.contains(words), "{words}");
    }
    unwrap_with_identity(&memory, &identity);
    plant_and_find(&raw, &room_key, &lock);
    agree_and_find(&identity, &others);
}

/// The wrapped keys are there, and open to their members but not to the bridge.
fn unwrap_with_identity(memory: &Memory, identity: &PrivateKey) {
    let mut opened = HashSet::new();
    for envelope in memory.envelopes() {
        assert!(ecies::open(identity, envelope).is_err());
        let (head, raw) = envelope.split_at(1 + 2 * PUBLIC_KEY_BYTES);
        for point in head[1..].chunks(PUBLIC_KEY_BYTES) {
            let end = PublicKey::from_sec1(point).unwrap();
            assert!(ecies::open_raw(identity, &end, raw).is_err());
        }
        opened.extend([1, 2].into_iter().filter(|byte| ecies::open(&key(*byte), envelope).is_ok()));
    }
    assert_eq!(opened, HashSet::from([1, 2]), "both members' wrapped keys have to be found");
}

/// The search finds a key that is there: in every form in which it could be, and among
/// everything else that the server has.
fn plant_and_find(raw: &Memory, key: &OpenedKey, lock: &Lock) {
    let room_key = *key.key.expose();
    let media_key = hash::sha256(&room_key);
    assert!(lock.opens_with(media_key) && !lock.opens_with(room_key));
    let text = |key: &[u8]| BASE64_STANDARD.encode(key);
    let forms = [
        media_key.to_vec(),
        room_key.to_vec(),
        hex::encode(media_key).into_bytes(),
        text(&room_key).into_bytes(),
        text(json!({"key": text(&media_key)}).to_string().as_bytes()).into_bytes(),
        PrivateKey::from_bytes(&room_key).unwrap().to_wif().expose().clone().into_bytes(),
    ];
    let database = raw.pieces.iter().max_by_key(|piece| piece.len()).unwrap();
    let pages = database.chunks_exact(4096).cycle();
    for (number, (form, page)) in forms.into_iter().zip(pages).enumerate() {
        let mut memory = Memory::default();
        // In the middle of a page, right after a letter, as SQLite puts columns together.
        let mut page = page.to_vec();
        page.splice(1001..1001, [&b"#ana"[..], &form].concat());
        memory.add(page);
        let found = search(&memory.decode().windows(), lock);
        assert!(found == Some(media_key) || found == Some(room_key), "form {number}");
    }

    let mut memory = raw.clone();
    let database = memory.pieces.iter_mut().max_by_key(|piece| piece.len()).unwrap();
    let middle = database.len() / 2;
    database.splice(middle..middle, room_key);
    assert_eq!(search(&memory.decode().windows(), lock), Some(room_key));
}

/// The search finds a key that the bridge does share with somebody.
fn agree_and_find(identity: &PrivateKey, others: &HashSet<PublicKey>) {
    let agreed = *ecdh::shared_x(identity, others.iter().next().unwrap()).expose();
    let id = KeyId::from("shared");
    let key = MediaKey { id: id.clone(), key: Secret::new(hash::sha256(&agreed)) };
    let cryptor = FrameCryptor::new(Arc::new(FrameKeys::new(id.clone(), vec![key])));
    let frame = cryptor.seal(&mut StdRng::seed_from_u64(5), b"sound", Level::FLOOR).unwrap();
    assert_eq!(search(&shared(identity, others), &Lock { id, frame }), Some(agreed));
}
