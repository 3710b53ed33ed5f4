//! The claims of a signed token. What is not understood voids the token: a claim that nobody here reads may be meant
//! to restrict, and a token must never be worth more than its issuer wrote.
//!
//! | claim | |
//! |---|---|
//! | `exp` | required; seconds since the epoch |
//! | `act` | required; acts, as text with blanks or as a list |
//! | `path` | required; a [`Pattern`] of stream names |
//! | `nbf`, `iat` | seconds since the epoch |
//! | `cidr` | a network or a list of them; good only from there |
//! | `jti` | what it is revoked by |
//! | `sub` | whom it is for: told in logs, and the same publisher to take-over |
//! | `iss`, `aud` | against those of the key |

use ipnet::IpNet;
use media::WallTime;
use serde_json::{Map, Value};

use super::signer::{ID_BYTES_MAX, Signer};
use crate::access::{Acts, Grant, Holder, Networks, Pattern, Void};

/// What `aud` names where a key says nothing else.
pub const AUDIENCE: &str = "tapeline";
/// Most that the issuer's clock may be off, in nanoseconds: a minute. Clocks that are further off need mending.
pub const SKEW_NS_MAX: i64 = 60_000_000_000;
/// Longest subject.
const SUBJECT_BYTES_MAX: usize = 256;
/// Most audiences that are looked at.
const AUDIENCES_MAX: usize = 64;
const NS_PER_S: f64 = 1e9;

/// How times are judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// How far the issuer's clock may be off, in nanoseconds; at most [`SKEW_NS_MAX`].
    pub skew_ns: i64,
    /// Longest time from `iat` to `exp`, in nanoseconds; absent for any.
    pub lifetime_ns_max: Option<i64>,
}

impl Default for Rules {
    fn default() -> Self {
        Self { skew_ns: 10_000_000_000, lifetime_ns_max: None }
    }
}

/// What the key wants of its tokens.
pub(super) struct Expected<'a> {
    pub(super) issuer: Option<&'a str>,
    pub(super) audience: Option<&'a str>,
}

/// The claims that stay, once the others have been judged.
pub(super) struct Claims {
    acts: Acts,
    streams: Pattern,
    networks: Networks,
    expires_at: WallTime,
    jti: Option<String>,
    subject: Option<String>,
}

type Read<T> = Result<T, Void>;

fn unusable<T>(why: impl Into<String>) -> Read<T> {
    Err(Void::Unusable(why.into()))
}

/// Reads and judges all claims.
pub(super) fn read(
    claims: &Map<String, Value>,
    expected: &Expected<'_>,
    rules: &Rules,
    now: WallTime,
) -> Read<Claims> {
    const KNOWN: [&str; 10] = ["iss", "aud", "sub", "exp", "nbf", "iat", "jti", "act", "path", "cidr"];
    if let Some(unknown) = claims.keys().find(|name| !KNOWN.contains(&name.as_str())) {
        let shown: String = unknown.chars().filter(|c| !c.is_control()).take(40).collect();
        return unusable(format!("this version does not know its claim {shown:?}, which might restrict it"));
    }
    issued_for_us(claims, expected)?;
    let expires_at = times(claims, rules, now)?;
    Ok(Claims {
        acts: acts(claims)?,
        streams: streams(claims)?,
        networks: networks(claims)?,
        expires_at,
        jti: text(claims, "jti", ID_BYTES_MAX)?,
        subject: text(claims, "sub", SUBJECT_BYTES_MAX)?,
    })
}

impl Claims {
    /// What they stand for under a key.
    pub(super) fn grant(self, signer: &Signer) -> Grant {
        let whose = self.subject.as_deref().or(self.jti.as_deref()).unwrap_or("");
        let name = format!("{}:{whose}", signer.id());
        let jti = self.jti.as_deref().map(|jti| signer.jti_tag(jti));
        Grant {
            holder: Holder::Jwt { key: signer.tag(), jti, name },
            acts: self.acts,
            streams: self.streams,
            networks: self.networks,
            expires_at: Some(self.expires_at),
        }
    }
}

fn issued_for_us(claims: &Map<String, Value>, expected: &Expected<'_>) -> Read<()> {
    if let Some(issuer) = expected.issuer
        && claims.get("iss").and_then(Value::as_str) != Some(issuer)
    {
        return unusable("its iss is not the one of its key");
    }
    let named: Vec<&str> = match claims.get("aud") {
        None if expected.audience.is_none() => return Ok(()),
        None => Vec::new(),
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(list)) => list.iter().take(AUDIENCES_MAX).filter_map(Value::as_str).collect(),
        Some(_) => Vec::new(),
    };
    match named.contains(&expected.audience.unwrap_or(AUDIENCE)) {
        true => Ok(()),
        false => unusable("its aud does not name this server"),
    }
}

/// Judges `exp`, `nbf` and `iat`. Gives the instant from which the token is void. That it has expired is for the
/// policy to say.
fn times(claims: &Map<String, Value>, rules: &Rules, now: WallTime) -> Read<WallTime> {
    let Some(exp) = date(claims, "exp")? else { return unusable("it has no exp") };
    let latest = now.plus_ns(rules.skew_ns);
    let issued = date(claims, "iat")?;
    for begin in [date(claims, "nbf")?, issued].into_iter().flatten() {
        if begin > latest {
            return Err(Void::NotYet);
        }
    }
    if let Some(max) = rules.lifetime_ns_max {
        let Some(issued) = issued else { return unusable("it has no iat, and lifetimes are limited here") };
        if exp.since_ns(issued) > max {
            return unusable("it holds for longer than is allowed here");
        }
    }
    Ok(exp.plus_ns(rules.skew_ns))
}

/// A NumericDate, RFC 7519 §2: seconds, possibly with a fraction.
fn date(claims: &Map<String, Value>, name: &str) -> Read<Option<WallTime>> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    let seconds = value.as_f64().filter(|s| (0.0..9e9).contains(s));
    match seconds {
        Some(seconds) => Ok(Some(WallTime((seconds * NS_PER_S) as i64))),
        None => unusable(format!("its {name} is no time in seconds since 1970")),
    }
}

fn acts(claims: &Map<String, Value>) -> Read<Acts> {
    let words = match claims.get("act") {
        None => return unusable("it has no act"),
        Some(Value::String(words)) => words.clone(),
        Some(Value::Array(list)) => {
            let words: Option<Vec<&str>> = list.iter().map(Value::as_str).collect();
            let Some(words) = words else { return unusable("its act is no list of words") };
            words.join(" ")
        }
        Some(_) => return unusable("its act is no text and no list"),
    };
    match words.parse::<Acts>() {
        Ok(acts) if !acts.is_empty() => Ok(acts),
        Ok(_) => unusable("its act is empty"),
        Err(_) => unusable("its act has a word that is none of publish, play, timeshift, clip, admin"),
    }
}

fn streams(claims: &Map<String, Value>) -> Read<Pattern> {
    match claims.get("path").map(Value::as_str) {
        None => unusable("it has no path"),
        Some(None) => unusable("its path is no text"),
        Some(Some(text)) => Pattern::parse(text).or_else(|error| unusable(format!("its path: {error}"))),
    }
}

fn networks(claims: &Map<String, Value>) -> Read<Networks> {
    let texts = match claims.get("cidr") {
        None => return Ok(Networks::default()),
        Some(Value::String(one)) => vec![one.as_str()],
        // An empty list could mean everywhere or nowhere.
        Some(Value::Array(list)) if !list.is_empty() => {
            list.iter().map(|v| v.as_str().unwrap_or("")).collect()
        }
        Some(_) => return unusable("its cidr is no network and no list of them"),
    };
    let nets: Option<Vec<IpNet>> = texts.iter().map(|text| network(text)).collect();
    let Some(nets) = nets else {
        return unusable("its cidr has an entry that is no network, e.g. 10.0.0.0/8");
    };
    Networks::new(nets).or_else(|why| unusable(format!("its cidr {why}")))
}

/// `10.0.0.0/8`, or one address.
fn network(text: &str) -> Option<IpNet> {
    text.parse::<IpNet>().ok().or_else(|| text.parse::<std::net::IpAddr>().ok().map(IpNet::from))
}

fn text(claims: &Map<String, Value>, name: &str, bytes_max: usize) -> Read<Option<String>> {
    match claims.get(name) {
        None => Ok(None),
        Some(Value::String(text))
            if (1..=bytes_max).contains(&text.len()) && !text.contains(char::is_control) =>
        {
            Ok(Some(text.clone()))
        }
        Some(_) => unusable(format!("its {name} is no text of 1 to {bytes_max} bytes")),
    }
}
