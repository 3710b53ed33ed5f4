//! From packets back to the bodies of FLV tags and RTMP messages: what a player over RTMP is sent. The tags'
//! own headers and the time base of a viewer are the sender's.

use bytes::Bytes;

use super::tag::TagKind;
use crate::packet::Packet;
use crate::proto::amf::amf0::{self, Value};
use crate::time::Timescale;
use crate::track::{CodecConfig, TrackConfig};

/// `FrameType` 1 and 2 with `CodecID` 7, Video File Format Specification 10.1 §E.4.3.1.
const AVC_KEY: u8 = 0x17;
const AVC_DELTA: u8 = 0x27;
/// `SoundFormat` 10; for AAC the other fields are always these, §E.4.2.1.
const AAC: u8 = 0xaf;
/// The composition time is a signed 24-bit number.
const CTS_MAX: i64 = (1 << 23) - 1;

/// Milliseconds of a decode or presentation time, rounded to nearest: what tags count in.
pub fn timestamp_ms(scale: Timescale, ticks: i64) -> i64 {
    let hz = i128::from(scale.hz());
    let ms = (i128::from(ticks) * 2000 + hz).div_euclid(2 * hz);
    i64::try_from(ms).unwrap_or(if ms < 0 { i64::MIN } else { i64::MAX })
}

/// The sequence header of a track, which a player needs before its first packet. Data has none.
pub fn header(track: &TrackConfig) -> Option<(TagKind, Bytes)> {
    match &track.codec {
        CodecConfig::H264 { avcc, .. } => Some((TagKind::Video, joined(&[AVC_KEY, 0, 0, 0, 0], avcc))),
        CodecConfig::Aac { asc, .. } => Some((TagKind::Audio, joined(&[AAC, 0], asc))),
        CodecConfig::Amf0 => None,
    }
}

/// The body of a packet's tag.
pub fn body(track: &TrackConfig, packet: &Packet) -> (TagKind, Bytes) {
    match &track.codec {
        CodecConfig::H264 { .. } => {
            let (dts, pts) =
                (timestamp_ms(track.timescale, packet.dts), timestamp_ms(track.timescale, packet.pts()));
            let cts = pts.saturating_sub(dts).clamp(-CTS_MAX, CTS_MAX).to_be_bytes();
            let first = if packet.rap.is_rap() { AVC_KEY } else { AVC_DELTA };
            (TagKind::Video, joined(&[first, 1, cts[5], cts[6], cts[7]], &packet.data))
        }
        CodecConfig::Aac { .. } => (TagKind::Audio, joined(&[AAC, 1], &packet.data)),
        CodecConfig::Amf0 => (TagKind::Script, packet.data.clone()),
    }
}

/// An `onMetaData` that says what the tracks are, §E.5.
pub fn metadata(tracks: &[TrackConfig]) -> Bytes {
    let mut properties: Vec<(&str, Value)> = Vec::new();
    for track in tracks {
        match &track.codec {
            CodecConfig::H264 { width, height, .. } => {
                properties.push(("width", f64::from(*width).into()));
                properties.push(("height", f64::from(*height).into()));
                properties.push(("videocodecid", 7.0.into()));
            }
            CodecConfig::Aac { sample_rate, channels, .. } => {
                properties.push(("audiocodecid", 10.0.into()));
                properties.push(("audiosamplerate", f64::from(*sample_rate).into()));
                properties.push(("audiosamplesize", 16.0.into()));
                properties.push(("stereo", (*channels > 1).into()));
            }
            CodecConfig::Amf0 => {}
        }
    }
    let properties = properties.into_iter().map(|(key, value)| (key.into(), value)).collect();
    let values = ["onMetaData".into(), Value::EcmaArray(properties)];
    amf0::encode_all(&values).expect("a few short values").into()
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
    use crate::container::flv::tag::{AvcUnit, Body};
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
        let (kind, body) = header(&video()).unwrap();
        assert_eq!(
            Body::parse(kind, body),
            Ok(Body::AvcHeader(Bytes::from_static(&[1, 0x64, 0, 0x1f, 0xff])))
        );
        let (kind, body) = header(&audio()).unwrap();
        assert_eq!(Body::parse(kind, body), Ok(Body::AacHeader(Bytes::from_static(&[0x11, 0x90]))));
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
            let want = Body::AvcUnit(AvcUnit { flag, cts_ms, payload: data });
            prop_assert_eq!(Body::parse(kind, body), Ok(want));
        }
    }
}
