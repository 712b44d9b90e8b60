//! What a check has found, and how it is told.

use serde_json::Value;
use serde_json::json;

use crate::cli::exit::Exit;
use crate::cli::exit::Failure;
use crate::cli::failure;
use crate::cli::output::Output;
use crate::cli::output::scrub;

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As it should be.
    Fine,
    /// It works, with something to know.
    Warning,
    /// It does not work.
    Broken,
    /// It could not be tried.
    Skipped,
}

impl Verdict {
    const fn word(self) -> &'static str {
        match self {
            Self::Fine => "ok",
            Self::Warning => "warning",
            Self::Broken => "broken",
            Self::Skipped => "skipped",
        }
    }
}

/// What a check has found.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// What was checked.
    pub check: &'static str,
    /// How it ended.
    pub verdict: Verdict,
    /// What was found.
    pub message: String,
    /// What to do about it.
    pub fix: Option<String>,
    /// Exit code, if it is broken.
    pub exit: Exit,
    /// Figures for programs.
    pub figures: Value,
}

impl Finding {
    fn new(check: &'static str, verdict: Verdict, message: String) -> Self {
        let (fix, exit, figures) = (None, Exit::Failure, Value::Null);
        Self { check, verdict, message, fix, exit, figures }
    }

    /// It is as it should be.
    pub fn fine(check: &'static str, message: impl Into<String>) -> Self {
        Self::new(check, Verdict::Fine, message.into())
    }

    /// It works, but.
    pub fn warning(check: &'static str, message: impl Into<String>, fix: &str) -> Self {
        let finding = Self::new(check, Verdict::Warning, message.into());
        Self { fix: Some(fix.to_owned()), ..finding }
    }

    /// It does not work.
    pub fn broken(check: &'static str, exit: Exit, message: impl Into<String>, fix: &str) -> Self {
        let finding = Self::new(check, Verdict::Broken, message.into());
        Self { fix: Some(fix.to_owned()), exit, ..finding }
    }

    /// It could not be tried.
    pub fn skipped(check: &'static str, message: impl Into<String>) -> Self {
        Self::new(check, Verdict::Skipped, message.into())
    }

    /// An error, with the words and the exit code that it has elsewhere. Its sentence says what
    /// to do, too.
    pub fn error(check: &'static str, error: &anyhow::Error) -> Self {
        let (exit, message) = failure::explain(error);
        Self { exit, ..Self::new(check, Verdict::Broken, message) }
    }

    /// Adds figures for programs.
    #[must_use]
    pub fn with_figures(mut self, figures: Value) -> Self {
        self.figures = figures;
        self
    }
}

/// Tells findings one by one and remembers how they were.
#[derive(Debug)]
pub struct Report {
    output: Output,
    broken: Vec<(&'static str, Exit)>,
    warnings: usize,
}

impl Report {
    /// Nothing found yet.
    #[must_use]
    pub const fn new(output: Output) -> Self {
        Self { output, broken: Vec::new(), warnings: 0 }
    }

    /// Tells a finding; whether one can go on from it.
    pub fn add(&mut self, finding: &Finding) -> bool {
        let broken = finding.verdict == Verdict::Broken;
        if broken {
            self.broken.push((finding.check, finding.exit));
        }
        self.warnings += usize::from(finding.verdict == Verdict::Warning);
        let (message, fix) = (scrub(&finding.message), finding.fix.as_deref().map(scrub));
        let line = json!({"event": "check", "check": finding.check,
            "verdict": finding.verdict.word(), "message": message, "fix": fix,
            "figures": finding.figures});
        self.output.result(&line, || {
            let fix = fix.map(|fix| format!("\n{:19}→ {fix}", "")).unwrap_or_default();
            format!("{:<8} {:<9} {message}{fix}", finding.verdict.word(), finding.check)
        });
        !broken
    }

    /// The end: a failure if something is broken, with the exit code of what broke first.
    ///
    /// # Errors
    ///
    /// A [`Failure`] that names what is broken.
    pub fn finish(self) -> Result<(), Failure> {
        let names: Vec<_> = self.broken.iter().map(|(check, _)| *check).collect();
        let line = json!({"event": "doctor", "healthy": names.is_empty(), "broken": names,
            "warnings": self.warnings});
        self.output.result(&line, || match (names.is_empty(), self.warnings) {
            (true, 0) => "everything works".to_owned(),
            (true, _) => "it works, with the warnings above".to_owned(),
            (false, _) => String::new(),
        });
        match self.broken.first() {
            None => Ok(()),
            Some((_, exit)) => {
                let text = format!(
                    "these checks failed: {}; what to do stands beside them",
                    names.join(", ")
                );
                Err(Failure::new(*exit, text))
            }
        }
    }
}
