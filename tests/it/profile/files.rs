//! Files of a profile: private, whole, and never overwritten when they can't be read.

use std::fs;

use conclave::model::ContextId;
use conclave::model::UserWithPubKey;
use conclave::profile::Identity;
use conclave::profile::KnownKeys;
use conclave::profile::KnownRooms;
use conclave::profile::ProfileError;
use conclave::profile::Settings;
use conclave::profile::file::DirLock;
use conclave::profile::identity::checked_name;
use conclave::profile::known_keys::Standing;
use conclave::profile::known_rooms::Acquaintance;
use rand::SeedableRng;
use rand::rngs::StdRng;

#[test]
fn an_identity_comes_back_and_is_private() {
    let directory = tempfile::tempdir().unwrap();
    let below = directory.path().join("a/b");
    assert!(Identity::load(&below).unwrap().is_none());
    let identity = Identity::generate(" ana ", &mut StdRng::seed_from_u64(1)).unwrap();
    identity.store(&below).unwrap();
    let loaded = Identity::load(&below).unwrap().unwrap();
    assert_eq!(loaded.name, "ana");
    assert_eq!(loaded.key.public_key(), identity.key.public_key());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(below.join("identity.toml")), 0o600);
        assert_eq!(mode(below.clone()), 0o700);
    }
    let names: Vec<_> = fs::read_dir(&below).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names, ["identity.toml"], "no draft is left behind");
}

#[test]
fn a_damaged_file_is_refused_and_left_alone() {
    let secret = "KwXPwT36Ygw9o69qbAuQwTQx8zFMP4FDtiAbaXnypMt2ei4kKrid";
    let cases: [(&str, Vec<u8>); 6] = [
        ("empty", Vec::new()),
        ("binary", vec![0xff, 0xfe, 0x00]),
        ("cut", format!("name = \"ana\"\nprivate_key = \"{secret}").into_bytes()),
        ("mistyped key", format!("name = \"ana\"\nprivate_key = \"{secret}x\"").into_bytes()),
        ("unknown member", format!("name = \"a\"\nprivate_key = \"{secret}\"\nx = 1").into_bytes()),
        ("too long", vec![b'#'; 2 << 20]),
    ];
    for (name, bytes) in cases {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("identity.toml");
        fs::write(&path, &bytes).unwrap();
        let error = Identity::load(directory.path()).unwrap_err();
        assert!(matches!(error, ProfileError::Corrupt { .. }), "{name}: {error}");
        assert!(!error.to_string().contains(&secret[..20]), "{name}: the key is not printed");
        assert_eq!(fs::read(&path).unwrap(), bytes, "{name}");
    }
}

#[test]
fn names_that_could_deceive_are_refused() {
    for name in ["", "   ", "a\nb", "a\u{1b}[31m", "\u{202e}nab", "a\u{200b}", &"x".repeat(65)] {
        assert!(checked_name(name).is_err(), "{name:?}");
    }
    for name in ["ana", "Zoë", "日本語", "b en"] {
        assert_eq!(checked_name(name).unwrap(), name);
    }
}

#[test]
fn a_key_is_pinned_at_first_sight() {
    let directory = tempfile::tempdir().unwrap();
    let context = ContextId::from("c");
    let user = |key: &str| UserWithPubKey { user_id: "ben".into(), pub_key: key.to_owned() };
    let mut known = KnownKeys::load(directory.path()).unwrap();
    assert_eq!(known.remember(&context, &user("k1"), false).unwrap(), Standing::New);
    assert_eq!(known.remember(&context, &user("k2"), true).unwrap(), Standing::Changed);
    assert_eq!(known.standing(&context, &user("k1")), Standing::Known, "never replaced");
    known.remember(&context, &user("k1"), true).unwrap();
    let known = KnownKeys::load(directory.path()).unwrap();
    assert_eq!(known.standing(&context, &user("k1")), Standing::Verified);
    assert_eq!(known.standing(&ContextId::from("other"), &user("k2")), Standing::New);
}

#[test]
fn unknown_settings_are_an_error_not_a_surprise() {
    let directory = tempfile::tempdir().unwrap();
    assert_eq!(Settings::load(directory.path()).unwrap(), Settings::default());
    fs::write(directory.path().join("settings.toml"), "theme = \"dusk\"\n").unwrap();
    assert_eq!(Settings::load(directory.path()).unwrap().theme.as_deref(), Some("dusk"));
    fs::write(directory.path().join("settings.toml"), "teme = \"dusk\"\n").unwrap();
    let error = Settings::load(directory.path()).unwrap_err().to_string();
    assert!(error.contains("settings.toml") && error.contains("line 1"), "{error}");
}

#[test]
fn one_process_at_a_time_holds_a_directory() {
    let directory = tempfile::tempdir().unwrap();
    let held = DirLock::acquire(directory.path()).unwrap();
    assert!(matches!(DirLock::acquire(directory.path()), Err(ProfileError::Locked { .. })));
    drop(held);
    DirLock::acquire(directory.path()).unwrap();
}

#[test]
fn two_processes_that_learn_keys_forget_none() {
    let directory = tempfile::tempdir().unwrap();
    let context = ContextId::from("c");
    let user = |name: &str| UserWithPubKey { user_id: name.into(), pub_key: format!("k-{name}") };
    let mut one = KnownKeys::load(directory.path()).unwrap();
    let mut other = KnownKeys::load(directory.path()).unwrap();
    one.remember(&context, &user("ana"), true).unwrap();
    other.remember(&context, &user("ben"), true).unwrap();
    other.remember(&context, &user("ana"), false).unwrap();
    let known = KnownKeys::load(directory.path()).unwrap();
    for name in ["ana", "ben"] {
        assert_eq!(known.standing(&context, &user(name)), Standing::Verified, "{name}");
    }
}

#[test]
fn a_room_is_known_again_by_the_next_process() {
    let directory = tempfile::tempdir().unwrap();
    let context = ContextId::from("c");
    let mut one = KnownRooms::load(directory.path()).unwrap();
    let mut other = KnownRooms::load(directory.path()).unwrap();
    assert_eq!(one.meet(&context, &"r".into(), &[1; 32]), Acquaintance::New);
    assert_eq!(one.meet(&context, &"r".into(), &[2; 32]), Acquaintance::Another);
    one.flush().unwrap();
    other.meet(&context, &"s".into(), &[3; 32]);
    other.meet(&context, &"r".into(), &[4; 32]);
    other.flush().unwrap();
    let mut known = KnownRooms::load(directory.path()).unwrap();
    let cases = [
        ("r", 1, Acquaintance::Same),
        ("r", 4, Acquaintance::Another),
        ("s", 3, Acquaintance::Same),
    ];
    for (room, anchor, expected) in cases {
        assert_eq!(known.meet(&context, &room.into(), &[anchor; 32]), expected, "{room} {anchor}");
    }
    assert_eq!(known.meet(&ContextId::from("d"), &"r".into(), &[4; 32]), Acquaintance::New);
}

#[test]
fn invented_rooms_do_not_wash_out_known_ones() {
    let directory = tempfile::tempdir().unwrap();
    let context = ContextId::from("c");
    let mut known = KnownRooms::load(directory.path()).unwrap();
    known.meet(&context, &"r".into(), &[1; 32]);
    for number in 0..20_000 {
        known.meet(&context, &format!("{number:024x}").into(), &[2; 32]);
    }
    known.flush().unwrap();
    let mut known = KnownRooms::load(directory.path()).unwrap();
    assert_eq!(known.meet(&context, &"r".into(), &[2; 32]), Acquaintance::Another);
}
