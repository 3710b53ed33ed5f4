//! The acts that access is given for. `admin` holds all others: who may erase a stream may watch it. No other act
//! implies one.

use std::fmt;
use std::str::FromStr;

use crate::word::{UnknownWord, words};

words! {
    /// Something a peer wants to do.
    Act ("act") {
        /// Send a stream.
        Publish = "publish",
        /// Watch a stream at its live edge.
        Play = "play",
        /// Look into the past of a stream: time-shift, ranges, pictures, the media of its assets.
        Timeshift = "timeshift",
        /// Make assets: clips and splits.
        Clip = "clip",
        /// Everything else in the API, and all of the above.
        Admin = "admin",
    }
}

/// A set of acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Acts(u8);

impl Acts {
    /// The set of `acts`.
    pub fn of(acts: &[Act]) -> Self {
        Self(acts.iter().fold(0, |bits, act| bits | bit(*act)))
    }

    /// Whether the set lets its holder do `act`.
    pub fn allow(self, act: Act) -> bool {
        self.0 & (bit(act) | bit(Act::Admin)) != 0
    }

    /// Whether `act` itself is in the set.
    pub fn holds(self, act: Act) -> bool {
        self.0 & bit(act) != 0
    }

    /// Whether the set has no act.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The acts that both sets allow.
    pub fn and(self, other: Self) -> Self {
        Act::ALL
            .iter()
            .filter(|act| self.allow(**act) && other.allow(**act))
            .fold(Self(0), |both, act| Self(both.0 | bit(*act)))
    }

    /// The set as a byte; its layout is part of signed grants.
    pub(crate) fn bits(self) -> u8 {
        self.0
    }

    /// The set of a byte; `None` where a bit stands for no act.
    pub(crate) fn from_bits(bits: u8) -> Option<Self> {
        (bits & !Self::of(Act::ALL).0 == 0).then_some(Self(bits))
    }
}

fn bit(act: Act) -> u8 {
    match act {
        Act::Publish => 1,
        Act::Play => 1 << 1,
        Act::Timeshift => 1 << 2,
        Act::Clip => 1 << 3,
        Act::Admin => 1 << 4,
    }
}

/// The acts' words with a blank between them, always in one order.
impl fmt::Display for Acts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<_> = Act::ALL.iter().filter(|act| self.holds(**act)).map(|act| act.as_str()).collect();
        f.write_str(&words.join(" "))
    }
}

impl FromStr for Acts {
    type Err = UnknownWord;
    fn from_str(words: &str) -> Result<Self, UnknownWord> {
        words.split_whitespace().try_fold(Self::default(), |acts, word| Ok(Self(acts.0 | bit(word.parse()?))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_of_acts_come_back_from_text_and_bits() {
        for bits in 0..=u8::MAX {
            let Some(acts) = Acts::from_bits(bits) else { continue };
            assert_eq!(acts.to_string().parse(), Ok(acts));
            assert_eq!(Acts::from_bits(acts.bits()), Some(acts));
        }
        assert_eq!(Acts::from_bits(1 << 5), None);
        assert_eq!(Acts::of(&[Act::Admin, Act::Publish]).to_string(), "publish admin");
        assert!("publish root".parse::<Acts>().is_err());
    }

    #[test]
    fn what_both_allow_is_told_act_by_act() {
        let (admin, watch) = (Acts::of(&[Act::Admin]), Acts::of(&[Act::Play, Act::Timeshift]));
        assert_eq!((admin.and(watch), watch.and(admin)), (watch, watch));
        assert_eq!(admin.and(admin), Acts::of(Act::ALL));
        assert_eq!(watch.and(Acts::of(&[Act::Publish, Act::Play])), Acts::of(&[Act::Play]));
    }
}
