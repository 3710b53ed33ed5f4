//! `[[policy]]`: what is done with the streams that match a pattern. The first policy that matches counts.

use std::time::Duration;

use super::nearest::hint;
use super::tables::Entry;
use super::value::{Refusal, Value};

/// The section's name.
pub(super) const SECTION: &str = "policy";
/// Most policies one configuration holds: each publish walks them.
const POLICIES_MAX: usize = 256;
/// The keys of a policy.
const NAMES: [&str; 6] = ["match", "record", "retention", "split_every", "name_template", "clip_on"];

/// What is done with the streams that match.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Policy {
    /// The streams it is about: `live/*`.
    pub(crate) matches: String,
    /// What of them is kept.
    pub(crate) record: Record,
    /// How long it is kept.
    pub(crate) retention: Option<Duration>,
    /// The recording is split this often.
    pub(crate) split_every: Option<Duration>,
    /// Titles of recordings.
    pub(crate) name_template: Option<String>,
    /// Events that make a clip.
    pub(crate) clip_on: Vec<String>,
}

/// What of a stream is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Record {
    /// Everything.
    #[default]
    Always,
    /// Only the live ring.
    Ring,
    /// Nothing.
    Off,
}

const RECORDS: [(&str, Record); 3] =
    [("always", Record::Always), ("ring", Record::Ring), ("off", Record::Off)];

impl Entry for Policy {
    const SECTION: &'static str = SECTION;
    const ONE: &'static str = "a policy";
    const NAMES: &'static [&'static str] = &NAMES;
    const COUNT_MAX: usize = POLICIES_MAX;

    fn set(&mut self, name: &str, value: &Value) -> Result<(), String> {
        let set = |r: Result<(), Refusal>| r.map_err(|refusal| format!("policy.{name}: {}", refusal.reason));
        match name {
            "match" => set(pattern(value).map(|p| self.matches = p)),
            "record" => set(value.one_of(&RECORDS).map(|r| self.record = r)),
            "retention" => set(value.duration().map(|d| self.retention = Some(d))),
            "split_every" => set(value.duration().map(|d| self.split_every = Some(d))),
            "name_template" => set(value.text().map(|t| self.name_template = Some(t.to_owned()))),
            "clip_on" => set(value.texts().map(|list| self.clip_on = list)),
            other => {
                let near = hint(&format!("{SECTION}.{other}"), PATHS);
                let advice = near.unwrap_or_else(|| format!("; a policy takes {}", NAMES.join(", ")));
                Err(format!("unknown key policy.{other}{advice}"))
            }
        }
    }

    fn checked(self) -> Result<Self, String> {
        match self.matches.is_empty() {
            true => Err("a [[policy]] needs match, e.g. match = \"live/*\"".into()),
            false => Ok(self),
        }
    }
}

/// One line for each key of a policy that was set and does nothing in this version.
pub(super) fn without_effect(policies: &[Policy]) -> Vec<String> {
    let set = |is: fn(&Policy) -> bool| policies.iter().any(is);
    let keys = [
        ("record", set(|p| p.record != Record::Always)),
        ("split_every", set(|p| p.split_every.is_some())),
        ("name_template", set(|p| p.name_template.is_some())),
        ("clip_on", set(|p| !p.clip_on.is_empty())),
    ];
    let ignored = keys.into_iter().filter(|(_, set)| *set);
    ignored.map(|(key, _)| format!("policy.{key}: accepted, without effect in this version")).collect()
}

const PATHS: [&str; 6] = [
    "policy.match",
    "policy.record",
    "policy.retention",
    "policy.split_every",
    "policy.name_template",
    "policy.clip_on",
];

fn pattern(value: &Value) -> Result<String, Refusal> {
    let text = value.text()?;
    match control::access::Pattern::parse(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(Refusal { reason: format!("{text:?}: {error}"), example: false }),
    }
}
