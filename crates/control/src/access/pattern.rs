//! Patterns of stream names, as tokens and the configuration carry them.
//!
//! A pattern is read component by component, like the name. In a component, one `*` stands for any
//! characters. A last component that is only `*` (or `**`) stands for everything below, one component or
//! more: `live/*` matches `live/cam1` and `live/room/1`, not `live`. The pattern `*` (or `**`) matches
//! every name. A backslash makes the next character literal, as a stream's name may contain `*`.
//!
//! | pattern | matches | does not match |
//! |---|---|---|
//! | `live/cam1` | `live/cam1` | `live/cam10`, `live/cam1/x` |
//! | `live/cam*` | `live/cam`, `live/cam10` | `live/cam1/x` |
//! | `live/*` | `live/cam1`, `live/room/1` | `vod/cam1` |
//! | `*/cam1` | `live/cam1` | `live/room/cam1` |
//! | `live/*/hd` | `live/room/hd` | `live/hd`, `live/a/b/hd` |
//!
//! One `*` a component and the rest only at the end make matching two comparisons a component: its time is
//! linear in the name whatever the pattern.

use std::fmt;
use std::str::FromStr;

use media::StreamName;
use media::name::NAME_BYTES_MAX;
use thiserror::Error;

/// Longest pattern: the longest name with every character escaped.
pub const PATTERN_BYTES_MAX: usize = 2 * NAME_BYTES_MAX;

/// A pattern of stream names.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pattern {
    text: String,
    components: Vec<Component>,
    below: Below,
}

/// Whether names may go on behind the components.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Below {
    Nothing,
    OneOrMore,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Component {
    Exactly(String),
    Around { before: String, after: String },
}

/// Why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PatternError {
    /// An empty pattern or an empty component.
    #[error("the pattern {0:?} has an empty part; write APP/STREAM, e.g. live/cam1, live/* or *")]
    Empty(String),
    /// Longer than [`PATTERN_BYTES_MAX`].
    #[error("the pattern is {0} bytes long; the limit is {PATTERN_BYTES_MAX}")]
    TooLong(usize),
    /// A second `*` in a component.
    #[error("the pattern {0:?} has two * in one part; use one a part, and \\* for the character itself")]
    Stars(String),
    /// `**` before the end.
    #[error("the pattern {0:?} has ** before its end; it may only be the last part")]
    Inner(String),
    /// A backslash with nothing behind it.
    #[error("the pattern {0:?} ends in a backslash; write the character that it is to make literal")]
    Escape(String),
    /// A control character.
    #[error("the pattern {0:?} contains a control character; stream names have none")]
    Control(String),
}

impl Pattern {
    /// Reads a pattern.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if text.len() > PATTERN_BYTES_MAX {
            return Err(PatternError::TooLong(text.len()));
        }
        if text.contains(char::is_control) {
            return Err(PatternError::Control(text.to_owned()));
        }
        let mut parts: Vec<&str> = text.split('/').collect();
        let below = match parts.last() {
            Some(&("*" | "**")) => {
                parts.pop();
                Below::OneOrMore
            }
            _ => Below::Nothing,
        };
        let components = parts.into_iter().map(|part| component(text, part)).collect::<Result<_, _>>()?;
        Ok(Self { text: text.to_owned(), components, below })
    }

    /// The pattern that matches every name.
    pub fn everything() -> Self {
        Self { text: "**".to_owned(), components: Vec::new(), below: Below::OneOrMore }
    }

    /// The pattern that matches `name` alone, whatever characters it has.
    pub fn exactly(name: &StreamName) -> Self {
        let name = name.as_str();
        let mut text = String::with_capacity(name.len());
        for c in name.chars() {
            if matches!(c, '*' | '\\') {
                text.push('\\');
            }
            text.push(c);
        }
        let components = name.split('/').map(|part| Component::Exactly(part.to_owned())).collect();
        Self { text, components, below: Below::Nothing }
    }

    /// Whether the pattern takes in `name`.
    pub fn matches(&self, name: &StreamName) -> bool {
        let mut parts = name.as_str().split('/');
        let head = self.components.iter().all(|component| parts.next().is_some_and(|p| component.matches(p)));
        let more = parts.next().is_some();
        head && more == (self.below == Below::OneOrMore)
    }

    /// Whether the pattern takes in every name there can be.
    pub fn is_everything(&self) -> bool {
        self.components.is_empty() && self.below == Below::OneOrMore
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl Component {
    fn matches(&self, part: &str) -> bool {
        match self {
            Self::Exactly(text) => part == text,
            Self::Around { before, after } => {
                part.len() >= before.len() + after.len()
                    && part.starts_with(before.as_str())
                    && part.ends_with(after.as_str())
            }
        }
    }
}

fn component(pattern: &str, part: &str) -> Result<Component, PatternError> {
    match part {
        "" => return Err(PatternError::Empty(pattern.to_owned())),
        "**" => return Err(PatternError::Inner(pattern.to_owned())),
        _ => {}
    }
    let (mut before, mut after) = (String::new(), None::<String>);
    let mut chars = part.chars();
    while let Some(c) = chars.next() {
        let literal = match c {
            '*' if after.is_some() => return Err(PatternError::Stars(pattern.to_owned())),
            '*' => {
                after = Some(String::new());
                continue;
            }
            '\\' => chars.next().ok_or_else(|| PatternError::Escape(pattern.to_owned()))?,
            c => c,
        };
        after.as_mut().unwrap_or(&mut before).push(literal);
    }
    Ok(match after {
        Some(after) => Component::Around { before, after },
        None => Component::Exactly(before),
    })
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Pattern {
    type Err = PatternError;
    fn from_str(text: &str) -> Result<Self, PatternError> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(text: &str) -> StreamName {
        StreamName::parse(text).unwrap()
    }

    #[track_caller]
    fn check(pattern: &str, matching: &[&str], other: &[&str]) {
        let pattern = Pattern::parse(pattern).unwrap();
        for text in matching {
            assert!(pattern.matches(&name(text)), "{pattern} should match {text}");
        }
        for text in other {
            assert!(!pattern.matches(&name(text)), "{pattern} should not match {text}");
        }
    }

    #[test]
    fn patterns_match_as_documented() {
        check("live/cam1", &["live/cam1"], &["live/cam10", "live/cam1/x", "live/Cam1", "vod/cam1"]);
        check("live/cam*", &["live/cam", "live/cam10"], &["live/cam1/x", "live/ca"]);
        check("live/*-hd", &["live/-hd", "live/a-hd"], &["live/hd", "live/a-hd2"]);
        check("live/a*a", &["live/aa", "live/aba"], &["live/a"]);
        for everything_below in ["live/*", "live/**"] {
            check(everything_below, &["live/cam1", "live/room/1"], &["vod/cam1", "livex/cam1"]);
        }
        check("*/cam1", &["live/cam1"], &["live/room/cam1"]);
        check("live/*/hd", &["live/room/hd"], &["live/hd", "live/a/b/hd"]);
        check("live/📷*", &["live/📷1"], &["live/cam1"]);
        check(r"live/\*", &["live/*"], &["live/x"]);
        check(r"live/a\*b*", &["live/a*bc"], &["live/axbc"]);
    }

    #[test]
    fn a_star_alone_is_everything() {
        for text in ["*", "**"] {
            check(text, &["live/cam1", "a/b/c/d"], &[]);
            assert!(Pattern::parse(text).unwrap().is_everything());
        }
        for text in ["live/*", "*/*", "*/cam1"] {
            assert!(!Pattern::parse(text).unwrap().is_everything(), "{text}");
        }
        assert!(Pattern::everything().is_everything());
    }

    #[test]
    fn patterns_that_mean_nothing_are_refused() {
        let error = |text: &str| Pattern::parse(text).unwrap_err();
        for empty in ["", "live/", "/x", "live//x"] {
            assert_eq!(error(empty), PatternError::Empty(empty.into()));
        }
        assert_eq!(error("live/a*b*"), PatternError::Stars("live/a*b*".into()));
        assert_eq!(error("**/cam1"), PatternError::Inner("**/cam1".into()));
        assert_eq!(error("live/x\\"), PatternError::Escape("live/x\\".into()));
        assert_eq!(error("live/\n"), PatternError::Control("live/\n".into()));
        assert_eq!(error(&"x".repeat(600)), PatternError::TooLong(600));
    }

    /// Matching by trying every split: slow and plainly right.
    fn matches_slowly(pattern: &[&str], parts: &[&str]) -> bool {
        match (pattern, parts) {
            (["*" | "**"], parts) => !parts.is_empty(),
            ([], []) => true,
            ([pattern, patterns @ ..], [part, parts @ ..]) => {
                part_matches_slowly(pattern, part) && matches_slowly(patterns, parts)
            }
            _ => false,
        }
    }

    fn part_matches_slowly(pattern: &str, part: &str) -> bool {
        match pattern.chars().next() {
            None => part.is_empty(),
            Some('*') => part
                .char_indices()
                .map(|(at, _)| at)
                .chain([part.len()])
                .any(|at| part_matches_slowly(&pattern[1..], &part[at..])),
            Some(c) => {
                part.strip_prefix(c).is_some_and(|rest| part_matches_slowly(&pattern[c.len_utf8()..], rest))
            }
        }
    }

    proptest! {
        #[test]
        fn matching_agrees_with_trying_every_split(pattern in "[ab]{0,2}\\*?[ab]{0,2}(/[ab]{0,2}\\*?[ab]{0,2}){0,3}",
            text in "[ab]{1,4}(/[ab]{1,4}){1,3}") {
            let Ok(compiled) = Pattern::parse(&pattern) else { return Ok(()) };
            let slow = matches_slowly(
                &pattern.split('/').collect::<Vec<_>>(), &text.split('/').collect::<Vec<_>>());
            prop_assert_eq!(compiled.matches(&name(&text)), slow, "{} {}", pattern, text);
        }

        #[test]
        fn the_pattern_of_a_name_matches_it_alone(text in "[a*]{1,3}/[a*b]{1,3}", other in "[a*]{1,3}/[a*b]{1,3}") {
            let pattern = Pattern::exactly(&name(&text));
            prop_assert_eq!(Pattern::parse(pattern.as_str()), Ok(pattern.clone()));
            prop_assert_eq!(pattern.matches(&name(&other)), text == other);
        }

        #[test]
        fn any_text_is_a_pattern_or_an_error(text: String) {
            if let Ok(pattern) = Pattern::parse(&text) {
                prop_assert_eq!(pattern.to_string(), text);
            }
        }
    }
}
