//! Sound for the time that has none: whole silent frames of the track's own codec, so many that what follows them is
//! where it belongs. What silence looks like is the codec's; where gaps are is settled before.
//!
//! A frame lasts as long as the codec says and a gap is as long as it is, so that the last silent frame lasts a
//! little more or less than the others: the sound behind the gap begins to the sample where it should. Players that
//! count samples instead of reading times (FFmpeg writing WAV) are off by half a frame at most, however many gaps
//! there are: what was rounded at one is made up for at the next.

use bytes::Bytes;
use media::codec::aac::silent_access_unit;
use media::{CodecConfig, TrackConfig};

use super::error::PlanError;
use super::tables::Table;

/// Silent frames of a track, one after the other, in one chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Silence {
    /// How many extents of the clip lie before it.
    pub(super) before: u32,
    /// Samples of the track before it.
    pub(super) number: u32,
    /// Chunks of the track before it.
    pub(super) chunk: u32,
    /// How many; not none.
    pub(super) count: u32,
    /// Ticks of all but the last.
    pub(super) frame: u32,
    /// Ticks of the last.
    pub(super) last: u32,
    /// Where its bytes begin behind the header of `mdat`.
    pub(super) data: u64,
}

impl Silence {
    /// Ticks of all together.
    pub(super) fn ticks(&self) -> i64 {
        i64::from(self.count - 1) * i64::from(self.frame) + i64::from(self.last)
    }

    /// Rows of a table.
    pub(super) fn rows(&self, table: Table) -> u32 {
        match table {
            Table::Stts => self.count.min(2),
            Table::Stsc | Table::Co64 => 1,
            Table::Stsz => self.count,
            // Sound is not reordered, and each of its frames can be decoded.
            Table::Ctts | Table::Stss => 0,
        }
    }

    /// The rows of `stts`.
    pub(super) fn durations(&self) -> Vec<[u32; 2]> {
        let mut rows = vec![[self.count - 1, self.frame], [1, self.last]];
        rows.retain(|row| row[0] > 0);
        rows
    }
}

/// Counts silence into the gaps of a track.
#[derive(Debug)]
pub(super) struct Filler {
    frame: i64,
    /// Ticks by which counted samples are behind the time they should have reached.
    behind: i64,
}

impl Filler {
    /// With frames of so many ticks.
    pub(super) const fn new(frame: i64) -> Self {
        Self { frame, behind: 0 }
    }

    /// How many frames fill a gap of so many ticks, and how long the last of them lasts; none where there is less
    /// than half a frame to fill.
    pub(super) fn fill(&mut self, gap: i64) -> Result<Option<(u32, u32)>, PlanError> {
        let frame = self.frame;
        let wanted = (gap + self.behind + frame / 2).div_euclid(frame).max(0);
        let count = wanted.min((gap - 1).div_euclid(frame) + 1).max(0);
        self.behind += gap - count * frame;
        if count == 0 {
            return Ok(None);
        }
        let long = |_| PlanError::Damaged("a gap is absurdly long");
        let last = u32::try_from(gap - (count - 1) * frame).map_err(long)?;
        Ok(Some((u32::try_from(count).map_err(long)?, last)))
    }

    /// How many whole frames last at least so many ticks; none where that is less than one.
    pub(super) fn cover(&self, rest: i64) -> Result<Option<(u32, u32)>, PlanError> {
        if rest < self.frame {
            return Ok(None);
        }
        let count = u32::try_from((rest + self.frame - 1).div_euclid(self.frame));
        let frame = u32::try_from(self.frame);
        match (count, frame) {
            (Ok(count), Ok(frame)) => Ok(Some((count, frame))),
            _ => Err(PlanError::Damaged("a gap is absurdly long")),
        }
    }
}

/// A frame of a track in which nothing sounds.
pub(super) fn unit(track: &TrackConfig) -> Result<Bytes, PlanError> {
    let unit = match &track.codec {
        CodecConfig::Aac { asc, .. } => silent_access_unit(asc),
        _ => None,
    };
    unit.ok_or(PlanError::NotBuilt("gaps=hold over sound other than AAC-LC of up to eight channels"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_gap_is_filled_with_whole_frames_and_the_last_takes_the_rest() {
        let fill = |gap| Filler::new(1024).fill(gap).unwrap();
        assert_eq!(fill(10 * 1024), Some((10, 1024)));
        assert_eq!(fill(10 * 1024 + 511), Some((10, 1535)));
        assert_eq!(fill(10 * 1024 + 512), Some((11, 512)));
        assert_eq!([-700, 0, 300].map(fill), [None; 3]);
        let cover = |rest| Filler::new(1024).cover(rest).unwrap();
        assert_eq!([1023, 1024, 1025].map(cover), [None, Some((1, 1024)), Some((2, 1024))]);
    }

    proptest! {
        #[test]
        fn what_is_rounded_does_not_add_up(gaps in prop::collection::vec(0i64..200_000, 1..40)) {
            let mut filler = Filler::new(1024);
            let mut counted = 0;
            for gap in &gaps {
                if let Some((count, last)) = filler.fill(*gap).unwrap() {
                    prop_assert!(last > 0);
                    prop_assert_eq!(i64::from(count - 1) * 1024 + i64::from(last), *gap, "times are exact");
                    counted += i64::from(count) * 1024;
                }
            }
            let off = gaps.iter().sum::<i64>() - counted;
            prop_assert!(off.abs() <= 1024, "{} samples off after {} gaps", off, gaps.len());
        }
    }
}
