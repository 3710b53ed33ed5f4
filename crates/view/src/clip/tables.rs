//! The sample tables of one track for one extent: rows of `stts`, `ctts`, `stss`, `stsc`, `stsz` and `co64`
//! (ISO/IEC 14496-12 §8.6, §8.7). Rows are counted and written by the same code, so that sizes told in
//! advance hold. Boxes around them are not made here.

use tape::{ExtentIndex, Sample, TrackIndex};

use super::take::{ExtentTake, LANES, PartPick, Pick, Take, lane};

/// A sample table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Table {
    /// Durations.
    Stts,
    /// Composition offsets.
    Ctts,
    /// Random access points.
    Stss,
    /// Samples per chunk.
    Stsc,
    /// Sizes.
    Stsz,
    /// Chunk positions.
    Co64,
}

impl Table {
    /// The box's type.
    pub(super) const fn kind(self) -> &'static [u8; 4] {
        match self {
            Self::Stts => b"stts",
            Self::Ctts => b"ctts",
            Self::Stss => b"stss",
            Self::Stsc => b"stsc",
            Self::Stsz => b"stsz",
            Self::Co64 => b"co64",
        }
    }

    /// Bytes of one row.
    pub(super) const fn row_len(self) -> u64 {
        match self {
            Self::Stts | Self::Ctts | Self::Co64 => 8,
            Self::Stss | Self::Stsz => 4,
            Self::Stsc => 12,
        }
    }

    /// Rows that a take contributes.
    pub(super) const fn rows(self, take: &Take) -> u32 {
        match self {
            Self::Stts => take.rows[0],
            Self::Ctts => take.rows[1],
            Self::Stss => take.syncs,
            Self::Stsc => take.rows[2],
            Self::Stsz => take.count,
            Self::Co64 => take.chunks,
        }
    }
}

/// What rows depend on beside the samples.
#[derive(Debug, Clone, Copy)]
pub(super) struct Context<'a> {
    /// How many of the track's first samples are told elsewhere, in `stts` and `ctts`.
    pub(super) squeezed: u32,
    /// Bytes put before each key frame.
    pub(super) prefix: u32,
    pub(super) take: &'a Take,
}

/// Calls `emit` with each row of a table but `co64`.
pub(super) fn rows(table: Table, track: &TrackIndex, context: Context<'_>, emit: &mut dyn FnMut(&[u32])) {
    match table {
        Table::Stts => stts(track, context, emit),
        Table::Ctts => ctts(track, context, emit),
        Table::Stss => stss(track, context, emit),
        Table::Stsc => stsc(track, context, emit),
        Table::Stsz => {
            for s in context.take.pick.samples(track) {
                emit(&[size(s, context.prefix)]);
            }
        }
        Table::Co64 => {}
    }
}

/// Rows of the run-length tables: `stts`, `ctts`, `stsc`.
pub(super) fn run_rows(track: &TrackIndex, take: &Take, squeezed: u32) -> [u32; 3] {
    [Table::Stts, Table::Ctts, Table::Stsc].map(|table| {
        let mut rows = 0;
        self::rows(table, track, Context { squeezed, prefix: 0, take }, &mut |_| rows += 1);
        rows
    })
}

/// Joins equal values into one row.
struct RunLength<'a> {
    emit: &'a mut dyn FnMut(&[u32]),
    run: Option<(u32, u32)>,
}

impl RunLength<'_> {
    fn push(&mut self, value: u32) {
        match &mut self.run {
            Some((count, same)) if *same == value => *count += 1,
            run => {
                if let Some((count, value)) = run.replace((1, value)) {
                    (self.emit)(&[count, value]);
                }
            }
        }
    }

    fn flush(&mut self) {
        if let Some((count, value)) = self.run.take() {
            (self.emit)(&[count, value]);
        }
    }
}

/// Samples of a take that keep their own times.
fn free<'a>(track: &'a TrackIndex, context: Context<'_>) -> impl Iterator<Item = &'a Sample> {
    let skip = context.squeezed.saturating_sub(context.take.number);
    context.take.pick.samples(track).skip(skip as usize)
}

/// The last sample has a row of its own: its duration depends on the next extent, the number of rows must
/// not.
fn stts(track: &TrackIndex, context: Context<'_>, emit: &mut dyn FnMut(&[u32])) {
    let mut samples = free(track, context).peekable();
    let mut runs = RunLength { emit, run: None };
    while let Some(s) = samples.next() {
        match samples.peek() {
            // `Facts` refuses distances that do not fit.
            Some(next) => runs.push(u32::try_from(next.dts.saturating_sub(s.dts)).unwrap_or(u32::MAX)),
            None => {
                runs.flush();
                runs.push(context.take.last_duration);
            }
        }
    }
    runs.flush();
}

fn ctts(track: &TrackIndex, context: Context<'_>, emit: &mut dyn FnMut(&[u32])) {
    let mut runs = RunLength { emit, run: None };
    for s in free(track, context) {
        // Version 1 is signed; planning sees to it that the sum fits.
        let offset = i64::from(s.cts) + context.take.cts_shift;
        runs.push(offset as u32);
    }
    runs.flush();
}

fn stss(track: &TrackIndex, context: Context<'_>, emit: &mut dyn FnMut(&[u32])) {
    for (number, s) in (context.take.number..).zip(context.take.pick.samples(track)) {
        if is_sync(number, context.squeezed, s) {
            emit(&[number + 1]);
        }
    }
}

/// Whether a sample is told as a random access point. Among the squeezed ones the first is the only one:
/// FFmpeg drops everything before the last one at or before the edit, needed or not.
pub(super) fn is_sync(number: u32, squeezed: u32, sample: &Sample) -> bool {
    sample.rap.is_rap() && (number == 0 || number >= squeezed)
}

fn stsc(track: &TrackIndex, context: Context<'_>, emit: &mut dyn FnMut(&[u32])) {
    let pick = context.take.pick;
    let (mut chunk, mut before) = (context.take.chunk, 0);
    for part in pick.by_part(track) {
        let samples =
            (0u32..).zip(part.samples.iter().filter(|s| pick.takes(s))).last().map_or(0, |(n, _)| n + 1);
        if samples == 0 {
            continue;
        }
        chunk += 1;
        if std::mem::replace(&mut before, samples) != samples {
            emit(&[chunk, samples, 1]);
        }
    }
}

fn size(sample: &Sample, prefix: u32) -> u32 {
    if sample.rap.is_rap() { sample.size.saturating_add(prefix) } else { sample.size }
}

/// Bytes of the media part that lie together: in the extent's file, or parameter sets put in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stretch {
    pub(super) lane: usize,
    /// It begins a chunk.
    pub(super) begins: bool,
    /// Where in the extent's file; `None` for the lane's parameter sets.
    pub(super) offset: Option<u64>,
    pub(super) len: u64,
}

/// The bytes that a clip takes from an extent, in order: part by part, lane by lane. `prefix` is the length of
/// the parameter sets put before its key frames, if any are.
pub(super) fn stretches(index: &ExtentIndex, extent: &ExtentTake, prefix: u32) -> Vec<Stretch> {
    let mut out: Vec<Stretch> = Vec::new();
    let mut lanes: [_; LANES] = std::array::from_fn(|l| {
        let (take, track) = (extent.lanes[l].as_ref(), lane(index, l));
        take.zip(track).map(|(take, track)| (take.pick, take.pick.by_part(track).peekable()))
    });
    for part in 0..index.parts.len() {
        for (lane, picked) in lanes.iter_mut().enumerate() {
            let Some((pick, parts)) = picked else { continue };
            if let Some(part) = parts.next_if(|p| p.part == part) {
                let prefix = if lane == super::take::VIDEO { prefix } else { 0 };
                chunk(lane, *pick, &part, prefix, &mut out);
            }
        }
    }
    out
}

/// One chunk: the taken samples of a part, in as few stretches as there are interruptions.
fn chunk(lane: usize, pick: Pick, part: &PartPick<'_>, prefix: u32, out: &mut Vec<Stretch>) {
    let mut offset = part.offset;
    let mut open: Option<Stretch> = None;
    let mut begins = true;
    let mut new = |offset, len| Stretch { lane, begins: std::mem::take(&mut begins), offset, len };
    for s in part.samples {
        let len = u64::from(s.size);
        let at = offset;
        offset = offset.saturating_add(len);
        if !pick.takes(s) {
            out.extend(open.take());
            continue;
        }
        if prefix > 0 && s.rap.is_rap() {
            out.extend(open.take());
            out.push(new(None, u64::from(prefix)));
        }
        match &mut open {
            Some(stretch) => stretch.len += len,
            None => open = Some(new(Some(at), len)),
        }
    }
    out.extend(open);
}
