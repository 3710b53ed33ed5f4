//! From packets back to the bodies of FLV tags and RTMP messages: what a player over RTMP is sent. The tags'
//! own headers and the time base of a viewer are the sender's.

use bytes::Bytes;

use super::tag::TagKind;
use crate::codec::opus;
use crate::packet::Packet;
use crate::proto::amf::amf0::{self, Value};
use crate::time::Timescale;
use crate::track::{CodecConfig, TrackConfig};

/// `FrameType` 1 and 2 with `CodecID` 7, Video File Format Specification 10.1 §E.4.3.1.
const AVC_KEY: u8 = 0x17;
const AVC_DELTA: u8 = 0x27;
/// `SoundFormat` 10; for AAC the other fields are always these, §E.4.2.1.
const AAC: u8 = 0xaf;
/// `SoundFormat` 2 and 14: MP3, and MP3 at 8 kHz.
const MP3: u8 = 2;
const MP3_8K: u8 = 14;
/// The first byte of an enhanced video tag: the extension bit, a frame type of 1 (key) or 2, and the kind of
/// packet, 0 a sequence header and 1 coded frames (Enhanced RTMP v2, "Enhanced Video").
const EX_VIDEO_HEADER: u8 = 0x90;
const EX_VIDEO_KEY: u8 = 0x91;
const EX_VIDEO_DELTA: u8 = 0xa1;
/// The first byte of an enhanced audio tag: format 9 and the kind of packet.
const EX_AUDIO_HEADER: u8 = 0x90;
const EX_AUDIO_FRAME: u8 = 0x91;
/// The composition time is a signed 24-bit number.
const CTS_MAX: i64 = (1 << 23) - 1;

/// Milliseconds of a decode or presentation time, rounded to nearest: what tags count in.
pub fn timestamp_ms(scale: Timescale, ticks: i64) -> i64 {
    let hz = i128::from(scale.hz());
    let ms = (i128::from(ticks) * 2000 + hz).div_euclid(2 * hz);
    i64::try_from(ms).unwrap_or(if ms < 0 { i64::MIN } else { i64::MAX })
}

/// The four characters that name a codec in Enhanced RTMP; `None` for those that every player is sent in the
/// form of before it.
pub fn four_cc(codec: &CodecConfig) -> Option<[u8; 4]> {
    match codec {
        CodecConfig::H265 { .. } => Some(*b"hvc1"),
        CodecConfig::Av1 { .. } => Some(*b"av01"),
        CodecConfig::Vp9 { .. } => Some(*b"vp09"),
        CodecConfig::Opus { .. } => Some(*b"Opus"),
        CodecConfig::H264 { .. } | CodecConfig::Aac { .. } | CodecConfig::Mp3 { .. } | CodecConfig::Amf0 => {
            None
        }
    }
}

/// The sequence header of a track, which a player needs before its first packet. MP3 and data have none.
pub fn header(track: &TrackConfig) -> Option<(TagKind, Bytes)> {
    let video = |four, record| Some((TagKind::Video, enhanced(EX_VIDEO_HEADER, four, &[], record)));
    match &track.codec {
        CodecConfig::H264 { avcc, .. } => Some((TagKind::Video, joined(&[AVC_KEY, 0, 0, 0, 0], avcc))),
        CodecConfig::H265 { hvcc, .. } => video(b"hvc1", hvcc),
        CodecConfig::Av1 { av1c, .. } => video(b"av01", av1c),
        CodecConfig::Vp9 { vpcc, .. } => video(b"vp09", vpcc),
        CodecConfig::Aac { asc, .. } => Some((TagKind::Audio, joined(&[AAC, 0], asc))),
        CodecConfig::Opus { dops, .. } => {
            let header = opus::Header::from_dops(dops).ok()?.to_bytes();
            Some((TagKind::Audio, enhanced(EX_AUDIO_HEADER, b"Opus", &[], &header)))
        }
        CodecConfig::Mp3 { .. } | CodecConfig::Amf0 => None,
    }
}

/// The body of a packet's tag.
pub fn body(track: &TrackConfig, packet: &Packet) -> (TagKind, Bytes) {
    let key = packet.rap.is_rap();
    let first = if key { EX_VIDEO_KEY } else { EX_VIDEO_DELTA };
    let data = &packet.data;
    match &track.codec {
        CodecConfig::H264 { .. } => {
            let [high, middle, low] = composition(track.timescale, packet);
            let first = if key { AVC_KEY } else { AVC_DELTA };
            (TagKind::Video, joined(&[first, 1, high, middle, low], data))
        }
        CodecConfig::H265 { .. } => {
            (TagKind::Video, enhanced(first, b"hvc1", &composition(track.timescale, packet), data))
        }
        CodecConfig::Av1 { .. } => (TagKind::Video, enhanced(first, b"av01", &[], data)),
        CodecConfig::Vp9 { .. } => (TagKind::Video, enhanced(first, b"vp09", &[], data)),
        CodecConfig::Aac { .. } => (TagKind::Audio, joined(&[AAC, 1], data)),
        CodecConfig::Opus { .. } => (TagKind::Audio, enhanced(EX_AUDIO_FRAME, b"Opus", &[], data)),
        CodecConfig::Mp3 { sample_rate, channels, .. } => {
            (TagKind::Audio, joined(&[mp3_flags(*sample_rate, *channels)], data))
        }
        CodecConfig::Amf0 => (TagKind::Script, data.clone()),
    }
}

/// Presentation minus decode time in milliseconds, each rounded by itself so that both run evenly.
fn composition(scale: Timescale, packet: &Packet) -> [u8; 3] {
    let (dts, pts) = (timestamp_ms(scale, packet.dts), timestamp_ms(scale, packet.pts()));
    let cts = pts.saturating_sub(dts).clamp(-CTS_MAX, CTS_MAX).to_be_bytes();
    [cts[5], cts[6], cts[7]]
}

/// §E.4.2.1. Rates that the tag has no word for are told as 44 kHz; the frames say them.
fn mp3_flags(sample_rate: u32, channels: u8) -> u8 {
    let stereo = u8::from(channels > 1);
    let (format, rate) = match sample_rate {
        8_000 => (MP3_8K, 0),
        11_025 => (MP3, 1),
        22_050 => (MP3, 2),
        _ => (MP3, 3),
    };
    format << 4 | rate << 2 | 2 | stereo
}

/// An `onMetaData` that says what the tracks are, §E.5; Enhanced RTMP v2, "Enhancing onMetaData": codecs with
/// four characters are told by them, as a number.
pub fn metadata(tracks: &[TrackConfig]) -> Bytes {
    let mut properties: Vec<(&str, Value)> = Vec::new();
    for track in tracks {
        let id = |old: f64| four_cc(&track.codec).map_or(old, |four| f64::from(u32::from_be_bytes(four)));
        if let Some(picture) = track.codec.picture() {
            properties.push(("width", f64::from(picture.width).into()));
            properties.push(("height", f64::from(picture.height).into()));
            properties.push(("videocodecid", id(7.0).into()));
        }
        if let Some(sound) = track.codec.sound() {
            let old = if matches!(track.codec, CodecConfig::Mp3 { .. }) { 2.0 } else { 10.0 };
            properties.push(("audiocodecid", id(old).into()));
            properties.push(("audiosamplerate", f64::from(sound.sample_rate).into()));
            properties.push(("audiosamplesize", 16.0.into()));
            properties.push(("stereo", (sound.channels > 1).into()));
        }
    }
    let properties = properties.into_iter().map(|(key, value)| (key.into(), value)).collect();
    let values = ["onMetaData".into(), Value::EcmaArray(properties)];
    amf0::encode_all(&values).expect("a few short values").into()
}

fn enhanced(first: u8, four: &[u8; 4], more: &[u8], rest: &[u8]) -> Bytes {
    let mut all = Vec::with_capacity(5 + more.len() + rest.len());
    all.push(first);
    all.extend_from_slice(four);
    all.extend_from_slice(more);
    all.extend_from_slice(rest);
    all.into()
}

fn joined(head: &[u8], rest: &[u8]) -> Bytes {
    let mut all = Vec::with_capacity(head.len() + rest.len());
    all.extend_from_slice(head);
    all.extend_from_slice(rest);
    all.into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::codec::h264::KeyFlag;
    use crate::container::flv::tag::{Body, Codec, Content, Frame, Unit};
    use crate::packet::Rap;
    use crate::track::TrackId;

    fn video() -> TrackConfig {
        let avcc = Bytes::from_static(&[1, 0x64, 0, 0x1f, 0xff]);
        let codec = CodecConfig::H264 { avcc, width: 320, height: 180, sar: (1, 1) };
        TrackConfig { id: TrackId::VIDEO, timescale: Timescale::VIDEO, codec }
    }

    fn audio() -> TrackConfig {
        let asc = Bytes::from_static(&[0x11, 0x90]);
        let codec =
            CodecConfig::Aac { asc, object_type: 2, sample_rate: 48_000, channels: 2, frame_samples: 1024 };
        let timescale = Timescale::new(48_000).unwrap();
        TrackConfig { id: TrackId::AUDIO, timescale, codec }
    }

    #[test]
    fn headers_read_back() {
        let header = |codec, track: &TrackConfig| {
            let (kind, body) = header(track).unwrap();
            match Body::parse(kind, body) {
                Ok(Body::Media(Unit { codec: read, content: Content::Header(record) })) if read == codec => {
                    record
                }
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(header(Codec::H264, &video())[..], [1, 0x64, 0, 0x1f, 0xff]);
        assert_eq!(header(Codec::Aac, &audio())[..], [0x11, 0x90]);
        for (codec, config) in newer() {
            let track = TrackConfig { codec: config, ..video() };
            let expected: &[u8] = match codec {
                Codec::Opus => b"OpusHead\x01\x02\x38\x01\x80\xbb\0\0\0\0\0",
                _ => b"rec",
            };
            assert_eq!(header(codec, &track)[..], *expected);
        }
        assert_eq!(super::header(&TrackConfig { codec: mp3(), ..audio() }), None);
    }

    fn newer() -> [(Codec, CodecConfig); 4] {
        let record = Bytes::from_static(b"rec");
        let dops = Bytes::from_static(&[0, 2, 1, 0x38, 0, 0, 0xbb, 0x80, 0, 0, 0]);
        let (width, height) = (320, 180);
        [
            (Codec::H265, CodecConfig::H265 { hvcc: record.clone(), width, height, sar: (1, 1) }),
            (Codec::Av1, CodecConfig::Av1 { av1c: record.clone(), width, height }),
            (Codec::Vp9, CodecConfig::Vp9 { vpcc: record, width, height }),
            (Codec::Opus, CodecConfig::Opus { dops, channels: 2, frame_samples: 960 }),
        ]
    }

    fn mp3() -> CodecConfig {
        CodecConfig::Mp3 { sample_rate: 22_050, channels: 1, frame_samples: 576 }
    }

    #[test]
    fn packets_of_the_newer_codecs_read_back() {
        let (cts, flag) = (3600, KeyFlag::Delta);
        let packet = Packet { track: TrackId::VIDEO, dts: 900, cts, rap: Rap::None, data: "data".into() };
        for (codec, config) in newer() {
            let sound = codec == Codec::Opus;
            let (kind, body) = body(&TrackConfig { codec: config, ..video() }, &packet);
            let cts_ms = if codec == Codec::H265 { 40 } else { 0 };
            let flag = if sound { KeyFlag::Key } else { flag };
            let content = Content::Frame(Frame { flag, cts_ms, fine_ns: 0, payload: "data".into() });
            assert_eq!(Body::parse(kind, body), Ok(Body::Media(Unit { codec, content })));
        }
        let (kind, body) = body(&TrackConfig { codec: mp3(), ..audio() }, &packet);
        assert_eq!(body[..], *b"\x2adata");
        assert!(matches!(Body::parse(kind, body), Ok(Body::Media(Unit { codec: Codec::Mp3, .. }))));
        let flags = [(8_000, 2), (11_025, 1), (44_100, 2), (48_000, 1)].map(|(hz, n)| mp3_flags(hz, n));
        assert_eq!(flags, [0xe3, 0x26, 0x2f, 0x2e]);
    }

    #[test]
    fn metadata_is_a_script_message_that_names_itself() {
        let body = metadata(&[video(), audio()]);
        let Ok(Body::Script(script)) = Body::parse(TagKind::Script, body.clone()) else { panic!() };
        assert_eq!((script.name.as_str(), script.data), ("onMetaData", body));
    }

    #[test]
    fn a_sample_clock_rounds_to_the_nearest_millisecond() {
        let scale = Timescale::new(44_100).unwrap();
        let ms: Vec<i64> = (0..5).map(|n| timestamp_ms(scale, n * 1024)).collect();
        assert_eq!(ms, [0, 23, 46, 70, 93]);
        assert_eq!(timestamp_ms(Timescale::VIDEO, -45), 0);
        assert_eq!(timestamp_ms(Timescale::VIDEO, -46), -1);
    }

    proptest! {
        #[test]
        fn a_packet_of_whole_milliseconds_reads_back(
            dts_ms in 0i64..1 << 40, cts_ms in -9_000i32..64_000, key: bool,
            data in proptest::collection::vec(any::<u8>(), 1..50),
        ) {
            let rap = if key { Rap::Closed } else { Rap::None };
            let data = Bytes::from(data);
            let packet = Packet { track: TrackId::VIDEO, dts: dts_ms * 90, cts: cts_ms * 90, rap, data: data.clone() };
            prop_assert_eq!(timestamp_ms(Timescale::VIDEO, packet.dts), dts_ms);
            let (kind, body) = body(&video(), &packet);
            let flag = if key { KeyFlag::Key } else { KeyFlag::Delta };
            let content = Content::Frame(Frame { flag, cts_ms, fine_ns: 0, payload: data });
            let want = Body::Media(Unit { codec: Codec::H264, content });
            prop_assert_eq!(Body::parse(kind, body), Ok(want));
        }
    }
}
