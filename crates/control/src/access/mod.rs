//! Who may do what: the one policy point that every protocol asks. Pure: facts about the peer, the grant
//! that its credential stands for and the time come in as data, a decision goes out. Where grants come
//! from is `keys`; how a decision is told to a peer (problem+json, an RTMP status) is the server's.
//!
//! The rules ("safe by default"), of which one suffices:
//! 1. a grant that has the act, covers the resource, is good from where the peer is and has not expired;
//! 2. watching live is open;
//! 3. a public asset may be fetched by whoever knows its id;
//! 4. everything is open from loopback (unless configured shut), and [`Peer::loopback`] says strictly what
//!    that is, as any page that the operator's browser visits and any proxy on this machine also comes
//!    from there;
//! 5. `[access] open` widens by act and stream.
//!
//! A credential never takes away: with a bad token a peer may do what it may without one.

mod act;
mod grant;
mod pattern;
mod peer;
mod policy;
mod refusal;

pub use act::{Act, Acts};
pub use grant::{Grant, Holder, JtiTag, KeyTag, NETWORKS_MAX, Networks, Shown, Void};
pub use pattern::{PATTERN_BYTES_MAX, Pattern, PatternError};
pub use peer::{HttpFacts, NotLoopback, Peer};
pub use policy::{Allowed, Decision, Loopback, OpenRule, OpenRuleError, Policy, Request, Resource};
pub use refusal::{Refusal, RefusalKind};
