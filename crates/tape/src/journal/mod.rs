//! The journal: one append-only file per stream with the facts that are not in its extents. Each line is a
//! CRC32C in hexadecimal, a space and a JSON object, so that a person can read it with `cat`.
//! `docs/format.md` is its specification.

mod line;
mod record;

pub use line::{JournalError, decode, encode};
pub use record::{AskedClip, DeletedExtent, EndReason, KeptExtent, Record, SealFacts, SpanRecord};
