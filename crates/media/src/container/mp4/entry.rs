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

/// The sample entry box of a track as it stands in `stsd`: `avc1` with `avcC` and an explicit `pasp`,
/// `mp4a` with `esds`, or `mett`.
pub fn sample_entry(track: &TrackConfig) -> Bytes {
    let mut out = BytesMut::with_capacity(256);
    match &track.codec {
        CodecConfig::H264 { avcc, width, height, sar } => {
            avc_entry(&mut out, b"avc1", avcc, (*width, *height), *sar);
        }
        CodecConfig::Aac { asc, sample_rate, channels, .. } => {
            aac_entry(&mut out, asc, (track.timescale.hz(), *sample_rate), *channels);
        }
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

/// ISO/IEC 14496-12 §12.1.3 and 14496-15 §5.4.2.
fn avc_entry(out: &mut BytesMut, kind: &[u8; 4], avcc: &[u8], size: (u16, u16), sar: (u32, u32)) {
    boxed(out, kind, |out| {
        out.put_slice(&[0, 0, 0, 0, 0, 0, 0, 1]); // reserved, data_reference_index 1
        out.put_bytes(0, 16);
        out.put_u16(size.0);
        out.put_u16(size.1);
        out.put_slice(&[0, 0x48, 0, 0, 0, 0x48, 0, 0, 0, 0, 0, 0, 0, 1]); // 72 dpi twice, reserved, 1 frame
        out.put_bytes(0, 32);
        out.put_u16(0x18);
        out.put_i16(-1);
        boxed(out, b"avcC", |out| out.put_slice(avcc));
        boxed(out, b"pasp", |out| {
            out.put_u32(sar.0);
            out.put_u32(sar.1);
        });
    });
}

/// ISO/IEC 14496-12 §12.2.3 and 14496-14 §5.6.
fn aac_entry(out: &mut BytesMut, asc: &[u8], rates: (u32, u32), channels: u8) {
    boxed(out, b"mp4a", |out| {
        out.put_slice(&[0, 0, 0, 0, 0, 0, 0, 1]);
        out.put_bytes(0, 8);
        out.put_u16(u16::from(channels));
        out.put_u16(16);
        out.put_u32(0);
        // A 16.16 field: rates of 64 kHz and more do not fit and are told by the ASC alone.
        out.put_u32(u16::try_from(rates.0).map_or(0, |r| u32::from(r) << 16));
        boxed(out, b"esds", |out| {
            out.put_u32(0);
            esds(out, asc);
        });
    });
}

fn esds(out: &mut BytesMut, asc: &[u8]) {
    let specific = 2 + asc.len();
    let decoder = 13 + specific;
    let es = 3 + 2 + decoder + 3;
    let len = |n: usize| u8::try_from(n).expect("an ASC is at most 64 bytes");
    out.put_slice(&[ES_TAGS[0], len(es), 0, 0, 0]);
    out.put_slice(&[ES_TAGS[1], len(decoder), OBJECT_TYPE_AAC, 0x15]);
    out.put_bytes(0, 11); // buffer size, maximum and average bit rate: unknown
    out.put_slice(&[ES_TAGS[2], len(asc.len())]);
    out.put_slice(asc);
    out.put_slice(&[ES_TAGS[3], 1, 2]);
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
    /// `avc1`: the `avcC` body, coded size and pixel aspect.
    Avc {
        /// Body of `avcC`.
        avcc: Bytes,
        /// Width and height.
        size: (u16, u16),
        /// Pixel aspect.
        sar: (u32, u32),
    },
    /// `mp4a`: the AudioSpecificConfig.
    Aac {
        /// The ASC.
        asc: Bytes,
    },
    /// `mett` with AMF0.
    Amf0,
}

/// Reads the entry box at the front of `bytes` (header included); `None` when it is not one of ours.
pub fn read_sample_entry(bytes: &[u8]) -> Option<EntryFacts> {
    let body = bytes.get(8..)?;
    match bytes.get(4..8)? {
        b"avc1" => {
            let size = (be16(body, 24)?, be16(body, 26)?);
            let avcc = Bytes::copy_from_slice(child(body.get(78..)?, b"avcC")?);
            let pasp = child(body.get(78..)?, b"pasp")?;
            Some(EntryFacts::Avc { avcc, size, sar: (be32(pasp, 0)?, be32(pasp, 4)?) })
        }
        b"mp4a" => {
            let esds = child(body.get(28..)?, b"esds")?;
            let len = usize::from(*esds.get(4 + 5 + 15 + 1)?);
            let asc = esds.get(26..26 + len)?;
            Some(EntryFacts::Aac { asc: Bytes::copy_from_slice(asc) })
        }
        b"mett" => body.get(9..)?.starts_with(AMF0_MIME).then_some(EntryFacts::Amf0),
        _ => None,
    }
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

    #[test]
    fn entries_read_back() {
        let avcc = Bytes::from_static(&[1, 0x64, 0, 0x1f, 0xff, 0xe0, 0]);
        let codec = CodecConfig::H264 { avcc: avcc.clone(), width: 1280, height: 720, sar: (4, 3) };
        let entry = sample_entry(&TrackConfig { id: TrackId::VIDEO, timescale: Timescale::VIDEO, codec });
        assert_eq!(read_sample_entry(&entry), Some(EntryFacts::Avc { avcc, size: (1280, 720), sar: (4, 3) }));
        let asc = Bytes::from_static(&[0x12, 0x10]);
        let codec = CodecConfig::Aac {
            asc: asc.clone(),
            object_type: 2,
            sample_rate: 44100,
            channels: 2,
            frame_samples: 1024,
        };
        let scale = Timescale::new(44100).unwrap();
        let entry = sample_entry(&TrackConfig { id: TrackId::AUDIO, timescale: scale, codec });
        assert_eq!(read_sample_entry(&entry), Some(EntryFacts::Aac { asc }));
        let data = TrackConfig { id: TrackId::DATA, timescale: Timescale::VIDEO, codec: CodecConfig::Amf0 };
        assert_eq!(read_sample_entry(&sample_entry(&data)), Some(EntryFacts::Amf0));
    }
}
