//! The configuration file: TOML laid over the settings, each error with its line.

use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::jwt::JwtKey;
use super::nearest::hint;
use super::policy::Policy;
use super::tables::{self, Entry as _};
use super::types::Config;
use super::value::Value;
use super::{ConfigError, keys};

/// What is wrong, and where in the text.
type Wrong = (Range<usize>, String);

/// Lays the text of a file over the settings. Gives the paths of the keys it sets.
pub(super) fn apply(config: &mut Config, path: &Path, text: &str) -> Result<Vec<&'static str>, ConfigError> {
    let placed = |(span, message): Wrong| ConfigError::File {
        path: path.to_owned(),
        line: line_of(text, span.start),
        message,
    };
    let table = DeTable::parse(text).map_err(|e| {
        // TOML's messages may run over several lines.
        let message = e.message().lines().map(str::trim).collect::<Vec<_>>().join("; ");
        placed((e.span().unwrap_or(0..0), message))
    })?;
    let mut set = Vec::new();
    for (name, value) in table.get_ref() {
        entry(config, name, value, &mut set).map_err(placed)?;
    }
    Ok(set)
}

fn line_of(text: &str, at: usize) -> usize {
    text.as_bytes().iter().take(at).filter(|b| **b == b'\n').count() + 1
}

type Name<'a> = Spanned<std::borrow::Cow<'a, str>>;

/// One entry of the top level: a plain key, a section, or the policies.
fn entry(
    config: &mut Config,
    name: &Name<'_>,
    value: &Spanned<DeValue<'_>>,
    set: &mut Vec<&'static str>,
) -> Result<(), Wrong> {
    let word = name.get_ref().as_ref();
    if word == Policy::SECTION {
        config.policies = tables::of_file(value, name.span())?;
        set.push(Policy::SECTION);
        return Ok(());
    }
    if word == JwtKey::SECTION {
        config.jwt = tables::of_file(value, name.span())?;
        set.push(JwtKey::SECTION);
        return Ok(());
    }
    let section = keys::sections().contains(&word);
    match value.get_ref().as_table() {
        Some(table) if section => {
            for (key, value) in table {
                set.push(set_key(config, word, key, value)?);
            }
            Ok(())
        }
        Some(_) => Err((name.span(), unknown_section(word))),
        None if section => {
            Err((name.span(), format!("{word} is a section; write [{word}] and its keys below it")))
        }
        None => set_key(config, "", name, value).map(|path| set.push(path)),
    }
}

fn set_key(
    config: &mut Config,
    section: &str,
    name: &Name<'_>,
    value: &Spanned<DeValue<'_>>,
) -> Result<&'static str, Wrong> {
    let word = name.get_ref().as_ref();
    let path = if section.is_empty() { word.to_owned() } else { format!("{section}.{word}") };
    let Some(key) = keys::find(&path) else {
        return Err((name.span(), unknown_key(section, &path)));
    };
    key.apply(config, &Value::from_toml(value.get_ref()), |k| format!("{} = {}", k.path, k.example))
        .map_err(|message| (value.span(), format!("{path}: {message}")))?;
    Ok(key.path)
}

fn unknown_section(word: &str) -> String {
    let sections = keys::sections();
    match super::nearest::nearest(word, sections.iter().copied()) {
        Some(near) => format!("unknown section [{word}]; did you mean [{near}]?"),
        None => format!("unknown section [{word}]; the sections are {}", sections.join(", ")),
    }
}

fn unknown_key(section: &str, path: &str) -> String {
    let here = keys::KEYS.iter().filter(|k| k.section() == section).map(|k| k.path);
    let advice = hint(path, here).or_else(|| elsewhere(section, path)).unwrap_or_else(|| {
        let names = keys::names_in(section).join(", ");
        if section.is_empty() {
            format!("; the top level takes {names}")
        } else {
            format!("; [{section}] takes {names}")
        }
    });
    format!("unknown key {path}{advice}")
}

/// A key of that very name that another section has, when only one does.
fn elsewhere(section: &str, path: &str) -> Option<String> {
    let name = path.strip_prefix(section).map_or(path, |n| n.trim_start_matches('.'));
    let mut same = keys::KEYS.iter().filter(|k| k.name() == name);
    let found = same.next()?;
    same.next().is_none().then(|| format!("; did you mean {}?", found.path))
}
