//! A closed part: its bytes, made once, and what the index needs to know of them.

use bytes::{Bytes, BytesMut};
use media::container::mp4::{FragmentError, FragmentSample, write_fragment_header};
use media::{MediaTime, Packet, Rap, TrackConfig, TrackId, TrackKind};

use crate::ids::{ExtentNo, PartNo, RunId};
use crate::index::{PartIndex, PartTrackIndex, Sample};
use crate::trailer::Trailer;

/// Most random access points told for one part; a stream with more has one at every packet.
pub(crate) const PART_RAPS_MAX: usize = 64;

/// A closed part with its place in the log. Shared by the ring, the committer and readers.
#[derive(Debug)]
pub(crate) struct Part {
    /// Its run.
    pub run: RunId,
    /// The extent it belongs to.
    pub extent: ExtentNo,
    /// Where it begins in that extent's file.
    pub offset: u64,
    /// Its index entry.
    pub index: PartIndex,
    /// Every frame shown before this instant is in this part or an earlier one.
    pub complete_to: MediaTime,
    /// The part's bytes in order; payloads are shared with the live packets.
    pub chunks: Vec<Bytes>,
}

impl Part {
    /// The bytes `[from, to)` of the part, shared.
    pub(crate) fn slice(&self, from: u64, to: u64) -> Vec<Bytes> {
        let mut out = Vec::new();
        let mut at = 0u64;
        for chunk in &self.chunks {
            let end = at + chunk.len() as u64;
            let (a, b) = (from.max(at), to.min(end));
            if a < b {
                out.push(chunk.slice((a - at) as usize..(b - at) as usize));
            }
            at = end;
        }
        out
    }

    /// Its number.
    pub(crate) fn no(&self) -> PartNo {
        self.index.no
    }
}

/// The packets of one track that go into a part, with their durations.
pub(crate) struct PartTrack<'a> {
    pub config: &'a TrackConfig,
    pub first_in_run: u64,
    pub packets: Vec<(Packet, u32)>,
}

/// Everything that makes a part's bytes.
pub(crate) struct PartSource<'a> {
    pub tracks: Vec<PartTrack<'a>>,
    /// All facts; its `tracks` and `raps` are filled in here.
    pub trailer: Trailer,
}

/// Lays out a part: per track `moof` and `mdat`, then the trailer. A pure function of its argument.
pub(crate) fn encode(source: PartSource<'_>) -> Result<(PartIndex, Vec<Bytes>), FragmentError> {
    let PartSource { tracks, mut trailer } = source;
    let mut chunks = Vec::new();
    let mut index = Vec::new();
    let (mut at, mut crc) = (0u64, 0u32);
    for track in tracks.iter().filter(|t| !t.packets.is_empty()) {
        let head = fragment_header(track, trailer.part)?;
        let data: u64 = track.packets.iter().map(|(p, _)| p.data.len() as u64).sum();
        index.push(track_index(track, at, head.len() as u64, data)?);
        trailer.tracks.push((track.config.id, track.first_in_run, count(track)?));
        note_raps(&mut trailer, track);
        at += head.len() as u64 + data;
        for chunk in std::iter::once(head).chain(track.packets.iter().map(|(p, _)| p.data.clone())) {
            crc = crc32c::crc32c_append(crc, &chunk);
            if !chunk.is_empty() {
                chunks.push(chunk);
            }
        }
    }
    let mut tail = BytesMut::new();
    trailer.write(&mut tail, (at, crc));
    let crc = u32::from_be_bytes(tail[tail.len() - 4..].try_into().expect("four bytes"));
    let len =
        u32::try_from(at + tail.len() as u64).map_err(|_| FragmentError::TooLarge("part past 4 GiB"))?;
    chunks.push(tail.freeze());
    let index = PartIndex {
        no: trailer.part,
        len,
        segment: trailer.segment,
        received: trailer.received,
        crc,
        tracks: index,
    };
    Ok((index, chunks))
}

fn count(track: &PartTrack<'_>) -> Result<u32, FragmentError> {
    u32::try_from(track.packets.len()).map_err(|_| FragmentError::TooLarge("too many samples"))
}

fn fragment_header(track: &PartTrack<'_>, part: PartNo) -> Result<Bytes, FragmentError> {
    let samples: Vec<FragmentSample> = track
        .packets
        .iter()
        .map(|(p, duration)| {
            let size =
                u32::try_from(p.data.len()).map_err(|_| FragmentError::TooLarge("sample past 4 GiB"))?;
            let sync = p.rap.is_rap() || track.config.kind() != TrackKind::Video;
            Ok(FragmentSample { duration: *duration, size, cts: p.cts, sync })
        })
        .collect::<Result<_, FragmentError>>()?;
    let first = &track.packets.first().expect("empty tracks are left out").0;
    let time = u64::try_from(first.dts).map_err(|_| FragmentError::TooLarge("a negative decode time"))?;
    let mut head = BytesMut::new();
    // The sequence number is that of the part: readers only ask that it rises.
    let sequence = part.0 as u32;
    write_fragment_header(&mut head, (sequence, u32::from(track.config.id.0)), time, &samples)?;
    Ok(head.freeze())
}

fn track_index(
    track: &PartTrack<'_>,
    at: u64,
    head: u64,
    data: u64,
) -> Result<PartTrackIndex, FragmentError> {
    let narrow = |v: u64| u32::try_from(v).map_err(|_| FragmentError::TooLarge("part past 4 GiB"));
    let always_rap = track.config.kind() != TrackKind::Video;
    let samples = track.packets.iter().map(|(p, duration)| Sample {
        dts: p.dts,
        duration: *duration,
        size: p.data.len() as u32,
        cts: p.cts,
        rap: if always_rap { Rap::Closed } else { p.rap },
    });
    Ok(PartTrackIndex {
        id: track.config.id,
        first_in_run: track.first_in_run,
        moof: narrow(at)?,
        moof_len: narrow(head + data)?,
        data: narrow(at + head)?,
        samples: samples.collect(),
    })
}

fn note_raps(trailer: &mut Trailer, track: &PartTrack<'_>) {
    if track.config.kind() != TrackKind::Video {
        return;
    }
    let id: TrackId = track.config.id;
    // An open one is the exception worth telling: `moof` already marks both as sync samples.
    let raps = track.packets.iter().zip(0u32..).filter(|((p, _), _)| p.rap == Rap::Open);
    let room = PART_RAPS_MAX.saturating_sub(trailer.raps.len());
    trailer.raps.extend(raps.take(room).map(|((p, _), i)| (id, i, p.rap)));
}
