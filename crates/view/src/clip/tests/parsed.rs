//! A clip as a player reads it: boxes parsed by another hand, tables expanded, every sample with its times
//! and bytes.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use media::TrackKind;
use shiguredo_mp4::boxes::{HdlrBox, MoovBox, StszBox, TrakBox};
use shiguredo_mp4::{Decode, Either};
use tape::Piece;

use crate::clip::{ClipBody, ClipPlan, Source};

/// All bytes of a range of a body.
pub(super) fn bytes(body: &ClipBody, range: Range<u64>) -> Vec<u8> {
    let mut out = Vec::new();
    for piece in body.pieces(range) {
        match piece.unwrap() {
            Piece::Mem(bytes) => out.extend_from_slice(&bytes),
            Piece::File { .. } => panic!("a made-up tape has no files"),
        }
    }
    out
}

/// A sample as the file has it.
#[derive(Debug, Clone)]
pub(super) struct Parsed {
    pub(super) dts: i64,
    pub(super) pts: i64,
    pub(super) duration: i64,
    pub(super) sync: bool,
    pub(super) data: Range<usize>,
}

/// A track as the file has it.
#[derive(Debug, Clone)]
pub(super) struct Track {
    pub(super) kind: TrackKind,
    pub(super) entry: [u8; 4],
    /// In ticks of the movie.
    pub(super) empty: u64,
    pub(super) duration: u64,
    pub(super) media_time: i64,
    pub(super) media_duration: u64,
    pub(super) samples: Vec<Parsed>,
}

/// A file.
pub(super) struct File {
    pub(super) bytes: Vec<u8>,
    pub(super) duration: u64,
    pub(super) tracks: BTreeMap<u32, Track>,
}

impl File {
    pub(super) fn new(plan: ClipPlan, source: Arc<dyn Source>) -> Self {
        let len = plan.bytes();
        let body = ClipBody::new(Arc::new(plan), source);
        let bytes = bytes(&body, 0..u64::MAX);
        assert_eq!(bytes.len() as u64, len);
        Self::parse(bytes)
    }

    pub(super) fn parse(bytes: Vec<u8>) -> Self {
        let be = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        let moov_at = be(0);
        assert_eq!(&bytes[moov_at + 4..moov_at + 8], b"moov");
        let (moov, used) = MoovBox::decode(&bytes[moov_at..]).unwrap();
        let mdat = moov_at + used;
        assert_eq!((be(mdat), &bytes[mdat + 4..mdat + 8]), (1, &b"mdat"[..]));
        assert_eq!(
            u64::from_be_bytes(bytes[mdat + 8..mdat + 16].try_into().unwrap()),
            (bytes.len() - mdat) as u64
        );
        assert_eq!(moov.mvhd_box.timescale.get(), 90_000);
        let tracks: BTreeMap<u32, Track> =
            moov.trak_boxes.iter().map(|t| (t.tkhd_box.track_id, track(t))).collect();
        let mut data: Vec<_> = tracks.values().flat_map(|t| &t.samples).map(|s| s.data.clone()).collect();
        data.sort_by_key(|d| d.start);
        let ends = data.iter().scan(mdat + 16, |at, d| {
            assert_eq!(d.start, *at, "every byte of mdat belongs to exactly one sample");
            *at = d.end;
            Some(d.end)
        });
        assert_eq!(ends.last(), Some(bytes.len()));
        Self { duration: moov.mvhd_box.duration, tracks, bytes }
    }

    pub(super) fn track(&self, kind: TrackKind) -> Option<&Track> {
        self.tracks.values().find(|t| t.kind == kind)
    }

    pub(super) fn data(&self, sample: &Parsed) -> &[u8] {
        &self.bytes[sample.data.clone()]
    }
}

fn track(trak: &TrakBox) -> Track {
    let kind = match trak.mdia_box.hdlr_box.handler_type {
        HdlrBox::HANDLER_TYPE_VIDE => TrackKind::Video,
        _ => TrackKind::Audio,
    };
    let edits = &trak.edts_box.as_ref().unwrap().elst_box.as_ref().unwrap().entries;
    let (empty, edit) = match &edits[..] {
        [edit] => (0, edit),
        [empty, edit] if empty.media_time == -1 => (empty.edit_duration, edit),
        _ => panic!("edits {edits:?}"),
    };
    let stbl = &trak.mdia_box.minf_box.stbl_box;
    let entry = shiguredo_mp4::Encode::encode_to_vec(&stbl.stsd_box.entries[0]).unwrap();
    assert_eq!(stbl.stsd_box.entries.len(), 1);
    Track {
        kind,
        entry: entry[4..8].try_into().unwrap(),
        empty,
        duration: edit.edit_duration,
        media_time: edit.media_time,
        media_duration: trak.mdia_box.mdhd_box.duration,
        samples: samples(stbl, kind),
    }
}

fn samples(stbl: &shiguredo_mp4::boxes::StblBox, kind: TrackKind) -> Vec<Parsed> {
    let repeat = |count: u32, value: i64| std::iter::repeat_n(value, usize::try_from(count).unwrap());
    let durations: Vec<i64> = stbl
        .stts_box
        .entries
        .iter()
        .flat_map(|e| repeat(e.sample_count, i64::from(e.sample_delta)))
        .collect();
    let StszBox::Variable { entry_sizes } = &stbl.stsz_box else { panic!("sizes one by one") };
    let offsets: Vec<i64> = match &stbl.ctts_box {
        Some(ctts) => {
            assert_eq!(ctts.version, 1);
            ctts.entries.iter().flat_map(|e| repeat(e.sample_count, e.sample_offset)).collect()
        }
        None => vec![0; entry_sizes.len()],
    };
    let sync: Vec<u32> = stbl
        .stss_box
        .as_ref()
        .map(|b| b.sample_numbers.iter().map(|n| n.get()).collect())
        .unwrap_or_default();
    assert_eq!((durations.len(), offsets.len()), (entry_sizes.len(), entry_sizes.len()));
    let places = places(stbl, entry_sizes);
    let mut dts = 0;
    (0..entry_sizes.len())
        .map(|i| {
            let sample = Parsed {
                dts,
                pts: dts + offsets[i],
                duration: durations[i],
                sync: kind == TrackKind::Audio || sync.contains(&(u32::try_from(i).unwrap() + 1)),
                data: places[i].clone(),
            };
            dts += durations[i];
            sample
        })
        .collect()
}

fn places(stbl: &shiguredo_mp4::boxes::StblBox, sizes: &[u32]) -> Vec<Range<usize>> {
    let Either::B(co64) = &stbl.stco_or_co64_box else { panic!("64-bit offsets") };
    let chunks = &stbl.stsc_box.entries;
    let mut sizes = sizes.iter();
    let mut out = Vec::new();
    for (number, offset) in (1u32..).zip(&co64.chunk_offsets) {
        let entry = chunks.iter().rfind(|c| c.first_chunk.get() <= number).unwrap();
        let mut at = usize::try_from(*offset).unwrap();
        for size in sizes.by_ref().take(usize::try_from(entry.sample_per_chunk).unwrap()) {
            let end = at + usize::try_from(*size).unwrap();
            out.push(at..end);
            at = end;
        }
    }
    assert_eq!(sizes.next(), None, "every sample is in a chunk");
    out
}
