//! The body of one tag as a typed value (Video File Format Specification 10.1, §E.4). The one place where
//! codecs are told apart: a new one is a new arm here. Looks no further than the tag's own header.

use std::fmt;

use bytes::Bytes;

use super::error::TagError;
use crate::codec::h264::KeyFlag;

/// Longest name of a script message read; the rest of a longer one is left off.
pub const SCRIPT_NAME_BYTES_MAX: usize = 64;

/// Publishers wrap metadata that servers should keep in a call of this name.
const SET_DATA_FRAME: &str = "@setDataFrame";

/// What a tag or an RTMP media message carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TagKind {
    /// Tag and message type 8.
    Audio,
    /// Tag and message type 9.
    Video,
    /// Tag and message type 18: AMF0 data.
    Script,
}

impl TagKind {
    /// From the tag or message type.
    pub const fn from_type(tag_type: u8) -> Option<Self> {
        match tag_type {
            8 => Some(Self::Audio),
            9 => Some(Self::Video),
            18 => Some(Self::Script),
            _ => None,
        }
    }
}

impl fmt::Display for TagKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Audio => "audio",
            Self::Video => "video",
            Self::Script => "script",
        })
    }
}

/// The body of a tag. Payloads share the body's allocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// An `AVCDecoderConfigurationRecord`.
    AvcHeader(Bytes),
    /// NAL units of one access unit.
    AvcUnit(AvcUnit),
    /// The end of the H.264 sequence.
    AvcEnd,
    /// A video command frame (the start or end of a seek by a Flash server): no media.
    VideoCommand,
    /// An AudioSpecificConfig.
    AacHeader(Bytes),
    /// One raw AAC access unit.
    AacFrame(Bytes),
    /// A script message.
    Script(Script),
    /// A script message that does not begin with a name.
    NamelessScript,
    /// Nothing at all: a keep-alive of some encoders.
    Empty,
}

/// NAL units with the times and flags of their tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AvcUnit {
    /// Whether the tag is marked as a key frame.
    pub flag: KeyFlag,
    /// Presentation minus decode time in milliseconds, signed 24 bits.
    pub cts_ms: i32,
    /// NAL units behind lengths.
    pub payload: Bytes,
}

/// A script message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// The handler's name, at most [`SCRIPT_NAME_BYTES_MAX`] bytes of it.
    pub name: String,
    /// The message in AMF0, the name included and `@setDataFrame` taken off.
    pub data: Bytes,
}

impl Body {
    /// Reads a tag's body.
    pub fn parse(kind: TagKind, body: Bytes) -> Result<Self, TagError> {
        let Some(&first) = body.first() else { return Ok(Self::Empty) };
        match kind {
            TagKind::Video => video(first, body),
            TagKind::Audio => audio(first, body),
            TagKind::Script => Ok(script(body).map_or(Self::NamelessScript, Self::Script)),
        }
    }
}

/// `CodecID` of H.264.
const AVC: u8 = 7;

fn video(first: u8, body: Bytes) -> Result<Body, TagError> {
    if first & 0x80 != 0 {
        return Err(enhanced("video", &body));
    }
    let (frame_type, codec) = (first >> 4, first & 15);
    match codec {
        _ if frame_type == 5 => Ok(Body::VideoCommand),
        AVC => avc(frame_type, body),
        other => Err(TagError::Unsupported(video_codec(other))),
    }
}

fn avc(frame_type: u8, body: Bytes) -> Result<Body, TagError> {
    let Some(&[_, packet_type, high, middle, low]) = body.first_chunk() else {
        // The end of a sequence is written without its composition time by some.
        let end = body.get(1) == Some(&2);
        return if end { Ok(Body::AvcEnd) } else { Err(short("an H.264 tag", &body)) };
    };
    let payload = body.slice(5..);
    match packet_type {
        0 => Ok(Body::AvcHeader(payload)),
        1 => {
            // Frame types 1 and 4 are key frames, as the encoder or as a server made them.
            let flag = if matches!(frame_type, 1 | 4) { KeyFlag::Key } else { KeyFlag::Delta };
            let cts_ms = i32::from_be_bytes([high, middle, low, 0]) >> 8;
            Ok(Body::AvcUnit(AvcUnit { flag, cts_ms, payload }))
        }
        2 => Ok(Body::AvcEnd),
        found => Err(TagError::PacketType { codec: "H.264", found }),
    }
}

fn video_codec(codec: u8) -> String {
    let name = match codec {
        1 => "JPEG",
        2 => "Sorenson H.263",
        3 | 6 => "Screen Video",
        4 | 5 => "On2 VP6",
        8 => "H.263",
        9 => "MPEG-4 Part 2",
        12 => "HEVC",
        13 => "AV1",
        14 => "VVC",
        _ => "unknown",
    };
    format!("video codec {codec} ({name})")
}

/// `SoundFormat` of AAC, and the one that Enhanced RTMP took for its own header.
const AAC: u8 = 10;
const ENHANCED: u8 = 9;

fn audio(first: u8, body: Bytes) -> Result<Body, TagError> {
    match first >> 4 {
        AAC => match body.get(1) {
            None => Err(short("an AAC tag", &body)),
            Some(0) => Ok(Body::AacHeader(body.slice(2..))),
            Some(1) => Ok(Body::AacFrame(body.slice(2..))),
            Some(&found) => Err(TagError::PacketType { codec: "AAC", found }),
        },
        ENHANCED => Err(enhanced("audio", &body)),
        other => Err(TagError::Unsupported(sound_format(other))),
    }
}

fn sound_format(format: u8) -> String {
    let name = match format {
        0 | 3 => "PCM",
        1 => "ADPCM",
        2 | 14 => "MP3",
        4..=6 => "Nellymoser",
        7 | 8 => "G.711",
        11 => "Speex",
        13 => "Opus",
        _ => "unknown",
    };
    format!("sound format {format} ({name})")
}

/// The refusal of an Enhanced RTMP tag, which names its codec by four characters.
fn enhanced(kind: &str, body: &[u8]) -> TagError {
    let four = body.get(1..5).map_or_else(|| "none".into(), |four| four.escape_ascii().to_string());
    TagError::Unsupported(format!("Enhanced RTMP {kind} (FourCC {four})"))
}

fn short(what: &'static str, body: &[u8]) -> TagError {
    TagError::Short { what, bytes: body.len() }
}

fn script(body: Bytes) -> Option<Script> {
    let (name, length) = amf_string(&body)?;
    if name == SET_DATA_FRAME.as_bytes() {
        let data = body.slice(length..);
        let (name, _) = amf_string(&data)?;
        return Some(Script { name: readable(name), data });
    }
    Some(Script { name: readable(name), data: body })
}

/// An AMF0 string (marker 2, two bytes of length) and the bytes it takes.
fn amf_string(data: &[u8]) -> Option<(&[u8], usize)> {
    let &[2, high, low] = data.first_chunk()? else { return None };
    let end = 3 + usize::from(u16::from_be_bytes([high, low]));
    Some((data.get(3..end)?, end))
}

fn readable(name: &[u8]) -> String {
    let name = &name[..name.len().min(SCRIPT_NAME_BYTES_MAX)];
    String::from_utf8_lossy(name).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(kind: TagKind, body: &[u8]) -> Result<Body, TagError> {
        Body::parse(kind, Bytes::copy_from_slice(body))
    }

    fn unit(flag: KeyFlag, cts_ms: i32, payload: &'static [u8]) -> Body {
        Body::AvcUnit(AvcUnit { flag, cts_ms, payload: Bytes::from_static(payload) })
    }

    #[test]
    fn h264_tags_are_read_with_signed_composition_times() {
        let video = |body: &[u8]| read(TagKind::Video, body).unwrap();
        assert_eq!(video(&[0x17, 0, 0, 0, 0, 1, 2]), Body::AvcHeader(Bytes::from_static(&[1, 2])));
        assert_eq!(video(&[0x17, 1, 0, 0, 80, 9]), unit(KeyFlag::Key, 80, &[9]));
        assert_eq!(video(&[0x47, 1, 0x7f, 0xff, 0xff]), unit(KeyFlag::Key, 8_388_607, &[]));
        assert_eq!(video(&[0x27, 1, 0xff, 0xff, 0xd8, 9]), unit(KeyFlag::Delta, -40, &[9]));
        assert_eq!(video(&[0x37, 1, 0x80, 0, 0]), unit(KeyFlag::Delta, -8_388_608, &[]));
        assert_eq!([video(&[0x17, 2, 0, 0, 0]), video(&[0x17, 2])], [Body::AvcEnd, Body::AvcEnd]);
        assert_eq!(video(&[0x57, 0]), Body::VideoCommand);
        assert_eq!(video(&[]), Body::Empty);
    }

    #[test]
    fn aac_tags_are_read() {
        let audio = |body: &[u8]| read(TagKind::Audio, body).unwrap();
        assert_eq!(audio(&[0xaf, 0, 0x12, 0x10]), Body::AacHeader(Bytes::from_static(&[0x12, 0x10])));
        assert_eq!(audio(&[0xaf, 1, 0x21]), Body::AacFrame(Bytes::from_static(&[0x21])));
        assert_eq!(audio(&[0xaf, 1]), Body::AacFrame(Bytes::new()));
        assert_eq!(audio(&[]), Body::Empty);
    }

    #[test]
    fn scripts_are_named_and_lose_the_set_data_frame_wrapper() {
        let metadata = b"\x02\x00\x0aonMetaData\x08\x00\x00\x00\x00\x00\x00\x09";
        let wrapped = [b"\x02\x00\x0d@setDataFrame", &metadata[..]].concat();
        let expected = Body::Script(Script { name: "onMetaData".into(), data: Bytes::from_static(metadata) });
        assert_eq!(read(TagKind::Script, metadata), Ok(expected.clone()));
        assert_eq!(read(TagKind::Script, &wrapped), Ok(expected));
        for nameless in [&[0x05][..], &[2, 0, 9, b'x'], &wrapped[..20], &[0x11, 2, 0, 1, b'x']] {
            assert_eq!(read(TagKind::Script, nameless), Ok(Body::NamelessScript));
        }
    }

    #[test]
    fn what_is_not_carried_is_refused_by_name() {
        let refusal = |kind, body: &[u8]| read(kind, body).unwrap_err().to_string();
        let cases = [
            (TagKind::Video, &[0x1c, 1, 0, 0, 0][..], "video codec 12 (HEVC)"),
            (TagKind::Video, &[0x12], "video codec 2 (Sorenson H.263)"),
            (TagKind::Video, &[0x90, b'h', b'v', b'c', b'1'], "Enhanced RTMP video (FourCC hvc1)"),
            (TagKind::Video, &[0x90, b'a', 0, 1, 0xff], r"Enhanced RTMP video (FourCC a\x00\x01\xff)"),
            (TagKind::Video, &[0x90], "Enhanced RTMP video (FourCC none)"),
            (TagKind::Audio, &[0x90, b'O', b'p', b'u', b's'], "Enhanced RTMP audio (FourCC Opus)"),
            (TagKind::Audio, &[0x2f, 0xff], "sound format 2 (MP3)"),
            (TagKind::Audio, &[0xb2], "sound format 11 (Speex)"),
        ];
        for (kind, body, what) in cases {
            let told = format!("{what} is not supported; publish H.264 video and AAC audio");
            assert_eq!(refusal(kind, body), told);
        }
        assert_eq!(refusal(TagKind::Video, &[0x17, 1, 0, 0]), "an H.264 tag of 4 bytes is cut short");
        assert_eq!(refusal(TagKind::Video, &[0x17, 3, 0, 0, 0]), "H.264 packet type 3 is not defined");
        assert_eq!(refusal(TagKind::Audio, &[0xaf]), "an AAC tag of 1 bytes is cut short");
        assert_eq!(refusal(TagKind::Audio, &[0xaf, 2]), "AAC packet type 2 is not defined");
    }

    proptest! {
        #[test]
        fn any_body_is_read_or_refused(kind in prop::sample::select(vec![8u8, 9, 18]), body: Vec<u8>) {
            let kind = TagKind::from_type(kind).unwrap();
            if let Ok(Body::Script(script)) = read(kind, &body) {
                prop_assert!(body.ends_with(&script.data));
            }
        }
    }
}
