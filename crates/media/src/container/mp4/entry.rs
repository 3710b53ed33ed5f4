//! Sample entries: how `stsd` describes each codec. Written byte by byte so that a configuration comes
//! back exactly as it went in.

use bytes::{BufMut, Bytes, BytesMut};

use crate::track::{CodecConfig, TrackConfig};

/// MIME type of the timed-data track: one AMF0 message a sample.
const AMF0_MIME: &[u8] = b"application/x-amf0";
/// `ES_Descriptor`, `DecoderConfigDescriptor`, `DecoderSpecificInfo`, `SLConfigDescriptor` tags,
/// ISO/IEC 14496-1 §7.2.2.1.
const ES_TAGS: [u8; 4] = [0x03, 0x04, 0x05, 0x06];
/// ISO/IEC 14496-3 audio.
const OBJECT_TYPE_AAC: u8 = 0x40;
/// MPEG-1 audio, ISO/IEC 11172-3; MPEG-2 audio (0x69) reads alike, and one of the two is enough.
const OBJECT_TYPE_MP3: u8 = 0x6b;

/// The sample entry box of a track as it stands in `stsd`: `avc1`, `hvc1`, `av01` or `vp09` with its
/// configuration and an explicit `pasp`, `mp4a` with `esds`, `Opus` with `dOps`, or `mett`.
pub fn sample_entry(track: &TrackConfig) -> Bytes {
    let mut out = BytesMut::with_capacity(256);
    let codec = &track.codec;
    match codec {
        CodecConfig::H264 { avcc, .. } => picture_entry(&mut out, b"avc1", b"avcC", avcc, codec),
        CodecConfig::H265 { hvcc, .. } => picture_entry(&mut out, b"hvc1", b"hvcC", hvcc, codec),
        CodecConfig::Av1 { av1c, .. } => picture_entry(&mut out, b"av01", b"av1C", av1c, codec),
        CodecConfig::Vp9 { vpcc, .. } => picture_entry(&mut out, b"vp09", b"vpcC", vpcc, codec),
        CodecConfig::Aac { asc, channels, .. } => sound_entry(&mut out, b"mp4a", track, *channels, |out| {
            esds(out, OBJECT_TYPE_AAC, asc);
        }),
        CodecConfig::Mp3 { channels, .. } => sound_entry(&mut out, b"mp4a", track, *channels, |out| {
            esds(out, OBJECT_TYPE_MP3, &[]);
        }),
        CodecConfig::Opus { dops, channels, .. } => sound_entry(&mut out, b"Opus", track, *channels, |out| {
            boxed(out, b"dOps", |out| out.put_slice(dops));
        }),
        CodecConfig::Amf0 => data_entry(&mut out),
    }
    out.freeze()
}

fn boxed(out: &mut BytesMut, kind: &[u8; 4], body: impl FnOnce(&mut BytesMut)) {
    let at = out.len();
    out.put_u32(0);
    out.put_slice(kind);
    body(out);
    let len = u32::try_from(out.len() - at).expect("sample entries are far below 4 GiB");
    out[at..at + 4].copy_from_slice(&len.to_be_bytes());
}

/// ISO/IEC 14496-12 §12.1.3; 14496-15 §5.4.2 and §8.4.1; AV1 Codec ISO Media File Format Binding §2.2; VP Codec
/// ISO Media File Format Binding §1.
fn picture_entry(out: &mut BytesMut, kind: &[u8; 4], config: &[u8; 4], body: &[u8], codec: &CodecConfig) {
    let picture = codec.picture().expect("only configurations of pictures come here");
    boxed(out, kind, |out| {
        out.put_slice(&[0, 0, 0, 0, 0, 0, 0, 1]); // reserved, data_reference_index 1
        out.put_bytes(0, 16);
        out.put_u16(picture.width);
        out.put_u16(picture.height);
        out.put_slice(&[0, 0x48, 0, 0, 0, 0x48, 0, 0, 0, 0, 0, 0, 0, 1]); // 72 dpi twice, reserved, 1 frame
        out.put_bytes(0, 32);
        out.put_u16(0x18);
        out.put_i16(-1);
        boxed(out, config, |out| out.put_slice(body));
        boxed(out, b"pasp", |out| {
            out.put_u32(picture.sar.0);
            out.put_u32(picture.sar.1);
        });
    });
}

/// ISO/IEC 14496-12 §12.2.3 and 14496-14 §5.6; Encapsulation of Opus in ISO Base Media File Format §4.3.
fn sound_entry(
    out: &mut BytesMut,
    kind: &[u8; 4],
    track: &TrackConfig,
    channels: u8,
    config: impl FnOnce(&mut BytesMut),
) {
    boxed(out, kind, |out| {
        out.put_slice(&[0, 0, 0, 0, 0, 0, 0, 1]);
        out.put_bytes(0, 8);
        out.put_u16(u16::from(channels));
        out.put_u16(16);
        out.put_u32(0);
        // A 16.16 field: rates of 64 kHz and more do not fit and are told by the configuration alone.
        let rate = track.codec.sound().map_or(0, |sound| sound.sample_rate);
        out.put_u32(u16::try_from(rate).map_or(0, |r| u32::from(r) << 16));
        config(out);
    });
}

/// An `esds` with a `DecoderSpecificInfo` where there is one.
fn esds(out: &mut BytesMut, object_type: u8, specific: &[u8]) {
    let info = if specific.is_empty() { 0 } else { 2 + specific.len() };
    let decoder = 13 + info;
    let es = 3 + 2 + decoder + 3;
    let len = |n: usize| u8::try_from(n).expect("an ASC is at most 64 bytes");
    boxed(out, b"esds", |out| {
        out.put_u32(0);
        out.put_slice(&[ES_TAGS[0], len(es), 0, 0, 0]);
        out.put_slice(&[ES_TAGS[1], len(decoder), object_type, 0x15]);
        out.put_bytes(0, 11); // buffer size, maximum and average bit rate: unknown
        if info > 0 {
            out.put_slice(&[ES_TAGS[2], len(specific.len())]);
            out.put_slice(specific);
        }
        out.put_slice(&[ES_TAGS[3], 1, 2]);
    });
}

/// ISO/IEC 14496-12 §12.3.3, text metadata.
fn data_entry(out: &mut BytesMut) {
    boxed(out, b"mett", |out| {
        out.put_slice(&[0, 0, 0, 0, 0, 0, 0, 1]);
        out.put_u8(0); // no content encoding
        out.put_slice(AMF0_MIME);
        out.put_u8(0);
    });
}

/// What a sample entry says, as far as [`crate::TrackConfig`] needs it. Inverse of [`sample_entry`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryFacts {
    /// Pictures, whose configuration is in the entry.
    Pictures(CodecConfig),
    /// `mp4a`: the AudioSpecificConfig.
    Aac {
        /// The ASC.
        asc: Bytes,
    },
    /// `mp4a` with MPEG audio.
    Mp3 {
        /// Sample rate in Hz.
        sample_rate: u32,
        /// Channels.
        channels: u8,
    },
    /// `Opus`: the body of `dOps`.
    Opus {
        /// The body.
        dops: Bytes,
    },
    /// `mett` with AMF0.
    Amf0,
}

/// Reads the entry box at the front of `bytes` (header included); `None` when it is not one of ours.
pub fn read_sample_entry(bytes: &[u8]) -> Option<EntryFacts> {
    let body = bytes.get(8..)?;
    match bytes.get(4..8)? {
        kind @ (b"avc1" | b"hvc1" | b"av01" | b"vp09") => read_pictures(kind, body),
        b"mp4a" => {
            let esds = child(body.get(28..)?, b"esds")?;
            let object_type = *esds.get(4 + 5 + 2)?;
            if object_type == OBJECT_TYPE_MP3 {
                let channels = u8::try_from(be16(body, 16)?).ok()?;
                return Some(EntryFacts::Mp3 { sample_rate: be32(body, 24)? >> 16, channels });
            }
            let len = usize::from(*esds.get(4 + 5 + 15 + 1)?);
            let asc = esds.get(26..26 + len)?;
            Some(EntryFacts::Aac { asc: Bytes::copy_from_slice(asc) })
        }
        b"Opus" => {
            let dops = child(body.get(28..)?, b"dOps")?;
            Some(EntryFacts::Opus { dops: Bytes::copy_from_slice(dops) })
        }
        b"mett" => body.get(9..)?.starts_with(AMF0_MIME).then_some(EntryFacts::Amf0),
        _ => None,
    }
}

fn read_pictures(kind: &[u8], body: &[u8]) -> Option<EntryFacts> {
    let (width, height) = (be16(body, 24)?, be16(body, 26)?);
    let children = body.get(78..)?;
    let config = |kind| child(children, kind).map(Bytes::copy_from_slice);
    let pasp = child(children, b"pasp")?;
    let sar = (be32(pasp, 0)?, be32(pasp, 4)?);
    Some(EntryFacts::Pictures(match kind {
        b"avc1" => CodecConfig::H264 { avcc: config(b"avcC")?, width, height, sar },
        b"hvc1" => CodecConfig::H265 { hvcc: config(b"hvcC")?, width, height, sar },
        b"av01" => CodecConfig::Av1 { av1c: config(b"av1C")?, width, height },
        _ => CodecConfig::Vp9 { vpcc: config(b"vpcC")?, width, height },
    }))
}

fn be16(b: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(b.get(at..at + 2)?.try_into().ok()?))
}

fn be32(b: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(b.get(at..at + 4)?.try_into().ok()?))
}

/// The body of the first child box of a kind.
pub(super) fn child<'a>(mut bytes: &'a [u8], kind: &[u8; 4]) -> Option<&'a [u8]> {
    while !bytes.is_empty() {
        let header = super::read_box_header(bytes).ok()?;
        let len = header.len.map_or(bytes.len(), |l| usize::try_from(l).unwrap_or(usize::MAX));
        let whole = bytes.get(..len)?;
        if &header.kind == kind {
            return whole.get(usize::try_from(header.header_len).ok()?..);
        }
        bytes = &bytes[len..];
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Timescale;
    use crate::track::TrackId;
    use shiguredo_mp4::{Decode as _, boxes as oracle};

    fn entry(codec: CodecConfig, hz: u32) -> Bytes {
        sample_entry(&TrackConfig { id: TrackId::VIDEO, timescale: Timescale::new(hz).unwrap(), codec })
    }

    #[test]
    fn entries_of_pictures_read_back() {
        let body = Bytes::from_static(&[1, 0x64, 0, 0x1f, 0xff, 0xe0, 0]);
        let (width, height, sar) = (1280, 720, (4, 3));
        let codecs = [
            CodecConfig::H264 { avcc: body.clone(), width, height, sar },
            CodecConfig::H265 { hvcc: body.clone(), width, height, sar },
            CodecConfig::Av1 { av1c: body.clone(), width, height },
            CodecConfig::Vp9 { vpcc: body, width, height },
        ];
        for codec in codecs {
            let entry = entry(codec.clone(), 90_000);
            assert_eq!(read_sample_entry(&entry), Some(EntryFacts::Pictures(codec)));
        }
    }

    #[test]
    fn entries_of_sound_and_data_read_back() {
        let asc = Bytes::from_static(&[0x12, 0x10]);
        let (sample_rate, channels, frame_samples) = (44_100, 2, 1024);
        let aac = CodecConfig::Aac { asc: asc.clone(), object_type: 2, sample_rate, channels, frame_samples };
        assert_eq!(read_sample_entry(&entry(aac, 44_100)), Some(EntryFacts::Aac { asc }));
        let mp3 = CodecConfig::Mp3 { sample_rate, channels, frame_samples: 1152 };
        let facts = EntryFacts::Mp3 { sample_rate, channels };
        assert_eq!(read_sample_entry(&entry(mp3, 44_100)), Some(facts));
        let dops = Bytes::from_static(&[0, 2, 1, 0x38, 0, 0, 0xbb, 0x80, 0, 0, 0]);
        let opus = CodecConfig::Opus { dops: dops.clone(), channels, frame_samples: 960 };
        assert_eq!(read_sample_entry(&entry(opus, 48_000)), Some(EntryFacts::Opus { dops }));
        let data = entry(CodecConfig::Amf0, 90_000);
        assert_eq!(read_sample_entry(&data), Some(EntryFacts::Amf0));
    }

    #[test]
    fn another_reader_reads_the_entries() {
        let record = crate::codec::h264::samples::hex(crate::codec::h265::samples::RECORDS[0].0);
        let hvc1 = CodecConfig::H265 { hvcc: record.into(), width: 1920, height: 1080, sar: (1, 1) };
        let (read, _) = oracle::Hvc1Box::decode(&entry(hvc1, 90_000)).unwrap();
        assert_eq!((read.visual.width, read.hvcc_box.nalu_arrays.len()), (1920, 3));
        let av1c = Bytes::from_static(&[0x81, 0, 0x0c, 0]);
        let av01 = CodecConfig::Av1 { av1c, width: 320, height: 180 };
        assert_eq!(oracle::Av01Box::decode(&entry(av01, 90_000)).unwrap().0.visual.height, 180);
        let vpcc = Bytes::from_static(&[1, 0, 0, 0, 0, 11, 0x82, 2, 2, 2, 0, 0]);
        let vp09 = CodecConfig::Vp9 { vpcc, width: 320, height: 180 };
        assert_eq!(oracle::Vp09Box::decode(&entry(vp09, 90_000)).unwrap().0.vpcc_box.level, 11);
        let dops = Bytes::from_static(&[0, 2, 1, 0x38, 0, 0, 0xbb, 0x80, 0, 0, 0]);
        let opus = CodecConfig::Opus { dops, channels: 2, frame_samples: 960 };
        assert_eq!(oracle::OpusBox::decode(&entry(opus, 48_000)).unwrap().0.dops_box.pre_skip, 312);
        let mp3 = CodecConfig::Mp3 { sample_rate: 48_000, channels: 2, frame_samples: 1152 };
        let (read, _) = oracle::Mp4aBox::decode(&entry(mp3, 48_000)).unwrap();
        assert_eq!(read.esds_box.es.dec_config_descr.object_type_indication, OBJECT_TYPE_MP3);
    }
}
