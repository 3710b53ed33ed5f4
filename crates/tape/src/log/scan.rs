//! Reads an extent back from its own bytes: which parts are whole, and the index of them.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use media::container::mp4::{TrackFragment, read_box_header, read_fragment, read_init};
use media::{Rap, TrackConfig, TrackKind};

use super::io::FileIo;
use crate::ids::{ExtentNo, InitId};
use crate::index::{ExtentIndex, PartIndex, PartTrackIndex, Sample};
use crate::plant::{Bug, planted};
use crate::trailer::Trailer;

/// Most bytes of `ftyp` and `moov`: three tracks with their largest configurations are below 8 KiB.
const INIT_BYTES_MAX: u64 = 256 * 1024;
/// Most bytes of a part: two seconds at 100 Mbit/s, with room.
const PART_BYTES_MAX: u64 = 128 * 1024 * 1024;
/// Boxes in a part: two per track and the trailer.
const PART_BOXES_MAX: usize = 64;

/// An extent as its file tells it.
#[derive(Debug)]
pub(crate) struct ScannedExtent {
    pub init: Bytes,
    pub tracks: Arc<[TrackConfig]>,
    pub index: ExtentIndex,
    /// Trailers of the first and last whole part.
    pub first: Option<Trailer>,
    pub last: Option<Trailer>,
    /// Every change of the wall map that the trailers tell.
    pub anchors: Vec<crate::clock::Anchor>,
    /// Bytes that are whole; the file's length when nothing is torn.
    pub good_len: u64,
    pub file_len: u64,
    /// Why it ends at `good_len`.
    pub problem: Option<String>,
}

/// Scans a file. `Ok(None)` when not even its head is whole: it holds no media.
pub(crate) fn scan(file: &dyn FileIo, no: ExtentNo) -> io::Result<Option<ScannedExtent>> {
    let file_len = file.len()?;
    let mut head = vec![0; usize::try_from(file_len.min(INIT_BYTES_MAX)).expect("capped")];
    file.read_exact_at(&mut head, 0)?;
    let Ok((tracks, init_len)) = read_init(&head) else { return Ok(None) };
    let tracks: Arc<[TrackConfig]> = tracks.into();
    let index = ExtentIndex::new(no, u32::try_from(init_len).expect("capped"), &tracks);
    let mut out = ScannedExtent {
        init: Bytes::copy_from_slice(&head[..init_len]),
        tracks,
        index,
        first: None,
        last: None,
        anchors: Vec::new(),
        good_len: init_len as u64,
        file_len,
        problem: None,
    };
    let init = InitId::of(&out.init);
    while out.good_len < file_len {
        match read_part(file, out.good_len, file_len, &out.tracks)? {
            Ok((_, trailer)) if trailer.init != init => {
                // The head is damaged: without it the parts cannot be played, and it must not pass for another.
                out.problem = Some("its head is not the one its parts tell".to_owned());
                break;
            }
            Ok((part, trailer)) => out.accept(&part, trailer),
            Err(problem) => {
                out.problem = Some(problem);
                break;
            }
        }
    }
    Ok(Some(out))
}

impl ScannedExtent {
    /// The same with only the parts within its first bytes.
    pub(crate) fn up_to(mut self, bytes: u64) -> Self {
        let fits = |p: &crate::index::PartEntry| p.offset + u64::from(p.len) <= bytes;
        let Some(beyond) = self.index.parts.iter().find(|p| !fits(p)).map(|p| p.no) else { return self };
        self.index = self.index.before(beyond);
        self.good_len = self.index.end_offset();
        self.problem = Some("the rest could not be synced".to_owned());
        if self.index.parts.is_empty() {
            (self.first, self.last) = (None, None);
        }
        self
    }

    fn accept(&mut self, part: &PartIndex, trailer: Trailer) {
        self.index.push(part);
        self.good_len += u64::from(part.len);
        if self.anchors.last() != Some(&trailer.anchor) {
            self.anchors.push(trailer.anchor);
        }
        self.first.get_or_insert_with(|| trailer.clone());
        self.last = Some(trailer);
    }
}

/// The part at `at`; the inner error says why there is no whole one.
fn read_part(
    file: &dyn FileIo,
    at: u64,
    file_len: u64,
    tracks: &[TrackConfig],
) -> io::Result<Result<(PartIndex, Trailer), String>> {
    let (boxes, len) = match walk(file, at, file_len)? {
        Ok(found) => found,
        Err(problem) => return Ok(Err(problem)),
    };
    let mut bytes = vec![0; usize::try_from(len).expect("capped by the walk")];
    file.read_exact_at(&mut bytes, at)?;
    Ok(parse_part(&bytes, &boxes, tracks).map_err(|e| format!("part at byte {at}: {e}")))
}

type BoxAt = ([u8; 4], usize, usize);

/// Where the trailer of the part at a byte begins and ends, if there is one.
#[cfg(feature = "fuzz")]
pub(crate) fn trailer_of(file: &dyn FileIo, at: u64) -> Option<(u64, u64)> {
    let (boxes, len) = walk(file, at, file.len().ok()?).ok()?.ok()?;
    boxes.last().map(|(_, trailer, _)| (at + *trailer as u64, at + len))
}

/// Box kinds, offsets within the part and lengths, up to and with the trailer.
fn walk(file: &dyn FileIo, at: u64, file_len: u64) -> io::Result<Result<(Vec<BoxAt>, u64), String>> {
    let mut boxes = Vec::new();
    let mut pos = at;
    while boxes.len() < PART_BOXES_MAX {
        let mut head = [0; 16];
        let n = file.read_at(&mut head, pos)?;
        let Ok(header) = read_box_header(&head[..n]) else {
            return Ok(Err(format!("no whole box at byte {pos}")));
        };
        let Some(end) = header.len.and_then(|l| pos.checked_add(l)).filter(|e| *e <= file_len) else {
            return Ok(Err(format!("the box at byte {pos} reaches past the end of the file")));
        };
        if end - at > PART_BYTES_MAX {
            return Ok(Err(format!("the part at byte {at} is larger than {PART_BYTES_MAX} bytes")));
        }
        boxes.push((header.kind, (pos - at) as usize, (end - pos) as usize));
        pos = end;
        if &header.kind == b"uuid" {
            return Ok(Ok((boxes, pos - at)));
        }
    }
    Ok(Err(format!("no trailer within {PART_BOXES_MAX} boxes of byte {at}")))
}

fn parse_part(bytes: &[u8], boxes: &[BoxAt], tracks: &[TrackConfig]) -> Result<(PartIndex, Trailer), String> {
    let (_, tail_at, tail_len) = *boxes.last().ok_or("it is empty")?;
    let (trailer, len, crc) =
        Trailer::read(&bytes[tail_at..tail_at + tail_len]).map_err(|e| e.to_string())?;
    if len as usize != bytes.len() {
        return Err(format!("its trailer tells {len} bytes, not {}", bytes.len()));
    }
    if crc != crc32c::crc32c(&bytes[..bytes.len() - 4]) && !planted(Bug::SkipChecksum) {
        return Err("its checksum does not match".to_owned());
    }
    let mut index = Vec::new();
    for pair in boxes[..boxes.len() - 1].chunks(2) {
        let (moof_at, moof_len, mdat_len) = match pair {
            [(moof, at, len), (mdat, _, data)] if moof == b"moof" && mdat == b"mdat" => (*at, *len, *data),
            _ => return Err("its boxes are not pairs of moof and mdat".to_owned()),
        };
        let fragment = read_fragment(&bytes[moof_at..moof_at + moof_len]).map_err(|e| e.to_string())?;
        index.push(track_index(&fragment, &trailer, tracks, (moof_at, moof_len + mdat_len))?);
    }
    let part = PartIndex {
        no: trailer.part,
        len,
        segment: trailer.segment,
        received: trailer.received,
        crc,
        tracks: index,
    };
    Ok((part, trailer))
}

fn track_index(
    fragment: &TrackFragment,
    trailer: &Trailer,
    tracks: &[TrackConfig],
    at: (usize, usize),
) -> Result<PartTrackIndex, String> {
    let known = |t: &&TrackConfig| u32::from(t.id.0) == fragment.track_id;
    let track = tracks.iter().find(known).ok_or(format!("track {} is not in moov", fragment.track_id))?;
    let told = trailer.tracks.iter().find(|t| t.0 == track.id);
    let &(_, first_in_run, count) = told.ok_or("its trailer does not tell of a track in it")?;
    if count as usize != fragment.samples.len() {
        return Err(format!("track {} has {} samples, not {count}", track.id.0, fragment.samples.len()));
    }
    let data: u64 = fragment.samples.iter().map(|s| u64::from(s.size)).sum();
    if u64::from(fragment.data_offset) + data != at.1 as u64 {
        return Err(format!("the samples of track {} do not fill its mdat", track.id.0));
    }
    let mut dts = i64::try_from(fragment.decode_time).map_err(|_| "a decode time past 2^63")?;
    let mut samples = Vec::with_capacity(fragment.samples.len());
    for (s, i) in fragment.samples.iter().zip(0u32..) {
        let open = trailer.raps.iter().any(|r| r.0 == track.id && r.1 == i && r.2 == Rap::Open);
        let rap = match (s.sync, open) {
            (_, true) => Rap::Open,
            (true, _) => Rap::Closed,
            (false, _) if track.kind() != TrackKind::Video => Rap::Closed,
            (false, _) => Rap::None,
        };
        samples.push(Sample { dts, duration: s.duration, size: s.size, cts: s.cts, rap });
        dts = dts.checked_add(i64::from(s.duration)).ok_or("a decode time past 2^63")?;
    }
    Ok(PartTrackIndex {
        id: track.id,
        first_in_run,
        moof: at.0 as u32,
        moof_len: at.1 as u32,
        data: at.0 as u32 + fragment.data_offset,
        samples,
    })
}
