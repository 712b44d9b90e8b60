//! Files of pictures: what is written is read, and what is damaged ends or is refused.

use std::io::Cursor;
use std::time::Duration;

use conclave::media::MediaError;
use conclave::media::container::ivf::IvfReader;
use conclave::media::container::ivf::IvfWriter;
use conclave::media::container::y4m::Rate;
use conclave::media::container::y4m::Y4mReader;
use conclave::media::container::y4m::Y4mWriter;
use proptest::prelude::*;

use super::support::scene;

fn y4m(width: u32, height: u32, count: u32) -> Vec<u8> {
    let mut writer = Y4mWriter::new(Vec::new(), Rate { pictures: 30_000, seconds: 1001 });
    for number in 0..count {
        writer.write(&scene(width, height, number)).unwrap();
    }
    writer.finish().unwrap()
}

#[test]
fn y4m_pictures_come_back_again_and_again() {
    for (width, height) in [(64, 48), (33, 17), (1, 1)] {
        let file = y4m(width, height, 5);
        let mut reader = Y4mReader::new(Cursor::new(file)).unwrap();
        assert_eq!((reader.width(), reader.height()), (width, height));
        assert_eq!(reader.rate(), Rate { pictures: 30_000, seconds: 1001 });
        assert_eq!(reader.count().unwrap(), 5);
        for _ in 0..2 {
            for number in 0..5 {
                assert!(reader.read().unwrap().unwrap() == scene(width, height, number));
            }
            assert!(reader.read().unwrap().is_none());
            reader.rewind().unwrap();
        }
        reader.seek(3).unwrap();
        assert!(reader.read().unwrap().unwrap() == scene(width, height, 3));
        reader.seek(99).unwrap();
        assert!(reader.read().unwrap().is_none());
    }
}

#[test]
fn y4m_times_are_exact() {
    let rate = Rate { pictures: 30_000, seconds: 1001 };
    assert_eq!(rate.time_of(30_000), Duration::from_secs(1001));
    for number in [0, 1, 2, 1000, 123_456] {
        assert_eq!(rate.number_at(rate.time_of(number) + Duration::from_nanos(1)), number);
    }
}

#[test]
fn y4m_files_of_other_kinds_are_read_or_refused() {
    let picture = [100; 6];
    for (header, fine) in [
        ("YUV4MPEG2 W2 H2 F15:1 Ip A1:1 C420mpeg2 XYSCSS=420MPEG2\nFRAME\n", true),
        ("YUV4MPEG2 H2 W2\nFRAME Ip\n", true),
        ("YUV4MPEG2 W2 H2 Cmono\nFRAME\n", true),
        ("YUV4MPEG2 W2 H2 C444\nFRAME\n", false),
        ("YUV4MPEG2 W2 H2 C420p10\nFRAME\n", false),
        ("YUV4MPEG2 W2 H2 F1:0\nFRAME\n", false),
        ("YUV4MPEG2 W2\nFRAME\n", false),
        ("YUV4MPEG2 W0 H2\nFRAME\n", false),
        ("YUV4MPEG2 W16383 H16383\nFRAME\n", false),
        ("YUV4MPEG2 W99999999999 H1\nFRAME\n", false),
        ("YUV4MPEG2 W2 H2\nFLAME\n", false),
        ("RIFF", false),
        ("", false),
    ] {
        let file = [header.as_bytes(), &picture].concat();
        let picture = Y4mReader::new(&file[..]).and_then(|mut reader| reader.read());
        let read = matches!(&picture, Ok(Some(picture)) if picture.y() == [100; 4]);
        assert_eq!(read, fine, "{header:?}: {picture:?}");
    }
}

fn ivf(frames: &[(&[u8], u64)]) -> Vec<u8> {
    let mut writer = IvfWriter::new(Cursor::new(Vec::new())).unwrap();
    for (frame, at_ms) in frames {
        assert!(writer.write(frame, *at_ms).unwrap());
    }
    writer.finish().unwrap().into_inner()
}

const KEY: &[u8] = &[0x10, 0, 0, 0x9d, 0x01, 0x2a, 64, 0, 48, 0, 1, 2, 3];
const DELTA: &[u8] = &[0x11, 0, 0, 7];

#[test]
fn ivf_frames_come_back_with_their_times() {
    let file = ivf(&[(KEY, 0), (DELTA, 66), (KEY, 133), (DELTA, 200)]);
    let mut reader = IvfReader::new(Cursor::new(file.clone())).unwrap();
    let entries = reader.index().unwrap();
    let keys: Vec<bool> = entries.iter().map(|entry| entry.key).collect();
    assert_eq!(keys, [true, false, true, false]);
    let frame = reader.read().unwrap().unwrap();
    assert_eq!((frame.time, &frame.data[..]), (Duration::ZERO, KEY));
    reader.seek(entries[3].offset).unwrap();
    let frame = reader.read().unwrap().unwrap();
    assert_eq!((frame.time, &frame.data[..]), (Duration::from_millis(200), DELTA));
    assert!(reader.read().unwrap().is_none());
    // Cut anywhere, it has the frames that are whole.
    for length in 0..file.len() {
        match IvfReader::new(Cursor::new(file[..length].to_vec())) {
            Ok(mut reader) => {
                let whole = reader.index().unwrap().len();
                assert!(whole < 4, "{length}");
                assert_eq!((0..).take_while(|_| reader.read().unwrap().is_some()).count(), whole);
            }
            Err(error) => assert!(length < 32 && matches!(error, MediaError::Ivf(_))),
        }
    }
}

#[test]
fn ivf_files_that_lie_are_refused() {
    let file = ivf(&[(KEY, 0)]);
    for (place, bytes) in
        [(0, &b"RIFF"[..]), (6, &[33, 0]), (8, b"VP90"), (16, &[0; 4]), (20, &[0; 4])]
    {
        let mut file = file.clone();
        file[place..place + bytes.len()].copy_from_slice(bytes);
        assert!(IvfReader::new(&file[..]).is_err(), "{place}");
    }
    let mut long = file;
    long[32..36].copy_from_slice(&u32::MAX.to_le_bytes());
    let mut reader = IvfReader::new(Cursor::new(long)).unwrap();
    assert!(reader.read().is_err());
    assert!(reader.index().is_err());
}

proptest! {
    #[test]
    fn any_file_is_survived(bytes: Vec<u8>, tail: Vec<u8>, width in 0_u32..40, height in 0_u32..40) {
        let _ = Y4mReader::new(&bytes[..]).map(|mut reader| reader.read());
        let header = format!("YUV4MPEG2 W{width} H{height} {}", String::from_utf8_lossy(&bytes));
        let file = [header.as_bytes(), b"\nFRAME\n", &tail].concat();
        let _ = Y4mReader::new(&file[..]).map(|mut reader| reader.read());
        let mut header = ivf(&[(KEY, 0)]);
        header.truncate(32);
        let file = [&header[..], &tail].concat();
        let mut reader = IvfReader::new(Cursor::new(file)).unwrap();
        if let Ok(entries) = reader.index() {
            for entry in entries {
                reader.seek(entry.offset).unwrap();
                prop_assert!(reader.read().unwrap().is_some());
            }
        }
    }
}
