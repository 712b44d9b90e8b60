//! Playing files: every time has its picture and its sound, however it was reached.

use std::io::Cursor;
use std::time::Duration;

use conclave::media::Picture;
use conclave::media::codec::opus;
use conclave::media::codec::vp8::Decoder;
use conclave::media::codec::vp8::Encoder;
use conclave::media::codec::vp8::EncoderConfig;
use conclave::media::container::ivf::IvfWriter;
use conclave::media::container::ogg::OggOpusWriter;
use conclave::media::container::wav::WavWriter;
use conclave::media::container::y4m::Rate;
use conclave::media::container::y4m::Y4mWriter;
use conclave::media::playback::AudioFile;
use conclave::media::playback::Input;
use conclave::media::playback::Kind;
use conclave::media::playback::PlayAction;
use conclave::media::playback::Player;
use conclave::media::playback::VideoFile;
use proptest::prelude::*;

use super::support::scene;
use super::support::speech;
use super::support::tone;

const PICTURES: u32 = 30;
const STEP_MS: u64 = 100;

/// A film of 3 s with a key frame each second, and its pictures.
fn film() -> (Vec<u8>, Vec<Picture>) {
    let config = EncoderConfig { width: 64, height: 48, fps: 10, bitrate_kbit: 300 };
    let mut encoder = Encoder::new(config).unwrap();
    let mut decoder = Decoder::new();
    let mut writer = IvfWriter::new(Cursor::new(Vec::new())).unwrap();
    let mut pictures = Vec::new();
    for number in 0..PICTURES {
        let at_ms = u64::from(number) * STEP_MS;
        let time = Duration::from_millis(at_ms);
        let frame = encoder.encode(&scene(64, 48, number), time, number % 10 == 0);
        let frame = frame.unwrap().unwrap();
        writer.write(&frame.data, at_ms).unwrap();
        pictures.push(decoder.decode(&frame.data).unwrap().unwrap());
    }
    (writer.finish().unwrap().into_inner(), pictures)
}

fn uncompressed() -> (Vec<u8>, Vec<Picture>) {
    let mut writer = Y4mWriter::new(Vec::new(), Rate { pictures: 10, seconds: 1 });
    let pictures: Vec<Picture> = (0..PICTURES).map(|number| scene(33, 17, number)).collect();
    pictures.iter().for_each(|picture| writer.write(picture).unwrap());
    (writer.finish().unwrap(), pictures)
}

fn wav(samples: &[f32]) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    WavWriter::new(&mut file, 48_000).unwrap().write(samples).unwrap();
    file.into_inner()
}

fn ogg(samples: &[f32]) -> Vec<u8> {
    let mut encoder = opus::Encoder::new().unwrap();
    let mut writer = OggOpusWriter::new(Vec::new(), 7, "chi").unwrap();
    for frame in samples.as_chunks::<960>().0 {
        writer.write(encoder.encode(frame).unwrap(), 960).unwrap();
    }
    writer.finish().unwrap()
}

fn boxed(bytes: Vec<u8>) -> Box<dyn Input> {
    Box::new(Cursor::new(bytes))
}

#[test]
fn every_time_has_its_picture_however_it_is_reached() {
    for (file, pictures) in [film(), uncompressed()] {
        let mut video = VideoFile::open(Cursor::new(file)).unwrap();
        assert!(video.length() >= Duration::from_millis(2966));
        for ms in [0, 50, 99, 100, 2950, 1050, 1150, 1000, 20, 2999, 450, 350, 99_999] {
            let shown = video.at(Duration::from_millis(ms)).unwrap();
            let number = (ms / STEP_MS).min(u64::from(PICTURES) - 1) as usize;
            if let Some(shown) = shown {
                assert!(*shown == pictures[number], "{ms} ms");
            } else {
                assert!([50, 99, 99_999].contains(&ms) || ms == 2999, "nothing new at {ms} ms");
            }
        }
        assert_eq!(video.damaged(), 0);
    }
}

#[test]
fn sound_is_the_same_from_anywhere() {
    let original = speech(3);
    for (file, exact) in [(wav(&original), true), (ogg(&original), false)] {
        let mut whole = Vec::new();
        let mut audio = AudioFile::open(Cursor::new(file.clone())).unwrap();
        assert!(audio.length().abs_diff(Duration::from_secs(3)) < Duration::from_millis(10));
        while audio.read(1000, &mut whole).unwrap() > 0 {}
        assert!(whole.len().abs_diff(original.len()) <= 312, "{}", whole.len());
        for seek_ms in [0, 20, 700, 1999, 2500, 100, 3000, 9999] {
            audio.seek(Duration::from_millis(seek_ms)).unwrap();
            let mut part = Vec::new();
            audio.read(4800, &mut part).unwrap();
            let begin = (seek_ms as usize * 48).min(whole.len());
            let expected = &whole[begin..whole.len().min(begin + 4800)];
            assert_eq!(part.len(), expected.len(), "{seek_ms} ms");
            let off = part.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(off < if exact { 1e-6 } else { 0.05 }, "{seek_ms} ms: off by {off}");
        }
    }
}

#[test]
fn a_player_pauses_seeks_and_changes_its_speed() {
    let video = VideoFile::open(boxed(film().0)).unwrap();
    let audio = AudioFile::open(boxed(wav(&tone(440.0, 3 * 48_000)))).unwrap();
    let mut player = Player::new(Some(video), Some(audio));
    let mut sound = Vec::new();
    let tenth = Duration::from_millis(100);
    assert!(player.advance(Duration::ZERO, &mut sound).unwrap().is_some());
    for _ in 0..5 {
        assert!(player.advance(tenth, &mut sound).unwrap().is_some());
    }
    assert_eq!((sound.len(), player.status().position), (24_000, tenth * 5));
    assert!((player.status().level.unwrap().dbfs() + 9.0).abs() < 1.0);
    player.handle(PlayAction::Pause).unwrap();
    assert!(player.advance(tenth, &mut sound).unwrap().is_none());
    assert_eq!((sound.len(), player.status().position), (24_000, tenth * 5));
    player.handle(PlayAction::Pause).unwrap();
    for _ in 0..2 {
        player.handle(PlayAction::Faster).unwrap();
    }
    assert_eq!(player.status().speed, 200);
    player.advance(tenth, &mut sound).unwrap();
    assert_eq!((sound.len(), player.status().position), (24_000, tenth * 7));
    for _ in 0..9 {
        player.handle(PlayAction::Slower).unwrap();
    }
    assert_eq!(player.status().speed, 25);
    player.handle(PlayAction::Forward(Duration::from_secs(99))).unwrap();
    assert!(player.status().ended);
    player.handle(PlayAction::Pause).unwrap();
    assert_eq!((player.status().position, player.status().ended), (Duration::ZERO, false));
    player.handle(PlayAction::Back(Duration::from_secs(1))).unwrap();
    assert_eq!(player.status().position, Duration::ZERO);
}

#[test]
fn behind_the_end_of_the_sound_there_is_silence() {
    let video = VideoFile::open(boxed(film().0)).unwrap();
    let audio = AudioFile::open(boxed(wav(&tone(440.0, 48_000)))).unwrap();
    let mut player = Player::new(Some(video), Some(audio));
    let mut sound = Vec::new();
    for _ in 0..25 {
        player.advance(Duration::from_millis(100), &mut sound).unwrap();
    }
    assert_eq!(sound.len(), 48_000);
    assert!(player.status().level.unwrap().dbfs() < -60.0, "{:?}", player.status());
}

#[test]
fn files_are_known_by_how_they_begin() {
    assert_eq!(Kind::of(&film().0), Some(Kind::Video));
    assert_eq!(Kind::of(&uncompressed().0), Some(Kind::Video));
    assert_eq!(Kind::of(&wav(&[0.0; 9])), Some(Kind::Audio));
    assert_eq!(Kind::of(&ogg(&[0.0; 960])), Some(Kind::Audio));
    assert_eq!(Kind::of(b"GIF89a"), None);
    assert_eq!(Kind::of(b"DK"), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn damaged_files_are_survived(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        cut in any::<prop::sample::Index>(),
        ms in 0_u64..4000,
    ) {
        for file in [film().0, uncompressed().0, wav(&tone(440.0, 4800)), ogg(&tone(440.0, 48_000))] {
            let mut file = file;
            for (place, byte) in &changes {
                let place = place.index(file.len());
                file[place] = *byte;
            }
            file.truncate(cut.index(file.len()) + 1);
            let time = Duration::from_millis(ms);
            if let Ok(mut video) = VideoFile::open(Cursor::new(file.clone())) {
                let _ = video.at(time);
                let _ = video.at(Duration::ZERO);
            }
            if let Ok(mut audio) = AudioFile::open(Cursor::new(file)) {
                let mut sound = Vec::new();
                let _ = audio.read(48_000, &mut sound);
                let _ = audio.seek(time);
                let _ = audio.read(48_000, &mut sound);
                prop_assert!(sound.iter().all(|sample| sample.is_finite()));
            }
        }
    }
}
