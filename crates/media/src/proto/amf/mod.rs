//! Action Message Format, the value encoding of RTMP commands and FLV script tags: [`amf0`] and
//! [`amf3`], with the limits that keep a hostile peer's values small. What the values *mean* (commands,
//! `onMetaData`) belongs to their users.

pub mod amf0;
pub mod amf3;
mod cursor;

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use thiserror::Error;

/// Deepest nesting of objects and arrays. Real messages nest two or three levels; 32 keeps the recursive
/// reader's stack under 16 KiB.
pub const DEPTH_MAX: usize = 32;

/// Most values in one decoded message, properties and elements included. An `onMetaData` with the
/// key-frame tables of a nine-hour recording (two numbers per 2 s GOP) stays below it, and what it decodes
/// to stays below 16 MiB.
pub const NODES_MAX: usize = 65_536;

/// A string as it came: bytes that ought to be UTF-8. Old encoders write local code pages, and those bytes
/// must survive a round trip. Clones share the bytes.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Text(Bytes);

impl Text {
    /// The bytes as they were sent.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The text, where it is UTF-8.
    pub fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    /// The text for people to read, with U+FFFD for what is not UTF-8.
    pub fn to_lossy(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.0)
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no byte in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.to_lossy(), f)
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl From<&[u8]> for Text {
    fn from(bytes: &[u8]) -> Self {
        Self(Bytes::copy_from_slice(bytes))
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(Bytes::from(text))
    }
}

impl From<Bytes> for Text {
    fn from(bytes: Bytes) -> Self {
        Self(bytes)
    }
}

impl From<Text> for Bytes {
    fn from(text: Text) -> Self {
        text.0
    }
}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        self.0 == other.as_bytes()
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        self.0 == other.as_bytes()
    }
}

/// A value that could not be read or written, and where.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("AMF byte {offset}: {kind}")]
pub struct AmfError {
    /// Offset in the bytes given to the decoder, or in those written so far by the encoder.
    pub offset: usize,
    /// What was wrong there.
    pub kind: AmfErrorKind,
}

/// What is wrong with an AMF value.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AmfErrorKind {
    /// The message ends inside a value.
    #[error("the value needs {needed} bytes but {left} are left")]
    Truncated {
        /// Bytes the value asks for from here on.
        needed: usize,
        /// Bytes there are.
        left: usize,
    },
    /// A type marker that the format does not define, or reserves.
    #[error("type marker 0x{0:02x} is not one that can be read")]
    Marker(u8),
    /// Nested deeper than [`DEPTH_MAX`].
    #[error("values nest deeper than {DEPTH_MAX} levels")]
    Depth,
    /// More values than [`NODES_MAX`].
    #[error("more than {NODES_MAX} values in one message")]
    Nodes,
    /// A count that the bytes left cannot hold.
    #[error("{declared} elements are declared but only {left} bytes are left")]
    Count {
        /// The declared number of elements.
        declared: usize,
        /// Bytes there are.
        left: usize,
    },
    /// An AMF3 reference to a table entry that does not exist.
    #[error("reference {index} into a table of {len} entries")]
    Reference {
        /// The index asked for.
        index: usize,
        /// Entries there are.
        len: usize,
    },
    /// A class that serialises itself in a form only its author knows.
    #[error("externalizable class {0:?} has no known encoding")]
    Externalizable(Text),
    /// A string longer than the format's length field can say.
    #[error("a string of {0} bytes does not fit the format's length field")]
    TooLong(usize),
}

/// Counts values against [`NODES_MAX`] over a whole message, switches between the formats included.
#[derive(Debug)]
struct Budget {
    nodes_left: usize,
}

impl Budget {
    fn new() -> Self {
        Self { nodes_left: NODES_MAX }
    }

    fn spend(&mut self, nodes: usize) -> Result<(), AmfErrorKind> {
        self.nodes_left = self.nodes_left.checked_sub(nodes).ok_or(AmfErrorKind::Nodes)?;
        Ok(())
    }
}
