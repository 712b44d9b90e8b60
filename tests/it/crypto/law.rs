//! What holds for every key, text and box, not only for recorded ones.

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
use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::fixture::ScriptedRng;
use super::fixture::person;

fn private_keys() -> impl Strategy<Value = PrivateKey> {
    any::<u64>().prop_map(|seed| PrivateKey::generate(&mut StdRng::seed_from_u64(seed)))
}

fn bytes(most: usize) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..most)
}

fn flip(bytes: &mut [u8], at: prop::sample::Index, bit: u8) -> usize {
    let at = at.index(bytes.len());
    bytes[at] ^= 1 << bit;
    at
}

#[test]
fn generation_skips_numbers_that_are_no_key() {
    let mut rng = ScriptedRng::new(&[&[0; 32], &[0xff; 32], &[7; 32]]);
    assert_eq!(*PrivateKey::generate(&mut rng).to_bytes().expose(), [7; 32]);
    rng.assert_used_up();
}

proptest! {
    #[test]
    fn base58check_is_reversible(payload in bytes(80)) {
        prop_assert_eq!(&*base58::decode(&base58::encode(&payload)).unwrap(), &payload);
    }

    #[test]
    fn mistyped_base58check_is_refused(
        payload in bytes(66),
        at in any::<prop::sample::Index>(),
        typed in "[1-9A-HJ-NP-Za-km-z]",
    ) {
        let mut text: Vec<char> = base58::encode(&payload).chars().collect();
        let at = at.index(text.len());
        let typed = typed.chars().next().unwrap();
        prop_assume!(text[at] != typed);
        text[at] = typed;
        let text: String = text.into_iter().collect();
        prop_assert_eq!(base58::decode(&text).unwrap_err(), CryptoError::MalformedKey);
    }

    #[test]
    fn nonsense_is_no_key(text in "\\PC{0,140}", payload in bytes(70)) {
        prop_assert!(base58::decode(&text).is_err());
        prop_assert!(PrivateKey::from_wif(&text).is_err());
        prop_assert!(PublicKey::from_base58(&text).is_err());
        // Half of all x coordinates are on the curve, so a point may come out, but no panic.
        let _ = PublicKey::from_sec1(&payload);
        let checked = base58::encode(&payload);
        let _ = (PrivateKey::from_wif(&checked), PublicKey::from_base58(&checked));
    }

    #[test]
    fn kdf_of_another_length_is_no_prefix_and_prf_is(
        key in bytes(64),
        label in bytes(64),
        short in 16usize..100,
        more in 1usize..100,
    ) {
        let fill = |f: fn(&[u8], &[u8], &mut [u8]), length| {
            let mut out = vec![0; length];
            f(&key, &label, &mut out);
            out
        };
        let long = short + more;
        prop_assert!(fill(kdf::prf, long).starts_with(&fill(kdf::prf, short)));
        prop_assert!(!fill(kdf::kdf, long).starts_with(&fill(kdf::kdf, short)));
    }

    #[test]
    fn cbc_is_reversible(key: [u8; 32], iv: [u8; 16], data in bytes(200)) {
        let sealed = cipher::cbc_encrypt(&key, &iv, &data);
        prop_assert_eq!(sealed.len(), (data.len() / 16 + 1) * 16);
        prop_assert_eq!(cipher::cbc_decrypt(&key, &iv, &sealed), Ok(data));
    }

    #[test]
    fn cbc_never_panics(key: [u8; 32], iv: [u8; 16], data in bytes(200)) {
        let opened = cipher::cbc_decrypt(&key, &iv, &data);
        prop_assert!(opened.is_err() || (data.len() % 16 == 0 && !data.is_empty()));
    }

    #[test]
    fn symmetric_boxes_are_reversible(key: [u8; 32], data in bytes(300), seed: u64) {
        let mut rng = StdRng::seed_from_u64(seed);
        let sealed = cipher::blob_seal(&key, &data, &mut rng);
        prop_assert_ne!(&sealed, &cipher::blob_seal(&key, &data, &mut rng));
        prop_assert_eq!(cipher::blob_open(&key, &sealed), Ok(data));
    }

    #[test]
    fn any_flipped_bit_of_a_symmetric_box_is_refused(
        key: [u8; 32],
        data in bytes(100),
        at in any::<prop::sample::Index>(),
        bit in 0u8..8,
    ) {
        let mut sealed = cipher::blob_seal(&key, &data, &mut ScriptedRng::new(&[&[1; 16]]));
        flip(&mut sealed, at, bit);
        prop_assert!(cipher::blob_open(&key, &sealed).is_err());
        sealed.pop();
        prop_assert!(cipher::blob_open(&key, &sealed).is_err());
    }

    #[test]
    fn nonsense_is_no_box(key: [u8; 32], data in bytes(200)) {
        prop_assert!(cipher::ae_open(&key, &data).is_err());
        prop_assert!(cipher::blob_open(&key, &[&[4], data.as_slice()].concat()).is_err());
        let reader = person("bob");
        prop_assert!(ecies::open(&reader, &data).is_err());
        let public = reader.public_key().to_sec1();
        let addressed = [b"e", public.as_slice(), &public, &data].concat();
        prop_assert!(ecies::open(&reader, &addressed).is_err());
        prop_assert!(sign::open_blob(reader.public_key(), &data).is_err());
        prop_assert!(sign::open_blob(reader.public_key(), &[&[1, 65], data.as_slice()].concat()).is_err());
    }

    #[test]
    fn comparison_is_equality(a in bytes(40), b in bytes(40)) {
        prop_assert_eq!(hash::equal(&a, &b), a == b);
        prop_assert!(hash::equal(&a, &a));
    }
}

proptest! {
    // Each case costs some point multiplications.
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn keys_survive_every_text_form(key in private_keys()) {
        let again = PrivateKey::from_wif(key.to_wif().expose()).unwrap();
        let numbers = [again.to_bytes(), key.to_bytes()];
        prop_assert_eq!(numbers[0].expose(), numbers[1].expose());
        let public = key.public_key();
        prop_assert_eq!(&PublicKey::from_base58(&public.to_base58()).unwrap(), public);
        prop_assert_eq!(&PublicKey::from_sec1(&public.to_sec1()).unwrap(), public);
    }

    #[test]
    fn both_sides_agree(own in private_keys(), theirs in private_keys()) {
        let here = ecdh::shared_x(&own, theirs.public_key());
        let there = ecdh::shared_x(&theirs, own.public_key());
        prop_assert_eq!(here.expose(), there.expose());
    }

    #[test]
    fn signatures_verify_and_name_their_key(key in private_keys(), message in bytes(100)) {
        let public = key.public_key();
        prop_assert_eq!(sign::verify(public, &message, &sign::sign(&key, &message)), Ok(()));
        let signature = sign::sign_recoverable(&key, &message);
        prop_assert_eq!(sign::verify(public, &message, &signature), Ok(()));
        prop_assert_eq!(&sign::recover(&message, &signature).unwrap(), public);
    }

    #[test]
    fn any_flipped_bit_of_a_signature_is_refused(
        key in private_keys(),
        at in any::<prop::sample::Index>(),
        bit in 0u8..8,
    ) {
        let mut signature = sign::sign(&key, b"message");
        // The header, which means nothing, is left out.
        flip(&mut signature[1..], at, bit);
        prop_assert!(sign::verify(key.public_key(), b"message", &signature).is_err());
    }

    #[test]
    fn any_flipped_bit_of_a_signed_message_is_refused(
        key in private_keys(),
        message in prop::collection::vec(any::<u8>(), 1..100),
        at in any::<prop::sample::Index>(),
        bit in 0u8..8,
    ) {
        let mut blob = sign::seal_blob(&key, &message);
        prop_assert_eq!(sign::open_blob(key.public_key(), &blob), Ok(message.as_slice()));
        flip(&mut blob[67..], at, bit);
        let refused = sign::open_blob(key.public_key(), &blob);
        prop_assert_eq!(refused, Err(CryptoError::WrongSignature));
    }

    #[test]
    fn ecies_is_reversible(author in private_keys(), reader in private_keys(), data in bytes(100)) {
        let sealed = ecies::seal(&author, reader.public_key(), &data);
        prop_assert_eq!(&sealed, &ecies::seal(&author, reader.public_key(), &data));
        let opened = ecies::open(&reader, &sealed).unwrap();
        prop_assert_eq!(&opened.author, author.public_key());
        prop_assert_eq!(opened.plaintext.expose(), &data);
    }

    /// The tag covers the x coordinate of the author only; the caller compares the author.
    #[test]
    fn any_flipped_bit_of_ecies_is_refused_or_changes_the_author(
        author in private_keys(),
        reader in private_keys(),
        data in bytes(60),
        at in any::<prop::sample::Index>(),
        bit in 0u8..8,
    ) {
        let mut sealed = ecies::seal(&author, reader.public_key(), &data);
        let at = flip(&mut sealed, at, bit);
        if let Ok(opened) = ecies::open(&reader, &sealed) {
            prop_assert_eq!((at, bit), (1, 0), "sign of the author's point");
            prop_assert_ne!(&opened.author, author.public_key());
        }
    }
}
