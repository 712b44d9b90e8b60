//! Writes PSON in its shortest form.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use serde_json::Value as Json;

use super::Dictionary;
use super::Value;

/// The largest zig-zag integer that fits the tag byte itself.
pub(super) const SMALL_MAX: u64 = 0xEF;
pub(super) const NULL: u8 = 0xF0;
pub(super) const TRUE: u8 = 0xF1;
pub(super) const FALSE: u8 = 0xF2;
pub(super) const EMPTY_OBJECT: u8 = 0xF3;
pub(super) const EMPTY_ARRAY: u8 = 0xF4;
pub(super) const EMPTY_TEXT: u8 = 0xF5;
pub(super) const OBJECT: u8 = 0xF6;
pub(super) const ARRAY: u8 = 0xF7;
pub(super) const INTEGER: u8 = 0xF8;
pub(super) const LONG: u8 = 0xF9;
pub(super) const FLOAT: u8 = 0xFA;
pub(super) const DOUBLE: u8 = 0xFB;
pub(super) const TEXT: u8 = 0xFC;
pub(super) const TEXT_ADD: u8 = 0xFD;
pub(super) const WORD: u8 = 0xFE;
pub(super) const BINARY: u8 = 0xFF;

/// The bytes of `value`, with the words of `dictionary` abbreviated.
#[must_use]
pub fn encode(value: &Value, dictionary: Dictionary) -> Vec<u8> {
    let mut out = Vec::new();
    put_value(&mut out, value, dictionary);
    out
}

/// The bytes of a JSON value.
#[must_use]
pub fn encode_json(value: &Json, dictionary: Dictionary) -> Vec<u8> {
    encode(&Value::from(value), dictionary)
}

/// The bytes of one member of an object, for [`object_of`].
#[must_use]
pub fn encode_member(key: &str, value: &Value, dictionary: Dictionary) -> Vec<u8> {
    let mut out = Vec::new();
    put_text(&mut out, key, dictionary);
    put_value(&mut out, value, dictionary);
    out
}

/// An object of `count` members that are encoded already.
#[must_use]
pub fn object_of(count: usize, members: &[&[u8]]) -> Vec<u8> {
    let mut out = vec![OBJECT];
    put_length(&mut out, count);
    for member in members {
        out.extend_from_slice(member);
    }
    out
}

fn put_value(out: &mut Vec<u8>, value: &Value, dictionary: Dictionary) {
    match value {
        Value::Null => out.push(NULL),
        Value::Bool(true) => out.push(TRUE),
        Value::Bool(false) => out.push(FALSE),
        Value::Int(number) => put_int(out, *number),
        Value::Float(number) => {
            out.push(FLOAT);
            out.extend_from_slice(&number.to_le_bytes());
        }
        Value::Double(number) => {
            out.push(DOUBLE);
            out.extend_from_slice(&number.to_le_bytes());
        }
        Value::Text(text) => put_text(out, text, dictionary),
        Value::Binary(bytes) => {
            out.push(BINARY);
            put_sized(out, bytes);
        }
        Value::Array(items) if items.is_empty() => out.push(EMPTY_ARRAY),
        Value::Array(items) => {
            out.push(ARRAY);
            put_length(out, items.len());
            for item in items {
                put_value(out, item, dictionary);
            }
        }
        Value::Object(members) if members.is_empty() => out.push(EMPTY_OBJECT),
        Value::Object(members) => {
            out.push(OBJECT);
            put_length(out, members.len());
            for (key, member) in members {
                put_text(out, key, dictionary);
                put_value(out, member, dictionary);
            }
        }
    }
}

fn put_int(out: &mut Vec<u8>, number: i64) {
    let zigzag = (number.cast_unsigned() << 1) ^ (number >> 63).cast_unsigned();
    match u8::try_from(zigzag) {
        Ok(small) if zigzag <= SMALL_MAX => return out.push(small),
        _ if zigzag <= u64::from(u32::MAX) => out.push(INTEGER),
        _ => out.push(LONG),
    }
    put_varint(out, zigzag);
}

fn put_text(out: &mut Vec<u8>, text: &str, dictionary: Dictionary) {
    if text.is_empty() {
        out.push(EMPTY_TEXT);
    } else if let Some(index) = dictionary.index_of(text) {
        out.push(WORD);
        put_varint(out, u64::from(index));
    } else {
        out.push(TEXT);
        put_sized(out, text.as_bytes());
    }
}

fn put_sized(out: &mut Vec<u8>, bytes: &[u8]) {
    put_length(out, bytes.len());
    out.extend_from_slice(bytes);
}

fn put_length(out: &mut Vec<u8>, length: usize) {
    put_varint(out, length as u64);
}

fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number & 0x7F) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}
