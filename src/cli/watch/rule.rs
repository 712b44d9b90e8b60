//! Alert rules: `level > -30 for 2s`, `silence in war-room for 5m`, `left ana`.
//!
//! ```text
//! rule      = condition *( "of" USER / "in" ROOM / "for" TIME )
//! condition = figure comparison NUMBER / "silence" / "speaking" / "left" [USER] / "joined" [USER]
//!           / "disconnected"
//! figure    = "level" / "loss" / "jitter" / "concealed" / "undecryptable" / "people" / "streams"
//! ```
//!
//! Names with blanks stand in double quotes. A number may carry the unit of its figure.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::profile::identity::is_invisible;

/// Longest rule, in bytes.
const MAX_LEN: usize = 200;
/// Longest time that a rule may wait for.
const MAX_HOLD: Duration = Duration::from_secs(7 * 24 * 3600);

/// When to tell.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// As it was written.
    pub text: String,
    /// What has to be the case.
    pub condition: Condition,
    /// About this user only.
    pub user: Option<String>,
    /// In the room of this name or id only.
    pub room: Option<String>,
    /// For how long it has to be the case.
    pub hold: Duration,
}

/// What has to be the case.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Condition {
    /// A figure compares to a number as wanted.
    Compare(Figure, Comparison, f64),
    /// Nobody can be heard in a room; or one user cannot, who is there.
    Silence,
    /// Somebody speaks.
    Speaking,
    /// Somebody who was there is not any more.
    Left,
    /// Somebody came who was not there before.
    Joined,
    /// The bridge cannot be reached.
    Disconnected,
}

/// A figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Figure {
    /// Sound level of a user, dBFS.
    Level,
    /// Share of a user's packets that were lost in the last seconds, percent.
    Loss,
    /// Jitter of a user's packets, milliseconds.
    Jitter,
    /// Sound invented in the last 10 s to cover losses, milliseconds.
    Concealed,
    /// Frames and messages of the last 10 s that did not authenticate.
    Undecryptable,
    /// People in a room.
    People,
    /// Streams in a room.
    Streams,
}

/// How a figure compares to a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// More.
    Above,
    /// As much or more.
    AtLeast,
    /// Less.
    Below,
    /// As much or less.
    AtMost,
    /// As much.
    Equal,
    /// More or less.
    NotEqual,
}

/// Why a text is no rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0}; rules look like 'level > -30 for 2s', 'silence for 5m', 'left ana', 'undecryptable > 0'"
)]
pub struct RuleError(String);

impl Figure {
    const ALL: [(&'static str, Self); 7] = [
        ("level", Self::Level),
        ("loss", Self::Loss),
        ("jitter", Self::Jitter),
        ("concealed", Self::Concealed),
        ("undecryptable", Self::Undecryptable),
        ("people", Self::People),
        ("streams", Self::Streams),
    ];

    /// It belongs to a room, not to a user.
    #[must_use]
    pub const fn is_of_room(self) -> bool {
        matches!(self, Self::People | Self::Streams)
    }

    /// By how much it has to go back before an alert is over, so that a figure at the edge does
    /// not ring all day.
    #[must_use]
    pub const fn margin(self) -> f64 {
        match self {
            Self::Level => 3.0,
            Self::Loss => 1.0,
            Self::Jitter => 5.0,
            Self::Concealed | Self::Undecryptable | Self::People | Self::Streams => 0.0,
        }
    }

    const fn units(self) -> &'static [&'static str] {
        match self {
            Self::Level => &["dbfs", "db"],
            Self::Loss => &["%"],
            Self::Jitter | Self::Concealed => &["ms"],
            Self::Undecryptable | Self::People | Self::Streams => &[],
        }
    }
}

impl Comparison {
    /// Longest first, or `>=` would be read as `>`.
    const ALL: [(&'static str, Self); 7] = [
        (">=", Self::AtLeast),
        ("<=", Self::AtMost),
        ("==", Self::Equal),
        ("!=", Self::NotEqual),
        (">", Self::Above),
        ("<", Self::Below),
        ("=", Self::Equal),
    ];

    /// Whether `value` compares to `number` as wanted, or within `margin` of that.
    #[must_use]
    pub fn holds(self, value: f64, number: f64, margin: f64) -> bool {
        match self {
            Self::Above => value > number - margin,
            Self::AtLeast => value >= number - margin,
            Self::Below => value < number + margin,
            Self::AtMost => value <= number + margin,
            // Counts are small whole numbers, for which this is exact.
            Self::Equal => (value - number).abs() <= margin,
            Self::NotEqual => (value - number).abs() > margin,
        }
    }
}

impl Condition {
    /// It is about single users, as opposed to a room or everything.
    #[must_use]
    pub const fn is_of_user(&self) -> bool {
        match self {
            Self::Compare(figure, ..) => !figure.is_of_room(),
            Self::Speaking | Self::Left | Self::Joined => true,
            Self::Silence | Self::Disconnected => false,
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Rule {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        let text = text.trim();
        if text.len() > MAX_LEN {
            return Err(RuleError(format!("a rule has at most {MAX_LEN} bytes")));
        }
        if text.chars().any(|c| c.is_control() || is_invisible(c)) {
            return Err(RuleError("a rule has no control or invisible characters".to_owned()));
        }
        let tokens = tokens(text)?;
        let mut tokens = tokens.iter().peekable();
        let (condition, mut user) = condition(&mut tokens)?;
        let (mut room, mut hold) = (None, None);
        while let Some(token) = tokens.next() {
            let Token::Word(word) = token else {
                return Err(RuleError(format!("{token} is not expected there")));
            };
            match word.as_str() {
                "of" => set(&mut user, "of", name(tokens.next(), "of")?)?,
                "in" => set(&mut room, "in", name(tokens.next(), "in")?)?,
                "for" => set(&mut hold, "for", time(tokens.next())?)?,
                _ => return Err(RuleError(format!("{token} is not expected there"))),
            }
        }
        let of_user = condition.is_of_user() || condition == Condition::Silence;
        if user.is_some() && !of_user {
            return Err(RuleError("a rule about a room has no user".to_owned()));
        }
        if room.is_some() && condition == Condition::Disconnected {
            return Err(RuleError("'disconnected' is about the bridge, not a room".to_owned()));
        }
        Ok(Self { text: text.to_owned(), condition, user, room, hold: hold.unwrap_or_default() })
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Quoted(String),
    Comparison(Comparison),
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Word(word) | Self::Quoted(word) => write!(f, "{word:?}"),
            Self::Comparison(comparison) => {
                let symbol = Comparison::ALL.iter().find(|(_, c)| c == comparison);
                f.write_str(symbol.map_or("a comparison", |(symbol, _)| symbol))
            }
        }
    }
}

fn tokens(text: &str) -> Result<Vec<Token>, RuleError> {
    let mut tokens = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        let Some(first) = rest.chars().next() else { return Ok(tokens) };
        let comparison = Comparison::ALL.iter().find_map(|(symbol, comparison)| {
            rest.strip_prefix(symbol).map(|rest| (*comparison, rest))
        });
        if let Some((comparison, left)) = comparison {
            tokens.push(Token::Comparison(comparison));
            rest = left;
        } else if first == '"' {
            let quoted = rest.strip_prefix('"').and_then(|inner| inner.split_once('"'));
            let (name, left) =
                quoted.ok_or_else(|| RuleError("a quotation mark is missing".to_owned()))?;
            tokens.push(Token::Quoted(name.to_owned()));
            rest = left;
        } else {
            let ends = |c: char| c.is_whitespace() || "<>=!\"".contains(c);
            let end = rest.find(ends).unwrap_or(rest.len());
            if end == 0 {
                return Err(RuleError(format!("{first:?} is not expected there")));
            }
            let (word, left) = rest.split_at(end);
            tokens.push(Token::Word(word.to_owned()));
            rest = left;
        }
    }
}

type Tokens<'a> = std::iter::Peekable<std::slice::Iter<'a, Token>>;

fn condition(tokens: &mut Tokens<'_>) -> Result<(Condition, Option<String>), RuleError> {
    let Some(Token::Word(first)) = tokens.next() else {
        return Err(RuleError("a rule begins with what it is about".to_owned()));
    };
    if let Some((_, figure)) = Figure::ALL.iter().find(|(name, _)| name == first) {
        let Some(Token::Comparison(comparison)) = tokens.next() else {
            return Err(RuleError(format!(
                "after {first:?} comes a comparison, as in {first} > 0"
            )));
        };
        let number = number(tokens.next(), *figure)?;
        return Ok((Condition::Compare(*figure, *comparison, number), None));
    }
    let condition = match first.as_str() {
        "silence" => Condition::Silence,
        "speaking" => Condition::Speaking,
        "left" => Condition::Left,
        "joined" => Condition::Joined,
        "disconnected" => Condition::Disconnected,
        _ => return Err(RuleError(format!("{first:?} is nothing that can be watched"))),
    };
    // "left ana" says the same as "left of ana" in fewer words.
    let names_user = matches!(condition, Condition::Left | Condition::Joined | Condition::Speaking);
    let is_name = |token: &&Token| match *token {
        Token::Word(word) => !matches!(word.as_str(), "of" | "in" | "for"),
        Token::Quoted(_) => true,
        Token::Comparison(_) => false,
    };
    let user = if names_user { tokens.next_if(|token| is_name(token)) } else { None };
    let user = user.map(|token| name(Some(token), first)).transpose()?;
    Ok((condition, user))
}

fn set<T>(slot: &mut Option<T>, word: &str, value: T) -> Result<(), RuleError> {
    if slot.replace(value).is_some() {
        return Err(RuleError(format!("{word:?} stands there twice")));
    }
    Ok(())
}

fn name(token: Option<&Token>, after: &str) -> Result<String, RuleError> {
    match token {
        Some(Token::Word(name) | Token::Quoted(name)) if !name.is_empty() => Ok(name.clone()),
        _ => Err(RuleError(format!("after {after:?} comes a name"))),
    }
}

fn time(token: Option<&Token>) -> Result<Duration, RuleError> {
    let Some(Token::Word(text) | Token::Quoted(text)) = token else {
        return Err(RuleError("after \"for\" comes a time, as in 2s or 5m".to_owned()));
    };
    let time = humantime::parse_duration(text)
        .map_err(|_| RuleError(format!("{text:?} is no time; write 2s or 5m")))?;
    if time > MAX_HOLD {
        return Err(RuleError(format!("{text:?} is too long; a week is the most")));
    }
    Ok(time)
}

fn number(token: Option<&Token>, figure: Figure) -> Result<f64, RuleError> {
    let wrong = || {
        let units = figure.units().first().map_or(String::new(), |unit| format!(" of {unit}"));
        RuleError(format!("after the comparison comes a number{units}"))
    };
    let Some(Token::Word(word)) = token else { return Err(wrong()) };
    let word = word.to_ascii_lowercase();
    let bare = figure.units().iter().find_map(|unit| word.strip_suffix(unit));
    let number: f64 = bare.unwrap_or(&word).parse().map_err(|_| wrong())?;
    if number.is_finite() { Ok(number) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rule(
        condition: Condition,
        user: Option<&str>,
        room: Option<&str>,
        hold_ms: u64,
    ) -> (Condition, Option<String>, Option<String>, Duration) {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        (condition, owned(user), owned(room), Duration::from_millis(hold_ms))
    }

    #[test]
    fn rules_say_what_is_to_be_the_case() {
        use Comparison as C;
        use Condition as K;
        use Figure as F;
        let cases = [
            ("level > -30 for 2s", rule(K::Compare(F::Level, C::Above, -30.0), None, None, 2000)),
            ("level>-30", rule(K::Compare(F::Level, C::Above, -30.0), None, None, 0)),
            ("level >= -30dBFS", rule(K::Compare(F::Level, C::AtLeast, -30.0), None, None, 0)),
            ("loss > 5%", rule(K::Compare(F::Loss, C::Above, 5.0), None, None, 0)),
            (
                "jitter > 30ms of ana",
                rule(K::Compare(F::Jitter, C::Above, 30.0), Some("ana"), None, 0),
            ),
            ("undecryptable > 0", rule(K::Compare(F::Undecryptable, C::Above, 0.0), None, None, 0)),
            (
                "people<2 in war-room",
                rule(K::Compare(F::People, C::Below, 2.0), None, Some("war-room"), 0),
            ),
            ("streams = 0", rule(K::Compare(F::Streams, C::Equal, 0.0), None, None, 0)),
            ("silence for 5m", rule(K::Silence, None, None, 300_000)),
            (
                "silence of ben in \"two words\" for 1m30s",
                rule(K::Silence, Some("ben"), Some("two words"), 90_000),
            ),
            ("left ana", rule(K::Left, Some("ana"), None, 0)),
            ("left", rule(K::Left, None, None, 0)),
            ("left for 10s", rule(K::Left, None, None, 10_000)),
            ("left \"for\" for 10s", rule(K::Left, Some("for"), None, 10_000)),
            ("joined in lobby", rule(K::Joined, None, Some("lobby"), 0)),
            ("  speaking  ", rule(K::Speaking, None, None, 0)),
            ("disconnected for 30s", rule(K::Disconnected, None, None, 30_000)),
        ];
        for (text, expected) in cases {
            let read: Rule = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!((read.condition, read.user, read.room, read.hold), expected, "{text}");
            assert_eq!(read.text, text.trim());
        }
    }

    #[test]
    fn what_is_no_rule_says_why() {
        let cases = [
            ("", "begins with"),
            ("level", "comparison"),
            ("level >", "number of dbfs"),
            ("level > loud", "number of dbfs"),
            ("level > nan", "number"),
            ("level > inf", "number"),
            ("level > -30 for", "a time"),
            ("level > -30 for ever", "no time"),
            ("level > -30 for 8days", "a week"),
            ("level > -30 for 1s for 2s", "twice"),
            ("loudness > 3", "nothing that can be watched"),
            ("left ana ben", "not expected"),
            ("left ana of ben", "twice"),
            ("left \"ana", "quotation mark"),
            ("people > 3 of ana", "no user"),
            ("disconnected in lobby", "not a room"),
            ("silence in", "a name"),
            ("silence !", "not expected"),
            ("> 3", "begins with"),
            ("left a\u{1b}[31m", "control"),
            ("left a\u{202e}b", "control"),
        ];
        for (text, words) in cases {
            let error = text.parse::<Rule>().unwrap_err().to_string();
            assert!(error.contains(words), "{text}: {error}");
            assert!(error.contains("rules look like"), "{text}: {error}");
        }
        assert!("x".repeat(201).parse::<Rule>().is_err());
    }

    proptest! {
        #[test]
        fn reading_a_rule_never_panics(text in "\\PC{0,60}") {
            let _ = text.parse::<Rule>();
        }

        #[test]
        fn words_in_any_order_never_panic(
            words in prop::collection::vec(
                prop::sample::select(vec![
                    "level", "silence", "left", ">", "<=", "=", "-30", "for", "5m", "in", "of",
                    "ana", "\"a b\"", "\"", "people", "!", "1e309", "%",
                ]),
                0..8,
            ),
        ) {
            if let Ok(rule) = words.join(" ").parse::<Rule>() {
                // What was accepted reads the same again.
                prop_assert_eq!(rule.text.parse::<Rule>().unwrap(), rule);
            }
        }

        #[test]
        fn a_margin_only_widens(value in -120.0..120.0f64, number in -120.0..120.0f64, margin in 0.0..20.0f64) {
            for (_, comparison) in Comparison::ALL {
                if comparison != Comparison::NotEqual && comparison.holds(value, number, 0.0) {
                    prop_assert!(comparison.holds(value, number, margin));
                }
            }
        }
    }
}
