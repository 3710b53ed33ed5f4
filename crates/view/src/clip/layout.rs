//! The whole file as slices, each known by its end offset. Sizes come from counts; the bytes of a slice are
//! made when they are asked for.

use bytes::{BufMut, Bytes, BytesMut};
use media::{TrackConfig, WallTime};
use tape::ExtentIndex;

use super::boxes::{Node, ftyp, mdat_header, moov};
use super::error::PlanError;
use super::silence::Silence;
use super::tables::{Context, Table, rows, stretches};
use super::take::{AUDIO, ExtentTake, LANES, Take, VIDEO, lane};

/// The edit of a track; durations in ticks of the movie, `media_time` in ticks of the track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Edit {
    /// How late the track begins.
    pub(super) empty: u64,
    pub(super) duration: u64,
    pub(super) media_time: i64,
}

/// Where players learn how wide a pixel is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Aspect {
    /// From the file.
    Stated,
    /// From the parameter sets: it changes, and what a file states wins over them in FFmpeg and GStreamer.
    InBand,
}

/// A track of the file.
#[derive(Debug, Clone)]
pub(super) struct Lane {
    /// The first configuration.
    pub(super) config: TrackConfig,
    /// Whether all configurations have one pixel aspect.
    pub(super) aspect: Aspect,
    /// Per configuration, what is put before its key frames. Empty where one configuration serves all.
    pub(super) in_band: Vec<Bytes>,
    pub(super) edit: Edit,
    pub(super) media_duration: u64,
    pub(super) samples: u32,
    pub(super) bytes: u64,
    /// How many first samples lose their time.
    pub(super) squeezed: u32,
    /// Their durations, as rows of `stts`.
    pub(super) head_durations: Vec<[u32; 2]>,
    /// Their composition offsets, one by one.
    pub(super) head_offsets: Vec<u32>,
    /// Whether there is a `ctts`.
    pub(super) composition: bool,
    /// `roll_distance` of audio.
    pub(super) roll: i16,
    /// Rows of all extents and silences, by table.
    pub(super) totals: [u32; 6],
    /// Silence between the extents, in order.
    pub(super) silences: Vec<Silence>,
    /// Each of its frames.
    pub(super) silent: Bytes,
}

impl Lane {
    /// Rows of a table over all extents.
    pub(super) const fn rows(&self, table: Table) -> u32 {
        self.totals[table as usize]
    }

    /// Whether parameter sets travel with key frames.
    pub(super) const fn in_band(&self) -> bool {
        !self.in_band.is_empty()
    }

    /// Bytes put before a key frame of a take.
    fn prefix(&self, take: &Take) -> u32 {
        self.in_band.get(usize::from(take.config)).map_or(0, |p| u32::try_from(p.len()).unwrap_or(0))
    }
}

/// What a slice is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// Number of [`Layout::fixed`].
    Fixed(u32),
    /// Rows of a table, for a lane in an extent.
    Rows(Table, u8, u32),
    /// Media of an extent.
    Media(u32),
    /// Rows of a table for a silence, which are few.
    QuietRows(Table, u32),
    /// A pattern over and over.
    Repeated(Pattern),
}

/// What is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pattern {
    /// The size of a silent frame, as a row of `stsz`.
    QuietSize,
    /// A silent frame.
    Quiet,
}

/// A stretch of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slice {
    /// Offset after its last byte.
    pub(super) end: u64,
    pub(super) what: What,
}

/// The whole file.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) lanes: [Option<Lane>; LANES],
    pub(super) extents: Vec<ExtentTake>,
    pub(super) fixed: Vec<Bytes>,
    pub(super) slices: Vec<Slice>,
    /// Where media begins.
    pub(super) media: u64,
}

impl Layout {
    /// Lays out a file of these tracks and extents.
    pub(super) fn new(
        mut lanes: [Option<Lane>; LANES],
        mut extents: Vec<ExtentTake>,
        start: WallTime,
        duration: u64,
    ) -> Result<Self, PlanError> {
        let payload = place_data(&mut lanes, &mut extents);
        let mut builder =
            Builder { extents: &extents, lanes: &lanes, fixed: Vec::new(), slices: Vec::new(), at: 0 };
        let mut pending = BytesMut::new();
        builder.place(&ftyp(), &mut pending)?;
        builder.place(&moov(&lanes, start, duration), &mut pending)?;
        pending.extend_from_slice(&mdat_header(payload));
        builder.flush(&mut pending);
        let media = builder.at;
        let sound = lanes[AUDIO].as_ref();
        let mut quiet = sound.map_or(&[][..], |l| &l.silences).iter().peekable();
        let unit = sound.map_or(0, |l| l.silent.len() as u64);
        for (number, extent) in (0u32..).zip(&extents) {
            while let Some(silence) = quiet.next_if(|s| s.before <= number) {
                builder.push(unit * u64::from(silence.count), What::Repeated(Pattern::Quiet));
            }
            builder.push(extent.bytes(), What::Media(number));
        }
        for silence in quiet {
            builder.push(unit * u64::from(silence.count), What::Repeated(Pattern::Quiet));
        }
        let Builder { fixed, slices, .. } = builder;
        Ok(Self { lanes, extents, fixed, slices, media })
    }

    /// Bytes of the file.
    pub(super) fn len(&self) -> u64 {
        self.slices.last().map_or(0, |s| s.end)
    }

    /// The slice that holds an offset, and where it begins.
    pub(super) fn find(&self, offset: u64) -> Option<(Slice, u64)> {
        let at = self.slices.partition_point(|s| s.end <= offset);
        let begin = at.checked_sub(1).map_or(0, |before| self.slices[before].end);
        self.slices.get(at).map(|s| (*s, begin))
    }

    /// The bytes of a table slice. `None` when the index is not the one that was planned with.
    pub(super) fn render(&self, what: What, index: &ExtentIndex) -> Option<Bytes> {
        let What::Rows(table, lane_number, extent) = what else { return None };
        let number = usize::from(lane_number);
        let extent = self.extents.get(extent as usize)?;
        let (take, plan) = (extent.lanes[number].as_ref()?, self.lanes[number].as_ref()?);
        let len = usize::try_from(table.row_len() * u64::from(table.rows(take))).ok()?;
        let mut out = BytesMut::with_capacity(len);
        if table == Table::Co64 {
            self.chunk_offsets(index, extent, number, &mut out);
        } else {
            let context = Context { squeezed: plan.squeezed, prefix: plan.prefix(take), take };
            rows(table, lane(index, number)?, context, &mut |row| row.iter().for_each(|v| out.put_u32(*v)));
        }
        (out.len() == len).then(|| out.freeze())
    }

    /// The rows of a table for a silence, but for `stsz`.
    pub(super) fn quiet_rows(&self, table: Table, number: u32) -> Option<Bytes> {
        let silence = self.lanes[AUDIO].as_ref()?.silences.get(number as usize)?;
        let mut out = BytesMut::new();
        match table {
            Table::Stts => silence.durations().iter().flatten().for_each(|v| out.put_u32(*v)),
            Table::Stsc => [silence.chunk + 1, silence.count, 1].iter().for_each(|v| out.put_u32(*v)),
            Table::Co64 => out.put_u64(self.media + silence.data),
            Table::Ctts | Table::Stss | Table::Stsz => return None,
        }
        Some(out.freeze())
    }

    /// What is repeated.
    pub(super) fn pattern(&self, pattern: Pattern) -> Option<Bytes> {
        let silent = &self.lanes[AUDIO].as_ref()?.silent;
        Some(match pattern {
            Pattern::Quiet => silent.clone(),
            Pattern::QuietSize => {
                let size = u32::try_from(silent.len()).ok()?;
                Bytes::copy_from_slice(&size.to_be_bytes())
            }
        })
    }

    fn chunk_offsets(&self, index: &ExtentIndex, extent: &ExtentTake, number: usize, out: &mut BytesMut) {
        let mut at = self.media + extent.data;
        for stretch in self.media_of(index, extent) {
            if stretch.begins && stretch.lane == number {
                out.put_u64(at);
            }
            at += stretch.len;
        }
    }

    /// What is put before the key frames of an extent.
    pub(super) fn parameter_sets(&self, extent: &ExtentTake) -> Option<&Bytes> {
        let take = extent.lanes[VIDEO].as_ref()?;
        self.lanes[VIDEO].as_ref()?.in_band.get(usize::from(take.config))
    }

    /// The media of an extent as stretches of its file.
    pub(super) fn media_of(&self, index: &ExtentIndex, extent: &ExtentTake) -> Vec<super::tables::Stretch> {
        let prefix = match (&self.lanes[VIDEO], &extent.lanes[VIDEO]) {
            (Some(plan), Some(take)) => plan.prefix(take),
            _ => 0,
        };
        stretches(index, extent, prefix)
    }
}

/// Gives extents and silences their places behind the header of `mdat`; the bytes of all.
fn place_data(lanes: &mut [Option<Lane>; LANES], extents: &mut [ExtentTake]) -> u64 {
    let (mut payload, mut none) = (0, Vec::new());
    let (quiet, unit) = match &mut lanes[AUDIO] {
        Some(lane) => (&mut lane.silences, lane.silent.len() as u64),
        None => (&mut none, 0),
    };
    let mut quiet = quiet.iter_mut().peekable();
    let place = |silence: &mut Silence, payload: &mut u64| {
        silence.data = *payload;
        *payload += unit * u64::from(silence.count);
    };
    for (number, extent) in (0u32..).zip(extents) {
        while let Some(silence) = quiet.next_if(|s| s.before <= number) {
            place(silence, &mut payload);
        }
        extent.data = payload;
        payload += extent.bytes();
    }
    for silence in quiet {
        place(silence, &mut payload);
    }
    payload
}

struct Builder<'a> {
    extents: &'a [ExtentTake],
    lanes: &'a [Option<Lane>; LANES],
    fixed: Vec<Bytes>,
    slices: Vec<Slice>,
    at: u64,
}

impl Builder<'_> {
    fn size(&self, node: &Node) -> u64 {
        match node {
            Node::Fixed(bytes) => bytes.len() as u64,
            Node::Parent(_, children) => 8 + children.iter().map(|c| self.size(c)).sum::<u64>(),
            Node::Rows(table, lane) => {
                self.lanes[*lane].as_ref().map_or(0, |l| u64::from(l.rows(*table)) * table.row_len())
            }
        }
    }

    /// Appends a box; bytes gather in `pending` until rows come.
    fn place(&mut self, node: &Node, pending: &mut BytesMut) -> Result<(), PlanError> {
        match node {
            Node::Fixed(bytes) => pending.extend_from_slice(bytes),
            Node::Parent(kind, children) => {
                let size = u32::try_from(self.size(node));
                pending.put_u32(size.map_err(|_| PlanError::Damaged("moov would pass 4 GiB"))?);
                pending.put_slice(&kind[..]);
                for child in children {
                    self.place(child, pending)?;
                }
            }
            Node::Rows(table, lane) => {
                self.flush(pending);
                self.rows(*table, *lane);
            }
        }
        Ok(())
    }

    /// The rows of a table, extent by extent with silence between them.
    fn rows(&mut self, table: Table, lane: usize) {
        let silences = self.lanes[lane].as_ref().map_or(&[][..], |l| &l.silences);
        let mut quiet = (0u32..).zip(silences).peekable();
        for (number, extent) in (0u32..).zip(self.extents) {
            while let Some((n, silence)) = quiet.next_if(|(_, s)| s.before <= number) {
                self.quiet_rows(table, n, silence);
            }
            if let Some(take) = &extent.lanes[lane] {
                let len = table.row_len() * u64::from(table.rows(take));
                self.push(len, What::Rows(table, u8::try_from(lane).unwrap_or(u8::MAX), number));
            }
        }
        for (n, silence) in quiet {
            self.quiet_rows(table, n, silence);
        }
    }

    fn quiet_rows(&mut self, table: Table, number: u32, silence: &Silence) {
        let what = match table {
            Table::Stsz => What::Repeated(Pattern::QuietSize),
            _ => What::QuietRows(table, number),
        };
        self.push(table.row_len() * u64::from(silence.rows(table)), what);
    }

    fn flush(&mut self, pending: &mut BytesMut) {
        let bytes = pending.split().freeze();
        let number = u32::try_from(self.fixed.len()).expect("a handful of boxes");
        self.push(bytes.len() as u64, What::Fixed(number));
        self.fixed.push(bytes);
    }

    fn push(&mut self, len: u64, what: What) {
        if len > 0 {
            self.at += len;
            self.slices.push(Slice { end: self.at, what });
        }
    }
}
