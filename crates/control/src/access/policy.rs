//! The decision itself. No query, no clock, no protocol.

use std::str::FromStr;

use media::{StreamName, WallTime};
use thiserror::Error;

use super::refusal::{Refusal, RefusalKind};
use super::{Act, Acts, Holder, NotLoopback, Pattern, PatternError, Peer, Shown};
use crate::UnknownWord;
use crate::asset::Visibility;

/// What an act is done to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource<'a> {
    /// One stream, there or not.
    Stream(&'a StreamName),
    /// One asset. What is not there is asked about as private and of no stream, so that nobody learns by a
    /// refusal what exists.
    Asset {
        /// The stream it shows.
        stream: Option<&'a StreamName>,
        /// Who may fetch its media.
        visibility: Visibility,
    },
    /// The whole server: lists, and all that is not about one stream. Needs access to every stream.
    Server,
}

/// One question to the policy.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// What is to be done.
    pub act: Act,
    /// To what.
    pub resource: Resource<'a>,
    /// By whom.
    pub peer: &'a Peer,
    /// When; judges the grant's expiry.
    pub now: WallTime,
}

/// One entry of `[access] open`: an act that anyone may do to the streams of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenRule {
    /// What is open.
    pub act: Act,
    /// For which streams.
    pub streams: Pattern,
}

/// Why a text is no entry of `[access] open`.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum OpenRuleError {
    /// Not an act and a pattern.
    #[error("{0:?} is no open rule; write ACT PATTERN, e.g. \"timeshift live/*\"")]
    Shape(String),
    /// The first word is no act.
    #[error(transparent)]
    Act(#[from] UnknownWord),
    /// The second word is no pattern.
    #[error(transparent)]
    Pattern(#[from] PatternError),
}

impl OpenRule {
    /// Reads `ACT PATTERN`. The pattern is everything behind the first blank, as names may hold blanks.
    pub fn parse(text: &str) -> Result<Self, OpenRuleError> {
        let (act, streams) =
            text.trim().split_once(' ').ok_or_else(|| OpenRuleError::Shape(text.to_owned()))?;
        Ok(Self { act: act.parse()?, streams: Pattern::parse(streams.trim_start())? })
    }
}

impl FromStr for OpenRule {
    type Err = OpenRuleError;
    fn from_str(text: &str) -> Result<Self, OpenRuleError> {
        Self::parse(text)
    }
}

/// `[access] loopback_open`: whether this machine's own user needs no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Loopback {
    /// Everything is open from loopback.
    #[default]
    Open,
    /// Loopback is a peer like any other; right behind a proxy that speaks plain TCP (RTMP), which the
    /// server cannot tell from this machine's user.
    Closed,
}

/// The rules of a server.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Policy {
    loopback: Loopback,
    open: Vec<OpenRule>,
}

/// The rule that let a request through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allowed<'a> {
    /// A grant has it; whose.
    Token(&'a Holder),
    /// Live play is open.
    LivePlay,
    /// The asset is public.
    PublicAsset,
    /// It comes from this machine.
    Loopback,
    /// The configuration opens it.
    Open(&'a OpenRule),
}

/// The answer to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision<'a> {
    /// It may go on, by this rule.
    Allow(Allowed<'a>),
    /// It may not.
    Refuse(Refusal),
}

impl Decision<'_> {
    /// The decision as a result, for `?`.
    pub fn into_result(self) -> Result<(), Refusal> {
        match self {
            Self::Allow(_) => Ok(()),
            Self::Refuse(refusal) => Err(refusal),
        }
    }
}

impl Policy {
    /// A policy of the configuration's `[access]`.
    pub fn new(loopback: Loopback, open: Vec<OpenRule>) -> Self {
        Self { loopback, open }
    }

    /// Decides over a request and what it shows.
    pub fn decide<'a>(&'a self, request: &Request<'_>, shown: impl Into<Shown<'a>>) -> Decision<'a> {
        let Request { act, resource, peer, now } = *request;
        let shown = shown.into();
        if let Shown::Grant(grant) = shown
            && grant.covers(act, resource, peer.addr)
            && !grant.is_expired(now)
        {
            return Decision::Allow(Allowed::Token(&grant.holder));
        }
        if act == Act::Play && matches!(resource, Resource::Stream(_)) {
            return Decision::Allow(Allowed::LivePlay);
        }
        if matches!(act, Act::Play | Act::Timeshift) && is_public_asset(resource) {
            return Decision::Allow(Allowed::PublicAsset);
        }
        let loopback = peer.loopback();
        if self.loopback == Loopback::Open && loopback.is_ok() {
            return Decision::Allow(Allowed::Loopback);
        }
        let opened = self
            .open
            .iter()
            .find(|rule| Acts::of(&[rule.act]).allow(act) && takes_in(&rule.streams, resource));
        match opened {
            Some(rule) => Decision::Allow(Allowed::Open(rule)),
            None => Decision::Refuse(self.refusal(request, shown, loopback.err())),
        }
    }

    fn refusal(&self, request: &Request<'_>, shown: Shown<'_>, far: Option<NotLoopback>) -> Refusal {
        let kind = match shown {
            Shown::Nothing => RefusalKind::TokenRequired,
            Shown::Void(void) => RefusalKind::TokenVoid(void.clone()),
            Shown::Grant(grant) if grant.is_expired(request.now) => RefusalKind::TokenExpired,
            Shown::Grant(grant) if !grant.networks.have(request.peer.addr) => RefusalKind::TokenElsewhere,
            Shown::Grant(_) => RefusalKind::TokenInsufficient,
        };
        let far = far.filter(|_| self.loopback == Loopback::Open);
        Refusal::new(kind, request.act, request.resource, far)
    }
}

fn is_public_asset(resource: Resource<'_>) -> bool {
    matches!(resource, Resource::Asset { visibility: Visibility::Public, .. })
}

/// What is of no stream is of all of them: it needs a pattern that takes in every name.
pub(super) fn takes_in(streams: &Pattern, resource: Resource<'_>) -> bool {
    match resource {
        Resource::Stream(name) | Resource::Asset { stream: Some(name), .. } => streams.matches(name),
        Resource::Asset { stream: None, .. } | Resource::Server => streams.is_everything(),
    }
}
