//! The environment: `TAPELINE_<SECTION>__<KEY>` for every key, `TAPELINE_<KEY>` for those of the top level,
//! `TAPELINE_POLICY__<N>__<KEY>` for policies, `TAPELINE_JWT__<N>__<KEY>` for keys. Unknown names only warn, because orchestrators inject some.

use super::jwt::JwtKey;
use super::nearest::nearest;
use super::policy::Policy;
use super::tables::{Entry as _, Numbered};
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
    let (mut policies, mut jwt) = (Numbered::<Policy>::default(), Numbered::<JwtKey>::default());
    for (name, value) in ours {
        let refused = |message: String| ConfigError::Environment { name: name.clone(), message };
        let value = Value::Env(value);
        if let Some(key) = keys::KEYS.iter().find(|k| variable(k.path) == name) {
            let example = |k: &keys::Key| format!("{name}={}", k.example.replace(['[', ']', '"'], ""));
            key.apply(config, &value, example).map_err(refused)?;
            applied.set.push(key.path);
        } else if !policies.take(&name, &value).map_err(refused)?
            && !jwt.take(&name, &value).map_err(refused)?
        {
            applied.warnings.push(unknown(&name));
        }
    }
    if policies.append_to(&mut config.policies)? {
        applied.set.push(Policy::SECTION);
    }
    if jwt.append_to(&mut config.jwt)? {
        applied.set.push(JwtKey::SECTION);
    }
    Ok(applied)
}

fn unknown(name: &str) -> String {
    let known: Vec<String> = keys::KEYS.iter().map(|k| variable(k.path)).collect();
    let hint = nearest(name, known.iter().map(String::as_str)).map(|n| format!("; did you mean {n}?"));
    format!("the environment variable {name} is not a setting{}", hint.unwrap_or_default())
}
