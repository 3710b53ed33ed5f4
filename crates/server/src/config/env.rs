//! The environment: `TAPELINE_<SECTION>__<KEY>` for every key, `TAPELINE_<KEY>` for those of the top level,
//! `TAPELINE_POLICY__<N>__<KEY>` for policies. Unknown names only warn, because orchestrators inject some.

use super::nearest::nearest;
use super::policy::{self, Policy};
use super::types::Config;
use super::value::Value;
use super::{ConfigError, keys};

const PREFIX: &str = "TAPELINE_";

/// What the environment did.
#[derive(Debug, Default)]
pub(super) struct Applied {
    /// Paths of the keys that were set.
    pub(super) set: Vec<&'static str>,
    /// One line for each name that is no setting. Values are never repeated: they may be secrets.
    pub(super) warnings: Vec<String>,
}

/// The environment variable of a key.
pub(crate) fn variable(path: &str) -> String {
    format!("{PREFIX}{}", path.replace('.', "__").to_ascii_uppercase())
}

/// Lays the environment over the settings.
pub(super) fn apply(
    config: &mut Config,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<Applied, ConfigError> {
    let mut ours: Vec<(String, String)> =
        environment.into_iter().filter(|(name, _)| name.starts_with(PREFIX)).collect();
    // The environment has no order; policies and messages need one.
    ours.sort();
    let mut applied = Applied::default();
    let mut policies: Vec<(u32, Policy)> = Vec::new();
    for (name, value) in ours {
        let refused = |message: String| ConfigError::Environment { name: name.clone(), message };
        let value = Value::Env(value);
        if let Some(key) = keys::KEYS.iter().find(|k| variable(k.path) == name) {
            let example = |k: &keys::Key| format!("{name}={}", k.example.replace(['[', ']', '"'], ""));
            key.apply(config, &value, example).map_err(refused)?;
            applied.set.push(key.path);
        } else if let Some((number, word)) = policy_variable(&name) {
            let policy = numbered(&mut policies, number).map_err(refused)?;
            policy.set(&word, &value).map_err(refused)?;
        } else {
            applied.warnings.push(unknown(&name));
        }
    }
    if !policies.is_empty() {
        take_policies(config, policies)?;
        applied.set.push(policy::SECTION);
    }
    Ok(applied)
}

fn unknown(name: &str) -> String {
    let known: Vec<String> = keys::KEYS.iter().map(|k| variable(k.path)).collect();
    let hint = nearest(name, known.iter().map(String::as_str)).map(|n| format!("; did you mean {n}?"));
    format!("the environment variable {name} is not a setting{}", hint.unwrap_or_default())
}

/// `TAPELINE_POLICY__2__RECORD` → `(2, "record")`.
fn policy_variable(name: &str) -> Option<(u32, String)> {
    let (number, word) = name.strip_prefix("TAPELINE_POLICY__")?.split_once("__")?;
    let word = word.to_ascii_lowercase();
    policy::NAMES.contains(&word.as_str()).then_some((number.parse().ok()?, word))
}

fn numbered(policies: &mut Vec<(u32, Policy)>, number: u32) -> Result<&mut Policy, String> {
    let at = match policies.iter().position(|(n, _)| *n == number) {
        Some(at) => at,
        None if policies.len() >= policy::POLICIES_MAX => {
            return Err(format!("there are more than {} policies", policy::POLICIES_MAX));
        }
        None => {
            policies.push((number, Policy::default()));
            policies.len() - 1
        }
    };
    Ok(&mut policies[at].1)
}

/// Policies of the environment come after those of the file, in the order of their numbers.
fn take_policies(config: &mut Config, mut policies: Vec<(u32, Policy)>) -> Result<(), ConfigError> {
    policies.sort_by_key(|(number, _)| *number);
    for (number, policy) in policies {
        let name = format!("TAPELINE_POLICY__{number}__MATCH");
        config.policies.push(policy.checked().map_err(|message| ConfigError::Environment { name, message })?);
    }
    Ok(())
}
