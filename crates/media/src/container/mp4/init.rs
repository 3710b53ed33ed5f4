//! Initialisation segments: `ftyp` and `moov` with `mvex` and no samples, a pure function of the tracks.
//! Nothing of one file is in them, so that equal tracks give an equal, cacheable segment.

use std::num::NonZeroU32;

use bytes::{Bytes, BytesMut};
use shiguredo_mp4::boxes::{
    Brand, DinfBox, FtypBox, HdlrBox, MdhdBox, MdiaBox, MediaHeader, MinfBox, MoovBox, MvexBox, MvhdBox,
    NmhdBox, SampleEntry, SmhdBox, StblBox, StcoBox, StscBox, StsdBox, StszBox, SttsBox, TkhdBox, TrakBox,
    TrexBox, UnknownBox, VmhdBox,
};
use shiguredo_mp4::{BoxSize, BoxType, Either, Encode, FixedPointNumber, LanguageCode, SampleFlags};
use thiserror::Error;

use super::EPOCHLESS;
use super::entry::{EntryFacts, child, read_sample_entry, sample_entry};
use crate::codec::aac::Asc;
use crate::codec::{mp3, opus};
use crate::time::Timescale;
use crate::track::{CodecConfig, Picture, TrackConfig, TrackId, TrackKind};

/// The movie's own timescale: divides by every video frame rate in use and holds a year in 42 bits.
pub const MOVIE_TIMESCALE: NonZeroU32 = NonZeroU32::new(90_000).expect("not zero");

/// Why an initialisation segment cannot be read back.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InitError {
    /// A box is missing or cut off.
    #[error("the initialisation segment lacks {0}")]
    Missing(&'static str),
    /// A sample entry of another writer.
    #[error("track {0} has a sample entry this version does not know")]
    Entry(u32),
    /// A codec configuration that does not parse.
    #[error("track {track}: {error}")]
    Codec {
        /// `track_ID`.
        track: u32,
        /// What is wrong with it.
        error: String,
    },
}

/// `ftyp` and `moov` of fragmented files and HLS maps for these tracks, in this order.
pub fn init_segment(tracks: &[TrackConfig]) -> Bytes {
    let ftyp = FtypBox {
        major_brand: Brand::new(*b"iso6"),
        minor_version: 0,
        compatible_brands: vec![Brand::new(*b"iso6"), Brand::new(*b"cmfc"), Brand::new(*b"mp41")],
    };
    let moov = MoovBox {
        mvhd_box: MvhdBox {
            creation_time: EPOCHLESS,
            modification_time: EPOCHLESS,
            timescale: MOVIE_TIMESCALE,
            duration: 0,
            rate: MvhdBox::DEFAULT_RATE,
            volume: MvhdBox::DEFAULT_VOLUME,
            matrix: MvhdBox::DEFAULT_MATRIX,
            next_track_id: tracks.iter().map(|t| u32::from(t.id.0)).max().unwrap_or(0) + 1,
        },
        trak_boxes: tracks.iter().map(sample_table_free_track).collect(),
        mvex_box: Some(MvexBox {
            mehd_box: None,
            trex_boxes: tracks.iter().map(trex).collect(),
            unknown_boxes: Vec::new(),
        }),
        unknown_boxes: Vec::new(),
    };
    let mut out = BytesMut::new();
    for encoded in [ftyp.encode_to_vec(), moov.encode_to_vec()] {
        out.extend_from_slice(&encoded.expect("every field is in range by its type"));
    }
    out.freeze()
}

fn trex(track: &TrackConfig) -> TrexBox {
    TrexBox {
        track_id: u32::from(track.id.0),
        default_sample_description_index: 1,
        default_sample_duration: default_duration(&track.codec),
        default_sample_size: 0,
        default_sample_flags: SampleFlags::empty(),
    }
}

/// Every run of samples states its durations, so this one is never needed to play. It keeps what no Opus entry
/// says: how long its packets are.
fn default_duration(codec: &CodecConfig) -> u32 {
    match codec {
        CodecConfig::Opus { frame_samples, .. } => u32::from(*frame_samples),
        _ => 0,
    }
}

/// A `trak` that says everything of the track but its samples: the start of a whole movie's `trak` and
/// all of a fragmented one's.
pub fn sample_table_free_track(track: &TrackConfig) -> TrakBox {
    let (width, height) = display_size(track);
    let audible = track.kind() == TrackKind::Audio;
    TrakBox {
        tkhd_box: TkhdBox {
            flag_track_enabled: true,
            flag_track_in_movie: true,
            flag_track_in_preview: false,
            flag_track_size_is_aspect_ratio: false,
            creation_time: EPOCHLESS,
            modification_time: EPOCHLESS,
            track_id: u32::from(track.id.0),
            duration: 0,
            layer: TkhdBox::DEFAULT_LAYER,
            alternate_group: TkhdBox::DEFAULT_ALTERNATE_GROUP,
            volume: if audible { TkhdBox::DEFAULT_AUDIO_VOLUME } else { TkhdBox::DEFAULT_VIDEO_VOLUME },
            matrix: TkhdBox::DEFAULT_MATRIX,
            width: FixedPointNumber::new(width, 0),
            height: FixedPointNumber::new(height, 0),
        },
        edts_box: None,
        mdia_box: MdiaBox {
            mdhd_box: MdhdBox {
                creation_time: EPOCHLESS,
                modification_time: EPOCHLESS,
                timescale: NonZeroU32::new(track.timescale.hz()).expect("a timescale is not zero"),
                duration: 0,
                language: LanguageCode::UNDEFINED,
            },
            hdlr_box: handler(track.kind()),
            minf_box: MinfBox {
                media_header: Some(media_header(track.kind())),
                dinf_box: DinfBox::LOCAL_FILE,
                stbl_box: empty_stbl(track),
                unknown_boxes: Vec::new(),
            },
            unknown_boxes: Vec::new(),
        },
        unknown_boxes: Vec::new(),
    }
}

/// Width and height in square pixels, as `tkhd` wants them (ISO/IEC 14496-12 §8.3.2.3).
fn display_size(track: &TrackConfig) -> (i16, i16) {
    let Some(Picture { width, height, sar }) = track.codec.picture() else { return (0, 0) };
    let wide = u64::from(width) * u64::from(sar.0.max(1)) / u64::from(sar.1.max(1));
    (i16::try_from(wide).unwrap_or(i16::MAX), i16::try_from(height).unwrap_or(i16::MAX))
}

fn handler(kind: TrackKind) -> HdlrBox {
    let (handler_type, name) = match kind {
        TrackKind::Video => (HdlrBox::HANDLER_TYPE_VIDE, &b"video\0"[..]),
        TrackKind::Audio => (HdlrBox::HANDLER_TYPE_SOUN, &b"audio\0"[..]),
        TrackKind::Data => (*b"meta", &b"data\0"[..]),
    };
    HdlrBox { handler_type, name: name.to_vec() }
}

fn media_header(kind: TrackKind) -> MediaHeader {
    match kind {
        TrackKind::Video => MediaHeader::Vmhd(VmhdBox { graphicsmode: 0, opcolor: [0, 0, 0] }),
        TrackKind::Audio => MediaHeader::Smhd(SmhdBox { balance: SmhdBox::DEFAULT_BALANCE }),
        TrackKind::Data => MediaHeader::Nmhd(NmhdBox),
    }
}

fn empty_stbl(track: &TrackConfig) -> StblBox {
    let entry = sample_entry(track);
    let kind = BoxType::Normal(entry[4..8].try_into().expect("four bytes"));
    let payload = entry[8..].to_vec();
    let box_size = BoxSize::with_payload_size(kind, payload.len() as u64);
    StblBox {
        stsd_box: StsdBox {
            entries: vec![SampleEntry::Unknown(UnknownBox { box_type: kind, box_size, payload })],
        },
        stts_box: SttsBox { entries: Vec::new() },
        ctts_box: None,
        cslg_box: None,
        stsc_box: StscBox { entries: Vec::new() },
        stsz_box: StszBox::Variable { entry_sizes: Vec::new() },
        stco_or_co64_box: Either::A(StcoBox { chunk_offsets: Vec::new() }),
        stss_box: None,
        sdtp_box: None,
        unknown_boxes: Vec::new(),
    }
}

/// Reads back what [`init_segment`] wrote; `bytes` may go on after `moov`. The second value is the length
/// of `ftyp` and `moov`.
pub fn read_init(bytes: &[u8]) -> Result<(Vec<TrackConfig>, usize), InitError> {
    let mut at = 0;
    for kind in [b"ftyp", b"moov"] {
        let rest = &bytes[at..];
        let header = super::read_box_header(rest).map_err(|_| InitError::Missing("ftyp or moov"))?;
        let len = header.len.and_then(|l| usize::try_from(l).ok()).filter(|l| *l <= rest.len());
        let len = len.filter(|_| &header.kind == kind).ok_or(InitError::Missing("ftyp or moov"))?;
        at += len;
        if kind == b"moov" {
            return Ok((read_tracks(&rest[8..len])?, at));
        }
    }
    Err(InitError::Missing("moov"))
}

fn read_tracks(mut moov: &[u8]) -> Result<Vec<TrackConfig>, InitError> {
    let mut tracks = Vec::new();
    let mvex = child(moov, b"mvex").unwrap_or_default();
    while let Ok(header) = super::read_box_header(moov) {
        let len = header.len.and_then(|l| usize::try_from(l).ok()).filter(|l| *l <= moov.len());
        let len = len.ok_or(InitError::Missing("the end of a box in moov"))?;
        if &header.kind == b"trak" {
            tracks.push(read_track(&moov[8..len], mvex)?);
        }
        moov = &moov[len..];
    }
    Ok(tracks)
}

fn read_track(trak: &[u8], mvex: &[u8]) -> Result<TrackConfig, InitError> {
    let tkhd = child(trak, b"tkhd").ok_or(InitError::Missing("tkhd"))?;
    let mdia = child(trak, b"mdia").ok_or(InitError::Missing("mdia"))?;
    let mdhd = child(mdia, b"mdhd").ok_or(InitError::Missing("mdhd"))?;
    let minf = child(mdia, b"minf").ok_or(InitError::Missing("minf"))?;
    let stbl = child(minf, b"stbl").ok_or(InitError::Missing("stbl"))?;
    let stsd = child(stbl, b"stsd").ok_or(InitError::Missing("stsd"))?;
    // Versions 0 of both boxes: ours have no times past 2040 and no durations.
    let id = be32(tkhd, 12).ok_or(InitError::Missing("a track_ID"))?;
    let hz = be32(mdhd, 12).ok_or(InitError::Missing("a timescale"))?;
    let facts = stsd.get(8..).and_then(read_sample_entry).ok_or(InitError::Entry(id))?;
    Ok(TrackConfig {
        id: TrackId(u8::try_from(id).map_err(|_| InitError::Entry(id))?),
        timescale: Timescale::new(hz).ok_or(InitError::Missing("a timescale"))?,
        codec: codec(facts, stated_duration(mvex, id))
            .map_err(|error| InitError::Codec { track: id, error })?,
    })
}

/// `default_sample_duration` of a track's `trex`, ISO/IEC 14496-12 §8.8.3; 0 where there is none.
fn stated_duration(mut mvex: &[u8], track_id: u32) -> u32 {
    while let Ok(header) = super::read_box_header(mvex) {
        let len = header.len.and_then(|l| usize::try_from(l).ok()).filter(|l| (8..=mvex.len()).contains(l));
        let Some(len) = len else { return 0 };
        let body = &mvex[8..len];
        if &header.kind == b"trex" && be32(body, 4) == Some(track_id) {
            return be32(body, 12).unwrap_or(0);
        }
        mvex = &mvex[len..];
    }
    0
}

fn codec(facts: EntryFacts, duration: u32) -> Result<CodecConfig, String> {
    Ok(match facts {
        EntryFacts::Pictures(codec) => codec,
        EntryFacts::Aac { asc } => Asc::parse(&asc).map_err(|e| e.to_string())?.codec(),
        EntryFacts::Mp3 { sample_rate, channels } => mp3::codec(sample_rate, channels),
        EntryFacts::Opus { dops } => {
            let header = opus::Header::from_dops(&dops).map_err(|e| e.to_string())?;
            let samples = u16::try_from(duration).ok().filter(|samples| *samples > 0);
            header.codec(samples.ok_or("its packets' duration is not stated")?)
        }
        EntryFacts::Amf0 => CodecConfig::Amf0,
    })
}

fn be32(b: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(b.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tracks() -> Vec<TrackConfig> {
        let avcc = Bytes::from_static(&[1, 0x64, 0, 0x1f, 0xff, 0xe0, 0]);
        vec![
            TrackConfig {
                id: TrackId::VIDEO,
                timescale: Timescale::VIDEO,
                codec: CodecConfig::H264 { avcc, width: 640, height: 360, sar: (1, 1) },
            },
            TrackConfig {
                id: TrackId::AUDIO,
                timescale: Timescale::new(44_100).unwrap(),
                codec: Asc::parse(&[0x12, 0x10]).unwrap().codec(),
            },
            TrackConfig { id: TrackId::DATA, timescale: Timescale::VIDEO, codec: CodecConfig::Amf0 },
        ]
    }

    #[test]
    fn an_init_segment_is_a_function_of_its_tracks_and_reads_back() {
        let bytes = init_segment(&tracks());
        assert_eq!(bytes, init_segment(&tracks()));
        let mut longer = bytes.to_vec();
        longer.extend_from_slice(b"moof follows");
        assert_eq!(read_init(&longer).unwrap(), (tracks(), bytes.len()));
    }

    #[test]
    fn the_newer_codecs_read_back_too() {
        let dops = Bytes::from_static(&[0, 2, 1, 0x38, 0, 0, 0xbb, 0x80, 0, 0, 0]);
        for (sound, hz) in [
            (CodecConfig::Opus { dops: dops.clone(), channels: 2, frame_samples: 2880 }, 48_000),
            (mp3::codec(22_050, 1), 22_050),
            (mp3::codec(32_000, 2), 32_000),
        ] {
            let av1c = Bytes::from_static(&[0x81, 0, 0x0c, 0]);
            let picture = CodecConfig::Av1 { av1c, width: 640, height: 360 };
            let track = |id, hz, codec| TrackConfig { id, timescale: Timescale::new(hz).unwrap(), codec };
            let tracks = [track(TrackId::VIDEO, 90_000, picture), track(TrackId::AUDIO, hz, sound)];
            assert_eq!(read_init(&init_segment(&tracks)).unwrap().0, tracks);
        }
    }

    #[test]
    fn a_damaged_init_segment_is_an_error() {
        let bytes = init_segment(&tracks());
        for cut in 0..bytes.len() {
            assert!(read_init(&bytes[..cut]).is_err(), "cut at {cut}");
        }
        for at in 0..bytes.len() {
            let mut damaged = bytes.to_vec();
            damaged[at] ^= 0xff;
            let _ = read_init(&damaged);
        }
    }
}
