//! WAV files of all kinds, and of none.

use std::io::Cursor;

use conclave::media::MediaError;
use conclave::media::container::wav::WavReader;
use conclave::media::container::wav::WavWriter;
use proptest::prelude::*;

/// A file with one chunk nobody knows before the sound.
fn file(format: u16, bits: u16, channels: u16, rate: u32, data: &[u8]) -> Vec<u8> {
    let block = channels * bits / 8;
    let mut bytes = b"RIFF\0\0\0\0WAVELIST\x03\0\0\0abc\0fmt \x10\0\0\0".to_vec();
    bytes.extend(format.to_le_bytes());
    bytes.extend(channels.to_le_bytes());
    bytes.extend(rate.to_le_bytes());
    bytes.extend((rate * u32::from(block)).to_le_bytes());
    bytes.extend(block.to_le_bytes());
    bytes.extend(bits.to_le_bytes());
    bytes.extend(b"data");
    bytes.extend((data.len() as u32).to_le_bytes());
    bytes.extend(data);
    bytes
}

fn read(bytes: &[u8]) -> Result<(u32, Vec<f32>), MediaError> {
    let mut reader = WavReader::new(bytes)?;
    let mut samples = Vec::new();
    while reader.read(&mut samples)? > 0 {}
    Ok((reader.rate(), samples))
}

#[test]
fn every_sample_format_is_read() {
    let float = [0.5f32.to_le_bytes(), (-1.0f32).to_le_bytes()].concat();
    let double = [0.5f64.to_le_bytes(), (-1.0f64).to_le_bytes()].concat();
    let strange = [f32::NAN.to_le_bytes(), f32::INFINITY.to_le_bytes()].concat();
    type Case<'a> = (&'a str, u16, u16, u16, &'a [u8], &'a [f32]);
    let cases: &[Case<'_>] = &[
        ("8 bit", 1, 8, 1, &[0, 128, 192], &[-1.0, 0.0, 0.5]),
        ("16 bit", 1, 16, 1, &[0, 0x80, 0, 0x40], &[-1.0, 0.5]),
        ("24 bit", 1, 24, 1, &[0, 0, 0x80, 0, 0, 0x40], &[-1.0, 0.5]),
        ("32 bit", 1, 32, 1, &[0, 0, 0, 0x80, 0, 0, 0, 0x40], &[-1.0, 0.5]),
        ("float", 3, 32, 1, &float, &[0.5, -1.0]),
        ("double", 3, 64, 1, &double, &[0.5, -1.0]),
        ("not finite", 3, 32, 1, &strange, &[0.0, 0.0]),
        ("stereo", 1, 16, 2, &[0, 0x40, 0, 0, 0, 0x40, 0, 0x40], &[0.25, 0.5]),
        ("a sample cut in half", 1, 16, 2, &[0, 0x40, 0, 0x40, 1, 2], &[0.5]),
        ("nothing", 1, 16, 1, &[], &[]),
    ];
    for (name, format, bits, channels, data, expected) in cases {
        let (rate, samples) = read(&file(*format, *bits, *channels, 11_025, data)).unwrap();
        assert_eq!((rate, &samples[..]), (11_025, *expected), "{name}");
    }
}

#[test]
fn an_extensible_header_is_read() {
    let mut bytes =
        b"RIFF\0\0\0\0WAVEfmt \x28\0\0\0\xfe\xff\x01\0\x80\xbb\0\0\0\0\0\0\x02\0\x10\0".to_vec();
    bytes.extend(b"\x16\0\x10\0\x04\0\0\0\x01\0\0\0\0\0\x10\0\x80\0\0\xaa\0\x38\x9b\x71");
    bytes.extend(b"data\xff\xff\xff\xff\0\x40");
    assert_eq!(read(&bytes).unwrap(), (48_000, vec![0.5]));
}

#[test]
fn what_is_no_wav_file_is_refused() {
    let good = file(1, 16, 1, 48_000, &[0, 0]);
    let cases: &[(&str, Vec<u8>)] = &[
        ("empty", Vec::new()),
        ("text", b"hello, this is not a sound file at all, it is a text".to_vec()),
        ("cut in the header", good[..30].to_vec()),
        ("no channels", file(1, 16, 0, 48_000, &[])),
        ("a thousand channels", file(1, 16, 1000, 48_000, &[])),
        ("no rate", file(1, 16, 1, 0, &[])),
        ("12 bits", file(1, 12, 1, 48_000, &[])),
        ("A-law", file(6, 8, 1, 48_000, &[])),
    ];
    for (name, bytes) in cases {
        assert!(matches!(read(bytes), Err(MediaError::Wav(_))), "{name}");
    }
}

#[test]
fn a_file_is_whole_after_every_write() {
    let mut writer = WavWriter::new(Cursor::new(Vec::new()), 48_000).unwrap();
    let mut expected = Vec::new();
    for round in 0..5 {
        let part: Vec<f32> = (0..960i16).map(|n| f32::from(n * round) / 32_768.0).collect();
        writer.write(&part).unwrap();
        expected.extend(part);
        let bytes = writer.into_inner();
        assert_eq!(read(bytes.get_ref()).unwrap(), (48_000, expected.clone()), "round {round}");
        let size = u32::from_le_bytes(bytes.get_ref()[4..8].try_into().unwrap());
        assert_eq!(size as usize + 8, bytes.get_ref().len());
        writer = WavWriter::new(Cursor::new(Vec::new()), 48_000).unwrap();
        writer.write(&expected).unwrap();
    }
    assert_eq!(writer.samples(), 4800);
}

proptest! {
    #[test]
    fn sixteen_bits_come_back_exactly(values in prop::collection::vec(any::<i16>(), 0..3000)) {
        let samples: Vec<f32> = values.iter().map(|&value| f32::from(value) / 32_768.0).collect();
        let mut writer = WavWriter::new(Cursor::new(Vec::new()), 44_100).unwrap();
        for part in samples.chunks(700) {
            writer.write(part).unwrap();
        }
        prop_assert_eq!(read(writer.into_inner().get_ref()).unwrap(), (44_100, samples));
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = read(&bytes);
    }

    #[test]
    fn any_damage_is_read_or_refused(
        at in 0usize..60,
        byte in any::<u8>(),
        length in 0usize..400,
    ) {
        let mut bytes = file(1, 24, 2, 48_000, &[7; 300]);
        if let Some(slot) = bytes.get_mut(at) {
            *slot = byte;
        }
        bytes.truncate(length);
        let _ = read(&bytes);
    }
}
