//! Cost of sealing and opening one 20 ms Opus frame, beside the bare AES-256-GCM of it.

use std::sync::Arc;

use conclave::crypto::frame::FrameCryptor;
use conclave::crypto::frame::FrameKeys;
use conclave::crypto::frame::MediaKey;
use conclave::model::Level;
use conclave::model::Secret;
use conclave::model::TrackKind;
use rand::SeedableRng;
use rand::rngs::StdRng;

/// A typical Opus frame at 40 kbit/s.
const FRAME: [u8; 100] = [7; 100];

fn main() {
    divan::main();
}

fn cryptor() -> FrameCryptor {
    let id = "00112233445566778899aabbccddeeff";
    let key = MediaKey { id: id.into(), key: Secret::new([5; 32]) };
    let keys = FrameKeys::new(id.into(), vec![key]);
    FrameCryptor::new(Arc::new(keys))
}

#[divan::bench]
fn seal(bencher: divan::Bencher<'_, '_>) {
    let cryptor = cryptor();
    let mut rng = StdRng::seed_from_u64(1);
    bencher.bench_local(|| cryptor.seal(&mut rng, &FRAME, Level::FLOOR));
}

#[divan::bench]
fn open(bencher: divan::Bencher<'_, '_>) {
    let cryptor = cryptor();
    let sealed = cryptor.seal(&mut StdRng::seed_from_u64(1), &FRAME, Level::FLOOR);
    let sealed = sealed.expect("the key is there");
    bencher.bench_local(|| cryptor.open(TrackKind::Audio, &sealed));
}
