//! Keys, signatures, hashes, derivations, ciphers, key agreement, ECIES.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use conclave::crypto::CryptoError;
use conclave::crypto::base58;
use conclave::crypto::cipher;
use conclave::crypto::ecdh;
use conclave::crypto::ecies;
use conclave::crypto::hash;
use conclave::crypto::kdf;
use conclave::crypto::key::PrivateKey;
use conclave::crypto::key::PublicKey;
use conclave::crypto::sign;

use super::fixture::ScriptedRng;
use super::fixture::array;
use super::fixture::bytes;
use super::fixture::crypto;
use super::fixture::endpoint;
use super::fixture::endpoint_person;
use super::fixture::list;
use super::fixture::number;
use super::fixture::person;
use super::fixture::text;
use super::fixture::vector;

#[test]
fn keys_have_their_official_text_forms() {
    let all = crypto();
    let people = all["keys"].as_object().unwrap();
    for (name, case) in people {
        let key = PrivateKey::from_bytes(&array(&case["private_hex"])).unwrap();
        assert_eq!(
            *key.to_bytes().expose(),
            hash::sha256(text(&case["seed_text"]).as_bytes()),
            "{name}"
        );
        assert_eq!(key.to_wif().expose(), text(&case["wif"]), "{name}");
        assert_eq!(key.public_key().to_sec1().to_vec(), bytes(&case["public_hex"]), "{name}");
        assert_eq!(key.public_key().to_base58(), text(&case["public_base58"]), "{name}");
    }
    let all = endpoint();
    for case in list(&all["keys"]["pairs"]) {
        let name = text(&case["label"]);
        let key = PrivateKey::from_wif(text(&case["wif"])).unwrap();
        assert_eq!(key.to_bytes().expose().to_vec(), bytes(&case["privateKey"]), "{name}");
        assert_eq!(key.to_wif().expose(), text(&case["wif"]), "{name}");
        let public = PublicKey::from_base58(text(&case["publicKeyBase58Der"])).unwrap();
        assert_eq!(public, *key.public_key(), "{name}");
        assert_eq!(public.to_sec1().to_vec(), bytes(&case["publicKeyDer"]), "{name}");
        assert_eq!(public.address(), text(&case["address"]), "{name}");
    }
    let bare = &all["keys"]["wifWithoutMarkerAlsoAccepted"];
    let key = PrivateKey::from_wif(text(&bare["wif"])).unwrap();
    let same = endpoint_person(text(&bare["sameKeyAs"]));
    assert_eq!(key.to_bytes().expose(), same.to_bytes().expose());
}

#[test]
fn wrong_wifs_are_refused() {
    let all = endpoint();
    for case in list(&all["keys"]["rejectedWifs"]) {
        let refused = PrivateKey::from_wif(text(&case["wif"])).unwrap_err();
        assert_eq!(refused, CryptoError::MalformedKey, "{}", case["why"]);
    }
    let order = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";
    for (name, number) in [("zero", "00".repeat(32)), ("order of the curve", order.into())] {
        let number = hex::decode(number).unwrap().try_into().unwrap();
        assert_eq!(
            PrivateKey::from_bytes(&number).unwrap_err(),
            CryptoError::MalformedKey,
            "{name}"
        );
    }
}

#[test]
fn base58check_keeps_leading_zeros() {
    let case = vector("base58check-leading-zero");
    assert_eq!(base58::encode(&bytes(&case["input_hex"])), text(&case["output"]));
    assert_eq!(*base58::decode(text(&case["output"])).unwrap(), bytes(&case["input_hex"]));
    assert_eq!(base58::decode(&"1".repeat(10_000)).unwrap_err(), CryptoError::MalformedKey);
}

#[test]
fn public_keys_are_points_of_the_curve() {
    let key = person("alice");
    let compressed = key.public_key().to_sec1();
    let mut hybrid = compressed.to_vec();
    hybrid[0] = 5;
    let mut off_curve = [2; 33];
    off_curve[1..].fill(0xff);
    let cases: [(&str, &[u8]); 6] = [
        ("empty", &[]),
        ("point at infinity", &[0]),
        ("x only", &hybrid),
        ("x beyond the field", &off_curve),
        ("one byte short", &compressed[..32]),
        ("uncompressed tag, compressed length", &[4; 33]),
    ];
    for (name, input) in cases {
        assert_eq!(PublicKey::from_sec1(input).unwrap_err(), CryptoError::MalformedKey, "{name}");
    }
    let one = endpoint_person("one");
    let uncompressed = hex::decode(
        "0479be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798\
         483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8",
    );
    assert_eq!(PublicKey::from_sec1(&uncompressed.unwrap()).unwrap(), *one.public_key());
}

#[test]
fn fingerprint_is_the_start_of_the_hash() {
    let key = person("alice");
    let digest = hex::encode(hash::sha256(&key.public_key().to_sec1()));
    let shown = key.public_key().fingerprint().to_string();
    assert_eq!(shown.len(), 19);
    assert_eq!(shown.replace(' ', ""), digest[..16]);
}

#[test]
fn secrets_are_not_printed() {
    let key = person("alice");
    let shown = format!("{key:?}");
    assert!(shown.contains("[secret]") && shown.contains(&key.public_key().to_base58()));
    assert!(!shown.contains(&hex::encode(key.to_bytes().expose())));
}

#[test]
fn signatures_verify_whatever_their_s_and_header() {
    for id in ["signature-low-s", "signature-high-s", "signature-from-endpoint", "signature-wrong"]
    {
        let case = vector(id);
        let key = person(text(&case["key"]));
        let expected =
            if case["valid"] == true { Ok(()) } else { Err(CryptoError::WrongSignature) };
        let (message, signature) = (bytes(&case["message_hex"]), bytes(&case["signature_hex"]));
        assert_eq!(sign::verify(key.public_key(), &message, &signature), expected, "{id}");
    }
    let case = vector("signature-header-values");
    let (key, message) = (person(text(&case["key"])), bytes(&case["message_hex"]));
    for signature in list(&case["accepted"]) {
        assert_eq!(sign::verify(key.public_key(), &message, &bytes(signature)), Ok(()));
    }
    for signature in list(&case["rejected"]) {
        let refused = sign::verify(key.public_key(), &message, &bytes(signature));
        assert_eq!(refused, Err(CryptoError::MalformedSignature));
    }

    let all = endpoint();
    let group = &all["signatures"];
    for case in list(&group["valid"]).iter().chain([&group["otherS"]]) {
        let key = PublicKey::from_base58(text(&case["publicKeyBase58Der"])).unwrap();
        let message = bytes(&case["message"]);
        assert_eq!(sign::verify(&key, &message, &bytes(&case["signature"])), Ok(()), "{case}");
    }
    let group = &group["firstByte"];
    let key = PublicKey::from_base58(text(&group["publicKeyBase58Der"])).unwrap();
    let (message, mut signature) = (bytes(&group["message"]), bytes(&group["signature"]));
    for case in list(&group["results"]) {
        signature[0] = number(&case["firstByte"]).try_into().unwrap();
        let accepted = sign::verify(&key, &message, &signature).is_ok();
        assert_eq!(accepted, case["accepted"] == true, "{case}");
    }
}

#[test]
fn our_signatures_are_deterministic_with_low_s() {
    let case = vector("signature-low-s");
    let message = bytes(&case["message_hex"]);
    assert_eq!(hash::sha256(&message).to_vec(), bytes(&case["digest_hex"]));
    let signature = sign::sign(&person(text(&case["key"])), &message);
    assert_eq!(signature.to_vec(), bytes(&case["signature_hex"]));
}

#[test]
fn signatures_of_another_length_are_malformed() {
    let key = person("alice");
    let signature = sign::sign(&key, b"text");
    for length in [0, 1, 64, 66] {
        let mut input = signature.to_vec();
        input.resize(length, 0);
        assert_eq!(
            sign::verify(key.public_key(), b"text", &input),
            Err(CryptoError::MalformedSignature),
            "{length}"
        );
    }
}

#[test]
fn signer_is_recovered_from_a_bridge_signature() {
    let all = endpoint();
    let case = &all["handshake"]["bridgeChallenge"];
    let key = PublicKey::from_base58(text(&case["bridgePublicKeyBase58Der"])).unwrap();
    let message = text(&case["signedText"]).as_bytes();
    assert_eq!(sign::verify(&key, message, &bytes(&case["signature"])), Ok(()));
    for name in ["alice", "bob", "server"] {
        let key = person(name);
        for text in ["", "a", "b", "c", "d"] {
            let signature = sign::sign_recoverable(&key, text.as_bytes());
            assert_eq!(sign::recover(text.as_bytes(), &signature).unwrap(), *key.public_key());
        }
    }
}

#[test]
fn signed_blobs_are_verified() {
    let (alice, bob) = (person("alice"), person("bob"));
    let blob = sign::seal_blob(&alice, b"data");
    assert_eq!(blob[..2], [1, 65]);
    assert_eq!(sign::open_blob(alice.public_key(), &blob), Ok(b"data".as_slice()));
    let cases: [(&str, &[u8], CryptoError); 4] = [
        ("empty", &[], CryptoError::MalformedBox),
        ("another version", &[2, 0], CryptoError::MalformedBox),
        ("cut in the signature", &blob[..60], CryptoError::MalformedBox),
        ("cut in the data", &blob[..70], CryptoError::WrongSignature),
    ];
    for (name, input, expected) in cases {
        assert_eq!(sign::open_blob(alice.public_key(), input), Err(expected), "{name}");
    }
    assert_eq!(sign::open_blob(bob.public_key(), &blob), Err(CryptoError::WrongSignature));
}

#[test]
fn hashes_agree() {
    let all = endpoint();
    let case = &all["hashes"];
    let (message, key) = (bytes(&case["message"]), bytes(&case["hmacKey"]));
    assert_eq!(hash::sha256(&message).to_vec(), bytes(&case["sha256"]));
    assert_eq!(hash::sha512(&message).to_vec(), bytes(&case["sha512"]));
    assert_eq!(hash::ripemd160(&message).to_vec(), bytes(&case["ripemd160"]));
    assert_eq!(hash::hash160(&message).to_vec(), bytes(&case["hash160"]));
    assert_eq!(hash::hmac_sha256(&key, &message).to_vec(), bytes(&case["hmacSha256"]));
    assert_eq!(hash::hmac_sha512(&key, &message).to_vec(), bytes(&case["hmacSha512"]));
    let (start, end) = message.split_at(3);
    assert_eq!(
        hash::hmac_sha256_parts(&key, &[start, &[], end]).to_vec(),
        bytes(&case["hmacSha256"])
    );
}

#[test]
fn management_requests_are_signed_with_hmac() {
    let case = vector("management-hmac-header");
    let (timestamp, nonce) = (number(&case["timestamp"]), text(&case["nonce"]));
    let (method, path) = (text(&case["method"]), text(&case["path"]));
    let message = format!("{timestamp};{nonce};{method}\n{path}\n{}\n", text(&case["body"]));
    let mac = hash::hmac_sha256(text(&case["api_key_secret"]).as_bytes(), message.as_bytes());
    let sum = BASE64_STANDARD.encode(&mac[..20]);
    assert!(text(&case["header"]).ends_with(&sum));
}

#[test]
fn prf_is_that_of_tls() {
    let all = endpoint();
    let case = vector("prf-tls12");
    let single = (
        bytes(&case["secret_hex"]),
        bytes(&case["seed_hex"]),
        number(&case["length"]),
        bytes(&case["output_hex"]),
    );
    let cases = list(&all["derivations"]["prfTls12"]["cases"]).iter().map(|case| {
        let (key, seed) = (bytes(&case["key"]), bytes(&case["seed"]));
        (key, seed, number(&case["length"]), bytes(&case["output"]))
    });
    for (secret, seed, length, expected) in cases.chain([single]) {
        let mut out = vec![0; length.try_into().unwrap()];
        kdf::prf(&secret, &seed, &mut out);
        assert_eq!(out, expected);
    }
}

#[test]
fn kdf_depends_on_the_length() {
    let all = endpoint();
    let case = vector("kdf-100");
    let single = (
        bytes(&case["key_hex"]),
        text(&case["label"]),
        number(&case["length"]),
        bytes(&case["output_hex"]),
    );
    let cases = list(&all["derivations"]["kdf"]["cases"]).iter().map(|case| {
        (bytes(&case["key"]), text(&case["label"]), number(&case["length"]), bytes(&case["output"]))
    });
    for (key, label, length, expected) in cases.chain([single]) {
        let mut out = vec![0; length.try_into().unwrap()];
        kdf::kdf(&key, label.as_bytes(), &mut out);
        assert_eq!(out, expected, "{label}");
    }
}

#[test]
fn keys_are_split_into_two() {
    let all = endpoint();
    let case = vector("kem");
    let single = (bytes(&case["key_hex"]), bytes(&case["enc_hex"]), bytes(&case["mac_hex"]));
    let cases = list(&all["derivations"]["encryptionAndMacKeys"]["cases"])
        .iter()
        .map(|case| (bytes(&case["key"]), bytes(&case["encryptionKey"]), bytes(&case["macKey"])));
    for (key, enc, mac) in cases.chain([single]) {
        let keys = kdf::kem(&key);
        assert_eq!(keys.enc.expose().to_vec(), enc);
        assert_eq!(keys.mac.expose().to_vec(), mac);
    }
}

#[test]
fn passwords_become_identities() {
    let all = endpoint();
    for case in list(&all["derivations"]["pbkdf2Sha512"]) {
        let mut out = [0; 32];
        let rounds = number(&case["rounds"]).try_into().unwrap();
        let (password, salt) = (text(&case["password"]), text(&case["salt"]));
        kdf::pbkdf2_sha512(password.as_bytes(), salt.as_bytes(), rounds, &mut out);
        assert_eq!(out.to_vec(), bytes(&case["output"]), "{case}");
    }
    let single = vector("password-key");
    let cases = list(&all["derivations"]["userKeyFromPassword"]["cases"]).iter();
    for case in cases.chain([&single]) {
        let key = kdf::user_key(text(&case["password"]), text(&case["salt"])).unwrap();
        assert_eq!(key.to_wif().expose(), text(&case["wif"]), "{case}");
    }
    let old = kdf::old_user_key(text(&single["password"]), text(&single["salt"])).unwrap();
    assert_eq!(old.to_wif().expose(), text(&single["wif_deprecated"]));
}

#[test]
fn mnemonic_becomes_a_master_key() {
    let case = vector("bip39-key");
    let seed = kdf::mnemonic_seed(text(&case["mnemonic"]), text(&case["password"]));
    let key = kdf::master_key(seed.expose()).unwrap();
    assert_eq!(key.to_wif().expose(), text(&case["wif_master"]));
    let node = hash::hmac_sha512(b"Bitcoin seed", seed.expose());
    let (number, chain_code) = node.split_at(32);
    let header = hex::decode("0488ade4000000000000000000").unwrap();
    let xprv = [&header, chain_code, &[0], number].concat();
    assert_eq!(base58::encode(&xprv), text(&case["xprv"]));
}

#[test]
fn symmetric_boxes_open_and_reproduce() {
    let all = endpoint();
    let group = &all["symmetric"];
    for case in list(&group["withTypeByte"]["cases"]) {
        let opened = cipher::blob_open(&array(&case["key"]), &bytes(&case["cipher"])).unwrap();
        assert_eq!(opened, bytes(&case["plain"]));
    }
    for case in list(&group["withTypeByte"]["casesWithGivenIv"]) {
        let mut rng = ScriptedRng::new(&[&bytes(&case["ivInput"])]);
        let sealed = cipher::blob_seal(&array(&case["key"]), &bytes(&case["plain"]), &mut rng);
        assert_eq!(sealed, bytes(&case["cipher"]));
        rng.assert_used_up();
    }
    let refused = &group["withTypeByte"]["rejected"];
    assert_eq!(
        cipher::blob_open(&array(&refused["key"]), &bytes(&refused["cipher"])),
        Err(CryptoError::NotAuthentic)
    );
    for case in list(&group["aes256CbcHmac256"]["cases"]) {
        let (key, plain) = (array(&case["key"]), bytes(&case["plain"]));
        let iv = *hash::hmac_sha256(&key, &plain).first_chunk().unwrap();
        assert_eq!(cipher::ae_seal_with_iv(&key, &plain, &iv), bytes(&case["cipher"]));
        assert_eq!(cipher::ae_open(&key, &bytes(&case["cipher"])), Ok(plain));
    }

    let case = vector("symmetric-type4");
    let mut rng = ScriptedRng::new(&[&bytes(&case["iv_hex"])]);
    let plain = bytes(&case["plaintext_hex"]);
    let sealed = cipher::blob_seal(&array(&case["key_hex"]), &plain, &mut rng);
    assert_eq!(sealed, bytes(&case["output_hex"]));
    let case = vector("symmetric-type4-from-endpoint");
    let opened = cipher::blob_open(&array(&case["key_hex"]), &bytes(&case["blob_hex"]));
    assert_eq!(opened, Ok(bytes(&case["plaintext_hex"])));
    let case = vector("symmetric-type4-bad-tag");
    let refused = cipher::blob_open(&array(&case["key_hex"]), &bytes(&case["blob_hex"]));
    assert_eq!(refused.map_err(CryptoError::code), Err(0xE0A1_0007));
}

#[test]
fn legacy_and_truncated_blobs_are_refused() {
    let sealed = cipher::blob_seal(&[1; 32], b"", &mut ScriptedRng::new(&[&[0; 16]]));
    let cases: [(&str, &[u8], CryptoError); 6] = [
        ("empty", &[], CryptoError::MalformedBox),
        ("CBC without IV", &[1; 49], CryptoError::UnsupportedCipher(1)),
        ("CBC with IV", &[2; 49], CryptoError::UnsupportedCipher(2)),
        ("XTEA", &[3; 49], CryptoError::UnsupportedCipher(3)),
        ("type only", &sealed[..1], CryptoError::MalformedBox),
        ("tag only", &sealed[..17], CryptoError::MalformedBox),
    ];
    for (name, input, expected) in cases {
        assert_eq!(cipher::blob_open(&[1; 32], input), Err(expected), "{name}");
    }
}

#[test]
fn single_blocks_are_those_of_fips_197() {
    let key = std::array::from_fn(|i| u8::try_from(i).unwrap());
    let plain = hex::decode("00112233445566778899aabbccddeeff").unwrap().try_into().unwrap();
    let mut block = plain;
    cipher::ecb_encrypt_block(&key, &mut block);
    assert_eq!(hex::encode(block), "8ea2b7ca516745bfeafc49904b496089");
    cipher::ecb_decrypt_block(&key, &mut block);
    assert_eq!(block, plain);
}

#[test]
fn key_agreement_gives_the_same_x() {
    let all = endpoint();
    for case in list(&all["ecdh"]["cases"]) {
        let own = endpoint_person(text(&case["privateKeyOf"]));
        let (theirs, other) = match case["publicKeyOf"].as_str() {
            Some(label) => {
                let other = endpoint_person(label);
                (other.public_key().clone(), other)
            }
            None => (
                PublicKey::from_base58(text(&case["publicKeyBase58Der"])).unwrap(),
                PrivateKey::from_wif(text(&case["otherWif"])).unwrap(),
            ),
        };
        let secret = bytes(&case["secret"]);
        assert_eq!(ecdh::shared_x(&own, &theirs).expose().to_vec(), secret, "{case}");
        assert_eq!(ecdh::shared_x(&other, own.public_key()).expose().to_vec(), secret, "{case}");
    }
}

#[test]
fn ecies_reproduces_and_opens() {
    let all = endpoint();
    for case in list(&all["ecies"]["raw"]) {
        let from = endpoint_person(text(&case["from"]));
        let to = endpoint_person(text(&case["to"]));
        let (plain, sealed) = (bytes(&case["plain"]), bytes(&case["cipher"]));
        assert_eq!(ecies::seal_raw(&from, to.public_key(), &plain), sealed);
        assert_eq!(*ecies::open_raw(&to, from.public_key(), &sealed).unwrap().expose(), plain);
    }
    for case in list(&all["ecies"]["envelopes"]) {
        let from = endpoint_person(text(&case["from"]));
        let to = endpoint_person(text(&case["to"]));
        let (plain, sealed) = (bytes(&case["plain"]), bytes(&case["envelope"]));
        assert_eq!(ecies::seal(&from, to.public_key(), &plain), sealed);
        let opened = ecies::open(&to, &sealed).unwrap();
        assert_eq!((opened.author, opened.plaintext.expose()), (from.public_key().clone(), &plain));
    }
    let case = vector("ecies-raw");
    let (from, to) = (person(text(&case["author"])), person(text(&case["recipient"])));
    let shared = hash::sha512(ecdh::shared_x(&from, to.public_key()).expose());
    assert_eq!(shared.to_vec(), bytes(&case["shared_hex"]));
    let plain = bytes(&case["plaintext_hex"]);
    assert_eq!(ecies::seal_raw(&from, to.public_key(), &plain), bytes(&case["output_hex"]));
    let case = vector("ecies-e");
    let sealed = BASE64_STANDARD.encode(ecies::seal(&from, to.public_key(), &plain));
    assert_eq!(sealed, text(&case["output_base64"]));
}

#[test]
fn ecies_is_for_its_recipient_only() {
    let (alice, bob, server) = (person("alice"), person("bob"), person("server"));
    let sealed = ecies::seal(&alice, bob.public_key(), b"secret");
    assert_eq!(ecies::open(&server, &sealed).unwrap_err(), CryptoError::WrongRecipient);
    let mut redirected = sealed.clone();
    redirected[34..67].copy_from_slice(&server.public_key().to_sec1());
    assert_eq!(ecies::open(&server, &redirected).unwrap_err(), CryptoError::NotAuthentic);
    let mut stolen = sealed.clone();
    stolen[1..34].copy_from_slice(&server.public_key().to_sec1());
    assert_eq!(ecies::open(&bob, &stolen).unwrap_err(), CryptoError::NotAuthentic);
    for length in [0, 1, 34, 67, 70, 86] {
        let refused = ecies::open(&bob, &sealed[..length]).unwrap_err();
        let expected = [CryptoError::MalformedBox, CryptoError::NotAuthentic];
        assert!(expected.contains(&refused), "{length}: {refused}");
    }
}
