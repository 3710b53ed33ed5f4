//! What a credential stands for: who is behind it, what it allows, where and until when. And what a credential is
//! that stands for nothing. Where they come from is `keys`.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use media::WallTime;
use thiserror::Error;

use super::policy::{Resource, takes_in};
use super::{Act, Acts, Pattern};

/// Most networks of one grant: a token is for a few sites; a long list belongs into a firewall.
pub const NETWORKS_MAX: usize = 16;

/// What a credential stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The credential behind it.
    pub holder: Holder,
    /// What may be done.
    pub acts: Acts,
    /// To which streams.
    pub streams: Pattern,
    /// From where.
    pub networks: Networks,
    /// First instant at which it is void; absent for ever.
    pub expires_at: Option<WallTime>,
}

/// The credential behind a grant, as logs name it and as its end is looked up. Not secret.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Holder {
    /// An opaque token, by its id.
    Token(String),
    /// A signed token.
    Jwt {
        /// What the key is known by to this process.
        key: KeyTag,
        /// What its `jti` is known by; absent where it has none.
        jti: Option<JtiTag>,
        /// `kid`, and `sub` or else `jti` behind a colon: stays the same over the tokens of one subject.
        name: String,
    },
}

/// Stands for a key with all it is made of: another key under the same id has another tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyTag(pub(crate) [u8; 8]);

/// Stands for a `jti` under the key that signed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct JtiTag(pub(crate) [u8; 16]);

/// Networks that a grant is good from; none named is everywhere.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Networks(Vec<IpNet>);

/// A credential that was shown and stands for nothing, and why.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Void {
    /// No token of this server, or one that was revoked.
    #[error("is unknown or revoked")]
    Unknown,
    /// Not signed by the key it names, in the way that this key signs.
    #[error("is not signed by a key of this server")]
    Unsigned,
    /// Signed, but the time from which it holds has not come.
    #[error("is not valid yet")]
    NotYet,
    /// Signed, but what it says is not what this server takes.
    #[error("cannot be used: {0}")]
    Unusable(String),
}

/// What a request shows.
#[derive(Debug, Clone, Copy)]
pub enum Shown<'a> {
    /// No credential.
    Nothing,
    /// One that stands for nothing.
    Void(&'a Void),
    /// One that stands for a grant.
    Grant(&'a Grant),
}

impl Grant {
    /// Whether the grant has run out at `now`.
    pub fn is_expired(&self, now: WallTime) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }

    pub(super) fn covers(&self, act: Act, resource: Resource<'_>, from: IpAddr) -> bool {
        self.acts.allow(act) && takes_in(&self.streams, resource) && self.networks.have(from)
    }
}

impl Networks {
    /// These networks.
    ///
    /// # Errors
    /// When there are more than [`NETWORKS_MAX`].
    pub fn new(list: Vec<IpNet>) -> Result<Self, String> {
        match list.len() <= NETWORKS_MAX {
            true => Ok(Self(list)),
            false => Err(format!("names {} networks; the limit is {NETWORKS_MAX}", list.len())),
        }
    }

    /// Whether an address is in them. An IPv4 address inside IPv6 counts as what it is.
    pub fn have(&self, addr: IpAddr) -> bool {
        let addr = addr.to_canonical();
        self.0.is_empty() || self.0.iter().any(|net| net.contains(&addr))
    }

    /// Each of them.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &IpNet> {
        self.0.iter()
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Token(name) | Self::Jwt { name, .. } => f.write_str(name),
        }
    }
}

impl<'a> From<Option<&'a Grant>> for Shown<'a> {
    fn from(grant: Option<&'a Grant>) -> Self {
        grant.map_or(Self::Nothing, Self::Grant)
    }
}

impl<'a> From<Option<&'a Result<Grant, Void>>> for Shown<'a> {
    fn from(found: Option<&'a Result<Grant, Void>>) -> Self {
        match found {
            None => Self::Nothing,
            Some(Ok(grant)) => Self::Grant(grant),
            Some(Err(void)) => Self::Void(void),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_take_in_mapped_addresses_and_none_is_everywhere() {
        let nets =
            Networks::new(vec!["10.0.0.0/8".parse().unwrap(), "2001:db8::/32".parse().unwrap()]).unwrap();
        for (addr, within) in [
            ("10.1.2.3", true),
            ("::ffff:10.1.2.3", true),
            ("11.0.0.1", false),
            ("2001:db8::1", true),
            ("2001:db9::1", false),
        ] {
            assert_eq!(nets.have(addr.parse().unwrap()), within, "{addr}");
        }
        assert!(Networks::default().have("192.0.2.1".parse().unwrap()));
        assert!(Networks::new(vec!["10.0.0.0/8".parse().unwrap(); NETWORKS_MAX + 1]).is_err());
    }
}
