//! MessagePack, the other encoding that frames of the PrivMX protocol may carry
//! (transport.md 3.1): the same values as [`pson`](super::pson), written differently.
//!
//! The official server takes it; the clients of the day don't use it.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use super::pson::Limits;
use super::pson::PsonError;
use super::pson::Value;

const NIL: u8 = 0xC0;
const FALSE: u8 = 0xC2;
const TRUE: u8 = 0xC3;
const BIN_8: u8 = 0xC4;
const BIN_16: u8 = 0xC5;
const BIN_32: u8 = 0xC6;
const FLOAT_32: u8 = 0xCA;
const FLOAT_64: u8 = 0xCB;
const UINT_8: u8 = 0xCC;
const UINT_16: u8 = 0xCD;
const UINT_32: u8 = 0xCE;
const UINT_64: u8 = 0xCF;
const INT_8: u8 = 0xD0;
const INT_16: u8 = 0xD1;
const INT_32: u8 = 0xD2;
const INT_64: u8 = 0xD3;
const STR_8: u8 = 0xD9;
const STR_16: u8 = 0xDA;
const STR_32: u8 = 0xDB;
const ARRAY_16: u8 = 0xDC;
const ARRAY_32: u8 = 0xDD;
const MAP_16: u8 = 0xDE;
const MAP_32: u8 = 0xDF;
/// Small maps, arrays and texts have their length in the tag.
const FIXMAP: u8 = 0x80;
const FIXARRAY: u8 = 0x90;
const FIXSTR: u8 = 0xA0;

/// How many items are reserved on the word of a count alone.
const RESERVE_MAX: usize = 64;
/// The least that a member of a map takes.
const MEMBER_MIN: usize = 2;

/// The bytes of `value`, each part in its shortest form.
#[must_use]
pub fn encode(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    put(&mut out, value);
    out
}

fn put(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Null => out.push(NIL),
        Value::Bool(true) => out.push(TRUE),
        Value::Bool(false) => out.push(FALSE),
        Value::Int(number) => put_int(out, *number),
        Value::Float(number) => put_fixed(out, FLOAT_32, &number.to_be_bytes()),
        Value::Double(number) => put_fixed(out, FLOAT_64, &number.to_be_bytes()),
        Value::Text(text) => put_text(out, text),
        Value::Binary(bytes) => {
            put_length(out, bytes.len(), None, [Some(BIN_8), Some(BIN_16), Some(BIN_32)]);
            out.extend_from_slice(bytes);
        }
        Value::Array(items) => {
            let tags = [None, Some(ARRAY_16), Some(ARRAY_32)];
            put_length(out, items.len(), Some((FIXARRAY, 15)), tags);
            items.iter().for_each(|item| put(out, item));
        }
        Value::Object(members) => {
            let tags = [None, Some(MAP_16), Some(MAP_32)];
            put_length(out, members.len(), Some((FIXMAP, 15)), tags);
            for (key, member) in members {
                put_text(out, key);
                put(out, member);
            }
        }
    }
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    let tags = [Some(STR_8), Some(STR_16), Some(STR_32)];
    put_length(out, text.len(), Some((FIXSTR, 31)), tags);
    out.extend_from_slice(text.as_bytes());
}

fn put_fixed(out: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    out.push(tag);
    out.extend_from_slice(bytes);
}

/// A length: in the tag `small` up to a bound, or behind a tag in 1, 2 or 4 bytes.
fn put_length(
    out: &mut Vec<u8>,
    length: usize,
    small: Option<(u8, u8)>,
    [one, two, four]: [Option<u8>; 3],
) {
    let short = u8::try_from(length).ok();
    if let (Some((tag, most)), Some(length)) = (small, short)
        && length <= most
    {
        out.push(tag | length);
    } else if let (Some(tag), Some(length)) = (one, short) {
        put_fixed(out, tag, &[length]);
    } else if let (Some(tag), Ok(length)) = (two, u16::try_from(length)) {
        put_fixed(out, tag, &length.to_be_bytes());
    } else if let Some(tag) = four {
        let length = u32::try_from(length).expect("our own values are far below 4 GiB");
        put_fixed(out, tag, &length.to_be_bytes());
    }
}

fn put_int(out: &mut Vec<u8>, number: i64) {
    let bytes = number.to_be_bytes();
    if let Ok(small @ -32..=127) = i8::try_from(number) {
        out.push(small.cast_unsigned());
    } else if let Ok(number) = u8::try_from(number) {
        put_fixed(out, UINT_8, &[number]);
    } else if let Ok(number) = i8::try_from(number) {
        put_fixed(out, INT_8, &number.to_be_bytes());
    } else if let Ok(number) = u16::try_from(number) {
        put_fixed(out, UINT_16, &number.to_be_bytes());
    } else if let Ok(number) = i16::try_from(number) {
        put_fixed(out, INT_16, &number.to_be_bytes());
    } else if let Ok(number) = u32::try_from(number) {
        put_fixed(out, UINT_32, &number.to_be_bytes());
    } else if let Ok(number) = i32::try_from(number) {
        put_fixed(out, INT_32, &number.to_be_bytes());
    } else if number >= 0 {
        put_fixed(out, UINT_64, &bytes);
    } else {
        put_fixed(out, INT_64, &bytes);
    }
}

/// The value that `bytes` are, within `limits`.
///
/// # Errors
///
/// [`PsonError`], which names what is wrong in either encoding; extension types are refused.
pub fn decode_with(bytes: &[u8], limits: Limits) -> Result<Value, PsonError> {
    if bytes.len() > limits.bytes {
        return Err(PsonError::TooLarge);
    }
    let mut reader = Reader { rest: bytes, values: limits.values };
    let value = reader.value(limits.depth)?;
    if reader.rest.is_empty() { Ok(value) } else { Err(PsonError::TrailingBytes) }
}

struct Reader<'a> {
    rest: &'a [u8],
    /// How many values may still come.
    values: usize,
}

impl<'a> Reader<'a> {
    fn value(&mut self, depth: usize) -> Result<Value, PsonError> {
        self.values = self.values.checked_sub(1).ok_or(PsonError::TooLarge)?;
        let tag = self.byte()?;
        Ok(match tag {
            NIL => Value::Null,
            TRUE => Value::Bool(true),
            FALSE => Value::Bool(false),
            FLOAT_32 => Value::Float(f32::from_be_bytes(self.fixed()?)),
            FLOAT_64 => Value::Double(f64::from_be_bytes(self.fixed()?)),
            0x00..=0x7F => Value::Int(i64::from(tag)),
            0xE0..=0xFF => Value::Int(i64::from(tag.cast_signed())),
            UINT_8 => Value::Int(i64::from(self.byte()?)),
            UINT_16 => Value::Int(i64::from(u16::from_be_bytes(self.fixed()?))),
            UINT_32 => Value::Int(i64::from(u32::from_be_bytes(self.fixed()?))),
            UINT_64 => {
                let number = i64::try_from(u64::from_be_bytes(self.fixed()?));
                Value::Int(number.map_err(|_| PsonError::IntegerTooLong)?)
            }
            INT_8 => Value::Int(i64::from(self.byte()?.cast_signed())),
            INT_16 => Value::Int(i64::from(i16::from_be_bytes(self.fixed()?))),
            INT_32 => Value::Int(i64::from(i32::from_be_bytes(self.fixed()?))),
            INT_64 => Value::Int(i64::from_be_bytes(self.fixed()?)),
            BIN_8 | BIN_16 | BIN_32 => {
                let length = self.length(tag, BIN_8)?;
                Value::Binary(self.bytes(length)?.to_vec())
            }
            0x90..=0x9F | ARRAY_16 | ARRAY_32 => self.array(tag, depth)?,
            0x80..=0x8F | MAP_16 | MAP_32 => self.map(tag, depth)?,
            0xA0..=0xBF | STR_8 | STR_16 | STR_32 => Value::Text(self.text(tag)?.to_owned()),
            // Extensions, and the tag that is never used.
            _ => return Err(PsonError::UnknownWord),
        })
    }

    fn array(&mut self, tag: u8, depth: usize) -> Result<Value, PsonError> {
        let depth = depth.checked_sub(1).ok_or(PsonError::TooDeep)?;
        let count = match tag {
            ARRAY_16 => usize::from(u16::from_be_bytes(self.fixed()?)),
            ARRAY_32 => self.long()?,
            _ => usize::from(tag & 0x0F),
        };
        let count = self.count(count, 1)?;
        let mut items = Vec::with_capacity(count.min(RESERVE_MAX));
        for _ in 0..count {
            items.push(self.value(depth)?);
        }
        Ok(Value::Array(items))
    }

    fn map(&mut self, tag: u8, depth: usize) -> Result<Value, PsonError> {
        let depth = depth.checked_sub(1).ok_or(PsonError::TooDeep)?;
        let count = match tag {
            MAP_16 => usize::from(u16::from_be_bytes(self.fixed()?)),
            MAP_32 => self.long()?,
            _ => usize::from(tag & 0x0F),
        };
        let count = self.count(count, MEMBER_MIN)?;
        let mut members = Vec::with_capacity(count.min(RESERVE_MAX));
        for _ in 0..count {
            let tag = self.byte()?;
            let key = self.text(tag)?.to_owned();
            members.push((key, self.value(depth)?));
        }
        Ok(Value::Object(members))
    }

    /// A count is refused before anything is allocated if what is left can't hold it.
    fn count(&self, count: usize, least: usize) -> Result<usize, PsonError> {
        if count.checked_mul(least).is_none_or(|bytes| bytes > self.rest.len()) {
            return Err(PsonError::Truncated);
        }
        if count > self.values { Err(PsonError::TooLarge) } else { Ok(count) }
    }

    fn text(&mut self, tag: u8) -> Result<&'a str, PsonError> {
        let length = match tag {
            0xA0..=0xBF => usize::from(tag & 0x1F),
            STR_8 | STR_16 | STR_32 => self.length(tag, STR_8)?,
            _ => return Err(PsonError::KeyNotText),
        };
        str::from_utf8(self.bytes(length)?).map_err(|_| PsonError::InvalidUtf8)
    }

    /// The length behind one of three tags that follow each other, of which `first` is one.
    fn length(&mut self, tag: u8, first: u8) -> Result<usize, PsonError> {
        match tag.saturating_sub(first) {
            0 => self.byte().map(usize::from),
            1 => Ok(usize::from(u16::from_be_bytes(self.fixed()?))),
            _ => self.long(),
        }
    }

    fn long(&mut self) -> Result<usize, PsonError> {
        usize::try_from(u32::from_be_bytes(self.fixed()?)).map_err(|_| PsonError::TooLarge)
    }

    fn bytes(&mut self, length: usize) -> Result<&'a [u8], PsonError> {
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or(PsonError::Truncated)?;
        self.rest = rest;
        Ok(bytes)
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], PsonError> {
        let (bytes, rest) = self.rest.split_first_chunk::<N>().ok_or(PsonError::Truncated)?;
        self.rest = rest;
        Ok(*bytes)
    }

    fn byte(&mut self) -> Result<u8, PsonError> {
        let (byte, rest) = self.rest.split_first().ok_or(PsonError::Truncated)?;
        self.rest = rest;
        Ok(*byte)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(bytes: &[u8]) -> Result<Value, PsonError> {
        decode_with(bytes, Limits::FRAME)
    }

    #[test]
    fn values_have_their_shortest_form_and_come_back() {
        let text = |length: usize| Value::text("x".repeat(length));
        let list = |length: usize| Value::Array(vec![Value::Null; length]);
        let cases: Vec<(Value, &[u8])> = vec![
            (Value::Null, &[0xC0]),
            (Value::Bool(true), &[0xC3]),
            (Value::Int(0), &[0x00]),
            (Value::Int(127), &[0x7F]),
            (Value::Int(128), &[0xCC, 0x80]),
            (Value::Int(256), &[0xCD, 0x01, 0x00]),
            (Value::Int(65_536), &[0xCE, 0x00, 0x01, 0x00, 0x00]),
            (Value::Int(1 << 32), &[0xCF, 0, 0, 0, 1, 0, 0, 0, 0]),
            (Value::Int(-1), &[0xFF]),
            (Value::Int(-32), &[0xE0]),
            (Value::Int(-33), &[0xD0, 0xDF]),
            (Value::Int(-129), &[0xD1, 0xFF, 0x7F]),
            (Value::Int(-32_769), &[0xD2, 0xFF, 0xFF, 0x7F, 0xFF]),
            (Value::Int(i64::MIN), &[0xD3, 0x80, 0, 0, 0, 0, 0, 0, 0]),
            (Value::Double(0.5), &[0xCB, 0x3F, 0xE0, 0, 0, 0, 0, 0, 0]),
            (Value::text("a"), &[0xA1, b'a']),
            (Value::Binary(vec![7]), &[0xC4, 1, 7]),
            (list(1), &[0x91, 0xC0]),
            (Value::object([("a", Value::Int(1))]), &[0x81, 0xA1, b'a', 1]),
        ];
        for (value, bytes) in cases {
            assert_eq!(encode(&value), bytes, "{value:?}");
            assert_eq!(decode(bytes), Ok(value));
        }
        for length in [15, 16, 31, 32, 255, 256, 65_535, 65_536] {
            for value in [text(length), list(length), Value::Binary(vec![0; length])] {
                assert_eq!(decode(&encode(&value)), Ok(value), "{length}");
            }
        }
    }

    #[test]
    fn noise_is_refused() {
        let cases: [(&[u8], PsonError); 9] = [
            (&[], PsonError::Truncated),
            (&[0xA2, b'a'], PsonError::Truncated),
            (&[0xDD, 0xFF, 0xFF, 0xFF, 0xFF], PsonError::Truncated),
            (&[0xDF, 0xFF, 0xFF, 0xFF, 0xFF], PsonError::Truncated),
            (&[0xC0, 0xC0], PsonError::TrailingBytes),
            (&[0x81, 0x01, 0x01], PsonError::KeyNotText),
            (&[0xA1, 0xFF], PsonError::InvalidUtf8),
            (&[0xCF, 0xFF, 0, 0, 0, 0, 0, 0, 0], PsonError::IntegerTooLong),
            (&[0xD4, 0, 0], PsonError::UnknownWord),
        ];
        for (bytes, error) in cases {
            assert_eq!(decode(bytes), Err(error), "{bytes:02X?}");
        }
        assert_eq!(decode(&[vec![0x91; 65], vec![0xC0]].concat()), Err(PsonError::TooDeep));
    }
}
