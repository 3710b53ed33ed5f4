//! What applies to a stream: its own rule, else the first policy that matches it, else what the server keeps of all.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use control::CatalogError;
use control::access::Pattern;
use control::catalog::Catalog;
use control::rules::StreamRule;
use media::StreamName;
use tape::retention::Rule;

use crate::config::Config;

/// The rules of single streams, as the catalog has them.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    own: RwLock<Arc<HashMap<StreamName, StreamRule>>>,
}

/// Where a limit comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum From {
    /// The stream's own rule.
    Stream,
    /// A `[[policy]]`.
    Policy,
    /// `[retention]`.
    Server,
}

impl From {
    /// The word in the API.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Stream => "stream",
            Self::Policy => "policy",
            Self::Server => "server",
        }
    }
}

/// What applies to a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Applied {
    pub(crate) rule: Rule,
    pub(crate) age_from: Option<From>,
    pub(crate) bytes_from: Option<From>,
}

/// All rules at one moment, ready to be asked for many streams.
pub(crate) struct Asked {
    own: Arc<HashMap<StreamName, StreamRule>>,
    policies: Vec<(Pattern, Option<i64>)>,
    max_age_ns: Option<i64>,
}

impl Rules {
    /// As the catalog has them.
    pub(crate) async fn load(catalog: &Catalog) -> Result<Self, CatalogError> {
        let rules = Self::default();
        rules.replace(catalog.stream_rules().await?);
        Ok(rules)
    }

    /// Takes what the catalog has now.
    pub(crate) fn replace(&self, rules: Vec<StreamRule>) {
        let own = rules.into_iter().map(|rule| (rule.stream.clone(), rule)).collect();
        *self.own.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(own);
    }

    /// All rules with those of the configuration.
    pub(crate) fn ask(&self, config: &Config) -> Asked {
        let policies = config.policies.iter().filter_map(|policy| {
            // They were checked when they were read.
            Some((Pattern::parse(&policy.matches).ok()?, policy.retention.map(ns)))
        });
        Asked {
            own: Arc::clone(&self.own.read().unwrap_or_else(PoisonError::into_inner)),
            policies: policies.collect(),
            max_age_ns: config.retention.max_age.map(ns),
        }
    }
}

fn ns(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

impl Asked {
    /// What applies to a stream.
    pub(crate) fn of(&self, stream: &StreamName) -> Applied {
        let own = self.own.get(stream);
        let policy = self.policies.iter().find(|(pattern, _)| pattern.matches(stream)).and_then(|p| p.1);
        let ages = [
            (own.and_then(|rule| rule.max_age_ns), From::Stream),
            (policy, From::Policy),
            (self.max_age_ns, From::Server),
        ];
        let age = ages.into_iter().find_map(|(age, from)| Some((age?, from)));
        let max_bytes = own.and_then(|rule| rule.max_bytes);
        Applied {
            rule: Rule { max_age_ns: age.map(|a| a.0), max_bytes },
            age_from: age.map(|a| a.1),
            bytes_from: max_bytes.map(|_| From::Stream),
        }
    }

    /// The same with another rule for one stream, to see what it would do.
    pub(crate) fn with(mut self, rule: StreamRule) -> Self {
        let mut own = HashMap::clone(&self.own);
        own.insert(rule.stream.clone(), rule);
        self.own = Arc::new(own);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Policy;

    #[test]
    fn a_streams_own_rule_goes_before_the_first_policy_that_matches_and_that_before_the_server() {
        let mut config = Config::defaults();
        config.retention.max_age = Some(Duration::from_secs(100));
        let policy = |matches: &str, s: Option<u64>| Policy {
            matches: matches.to_owned(),
            retention: s.map(Duration::from_secs),
            ..Policy::default()
        };
        config.policies =
            vec![policy("live/a*", Some(10)), policy("live/*", Some(20)), policy("cam/*", None)];
        let stream = |name: &str| StreamName::parse(name).unwrap();
        let rules = Rules::default();
        let own = |max_age_ns| StreamRule { stream: stream("live/own"), max_age_ns, max_bytes: Some(5) };
        rules.replace(vec![own(Some(7_000_000_000))]);
        let asked = rules.ask(&config);
        let of = |name: &str| {
            let applied = asked.of(&stream(name));
            (applied.rule.max_age_ns.map(|ns| ns / 1_000_000_000), applied.age_from.map(From::as_str))
        };
        assert_eq!(of("live/own"), (Some(7), Some("stream")));
        assert_eq!(asked.of(&stream("live/own")).rule.max_bytes, Some(5));
        assert_eq!(of("live/a1"), (Some(10), Some("policy")));
        assert_eq!(of("live/b"), (Some(20), Some("policy")));
        assert_eq!(of("cam/1"), (Some(100), Some("server")));
        assert_eq!(of("other/1"), (Some(100), Some("server")));
        let tried = asked.with(own(None));
        assert_eq!(tried.of(&stream("live/own")).rule.max_age_ns, Some(20_000_000_000));
    }
}
