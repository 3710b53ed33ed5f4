//! A stream's name as people and URLs write it: `app/stream`. Names come from outside and never
//! become paths on disk.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Longest accepted name in bytes of UTF-8, `app`, `/` and `stream` together: fits a path segment
/// everywhere with room for what views append.
pub const NAME_BYTES_MAX: usize = 255;

/// Application names that the HTTP namespace keeps for itself.
pub const RESERVED_APPS: [&str; 8] =
    ["api", "console", "whip", "whep", "metrics", "healthz", "readyz", "assets"];

/// The path component that separates a stream's name from the objects of its views in media URLs, so no
/// component of a name may be it.
pub const VIEW_SEPARATOR: &str = "-";

/// A validated stream name. `app` is the first component; `stream` is the rest and may contain `/`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StreamName {
    full: String,
    app_len: usize,
}

/// Why a name is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NameError {
    /// No `/`, or an empty component.
    #[error("stream names are APP/STREAM with no empty part, e.g. live/cam1")]
    Shape,
    /// Longer than [`NAME_BYTES_MAX`].
    #[error("stream name is {0} bytes long; the limit is {NAME_BYTES_MAX}")]
    TooLong(usize),
    /// A component that would mean something else in a URL: `.`, `..`, `-`, or one that begins with `~`.
    #[error("stream names may not contain the part {0:?}")]
    Component(String),
    /// A control character, a backslash, or one of `? # %` that URLs give a meaning.
    #[error("stream names may not contain the character {0:?}")]
    Character(char),
    /// The application belongs to the server.
    #[error("the application name {0:?} is reserved; choose another, e.g. live")]
    Reserved(String),
}

impl StreamName {
    /// Validates `app/stream`.
    pub fn parse(full: &str) -> Result<Self, NameError> {
        if full.len() > NAME_BYTES_MAX {
            return Err(NameError::TooLong(full.len()));
        }
        if let Some(bad) = full.chars().find(|c| c.is_control() || matches!(c, '\\' | '?' | '#' | '%')) {
            return Err(NameError::Character(bad));
        }
        for part in full.split('/') {
            match part {
                "" => return Err(NameError::Shape),
                "." | ".." | VIEW_SEPARATOR => return Err(NameError::Component(part.to_owned())),
                p if p.starts_with('~') => return Err(NameError::Component(p.to_owned())),
                _ => {}
            }
        }
        let (app, _) = full.split_once('/').ok_or(NameError::Shape)?;
        if RESERVED_APPS.contains(&app) {
            return Err(NameError::Reserved(app.to_owned()));
        }
        Ok(Self { app_len: app.len(), full: full.to_owned() })
    }

    /// The application: the first component.
    pub fn app(&self) -> &str {
        &self.full[..self.app_len]
    }

    /// The stream: everything after the first `/`.
    pub fn stream(&self) -> &str {
        &self.full[self.app_len + 1..]
    }

    /// `app/stream`.
    pub fn as_str(&self) -> &str {
        &self.full
    }
}

impl fmt::Display for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.full)
    }
}

impl TryFrom<String> for StreamName {
    type Error = NameError;
    fn try_from(full: String) -> Result<Self, NameError> {
        Self::parse(&full)
    }
}

impl From<StreamName> for String {
    fn from(name: StreamName) -> Self {
        name.full
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_split_after_the_first_component() {
        let name = StreamName::parse("live/room/1").unwrap();
        assert_eq!((name.app(), name.stream()), ("live", "room/1"));
        assert_eq!(StreamName::parse("live/📷").unwrap().stream(), "📷");
    }

    #[test]
    fn hostile_names_are_refused() {
        for bad in ["live", "live/", "/x", "live/../x", "live/a//b", "live/./x", "api/x", "live/-/x", "~g/x"]
        {
            assert!(StreamName::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(StreamName::parse("live/a\0b"), Err(NameError::Character('\0')));
        assert!(matches!(
            StreamName::parse(&format!("live/{}", "x".repeat(300))),
            Err(NameError::TooLong(305))
        ));
    }
}
