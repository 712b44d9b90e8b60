//! Rooms as official programs recorded them: integrity objects, key entries, contents.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use conclave::crypto::CryptoError;
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
use conclave::crypto::room_key::Rotation;
use conclave::model::KeyId;
use conclave::model::Timestamp;
use conclave::model::UserId;
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::Value;

use super::fixture::ScriptedRng;
use super::fixture::array;
use super::fixture::bytes;
use super::fixture::dio_json;
use super::fixture::endpoint;
use super::fixture::facts;
use super::fixture::list;
use super::fixture::number;
use super::fixture::person;
use super::fixture::place;
use super::fixture::text;
use super::fixture::vector;

fn origin_of(dio: &Value) -> Origin {
    Origin {
        user: UserId::from(text(&dio["creatorUserId"])),
        place: place(text(&dio["contextId"]), text(&dio["resourceId"])),
        timestamp: Timestamp(number(&dio["timestamp"])),
        random_id: RandomId(text(&dio["randomId"]).into()),
        bridge: Some(serde_json::from_value(dio["bridgeIdentity"].clone()).unwrap()),
    }
}

#[test]
fn a_room_is_reproduced_byte_for_byte() {
    let case = vector("room-deterministic");
    let inputs = &case["inputs"];
    let (author, recipient) = (person(text(&inputs["author"])), person(text(&inputs["recipient"])));
    let origin = Origin {
        user: UserId::from(text(&inputs["user_id"])),
        place: place(text(&inputs["context_id"]), text(&inputs["resource_id"])),
        timestamp: Timestamp(number(&inputs["timestamp"])),
        random_id: RandomId(text(&inputs["random_id"]).into()),
        bridge: Some(serde_json::from_value(inputs["bridge_identity"].clone()).unwrap()),
    };
    let key_id = KeyId::from(text(&inputs["key_id"]));
    let key = ContainerKey::new(key_id.clone(), array(&inputs["container_key_hex"]));
    let secret = ContainerSecret::new(text(&inputs["container_secret"]).into());

    let mut rng = ScriptedRng::new(&[&bytes(&inputs["key_secret"])]);
    let entry =
        room_key::seal_entry(&author, &origin, recipient.public_key(), &key, &secret, &mut rng);
    rng.assert_used_up();
    assert_eq!(entry, case["key_entry"]);
    assert_eq!(dio_json(&entry["dio"]), text(&case["key_dio_json"]));

    let ivs = [bytes(&inputs["private_iv_hex"]), bytes(&inputs["internal_iv_hex"])];
    let mut rng = ScriptedRng::new(&[&ivs[0], &ivs[1]]);
    let contents = Contents {
        public_meta: text(&inputs["public_meta"]).as_bytes(),
        private_meta: text(&inputs["private_meta"]).as_bytes(),
        secret: &secret,
    };
    let data = meta::seal(&author, &origin, &key, &contents, &mut rng);
    rng.assert_used_up();
    assert_eq!(data, case["module_data"]);
    assert_eq!(dio_json(&data["dio"]), text(&case["module_dio_json"]));

    let opened = room_key::open_entry(&recipient, &key_id, &entry, &origin.place).unwrap();
    opened.check_secret(&secret).unwrap();
    let facts = facts(origin.place.clone(), "alice", origin.timestamp.0);
    let room = meta::open_room(&data, &opened.key, &facts).unwrap();
    assert_eq!(room.public_meta, contents.public_meta);
    assert_eq!(room.private_meta, contents.private_meta);
    assert_eq!(room.secret.expose(), secret.expose());
    assert_eq!(room.dio.origin, origin);
}

#[test]
fn a_room_of_an_official_client_opens() {
    let case = vector("room-create-from-endpoint");
    let (params, reader) = (&case["params"], person(text(&case["recipient"])));
    let place = place(text(&params["contextId"]), text(&params["resourceId"]));
    let entry = list(&params["keys"]).iter().find(|entry| entry["user"] == "bob").unwrap();
    let id = KeyId::from(text(&entry["keyId"]));
    let opened = room_key::open_entry(&reader, &id, &entry["data"], &place).unwrap();
    assert_eq!(opened.key.expose().to_vec(), bytes(&case["container_key_hex"]));
    let proof = &opened.proof.as_ref().unwrap().dio;
    assert_eq!(proof.origin, origin_of(&case["key_dio"]));
    assert_eq!(proof.creator, *person("alice").public_key());

    let date = number(&case["module_dio"]["timestamp"]);
    let facts = facts(place.clone(), "alice", date + 4 * 60_000);
    let room = meta::open_room(&params["data"], &opened.key, &facts).unwrap();
    assert_eq!(room.public_meta, bytes(&case["public_meta_hex"]));
    assert_eq!(room.private_meta, bytes(&case["private_meta_hex"]));
    assert_eq!(room.secret.expose(), text(&case["internal_meta"]["secret"]));
    assert_eq!(room.dio.origin, origin_of(&case["module_dio"]));
    opened.check_secret(&room.secret).unwrap();
    let tie =
        room_key::secret_hash(&room.secret, text(&case["key_secret_text"]).as_bytes(), &place);
    assert_eq!(tie.to_vec(), bytes(&case["secret_hash_hex"]));
}

#[test]
fn recorded_key_entries_open() {
    let all = endpoint();
    let room = &all["room"];
    let place = place(text(&room["contextId"]), text(&room["resourceId"]));
    let secret = ContainerSecret::new(text(&room["containerSecret"]).into());
    let author = PrivateKey::from_wif(text(&room["keyEntries"]["authorWif"])).unwrap();
    for case in list(&room["keyEntries"]["entries"]) {
        let reader = PrivateKey::from_wif(text(&case["readerWif"])).unwrap();
        let id = KeyId::from(text(&case["keyId"]));
        let opened = room_key::open_entry(&reader, &id, &case["data"], &place).unwrap();
        assert_eq!(opened.key.expose().to_vec(), bytes(&room["key"]));
        opened.check_secret(&secret).unwrap();
        let dio = &opened.proof.as_ref().unwrap().dio;
        assert_eq!(dio.checksum("secretHash").unwrap(), bytes(&case["secretHash"]));
        assert_eq!(dio.creator, *author.public_key());
        let stated: Value = serde_json::from_str(text(&case["dioJson"])).unwrap();
        assert_eq!(dio.origin, origin_of(&stated));
        assert_eq!(dio_json(&case["data"]["dio"]), text(&case["dioJson"]));

        // Sealed again with the same inputs, the wrapped key and the checksums are the same.
        let key_secret = hex::decode(bytes(&case["keySecretAfterBase64"])).unwrap();
        let again = room_key::seal_entry(
            &author,
            &dio.origin,
            reader.public_key(),
            &opened.key,
            &secret,
            &mut ScriptedRng::new(&[&key_secret]),
        );
        assert_eq!(again["encryptedKey"], case["data"]["encryptedKey"]);
        assert_eq!(dio_json(&again["dio"]), text(&case["dioJson"]));
    }
}

#[test]
fn recorded_integrity_object_opens() {
    let all = endpoint();
    let case = &all["room"]["dio"]["example"];
    let dio = Dio::open(text(&case["encoded"]), MODULE_STRUCTURE).unwrap();
    let stated: Value = serde_json::from_str(text(&case["json"])).unwrap();
    assert_eq!(dio.origin, origin_of(&stated));
    for (field, sum) in stated["fieldChecksums"].as_object().unwrap() {
        let sum = BASE64_STANDARD.decode(text(sum)).unwrap();
        assert_eq!(dio.check(field, &sum), Ok(()));
    }
    assert_eq!(dio.check("another", &[]), Err(CryptoError::DioChecksum));
}

#[test]
fn recorded_contents_open() {
    let all = endpoint();
    let room = &all["room"];
    let key = ContainerKey::new(KeyId::from(text(&room["keyId"])), array(&room["key"]));
    for case in list(&room["metadata"]["envelopes"]) {
        let what = text(&case["what"]);
        let stated: Value = serde_json::from_str(text(&case["dioJson"])).unwrap();
        let origin = origin_of(&stated);
        let facts = facts(origin.place.clone(), text(&case["authorUserId"]), origin.timestamp.0);
        let opened = meta::open_room(&case["envelope"], &key, &facts).unwrap();
        assert_eq!(opened.public_meta, bytes(&case["publicMeta"]), "{what}");
        assert_eq!(opened.private_meta, bytes(&case["privateMeta"]), "{what}");
        assert_eq!(opened.secret.expose(), text(&room["containerSecret"]), "{what}");
        assert_eq!(opened.dio.origin, origin, "{what}");
        let author = PrivateKey::from_wif(text(&case["authorWif"])).unwrap();
        assert_eq!(opened.dio.creator, *author.public_key(), "{what}");

        let contents = Contents {
            public_meta: &opened.public_meta,
            private_meta: &opened.private_meta,
            secret: &opened.secret,
        };
        let mut rng = StdRng::seed_from_u64(1);
        let again = meta::seal(&author, &origin, &key, &contents, &mut rng);
        assert_eq!(again["publicMetaObject"], case["envelope"]["publicMetaObject"], "{what}");
        assert!(meta::open_room(&again, &key, &facts).is_ok(), "{what}");
    }
}

#[test]
fn recorded_refusals_have_the_official_code() {
    let all = endpoint();
    let room = &all["room"];
    let key = ContainerKey::new(KeyId::from(text(&room["keyId"])), array(&room["key"]));
    for case in list(&room["metadata"]["refused"]) {
        let refused = meta::open(&case["envelope"], &key).unwrap_err();
        assert_eq!(refused.code(), number(&case["statusCode"]), "{}", case["what"]);
    }
}

#[test]
fn codes_have_the_official_values() {
    let names = [
        ("UserVerificationFailureException", CryptoError::UserVerification),
        ("MalformedEncryptionKeyException", CryptoError::MalformedKeyEntry),
        ("UnknownEncryptionKeyVersionException", CryptoError::UnknownKeyEntryVersion),
        ("EncryptionKeyContainerValidationException", CryptoError::WrongKeyEntry),
        ("DataIntegrityObjectDuplicatedException", CryptoError::DuplicateDio),
        ("MalformedDataIntegrityObjectException", CryptoError::MalformedDio),
        ("InvalidDataIntegrityObjectChecksumException", CryptoError::DioChecksum),
        ("DataIntegrityObjectMismatchEncKeyException", CryptoError::DioPlace),
        ("DataIntegrityObjectInvalidSignatureException", CryptoError::DioSignature),
        ("ModulePublicDataMismatchException", CryptoError::PublicMetaMismatch),
        ("InvalidEncryptedModuleDataVersionException", CryptoError::UnknownDataVersion),
        ("InvalidDataSignatureException", CryptoError::WrongSignature),
        ("UnknowStreamRoomFormatException", CryptoError::UnknownRoomFormat),
        ("StreamRoomDataIntegrityException", CryptoError::RoomIntegrity),
        ("StreamRoomEncryptionKeyValidationException", CryptoError::RoomKeyValidation),
    ];
    let all = endpoint();
    let codes = list(&all["errorCodes"]["codes"]);
    for (name, error) in names {
        let official = codes.iter().find(|code| code["name"] == name).unwrap();
        assert_eq!(error.code(), number(&official["code"]), "{name}");
    }
}

/// One room as the official server sent it to `reader`.
fn open_recorded(reader: &PrivateKey, room: &Value) -> (Vec<OpenedKey>, meta::OpenedRoom) {
    let place = place(text(&room["contextId"]), text(&room["resourceId"]));
    let ids: Vec<_> =
        list(&room["keys"]).iter().map(|entry| KeyId::from(text(&entry["keyId"]))).collect();
    let entries = ids.iter().zip(list(&room["keys"]).iter().map(|entry| &entry["data"]));
    let keys: Vec<_> = room_key::open_entries(reader, entries, &place)
        .into_iter()
        .map(|(_, opened)| opened.unwrap())
        .collect();
    let newest = list(&room["data"]).last().unwrap();
    let key = keys.iter().find(|opened| newest["keyId"] == opened.key.id.as_str()).unwrap();
    let facts = facts(place, text(&room["lastModifier"]), number(&room["lastModificationDate"]));
    let opened = meta::open_room(&newest["data"], &key.key, &facts).unwrap();
    (keys, opened)
}

#[test]
fn every_room_of_the_transcripts_opens() {
    let all = endpoint();
    let (mut rooms, mut shown_rooms, mut media_keys) = (0, 0, 0);
    for (bridge, transcript) in all["transcripts"].as_object().unwrap() {
        let Some(users) = transcript["users"].as_object() else { continue };
        for (name, user) in users {
            let reader = PrivateKey::from_wif(text(&user["wif"])).unwrap();
            for message in list(&user["wire"]) {
                let result = &message["result"];
                let listed = result["list"].as_array().map(Vec::as_slice).unwrap_or_default();
                let single = [&result["streamRoom"], &message["data"]];
                for room in listed.iter().chain(single).filter(|it| it["keys"].is_array()) {
                    rooms += 1;
                    let (keys, opened) = open_recorded(&reader, room);
                    for key in &keys {
                        key.check_secret(&opened.secret).unwrap();
                    }
                    let shown = list(&user["clientDecrypted"]).iter().find(|shown| {
                        shown["streamRoomId"] == room["id"] && shown["version"] == room["version"]
                    });
                    let Some(shown) = shown else { continue };
                    shown_rooms += 1;
                    let what = format!("{bridge} {name} version {}", room["version"]);
                    assert_eq!(opened.public_meta, text(&shown["publicMeta"]).as_bytes(), "{what}");
                    assert_eq!(
                        opened.private_meta,
                        text(&shown["privateMeta"]).as_bytes(),
                        "{what}"
                    );
                    for handed in list(&user["mediaKeys"]).iter().flat_map(list) {
                        let id = handed["keyId"].as_str().or(handed["id"].as_str()).unwrap();
                        let ours = room_key::media_keys(&keys);
                        if let Some(ours) = ours.iter().find(|key| key.id.as_str() == id) {
                            media_keys += 1;
                            assert_eq!(ours.key.expose().to_vec(), bytes(&handed["key"]), "{what}");
                        }
                    }
                }
            }
        }
    }
    let counts = [rooms, shown_rooms, media_keys];
    assert!(counts.iter().all(|count| *count > 10), "{counts:?} in the transcripts");
}

#[test]
fn media_keys_are_hashes_of_proven_keys() {
    let all = endpoint();
    let case = &all["room"]["mediaKey"];
    let key = ContainerKey::new(KeyId::from(text(&case["keyId"])), array(&case["roomKey"]));
    let media = key.media_key();
    assert_eq!(media.id.as_str(), text(&case["keyId"]));
    assert_eq!(media.key.expose().to_vec(), bytes(&case["mediaKey"]));
    let unproven = OpenedKey { key, proof: None };
    assert!(room_key::media_keys([&unproven]).is_empty());
}

#[test]
fn rotation_follows_the_recorded_cases() {
    let users = |value: &Value| -> Vec<UserId> {
        list(value).iter().map(|user| UserId::from(text(user))).collect()
    };
    let all = endpoint();
    for case in list(&all["room"]["keyRotation"]["cases"]) {
        let plan = room_key::plan_rotation(
            &users(&case["before"]),
            &users(&case["after"]),
            case["forceNewKey"] == true,
        );
        let expected = Rotation {
            new_key: case["newKeyNeeded"] == true,
            newcomers: users(&case["usersGivenOldKeys"]),
        };
        assert_eq!(plan, expected, "{case}");
    }
}
