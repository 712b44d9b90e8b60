//! Makes messages that are almost right, and some that are not at all.

use rand::Rng;
use rand::RngExt;
use rand::rngs::StdRng;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

/// Longest message made from nothing.
const RANDOM_MAX: usize = 300;
/// Longest message made at all.
const MAX: usize = 100_000;

/// Where all bad messages of a run come from.
pub struct Source {
    rng: StdRng,
}

impl Source {
    pub fn new(rng: StdRng) -> Self {
        Self { rng }
    }

    pub fn below(&mut self, end: usize) -> usize {
        self.rng.random_range(0..end.max(1))
    }

    pub fn pick<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len())]
    }

    pub fn random(&mut self) -> Vec<u8> {
        let mut bytes = vec![0; self.below(RANDOM_MAX)];
        self.rng.fill_bytes(&mut bytes);
        bytes
    }

    /// One of `seeds` after some accidents; now and then plain noise.
    pub fn bytes(&mut self, seeds: &[Vec<u8>]) -> Vec<u8> {
        if seeds.is_empty() || self.below(20) == 0 {
            return self.random();
        }
        let mut bytes = self.pick(seeds).clone();
        for _ in 0..=self.below(4) {
            self.damage(&mut bytes, seeds);
        }
        bytes.truncate(MAX);
        bytes
    }

    fn damage(&mut self, bytes: &mut Vec<u8>, seeds: &[Vec<u8>]) {
        let at = self.below(bytes.len());
        match self.below(9) {
            0 => {
                let bit = self.below(8);
                bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << bit);
            }
            1 => {
                let value = *self.pick(&[0, 1, 0x7f, 0x80, 0xff]);
                bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte = value);
            }
            2 => bytes.truncate(at),
            3 => {
                let end = (at + self.below(40)).min(bytes.len());
                let slice = bytes[at..end].to_vec();
                bytes.splice(at..at, slice);
            }
            4 => {
                let noise = self.random();
                bytes.splice(at..at, noise);
            }
            5 => {
                let length = *self.pick(&[0_u32, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 65_536]);
                let raw =
                    if self.below(2) == 0 { length.to_be_bytes() } else { length.to_le_bytes() };
                bytes.iter_mut().skip(at).zip(raw).for_each(|(byte, new)| *byte = new);
            }
            6 => {
                let other = self.pick(seeds).clone();
                let from = self.below(other.len());
                bytes.truncate(at);
                bytes.extend_from_slice(&other[from..]);
            }
            7 => {
                let end = (at + self.below(40)).min(bytes.len());
                bytes.drain(at..end);
            }
            _ => {
                let end = (at + self.below(20)).min(bytes.len());
                self.rng.fill_bytes(&mut bytes[at..end]);
            }
        }
    }

    /// A value that few expect.
    fn nasty(&mut self) -> Value {
        let mut deep = json!(1);
        for _ in 0..self.below(200) {
            deep = json!([deep]);
        }
        let long = "ä".repeat(self.below(20_000));
        let list = [
            Value::Null,
            json!(true),
            json!(-1),
            json!(i64::MIN),
            json!(u64::MAX),
            json!(1e308),
            json!(0.5),
            json!(""),
            json!("\u{0}\u{202e}\u{feff}"),
            json!("../../etc/passwd"),
            json!("'; DROP TABLE meta; --"),
            json!(long),
            deep,
            json!({}),
            json!([]),
            json!({"a": {"b": [null]}}),
        ];
        self.pick(&list).clone()
    }

    /// A value after some accidents that leave it JSON.
    pub fn value(&mut self, seed: &Value) -> Value {
        let mut value = seed.clone();
        for _ in 0..=self.below(3) {
            self.spoil(&mut value);
        }
        value
    }

    fn spoil(&mut self, value: &mut Value) {
        let deeper = self.below(3) > 0;
        match value {
            Value::Object(map) if deeper && !map.is_empty() => {
                let keys: Vec<String> = map.keys().cloned().collect();
                let key = self.pick(&keys).clone();
                self.spoil_member(map, &key);
            }
            Value::Array(list) if deeper && !list.is_empty() => {
                let at = self.below(list.len());
                if self.below(4) == 0 {
                    let copy = list[at].clone();
                    list.extend(std::iter::repeat_n(copy, 40));
                } else {
                    self.spoil(&mut list[at]);
                }
            }
            other => *other = self.nasty(),
        }
    }

    fn spoil_member(&mut self, map: &mut Map<String, Value>, key: &str) {
        match self.below(6) {
            0 => drop(map.remove(key)),
            1 => {
                let extra = self.nasty();
                map.insert("extra".to_owned(), extra);
            }
            2 => {
                if let Some(value) = map.remove(key) {
                    map.insert(key.to_uppercase(), value);
                }
            }
            _ => {
                if let Some(value) = map.get_mut(key) {
                    self.spoil(value);
                }
            }
        }
    }
}
