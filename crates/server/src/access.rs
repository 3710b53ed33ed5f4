//! The server's one policy point: every protocol asks [`Gate::allow`] before it looks anything up. It joins
//! what the connection shows (peer, headers, secret) with the tokens of the catalog and the rules of
//! `control::access`, and tells a refusal in words that end the search.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use control::access::{
    Act, Allowed, Decision, Grant, Loopback, OpenRule, Peer, Policy, Refusal, Request, Resource, Void,
};
use control::keys::{Keys, Rules};
use http::HeaderMap;
use http::header;
use http::request::Parts;
use media::StreamName;

use crate::clock;
use crate::config::{self, Config};
use crate::meter::Access as AccessMeter;

/// Who asks: the other end of the connection and what the secret that it shows stands for, if it shows one.
#[derive(Clone)]
pub(crate) struct Caller {
    peer: Peer,
    shown: Option<Result<Grant, Void>>,
    rests: Rests,
}

/// What the answer under way on a connection rests on: the grant without which it would not have been given. Whoever
/// holds the connection looks at it now and then and ends what has lost its ground.
#[derive(Clone, Default)]
pub(crate) struct Rests(Arc<Mutex<Option<Grant>>>);

impl Rests {
    /// Another answer begins; it rests on nothing yet.
    pub(crate) fn clear(&self) {
        *self.lock() = None;
    }

    fn on(&self, grant: &Grant) {
        *self.lock() = Some(grant.clone());
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Grant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Decides for every protocol.
pub(crate) struct Gate {
    keys: Keys,
    policy: RwLock<Arc<Policy>>,
    /// What makes `tapeline token new` find this server's catalog.
    flags: String,
    meter: &'static AccessMeter,
}

impl Gate {
    /// With the tokens of a catalog and the rules of the settings.
    pub(crate) fn new(keys: Keys, config: &Config, flags: String, meter: &'static AccessMeter) -> Self {
        let gate = Self { keys, policy: RwLock::new(Arc::new(policy(&config.access))), flags, meter };
        gate.reload(config);
        gate
    }

    /// Takes changed rules and keys.
    pub(crate) fn reload(&self, config: &Config) {
        *self.policy.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(policy(&config.access));
        let signers = config.jwt.iter().filter_map(config::JwtKey::signer).collect();
        self.keys.set_fixed(signers, rules(&config.access));
    }

    /// The tokens.
    pub(crate) fn keys(&self) -> &Keys {
        &self.keys
    }

    /// The caller of an HTTP request. `query` is the secret of `?token=`, which an `Authorization` header
    /// overrules.
    pub(crate) fn http(&self, peer: IpAddr, request: &Parts, query: Option<&str>) -> Caller {
        let headers = &request.headers;
        let facts = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        let shown = bearer(headers).or(query).map(|secret| self.keys.find(secret, clock::wall()));
        let rests = request.extensions.get::<Rests>().cloned().unwrap_or_default();
        Caller { peer: Peer::http(peer, facts), shown, rests }
    }

    /// The same caller with the grant of its path, `/~…`, which was made for one stream. A token that stands for
    /// something overrules it.
    pub(crate) fn with_path(&self, caller: Caller, signed: &str, stream: &StreamName) -> Caller {
        let shown = match caller.shown {
            Some(Ok(grant)) => Ok(grant),
            _ => self.keys.open_path(signed, stream).ok_or(Void::Unknown),
        };
        Caller { shown: Some(shown), ..caller }
    }

    /// The grant for the path of one stream that stands for what the caller's token allows there.
    pub(crate) fn path_grant(&self, caller: &Caller, stream: &StreamName) -> Option<String> {
        let grant = caller.grant()?;
        self.keys.path_grant(grant, stream, clock::wall()).map(|path| path.to_string())
    }

    /// The caller of a protocol that a browser cannot speak.
    pub(crate) fn raw(&self, peer: IpAddr, secret: Option<&str>) -> Caller {
        let shown = secret.map(|secret| self.keys.find(secret, clock::wall()));
        Caller { peer: Peer::raw(peer), shown, rests: Rests::default() }
    }

    /// Whether the caller may do this, now. A refusal is counted.
    pub(crate) fn allow(&self, caller: &Caller, act: Act, resource: Resource<'_>) -> Result<(), Refusal> {
        self.weigh(caller, act, resource).inspect_err(|refusal| self.meter.refused(&refusal.kind).add())
    }

    /// The same question where a refusal is not the end of it.
    pub(crate) fn weigh(&self, caller: &Caller, act: Act, resource: Resource<'_>) -> Result<(), Refusal> {
        let policy = Arc::clone(&self.policy.read().unwrap_or_else(PoisonError::into_inner));
        let request = Request { act, resource, peer: &caller.peer, now: clock::wall() };
        match policy.decide(&request, caller.shown.as_ref()) {
            Decision::Allow(rule) => {
                if let (Allowed::Token(_), Some(grant)) = (rule, caller.grant()) {
                    caller.rests.on(grant);
                }
                tracing::trace!(%act, ?rule, "allowed");
                Ok(())
            }
            Decision::Refuse(mut refusal) => {
                refusal.command.push_str(&self.flags);
                Err(refusal)
            }
        }
    }

    /// Whether a long connection may go on: its credential has neither been revoked nor run out.
    pub(crate) fn still_stands(&self, caller: &Caller) -> bool {
        caller.grant().is_none_or(|grant| self.stands(grant))
    }

    /// Whether the answer under way may go on.
    pub(crate) fn rests_safely(&self, rests: &Rests) -> bool {
        rests.lock().as_ref().is_none_or(|grant| self.stands(grant))
    }

    fn stands(&self, grant: &Grant) -> bool {
        self.keys.is_live(grant) && !grant.is_expired(clock::wall())
    }
}

impl Caller {
    /// What its secret stands for.
    pub(crate) fn grant(&self) -> Option<&Grant> {
        self.shown.as_ref()?.as_ref().ok()
    }
}

/// How the times of signed tokens are judged.
pub(crate) fn rules(access: &config::Access) -> Rules {
    let ns = |d: std::time::Duration| i64::try_from(d.as_nanos()).unwrap_or(i64::MAX);
    Rules { skew_ns: ns(access.jwt_skew), lifetime_ns_max: access.jwt_max_lifetime.map(ns) }
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
