//! Filters on public metadata: the `query` of list calls.
//!
//! A filter is an object. A member names a field of the metadata, with dots between the levels,
//! and either the value it must have or an object of comparisons such as `{"$gte": 3}`. Members
//! must all hold; `$and`, `$or` and `$not` combine filters.

use std::cmp::Ordering;

use serde_json::Map;
use serde_json::Value;

use super::error::ServiceError;

/// How deep filters may nest.
const DEPTH_MAX: usize = 8;
/// How many conditions one query may have.
const CONDITIONS_MAX: usize = 64;

/// A parsed filter.
#[derive(Clone, Debug, PartialEq)]
pub enum Filter {
    /// All of these hold.
    All(Vec<Self>),
    /// One of these holds.
    Any(Vec<Self>),
    /// This does not hold.
    Not(Box<Self>),
    /// A field compares like this.
    Field {
        /// Names from the outside in.
        path: Vec<String>,
        /// How it must compare.
        test: Test,
    },
}

/// What a field must be like.
#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    /// This value, or not this value.
    Equals(Value, bool),
    /// Compares with this number or text in one of these ways.
    Order(Value, &'static [Ordering]),
    /// One of these values.
    In(Vec<Value>),
    /// Is there, or is not.
    Exists(bool),
    /// A text that holds this one.
    Contains(String),
    /// A text that begins with this one.
    StartsWith(String),
    /// A text that ends with this one.
    EndsWith(String),
}

fn wrong(what: &str) -> ServiceError {
    ServiceError::params(format!("query: {what}"))
}

/// Reads a filter.
///
/// # Errors
///
/// [`ServiceError::InvalidParams`] says what is not understood.
pub fn parse(query: Map<String, Value>) -> Result<Filter, ServiceError> {
    let mut left = CONDITIONS_MAX;
    parse_within(query, DEPTH_MAX, &mut left)
}

fn parse_within(
    query: Map<String, Value>,
    depth: usize,
    left: &mut usize,
) -> Result<Filter, ServiceError> {
    let Some(depth) = depth.checked_sub(1) else { return Err(wrong("nested too deep")) };
    let mut all = Vec::with_capacity(query.len().min(CONDITIONS_MAX));
    for (key, value) in query {
        *left = left.checked_sub(1).ok_or_else(|| wrong("too many conditions"))?;
        match (key.as_str(), value) {
            ("$and", Value::Array(list)) => all.push(Filter::All(each(list, depth, left)?)),
            ("$or", Value::Array(list)) => all.push(Filter::Any(each(list, depth, left)?)),
            ("$not", Value::Object(inner)) => {
                all.push(Filter::Not(Box::new(parse_within(inner, depth, left)?)));
            }
            (operator, _) if operator.starts_with('$') => return Err(wrong(operator)),
            (field, Value::Object(tests)) => {
                for (operator, operand) in tests {
                    *left = left.checked_sub(1).ok_or_else(|| wrong("too many conditions"))?;
                    all.push(on(field, test(&operator, operand)?));
                }
            }
            (field, value) => all.push(on(field, Test::Equals(value, true))),
        }
    }
    Ok(Filter::All(all))
}

fn each(list: Vec<Value>, depth: usize, left: &mut usize) -> Result<Vec<Filter>, ServiceError> {
    list.into_iter()
        .map(|item| match item {
            Value::Object(inner) => parse_within(inner, depth, left),
            _ => Err(wrong("a list of filters holds something else")),
        })
        .collect()
}

fn on(field: &str, test: Test) -> Filter {
    Filter::Field { path: field.split('.').map(str::to_owned).collect(), test }
}

fn test(operator: &str, operand: Value) -> Result<Test, ServiceError> {
    let ordered = |orders: &'static [Ordering], operand: Value| match operand {
        Value::Number(_) | Value::String(_) => Ok(Test::Order(operand, orders)),
        _ => Err(wrong(operator)),
    };
    match (operator, operand) {
        ("$eq", operand) => Ok(Test::Equals(operand, true)),
        ("$ne", operand) => Ok(Test::Equals(operand, false)),
        ("$gt", operand) => ordered(&[Ordering::Greater], operand),
        ("$gte", operand) => ordered(&[Ordering::Greater, Ordering::Equal], operand),
        ("$lt", operand) => ordered(&[Ordering::Less], operand),
        ("$lte", operand) => ordered(&[Ordering::Less, Ordering::Equal], operand),
        ("$in", Value::Array(list)) => Ok(Test::In(list)),
        ("$exists", Value::Bool(there)) => Ok(Test::Exists(there)),
        ("$contains", Value::String(text)) => Ok(Test::Contains(text)),
        ("$startsWith", Value::String(text)) => Ok(Test::StartsWith(text)),
        ("$endsWith", Value::String(text)) => Ok(Test::EndsWith(text)),
        _ => Err(wrong(operator)),
    }
}

impl Filter {
    /// Whether there is no condition at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::All(list) if list.is_empty())
    }

    /// Whether metadata pass. Metadata that are no object pass only what asks for nothing.
    #[must_use]
    pub fn passes(&self, meta: &Value) -> bool {
        match self {
            Self::All(list) => list.iter().all(|filter| filter.passes(meta)),
            Self::Any(list) => list.iter().any(|filter| filter.passes(meta)),
            Self::Not(filter) => !filter.passes(meta),
            Self::Field { path, test } => {
                test.passes(path.iter().try_fold(meta, |value, name| value.get(name.as_str())))
            }
        }
    }
}

impl Test {
    fn passes(&self, field: Option<&Value>) -> bool {
        let text = || field.and_then(Value::as_str);
        match self {
            Self::Equals(wanted, equal) => field.is_some_and(|value| same(value, wanted)) == *equal,
            Self::Order(bound, orders) => field
                .and_then(|value| compare(value, bound))
                .is_some_and(|order| orders.contains(&order)),
            Self::In(list) => {
                field.is_some_and(|value| list.iter().any(|wanted| same(value, wanted)))
            }
            Self::Exists(there) => field.is_some() == *there,
            Self::Contains(part) => text().is_some_and(|text| text.contains(part.as_str())),
            Self::StartsWith(part) => text().is_some_and(|text| text.starts_with(part.as_str())),
            Self::EndsWith(part) => text().is_some_and(|text| text.ends_with(part.as_str())),
        }
    }
}

/// Numbers are the same if they are worth the same.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(_), Value::Number(_)) => compare(a, b) == Some(Ordering::Equal),
        _ => a == b,
    }
}

fn compare(a: &Value, b: &Value) -> Option<Ordering> {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => match (a.as_i64(), b.as_i64()) {
            (Some(a), Some(b)) => Some(a.cmp(&b)),
            _ => a.as_f64()?.partial_cmp(&b.as_f64()?),
        },
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(query: &Value) -> Result<Filter, ServiceError> {
        parse(query.as_object().unwrap().clone())
    }

    #[test]
    fn filters_pass_what_they_should() {
        let meta = json!({"name": "war room", "size": 5, "at": {"floor": 2}, "open": true});
        let cases = [
            (json!({}), true),
            (json!({"name": "war room"}), true),
            (json!({"name": "other"}), false),
            (json!({"size": 5.0, "open": true}), true),
            (json!({"at.floor": 2}), true),
            (json!({"at.wing": 2}), false),
            (json!({"size": {"$gt": 4, "$lte": 5}}), true),
            (json!({"size": {"$lt": 5}}), false),
            (json!({"size": {"$gt": "4"}}), false),
            (json!({"size": {"$in": [1, 5]}}), true),
            (json!({"size": {"$ne": 5}}), false),
            (json!({"gone": {"$ne": 5}}), true),
            (json!({"gone": {"$exists": false}}), true),
            (json!({"name": {"$startsWith": "war"}}), true),
            (json!({"name": {"$endsWith": "war"}}), false),
            (json!({"name": {"$contains": "r r"}}), true),
            (json!({"$or": [{"size": 1}, {"open": true}]}), true),
            (json!({"$and": [{"size": 5}, {"open": false}]}), false),
            (json!({"$not": {"size": 5}}), false),
        ];
        for (query, expected) in cases {
            assert_eq!(read(&query).unwrap().passes(&meta), expected, "{query}");
        }
        assert!(!read(&json!({"size": 5})).unwrap().passes(&Value::Null));
        assert!(read(&json!({})).unwrap().passes(&Value::Null));
    }

    #[test]
    fn what_is_no_filter_is_refused() {
        let deep = (0..9).fold(json!({}), |inner, _| json!({"$not": inner}));
        let many: Vec<Value> = (0..70).map(|_| json!({"a": 1})).collect();
        let cases = [
            json!({"$where": "1"}),
            json!({"a": {"$regex": "x"}}),
            json!({"a": {"$gt": null}}),
            json!({"a": {"$in": 1}}),
            json!({"$and": {}}),
            json!({"$or": [1]}),
            json!({"$not": []}),
            json!({"$and": many}),
            deep,
        ];
        for query in cases {
            assert_eq!(read(&query).unwrap_err().code(), -32602, "{query}");
        }
    }
}
