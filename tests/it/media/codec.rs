//! Opus as we set it up.

use conclave::media::codec::opus::Decoder;
use conclave::media::codec::opus::Encoder;
use conclave::media::codec::opus::SILENCE;
use conclave::media::codec::opus::has_fec;
use conclave::media::codec::opus::packet_samples;
use conclave::model::Bitrate;
use proptest::prelude::*;

use super::support::correlation;
use super::support::snr_db;
use super::support::speech;

fn encode(encoder: &mut Encoder, samples: &[f32]) -> Vec<Vec<u8>> {
    let (frames, _) = samples.as_chunks::<960>();
    frames.iter().map(|frame| encoder.encode(frame).unwrap().to_vec()).collect()
}

fn decode(packets: &[Vec<u8>]) -> Vec<f32> {
    let mut decoder = Decoder::new().unwrap();
    packets.iter().flat_map(|packet| decoder.decode(packet).unwrap().to_vec()).collect()
}

#[test]
fn the_waveform_of_speech_survives() {
    let original = speech(4);
    for (name, loss, least) in [("no loss", 0, 0.98), ("10 % loss", 10, 0.97)] {
        let mut encoder = Encoder::new().unwrap();
        encoder.set_loss(loss).unwrap();
        let packets = encode(&mut encoder, &original);
        let (similar, lag) = correlation(&original, &decode(&packets), 700);
        assert!(similar >= least, "{name}: {similar}");
        assert!(lag.abs_diff(encoder.delay().unwrap() as usize) <= 4, "{name}: {lag}");
        let bytes: usize = packets.iter().map(Vec::len).sum();
        let kbit = bytes as f64 * 8.0 / 4000.0;
        assert!((20.0..64.0).contains(&kbit), "{name}: {kbit} kbit/s");
    }
}

#[test]
fn reported_loss_puts_copies_into_the_packets_that_follow() {
    let original = speech(3);
    let mut encoder = Encoder::new().unwrap();
    assert_eq!(encode(&mut encoder, &original).iter().filter(|packet| has_fec(packet)).count(), 0);
    encoder.set_loss(10).unwrap();
    let packets = encode(&mut encoder, &original);
    let copies = packets.iter().filter(|packet| has_fec(packet)).count();
    assert!(copies * 2 > packets.len(), "{copies} of {}", packets.len());
}

#[test]
fn a_copy_is_better_than_an_invention_and_both_are_better_than_nothing() {
    let original = speech(6);
    let mut encoder = Encoder::new().unwrap();
    encoder.set_loss(10).unwrap();
    let packets = encode(&mut encoder, &original);
    let whole = decode(&packets);
    let is_lost = |index: usize| index % 10 == 7;

    let run = |how: &str| {
        let mut decoder = Decoder::new().unwrap();
        let mut out = Vec::new();
        for (index, packet) in packets.iter().enumerate() {
            let samples = match (is_lost(index), how, packets.get(index + 1)) {
                (true, "recover", Some(next)) => decoder.recover(next, 960),
                (true, "silence", _) => {
                    decoder.conceal(960).unwrap();
                    Ok(&[0.0; 960][..])
                }
                (true, ..) => decoder.conceal(960),
                (false, ..) => decoder.decode(packet),
            };
            let samples = samples.unwrap();
            assert_eq!(samples.len(), 960);
            out.extend_from_slice(samples);
        }
        snr_db(&whole, &out)
    };
    let (silence, conceal, recover) = (run("silence"), run("conceal"), run("recover"));
    assert!(conceal > silence, "{conceal} dB concealed, {silence} dB silenced");
    assert!(recover > conceal + 3.0, "{recover} dB recovered, {conceal} dB concealed");
}

#[test]
fn the_silence_packet_is_silent_after_anything() {
    let mut encoder = Encoder::new().unwrap();
    let mut decoder = Decoder::new().unwrap();
    for packet in encode(&mut encoder, &speech(1)) {
        decoder.decode(&packet).unwrap();
    }
    assert_eq!(packet_samples(&SILENCE), Some(960));
    decoder.decode(&SILENCE).unwrap();
    let quiet = decoder.decode(&SILENCE).unwrap();
    assert!(quiet.iter().all(|sample| sample.abs() < 1e-4));
}

#[test]
fn settings_are_held_within_their_ranges() {
    let mut encoder = Encoder::new().unwrap();
    for bitrate in [0, 1, 48_000, u32::MAX] {
        encoder.set_bitrate(Bitrate(bitrate)).unwrap();
    }
    encoder.set_loss(255).unwrap();
    encoder.set_complexity(255).unwrap();
    encoder.set_dtx(true).unwrap();
    assert!(!encoder.encode(&[0.1; 960]).unwrap().is_empty());
}

proptest! {
    #[test]
    fn any_packet_is_decoded_or_refused(
        packets in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..20),
    ) {
        let mut decoder = Decoder::new().unwrap();
        for packet in packets {
            let _ = has_fec(&packet);
            if let Ok(samples) = decoder.decode(&packet) {
                prop_assert_eq!(u32::try_from(samples.len()).ok(), packet_samples(&packet));
            }
            let _ = decoder.recover(&packet, 960);
            let _ = decoder.conceal(usize::from(packet.first().copied().unwrap_or(0)) * 100);
        }
    }
}
