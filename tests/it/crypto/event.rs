//! Custom context events, against the official library.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use conclave::crypto::CryptoError;
use conclave::crypto::dio::BridgeIdentity;
use conclave::crypto::dio::Origin;
use conclave::crypto::dio::Place;
use conclave::crypto::dio::RandomId;
use conclave::crypto::ecies;
use conclave::crypto::event;
use conclave::crypto::event::OpenedEvent;
use conclave::crypto::event::ReceivedEvent;
use conclave::crypto::event::SealedEvent;
use conclave::crypto::key::PrivateKey;
use conclave::crypto::key::PublicKey;
use conclave::crypto::room_key::ContainerKey;
use conclave::model::ContextId;
use conclave::model::ResourceId;
use conclave::model::Timestamp;
use conclave::model::UserId;
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::Value;

use super::fixture::bytes;
use super::fixture::number;
use super::fixture::person;
use super::fixture::text;
use super::fixture::vector;

#[test]
fn an_event_of_an_official_client_opens() {
    let message = vector("notification-message");
    let case = vector("custom-event");
    let data = &message["event"]["data"];
    let reader = person(text(&case["recipient"]));
    let author = PublicKey::from_base58(text(&data["author"]["pub"])).unwrap();
    let received = ReceivedEvent {
        context: &ContextId::from(text(&data["id"])),
        user: &UserId::from(text(&data["author"]["id"])),
        author: &author,
        key: text(&data["key"]),
        data: &data["eventData"],
    };
    let opened = event::open(&reader, &received).unwrap();
    assert_eq!(opened.payload, bytes(&case["payload_hex"]));
    assert_eq!(opened.kind, None);
    let (dio, stated) = (&opened.dio, &case["dio"]);
    assert_eq!(dio.creator, author);
    assert_eq!(dio.origin.random_id.0, text(&stated["randomId"]));
    assert_eq!(dio.origin.timestamp.0, number(&stated["timestamp"]));
    let bridge: BridgeIdentity = serde_json::from_value(stated["bridgeIdentity"].clone()).unwrap();
    assert_eq!(dio.origin.bridge, Some(bridge));

    let wrapped = BASE64_STANDARD.decode(received.key).unwrap();
    let key = ecies::open(&reader, &wrapped).unwrap();
    assert_eq!(*key.plaintext.expose(), bytes(&case["event_key_hex"]));
}

fn origin() -> Origin {
    Origin {
        user: UserId::from("alice"),
        place: Place { context: ContextId::from("ctx"), resource: ResourceId::from("a room") },
        timestamp: Timestamp(1),
        random_id: RandomId("0011223344556677".into()),
        bridge: None,
    }
}

fn seal(author: &PrivateKey, kind: Option<&str>) -> SealedEvent {
    let recipients = [(UserId::from("bob"), person("bob").public_key().clone())];
    event::seal(author, &origin(), kind, b"payload", &recipients, &mut StdRng::seed_from_u64(5))
}

fn open(
    reader: &str,
    context: &str,
    user: &str,
    author: &str,
    sealed: &SealedEvent,
) -> Result<OpenedEvent, CryptoError> {
    let author = person(author);
    let received = ReceivedEvent {
        context: &ContextId::from(context),
        user: &UserId::from(user),
        author: author.public_key(),
        key: &sealed.keys[0].1,
        data: &sealed.data,
    };
    event::open(&person(reader), &received)
}

#[test]
fn events_are_bound_to_context_and_author() {
    let sealed = seal(&person("alice"), None);
    let opened = open("bob", "ctx", "alice", "alice", &sealed).unwrap();
    assert_eq!(opened.payload, b"payload");
    assert_eq!(opened.dio.origin.place.resource.as_str(), "");
    let forged = {
        // The server puts its own event where alice's was.
        let mut forged = seal(&person("server"), None);
        forged.keys = sealed.keys.clone();
        forged
    };
    let cases = [
        ("another reader", open("server", "ctx", "alice", "alice", &sealed)),
        ("another context", open("bob", "other", "alice", "alice", &sealed)),
        ("another user", open("bob", "ctx", "bob", "alice", &sealed)),
        ("another author", open("bob", "ctx", "alice", "server", &sealed)),
        ("exchanged content", open("bob", "ctx", "alice", "alice", &forged)),
    ];
    let expected = [
        CryptoError::MalformedKeyEntry,
        CryptoError::RoomIntegrity,
        CryptoError::RoomIntegrity,
        CryptoError::MalformedKeyEntry,
        CryptoError::RoomIntegrity,
    ];
    for ((name, result), expected) in cases.into_iter().zip(expected) {
        assert_eq!(result.unwrap_err(), expected, "{name}");
    }
}

#[test]
fn kind_of_event_is_signed() {
    let sealed = seal(&person("alice"), Some("conclave/admission"));
    let opened = open("bob", "ctx", "alice", "alice", &sealed).unwrap();
    assert_eq!(opened.kind.as_deref(), Some("conclave/admission"));
    let mut changed = sealed.clone();
    changed.data["type"] = "another".into();
    let mut removed = sealed;
    removed.data.as_object_mut().unwrap().remove("type");
    let mut added = seal(&person("alice"), None);
    added.data["type"] = "another".into();
    for (name, event) in [("changed", changed), ("removed", removed), ("added", added)] {
        let refused = open("bob", "ctx", "alice", "alice", &event).unwrap_err();
        assert_eq!(refused, CryptoError::DioChecksum, "{name}");
    }
}

#[test]
fn malformed_events_are_refused() {
    let sealed = seal(&person("alice"), None);
    let edit = |field: &str, value: Value| {
        let mut edited = sealed.clone();
        edited.data[field] = value;
        edited
    };
    let mut long_key = sealed.clone();
    long_key.keys[0].1 = "A".repeat(2000);
    let cases = [
        ("version 4", edit("version", 4.into()), CryptoError::UnknownDataVersion),
        ("no version", edit("version", Value::Null), CryptoError::UnknownDataVersion),
        ("no object", edit("dio", Value::Null), CryptoError::MalformedBox),
        ("other data", edit("encryptedData", "AAAA".into()), CryptoError::DioChecksum),
        ("long key", long_key, CryptoError::MalformedKeyEntry),
    ];
    for (name, event, expected) in cases {
        let refused = open("bob", "ctx", "alice", "alice", &event).unwrap_err();
        assert_eq!(refused, expected, "{name}");
    }
}

#[test]
fn events_for_a_room_are_bound_to_it_its_key_and_their_author() {
    let mut rng = StdRng::seed_from_u64(12);
    let ana = PrivateKey::generate(&mut rng);
    let key = ContainerKey::generate(&mut rng);
    let place = Place { context: "c".into(), resource: "r".into() };
    let origin = Origin { place: place.clone(), ..origin() };
    let user = origin.user.clone();
    let data = event::seal_for_room(&ana, &origin, b"hello", &key, &mut rng);
    let open = |key: &ContainerKey, place: &Place, user: &UserId, author: &PublicKey| {
        event::open_from_room(key, place, user, author, &data)
    };
    let opened = open(&key, &place, &user, ana.public_key()).unwrap();
    assert_eq!((opened.payload.as_slice(), opened.kind), (&b"hello"[..], None));
    let elsewhere = Place { resource: "s".into(), ..place.clone() };
    let ben = PrivateKey::generate(&mut rng);
    let other_key = ContainerKey::new(key.id.clone(), [1; 32]);
    let another = Err(CryptoError::RoomIntegrity);
    assert_eq!(open(&key, &elsewhere, &user, ana.public_key()).map(drop), another);
    assert_eq!(open(&key, &place, &"eve".into(), ana.public_key()).map(drop), another);
    assert_eq!(open(&key, &place, &user, ben.public_key()).map(drop), another);
    assert!(open(&other_key, &place, &user, ana.public_key()).is_err());
    // Nor does it pass as a message between users.
    let as_context = event::ReceivedEvent {
        context: &place.context,
        user: &user,
        author: ana.public_key(),
        key: "",
        data: &data,
    };
    assert!(event::open(&ben, &as_context).is_err());
}
