//! Devices that need no sound card.

use std::time::Duration;
use std::time::Instant;

use conclave::device::Chime;
use conclave::device::ChimePlayer;
use conclave::device::DeviceError;
use conclave::device::DeviceSpec;
use conclave::device::open_input;
use conclave::device::open_output;

use super::support::tone;

#[test]
fn names_are_understood() {
    let file = |path: &str| DeviceSpec::File(path.into());
    let cases = [
        ("default", DeviceSpec::Default),
        ("silence", DeviceSpec::Silence),
        ("null", DeviceSpec::Null),
        ("tone:440", DeviceSpec::Tone(440.0)),
        ("file:a b.wav", file("a b.wav")),
        ("file:/tmp/x:y.wav", file("/tmp/x:y.wav")),
        ("USB Headset", DeviceSpec::Named("USB Headset".to_owned())),
        ("hw:0,1", DeviceSpec::Named("hw:0,1".to_owned())),
    ];
    for (text, spec) in cases {
        assert_eq!(text.parse::<DeviceSpec>().unwrap(), spec, "{text}");
        assert_eq!(spec.to_string(), text);
    }
    for text in ["", "  ", "file:", "tone:", "tone:x", "tone:0", "tone:99999", "tone:NaN"] {
        assert!(matches!(text.parse::<DeviceSpec>(), Err(DeviceError::Spec { .. })), "{text}");
    }
}

#[test]
fn synthetic_microphones_keep_exact_time() {
    let start = Instant::now();
    for spec in [DeviceSpec::Tone(440.0), DeviceSpec::Silence] {
        let mut input = open_input(&spec).unwrap();
        let mut heard = Vec::new();
        for step in [0u64, 3, 7, 20, 21, 500, 999, 1000, 4321] {
            input.read(start + Duration::from_millis(step), &mut heard).unwrap();
            assert_eq!(heard.len() as u64, step * 48, "{spec} after {step} ms");
        }
        assert!(input.is_processed());
        if spec == DeviceSpec::Silence {
            assert!(heard.iter().all(|&sample| sample == 0.0));
        } else {
            let wave = tone(440.0, heard.len());
            assert!(heard.iter().zip(&wave).all(|(a, b)| (a - b).abs() < 0.02));
        }
    }
}

#[test]
fn a_process_that_slept_for_an_hour_does_not_make_up_for_it() {
    let start = Instant::now();
    let mut input = open_input(&DeviceSpec::Silence).unwrap();
    let mut heard = Vec::new();
    input.read(start, &mut heard).unwrap();
    input.read(start + Duration::from_secs(3600), &mut heard).unwrap();
    assert_eq!(heard.len(), 60 * 48_000);
    input.read(start + Duration::from_millis(3_600_020), &mut heard).unwrap();
    assert_eq!(heard.len(), 60 * 48_000 + 960);
}

#[test]
fn a_speaker_file_plays_back_as_a_microphone() {
    let folder = tempfile::tempdir().unwrap();
    let spec = DeviceSpec::File(folder.path().join("out.wav"));
    let sound = tone(300.0, 4800);
    let start = Instant::now();
    let mut output = open_output(&spec).unwrap();
    assert_eq!(output.wanted(start), 0);
    for (n, frame) in (1u32..).zip(sound.chunks(960)) {
        let now = start + Duration::from_millis(20) * n;
        assert_eq!(output.wanted(now), 960);
        output.write(frame).unwrap();
        assert_eq!(output.wanted(now), 0);
        // The file is whole at any moment.
        let mut input = open_input(&spec).unwrap();
        let mut heard = Vec::new();
        input.read(now, &mut heard).unwrap();
        input.read(now + Duration::from_millis(200), &mut heard).unwrap();
        assert_eq!(heard.len(), 9600);
        let written = n as usize * 960;
        assert!(heard[..written].iter().zip(&sound).all(|(a, b)| (a - b).abs() < 1e-4));
        assert!(heard[written..].iter().all(|&sample| sample == 0.0));
    }
    output.finish().unwrap();
}

#[test]
fn a_file_of_another_rate_is_converted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("slow.wav");
    let file = std::fs::File::create(&path).unwrap();
    let mut writer = conclave::media::container::wav::WavWriter::new(file, 16_000).unwrap();
    // 300 Hz at 16 kHz.
    writer.write(&tone(900.0, 16_000)).unwrap();
    let mut input = open_input(&DeviceSpec::File(path)).unwrap();
    let start = Instant::now();
    let mut heard = Vec::new();
    input.read(start, &mut heard).unwrap();
    input.read(start + Duration::from_secs(2), &mut heard).unwrap();
    assert_eq!(heard.len(), 96_000);
    let crossings = heard.windows(2).filter(|pair| pair[0] < 0.0 && pair[1] >= 0.0).count();
    assert!(crossings.abs_diff(300) <= 2, "{crossings}");
}

#[test]
fn what_cannot_be_opened_is_explained() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("text.wav");
    std::fs::write(&text, "no sound").unwrap();
    let missing = folder.path().join("missing.wav");
    for (spec, part) in [
        (DeviceSpec::File(missing), "missing.wav"),
        (DeviceSpec::File(text), "text.wav"),
        (DeviceSpec::Null, "null"),
    ] {
        let error = open_input(&spec).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains(part) && error.contains(';'), "{error}");
    }
    for spec in [DeviceSpec::Silence, DeviceSpec::Tone(1.0)] {
        assert!(matches!(open_output(&spec), Err(DeviceError::WrongDirection { .. })));
    }
}

#[test]
fn chimes_are_short_soft_and_different() {
    let chimes = [Chime::Joined, Chime::Left, Chime::Muted, Chime::Unmuted].map(Chime::samples);
    for (index, chime) in chimes.iter().enumerate() {
        assert!(chime.len() <= 12_000);
        assert!(chime.iter().all(|sample| sample.abs() <= 0.25));
        assert!(chimes[..index].iter().all(|other| other != chime));
        assert!(chime[0].abs() < 0.01 && chime.last().unwrap().abs() < 0.01);
    }
    let player = ChimePlayer::new(&DeviceSpec::Null);
    player.play(Chime::Joined);
    player.shutdown();
}
