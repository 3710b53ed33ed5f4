//! What a publisher or player asks for: a stream's name, a token, times. Read here, decided at the policy point.

use control::access::{Act, Resource};
use media::StreamName;
use media::proto::rtmp::Target;
use view::query::MediaQuery;

use crate::access::Caller;
use crate::app::App;

/// A wish that may be granted.
pub(super) struct Granted {
    pub(super) name: StreamName,
    pub(super) caller: Caller,
    pub(super) query: MediaQuery,
}

/// Why a wish is refused, in words for the one who wished and for the log.
pub(super) enum Refused {
    /// The name or the query cannot be read.
    Bad(String),
    /// The policy point says no: the type of the refusal, and its words.
    Denied(&'static str, String),
}

impl Refused {
    pub(super) fn words(&self) -> &str {
        match self {
            Self::Bad(words) | Self::Denied(_, words) => words,
        }
    }

    /// The type of the problem that HTTP would answer.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Bad(_) => "/problems/bad-url",
            Self::Denied(kind, _) => kind,
        }
    }
}

/// Reads a wish and asks the policy point.
pub(super) fn granted(
    app: &App,
    peer: std::net::IpAddr,
    target: &Target,
    act: impl FnOnce(&MediaQuery) -> Act,
) -> Result<Granted, Refused> {
    let name = StreamName::parse(&target.path).map_err(|e| Refused::Bad(e.to_string()))?;
    let query = MediaQuery::parse(&target.query).map_err(|e| Refused::Bad(e.to_string()))?;
    let caller = app.gate.raw(peer, query.token.as_ref().map(|t| t.secret()));
    let allowed = app.gate.allow(&caller, act(&query), Resource::Stream(&name));
    match allowed {
        Ok(()) => Ok(Granted { name, caller, query }),
        Err(refusal) => Err(Refused::Denied(refusal.problem_type(), refusal.to_string())),
    }
}

/// Whether a query says any time.
pub(super) fn says_times(query: &MediaQuery) -> bool {
    query.start.is_some() || query.end.is_some() || query.at.is_some() || query.delay_ns.is_some()
}
