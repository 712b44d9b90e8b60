//! PSON against recorded bytes, and laws that hold for all of it.

use conclave::wire::pson::Dictionary;
use conclave::wire::pson::Limits;
use conclave::wire::pson::PsonError;
use conclave::wire::pson::Value;
use conclave::wire::pson::decode;
use conclave::wire::pson::decode_with;
use conclave::wire::pson::encode;
use proptest::prelude::*;
use serde_json::Value as Json;
use serde_json::json;

use super::data::ENDPOINT;
use super::data::bytes;
use super::data::laws;
use super::data::pson_value;
use super::data::sorted;
use super::data::vector;

#[test]
fn basic_vectors_are_written_and_read() {
    for case in vector("pson-basic")["cases"].as_array().unwrap() {
        let value = pson_value(&case["value"]);
        for (column, dictionary) in
            [("no_dictionary", Dictionary::Empty), ("with_dictionary", Dictionary::Static)]
        {
            let expected = bytes(&case[column]);
            let read = decode(&expected, dictionary).unwrap();
            assert_eq!(sorted(read.clone()), sorted(value.clone()), "{case}");
            assert_eq!(encode(&read, dictionary), expected, "{case}");
            assert_eq!(decode(&encode(&value, dictionary), dictionary).unwrap(), value);
        }
    }
}

#[test]
fn a_text_that_is_taught_once_and_used_often_is_refused() {
    // A text, one that joins the dictionary, and a word of the dictionary.
    const TEXT: u8 = 0xFC;
    const TEXT_ADD: u8 = 0xFD;
    const WORD: u8 = 0xFE;
    let word = Value::text("x".repeat(1 << 20));
    let taught = encode(&Value::Array(vec![word]), Dictionary::Empty);
    let limits = Limits { bytes: 8 << 20, ..Limits::FRAME };
    let bomb = |uses: u8| {
        let mut bytes = taught.clone();
        bytes[1] = uses + 1;
        let at = bytes.iter().position(|byte| *byte == TEXT).unwrap();
        bytes[at] = TEXT_ADD;
        for _ in 0..uses {
            bytes.extend([WORD, 0]);
        }
        decode_with(&bytes, Dictionary::Empty, limits)
    };
    assert!(bomb(7).is_ok());
    assert_eq!(bomb(8), Err(PsonError::TooLarge));
}

#[test]
fn long_and_floating_vectors_are_read() {
    for case in vector("pson-long")["cases"].as_array().unwrap() {
        let number = Value::Int(case["value"].as_str().unwrap().parse().unwrap());
        assert_eq!(encode(&number, Dictionary::Empty), bytes(&case["hex"]), "{case}");
        assert_eq!(decode(&bytes(&case["hex"]), Dictionary::Empty), Ok(number), "{case}");
    }
    for case in vector("pson-float")["cases"].as_array().unwrap() {
        let read = decode(&bytes(&case["hex"]), Dictionary::Empty).unwrap();
        assert_eq!(read.to_json().unwrap(), case["value"], "{case}");
    }
}

#[test]
fn the_endpoint_writes_the_same_bytes() {
    for case in ENDPOINT["pson"]["encode"].as_array().unwrap() {
        let what = case["what"].as_str().unwrap();
        let given = &case["value"];
        let value = match (what, given) {
            ("double", _) => Value::Double(given.as_f64().unwrap()),
            ("float32", _) => Value::Float(given.as_f64().unwrap() as f32),
            ("string of 200 'x'", _) => Value::text("x".repeat(200)),
            ("binary" | "binary empty", Json::String(text)) => {
                Value::Binary(hex::decode(text.strip_prefix("hex:").unwrap()).unwrap())
            }
            _ => sorted(Value::from(given)),
        };
        let expected = bytes(&case["encoded"]);
        assert_eq!(encode(&value, Dictionary::Empty), expected, "{what}");
        assert_eq!(decode(&expected, Dictionary::Static), Ok(value), "{what}");
    }
    for case in ENDPOINT["pson"]["decodeOnly"].as_array().unwrap() {
        let read = decode(&bytes(&case["encoded"]), Dictionary::Static).unwrap();
        assert_eq!(read.to_json().unwrap(), case["value"], "{case}");
    }
}

#[test]
fn malformed_values_are_refused() {
    let deep = [[0xF7, 1].repeat(100), vec![0xF0]].concat();
    let cases: &[(&str, &[u8], PsonError)] = &[
        ("nothing", &[], PsonError::Truncated),
        ("bytes after the value", &[0xF0, 0x00], PsonError::TrailingBytes),
        ("text cut short", &[0xFC, 3, b'a'], PsonError::Truncated),
        ("text longer than memory", &[0xFC, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F], PsonError::Truncated),
        ("length beyond 32 bits", &[0xFC, 0xFF, 0xFF, 0xFF, 0xFF, 0x1F], PsonError::IntegerTooLong),
        ("text not UTF-8", &[0xFC, 1, 0xFF], PsonError::InvalidUtf8),
        ("key is a number", &[0xF6, 1, 0x02, 0x02], PsonError::KeyNotText),
        ("word unknown", &[0xFE, 11], PsonError::UnknownWord),
        (
            "integer beyond 32 bits",
            &[0xF8, 0x80, 0x80, 0x80, 0x80, 0x10],
            PsonError::IntegerTooLong,
        ),
        ("long of 11 bytes", &[[0xF9].as_slice(), &[0xFF; 11]].concat(), PsonError::IntegerTooLong),
        ("array of more than there is", &[0xF7, 9, 0xF0], PsonError::Truncated),
        ("object of more than there is", &[0xF6, 2, 0xF5, 0xF0, 0xF5], PsonError::Truncated),
        ("double cut short", &[0xFB, 0, 0], PsonError::Truncated),
        ("nested beyond the limit", &deep, PsonError::TooDeep),
    ];
    for (name, input, expected) in cases {
        assert_eq!(decode(input, Dictionary::Static), Err(*expected), "{name}");
    }
}

#[test]
fn limits_are_kept() {
    let small = Limits { depth: 2, values: 4, bytes: 8 };
    let cases: &[(&str, &[u8], Result<(), PsonError>)] = &[
        ("fits", &[0xF7, 3, 0, 0, 0], Ok(())),
        ("too many values", &[0xF7, 4, 0, 0, 0, 0], Err(PsonError::TooLarge)),
        ("too many bytes", &[0xFC, 7, 0, 0, 0, 0, 0, 0, 0], Err(PsonError::TooLarge)),
        ("too deep", &[0xF7, 1, 0xF7, 1, 0xF7, 1, 0], Err(PsonError::TooDeep)),
    ];
    for (name, input, expected) in cases {
        let read = decode_with(input, Dictionary::Empty, small).map(|_| ());
        assert_eq!(read, *expected, "{name}");
    }
}

#[test]
fn learnt_words_follow_the_static_ones() {
    let bytes = [0xF7, 3, 0xFD, 1, b'a', 0xFE, 11, 0xFE, 0];
    let read = decode(&bytes, Dictionary::Static).unwrap();
    assert_eq!(read.to_json().unwrap(), json!(["a", "a", "type"]));
}

#[test]
fn bytes_are_not_json() {
    let value = Value::Array(vec![Value::Binary(vec![1])]);
    assert_eq!(value.to_json(), Err(PsonError::BinaryInJson));
}

#[test]
fn integers_never_become_doubles() {
    for number in [i64::MIN, -1, 0, 1_795_303_000_000, i64::MAX] {
        assert_eq!(Value::from(&json!(number)), Value::Int(number));
    }
}

/// Any value without NaN, which is unequal to itself.
pub fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        (-200_i64..200).prop_map(Value::Int),
        any::<f64>().prop_filter("NaN", |n| !n.is_nan()).prop_map(Value::Double),
        any::<f32>().prop_filter("NaN", |n| !n.is_nan()).prop_map(Value::Float),
        ".{0,12}".prop_map(Value::Text),
        Just(Value::text("ticket_id")),
        prop::collection::vec(any::<u8>(), 0..12).prop_map(Value::Binary),
    ];
    leaf.prop_recursive(5, 48, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
            prop::collection::vec(("[a-z]{0,6}", inner), 0..6).prop_map(Value::Object),
        ]
    })
}

proptest! {
    #![proptest_config(laws())]

    #[test]
    fn what_is_written_is_read(value in any_value(), words in any::<bool>()) {
        let dictionary = if words { Dictionary::Static } else { Dictionary::Empty };
        prop_assert_eq!(decode(&encode(&value, dictionary), dictionary), Ok(value));
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode(&bytes, Dictionary::Static);
    }

    #[test]
    fn mutated_values_never_panic(
        value in any_value(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut bytes = encode(&value, Dictionary::Static);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(read) = decode(&bytes, Dictionary::Static) {
            let _ = read.to_json();
        }
    }
}
