//! How often a volume is synced: as soon as there is something, unless a round takes so long that the disk would do
//! nothing else. Then rounds are spaced out, and closed up again once they are quick.

use std::time::Duration;

/// A round that takes longer than this is late: parts are half a second long.
const LATE: Duration = Duration::from_millis(500);
/// Rounds are never further apart.
const LONGEST: Duration = Duration::from_secs(5);

/// The least time from the beginning of one round to the next; zero while the disk keeps up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Tick(pub Duration);

impl Tick {
    /// The tick after a round that took so long.
    pub(crate) fn after(self, took: Duration) -> Self {
        if took > self.0.max(LATE) {
            return Self((self.0.max(LATE) * 2).min(LONGEST));
        }
        if took <= self.0 / 4 {
            let closer = self.0 / 2;
            return Self(if closer <= LATE { Duration::ZERO } else { closer });
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn late_rounds_stretch_it_and_quick_ones_bring_it_back() {
        let ms = Duration::from_millis;
        let mut tick = Tick::default();
        let mut after = |took| {
            tick = tick.after(ms(took));
            tick.0.as_millis()
        };
        assert_eq!([3, 400, 500].map(&mut after), [0, 0, 0]);
        assert_eq!(
            [501, 900, 1001, 2500, 30_000, 6000].map(&mut after),
            [1000, 1000, 2000, 4000, 5000, 5000]
        );
        assert_eq!([4000, 1300].map(&mut after), [5000, 5000], "busy and in time");
        assert_eq!([900, 100, 100, 10].map(&mut after), [2500, 1250, 625, 0]);
    }
}
