//! Identities on the tape. All are opaque to people; none is a name and none comes from outside.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A stream's identity on disk, given once and kept for life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StreamId(pub Uuid);

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.simple())
    }
}

macro_rules! number {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl $name {
            /// The number after this one.
            #[must_use]
            pub const fn next(self) -> Self {
                Self(self.0 + 1)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }
    };
}

number! {
    /// One gapless publish. Rises within a stream and is never used twice.
    RunId
}
number! {
    /// A stored file of a stream. Rises within the stream.
    ExtentNo
}
number! {
    /// A part, the unit of durability. Rises within a stream, over runs and restarts.
    PartNo
}

/// The content hash of an initialisation segment: equal tracks, equal id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct InitId(pub [u8; 8]);

impl InitId {
    /// The id of these bytes: two CRC32C of different seeds. Told apart are configurations of one
    /// stream, not adversaries.
    pub fn of(init: &[u8]) -> Self {
        let a = crc32c::crc32c(init);
        let b = crc32c::crc32c_append(a ^ 0x5441_5045, init);
        Self(((u64::from(a) << 32) | u64::from(b)).to_be_bytes())
    }
}

impl fmt::Display for InitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", u64::from_be_bytes(self.0))
    }
}

impl FromStr for InitId {
    type Err = std::num::ParseIntError;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        u64::from_str_radix(s, 16).map(|v| Self(v.to_be_bytes()))
    }
}

impl TryFrom<String> for InitId {
    type Error = std::num::ParseIntError;
    fn try_from(s: String) -> Result<Self, Self::Error> {
        s.parse()
    }
}

impl From<InitId> for String {
    fn from(id: InitId) -> Self {
        id.to_string()
    }
}
