//! A refusal in words: what is missing, and the command that would give it. The newcomer whose encoder is
//! refused reads exactly this, in the RTMP status and in the log.

use std::fmt;

use super::{Act, NotLoopback, Pattern, Resource, Void};

/// Why a request was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefusalKind {
    /// No credential.
    TokenRequired,
    /// A credential that stands for nothing.
    TokenVoid(Void),
    /// The credential has run out.
    TokenExpired,
    /// The credential is good, but not for this.
    TokenInsufficient,
    /// The credential is good, but not from this address.
    TokenElsewhere,
}

/// A refused request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Why.
    pub kind: RefusalKind,
    /// What was refused and why, as one sentence.
    pub detail: String,
    /// The command whose token would be let through.
    pub command: String,
}

impl Refusal {
    pub(super) fn new(kind: RefusalKind, act: Act, resource: Resource<'_>, far: Option<NotLoopback>) -> Self {
        let what = what(act, resource);
        let why = match &kind {
            RefusalKind::TokenRequired => "needs a token, and none was given".to_owned(),
            RefusalKind::TokenVoid(void) => format!("needs a token, and the one given {void}"),
            RefusalKind::TokenExpired => "needs a token, and the one given has expired".to_owned(),
            RefusalKind::TokenInsufficient => "is not among what the given token allows".to_owned(),
            RefusalKind::TokenElsewhere => "is not allowed by the given token from this address".to_owned(),
        };
        let far = far.map(|far| format!("; it is open from this machine only, and {far}"));
        Self {
            kind,
            detail: format!("{what} {why}{}", far.unwrap_or_default()),
            command: command(act, resource),
        }
    }

    /// The HTTP status: 401 where another credential is asked for, 403 where this one does not reach.
    pub fn status(&self) -> u16 {
        self.row().0
    }

    /// The stable `type` of the problem document.
    pub fn problem_type(&self) -> &'static str {
        self.row().1
    }

    /// The `title` of the problem document.
    pub fn title(&self) -> &'static str {
        self.row().2
    }

    /// Status, type and title.
    fn row(&self) -> (u16, &'static str, &'static str) {
        match &self.kind {
            RefusalKind::TokenRequired => (401, "/problems/token-required", "A token is required"),
            RefusalKind::TokenVoid(Void::NotYet) => {
                (401, "/problems/token-not-yet-valid", "The token is not valid yet")
            }
            RefusalKind::TokenVoid(_) => {
                (401, "/problems/token-invalid", "The token is not one of this server's")
            }
            RefusalKind::TokenExpired => (401, "/problems/token-expired", "The token has expired"),
            RefusalKind::TokenInsufficient | RefusalKind::TokenElsewhere => {
                (403, "/problems/token-insufficient", "The token does not allow this")
            }
        }
    }
}

/// One line: what, why, and what to do.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; make one with: {}", self.detail, self.command)
    }
}

/// An asset is never described by its stream here: who may not see it does not learn what it shows, nor,
/// by a difference to what is not there, that it exists.
fn what(act: Act, resource: Resource<'_>) -> String {
    match resource {
        Resource::Stream(name) => format!("{act} of {name}"),
        Resource::Asset { .. } => format!("{act} of this asset"),
        Resource::Server => format!("{act} of the whole server"),
    }
}

fn command(act: Act, resource: Resource<'_>) -> String {
    let streams = match resource {
        Resource::Stream(name) => Pattern::exactly(name),
        Resource::Asset { .. } | Resource::Server => Pattern::everything(),
    };
    let streams = streams.as_str();
    // Behind a blank, a name that begins with a dash would be read as an option.
    let joint = if streams.starts_with('-') { '=' } else { ' ' };
    format!("tapeline token new --act {act} --stream{joint}{}", quoted(streams))
}

/// A word for a POSIX shell. Names of streams come from strangers and end up in a command that an operator
/// pastes.
fn quoted(word: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'_' | b'.' | b'-');
    if word.bytes().all(plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use media::StreamName;

    use super::*;
    use crate::asset::Visibility;

    fn refusal(kind: RefusalKind, resource: Resource<'_>) -> Refusal {
        Refusal::new(kind, Act::Publish, resource, Some(NotLoopback::Address([172, 17, 0, 1].into())))
    }

    #[test]
    fn a_refusal_says_what_why_and_what_to_do_in_one_line() {
        let name = StreamName::parse("live/cam1").unwrap();
        let refusal = refusal(RefusalKind::TokenRequired, Resource::Stream(&name));
        assert_eq!(
            refusal.to_string(),
            "publish of live/cam1 needs a token, and none was given; it is open from \
             this machine only, and it came from 172.17.0.1; make one with: tapeline token new --act publish \
             --stream live/cam1"
        );
    }

    #[test]
    fn a_hostile_name_cannot_break_out_of_the_command_or_widen_the_token() {
        for (hostile, word) in [
            ("live/x; rm -rf ~", " 'live/x; rm -rf ~'"),
            ("live/$(id)`id`", " 'live/$(id)`id`'"),
            ("live/it's", r" 'live/it'\''s'"),
            ("live/*", r" 'live/\*'"),
            ("-x/y", "=-x/y"),
        ] {
            let name = StreamName::parse(hostile).unwrap();
            let refusal = refusal(RefusalKind::TokenRequired, Resource::Stream(&name));
            assert_eq!(refusal.command, format!("tapeline token new --act publish --stream{word}"));
        }
    }

    #[test]
    fn an_asset_that_is_there_is_refused_like_one_that_is_not() {
        let name = StreamName::parse("live/cam1").unwrap();
        for kind in [RefusalKind::TokenRequired, RefusalKind::TokenInsufficient] {
            let there = Resource::Asset { stream: Some(&name), visibility: Visibility::Private };
            let missing = Resource::Asset { stream: None, visibility: Visibility::Private };
            assert_eq!(refusal(kind.clone(), there), refusal(kind, missing));
        }
    }
}
