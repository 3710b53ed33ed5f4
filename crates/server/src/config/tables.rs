//! Settings that repeat: tables with two brackets in the file, numbered variables in the environment. What a table
//! holds is its type's business.

use std::ops::Range;

use toml::Spanned;
use toml::de::DeValue;

use super::ConfigError;
use super::value::Value;

/// One kind of table.
pub(super) trait Entry: Default {
    /// The name between the brackets.
    const SECTION: &'static str;
    /// What one of them is called, with its article.
    const ONE: &'static str;
    /// The keys.
    const NAMES: &'static [&'static str];
    /// Most of them in one configuration.
    const COUNT_MAX: usize;

    /// Sets one key.
    fn set(&mut self, name: &str, value: &Value) -> Result<(), String>;

    /// The entry, once it has everything it needs.
    fn checked(self) -> Result<Self, String>;
}

/// What is wrong, and where in the text.
type Wrong = (Range<usize>, String);

/// Reads the tables of a file.
pub(super) fn of_file<T: Entry>(value: &Spanned<DeValue<'_>>, at: Range<usize>) -> Result<Vec<T>, Wrong> {
    let section = T::SECTION;
    let Some(list) = value.get_ref().as_array() else {
        return Err((at, format!("write [[{section}]] with two brackets: there may be several")));
    };
    if list.len() > T::COUNT_MAX {
        return Err((
            at,
            format!("there are {} of [[{section}]]; the limit is {}", list.len(), T::COUNT_MAX),
        ));
    }
    let mut entries = Vec::new();
    for item in list.iter() {
        let table = item.get_ref().as_table();
        let table = table.ok_or_else(|| (item.span(), format!("{} is a table", T::ONE)))?;
        let mut entry = T::default();
        for (key, value) in table {
            let word = key.get_ref().as_ref();
            let span = if T::NAMES.contains(&word) { value.span() } else { key.span() };
            entry.set(word, &Value::from_toml(value.get_ref())).map_err(|message| (span, message))?;
        }
        entries.push(entry.checked().map_err(|message| (item.span(), message))?);
    }
    Ok(entries)
}

/// The entries that the environment numbers.
#[derive(Default)]
pub(super) struct Numbered<T>(Vec<(u32, T)>);

impl<T: Entry> Numbered<T> {
    /// Takes `TAPELINE_<SECTION>__2__<KEY>`; `false` for another variable.
    pub(super) fn take(&mut self, name: &str, value: &Value) -> Result<bool, String> {
        let Some((number, word)) = variable::<T>(name) else { return Ok(false) };
        let at = match self.0.iter().position(|(n, _)| *n == number) {
            Some(at) => at,
            None if self.0.len() >= T::COUNT_MAX => {
                return Err(format!("there are more than {} of [[{}]]", T::COUNT_MAX, T::SECTION));
            }
            None => {
                self.0.push((number, T::default()));
                self.0.len() - 1
            }
        };
        self.0[at].1.set(&word, value).map(|()| true)
    }

    /// Appends the entries in the order of their numbers; they come after those of the file. Whether there were any.
    pub(super) fn append_to(mut self, list: &mut Vec<T>) -> Result<bool, ConfigError> {
        self.0.sort_by_key(|(number, _)| *number);
        let any = !self.0.is_empty();
        for (number, entry) in self.0 {
            let first = T::NAMES[0].to_ascii_uppercase();
            let name = format!("TAPELINE_{}__{number}__{first}", T::SECTION.to_ascii_uppercase());
            list.push(entry.checked().map_err(|message| ConfigError::Environment { name, message })?);
        }
        Ok(any)
    }
}

/// `TAPELINE_POLICY__2__RECORD` → `(2, "record")`.
fn variable<T: Entry>(name: &str) -> Option<(u32, String)> {
    let rest = name.strip_prefix("TAPELINE_")?.strip_prefix(&T::SECTION.to_ascii_uppercase())?;
    let (number, word) = rest.strip_prefix("__")?.split_once("__")?;
    let word = word.to_ascii_lowercase();
    T::NAMES.contains(&word.as_str()).then_some((number.parse().ok()?, word))
}
