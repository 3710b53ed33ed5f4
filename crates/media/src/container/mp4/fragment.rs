//! One track's movie fragment: `moof` with a single `traf` followed by `mdat`, ISO/IEC 14496-12 §8.8.

use bytes::{BufMut, BytesMut};
use shiguredo_mp4::boxes::{MfhdBox, MoofBox, TfdtBox, TfhdBox, TrafBox, TrunBox, TrunSample};
use shiguredo_mp4::{Decode, Encode, SampleFlags};
use thiserror::Error;

/// Bytes of `moof` besides its samples: moof 8, mfhd 16, traf 8, tfhd 16, tfdt 20, trun 20.
const MOOF_FIXED_LEN: usize = 88;
/// Bytes of one sample in `trun`: duration, size, flags, composition offset.
const TRUN_SAMPLE_LEN: usize = 16;
/// ISO/IEC 14496-12 §8.8.3.1: depends on no other sample, is a sync sample.
const SYNC: SampleFlags = SampleFlags::new(0x0200_0000);
/// Depends on others, is not a sync sample.
const DELTA: SampleFlags = SampleFlags::new(0x0101_0000);

/// One sample of a fragment, in the track's ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FragmentSample {
    /// Ticks to the next sample's decode time.
    pub duration: u32,
    /// Bytes.
    pub size: u32,
    /// Presentation minus decode time.
    pub cts: i32,
    /// Whether decoding can begin here.
    pub sync: bool,
}

/// A fragment read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackFragment {
    /// `mfhd` sequence number.
    pub sequence: u32,
    /// `track_ID`.
    pub track_id: u32,
    /// Decode time of the first sample in the track's ticks (`tfdt`).
    pub decode_time: u64,
    /// From the first byte of `moof` to the first byte of the first sample.
    pub data_offset: u32,
    /// The samples, contiguous from `data_offset`.
    pub samples: Vec<FragmentSample>,
}

/// Why a `moof` is not one of ours.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FragmentError {
    /// The box does not parse.
    #[error("moof does not parse: {0}")]
    Malformed(String),
    /// Legal, but not the one-track form that extents have.
    #[error("moof is not the one-track form of an extent: {0}")]
    Foreign(&'static str),
    /// More samples or bytes than the format can say.
    #[error("fragment too large: {0}")]
    TooLarge(&'static str),
}

/// Appends `moof` and the `mdat` header for `samples` to `out`; the sample bytes follow it in the file.
/// `decode_time` is in the track's ticks. The bytes depend on nothing but the arguments.
pub fn write_fragment_header(
    out: &mut BytesMut,
    fragment: (u32, u32),
    decode_time: u64,
    samples: &[FragmentSample],
) -> Result<(), FragmentError> {
    let (sequence, track_id) = fragment;
    let moof_len = MOOF_FIXED_LEN + samples.len() * TRUN_SAMPLE_LEN;
    let data_len: u64 = samples.iter().map(|s| u64::from(s.size)).sum();
    let mdat_len = u32::try_from(data_len + 8).map_err(|_| FragmentError::TooLarge("mdat past 4 GiB"))?;
    let data_offset = i32::try_from(moof_len + 8).map_err(|_| FragmentError::TooLarge("moof past 2 GiB"))?;
    let moof = MoofBox {
        mfhd_box: MfhdBox { sequence_number: sequence },
        traf_boxes: vec![TrafBox {
            tfhd_box: TfhdBox {
                track_id,
                base_data_offset: None,
                sample_description_index: None,
                default_sample_duration: None,
                default_sample_size: None,
                default_sample_flags: None,
                duration_is_empty: false,
                default_base_is_moof: true,
            },
            tfdt_box: Some(TfdtBox { version: 1, base_media_decode_time: decode_time }),
            trun_boxes: vec![TrunBox {
                data_offset: Some(data_offset),
                first_sample_flags: None,
                samples: samples.iter().map(trun_sample).collect(),
            }],
            unknown_boxes: Vec::new(),
        }],
        unknown_boxes: Vec::new(),
    };
    let at = out.len();
    out.resize(at + moof_len, 0);
    let written = moof.encode(&mut out[at..]).map_err(|e| FragmentError::Malformed(e.to_string()))?;
    assert_eq!(written, moof_len, "the moof of an extent has a fixed shape");
    out.put_u32(mdat_len);
    out.put_slice(b"mdat");
    Ok(())
}

fn trun_sample(s: &FragmentSample) -> TrunSample {
    TrunSample {
        duration: Some(s.duration),
        size: Some(s.size),
        flags: Some(if s.sync { SYNC } else { DELTA }),
        composition_time_offset: Some(i64::from(s.cts)),
    }
}

/// The bytes of a `moof` whose boxes lie where [`write_fragment_header`] puts them. Looked at before anything is
/// decoded: elsewhere a `trun` may announce 2³² samples in a few bytes.
fn one_track_form(bytes: &[u8]) -> Option<&[u8]> {
    let be32 = |at: usize| Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?) as usize);
    let moof = bytes.get(..be32(0)?)?;
    let rest = moof.len().checked_sub(MOOF_FIXED_LEN)?;
    let boxes = [
        (0, b"moof", rest + 88),
        (8, b"mfhd", 16),
        (24, b"traf", rest + 64),
        (32, b"tfhd", 16),
        (48, b"tfdt", 20),
        (68, b"trun", rest + 20),
    ];
    let there =
        boxes.iter().all(|(at, kind, len)| be32(*at) == Some(*len) && &bytes[at + 4..at + 8] == *kind);
    let counted = be32(80)?.checked_mul(TRUN_SAMPLE_LEN) == Some(rest);
    (there && counted).then_some(moof)
}

/// Reads a `moof` written by [`write_fragment_header`]. `bytes` begins with it and may go on.
pub fn read_fragment(bytes: &[u8]) -> Result<TrackFragment, FragmentError> {
    let moof = one_track_form(bytes).ok_or(FragmentError::Foreign("its boxes lie elsewhere"))?;
    let (moof, _) = MoofBox::decode(moof).map_err(|e| FragmentError::Malformed(e.to_string()))?;
    let [traf] = &moof.traf_boxes[..] else {
        return Err(FragmentError::Foreign("it has not exactly one traf"));
    };
    let [trun] = &traf.trun_boxes[..] else {
        return Err(FragmentError::Foreign("it has not exactly one trun"));
    };
    let tfdt = traf.tfdt_box.as_ref().ok_or(FragmentError::Foreign("no tfdt"))?;
    let data_offset = trun.data_offset.and_then(|o| u32::try_from(o).ok());
    let samples = trun.samples.iter().map(read_sample).collect::<Option<Vec<_>>>();
    Ok(TrackFragment {
        sequence: moof.mfhd_box.sequence_number,
        track_id: traf.tfhd_box.track_id,
        decode_time: tfdt.base_media_decode_time,
        data_offset: data_offset.ok_or(FragmentError::Foreign("no data offset"))?,
        samples: samples.ok_or(FragmentError::Foreign("a sample lacks duration, size, flags or offset"))?,
    })
}

fn read_sample(s: &TrunSample) -> Option<FragmentSample> {
    Some(FragmentSample {
        duration: s.duration?,
        size: s.size?,
        cts: i32::try_from(s.composition_time_offset?).ok()?,
        sync: !s.flags?.sample_is_non_sync_sample(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample() -> impl Strategy<Value = FragmentSample> {
        (any::<u32>(), 0u32..100_000, any::<i32>(), any::<bool>())
            .prop_map(|(duration, size, cts, sync)| FragmentSample { duration, size, cts, sync })
    }

    proptest! {
        #[test]
        fn a_fragment_reads_back(
            sequence: u32, track in 1u32..4, time: u64, samples in prop::collection::vec(sample(), 0..80),
        ) {
            let mut out = BytesMut::from(&b"before"[..]);
            write_fragment_header(&mut out, (sequence, track), time, &samples).unwrap();
            let back = read_fragment(&out[6..]).unwrap();
            prop_assert_eq!(back.data_offset as usize, out.len() - 6);
            prop_assert_eq!((back.sequence, back.track_id, back.decode_time), (sequence, track, time));
            prop_assert_eq!(back.samples, samples);
        }

        #[test]
        fn every_sample_that_is_announced_has_bytes(count in 11u32..) {
            let samples = [FragmentSample { duration: 1, size: 2, cts: -3, sync: true }; 10];
            let mut out = BytesMut::new();
            write_fragment_header(&mut out, (1, 1), 9, &samples).unwrap();
            out[80..84].copy_from_slice(&count.to_be_bytes());
            prop_assert!(matches!(read_fragment(&out), Err(FragmentError::Foreign(_))));
            // Without fields a sample takes no bytes: decoding alone would make all of them.
            out[77..80].fill(0);
            prop_assert!(matches!(read_fragment(&out), Err(FragmentError::Foreign(_))));
        }

        #[test]
        fn damaged_fragments_are_errors(mut flip in prop::collection::vec((0usize..300, any::<u8>()), 1..6)) {
            let samples = [FragmentSample { duration: 1, size: 2, cts: -3, sync: true }; 10];
            let mut out = BytesMut::new();
            write_fragment_header(&mut out, (1, 1), 9, &samples).unwrap();
            for (at, with) in flip.drain(..) {
                let at = at % out.len();
                out[at] ^= with;
            }
            let _ = read_fragment(&out);
        }
    }
}
