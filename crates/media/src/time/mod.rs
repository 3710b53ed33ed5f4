//! Time with a type: track ticks, media time and wall time, the exact conversions between them, and the
//! clocks that put a source's timestamps on a run. No clock is read here.

mod audio;
mod source;
mod types;

pub use audio::{AudioClock, AudioPlaced, STEER_MS_MAX};
pub use source::{
    BACK_MS_MAX, FIRST_BACK_MS_MAX, FORWARD_MS_MAX, Placed, RETURN_MS_MAX, RUN_ORIGIN, RisingClock,
    SourceClock, VIDEO_TICKS_PER_MS, VideoClock,
};
pub use types::{MediaTime, Timescale, WallTime};
