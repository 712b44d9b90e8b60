//! Real devices. On a machine without any, that there are none is what is tested; with
//! `tests/pulse/server.sh run`, sound goes around through a sound server.

use std::time::Duration;
use std::time::Instant;

use conclave::device::Chime;
use conclave::device::ChimePlayer;
use conclave::device::DeviceError;
use conclave::device::DeviceSpec;
use conclave::device::list;
use conclave::device::open_input;
use conclave::device::open_output;

use super::support::tone;

/// The sound server of `tests/pulse/server.sh` is there.
fn has_server() -> bool {
    cfg!(feature = "audio") && std::env::var_os("PULSE_TEST_DIR").is_some()
}

/// A real device runs in real time, and so does whoever feeds it.
fn pace() {
    std::thread::park_timeout(Duration::from_millis(5));
}

#[test]
fn a_machine_without_devices_says_so_and_does_not_hang() {
    if has_server() {
        return;
    }
    let start = Instant::now();
    let name = DeviceSpec::Named("no such device".to_owned());
    for spec in [DeviceSpec::Default, name] {
        let error = match open_input(&spec) {
            // Somebody's laptop.
            Ok(_) => continue,
            Err(error) => error.to_string(),
        };
        assert!(error.contains("microphone") && error.contains(';'), "{error}");
    }
    assert!(list().inputs.len() < 1000);
    let chimes = ChimePlayer::new(&DeviceSpec::Named("no such device".to_owned()));
    chimes.play(Chime::Joined);
    chimes.shutdown();
    assert!(start.elapsed() < Duration::from_secs(15));
}

fn amplitude_at_440(sound: &[f32]) -> f64 {
    let (sine, cosine) = (0..).zip(sound).fold((0.0, 0.0), |(sine, cosine), (n, &sample)| {
        let phase = std::f64::consts::TAU * 440.0 * f64::from(n) / 48_000.0;
        (sine + f64::from(sample) * phase.sin(), cosine + f64::from(sample) * phase.cos())
    });
    2.0 * f64::hypot(sine, cosine) / sound.len() as f64
}

#[test]
fn what_the_speaker_plays_comes_back_through_the_microphone() {
    if !has_server() {
        return;
    }
    let devices = list();
    let names: Vec<&str> = devices.inputs.iter().map(|device| device.name.as_str()).collect();
    assert_eq!(names, ["TestMicrophone", "SpeakerEar"]);
    assert!(devices.outputs.iter().any(|device| device.id == "spk" && device.is_default));

    let mut speaker = open_output(&DeviceSpec::Default).unwrap();
    let mut ear = open_input(&DeviceSpec::Named("speakerear".to_owned())).unwrap();
    let sound = tone(440.0, 48_000 * 3);
    let mut written = 0;
    let mut heard = Vec::new();
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(2500) {
        let now = Instant::now();
        while speaker.wanted(now) >= 960 && written + 960 <= sound.len() {
            speaker.write(&sound[written..written + 960]).unwrap();
            written += 960;
        }
        ear.read(now, &mut heard).unwrap();
        pace();
    }
    let rate = heard.len() as f64 / start.elapsed().as_secs_f64();
    assert!((rate / 48_000.0 - 1.0).abs() < 0.05, "{rate} samples a second");
    let second = &heard[heard.len() - 48_000..];
    // Tenths of a second, of which a busy machine may spoil a few.
    let mut amplitudes: Vec<f64> = second.chunks_exact(4_800).map(amplitude_at_440).collect();
    amplitudes.sort_by(f64::total_cmp);
    let amplitude = amplitudes[5];
    eprintln!(
        "amplitude {amplitude:.4}, underruns {}, overruns {}",
        speaker.underruns(),
        ear.overruns()
    );
    assert!((0.45..0.51).contains(&amplitude), "{amplitude}");
}

#[test]
fn an_ambiguous_or_unknown_name_is_explained() {
    if !has_server() {
        return;
    }
    let named = |name: &str| open_output(&DeviceSpec::Named(name.to_owned())).map(|_| ());
    assert!(matches!(named("null"), Err(DeviceError::NotFound { .. })));
    assert!(matches!(named("e"), Err(DeviceError::Ambiguous { .. })));
}

#[test]
fn a_chime_is_heard() {
    if !has_server() {
        return;
    }
    let chimes = ChimePlayer::new(&DeviceSpec::Named("MicFeed".to_owned()));
    let mut microphone = open_input(&DeviceSpec::Default).unwrap();
    let mut heard = Vec::new();
    chimes.play(Chime::Joined);
    let start = Instant::now();
    let is_loud = |sample: &f32| sample.abs() > 0.1;
    while !heard.iter().any(is_loud) && start.elapsed() < Duration::from_secs(5) {
        microphone.read(Instant::now(), &mut heard).unwrap();
        pace();
    }
    chimes.shutdown();
    assert!(heard.iter().any(is_loud));
}
