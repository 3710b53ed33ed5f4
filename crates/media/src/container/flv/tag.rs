//! The body of one tag as a typed value (Video File Format Specification 10.1, §E.4), and in [`enhanced`] those
//! that name their codec by four characters. The one place where codecs are told apart. Looks no further than
//! the tag's own header.

use std::fmt;

use bytes::Bytes;

use super::enhanced;
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

/// The codecs that tags carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    /// H.264 video.
    H264,
    /// H.265 video.
    H265,
    /// AV1 video.
    Av1,
    /// VP9 video.
    Vp9,
    /// AAC sound.
    Aac,
    /// Opus sound.
    Opus,
    /// MP3 sound.
    Mp3,
}

/// The body of a tag. Payloads share the body's allocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// Media of the main track.
    Media(Unit),
    /// Media of numbered tracks, the main one being 0. What is wrong with one of them costs the others
    /// nothing.
    Tracks(Vec<(u8, Result<Unit, TagError>)>),
    /// A video command frame (the start or end of a seek by a Flash server): no media.
    VideoCommand,
    /// A script message.
    Script(Script),
    /// A script message that does not begin with a name.
    NamelessScript,
    /// Nothing at all: a keep-alive of some encoders.
    Empty,
}

/// What a tag carries of one track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// How it is encoded.
    pub codec: Codec,
    /// What it is.
    pub content: Content,
}

/// A piece of a track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A sequence header: a configuration record, an AudioSpecificConfig, an Opus identification header.
    Header(Bytes),
    /// One access unit.
    Frame(Frame),
    /// What may be said beside the media: colour, the order of channels.
    Metadata,
    /// The end of the sequence.
    End,
}

/// An access unit with the times and flags of its tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Whether the tag is marked as a key frame. Sound always is.
    pub flag: KeyFlag,
    /// Presentation minus decode time in milliseconds, signed 24 bits.
    pub cts_ms: i32,
    /// Nanoseconds to add to the presentation time, 0 to 999 999.
    pub fine_ns: u32,
    /// The access unit.
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

/// `CodecID` of H.264, and the one that many encoders took for H.265 before Enhanced RTMP.
const AVC: u8 = 7;
const HEVC: u8 = 12;

fn video(first: u8, body: Bytes) -> Result<Body, TagError> {
    if first & 0x80 != 0 {
        return enhanced::video(first, body);
    }
    let (frame_type, codec) = (first >> 4, first & 15);
    match codec {
        _ if frame_type == 5 => Ok(Body::VideoCommand),
        AVC => nal_units(frame_type, Codec::H264, body),
        HEVC => nal_units(frame_type, Codec::H265, body),
        other => Err(TagError::Unsupported(video_codec(other))),
    }
}

fn nal_units(frame_type: u8, codec: Codec, body: Bytes) -> Result<Body, TagError> {
    let unit = |content| Ok(Body::Media(Unit { codec, content }));
    let Some(&[_, packet_type, high, middle, low]) = body.first_chunk() else {
        // The end of a sequence is written without its composition time by some.
        let end = body.get(1) == Some(&2);
        return if end { unit(Content::End) } else { Err(short(codec.tag(), &body)) };
    };
    let payload = body.slice(5..);
    match packet_type {
        0 => unit(Content::Header(payload)),
        1 => {
            let cts_ms = si24([high, middle, low]);
            unit(Content::Frame(Frame { flag: key_flag(frame_type), cts_ms, fine_ns: 0, payload }))
        }
        2 => unit(Content::End),
        found => Err(TagError::PacketType { codec: codec.title(), found }),
    }
}

/// Frame types 1 and 4 are key frames, as the encoder or as a server made them.
pub(super) fn key_flag(frame_type: u8) -> KeyFlag {
    if matches!(frame_type, 1 | 4) { KeyFlag::Key } else { KeyFlag::Delta }
}

/// A signed 24-bit number.
pub(super) fn si24([high, middle, low]: [u8; 3]) -> i32 {
    i32::from_be_bytes([high, middle, low, 0]) >> 8
}

impl Codec {
    /// The name that errors tell.
    pub const fn title(self) -> &'static str {
        match self {
            Self::H264 => "H.264",
            Self::H265 => "H.265",
            Self::Av1 => "AV1",
            Self::Vp9 => "VP9",
            Self::Aac => "AAC",
            Self::Opus => "Opus",
            Self::Mp3 => "MP3",
        }
    }

    const fn tag(self) -> &'static str {
        match self {
            Self::H264 => "an H.264 tag",
            Self::H265 => "an H.265 tag",
            Self::Aac => "an AAC tag",
            _ => "a tag",
        }
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
        13 => "AV1 before Enhanced RTMP",
        14 => "VVC",
        _ => "unknown",
    };
    format!("video codec {codec} ({name})")
}

/// `SoundFormat` of MP3, of MP3 at 8 kHz, of AAC, and the one that Enhanced RTMP took for its own header.
const MP3: u8 = 2;
const MP3_8K: u8 = 14;
const AAC: u8 = 10;
const ENHANCED: u8 = 9;

fn audio(first: u8, body: Bytes) -> Result<Body, TagError> {
    match first >> 4 {
        AAC => match body.get(1) {
            None => Err(short(Codec::Aac.tag(), &body)),
            Some(0) => Ok(sound(Codec::Aac, Content::Header(body.slice(2..)))),
            Some(1) => Ok(sound(Codec::Aac, frame(body.slice(2..)))),
            Some(&found) => Err(TagError::PacketType { codec: "AAC", found }),
        },
        // A frame says all of its rate and channels itself.
        MP3 | MP3_8K => Ok(sound(Codec::Mp3, frame(body.slice(1..)))),
        ENHANCED => enhanced::audio(first, body),
        other => Err(TagError::Unsupported(sound_format(other))),
    }
}

fn sound(codec: Codec, content: Content) -> Body {
    Body::Media(Unit { codec, content })
}

/// A packet of sound.
pub(super) fn frame(payload: Bytes) -> Content {
    Content::Frame(Frame { flag: KeyFlag::Key, cts_ms: 0, fine_ns: 0, payload })
}

fn sound_format(format: u8) -> String {
    let name = match format {
        0 | 3 => "PCM",
        1 => "ADPCM",
        4..=6 => "Nellymoser",
        7 | 8 => "G.711",
        11 => "Speex",
        13 => "Opus before Enhanced RTMP",
        _ => "unknown",
    };
    format!("sound format {format} ({name})")
}

pub(super) fn short(what: &'static str, body: &[u8]) -> TagError {
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

    fn unit(codec: Codec, content: Content) -> Body {
        Body::Media(Unit { codec, content })
    }

    fn header(codec: Codec, record: &'static [u8]) -> Body {
        unit(codec, Content::Header(Bytes::from_static(record)))
    }

    fn picture(codec: Codec, flag: KeyFlag, cts_ms: i32, payload: &'static [u8]) -> Body {
        let payload = Bytes::from_static(payload);
        unit(codec, Content::Frame(Frame { flag, cts_ms, fine_ns: 0, payload }))
    }

    #[test]
    fn tags_of_nal_units_are_read_with_signed_composition_times() {
        let video = |body: &[u8]| read(TagKind::Video, body).unwrap();
        let (key, delta) = (KeyFlag::Key, KeyFlag::Delta);
        let codec = Codec::H264;
        assert_eq!(video(&[0x17, 0, 0, 0, 0, 1, 2]), header(codec, &[1, 2]));
        assert_eq!(video(&[0x17, 1, 0, 0, 80, 9]), picture(codec, key, 80, &[9]));
        assert_eq!(video(&[0x47, 1, 0x7f, 0xff, 0xff]), picture(codec, key, 8_388_607, &[]));
        assert_eq!(video(&[0x27, 1, 0xff, 0xff, 0xd8, 9]), picture(codec, delta, -40, &[9]));
        assert_eq!(video(&[0x37, 1, 0x80, 0, 0]), picture(codec, delta, -8_388_608, &[]));
        assert_eq!([video(&[0x17, 2, 0, 0, 0]), video(&[0x17, 2])], [const { end() }; 2]);
        assert_eq!(video(&[0x57, 0]), Body::VideoCommand);
        assert_eq!(video(&[]), Body::Empty);
        // As encoders wrote H.265 before Enhanced RTMP.
        assert_eq!(video(&[0x1c, 0, 0, 0, 0, 1, 2]), header(Codec::H265, &[1, 2]));
        assert_eq!(video(&[0x2c, 1, 0, 0, 40, 9]), picture(Codec::H265, delta, 40, &[9]));
    }

    const fn end() -> Body {
        Body::Media(Unit { codec: Codec::H264, content: Content::End })
    }

    #[test]
    fn tags_of_sound_are_read() {
        let audio = |body: &[u8]| read(TagKind::Audio, body).unwrap();
        let (aac, key) = (Codec::Aac, KeyFlag::Key);
        assert_eq!(audio(&[0xaf, 0, 0x12, 0x10]), header(aac, &[0x12, 0x10]));
        assert_eq!(audio(&[0xaf, 1, 0x21]), picture(aac, key, 0, &[0x21]));
        assert_eq!(audio(&[0xaf, 1]), picture(aac, key, 0, &[]));
        assert_eq!(audio(&[0x2f, 0xff, 0xfb]), picture(Codec::Mp3, key, 0, &[0xff, 0xfb]));
        assert_eq!(audio(&[0xe2, 0xff]), picture(Codec::Mp3, key, 0, &[0xff]));
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
            (TagKind::Video, &[0x12][..], "video codec 2 (Sorenson H.263)"),
            (TagKind::Video, &[0x1d, 1], "video codec 13 (AV1 before Enhanced RTMP)"),
            (TagKind::Audio, &[0xb2], "sound format 11 (Speex)"),
        ];
        for (kind, body, what) in cases {
            let told = format!(
                "{what} is not supported; publish H.264, H.265, AV1 or VP9 video and AAC, Opus or MP3 audio"
            );
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
