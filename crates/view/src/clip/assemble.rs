//! From counts to a layout: each lane's place in time, its edit, the durations over extents' borders. Where
//! runs are cut is settled before; bytes are made later.

use media::{Timescale, WallTime};
use sha2::{Digest, Sha256};

use super::SNAP_NS;
use super::boxes::MOVIE_HZ;
use super::counting::Counting;
use super::error::PlanError;
use super::layout::{Aspect, Edit, Lane, Layout};
use super::pass::{Counted, Pass, configurations};
use super::placing::Placing;
use super::planner::{Chosen, Grids, wall};
use super::reader::ticks;
use super::request::{ClipEpoch, ClipOptions};
use super::silence::Silence;
use super::source::Source;
use super::tables::Table;
use super::take::{AUDIO, ExtentTake, LANES, Take, VIDEO};
use super::timing::{Head, Part, Timing, lay_out};

const TABLES: [Table; 6] = [Table::Stts, Table::Ctts, Table::Stss, Table::Stsc, Table::Stsz, Table::Co64];

/// Least distance of hidden frames from the edit. GStreamer's `h264parse` puts the frame duration of the SPS
/// in the place of the one tick that `stts` says, and a frame that would last into the edit is shown. The
/// SPS may claim another rate than the frames have; this covers claims down to 24/s.
const FRAME_NS: i64 = 42_000_000;

/// A layout and what was learned on the way.
pub(super) struct Assembled {
    pub(super) layout: Layout,
    pub(super) epochs: Vec<ClipEpoch>,
    pub(super) etag: String,
}

pub(super) fn assemble(
    source: &dyn Source,
    chosen: &[Chosen<'_>],
    grids: Grids,
    options: ClipOptions,
    placing: &Placing,
) -> Result<Assembled, PlanError> {
    let mut lanes = configurations(source, chosen, grids)?;
    if let Some(sound) = lanes[AUDIO].as_mut().filter(|_| placing.holds()) {
        sound.fill_gaps();
    }
    let mut pass = Pass::new(source, chosen, (grids, options), placing);
    for (stretch, base) in chosen.iter().enumerate().zip(&placing.bases) {
        pass.stretch(source, stretch, &mut lanes, (*base, grids))?;
    }
    let Pass { hash, extents: mut counted, epochs } = pass;
    let clip = Clip { chosen, grids, placing };
    let filled = clip.fill_to_end(&mut lanes, counted.len())?;
    let mut planned: [Option<Lane>; LANES] = [None, None];
    for l in [VIDEO, AUDIO] {
        let Some(lane) = lanes[l].as_ref().filter(|lane| lane.samples > 0) else { continue };
        let timing = clip.timing(lane, l);
        let times = clip.times(lane, l, &timing, filled)?;
        place_in_time(&mut counted, (lane, l), &timing, times.last_duration)?;
        let takes = || counted.iter().filter_map(|e| e.take.lanes[l].as_ref());
        planned[l] = Some(Lane {
            bytes: takes().map(|t| t.bytes).sum::<u64>() + lane.silent_bytes(),
            totals: TABLES.map(|table| {
                let silent: u32 = lane.silences.iter().map(|s| s.rows(table)).sum();
                takes().map(|take: &Take| table.rows(take)).sum::<u32>() + silent
            }),
            ..clip.lane(lane, l, &timing, &times)?
        });
    }
    let extents: Vec<ExtentTake> = counted.into_iter().map(|e| e.take).collect();
    let start = chosen.first().map_or(WallTime::MIN, |first| wall(first, grids, first.cut.start));
    let duration = grids.master.rescale(placing.length, movie()) + placing.lead;
    let layout = Layout::new(planned, extents, start, unsigned(duration)?)?;
    Ok(Assembled { layout, epochs, etag: etag(hash) })
}

/// 128 bits of the hash: enough that two plans of one stream never share a tag.
pub(super) fn etag(hash: Sha256) -> String {
    use std::fmt::Write as _;
    let mut tag = String::with_capacity(34);
    tag.push('"');
    for byte in &hash.finalize()[..16] {
        write!(tag, "{byte:02x}").expect("writing to a string cannot fail");
    }
    tag.push('"');
    tag
}

fn movie() -> Timescale {
    Timescale::new(MOVIE_HZ).expect("not zero")
}

fn unsigned(ticks: i64) -> Result<u64, PlanError> {
    u64::try_from(ticks).map_err(|_| PlanError::Damaged("a duration is negative"))
}

/// Gives takes their shifts and their last durations: a sample lasts until the next one is decoded,
/// wherever that is, and the very last one as long as it must.
fn place_in_time(
    counted: &mut [Counted],
    (lane, l): (&Counting, usize),
    timing: &Timing,
    last_duration: u32,
) -> Result<(), PlanError> {
    let mut next: Option<i64> = None;
    let mut silences = lane.silences.iter().rev().peekable();
    // What lies behind everything is the very last sample's affair.
    while silences.next_if(|s| s.before as usize >= counted.len()).is_some() {}
    for (number, extent) in counted.iter_mut().enumerate().rev() {
        let (Some(take), Some(facts)) = (&mut extent.take.lanes[l], &extent.facts[l]) else { continue };
        let (dts_shift, cts_shift) = timing.shifts[extent.part[l]];
        take.cts_shift = cts_shift;
        if i32::try_from(facts.greatest_cts + cts_shift).is_err() {
            return Err(PlanError::Damaged("a frame is shown absurdly long after it is decoded"));
        }
        take.last_duration = match next {
            // Squeezed samples have no duration of their own, and their decode times no meaning here.
            _ if facts.free.is_none() => 0,
            Some(next) => u32::try_from(next - (facts.last_dts + dts_shift))
                .map_err(|_| PlanError::Damaged("samples of two runs overlap"))?,
            None => last_duration,
        };
        let silent = silences.next_if(|s| s.before as usize == number).map_or(0, Silence::ticks);
        next = Some(facts.first_dts + dts_shift - silent);
    }
    Ok(())
}

/// The longest time that a hidden frame would be shown for.
fn longest(squeezed: &[i64], shown: i64) -> i64 {
    let mut hidden: Vec<i64> = squeezed.iter().copied().filter(|pts| *pts < shown).collect();
    hidden.push(shown);
    hidden.sort_unstable();
    hidden.windows(2).map(|w| w[1] - w[0]).max().unwrap_or(0)
}

/// What the lanes share.
struct Clip<'a> {
    chosen: &'a [Chosen<'a>],
    grids: Grids,
    placing: &'a Placing,
}

impl Clip<'_> {
    fn timing(&self, lane: &Counting, l: usize) -> Timing {
        let part = |p: &super::counting::LanePart| {
            let (first_dts, last_dts, least_cts) = match p.facts.free {
                Some((first, least)) => (first, p.facts.last_dts, Some(least)),
                None => {
                    let end = p.facts.last_dts + i64::from(p.facts.last_duration);
                    (end, end - 1, None)
                }
            };
            Part { base: p.base, first_dts, last_dts, least_cts }
        };
        let parts: Vec<Part> = lane.parts.iter().map(part).collect();
        let video = self.chosen.iter().find_map(|c| c.cut.video.as_ref());
        let head = match video.filter(|_| l == VIDEO) {
            Some(cut) => {
                let least = ticks(lane.scale, FRAME_NS) + 1;
                let guard = longest(&cut.squeezed, cut.shown).clamp(least, ticks(lane.scale, SNAP_NS));
                Head::Video { pts: &cut.squeezed, shown: cut.shown, guard }
            }
            None => Head::Audio { count: lane.squeezed, frame: self.frame() },
        };
        lay_out(&parts, head)
    }

    fn frame(&self) -> i64 {
        self.grids.audio.map_or(1, |a| a.frame)
    }

    /// The lane as the layout wants it, but for the rows.
    fn lane(&self, lane: &Counting, l: usize, timing: &Timing, times: &Times) -> Result<Lane, PlanError> {
        let head: Vec<u32> =
            timing.head.iter().map(|offset| u32::try_from(*offset)).collect::<Result<_, _>>().map_err(
                |_| PlanError::Damaged("a frame before the cut is shown absurdly long after it is decoded"),
            )?;
        let moved = timing.shifts.iter().any(|s| s.1 != 0) || head.iter().any(|offset| *offset != 0);
        Ok(Lane {
            config: lane.configs[0].clone(),
            aspect: if lane.aspect_changes() { Aspect::InBand } else { Aspect::Stated },
            in_band: lane.in_band.clone(),
            edit: times.edit,
            media_duration: unsigned(times.last + i64::from(times.last_duration) + times.behind)?,
            samples: lane.samples,
            bytes: 0,
            squeezed: lane.squeezed,
            head_durations: times.head.clone(),
            head_offsets: head,
            composition: l == VIDEO && (moved || lane.parts.iter().any(|p| p.facts.reordered)),
            roll: -self.grids.audio.map_or(1, |a| i16::try_from(a.preroll).unwrap_or(1)),
            totals: [0; 6],
            silences: lane.silences.clone(),
            silent: lane.silent.clone(),
        })
    }

    /// Fills held time behind the last sound. Whether there was any.
    fn fill_to_end(&self, lanes: &mut [Option<Counting>; LANES], extents: usize) -> Result<bool, PlanError> {
        let Some(sound) = &mut lanes[AUDIO] else { return Ok(false) };
        let end = self.grids.master.rescale(self.placing.length, sound.scale);
        sound.fill_to_end(end, u32::try_from(extents).unwrap_or(u32::MAX))
    }

    /// `filled`: silence follows the last sound.
    fn times(&self, lane: &Counting, l: usize, timing: &Timing, filled: bool) -> Result<Times, PlanError> {
        let (Some(last), Some(shift)) = (lane.parts.last(), timing.shifts.last()) else {
            return Err(PlanError::Damaged("a track without samples"));
        };
        let silent = lane.silences.last().filter(|_| filled && l == AUDIO).map(Silence::ticks);
        let (edit, shown) = self.edit(lane, l, timing, silent.is_some())?;
        let tick = if l == VIDEO { 1 } else { self.frame() };
        let tick_u32 = u32::try_from(tick).map_err(|_| PlanError::Damaged("an audio frame is too long"))?;
        let (last, natural) = match last.facts.free {
            Some(_) => (last.facts.last_dts + shift.0, last.facts.last_duration),
            None => (i64::from(lane.squeezed) * tick - tick, tick_u32),
        };
        // Decode times span at least what the edit shows: players take the duration from them.
        let last_duration = match silent {
            Some(_) => tick,
            None => (shown - last).max(i64::from(natural)),
        };
        let last_duration = u32::try_from(last_duration)
            .map_err(|_| PlanError::Damaged("the last sample lasts absurdly long"))?;
        // The last squeezed sample lasts until the first that keeps its time, which may be another run's.
        let free =
            lane.parts.iter().zip(&timing.shifts).find_map(|(p, shift)| Some(p.facts.free?.0 + shift.0));
        let head_last = match free {
            Some(free) => u32::try_from(free - (i64::from(lane.squeezed) * tick - tick))
                .map_err(|_| PlanError::Damaged("samples of two runs overlap"))?,
            None => last_duration,
        };
        let mut head = vec![[lane.squeezed.saturating_sub(1), tick_u32], [lane.squeezed.min(1), head_last]];
        head.retain(|row| row[0] > 0);
        Ok(Times { edit, head, last, last_duration, behind: silent.unwrap_or(0) })
    }

    /// The edit shows the clip from the track's first frame to its last, or to the clip's end. Given with its
    /// duration in ticks of the track.
    fn edit(
        &self,
        lane: &Counting,
        l: usize,
        timing: &Timing,
        filled: bool,
    ) -> Result<(Edit, i64), PlanError> {
        let (Some(first), Some(last)) = (lane.parts.first(), lane.parts.last()) else {
            return Err(PlanError::Damaged("a track without samples"));
        };
        let scale = lane.scale;
        let shown = match self.chosen.iter().find_map(|c| c.cut.video.as_ref()).filter(|_| l == VIDEO) {
            Some(cut) => cut.shown,
            None => first.facts.free.map_or(first.facts.last_dts, |f| f.0),
        };
        let late = (shown + first.base).max(0);
        let length = self.grids.master.rescale(self.placing.length, scale);
        let end = last.facts.end + last.base;
        // A picture stays until the clip ends; durations in decode order are off by a little where frame
        // rates vary.
        let slack =
            if l == VIDEO && last.stretch + 1 == self.chosen.len() { ticks(scale, SNAP_NS) } else { 0 };
        let held = filled || (l == VIDEO && self.placing.holds());
        let end = if held || end + slack >= length { length } else { end };
        let (movie_begin, movie_end) = (scale.rescale(late, movie()), scale.rescale(end, movie()));
        let edit = Edit {
            empty: unsigned(movie_begin + self.placing.lead)?,
            duration: unsigned(movie_end - movie_begin)?,
            media_time: timing.media_time + late,
        };
        Ok((edit, end - late))
    }
}

/// The times of a lane as a whole.
struct Times {
    edit: Edit,
    /// Rows of `stts` for the squeezed samples.
    head: Vec<[u32; 2]>,
    /// Decode time in the file of the last sample that was recorded.
    last: i64,
    last_duration: u32,
    /// Ticks of the silence behind it.
    behind: i64,
}
