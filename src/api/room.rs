//! Rooms between their sealed and their open form: create, update, open, and which keys
//! follow from that (crypto.md §6, streams.md §3.4, §11.1 and §11.2).
//!
//! A room that does not verify is still shown, with its status code and without metadata;
//! nothing is ever sealed with its keys.

use std::sync::Arc;

use rand::CryptoRng;

use crate::crypto::CryptoError;
use crate::crypto::dio::BridgeIdentity;
use crate::crypto::dio::Dio;
use crate::crypto::dio::Origin;
use crate::crypto::dio::Place;
use crate::crypto::dio::RandomId;
use crate::crypto::frame::FrameKeys;
use crate::crypto::frame::MediaKey;
use crate::crypto::hash;
use crate::crypto::key::PrivateKey;
use crate::crypto::key::PublicKey;
use crate::crypto::meta;
use crate::crypto::meta::Contents;
use crate::crypto::meta::OpenedRoom;
use crate::crypto::meta::RoomFacts;
use crate::crypto::room_key;
use crate::crypto::room_key::ContainerKey;
use crate::crypto::room_key::ContainerSecret;
use crate::crypto::room_key::OpenedKey;
use crate::model::ContainerPolicy;
use crate::model::ContextId;
use crate::model::KeyId;
use crate::model::RecordingEncKey;
use crate::model::ResourceId;
use crate::model::StreamRoom;
use crate::model::StreamRoomId;
use crate::model::Timestamp;
use crate::model::UserId;
use crate::model::UserWithPubKey;
use crate::wire::dto::stream_room;
use crate::wire::dto::stream_room::ROOM_TYPE;
use crate::wire::dto::stream_room::StreamRoomCreate;
use crate::wire::dto::stream_room::StreamRoomUpdate;

use super::error::ApiError;
use super::key_ring::Anchor;
use super::key_ring::RoomKeys;
use super::users::VerificationRequest;

/// A room to be created.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewStreamRoom {
    /// Where.
    pub context_id: ContextId,
    /// Members that may take part, with their keys as `list_users` tells them.
    pub users: Vec<UserWithPubKey>,
    /// Members that may change the room; the creator has to be one.
    pub managers: Vec<UserWithPubKey>,
    /// Readable by the bridge.
    pub public_meta: Vec<u8>,
    /// Readable by members only. Both together have room for about 1.7 kB.
    pub private_meta: Vec<u8>,
    /// Who may do what; `None` takes everything from the Context.
    pub policy: Option<ContainerPolicy>,
}

/// A room as it shall become.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamRoomChange {
    /// The room.
    pub stream_room_id: StreamRoomId,
    /// All members that may take part from now on.
    pub users: Vec<UserWithPubKey>,
    /// All members that may change the room from now on.
    pub managers: Vec<UserWithPubKey>,
    /// Readable by the bridge.
    pub public_meta: Vec<u8>,
    /// Readable by members only.
    pub private_meta: Vec<u8>,
    /// The version that this replaces, as `get_stream_room` told it.
    pub version: i64,
    /// Replace whatever version there is.
    pub force: bool,
    /// Make a new key even if nobody loses access.
    pub force_generate_new_key: bool,
    /// Who may do what; `None` leaves it as it is.
    pub policy: Option<ContainerPolicy>,
}

/// Who acts, and through which bridge: what signed statements name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Author<'a> {
    pub(super) key: &'a PrivateKey,
    pub(super) user: &'a UserId,
    pub(super) bridge: &'a BridgeIdentity,
    pub(super) now: Timestamp,
}

impl Author<'_> {
    pub(super) fn origin(&self, place: Place, rng: &mut impl CryptoRng) -> Origin {
        Origin {
            user: self.user.clone(),
            place,
            timestamp: self.now,
            random_id: RandomId::generate(rng),
            bridge: Some(self.bridge.clone()),
        }
    }
}

/// A room after opening.
#[derive(Debug)]
pub(super) struct Opened {
    /// What the application sees.
    pub(super) room: StreamRoom,
    /// What can be done with it; nothing if its status code is not 0.
    pub(super) trusted: Option<Trusted>,
}

/// The parts of a room that verified.
#[derive(Debug)]
pub(super) struct Trusted {
    place: Place,
    contents: OpenedRoom,
    current: KeyId,
    /// Each belongs to the room whose secret is in `contents`.
    keys: Vec<OpenedKey>,
}

impl Trusted {
    /// What never changes about the room, and what the bridge cannot make.
    pub(super) fn anchor(&self) -> Anchor {
        hash::sha256(self.contents.secret.expose().as_bytes())
    }

    /// Where the room is, as everything signed for it says.
    pub(super) const fn place(&self) -> &Place {
        &self.place
    }

    /// Every key that belongs to the room and that this user holds.
    pub(super) fn keys(&self) -> std::slice::Iter<'_, OpenedKey> {
        self.keys.iter()
    }

    /// The key in force.
    pub(super) fn current_key(&self) -> Option<&ContainerKey> {
        self.keys().map(|opened| &opened.key).find(|key| key.id == self.current)
    }

    /// The keys of everything that was ever sealed in the room.
    pub(super) fn recording_keys(&self) -> Vec<RecordingEncKey> {
        let keys = room_key::media_keys(&self.keys).into_iter();
        keys.map(|MediaKey { id, key }| RecordingEncKey { id, key }).collect()
    }

    /// The keys for media: the current one seals, all of them open.
    pub(super) fn room_keys(&self, version: i64) -> RoomKeys {
        let older = self.keys.iter().map(|opened| &opened.key.id);
        let frame = FrameKeys::new(self.current.clone(), room_key::media_keys(&self.keys));
        RoomKeys {
            version,
            anchor: self.anchor(),
            current: self.current.clone(),
            older: older.filter(|id| **id != self.current).cloned().collect(),
            frame: Arc::new(frame),
        }
    }
}

/// Opens a room. `accepts` is asked about each author.
pub(super) fn open(
    sealed: &stream_room::StreamRoom,
    reader: &PrivateKey,
    accepts: impl Fn(&VerificationRequest) -> bool,
) -> Opened {
    match open_contents(sealed, reader, accepts) {
        Ok(trusted) => {
            let OpenedRoom { public_meta, private_meta, .. } = &trusted.contents;
            let room = sealed.to_model(public_meta.clone(), private_meta.clone(), 0);
            Opened { room, trusted: Some(trusted) }
        }
        Err(error) => {
            tracing::info!(room = sealed.id, %error, "a room does not verify");
            refused(sealed, &error)
        }
    }
}

/// A room that is shown without what it says.
pub(super) fn refused(sealed: &stream_room::StreamRoom, error: &CryptoError) -> Opened {
    Opened { room: sealed.to_model(Vec::new(), Vec::new(), error.code()), trusted: None }
}

/// Whose keys have to be known to open a room.
pub(super) fn authors(sealed: &stream_room::StreamRoom) -> Vec<&str> {
    // Those who wrote keys are members or former ones, so the list of users has them too.
    vec![sealed.last_modifier.as_str(), sealed.creator.as_str()]
}

fn open_contents(
    sealed: &stream_room::StreamRoom,
    reader: &PrivateKey,
    accepts: impl Fn(&VerificationRequest) -> bool,
) -> Result<Trusted, CryptoError> {
    let version = sealed.data.last().ok_or(CryptoError::UnknownRoomFormat)?;
    let current = KeyId(version.key_id.clone());
    let place = Place {
        context: ContextId(sealed.context_id.clone()),
        resource: ResourceId(sealed.resource_id.clone().unwrap_or_default()),
    };
    let (ids, data): (Vec<_>, Vec<_>) =
        sealed.keys.iter().map(|entry| (KeyId(entry.key_id.clone()), &entry.data)).unzip();
    let mut keys = Vec::new();
    let mut refused = CryptoError::MalformedKeyEntry;
    for (id, opened) in room_key::open_entries(reader, ids.iter().zip(data), &place) {
        let opened = opened.and_then(|key| match &key.proof {
            Some(proof) if !accepts(&request(&proof.dio)) => Err(CryptoError::UserVerification),
            _ => Ok(key),
        });
        match opened {
            Ok(key) => keys.push(key),
            Err(error) if id == current => refused = error,
            Err(error) => tracing::debug!(key = %id, %error, "a key is left out"),
        }
    }
    let key = keys.iter().find(|opened| opened.key.id == current).ok_or(refused)?;
    let facts = RoomFacts {
        place: place.clone(),
        last_modifier: UserId(sealed.last_modifier.clone()),
        last_modification_date: Timestamp(sealed.last_modification_date),
    };
    let contents = meta::open_room(&version.data, &key.key, &facts)?;
    if !accepts(&request(&contents.dio)) {
        return Err(CryptoError::UserVerification);
    }
    // Whoever wrote the contents has to know the secret that ties the keys to the room.
    key.check_secret(&contents.secret)?;
    keys.retain(|opened| {
        let belongs = opened.check_secret(&contents.secret);
        if let Err(error) = &belongs {
            tracing::debug!(key = %opened.key.id, %error, "a key is left out");
        }
        belongs.is_ok()
    });
    Ok(Trusted { place, contents, current, keys })
}

/// What is asked about the author of a statement.
pub(super) fn request(dio: &Dio) -> VerificationRequest {
    VerificationRequest {
        context: dio.origin.place.context.clone(),
        user: dio.origin.user.clone(),
        pub_key: dio.creator.to_base58(),
        date: dio.origin.timestamp,
    }
}

/// Seals a new room.
pub(super) fn seal_new(
    author: &Author<'_>,
    new: &NewStreamRoom,
    resource: ResourceId,
    rng: &mut impl CryptoRng,
) -> Result<StreamRoomCreate, ApiError> {
    let place = Place { context: new.context_id.clone(), resource };
    let origin = author.origin(place, rng);
    let key = ContainerKey::generate(rng);
    let secret = ContainerSecret::generate(rng);
    let members = members(&new.users, &new.managers)?;
    let contents = Contents {
        public_meta: &new.public_meta,
        private_meta: &new.private_meta,
        secret: &secret,
    };
    let entries = room_key::seal_for_members(author.key, &origin, &members, &key, &secret, rng);
    Ok(StreamRoomCreate {
        context_id: new.context_id.0.clone(),
        resource_id: Some(origin.place.resource.0.clone()),
        room_type: Some(ROOM_TYPE.to_owned()),
        users: ids(&new.users),
        managers: ids(&new.managers),
        data: meta::seal(author.key, &origin, &key, &contents, rng),
        key_id: key.id.0.clone(),
        keys: entries.into_iter().map(entry).collect(),
        policy: new.policy.clone().map(Into::into),
    })
}

/// Seals the next version of a room: with a new key if somebody loses access or the caller
/// wants one, and with all keys made so far for those who are new.
pub(super) fn seal_change(
    author: &Author<'_>,
    change: &StreamRoomChange,
    before: &stream_room::StreamRoom,
    trusted: &Trusted,
    rng: &mut impl CryptoRng,
) -> Result<StreamRoomUpdate, ApiError> {
    let origin = author.origin(trusted.place.clone(), rng);
    let members = members(&change.users, &change.managers)?;
    let former: Vec<UserId> =
        before.users.iter().chain(&before.managers).map(|id| UserId(id.clone())).collect();
    let current: Vec<UserId> = members.iter().map(|(user, _)| user.clone()).collect();
    let plan = room_key::plan_rotation(&former, &current, change.force_generate_new_key);
    let newcomers: Vec<_> =
        members.iter().filter(|(user, _)| plan.newcomers.contains(user)).cloned().collect();
    let secret = &trusted.contents.secret;
    let old: Vec<_> = trusted.keys.iter().filter(|key| key.proof.is_some()).collect();
    let mut entries =
        room_key::seal_for_newcomers(author.key, &origin, &newcomers, &old, secret, rng)
            .map_err(crypto)?;
    let fresh = plan.new_key.then(|| ContainerKey::generate(rng));
    if let Some(key) = &fresh {
        let sealed = room_key::seal_for_members(author.key, &origin, &members, key, secret, rng);
        entries.extend(sealed);
    }
    let in_use = trusted.keys.iter().find(|opened| opened.key.id == trusted.current);
    let key = fresh.as_ref().or(in_use.map(|opened| &opened.key));
    let key = key.ok_or(ApiError::Crypto("the room has no current key".to_owned()))?;
    let contents =
        Contents { public_meta: &change.public_meta, private_meta: &change.private_meta, secret };
    Ok(StreamRoomUpdate {
        id: change.stream_room_id.0.clone(),
        resource_id: Some(trusted.place.resource.0.clone()),
        users: ids(&change.users),
        managers: ids(&change.managers),
        data: meta::seal(author.key, &origin, key, &contents, rng),
        key_id: key.id.0.clone(),
        keys: entries.into_iter().map(entry).collect(),
        version: change.version,
        force: change.force,
        policy: change.policy.clone().map(Into::into),
    })
}

fn entry(entry: room_key::KeyEntry) -> stream_room::KeyEntry {
    stream_room::KeyEntry { user: entry.user.0, key_id: entry.key_id.0, data: entry.data }
}

fn ids(users: &[UserWithPubKey]) -> Vec<String> {
    users.iter().map(|user| user.user_id.0.clone()).collect()
}

/// Users and managers, each once.
fn members(
    users: &[UserWithPubKey],
    managers: &[UserWithPubKey],
) -> Result<Vec<(UserId, PublicKey)>, ApiError> {
    let mut members: Vec<(UserId, PublicKey)> = Vec::new();
    for member in users.iter().chain(managers) {
        let key = public_key(&member.pub_key)?;
        match members.iter().find(|(user, _)| *user == member.user_id) {
            None => members.push((member.user_id.clone(), key)),
            Some((_, known)) if *known == key => {}
            Some(_) => {
                return Err(ApiError::Invalid {
                    what: "members",
                    reason: format!("{} is given with two different keys", member.user_id),
                });
            }
        }
    }
    Ok(members)
}

/// Reads a public key that the application passed.
pub(super) fn public_key(text: &str) -> Result<PublicKey, ApiError> {
    PublicKey::from_base58(text).map_err(|_| ApiError::Invalid {
        what: "public key",
        reason: format!("{text:?} is not the base58 of a public key"),
    })
}

/// An error of the crypto layer for the application.
pub(super) fn crypto(error: CryptoError) -> ApiError {
    ApiError::Crypto(error.to_string())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rand::SeedableRng;
    use rand::rngs::StdRng;
    use serde_json::Value;

    use super::*;
    use crate::api::key_ring::KeyRing;
    use crate::api::key_ring::Refusal;
    use crate::wire::dto::event::Payload;

    fn recorded() -> Value {
        serde_json::from_str(include_str!("../../tests/data/endpoint.json")).unwrap()
    }

    fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
        value.as_object().unwrap().iter()
    }

    /// Every room that a user got, in answers and in events, in order.
    fn rooms(user: &Value) -> Vec<stream_room::StreamRoom> {
        let mut rooms = Vec::new();
        for step in user["wire"].as_array().unwrap() {
            let event = step["event"].as_str().unwrap_or_default();
            if let Ok(Payload::StreamRoomCreated(room) | Payload::StreamRoomUpdated(room)) =
                Payload::parse(event, step["data"].clone())
            {
                rooms.push(*room);
            }
            let result = &step["result"];
            let listed = result["list"].as_array().into_iter().flatten();
            for room in listed.chain(result.get("streamRoom")) {
                if room.get("resourceId").is_some() {
                    rooms.push(serde_json::from_value(room.clone()).unwrap());
                }
            }
        }
        rooms
    }

    #[test]
    fn recorded_rooms_open_to_what_the_official_client_showed() {
        let recorded = recorded();
        let mut compared = 0;
        for (generation, transcript) in members(&recorded["transcripts"]) {
            let Some(users) = transcript.get("users") else { continue };
            for (name, user) in members(users) {
                let key = PrivateKey::from_wif(user["wif"].as_str().unwrap()).unwrap();
                let opened: Vec<_> =
                    rooms(user).iter().map(|room| open(room, &key, |_| true).room).collect();
                for shown in user["clientDecrypted"].as_array().unwrap() {
                    let same = opened.iter().any(|room| {
                        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
                        let names =
                            |ids: &[UserId]| ids.iter().map(|id| id.0.clone()).collect::<Vec<_>>();
                        room.version == shown["version"]
                            && room.stream_room_id.as_str() == shown["streamRoomId"]
                            && room.status_code == shown["statusCode"]
                            && room.closed == shown["closed"]
                            && text(&room.public_meta) == shown["publicMeta"].as_str().unwrap()
                            && text(&room.private_meta) == shown["privateMeta"].as_str().unwrap()
                            && serde_json::to_value(names(&room.users)).unwrap() == shown["users"]
                            && serde_json::to_value(names(&room.managers)).unwrap()
                                == shown["managers"]
                    });
                    assert!(same, "{generation} {name} {shown}\nopened: {opened:#?}");
                    compared += 1;
                }
            }
        }
        assert_eq!(compared, 12);
    }

    #[test]
    fn media_keys_are_those_of_the_official_client() {
        let recorded = recorded();
        let mut compared = 0;
        for (generation, transcript) in members(&recorded["transcripts"]) {
            let Some(users) = transcript.get("users") else { continue };
            for (name, user) in members(users) {
                let key = PrivateKey::from_wif(user["wif"].as_str().unwrap()).unwrap();
                let mut derived = BTreeMap::new();
                let mut current = Vec::new();
                for room in rooms(user) {
                    let trusted = open(&room, &key, |_| true).trusted.unwrap();
                    current.push(trusted.current.0.clone());
                    for media in room_key::media_keys(&trusted.keys) {
                        derived.insert(media.id.0, hex::encode(media.key.expose()));
                    }
                }
                for entry in user["mediaKeys"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .flat_map(|list| list.as_array().unwrap())
                {
                    let id = entry.get("keyId").or_else(|| entry.get("id")).unwrap();
                    let id = id.as_str().unwrap();
                    assert_eq!(derived[id], entry["key"].as_str().unwrap(), "{generation} {name}");
                    if entry["type"] == "local" {
                        assert!(current.iter().any(|known| known == id), "{generation} {name}");
                    }
                    compared += 1;
                }
            }
        }
        assert_eq!(compared, 8);
    }

    struct World {
        rng: StdRng,
        bridge: BridgeIdentity,
        keys: BTreeMap<&'static str, PrivateKey>,
    }

    impl World {
        fn new() -> Self {
            let mut rng = StdRng::seed_from_u64(7);
            let names = ["ana", "ben", "chi"];
            let keys = names.map(|name| (name, PrivateKey::generate(&mut rng))).into();
            let url = "http://127.0.0.1/api/v2.0".to_owned();
            Self { rng, bridge: BridgeIdentity { instance_id: None, pub_key: None, url }, keys }
        }

        fn users(&self, names: &[&str]) -> Vec<UserWithPubKey> {
            let user = |name: &&str| UserWithPubKey {
                user_id: (*name).into(),
                pub_key: self.keys[name].public_key().to_base58(),
            };
            names.iter().map(user).collect()
        }

        fn create(&mut self, names: &[&str]) -> stream_room::StreamRoom {
            let new = NewStreamRoom {
                context_id: "c".into(),
                users: self.users(names),
                managers: self.users(&["ana"]),
                public_meta: b"public".to_vec(),
                private_meta: b"private".to_vec(),
                policy: None,
            };
            let (user, now) = (UserId::from("ana"), Timestamp(1_000_000));
            let author = Author { key: &self.keys["ana"], user: &user, bridge: &self.bridge, now };
            let call = seal_new(&author, &new, "r-1".into(), &mut self.rng).unwrap();
            stored(None, &call.users, &call.managers, (&call.key_id, &call.data), &call.keys)
        }

        fn update(
            &mut self,
            before: &stream_room::StreamRoom,
            names: &[&str],
        ) -> (StreamRoomUpdate, stream_room::StreamRoom) {
            let trusted = self.open(before, "ana").trusted.unwrap();
            let change = StreamRoomChange {
                stream_room_id: "room".into(),
                users: self.users(names),
                managers: self.users(&["ana"]),
                public_meta: b"public 2".to_vec(),
                private_meta: b"private 2".to_vec(),
                version: before.version,
                ..StreamRoomChange::default()
            };
            let (user, now) = (UserId::from("ana"), Timestamp(1_000_500));
            let author = Author { key: &self.keys["ana"], user: &user, bridge: &self.bridge, now };
            let call = seal_change(&author, &change, before, &trusted, &mut self.rng).unwrap();
            let data = (call.key_id.as_str(), &call.data);
            let after = stored(Some(before), &call.users, &call.managers, data, &call.keys);
            (call, after)
        }

        fn open(&self, room: &stream_room::StreamRoom, name: &str) -> Opened {
            let mut own = room.clone();
            // The bridge gives everybody only their own entries.
            own.keys.retain_mut(|key| {
                let mine = key.data["user"] == name;
                key.data = key.data["data"].take();
                mine
            });
            open(&own, &self.keys[name], |_| true)
        }
    }

    /// What a bridge stores: entries of all users, each with its user beside it.
    fn stored(
        before: Option<&stream_room::StreamRoom>,
        users: &[String],
        managers: &[String],
        (key_id, data): (&str, &Value),
        keys: &[stream_room::KeyEntry],
    ) -> stream_room::StreamRoom {
        let mut all = before.map(|room| room.keys.clone()).unwrap_or_default();
        all.extend(keys.iter().map(|entry| stream_room::RoomKey {
            key_id: entry.key_id.clone(),
            data: serde_json::json!({ "user": entry.user, "data": entry.data }),
        }));
        let mut history = before.map(|room| room.data.clone()).unwrap_or_default();
        history.push(stream_room::RoomData { key_id: key_id.to_owned(), data: data.clone() });
        stream_room::StreamRoom {
            id: "room".into(),
            resource_id: Some("r-1".into()),
            context_id: "c".into(),
            create_date: 1_000_000,
            creator: "ana".into(),
            last_modification_date: 1_000_100,
            last_modifier: "ana".into(),
            version: i64::try_from(history.len()).unwrap(),
            data: history,
            key_id: key_id.to_owned(),
            users: users.to_vec(),
            managers: managers.to_vec(),
            keys: all,
            room_type: Some(ROOM_TYPE.to_owned()),
            policy: stream_room::Policy::default(),
            closed: false,
        }
    }

    #[test]
    fn member_opens_a_room_and_a_stranger_does_not() {
        let mut world = World::new();
        let room = world.create(&["ana", "ben"]);
        let opened = world.open(&room, "ben");
        assert_eq!(opened.room.status_code, 0);
        assert_eq!(opened.room.private_meta, b"private");
        let stranger = world.open(&room, "chi");
        assert_ne!(stranger.room.status_code, 0);
        assert!(stranger.room.private_meta.is_empty() && stranger.trusted.is_none());
    }

    #[test]
    fn key_rotates_when_somebody_leaves_and_newcomers_get_old_keys() {
        let mut world = World::new();
        let first = world.create(&["ana", "ben"]);
        let (grown, second) = world.update(&first, &["ana", "ben", "chi"]);
        assert_eq!(grown.key_id, first.key_id, "nobody left");
        assert_eq!(grown.keys.len(), 1, "only for the newcomer");
        assert_eq!(world.open(&second, "chi").room.private_meta, b"private 2");
        let (shrunk, third) = world.update(&second, &["ana", "chi"]);
        assert_ne!(shrunk.key_id, first.key_id);
        assert!(shrunk.keys.iter().all(|entry| entry.user != "ben"));
        assert!(world.open(&third, "ben").trusted.is_none());
        let trusted = world.open(&third, "chi").trusted.unwrap();
        let keys = trusted.room_keys(3).frame;
        assert_eq!(keys.current().as_str(), shrunk.key_id);
        assert!(keys.contains(&KeyId(first.key_id)), "what was said before stays readable");
    }

    #[test]
    fn forged_and_replayed_updates_do_not_change_the_key_of_a_call() {
        let mut world = World::new();
        let first = world.create(&["ana", "ben", "chi"]);
        let (_, second) = world.update(&first, &["ana", "ben"]);
        let keys = |room: &stream_room::StreamRoom, version| {
            world.open(room, "ben").trusted.unwrap().room_keys(version)
        };
        // Ben joins at the first version and hears of the second.
        let mut ring = KeyRing::new(keys(&first, 1));
        ring.accept(keys(&second, 2)).unwrap();
        let current = ring.keys().current.clone();
        assert_ne!(current.0, first.key_id);
        // The first version again, which chi can read, under a higher number.
        assert_eq!(ring.accept(keys(&first, 3)), Err(Refusal::Replayed));
        assert_eq!(ring.accept(keys(&first, 1)), Err(Refusal::Outdated));
        // Nor is it accepted by somebody who joined at the second version.
        let mut later = KeyRing::new(keys(&second, 2));
        assert_eq!(later.accept(keys(&first, 3)), Err(Refusal::Replayed));
        // The bridge plays a member of its own, whose room verifies in itself.
        let mut forger = World::new();
        forger.rng = StdRng::seed_from_u64(8);
        let forged = forger.create(&["ana", "ben"]);
        let forged = world.open(&forged, "ben").trusted.unwrap().room_keys(3);
        assert_eq!(ring.accept(forged), Err(Refusal::AnotherRoom));
        assert_eq!(ring.keys().current, current);
        ring.accept(keys(&second, 2)).unwrap();
        ring.accept(keys(&second, 4)).unwrap();
    }

    #[test]
    fn contents_of_somebody_who_does_not_know_the_secret_do_not_verify() {
        let mut world = World::new();
        let room = world.create(&["ana", "ben"]);
        let trusted = world.open(&room, "ben").trusted.unwrap();
        let (user, now) = (UserId::from("ana"), Timestamp(1_000_000));
        let author = Author { key: &world.keys["ana"], user: &user, bridge: &world.bridge, now };
        let origin = author.origin(trusted.place.clone(), &mut world.rng);
        let secret = ContainerSecret::generate(&mut world.rng);
        let contents = Contents { public_meta: b"", private_meta: b"", secret: &secret };
        let key = &trusted.keys[0].key;
        let data = meta::seal(author.key, &origin, key, &contents, &mut world.rng);
        let mut forged = room.clone();
        forged.data.push(stream_room::RoomData { key_id: room.key_id.clone(), data });
        let opened = world.open(&forged, "ben");
        assert_eq!(opened.room.status_code, CryptoError::RoomKeyValidation.code());
        assert!(opened.trusted.is_none());
    }

    #[test]
    fn author_that_is_not_accepted_gives_the_status_of_official_clients() {
        let mut world = World::new();
        let mut room = world.create(&["ana"]);
        room.keys.iter_mut().for_each(|key| key.data = key.data["data"].take());
        let opened = open(&room, &world.keys["ana"], |request| request.user.as_str() != "ana");
        assert_eq!(opened.room.status_code, 0x0001_000E);
        let opened = open(&room, &world.keys["ana"], |request| {
            request.pub_key == world.keys["ana"].public_key().to_base58()
        });
        assert_eq!(opened.room.status_code, 0);
        room.last_modifier = "ben".into();
        assert_eq!(open(&room, &world.keys["ana"], |_| true).room.status_code, 0x0008_0018);
    }
}
