//! What rooms are refused, and what holds for every room: integrity objects, key entries, contents.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use conclave::crypto::CryptoError;
use conclave::crypto::dio;
use conclave::crypto::dio::Dio;
use conclave::crypto::dio::MODULE_STRUCTURE;
use conclave::crypto::dio::Origin;
use conclave::crypto::dio::RandomId;
use conclave::crypto::key::PrivateKey;
use conclave::crypto::meta;
use conclave::crypto::meta::Contents;
use conclave::crypto::room_key;
use conclave::crypto::room_key::ContainerKey;
use conclave::crypto::room_key::ContainerSecret;
use conclave::crypto::room_key::OpenedKey;
use conclave::crypto::sign;
use conclave::model::KeyId;
use conclave::model::ResourceId;
use conclave::model::Timestamp;
use conclave::model::UserId;
use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::Value;
use serde_json::json;

use super::fixture::dio_json;
use super::fixture::facts;
use super::fixture::origin;
use super::fixture::person;
use super::fixture::place;
use super::fixture::text;

struct World {
    author: PrivateKey,
    reader: PrivateKey,
    rng: StdRng,
    secret: ContainerSecret,
    key: ContainerKey,
}

impl World {
    fn new() -> Self {
        let mut rng = StdRng::seed_from_u64(7);
        Self {
            author: person("alice"),
            reader: person("bob"),
            secret: ContainerSecret::generate(&mut rng),
            key: ContainerKey::generate(&mut rng),
            rng,
        }
    }

    fn entry(&mut self, origin: &Origin) -> Value {
        let Self { author, reader, rng, secret, key } = self;
        room_key::seal_entry(author, origin, reader.public_key(), key, secret, rng)
    }

    fn contents(&mut self, origin: &Origin) -> Value {
        let contents =
            Contents { public_meta: b"{\"n\":3}", private_meta: b"private", secret: &self.secret };
        meta::seal(&self.author, origin, &self.key, &contents, &mut self.rng)
    }

    fn open(&self, entry: &Value) -> Result<OpenedKey, CryptoError> {
        let place = place("context", "resource");
        room_key::open_entry(&self.reader, &self.key.id, entry, &place)
    }
}

#[test]
fn key_entries_are_bound_to_place_author_and_id() {
    let mut world = World::new();
    let good = world.entry(&origin("alice"));
    assert!(world.open(&good).is_ok());

    let mut elsewhere = origin("alice");
    elsewhere.place.resource = ResourceId::from("another");
    let elsewhere = world.entry(&elsewhere);
    assert_eq!(world.open(&elsewhere).unwrap_err(), CryptoError::DioPlace);

    // Somebody else signs for a key that the author once wrapped.
    let stolen_dio = dio::seal(
        &person("server"),
        &origin("alice"),
        2,
        &[("encryptedKey", &dio::checksum(text(&good["encryptedKey"])))],
    );
    let mut stolen = good.clone();
    stolen["dio"] = stolen_dio.into();
    assert_eq!(world.open(&stolen).unwrap_err(), CryptoError::WrongKeyEntry);

    let other_id = KeyId::from("another");
    let refused =
        room_key::open_entry(&world.reader, &other_id, &good, &place("context", "resource"));
    assert_eq!(refused.unwrap_err(), CryptoError::WrongKeyEntry);

    let other = world.entry(&origin("alice"));
    let mut exchanged = good.clone();
    exchanged["encryptedKey"] = other["encryptedKey"].clone();
    assert_eq!(world.open(&exchanged).unwrap_err(), CryptoError::DioChecksum);

    let secret = ContainerSecret::new("another room".into());
    let opened = world.open(&good).unwrap();
    assert_eq!(opened.check_secret(&secret), Err(CryptoError::RoomKeyValidation));
}

#[test]
fn malformed_key_entries_are_refused() {
    let mut world = World::new();
    let good = world.entry(&origin("alice"));
    let mut for_another = good.clone();
    for_another["encryptedKey"] = "A".repeat(5000).into();
    let cases = [
        ("null", Value::Null, CryptoError::MalformedKeyEntry),
        ("number", json!(5), CryptoError::MalformedKeyEntry),
        ("no version", json!({}), CryptoError::MalformedKeyEntry),
        ("version 3", json!({"version": 3}), CryptoError::UnknownKeyEntryVersion),
        ("version as text", json!({"version": "2"}), CryptoError::MalformedKeyEntry),
        ("fields missing", json!({"version": 2}), CryptoError::MalformedKeyEntry),
        ("legacy, no base64", json!("!"), CryptoError::MalformedKeyEntry),
        ("legacy, no box", json!("AAAA"), CryptoError::MalformedKeyEntry),
        ("other text", for_another, CryptoError::DioChecksum),
    ];
    for (name, data, expected) in cases {
        assert_eq!(world.open(&data).unwrap_err(), expected, "{name}");
    }
}

#[test]
fn legacy_entries_open_but_prove_nothing() {
    let world = World::new();
    let wrapped =
        conclave::crypto::ecies::seal(&world.author, world.reader.public_key(), world.key.expose());
    let opened = world.open(&BASE64_STANDARD.encode(wrapped).into()).unwrap();
    assert_eq!(opened.key.expose(), world.key.expose());
    assert!(opened.proof.is_none());
    assert_eq!(opened.check_secret(&world.secret), Err(CryptoError::RoomKeyValidation));
}

#[test]
fn two_keys_of_one_moment_are_both_refused() {
    let mut world = World::new();
    let place = place("context", "resource");
    let seal = |world: &mut World, random_id: &str| {
        world.key = ContainerKey::generate(&mut world.rng);
        let mut origin = origin("alice");
        origin.random_id = RandomId(random_id.into());
        (world.key.id.clone(), world.entry(&origin))
    };
    let entries = [seal(&mut world, "a"), seal(&mut world, "b"), seal(&mut world, "b")];
    let again = (entries[0].0.clone(), entries[0].1.clone());
    let entries: Vec<_> = entries.into_iter().chain([again]).collect();
    let listed = entries.iter().map(|(id, data)| (id, data));
    let results: Vec<_> = room_key::open_entries(&world.reader, listed, &place)
        .into_iter()
        .map(|(_, opened)| opened.err())
        .collect();
    let duplicate = Some(CryptoError::DuplicateDio);
    assert_eq!(results, [None, duplicate, duplicate, None]);
}

#[test]
fn newcomers_get_all_keys_under_their_old_acts() {
    let mut world = World::new();
    let mut first = origin("alice");
    first.random_id = RandomId("first".into());
    let entry = world.entry(&first);
    let old = world.open(&entry).unwrap();
    let mut second = origin("alice");
    second.random_id = RandomId("second".into());
    world.key = ContainerKey::generate(&mut world.rng);
    let entry = world.entry(&second);
    let new = world.open(&entry).unwrap();

    let server = person("server");
    let newcomers = [(UserId::from("server"), server.public_key().clone())];
    let mut now = origin("bob");
    now.timestamp = Timestamp(now.timestamp.0 + 1);
    let World { reader, rng, secret, .. } = &mut world;
    let keys = [&old, &new];
    let entries = room_key::seal_for_newcomers(reader, &now, &newcomers, &keys, secret, rng);
    let entries = entries.unwrap();
    let place = place("context", "resource");
    let listed = entries.iter().map(|entry| (&entry.key_id, &entry.data));
    let opened = room_key::open_entries(&server, listed, &place);
    for ((_, opened), (source, act)) in opened.into_iter().zip([(&old, "first"), (&new, "second")])
    {
        let opened = opened.unwrap();
        assert_eq!(opened.key.expose(), source.key.expose());
        let dio = &opened.proof.as_ref().unwrap().dio;
        assert_eq!((dio.origin.user.as_str(), dio.origin.random_id.0.as_str()), ("bob", act));
        assert_eq!(dio.origin.timestamp, now.timestamp);
        assert_eq!(dio.creator, *world.reader.public_key());
        opened.check_secret(&world.secret).unwrap();
    }

    let foreign = ContainerSecret::new("foreign".into());
    let refused = room_key::seal_for_newcomers(
        &world.reader,
        &now,
        &newcomers,
        &keys,
        &foreign,
        &mut world.rng,
    );
    assert_eq!(refused, Err(CryptoError::RoomKeyValidation));
}

#[test]
fn members_listed_twice_get_one_entry() {
    let World { author, reader, mut rng, secret, key } = World::new();
    let member = (UserId::from("bob"), reader.public_key().clone());
    let members = [member.clone(), (UserId::from("alice"), author.public_key().clone()), member];
    let entries =
        room_key::seal_for_members(&author, &origin("alice"), &members, &key, &secret, &mut rng);
    let users: Vec<_> = entries.iter().map(|entry| entry.user.as_str()).collect();
    assert_eq!(users, ["bob", "alice"]);
    assert_ne!(entries[0].data["encryptedKey"], entries[1].data["encryptedKey"]);
}

#[test]
fn contents_are_bound_to_room_author_and_time() {
    let mut world = World::new();
    let data = world.contents(&origin("alice"));
    let here = || place("context", "resource");
    let now = origin("alice").timestamp.0;
    let minutes = 60_000;
    let integrity = Err(CryptoError::RoomIntegrity);
    let cases = [
        ("as stated", facts(here(), "alice", now), Ok(())),
        ("almost five minutes later", facts(here(), "alice", now + 5 * minutes - 1), Ok(())),
        ("five minutes later", facts(here(), "alice", now + 5 * minutes), integrity),
        ("five minutes earlier", facts(here(), "alice", now - 5 * minutes), integrity),
        ("beginning of time", facts(here(), "alice", i64::MIN), integrity),
        ("another author", facts(here(), "bob", now), integrity),
        ("another context", facts(place("other", "resource"), "alice", now), integrity),
        ("another room", facts(place("context", "other"), "alice", now), integrity),
    ];
    for (name, facts, expected) in cases {
        assert_eq!(meta::open_room(&data, &world.key, &facts).map(|_| ()), expected, "{name}");
    }
    let facts = facts(here(), "alice", now);
    let mut old = data.clone();
    old["version"] = 4.into();
    let refused = meta::open_room(&old, &world.key, &facts).unwrap_err();
    assert_eq!(refused.code(), 0x0008_0005);
    let other_key = ContainerKey::generate(&mut world.rng);
    let refused = meta::open_room(&data, &other_key, &facts).unwrap_err();
    assert_eq!(refused, CryptoError::NotAuthentic);
}

#[test]
fn readable_copy_is_compared_by_value() {
    let mut world = World::new();
    let mut data = world.contents(&origin("alice"));
    let cases = [
        ("same", json!({"n": 3}), true),
        ("as a fraction", json!({"n": 3.0}), true),
        ("absent", Value::Null, true),
        ("another number", json!({"n": 4}), false),
        ("one field more", json!({"n": 3, "m": 3}), false),
        ("another name", json!({"m": 3}), false),
        ("no object", json!("n"), false),
    ];
    for (name, copy, accepted) in cases {
        data["publicMetaObject"] = copy;
        let expected = if accepted { Ok(()) } else { Err(CryptoError::PublicMetaMismatch) };
        assert_eq!(meta::open(&data, &world.key).map(|_| ()), expected, "{name}");
    }
    data.as_object_mut().unwrap().remove("publicMetaObject");
    assert!(meta::open(&data, &world.key).is_ok());
}

#[test]
fn integrity_objects_without_their_fields_are_malformed() {
    let author = person("alice");
    let good: Value = {
        let encoded = dio::seal(&author, &origin("alice"), MODULE_STRUCTURE, &[("a", b"b")]);
        serde_json::from_str(&dio_json(&encoded.into())).unwrap()
    };
    let encode = |json: &Value| {
        BASE64_STANDARD.encode(sign::seal_blob(&author, json.to_string().as_bytes()))
    };
    assert!(Dio::open(&encode(&good), MODULE_STRUCTURE).is_ok());
    let mut cases = vec![("another structure".to_owned(), good.clone(), 2)];
    for (field, value) in good.as_object().unwrap() {
        let mut without = good.clone();
        without.as_object_mut().unwrap().remove(field);
        let mut emptied = good.clone();
        emptied[field] = if value.is_string() { "".into() } else { Value::Null };
        if field != "bridgeIdentity" {
            cases.push((format!("no {field}"), without, MODULE_STRUCTURE));
            if field != "resourceId" {
                cases.push((format!("empty {field}"), emptied, MODULE_STRUCTURE));
            }
        }
    }
    let edits = [
        ("version", json!(2)),
        ("timestamp", json!(1.5)),
        ("timestamp", json!("1")),
        ("fieldChecksums", json!({"a": "no base64!"})),
        ("creatorPublicKey", json!("1111")),
    ];
    for (field, value) in edits {
        let mut edited = good.clone();
        edited[field] = value;
        cases.push((format!("{field} {}", edited[field]), edited, MODULE_STRUCTURE));
    }
    for (name, json, structure) in cases {
        let refused = Dio::open(&encode(&json), structure);
        assert_eq!(refused.unwrap_err(), CryptoError::MalformedDio, "{name}");
    }
    for (name, input) in [("empty", String::new()), ("long", "A".repeat(40_000))] {
        let refused = Dio::open(&input, MODULE_STRUCTURE);
        assert_eq!(refused.unwrap_err(), CryptoError::MalformedDio, "{name}");
    }
    let foreign = sign::seal_blob(&person("bob"), good.to_string().as_bytes());
    let refused = Dio::open(&BASE64_STANDARD.encode(foreign), MODULE_STRUCTURE);
    assert_eq!(refused.unwrap_err(), CryptoError::DioSignature);
}

#[test]
fn generated_ids_have_the_official_form() {
    let mut rng = StdRng::seed_from_u64(3);
    assert_eq!(RandomId::generate(&mut rng).to_string().len(), 16);
    assert_eq!(ContainerKey::generate(&mut rng).id.as_str().len(), 32);
    let secret = ContainerSecret::generate(&mut rng);
    assert_eq!(hex::decode(secret.expose()).unwrap().len(), 32);
    assert!(!format!("{secret:?}").contains(secret.expose()));
}

/// Flips one bit of what a field contains in base64.
fn flip_text(value: &mut Value, field: &str, at: prop::sample::Index, bit: u8) {
    let mut decoded = BASE64_STANDARD.decode(text(&value[field])).unwrap();
    let at = at.index(decoded.len());
    decoded[at] ^= 1 << bit;
    value[field] = BASE64_STANDARD.encode(decoded).into();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn contents_survive_sealing(
        public in prop::collection::vec(any::<u8>(), 0..300),
        private in prop::collection::vec(any::<u8>(), 0..300),
        seed in any::<u64>(),
    ) {
        let author = person("alice");
        let mut rng = StdRng::seed_from_u64(seed);
        let key = ContainerKey::generate(&mut rng);
        let secret = ContainerSecret::generate(&mut rng);
        let contents = Contents { public_meta: &public, private_meta: &private, secret: &secret };
        let data = meta::seal(&author, &origin("alice"), &key, &contents, &mut rng);
        let opened = meta::open(&data, &key).unwrap();
        prop_assert_eq!(opened.public_meta, public);
        prop_assert_eq!(opened.private_meta, private);
        prop_assert_eq!(opened.secret.expose(), secret.expose());
    }

    #[test]
    fn any_flipped_bit_of_contents_is_refused(
        field in prop::sample::select(vec!["dio", "publicMeta", "privateMeta", "internalMeta"]),
        at in any::<prop::sample::Index>(),
        bit in 0u8..8,
    ) {
        let mut world = World::new();
        let mut data = world.contents(&origin("alice"));
        flip_text(&mut data, field, at, bit);
        match meta::open(&data, &world.key) {
            Err(_) => {}
            Ok(opened) => {
                prop_assert_eq!(field, "dio", "header of a signature, which means nothing");
                prop_assert_eq!(opened.dio.origin, origin("alice"));
            }
        }
    }

    #[test]
    fn any_flipped_bit_of_a_key_entry_is_refused(
        field in prop::sample::select(vec!["dio", "encryptedKey"]),
        at in any::<prop::sample::Index>(),
        bit in 0u8..8,
    ) {
        let mut world = World::new();
        let mut entry = world.entry(&origin("alice"));
        flip_text(&mut entry, field, at, bit);
        match world.open(&entry) {
            Err(_) => {}
            Ok(opened) => {
                prop_assert_eq!(field, "dio", "header of a signature, which means nothing");
                prop_assert_eq!(opened.key.expose(), world.key.expose());
            }
        }
    }

    #[test]
    fn signed_nonsense_never_panics(json in "\\PC{0,80}", bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let author = person("alice");
        for data in [json.as_bytes(), &bytes] {
            let encoded = BASE64_STANDARD.encode(sign::seal_blob(&author, data));
            prop_assert!(Dio::open(&encoded, MODULE_STRUCTURE).is_err());
            prop_assert!(Dio::open(&BASE64_STANDARD.encode(data), MODULE_STRUCTURE).is_err());
        }
        prop_assert!(Dio::open(&json, MODULE_STRUCTURE).is_err());
    }

    #[test]
    fn members_who_leave_always_cost_a_new_key(
        before in prop::collection::btree_set("[a-f]", 0..5),
        after in prop::collection::btree_set("[a-f]", 0..5),
        force in any::<bool>(),
    ) {
        let users = |set: &std::collections::BTreeSet<String>| -> Vec<UserId> {
            set.iter().map(|user| UserId::from(user.as_str())).collect()
        };
        let plan = room_key::plan_rotation(&users(&before), &users(&after), force);
        prop_assert_eq!(plan.new_key, force || !before.is_subset(&after));
        let newcomers: std::collections::BTreeSet<_> =
            plan.newcomers.iter().map(|user| user.0.clone()).collect();
        prop_assert_eq!(newcomers, after.difference(&before).cloned().collect());
    }
}
