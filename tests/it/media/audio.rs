//! Levels, speakers, gain, mixer, resampler.

use std::time::Duration;

use conclave::media::AudioFrame;
use conclave::media::audio::DetectorConfig;
use conclave::media::audio::Gain;
use conclave::media::audio::Meter;
use conclave::media::audio::Mixer;
use conclave::media::audio::Resampler;
use conclave::media::audio::SpeechDetector;
use conclave::model::Level;
use proptest::prelude::*;
use serde_json::Value;

use super::support::snr_db;
use super::support::speech;
use super::support::tone;
use super::support::wave;

const FRAME: Duration = Duration::from_millis(20);

fn frame(samples: &[f32]) -> AudioFrame {
    let mut frame = AudioFrame::silence();
    frame.samples_mut().copy_from_slice(samples);
    frame
}

#[test]
fn the_meter_reads_what_the_reference_writes_into_frames() {
    for (amplitude, byte) in [(1.0, 100.0), (0.5, 94.0), (0.1, 80.0), (0.01, 60.0), (0.0, 0.0)] {
        let mut meter = Meter::new();
        meter.measure(&vec![amplitude; 48_000]);
        assert_eq!((meter.level().dbfs() + 100.0).round(), byte, "{amplitude}");
    }
}

#[test]
fn the_meter_smooths_as_the_reference_does_however_it_is_fed() {
    let mut level = 0.0f32;
    let mut meter = Meter::new();
    let sound = speech(1);
    for block in sound.chunks_exact(128) {
        let rms = (block.iter().map(|sample| sample * sample).sum::<f32>() / 128.0).sqrt();
        level = 0.3 * rms + 0.7 * level;
        for part in block.chunks(37) {
            meter.measure(part);
        }
        assert!((meter.level().dbfs() - Level::from_rms(level).dbfs()).abs() < 0.01);
    }
}

#[test]
fn the_peak_stays_for_a_second_and_then_falls() {
    let mut meter = Meter::new();
    meter.measure(&[1.0; 128]);
    meter.measure(&[0.0; 47_000]);
    assert_eq!(meter.peak().dbfs(), 0.0);
    meter.measure(&[0.0; 48_000]);
    assert!((-22.0..-15.0).contains(&meter.peak().dbfs()), "{}", meter.peak());
}

#[test]
fn the_reference_detector_is_reproduced() {
    let vectors: Value = serde_json::from_str(include_str!("../../data/media.json")).unwrap();
    let pattern = [(-99.0, 30), (-25.0, 30), (-40.0, 10), (-99.0, 30), (-30.0, 15)];
    let levels = pattern.iter().flat_map(|&(level, count)| std::iter::repeat_n(level, count));
    let mut detector = SpeechDetector::new(DetectorConfig::REFERENCE);
    let mut samples = vectors["activeSpeaker"]["samples"].as_array().unwrap().iter().peekable();
    for (n, level) in (1u32..).zip(levels) {
        detector.observe(Level::from_dbfs(level), FRAME * n);
        let here = |sample: &&Value| sample["timestamp"] == n * 20;
        if let Some(sample) = samples.next_if(here) {
            let expect = |name: &str| sample[name].as_f64().unwrap() as f32;
            let (ema, floor) = (detector.smoothed_db().unwrap(), detector.floor_db().unwrap());
            assert!((ema - expect("ema")).abs() < 0.001, "{ema} at {}", n * 20);
            assert!((floor - expect("noiseFloor")).abs() < 0.001, "{floor} at {}", n * 20);
        }
    }
    assert!(samples.next().is_none());
}

/// Part of the time for which a detector takes a stretch for speech: (level, seconds) each.
fn active_parts(stretches: &[(f32, u32)]) -> Vec<f64> {
    let mut detector = SpeechDetector::default();
    let mut time = Duration::ZERO;
    let mut parts = Vec::new();
    for &(level, seconds) in stretches {
        let mut active = 0;
        for _ in 0..seconds * 50 {
            time += FRAME;
            detector.observe(Level::from_dbfs(level), time);
            active += u32::from(detector.is_active(time));
        }
        parts.push(f64::from(active) / f64::from(seconds * 50));
    }
    parts
}

#[test]
fn the_detector_tells_speech_from_silence() {
    type Case = (&'static str, &'static [(f32, u32)]);
    let cases: &[Case] = &[
        ("silence and speech in turn", &[(-75.0, 5), (-25.0, 5), (-75.0, 5), (-25.0, 5)]),
        ("first muted", &[(-99.0, 2), (-75.0, 5), (-25.0, 5), (-75.0, 5)]),
        ("first loud", &[(-25.0, 5), (-75.0, 5), (-25.0, 5)]),
        ("noisy room", &[(-60.0, 5), (-30.0, 5), (-60.0, 5)]),
    ];
    for (name, stretches) in cases {
        for (&(level, _), part) in stretches.iter().zip(active_parts(stretches)) {
            if level > -50.0 {
                assert!(part > 0.95, "{name}: {part} of {level} dBFS");
            } else {
                assert!(part < 0.15, "{name}: {part} of {level} dBFS");
            }
        }
    }
}

#[test]
fn a_fan_does_not_speak_forever() {
    let parts = active_parts(&[(-80.0, 5), (-55.0, 15), (-55.0, 15)]);
    assert!(parts[2] < 0.05, "{parts:?}");
}

#[test]
fn a_pause_between_words_is_held() {
    let mut detector = SpeechDetector::default();
    let levels = [(-70.0, 50), (-25.0, 50), (-70.0, 20)];
    let mut time = Duration::ZERO;
    for (level, count) in levels {
        for _ in 0..count {
            time += FRAME;
            detector.observe(Level::from_dbfs(level), time);
        }
    }
    assert!(detector.is_active(time), "400 ms after the last loud level");
    assert!(!detector.is_active(time + Duration::from_millis(800)));
}

#[test]
fn gain_ramps_and_arrives() {
    let mut gain = Gain::new();
    let mut samples = tone(440.0, 960);
    let original = samples.clone();
    gain.apply(&mut samples);
    assert_eq!(samples, original);
    gain.set(0.0);
    let mut ones = vec![1.0f32; 1920];
    gain.apply(&mut ones);
    assert!(ones.windows(2).all(|pair| pair[1] <= pair[0] && pair[0] - pair[1] < 0.002));
    assert!(ones[960..].iter().all(|&sample| sample == 0.0));
    gain.set_db(0.0);
    gain.apply(&mut ones);
    let mut samples = original.clone();
    gain.apply(&mut samples);
    assert_eq!(samples, original);
}

#[test]
fn loud_tracks_together_are_turned_down_not_cut_off() {
    let mut mixer = Mixer::new();
    let low = tone(220.0, 48_000);
    let high = tone(331.0, 48_000);
    let loud = |sound: &[f32]| frame(&sound.iter().map(|sample| sample * 1.8).collect::<Vec<_>>());
    let mut wanted = Vec::new();
    let mut heard = Vec::new();
    for (low, high) in low.chunks(960).zip(high.chunks(960)) {
        let mut out = AudioFrame::silence();
        mixer.add(&loud(low));
        mixer.add(&loud(high));
        mixer.finish(&mut out);
        heard.extend_from_slice(out.samples());
        wanted.extend(low.iter().zip(high).map(|(low, high)| 1.8 * (low + high)));
    }
    // Once the gain has settled, what is heard is the sum, softer.
    let (wanted, heard) = (&wanted[24_000..], &heard[24_000..]);
    let scale = heard.iter().zip(wanted).map(|(a, b)| a * b).sum::<f32>()
        / wanted.iter().map(|sample| sample * sample).sum::<f32>();
    let scaled: Vec<f32> = wanted.iter().map(|sample| sample * scale).collect();
    let clipped: Vec<f32> = wanted.iter().map(|sample| sample.clamp(-1.0, 1.0)).collect();
    let quality = snr_db(&scaled, heard);
    assert!(quality > 25.0, "{quality} dB");
    assert!(quality > snr_db(wanted, &clipped) + 10.0);
    // And back to untouched when it is quiet again.
    let mut out = AudioFrame::silence();
    for _ in 0..150 {
        mixer.add(&frame(&low[..960]));
        mixer.finish(&mut out);
    }
    assert_eq!(out.samples()[..], low[..960]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn one_track_passes_bit_for_bit(samples in prop::collection::vec(-1.0f32..=1.0, 960)) {
        let mut mixer = Mixer::new();
        let mut out = AudioFrame::silence();
        mixer.add(&frame(&samples));
        mixer.finish(&mut out);
        prop_assert_eq!(&out.samples()[..], &samples[..]);
        mixer.finish(&mut out);
        prop_assert!(out.is_silent());
    }

    #[test]
    fn any_mix_stays_within_full_scale(
        tracks in prop::collection::vec((any::<u64>(), 0.0f32..4.0), 0..8),
        frames in 1usize..6,
    ) {
        let mut mixer = Mixer::new();
        for round in 0..frames {
            let mut sum = vec![0.0f32; 960];
            for &(seed, loud) in &tracks {
                let mut noise = super::support::Noise(seed.wrapping_add(round as u64));
                let samples: Vec<f32> = (0..960).map(|_| noise.next() * loud).collect();
                sum.iter_mut().zip(&samples).for_each(|(sum, sample)| *sum += sample);
                mixer.add(&frame(&samples));
            }
            let mut out = AudioFrame::silence();
            mixer.finish(&mut out);
            prop_assert!(out.samples().iter().all(|sample| sample.abs() <= 1.0));
            if round == 0 && sum.iter().all(|sample| sample.abs() <= 1.0) {
                prop_assert_eq!(&out.samples()[..], &sum[..]);
            }
        }
    }

    #[test]
    fn resampling_does_not_depend_on_how_the_input_is_cut(
        cuts in prop::collection::vec(1usize..700, 1..20),
        rates in prop::sample::select(vec![(44_100, 48_000), (48_000, 44_100), (8000, 48_000), (96_000, 48_000)]),
    ) {
        let total: usize = cuts.iter().sum();
        let input = tone(300.0, total);
        let mut whole = Vec::new();
        Resampler::new(rates.0, rates.1).process(&input, &mut whole);
        let mut parts = Vec::new();
        let mut resampler = Resampler::new(rates.0, rates.1);
        let mut rest = &input[..];
        for cut in cuts {
            let (part, after) = rest.split_at(cut);
            resampler.process(part, &mut parts);
            rest = after;
        }
        prop_assert_eq!(whole.len(), parts.len());
        let far = whole.iter().zip(&parts).any(|(a, b)| (a - b).abs() > 1e-5);
        prop_assert!(!far);
    }
}

#[test]
fn resampling_keeps_tones_and_lengths() {
    let rates = [(44_100, 48_000), (48_000, 44_100), (16_000, 48_000), (96_000, 48_000)];
    for (from, to) in rates.into_iter().chain([(22_050, 48_000), (48_000, 48_000)]) {
        for hertz in [100.0, 1000.0, 3000.0, 6000.0] {
            let second = |rate: u32| wave(hertz, rate, rate as usize);
            let mut out = Vec::new();
            let mut resampler = Resampler::new(from, to);
            resampler.process(&second(from), &mut out);
            resampler.finish(&mut out);
            assert!(out.len().abs_diff(to as usize) <= 2, "{from} to {to}: {}", out.len());
            let middle = 2000..to as usize - 2000;
            let quality = snr_db(&second(to)[middle.clone()], &out[middle]);
            assert!(quality > 70.0, "{hertz} Hz from {from} to {to}: {quality} dB");
        }
    }
}

#[test]
fn resampling_down_lets_no_alias_through() {
    let mut out = Vec::new();
    Resampler::new(96_000, 48_000).process(&wave(30_000.0, 96_000, 96_000), &mut out);
    let peak = out[1000..].iter().fold(0.0f32, |peak, sample| peak.max(sample.abs()));
    assert!(peak < 1e-4, "{peak}");
}

#[test]
fn a_trimmed_resampler_runs_faster_or_slower() {
    let mut resampler = Resampler::new(44_100, 48_000);
    resampler.set_trim(1.001);
    let mut out = Vec::new();
    resampler.process(&tone(300.0, 441_000), &mut out);
    assert!(out.len().abs_diff(479_520) < 60, "{}", out.len());
}
