//! The wall clock of a run: the map from media time, and how arrivals steer it.

mod map;
mod steering;

pub use map::{Anchor, WallMap};
pub(crate) use steering::{Steering, delay};
