//! How many bytes pictures may cost, as the user says it.

use std::fmt;
use std::str::FromStr;

/// Units of a rate, the larger ones first.
const UNITS: [(&str, u64); 4] = [("MiB", 1 << 20), ("KiB", 1 << 10), ("kB", 1000), ("B", 1)];

/// Least rate: below, not even a small picture gets across.
const MIN_RATE: u64 = 1024;

/// How many bytes pictures may cost. Text is never rationed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum VideoBudget {
    /// As many as the terminal takes without delay; differences nobody sees are not sent.
    #[default]
    Auto,
    /// As many as it takes to show each cell exactly.
    Exact,
    /// At most so many in any second.
    Rate(u64),
}

/// Why a text is no budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BudgetError {
    /// It is something else.
    #[error("say auto, exact or a rate as in 64KiB/s")]
    Syntax,
    /// It is a rate at which nothing would be seen.
    #[error("at least 1KiB/s is needed")]
    TooLow,
}

impl FromStr for VideoBudget {
    type Err = BudgetError;

    fn from_str(text: &str) -> Result<Self, BudgetError> {
        match text {
            "auto" => return Ok(Self::Auto),
            "exact" => return Ok(Self::Exact),
            _ => {}
        }
        let amount = text.strip_suffix("/s").unwrap_or(text);
        let unit = UNITS.iter().find_map(|(name, size)| Some((amount.strip_suffix(name)?, *size)));
        let (number, size) = unit.ok_or(BudgetError::Syntax)?;
        let number: u64 = number.trim_end().parse().map_err(|_| BudgetError::Syntax)?;
        let rate = number.saturating_mul(size);
        if rate < MIN_RATE { Err(BudgetError::TooLow) } else { Ok(Self::Rate(rate)) }
    }
}

impl fmt::Display for VideoBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Exact => f.write_str("exact"),
            Self::Rate(rate) => {
                let fits = |(_, size): &&(&str, u64)| rate % size == 0;
                let (name, size) = UNITS.iter().find(fits).unwrap_or(&("B", 1));
                write!(f, "{}{name}/s", rate / size)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_are_read_and_written() {
        let cases = [
            ("auto", VideoBudget::Auto),
            ("exact", VideoBudget::Exact),
            ("64KiB/s", VideoBudget::Rate(65_536)),
            ("2MiB/s", VideoBudget::Rate(2 << 20)),
            ("50kB/s", VideoBudget::Rate(50_000)),
        ];
        for (text, budget) in cases {
            assert_eq!(text.parse(), Ok(budget));
            assert_eq!(budget.to_string(), text);
        }
        assert_eq!("64 KiB".parse(), Ok(VideoBudget::Rate(65_536)));
        for text in ["", "fast", "KiB/s", "-1KiB/s", "64", "1.5MiB/s"] {
            assert_eq!(text.parse::<VideoBudget>(), Err(BudgetError::Syntax), "{text}");
        }
        assert_eq!("10B/s".parse::<VideoBudget>(), Err(BudgetError::TooLow));
    }
}
