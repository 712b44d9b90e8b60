//! Invite links: what they carry, what they refuse, and what a voucher proves.

use conclave::crypto::key::PrivateKey;
use conclave::model::Timestamp;
use conclave::profile::Invite;
use conclave::profile::IssuedInvites;
use conclave::profile::invite;
use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::StdRng;

fn sample(seed: u64) -> Invite {
    let mut rng = StdRng::seed_from_u64(seed);
    Invite {
        address: "meet.example.org:9111".to_owned(),
        bridge_key: PrivateKey::generate(&mut rng).public_key().clone(),
        inviter_key: PrivateKey::generate(&mut rng).public_key().clone(),
        context: "695d633a-4200-4ebb-a0e2-90ed3e9303f1".into(),
        room: "6b0227664a7535fc7134357d".into(),
        id: "7a8eebe9697b8e73".to_owned(),
        expires: Timestamp(1_795_302_643_958),
        secret: invite::draw_secret(&mut rng),
    }
}

#[test]
fn a_link_tells_what_was_put_into_it() {
    for seed in 0..20 {
        let invite = sample(seed);
        let link = invite.to_string();
        let read: Invite = format!("  {link}\n").parse().unwrap();
        assert_eq!(read.to_string(), link);
        assert_eq!(read.secret.expose(), invite.secret.expose());
        assert_eq!(read.url(), "http://meet.example.org:9111");
        assert!(link.len() < 500, "{} characters", link.len());
    }
}

#[test]
fn what_is_no_invite_is_refused_with_its_reason() {
    let link = sample(1).to_string();
    let cases = [
        ("empty", String::new(), "another kind of link"),
        ("web page", "https://example.org/".to_owned(), "another kind of link"),
        ("no payload", "conclave://host:1".to_owned(), "cut off after the address"),
        ("no address", link.replace("meet.example.org:9111", ""), "no usable address"),
        ("escape in the address", link.replace("meet", "\u{1b}[2J"), "no usable address"),
        ("cut", link[..link.len() - 9].to_owned(), "cut off"),
        ("longer", format!("{link}AAAA"), "mistyped"),
        ("very long", format!("{link}{}", "A".repeat(3000)), "too long"),
        ("other alphabet", format!("{link}!"), "mistyped"),
    ];
    for (name, text, reason) in cases {
        let error = text.parse::<Invite>().unwrap_err().to_string();
        assert!(error.contains(reason), "{name}: {error}");
    }
}

#[test]
fn only_the_guests_own_key_is_vouched_for() {
    let directory = tempfile::tempdir().unwrap();
    let mut rng = StdRng::seed_from_u64(7);
    let invite = sample(2);
    let guest = PrivateKey::generate(&mut rng).public_key().clone();
    let other = PrivateKey::generate(&mut rng).public_key().clone();
    let proof = invite::voucher(&invite.secret, &invite.id, "ben", &guest);
    IssuedInvites::load(directory.path()).unwrap().add(&invite).unwrap();
    let issued = IssuedInvites::load(directory.path()).unwrap();

    let before = Timestamp(invite.expires.0 - 1);
    let vouch = |id: &str, room: &str, name: &str, key, proof: &[u8], now| {
        issued.vouch(id, &room.into(), name, key, proof, now)
    };
    let room = invite.room.as_str();
    assert!(vouch(&invite.id, room, "ben", &guest, &proof, before));
    assert!(!vouch(&invite.id, room, "ben", &other, &proof, before), "swapped key");
    assert!(!vouch(&invite.id, room, "eve", &guest, &proof, before), "swapped name");
    assert!(!vouch(&invite.id, "elsewhere", "ben", &guest, &proof, before), "another room");
    assert!(!vouch("other", room, "ben", &guest, &proof, before), "another invite");
    assert!(!vouch(&invite.id, room, "ben", &guest, &proof[..31], before), "cut proof");
    assert!(!vouch(&invite.id, room, "ben", &guest, &proof, invite.expires), "expired");
}

#[test]
fn the_token_gives_neither_secret_nor_voucher_away() {
    let invite = sample(3);
    let token = invite::token(&invite.secret);
    assert_ne!(&token, invite.secret.expose());
    assert_eq!(invite::token_hash(&invite.secret), conclave::crypto::hash::sha256(&token));
    let guest = PrivateKey::generate(&mut StdRng::seed_from_u64(1)).public_key().clone();
    let with_token = conclave::model::Secret::new(token);
    assert_ne!(
        invite::voucher(&with_token, &invite.id, "ben", &guest),
        invite::voucher(&invite.secret, &invite.id, "ben", &guest),
    );
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in "(conclave://)?\\PC{0,80}/?[A-Za-z0-9_-]{0,400}") {
        let _ = text.parse::<Invite>();
    }

    #[test]
    fn a_changed_link_is_refused_or_says_something_else(at in 0usize..300, to in "[A-Za-z0-9_-]") {
        let link = sample(4).to_string();
        let mut changed: Vec<char> = link.chars().collect();
        let at = at % changed.len();
        let to = to.chars().next().unwrap();
        prop_assume!(changed[at] != to);
        changed[at] = to;
        let changed: String = changed.into_iter().collect();
        if let Ok(read) = changed.parse::<Invite>() {
            prop_assert_ne!(read.to_string(), link);
        }
    }
}
