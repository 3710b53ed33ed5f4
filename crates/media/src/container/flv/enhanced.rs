//! The bodies of tags that name their codec by four characters: `ExVideoTagHeader` and `ExAudioTagHeader` of
//! Enhanced RTMP v2, "Enhanced Video" and "Enhanced Audio". Modifiers (ModEx) come first, then the kind of
//! packet, then one track or several.

use bytes::Bytes;

use super::error::TagError;
use super::tag::{Body, Codec, Content, Frame, Unit, frame, key_flag, short, si24};

/// Most modifiers in front of one packet; one is defined.
const MODIFIERS_MAX: usize = 8;
/// Most tracks of one tag.
pub const TRACKS_PER_TAG_MAX: usize = 16;
/// Most nanoseconds that a timestamp may be moved by: below the millisecond that the tag itself counts.
const FINE_NS_MAX: u32 = 999_999;

/// `VideoPacketType`.
mod video {
    pub(super) const SEQUENCE_START: u8 = 0;
    pub(super) const CODED_FRAMES: u8 = 1;
    pub(super) const SEQUENCE_END: u8 = 2;
    /// As above, with a composition time of 0 left out.
    pub(super) const CODED_FRAMES_X: u8 = 3;
    pub(super) const METADATA: u8 = 4;
    pub(super) const MPEG2_TS_SEQUENCE_START: u8 = 5;
    pub(super) const MULTITRACK: u8 = 6;
    pub(super) const MODIFIER: u8 = 7;
    /// `VideoFrameType` of a command.
    pub(super) const COMMAND: u8 = 5;
}

/// `AudioPacketType`.
mod audio {
    pub(super) const SEQUENCE_START: u8 = 0;
    pub(super) const CODED_FRAMES: u8 = 1;
    pub(super) const SEQUENCE_END: u8 = 2;
    pub(super) const MULTICHANNEL_CONFIG: u8 = 4;
    pub(super) const MULTITRACK: u8 = 5;
    pub(super) const MODIFIER: u8 = 7;
}

/// A video tag whose first byte has the extension bit.
pub(super) fn video(first: u8, body: Bytes) -> Result<Body, TagError> {
    let (mut rest, frame_type) = (Rest { what: "an enhanced video tag", body, at: 1 }, first >> 4 & 7);
    let (packet_type, fine_ns) = rest.modifiers(first & 15, video::MODIFIER)?;
    if frame_type == video::COMMAND && packet_type != video::METADATA {
        return Ok(Body::VideoCommand);
    }
    rest.tracks(packet_type, video::MULTITRACK, |packet_type, four, rest| {
        video_unit(frame_type, packet_type, four, fine_ns, rest)
    })
}

/// An audio tag of sound format 9.
pub(super) fn audio(first: u8, body: Bytes) -> Result<Body, TagError> {
    let mut rest = Rest { what: "an enhanced audio tag", body, at: 1 };
    // Sound lies on its sample clock, which no fraction of a millisecond moves.
    let (packet_type, _fine_ns) = rest.modifiers(first & 15, audio::MODIFIER)?;
    rest.tracks(packet_type, audio::MULTITRACK, audio_unit)
}

fn video_unit(
    frame_type: u8,
    packet_type: u8,
    four: FourCc,
    fine_ns: u32,
    mut rest: Rest,
) -> Result<Unit, TagError> {
    let codec = match &four {
        b"avc1" => Codec::H264,
        b"hvc1" => Codec::H265,
        b"av01" => Codec::Av1,
        b"vp09" => Codec::Vp9,
        other => return Err(unsupported("video", *other)),
    };
    let composed = matches!(codec, Codec::H264 | Codec::H265);
    let content = match packet_type {
        video::SEQUENCE_START => Content::Header(rest.all()),
        video::CODED_FRAMES | video::CODED_FRAMES_X => {
            let stated = composed && packet_type == video::CODED_FRAMES;
            let cts_ms = if stated { si24(rest.take()?) } else { 0 };
            Content::Frame(Frame { flag: key_flag(frame_type), cts_ms, fine_ns, payload: rest.all() })
        }
        video::SEQUENCE_END => Content::End,
        video::METADATA => Content::Metadata,
        video::MPEG2_TS_SEQUENCE_START => {
            let what = format!("an MPEG-2 TS sequence header ({})", codec.title());
            return Err(TagError::Unsupported(what));
        }
        found => return Err(TagError::PacketType { codec: codec.title(), found }),
    };
    Ok(Unit { codec, content })
}

fn audio_unit(packet_type: u8, four: FourCc, rest: Rest) -> Result<Unit, TagError> {
    let codec = match &four {
        b"mp4a" => Codec::Aac,
        b"Opus" => Codec::Opus,
        b".mp3" => Codec::Mp3,
        other => return Err(unsupported("audio", *other)),
    };
    let content = match packet_type {
        audio::SEQUENCE_START => Content::Header(rest.all()),
        audio::CODED_FRAMES => frame(rest.all()),
        audio::SEQUENCE_END => Content::End,
        audio::MULTICHANNEL_CONFIG => Content::Metadata,
        found => return Err(TagError::PacketType { codec: codec.title(), found }),
    };
    Ok(Unit { codec, content })
}

fn unsupported(kind: &str, four: FourCc) -> TagError {
    let name = match &four {
        b"vp08" => " (VP8)",
        b"vvc1" => " (VVC)",
        b"ac-3" => " (AC-3)",
        b"ec-3" => " (E-AC-3)",
        b"fLaC" => " (FLAC)",
        _ => "",
    };
    TagError::Unsupported(format!("{kind} codec {}{name}", four.escape_ascii()))
}

/// Four characters that name a codec.
type FourCc = [u8; 4];

/// What is left of a tag.
struct Rest {
    what: &'static str,
    body: Bytes,
    at: usize,
}

impl Rest {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], TagError> {
        let found = self.body.get(self.at..).and_then(<[u8]>::first_chunk).copied();
        self.at += N;
        found.ok_or_else(|| short(self.what, &self.body))
    }

    fn byte(&mut self) -> Result<u8, TagError> {
        self.take().map(|[byte]| byte)
    }

    fn is_empty(&self) -> bool {
        self.at >= self.body.len()
    }

    /// Everything that is left.
    fn all(&self) -> Bytes {
        self.body.slice(self.at.min(self.body.len())..)
    }

    /// The next bytes as something of their own.
    fn split(&mut self, bytes: usize) -> Result<Self, TagError> {
        let end = self.at.saturating_add(bytes);
        if end > self.body.len() {
            return Err(short(self.what, &self.body));
        }
        let body = self.body.slice(self.at..end);
        self.at = end;
        Ok(Self { what: self.what, body, at: 0 })
    }

    /// Passes modifiers; the kind of packet behind them, and the nanoseconds of `TimestampOffsetNano`. Unknown
    /// modifiers say how long they are and change nothing.
    fn modifiers(&mut self, mut packet_type: u8, modifier: u8) -> Result<(u8, u32), TagError> {
        let mut fine_ns = 0;
        for _ in 0..=MODIFIERS_MAX {
            if packet_type != modifier {
                return Ok((packet_type, fine_ns));
            }
            let length = match self.byte()? {
                0xff => usize::from(u16::from_be_bytes(self.take()?)) + 1,
                length => usize::from(length) + 1,
            };
            let data = self.split(length)?.all();
            let kinds = self.byte()?;
            if let (0, &[high, middle, low, ..]) = (kinds >> 4, &data[..]) {
                fine_ns = u32::from_be_bytes([0, high, middle, low]).min(FINE_NS_MAX);
            }
            packet_type = kinds & 15;
        }
        Err(TagError::Modifiers(MODIFIERS_MAX))
    }

    /// The one track of a tag, or its numbered ones.
    fn tracks(
        mut self,
        packet_type: u8,
        multitrack: u8,
        unit: impl Fn(u8, FourCc, Self) -> Result<Unit, TagError>,
    ) -> Result<Body, TagError> {
        if packet_type != multitrack {
            let four = self.take()?;
            return unit(packet_type, four, self).map(Body::Media);
        }
        let [kinds] = self.take()?;
        let packet_type = kinds & 15;
        let (many, codecs) = match kinds >> 4 {
            0 => (false, false),
            1 => (true, false),
            2 => (true, true),
            other => return Err(TagError::Multitrack(other)),
        };
        let mut four = if codecs { FourCc::default() } else { self.take()? };
        let mut tracks = Vec::new();
        while tracks.is_empty() || (many && !self.is_empty()) {
            if tracks.len() == TRACKS_PER_TAG_MAX {
                return Err(TagError::Tracks(TRACKS_PER_TAG_MAX));
            }
            if codecs {
                four = self.take()?;
            }
            let number = self.byte()?;
            let size = if many {
                let [high, middle, low] = self.take()?;
                u32::from_be_bytes([0, high, middle, low]) as usize
            } else {
                self.body.len().saturating_sub(self.at)
            };
            let rest = self.split(size)?;
            tracks.push((number, unit(packet_type, four, rest)));
        }
        Ok(Body::Tracks(tracks))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tag::TagKind;
    use super::*;
    use crate::codec::h264::KeyFlag;
    use crate::codec::h264::samples::hex;
    use proptest::prelude::*;

    fn read(kind: TagKind, parts: &[&[u8]]) -> Result<Body, TagError> {
        Body::parse(kind, parts.concat().into())
    }

    fn video(parts: &[&[u8]]) -> Result<Body, TagError> {
        read(TagKind::Video, parts)
    }

    fn audio(parts: &[&[u8]]) -> Result<Body, TagError> {
        read(TagKind::Audio, parts)
    }

    fn unit(codec: Codec, content: Content) -> Unit {
        Unit { codec, content }
    }

    fn picture(flag: KeyFlag, cts_ms: i32, fine_ns: u32, payload: &'static [u8]) -> Content {
        Content::Frame(Frame { flag, cts_ms, fine_ns, payload: Bytes::from_static(payload) })
    }

    const KEY: KeyFlag = KeyFlag::Key;
    const DELTA: KeyFlag = KeyFlag::Delta;

    #[test]
    fn video_of_each_codec_is_read() {
        let one = |parts: &[&[u8]]| match video(parts) {
            Ok(Body::Media(unit)) => unit,
            other => panic!("{other:?}"),
        };
        let record = Content::Header(Bytes::from_static(b"rec"));
        assert_eq!(one(&[&[0x90], b"hvc1", b"rec"]), unit(Codec::H265, record.clone()));
        assert_eq!(one(&[&[0x90], b"av01", b"rec"]), unit(Codec::Av1, record.clone()));
        assert_eq!(one(&[&[0x90], b"vp09", b"rec"]), unit(Codec::Vp9, record.clone()));
        assert_eq!(one(&[&[0x90], b"avc1", b"rec"]), unit(Codec::H264, record));
        let with_time = [&[0x91][..], b"hvc1", &[0xff, 0xff, 0xd8], b"pic"];
        assert_eq!(one(&with_time), unit(Codec::H265, picture(KEY, -40, 0, b"pic")));
        assert_eq!(one(&[&[0xa3], b"avc1", b"pic"]), unit(Codec::H264, picture(DELTA, 0, 0, b"pic")));
        assert_eq!(one(&[&[0xa1], b"av01", b"pic"]), unit(Codec::Av1, picture(DELTA, 0, 0, b"pic")));
        assert_eq!(one(&[&[0x93], b"vp09", b"pic"]), unit(Codec::Vp9, picture(KEY, 0, 0, b"pic")));
        assert_eq!(one(&[&[0x92], b"hvc1"]), unit(Codec::H265, Content::End));
        // FFmpeg marks metadata as a command.
        assert_eq!(one(&[&[0xd4], b"hvc1", b"\x02\0\x09colorInfo"]), unit(Codec::H265, Content::Metadata));
        assert_eq!(video(&[&[0xd1], b"\0"]), Ok(Body::VideoCommand));
    }

    #[test]
    fn sound_of_each_codec_is_read() {
        let one = |parts: &[&[u8]]| match audio(parts) {
            Ok(Body::Media(unit)) => unit,
            other => panic!("{other:?}"),
        };
        let record = Content::Header(Bytes::from_static(b"rec"));
        assert_eq!(one(&[&[0x90], b"Opus", b"rec"]), unit(Codec::Opus, record.clone()));
        assert_eq!(one(&[&[0x90], b"mp4a", b"rec"]), unit(Codec::Aac, record));
        assert_eq!(one(&[&[0x91], b".mp3", b"snd"]), unit(Codec::Mp3, picture(KEY, 0, 0, b"snd")));
        assert_eq!(one(&[&[0x94], b"Opus", &[1, 1, 0, 0, 0, 4]]), unit(Codec::Opus, Content::Metadata));
        assert_eq!(one(&[&[0x92], b"Opus"]), unit(Codec::Opus, Content::End));
    }

    #[test]
    fn modifiers_move_time_or_are_passed() {
        let media = |parts: &[&[u8]]| match video(parts) {
            Ok(Body::Media(Unit { content: Content::Frame(frame), .. })) => (frame.fine_ns, frame.payload),
            other => panic!("{other:?}"),
        };
        // 500 000 ns in 3 bytes; then an unknown modifier of 2 bytes before it, and one of 256 + 1 behind it.
        let nano = hex("02 07a120 01");
        assert_eq!(media(&[&[0x97], &nano, b"av01p"]), (500_000, Bytes::from_static(b"p")));
        assert_eq!(media(&[&[0x97], &hex("01 aaaa 57"), &nano, b"av01p"]).0, 500_000);
        let long = [&hex("ff 0100")[..], &[0xaa; 257], &[0x51]].concat();
        assert_eq!(media(&[&[0x97], &hex("02 07a120 07"), &long, b"av01p"]).0, 500_000);
        assert_eq!(media(&[&[0x97], &hex("02 ffffff 01"), b"av01p"]).0, 999_999);
        assert_eq!(media(&[&[0x97], &hex("00 aa 01"), b"av01p"]).0, 0, "too short to be nanoseconds");
        let chain = hex("00 aa 57").repeat(9);
        assert_eq!(video(&[&[0x97], &chain, b"av01p"]), Err(TagError::Modifiers(8)));
        assert_eq!(audio(&[&[0x97], &nano, b"Opusp"]), audio(&[&[0x91], b"Opusp"]));
    }

    #[test]
    fn tracks_are_told_apart() {
        let frame = |codec, payload: &'static [u8]| Ok(unit(codec, picture(KEY, 0, 0, payload)));
        let one = video(&[&[0x96, 0x03], b"avc1", &[7], b"pic"]);
        assert_eq!(one, Ok(Body::Tracks(vec![(7, frame(Codec::H264, b"pic"))])));
        let many = video(&[&[0x96, 0x11], b"av01", &[0, 0, 0, 2], b"ab", &[1, 0, 0, 1], b"c"]);
        let tracks = vec![(0, frame(Codec::Av1, b"ab")), (1, frame(Codec::Av1, b"c"))];
        assert_eq!(many, Ok(Body::Tracks(tracks)));
        let codecs = audio(&[&[0x95, 0x21], b"Opus", &[0, 0, 0, 1], b"o", b"fLaC", &[3, 0, 0, 1], b"f"]);
        let flac = Err(TagError::Unsupported("audio codec fLaC (FLAC)".into()));
        assert_eq!(codecs, Ok(Body::Tracks(vec![(0, frame(Codec::Opus, b"o")), (3, flac)])));
        let timed = video(&[&[0x96, 0x11], b"hvc1", &[2, 0, 0, 4], &[0, 0, 40], b"p"]);
        let composed = unit(Codec::H265, picture(KEY, 40, 0, b"p"));
        assert_eq!(timed, Ok(Body::Tracks(vec![(2, Ok(composed))])));
    }

    #[test]
    fn broken_tracks_are_refused() {
        let cut = |what| Err(TagError::Short { what, bytes: 12 });
        let video_tag = "an enhanced video tag";
        assert_eq!(video(&[&[0x96, 0x11], b"av01", &[0, 0, 0, 9], b"ab"]), cut(video_tag));
        assert_eq!(video(&[&[0x96, 0x31], b"av01"]), Err(TagError::Multitrack(3)));
        assert_eq!(video(&[&[0x96, 0x11], b"av01"]), Err(TagError::Short { what: video_tag, bytes: 6 }));
        let crowd = [0, 0, 0, 0].repeat(TRACKS_PER_TAG_MAX + 1);
        assert_eq!(video(&[&[0x96, 0x11], b"av01", &crowd]), Err(TagError::Tracks(16)));
        // A multitrack packet inside of one is of no kind.
        let nested = video(&[&[0x96, 0x06], b"av01", &[0], b"x"]);
        let Ok(Body::Tracks(tracks)) = nested else { panic!("{nested:?}") };
        assert_eq!(tracks[0].1, Err(TagError::PacketType { codec: "AV1", found: 6 }));
    }

    #[test]
    fn what_is_not_carried_is_refused_by_name() {
        let told = |result: Result<Body, TagError>| {
            let words = result.unwrap_err().to_string();
            words.split(" is not supported; publish").next().map(str::to_owned)
        };
        let cases = [
            (video(&[&[0x90], b"vp08"]), "video codec vp08 (VP8)"),
            (video(&[&[0x90], &[b'a', 0, 1, 0xff]]), r"video codec a\x00\x01\xff"),
            (video(&[&[0x95], b"hvc1"]), "an MPEG-2 TS sequence header (H.265)"),
            (audio(&[&[0x90], b"ac-3"]), "audio codec ac-3 (AC-3)"),
            (audio(&[&[0x90], b"ec-3"]), "audio codec ec-3 (E-AC-3)"),
            (audio(&[&[0x90], b"fLaC"]), "audio codec fLaC (FLAC)"),
            (video(&[&[0x90], b"hv"]), "an enhanced video tag of 3 bytes is cut short"),
            (video(&[&[0x9f], b"hvc1"]), "H.265 packet type 15 is not defined"),
            (audio(&[&[0x93], b"Opus"]), "Opus packet type 3 is not defined"),
        ];
        for (result, what) in cases {
            assert_eq!(told(result).as_deref(), Some(what));
        }
    }

    proptest! {
        #[test]
        fn any_body_is_read_or_refused_within_bounds(first in 0x90u8..=0xff, rest: Vec<u8>, video_tag: bool) {
            let kind = if video_tag { TagKind::Video } else { TagKind::Audio };
            let first = if video_tag { first } else { 0x90 | first & 15 };
            let body = [&[first][..], &rest].concat();
            if let Ok(Body::Tracks(tracks)) = Body::parse(kind, body.clone().into()) {
                let bytes: usize = tracks.iter().map(|(_, unit)| match unit {
                    Ok(Unit { content: Content::Frame(frame), .. }) => frame.payload.len(),
                    Ok(Unit { content: Content::Header(record), .. }) => record.len(),
                    _ => 0,
                }).sum();
                prop_assert!(tracks.len() <= TRACKS_PER_TAG_MAX && bytes < body.len());
            }
        }
    }
}
