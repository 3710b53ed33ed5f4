//! The three kinds of time a packet meets: ticks of its track's timescale (plain `i64`), the media
//! time of its run, and wall time.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

const NS_PER_S: i128 = 1_000_000_000;

/// Ticks per second of one track. Video and data use [`Timescale::VIDEO`]; audio uses its sample rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Timescale(NonZeroU32);

impl Timescale {
    /// 90 kHz: holds every RTMP millisecond and every MPEG-TS tick exactly.
    pub const VIDEO: Self = Self(NonZeroU32::new(90_000).expect("not zero"));

    /// `None` when `hz` is zero.
    pub const fn new(hz: u32) -> Option<Self> {
        match NonZeroU32::new(hz) {
            Some(hz) => Some(Self(hz)),
            None => None,
        }
    }

    /// Ticks per second.
    pub const fn hz(self) -> u32 {
        self.0.get()
    }

    /// The media time of a tick, rounded down to a nanosecond; the first or last there is beyond ±292 years.
    pub fn media(self, ticks: i64) -> MediaTime {
        let ns = (i128::from(ticks) * NS_PER_S).div_euclid(i128::from(self.hz()));
        MediaTime(clamp(ns))
    }

    /// The last tick at or before `at`. For a tick `t`, `ticks_floor(media(t))` may be `t - 1`, as
    /// `media` rounds down; [`Timescale::ticks_ceil`] inverts it exactly.
    pub fn ticks_floor(self, at: MediaTime) -> i64 {
        clamp((i128::from(at.0) * i128::from(self.hz())).div_euclid(NS_PER_S))
    }

    /// The first tick whose media time is at or after `at`: the exact inverse of [`Timescale::media`].
    pub fn ticks_ceil(self, at: MediaTime) -> i64 {
        let hz = i128::from(self.hz());
        clamp(-((-(i128::from(at.0) * hz)).div_euclid(NS_PER_S)))
    }

    /// `ticks` of `self` in `to`'s ticks, rounded to nearest (ties up).
    pub fn rescale(self, ticks: i64, to: Self) -> i64 {
        let (from, to) = (i128::from(self.hz()), i128::from(to.hz()));
        clamp((i128::from(ticks) * to * 2 + from).div_euclid(from * 2))
    }

    /// `ticks` of this scale in ticks of `to`: the first that is not before them.
    pub fn rescale_ceil(self, ticks: i64, to: Self) -> i64 {
        let (from, to) = (i128::from(self.hz()), i128::from(to.hz()));
        clamp(-(-i128::from(ticks) * to).div_euclid(from))
    }
}

fn clamp(v: i128) -> i64 {
    v.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64
}

macro_rules! instant {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl $name {
            /// The earliest representable instant.
            pub const MIN: Self = Self(i64::MIN);
            /// The latest representable instant.
            pub const MAX: Self = Self(i64::MAX);

            /// From whole milliseconds, saturating.
            pub const fn from_ms(ms: i64) -> Self {
                Self(ms.saturating_mul(1_000_000))
            }

            /// Whole milliseconds, rounded down.
            pub const fn ms(self) -> i64 {
                self.0.div_euclid(1_000_000)
            }

            /// `self + ns`, saturating.
            pub const fn plus_ns(self, ns: i64) -> Self {
                Self(self.0.saturating_add(ns))
            }

            /// `self - earlier` in nanoseconds, saturating.
            pub const fn since_ns(self, earlier: Self) -> i64 {
                self.0.saturating_sub(earlier.0)
            }
        }
    };
}

instant! {
    /// Nanoseconds on a run's own timeline: continuous and rising over the run, unrelated to any
    /// clock. Presentation and decode times alike.
    MediaTime
}
instant! {
    /// Nanoseconds since the Unix epoch, UTC.
    WallTime
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn ceil_inverts_media(hz in 1u32..400_000, s in -9_000_000_000i64..9_000_000_000, part in 0.0..1.0) {
            let scale = Timescale::new(hz).unwrap();
            let t = s * i64::from(hz) + (part * f64::from(hz)) as i64;
            prop_assert_eq!(scale.ticks_ceil(scale.media(t)), t);
        }

        #[test]
        fn rescale_is_within_half_a_tick(a in 1u32..400_000, b in 1u32..400_000, t in 0i64..1_000_000_000) {
            let (a, b) = (Timescale::new(a).unwrap(), Timescale::new(b).unwrap());
            let exact = t as f64 * f64::from(b.hz()) / f64::from(a.hz());
            prop_assert!((a.rescale(t, b) as f64 - exact).abs() <= 0.501);
        }
    }
}
