//! The server's one policy point: every protocol asks [`Gate::allow`] before it looks anything up. It joins
//! what the connection shows (peer, headers, secret) with the tokens of the catalog and the rules of
//! `control::access`, and tells a refusal in words that end the search.

use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};

use control::access::{Act, Decision, Grant, Loopback, OpenRule, Peer, Policy, Refusal, Request, Resource};
use control::keys::Keys;
use http::HeaderMap;
use http::header;
use media::StreamName;

use crate::clock;
use crate::config;

/// Who asks: the other end of the connection and the secret it shows, if any. Its `Debug` hides the secret.
#[derive(Clone)]
pub(crate) struct Caller {
    peer: Peer,
    grant: Option<Grant>,
}

/// Decides for every protocol.
pub(crate) struct Gate {
    keys: Keys,
    policy: RwLock<Arc<Policy>>,
    /// What makes `tapeline token new` find this server's catalog.
    flags: String,
}

impl Gate {
    /// With the tokens of a catalog and the rules of the settings.
    pub(crate) fn new(keys: Keys, access: &config::Access, flags: String) -> Self {
        Self { keys, policy: RwLock::new(Arc::new(policy(access))), flags }
    }

    /// Takes changed rules.
    pub(crate) fn reload(&self, access: &config::Access) {
        *self.policy.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(policy(access));
    }

    /// The tokens.
    pub(crate) fn keys(&self) -> &Keys {
        &self.keys
    }

    /// The caller of an HTTP request. `query` is the secret of `?token=`, which an `Authorization` header
    /// overrules.
    pub(crate) fn http(&self, peer: IpAddr, headers: &HeaderMap, query: Option<&str>) -> Caller {
        let facts = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        let grant = bearer(headers).or(query).and_then(|secret| self.keys.find(secret));
        Caller { peer: Peer::http(peer, facts), grant }
    }

    /// The same caller with the grant of its path, `/~…`, which was made for one stream. A token overrules it.
    pub(crate) fn with_path(&self, caller: Caller, signed: &str, stream: &StreamName) -> Caller {
        let grant = caller.grant.or_else(|| self.keys.open_path(signed, stream));
        Caller { grant, ..caller }
    }

    /// The grant for the path of one stream that stands for what the caller's token allows there.
    pub(crate) fn path_grant(&self, caller: &Caller, stream: &StreamName) -> Option<String> {
        let grant = caller.grant.as_ref()?;
        self.keys.path_grant(grant, stream, clock::wall()).map(|path| path.to_string())
    }

    /// The caller of a protocol that a browser cannot speak.
    pub(crate) fn raw(&self, peer: IpAddr, secret: Option<&str>) -> Caller {
        Caller { peer: Peer::raw(peer), grant: secret.and_then(|s| self.keys.find(s)) }
    }

    /// Whether the caller may do this, now.
    pub(crate) fn allow(&self, caller: &Caller, act: Act, resource: Resource<'_>) -> Result<(), Refusal> {
        let policy = Arc::clone(&self.policy.read().unwrap_or_else(PoisonError::into_inner));
        let request = Request { act, resource, peer: &caller.peer, now: clock::wall() };
        match policy.decide(&request, caller.grant.as_ref()) {
            Decision::Allow(rule) => {
                tracing::trace!(%act, ?rule, "allowed");
                Ok(())
            }
            Decision::Refuse(mut refusal) => {
                refusal.command.push_str(&self.flags);
                Err(refusal)
            }
        }
    }

    /// Whether a long connection may go on: its token has neither been revoked nor run out.
    pub(crate) fn still_stands(&self, caller: &Caller) -> bool {
        caller.grant.as_ref().is_none_or(|grant| self.keys.is_live(grant) && !grant.is_expired(clock::wall()))
    }
}

impl Caller {
    /// What its secret stands for.
    pub(crate) fn grant(&self) -> Option<&Grant> {
        self.grant.as_ref()
    }
}

fn policy(access: &config::Access) -> Policy {
    let loopback = if access.loopback_open { Loopback::Open } else { Loopback::Closed };
    // The settings were checked when they were read.
    Policy::new(loopback, access.open.iter().filter_map(|rule| OpenRule::parse(rule).ok()).collect())
}

/// The secret of `Authorization: Bearer`, RFC 6750 §2.1.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, secret) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| secret.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bearer_token_is_read_whatever_the_case_of_its_scheme() {
        let with = |value: &str| {
            let headers = HeaderMap::from_iter([(header::AUTHORIZATION, value.parse().unwrap())]);
            bearer(&headers).map(str::to_owned)
        };
        assert_eq!(with("bearer  abc ").as_deref(), Some("abc"));
        assert_eq!(with("Basic YTpi"), None);
        assert_eq!(with("abc"), None);
    }
}
