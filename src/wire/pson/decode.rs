//! Reads PSON written by strangers: bounded in depth, number of values and size.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use super::Dictionary;
use super::PsonError;
use super::Value;
use super::encode as tag;

/// The least that a member of an object takes: a key and a value of one byte each.
const MEMBER_MIN: usize = 2;

/// How many items are reserved on the word of a count alone: nested counts could otherwise
/// claim the same bytes again and again.
const RESERVE_MAX: usize = 64;

/// How large a value may be before it is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Values inside values.
    pub depth: usize,
    /// Values in all, keys not counted. A value takes some 32 bytes of memory even when it
    /// takes one on the wire, so this bounds how far a message can blow itself up.
    pub values: usize,
    /// Bytes in all, and again bytes of text in the value: a text that the input taught is
    /// copied wherever the input refers to it, in two bytes.
    pub bytes: usize,
}

impl Limits {
    /// Room for the largest call there is: 16 384 members with their keys.
    pub const FRAME: Self = Self { depth: 64, values: 1 << 19, bytes: 16 << 20 };
    /// What a stranger may say before it has shown who it is.
    pub const HANDSHAKE: Self = Self { depth: 8, values: 256, bytes: 64 << 10 };
}

impl Default for Limits {
    fn default() -> Self {
        Self::FRAME
    }
}

/// The value that `bytes` are, within the default [`Limits`].
///
/// # Errors
///
/// Any [`PsonError`]; nothing is returned unless all bytes were understood.
pub fn decode(bytes: &[u8], dictionary: Dictionary) -> Result<Value, PsonError> {
    decode_with(bytes, dictionary, Limits::FRAME)
}

/// The value that `bytes` are, within `limits`.
///
/// # Errors
///
/// As [`decode`].
pub fn decode_with(
    bytes: &[u8],
    dictionary: Dictionary,
    limits: Limits,
) -> Result<Value, PsonError> {
    if bytes.len() > limits.bytes {
        return Err(PsonError::TooLarge);
    }
    let words = dictionary.words();
    let mut reader = Reader {
        rest: bytes,
        words,
        learnt: Vec::new(),
        values: limits.values,
        text: limits.bytes,
    };
    let value = reader.value(limits.depth)?;
    if reader.rest.is_empty() { Ok(value) } else { Err(PsonError::TrailingBytes) }
}

struct Reader<'a> {
    rest: &'a [u8],
    words: &'static [&'static str],
    /// Words that this text added; each was read from `rest`, so they are bounded by it.
    learnt: Vec<&'a str>,
    /// How many values may still come.
    values: usize,
    /// How many bytes of text may still come.
    text: usize,
}

impl<'a> Reader<'a> {
    fn value(&mut self, depth: usize) -> Result<Value, PsonError> {
        self.values = self.values.checked_sub(1).ok_or(PsonError::TooLarge)?;
        let byte = self.byte()?;
        Ok(match byte {
            tag::NULL => Value::Null,
            tag::TRUE => Value::Bool(true),
            tag::FALSE => Value::Bool(false),
            tag::EMPTY_OBJECT => Value::Object(Vec::new()),
            tag::EMPTY_ARRAY => Value::Array(Vec::new()),
            tag::OBJECT => self.object(depth)?,
            tag::ARRAY => self.array(depth)?,
            tag::INTEGER => Value::Int(unzigzag(u64::from(self.varint32()?))),
            tag::LONG => Value::Int(unzigzag(self.varint64()?)),
            tag::FLOAT => Value::Float(f32::from_le_bytes(self.fixed()?)),
            tag::DOUBLE => Value::Double(f64::from_le_bytes(self.fixed()?)),
            tag::BINARY => Value::Binary(self.sized()?.to_vec()),
            tag::EMPTY_TEXT | tag::TEXT | tag::TEXT_ADD | tag::WORD => {
                Value::Text(self.text(byte)?)
            }
            small => Value::Int(unzigzag(u64::from(small))),
        })
    }

    fn array(&mut self, depth: usize) -> Result<Value, PsonError> {
        let depth = depth.checked_sub(1).ok_or(PsonError::TooDeep)?;
        let count = self.count(1)?;
        let mut items = Vec::with_capacity(count.min(RESERVE_MAX));
        for _ in 0..count {
            items.push(self.value(depth)?);
        }
        Ok(Value::Array(items))
    }

    fn object(&mut self, depth: usize) -> Result<Value, PsonError> {
        let depth = depth.checked_sub(1).ok_or(PsonError::TooDeep)?;
        let count = self.count(MEMBER_MIN)?;
        let mut members = Vec::with_capacity(count.min(RESERVE_MAX));
        for _ in 0..count {
            let byte = self.byte()?;
            let key = self.text(byte)?;
            members.push((key, self.value(depth)?));
        }
        Ok(Value::Object(members))
    }

    /// A count of items of at least `least` bytes each: refused before anything is
    /// allocated if the rest of the input or of the allowance cannot hold them.
    fn count(&mut self, least: usize) -> Result<usize, PsonError> {
        let count = self.length()?;
        if count.checked_mul(least).is_none_or(|bytes| bytes > self.rest.len()) {
            return Err(PsonError::Truncated);
        }
        if count > self.values {
            return Err(PsonError::TooLarge);
        }
        Ok(count)
    }

    /// A copy of the text that `byte` introduces, if the allowance has room for it.
    fn text(&mut self, byte: u8) -> Result<String, PsonError> {
        let text = self.borrowed(byte)?;
        self.text = self.text.checked_sub(text.len()).ok_or(PsonError::TooLarge)?;
        Ok(text.to_owned())
    }

    fn borrowed(&mut self, byte: u8) -> Result<&'a str, PsonError> {
        match byte {
            tag::EMPTY_TEXT => Ok(""),
            tag::TEXT => self.utf8(),
            tag::TEXT_ADD => {
                let text = self.utf8()?;
                self.learnt.push(text);
                Ok(text)
            }
            tag::WORD => {
                let index = self.length()?;
                let learnt = || self.learnt.get(index.checked_sub(self.words.len())?);
                let word = self.words.get(index).copied().or_else(|| learnt().copied());
                word.ok_or(PsonError::UnknownWord)
            }
            _ => Err(PsonError::KeyNotText),
        }
    }

    fn utf8(&mut self) -> Result<&'a str, PsonError> {
        str::from_utf8(self.sized()?).map_err(|_| PsonError::InvalidUtf8)
    }

    fn sized(&mut self) -> Result<&'a [u8], PsonError> {
        let length = self.length()?;
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or(PsonError::Truncated)?;
        self.rest = rest;
        Ok(bytes)
    }

    fn length(&mut self) -> Result<usize, PsonError> {
        usize::try_from(self.varint32()?).map_err(|_| PsonError::TooLarge)
    }

    fn varint32(&mut self) -> Result<u32, PsonError> {
        u32::try_from(self.varint64()?).map_err(|_| PsonError::IntegerTooLong)
    }

    fn varint64(&mut self) -> Result<u64, PsonError> {
        let mut number = 0_u64;
        for shift in (0..u64::BITS).step_by(7) {
            let byte = self.byte()?;
            let group = u64::from(byte & 0x7F);
            let shifted = group << shift;
            if shifted >> shift != group {
                return Err(PsonError::IntegerTooLong);
            }
            number |= shifted;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(PsonError::IntegerTooLong)
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

const fn unzigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ (number & 1).cast_signed().wrapping_neg()
}
