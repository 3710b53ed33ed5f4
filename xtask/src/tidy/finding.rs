//! One place that breaks a rule, as it is printed. Which rule is the caller's knowledge.

use std::fmt;

/// A place, what is wrong there and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    /// Relative to the root.
    pub(crate) path: String,
    /// From 1; 0 when the whole file is meant.
    pub(crate) line: usize,
    /// The function, link, package … that breaks the rule; what an exception names.
    pub(crate) subject: String,
    /// What is wrong.
    pub(crate) what: String,
    /// What to do.
    pub(crate) next: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Finding { path, line, what, next, .. } = self;
        match line {
            0 => write!(f, "{path}: {what}; {next}"),
            line => write!(f, "{path}:{line}: {what}; {next}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_says_where_what_and_what_next() {
        let mut finding = Finding {
            path: "a.rs".into(),
            line: 7,
            subject: "f".into(),
            what: "it is long".into(),
            next: "split it".into(),
        };
        assert_eq!(finding.to_string(), "a.rs:7: it is long; split it");
        finding.line = 0;
        assert_eq!(finding.to_string(), "a.rs: it is long; split it");
    }
}
