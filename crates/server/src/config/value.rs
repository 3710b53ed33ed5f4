//! A value on its way into a setting, whether it comes from the file (typed by TOML) or from the
//! environment (text), and the readers that turn it into what a setting is. A reader's error says what is
//! wrong with the value; the caller adds the key and the place.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use toml::de::DeValue;

use super::nearest::nearest;
use super::units::{self, Space};

/// Most entries a list setting takes: far above any hand-written list.
const LIST_LEN_MAX: usize = 1000;

/// A value as it was written.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    /// From an environment variable: the reader decides what it is.
    Env(String),
    /// A TOML string.
    Text(String),
    /// A TOML integer.
    Int(i64),
    /// A TOML boolean.
    Bool(bool),
    /// A TOML array.
    List(Vec<Value>),
    /// Something that no setting is: a float, a date, a table. Holds TOML's name of it.
    Other(&'static str),
}

/// Why a value is refused: `reason` follows the value's key; `example` asks for an example after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    /// What is wrong with the value.
    pub(super) reason: String,
    /// Whether an example of a good value helps.
    pub(super) example: bool,
}

fn wrong(value: &Value, wanted: &str) -> Refusal {
    Refusal { reason: format!("{value} is not {wanted}"), example: true }
}

fn plain(reason: String) -> Refusal {
    Refusal { reason, example: false }
}

impl Value {
    /// From parsed TOML.
    pub(super) fn from_toml(value: &DeValue<'_>) -> Self {
        match value {
            DeValue::String(s) => Self::Text(s.to_string()),
            DeValue::Integer(i) => i64::from_str_radix(i.as_str(), i.radix())
                .map_or(Self::Other("number beyond 64 bits"), Self::Int),
            DeValue::Boolean(b) => Self::Bool(*b),
            DeValue::Array(a) => Self::List(a.iter().map(|v| Self::from_toml(v.get_ref())).collect()),
            other => Self::Other(other.type_str()),
        }
    }

    pub(super) fn text(&self) -> Result<&str, Refusal> {
        match self {
            Self::Env(s) | Self::Text(s) if s.contains('\0') => Err(plain("holds a NUL character".into())),
            Self::Env(s) | Self::Text(s) => Ok(s),
            other => Err(wrong(other, "a text")),
        }
    }

    pub(super) fn whole(&self, range: RangeInclusive<u32>) -> Result<u32, Refusal> {
        let outside =
            |n: &dyn fmt::Display| plain(format!("{n} is outside {} to {}", range.start(), range.end()));
        let number = match self {
            Self::Env(s) => s.trim().parse::<i64>().map_err(|_| wrong(self, "a whole number"))?,
            Self::Int(i) => *i,
            other => return Err(wrong(other, "a whole number")),
        };
        let number = u32::try_from(number).map_err(|_| outside(&number))?;
        if range.contains(&number) { Ok(number) } else { Err(outside(&number)) }
    }

    pub(super) fn flag(&self) -> Result<bool, Refusal> {
        match self {
            Self::Bool(b) => Ok(*b),
            Self::Env(s) if matches!(s.trim(), "true" | "1" | "yes" | "on") => Ok(true),
            Self::Env(s) if matches!(s.trim(), "false" | "0" | "no" | "off") => Ok(false),
            other => Err(wrong(other, "true or false")),
        }
    }

    pub(super) fn bytes(&self) -> Result<u64, Refusal> {
        match self {
            Self::Int(i) => u64::try_from(*i).map_err(|_| wrong(self, "a size")),
            other => units::bytes(other.text()?).ok_or_else(|| wrong(other, "a size")),
        }
    }

    pub(super) fn space(&self) -> Result<Space, Refusal> {
        match self {
            Self::Int(_) => self.bytes().map(Space::Bytes),
            other => units::space(other.text()?).ok_or_else(|| wrong(other, "a size or a percentage")),
        }
    }

    pub(super) fn duration(&self) -> Result<Duration, Refusal> {
        match self {
            Self::Int(_) => Err(wrong(self, "a duration: it has no unit")),
            other => units::duration(other.text()?).ok_or_else(|| wrong(other, "a duration")),
        }
    }

    /// One of a few words.
    pub(super) fn one_of<T: Copy>(&self, words: &[(&'static str, T)]) -> Result<T, Refusal> {
        let text = self.text()?;
        if let Some((_, found)) = words.iter().find(|(word, _)| *word == text) {
            return Ok(*found);
        }
        let names: Vec<String> = words.iter().map(|(word, _)| format!("{word:?}")).collect();
        let hint = nearest(text, words.iter().map(|(w, _)| *w));
        let hint = hint.map(|w| format!("; did you mean {w:?}?")).unwrap_or_default();
        Err(plain(format!("{text:?} is none of {}{hint}", names.join(", "))))
    }

    /// A list of texts; in the environment written with commas or as TOML, in the file also as one text.
    pub(super) fn texts(&self) -> Result<Vec<String>, Refusal> {
        let list: Vec<String> = match self {
            Self::Env(s) if s.trim_start().starts_with('[') => {
                let parsed = DeValue::parse(s.trim()).map_err(|_| wrong(self, "a list of texts"))?;
                return Self::from_toml(parsed.get_ref()).texts();
            }
            Self::Env(s) => s.split(',').map(|t| t.trim().to_owned()).filter(|t| !t.is_empty()).collect(),
            Self::Text(s) => vec![s.clone()],
            Self::List(items) => {
                items.iter().map(|v| v.text().map(str::to_owned)).collect::<Result<_, _>>()?
            }
            other => return Err(wrong(other, "a list of texts")),
        };
        match list.len() <= LIST_LEN_MAX {
            true => Ok(list),
            false => Err(plain(format!("has {} entries; the limit is {LIST_LEN_MAX}", list.len()))),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(s) | Self::Text(s) => write!(f, "{:?}", s.chars().take(80).collect::<String>()),
            Self::Int(i) => write!(f, "{i}"),
            Self::Bool(b) => write!(f, "{b}"),
            Self::List(_) => f.write_str("a list"),
            Self::Other(kind) => write!(f, "a {kind}"),
        }
    }
}
