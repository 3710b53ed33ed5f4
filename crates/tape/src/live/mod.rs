//! From packets to parts: the open part, the segment grid's application, extents' beginnings and ends, and
//! the ring that keeps the newest of it in memory. No I/O here.

mod assembler;
mod opening;
mod ring;

pub(crate) use assembler::{Assembler, AssemblerConfig, Counters, Step};
pub(crate) use opening::Opening;
pub use ring::LivePacket;
pub(crate) use ring::{Ring, RingLimits};
