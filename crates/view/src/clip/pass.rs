//! The pass that reads the index of every chosen extent once: counts, and the hash that names the result.

use std::sync::Arc;

use bytes::{BufMut, BytesMut};
use media::TrackConfig;
use sha2::{Digest, Sha256};
use tape::{ExtentIndex, ExtentInfo};

use super::counting::{Belongs, Counting};
use super::cut::RunCut;
use super::error::PlanError;
use super::placing::Placing;
use super::planner::{Chosen, Grids, wall};
use super::reader::Place;
use super::request::{ClipEpoch, ClipOptions};
use super::source::Source;
use super::take::{AUDIO, ExtentTake, Facts, KINDS, LANES, Pick, VIDEO, lane};
use super::{EXTENTS_MAX, FORMAT_VERSION};

/// An extent with what is needed of it until times are known.
pub(super) struct Counted {
    pub(super) take: ExtentTake,
    pub(super) facts: [Option<Facts>; LANES],
    /// Index into each lane's parts.
    pub(super) part: [usize; LANES],
}

/// Finds each lane's configurations and refuses what one MP4 cannot carry. Reads no index.
pub(super) fn configurations(
    source: &dyn Source,
    chosen: &[Chosen<'_>],
    grids: Grids,
) -> Result<[Option<Counting>; LANES], PlanError> {
    let mut lanes: [Option<Counting>; LANES] = [None, None];
    let mut total = 0;
    for stretch in chosen {
        let extents = extents_of(stretch);
        total += extents.len();
        for extent in extents {
            let tracks = tracks_of(source, extent)?;
            for (l, slot) in lanes.iter_mut().enumerate() {
                let used = places(&stretch.cut, l)
                    .is_some_and(|(a, b, _)| (a.extent..=b.extent).contains(&extent.no));
                let Some(config) = tracks.iter().find(|t| used && t.kind() == KINDS[l]) else { continue };
                let counting = slot.get_or_insert_with(|| Counting::new(l, &stretch.cut, grids, config));
                let at = || stretch.reader.info().clock.wall(extent.start);
                counting.see(config).map_err(|what| PlanError::EpochConflict { at: at(), what })?;
            }
        }
    }
    if total > EXTENTS_MAX {
        return Err(PlanError::TooFragmented { extents: total, limit: EXTENTS_MAX });
    }
    for counting in lanes.iter_mut().flatten() {
        counting.set_in_band()?;
    }
    Ok(lanes)
}

fn tracks_of(source: &dyn Source, extent: &ExtentInfo) -> Result<Arc<[TrackConfig]>, PlanError> {
    source.tracks(&extent.init).ok_or(PlanError::Damaged("an extent's tracks are unknown"))
}

/// Extents that a stretch touches.
fn extents_of<'a>(stretch: &'a Chosen<'_>) -> &'a [ExtentInfo] {
    let touched = || [VIDEO, AUDIO].into_iter().filter_map(|l| places(&stretch.cut, l));
    match (touched().map(|p| p.0).min(), touched().map(|p| p.1).max()) {
        (Some(first), Some(last)) => stretch.reader.extents(first.order, last.order),
        _ => &[],
    }
}

/// First and last sample of a lane, and what is shown too early to be taken.
fn places(cut: &RunCut, lane: usize) -> Option<(Place, Place, i64)> {
    match lane {
        VIDEO => cut.video.as_ref().map(|v| (v.first, v.last, v.floor)),
        _ => cut.audio.as_ref().map(|a| (a.first, a.last, i64::MIN)),
    }
}

/// The pass.
pub(super) struct Pass {
    pub(super) hash: Sha256,
    pub(super) extents: Vec<Counted>,
    pub(super) epochs: Vec<ClipEpoch>,
}

impl Pass {
    /// Begins with all that is hashed and not in the parts themselves.
    pub(super) fn new(
        source: &dyn Source,
        chosen: &[Chosen<'_>],
        (grids, options): (Grids, ClipOptions),
        placing: &Placing,
    ) -> Self {
        let mut head = BytesMut::new();
        head.put_slice(b"tapeline clip");
        head.put_u32(FORMAT_VERSION);
        head.put_slice(source.id().0.as_bytes());
        head.put_slice(options.accuracy.as_str().as_bytes());
        head.put_slice(options.gaps.as_str().as_bytes());
        head.put_i64(chosen.first().map_or(0, |first| wall(first, grids, first.cut.start).0));
        if placing.holds() {
            head.put_i64(placing.lead);
            head.put_i64(placing.length);
            placing.bases.iter().for_each(|base| head.put_i64(*base));
        }
        for stretch in chosen {
            head.put_u64(stretch.reader.info().id.0);
            head.put_i64(stretch.cut.start);
            head.put_i64(stretch.cut.end);
        }
        Self { hash: Sha256::new_with_prefix(&head), extents: Vec::new(), epochs: Vec::new() }
    }

    /// Counts a run's stretch that begins `base` ticks of the master into the clip.
    pub(super) fn stretch(
        &mut self,
        source: &dyn Source,
        (number, stretch): (usize, &Chosen<'_>),
        lanes: &mut [Option<Counting>; LANES],
        (base, grids): (i64, Grids),
    ) -> Result<(), PlanError> {
        for extent in extents_of(stretch) {
            let tracks = tracks_of(source, extent)?;
            let index = stretch.reader.index(extent.no)?;
            let take = ExtentTake { no: extent.no, lanes: [None, None], data: 0 };
            let mut counted = Counted { take, facts: [None; LANES], part: [0; LANES] };
            let extents = u32::try_from(self.extents.len()).unwrap_or(u32::MAX);
            for l in [VIDEO, AUDIO] {
                let (Some(lane), Some(pick)) = (&mut lanes[l], pick(&stretch.cut, l, &index)) else {
                    continue;
                };
                let Some(config) = tracks.iter().find(|t| t.kind() == KINDS[l]) else { continue };
                let (scale, config) = (lane.scale, lane.config_number(config));
                let base = grids.master.rescale(base, scale) - grids.master.rescale(stretch.cut.start, scale);
                let belongs = Belongs { stretch: number, base, config, extents };
                let Some((take, facts)) = lane.take(&index, l, pick, belongs)? else { continue };
                counted.part[l] = lane.parts.len() - 1;
                (counted.take.lanes[l], counted.facts[l]) = (Some(take), Some(facts));
            }
            if counted.facts.iter().any(Option::is_some) {
                self.note_epoch(stretch, grids, &tracks, &counted.facts);
                self.add_to_hash(extent, &index, &counted.take);
                self.extents.push(counted);
            }
        }
        Ok(())
    }

    /// Notes the configurations of an extent where they are others than before. They hold from its first picture on,
    /// and the first of all from the clip's beginning.
    fn note_epoch(
        &mut self,
        stretch: &Chosen<'_>,
        grids: Grids,
        tracks: &[TrackConfig],
        facts: &[Option<Facts>; LANES],
    ) {
        let tracks: Vec<_> =
            KINDS.iter().filter_map(|kind| tracks.iter().find(|t| t.kind() == *kind)).cloned().collect();
        let same = self.epochs.last().is_some_and(|epoch| epoch.tracks == tracks);
        let first = KINDS.iter().zip(facts).find_map(|(kind, facts)| {
            let scale = tracks.iter().find(|t| t.kind() == *kind)?.timescale;
            Some(scale.media(facts.as_ref()?.first_pts))
        });
        let start = match first.filter(|_| !self.epochs.is_empty()) {
            Some(first) => stretch.reader.info().clock.wall(first),
            None => wall(stretch, grids, stretch.cut.start),
        };
        if !same {
            self.epochs.push(ClipEpoch { start, tracks });
        }
    }

    /// Parts by number and checksum: the same from the ring, from a file and after a restart.
    fn add_to_hash(&mut self, extent: &ExtentInfo, index: &ExtentIndex, take: &ExtentTake) {
        let mut facts = BytesMut::new();
        facts.put_u64(extent.no.0);
        facts.put_slice(&extent.init.0);
        for (l, take) in take.lanes.iter().enumerate() {
            let (Some(take), Some(track)) = (take, lane(index, l)) else { continue };
            facts.put_u32(take.pick.from);
            facts.put_u32(take.pick.to);
            facts.put_i64(take.pick.floor);
            for (part, p) in index.parts.iter().zip(&track.parts) {
                if p.first_sample < take.pick.to && p.first_sample.saturating_add(p.count) > take.pick.from {
                    facts.put_u64(part.no.0);
                    facts.put_u32(part.crc);
                }
            }
        }
        self.hash.update(&facts);
    }
}

/// What a stretch picks from a lane of an extent.
fn pick(cut: &RunCut, l: usize, index: &ExtentIndex) -> Option<Pick> {
    let (first, last, floor) = places(cut, l)?;
    if !(first.extent..=last.extent).contains(&index.no) {
        return None;
    }
    let all = u32::try_from(lane(index, l)?.samples.len()).ok()?;
    let from = if index.no == first.extent { first.sample } else { 0 };
    let to = if index.no == last.extent { last.sample.saturating_add(1) } else { all };
    (from < to.min(all)).then_some(Pick { from, to: to.min(all), floor })
}
