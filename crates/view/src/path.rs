//! The grammar of media URLs: a request path in, a typed [`MediaPath`] out, and back.
//!
//! Nothing else decodes paths, and nothing here becomes a path on disk: names are looked up in the hub.
//! Query strings belong to [`crate::query`].
//!
//! ```text
//! [/~{grant}] /{app}/{stream…}.{ext}        a view of a stream
//! [/~{grant}] /{app}/{stream…}/-/{child}    an object of such a view
//! [/~{grant}] /assets/{id}.{ext}            a view of an asset
//! [/~{grant}] /assets/{id}/-/{child}        an object of such a view
//! ```
//!
//! Components are split before they are decoded, so an encoded slash never makes a new component. The
//! extension is the last suffix, and it has to be a known one: `live/cam.v1.flv` is the stream `live/cam.v1`,
//! `live/a.mp4.m3u8` the stream `live/a.mp4`.

use std::borrow::Cow;
use std::fmt;
use std::fmt::Write as _;

use media::StreamName;
use media::name::{NameError, VIEW_SEPARATOR};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, PercentEncode, utf8_percent_encode};
use thiserror::Error;

/// Longest path looked at, in bytes: a fully percent-encoded name of [`media::name::NAME_BYTES_MAX`] bytes, a
/// grant of [`GRANT_BYTES_MAX`] and a child of [`CHILD_BYTES_MAX`] fit.
pub const PATH_BYTES_MAX: usize = 4096;
/// Longest grant: a signed token of claims for one stream is well below 1 kB; this leaves room.
pub const GRANT_BYTES_MAX: usize = 2048;
/// Longest child name; `{run}.{first}-{last}.{hash}.m4s` with three 20-digit numbers has 76 bytes.
pub const CHILD_BYTES_MAX: usize = 128;
/// Longest asset id; a UUID has 36 bytes.
pub const ASSET_ID_BYTES_MAX: usize = 64;
/// The reserved application under which assets live.
const ASSETS_APP: &str = "assets";

/// Everything but RFC 3986 §2.3 "unreserved". Wider than a path needs, so that a component is also safe as
/// the first one of a relative reference (a colon there would read as a scheme).
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What the extension of a media URL asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ext {
    /// `.m3u8`: HLS.
    M3u8,
    /// `.mpd`: DASH.
    Mpd,
    /// `.flv`: HTTP-FLV or WebSocket-FLV.
    Flv,
    /// `.ts`: MPEG-TS over HTTP.
    Ts,
    /// `.mp4`: the virtual clip.
    Mp4,
    /// `.wav`: the sound of a range.
    Wav,
    /// `.jpg`: the picture at an instant.
    Jpg,
    /// `.vtt`: captions and markers.
    Vtt,
}

impl Ext {
    /// Every extension of the grammar.
    pub const ALL: [Self; 8] =
        [Self::M3u8, Self::Mpd, Self::Flv, Self::Ts, Self::Mp4, Self::Wav, Self::Jpg, Self::Vtt];

    /// The extension without its dot.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::M3u8 => "m3u8",
            Self::Mpd => "mpd",
            Self::Flv => "flv",
            Self::Ts => "ts",
            Self::Mp4 => "mp4",
            Self::Wav => "wav",
            Self::Jpg => "jpg",
            Self::Vtt => "vtt",
        }
    }

    /// Whether a relative time or `delay` is answered 307 to the absolute URL: the URL is fetched many times
    /// and has to mean the same each time. The connection-long views resolve them once instead.
    pub const fn wants_absolute_times(self) -> bool {
        matches!(self, Self::M3u8 | Self::Mpd | Self::Mp4 | Self::Wav | Self::Jpg)
    }
}

impl fmt::Display for Ext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a path is not a media URL. All are "no such thing" to a client; the words say what would be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PathError {
    /// Longer than [`PATH_BYTES_MAX`].
    #[error("the path is {0} bytes long; media URLs have at most {PATH_BYTES_MAX}")]
    TooLong(usize),
    /// Not of the grammar at all.
    #[error("media URLs look like /live/cam1.m3u8, not {0:?}")]
    Shape(String),
    /// `%` without two hex digits, an encoded slash, or bytes that are not UTF-8.
    #[error("{0:?} is not valid percent-encoded UTF-8; a slash inside a name cannot be encoded")]
    Encoding(String),
    /// No extension of the grammar.
    #[error("{0:?} does not end in one of .m3u8 .mpd .flv .ts .mp4 .wav .jpg .vtt")]
    Extension(String),
    /// The part before the extension is no stream name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// An empty or overlong grant, or one with characters that signed tokens do not have.
    #[error("the grant after /~ has to be 1 to {GRANT_BYTES_MAX} letters, digits, '-', '_', '.' or '~'")]
    Grant,
    /// Not the name of an object of a view.
    #[error("{0:?} is not the name of a playlist, segment or init segment")]
    Child(String),
    /// Not an asset's id.
    #[error("{0:?} is not an asset id; ids have 1 to {ASSET_ID_BYTES_MAX} letters, digits, '-' or '_'")]
    Asset(String),
}

/// An asset's id as it appears in a URL: 1 to [`ASSET_ID_BYTES_MAX`] of `A-Z a-z 0-9 - _`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AssetId(String);

impl AssetId {
    /// Validates an id.
    pub fn parse(id: &str) -> Result<Self, PathError> {
        let fits = (1..=ASSET_ID_BYTES_MAX).contains(&id.len());
        if fits
            && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && id != VIEW_SEPARATOR
        {
            Ok(Self(id.to_owned()))
        } else {
            Err(PathError::Asset(shown(id)))
        }
    }

    /// The id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The name of an object of a view, `media.m3u8` or a segment: 1 to [`CHILD_BYTES_MAX`] of
/// `A-Z a-z 0-9 . - _`, beginning with a letter or digit. What it names is the view's business.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ChildName(String);

impl ChildName {
    /// Validates a name.
    pub fn parse(name: &str) -> Result<Self, PathError> {
        let fits = name.len() <= CHILD_BYTES_MAX && name.starts_with(|c: char| c.is_ascii_alphanumeric());
        if fits && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_')) {
            Ok(Self(name.to_owned()))
        } else {
            Err(PathError::Child(shown(name)))
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A signed grant carried in the path, not yet verified. Its `Debug` does not show it: paths are logged.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Grant(String);

impl Grant {
    /// Validates the form (RFC 3986 "unreserved"); says nothing of the signature.
    pub fn parse(grant: &str) -> Result<Self, PathError> {
        let fits = (1..=GRANT_BYTES_MAX).contains(&grant.len());
        let unreserved = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~');
        if fits && grant.bytes().all(unreserved) { Ok(Self(grant.to_owned())) } else { Err(PathError::Grant) }
    }

    /// The grant, a secret.
    pub fn secret(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Grant(…)")
    }
}

/// What a media URL points at.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Target {
    /// A view of a stream.
    Stream {
        /// Whose.
        name: StreamName,
        /// Which view.
        ext: Ext,
    },
    /// An object of a view of a stream.
    StreamChild {
        /// Whose.
        name: StreamName,
        /// Which object.
        child: ChildName,
    },
    /// A view of an asset.
    Asset {
        /// Which asset.
        id: AssetId,
        /// Which view.
        ext: Ext,
    },
    /// An object of a view of an asset.
    AssetChild {
        /// Which asset.
        id: AssetId,
        /// Which object.
        child: ChildName,
    },
}

/// A parsed media URL path.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MediaPath {
    /// The signed grant in front, if any.
    pub grant: Option<Grant>,
    /// What is asked for.
    pub target: Target,
}

impl MediaPath {
    /// Parses a raw request path: as received, still percent-encoded, without the query.
    pub fn parse(path: &str) -> Result<Self, PathError> {
        if path.len() > PATH_BYTES_MAX {
            return Err(PathError::TooLong(path.len()));
        }
        let rest = path.strip_prefix('/').ok_or_else(|| PathError::Shape(shown(path)))?;
        let parts = rest.split('/').map(decode).collect::<Result<Vec<_>, _>>()?;
        let (grant, parts) = match parts.split_first() {
            Some((first, rest)) if first.starts_with('~') => (Some(Grant::parse(&first[1..])?), rest),
            _ => (None, &parts[..]),
        };
        Ok(Self { grant, target: target(parts).ok_or_else(|| PathError::Shape(shown(path)))?? })
    }

    /// The path of a target, percent-encoded; the inverse of [`MediaPath::parse`].
    pub fn to_url(&self) -> String {
        let mut url = String::new();
        if let Some(grant) = &self.grant {
            push(&mut url, format_args!("/~{}", grant.secret()));
        }
        match &self.target {
            Target::Stream { name, ext } => push(&mut url, format_args!("{}.{ext}", encode_name(name))),
            Target::StreamChild { name, child } => {
                push(&mut url, format_args!("{}/{VIEW_SEPARATOR}/{}", encode_name(name), child.as_str()));
            }
            Target::Asset { id, ext } => push(&mut url, format_args!("/{ASSETS_APP}/{}.{ext}", id.as_str())),
            Target::AssetChild { id, child } => {
                push(
                    &mut url,
                    format_args!("/{ASSETS_APP}/{}/{VIEW_SEPARATOR}/{}", id.as_str(), child.as_str()),
                );
            }
        }
        url
    }

    /// A reference to `child` relative to this view's own URL, so that it holds behind any proxy prefix and
    /// keeps the grant of the request. `None` when this is a child itself.
    ///
    /// `added` is a grant that the request did not carry in its path (it came as `?token=`); the reference
    /// then climbs to the root of the media URLs to put it in front.
    pub fn child_reference(&self, child: &str, added: Option<&Grant>) -> Option<String> {
        let (parts, last): (Vec<&str>, &str) = match &self.target {
            Target::Stream { name, .. } => {
                let mut parts: Vec<&str> = name.as_str().split('/').collect();
                let last = parts.pop()?;
                (parts, last)
            }
            Target::Asset { id, .. } => (vec![ASSETS_APP], id.as_str()),
            Target::StreamChild { .. } | Target::AssetChild { .. } => return None,
        };
        let mut out = String::new();
        if let Some(grant) = added.filter(|_| self.grant.is_none()) {
            out.push_str(&"../".repeat(parts.len()));
            push(&mut out, format_args!("~{}/", grant.secret()));
            parts.iter().for_each(|p| push(&mut out, format_args!("{}/", encode(p))));
        }
        push(&mut out, format_args!("{}/{VIEW_SEPARATOR}/{child}", encode(last)));
        Some(out)
    }
}

/// Appends to a string, which cannot fail.
fn push(out: &mut String, args: fmt::Arguments<'_>) {
    out.write_fmt(args).expect("writing to a String does not fail");
}

/// `None`: too few or empty components.
fn target(parts: &[Cow<'_, str>]) -> Option<Result<Target, PathError>> {
    if parts.len() < 2 || parts.iter().any(|p| p.is_empty()) {
        return None;
    }
    let (last, before) = parts.split_last()?;
    let child = match before.split_last() {
        Some((separator, name)) if separator == VIEW_SEPARATOR => Some(name),
        _ => None,
    };
    Some(match child {
        Some(name) => child_target(name, last),
        None => view_target(before, last),
    })
}

fn child_target(name: &[Cow<'_, str>], child: &str) -> Result<Target, PathError> {
    let child = ChildName::parse(child)?;
    match name {
        [app, id] if app == ASSETS_APP => Ok(Target::AssetChild { id: AssetId::parse(id)?, child }),
        _ => Ok(Target::StreamChild { name: StreamName::parse(&name.join("/"))?, child }),
    }
}

fn view_target(before: &[Cow<'_, str>], last: &str) -> Result<Target, PathError> {
    let (stem, ext) = split_ext(last).ok_or_else(|| PathError::Extension(shown(last)))?;
    if before.len() == 1 && before[0] == ASSETS_APP {
        return Ok(Target::Asset { id: AssetId::parse(stem)?, ext });
    }
    let name = StreamName::parse(&format!("{}/{stem}", before.join("/")))?;
    Ok(Target::Stream { name, ext })
}

fn split_ext(last: &str) -> Option<(&str, Ext)> {
    let (stem, suffix) = last.rsplit_once('.')?;
    Ext::ALL.into_iter().find(|e| e.as_str() == suffix).map(|e| (stem, e))
}

/// Decodes one component. Stricter than `percent_decode`, which passes a lone `%` through: two spellings of a
/// name would then be one to us and two to a cache or a proxy in front.
fn decode(component: &str) -> Result<Cow<'_, str>, PathError> {
    if !component.contains('%') {
        return Ok(Cow::Borrowed(component));
    }
    let bad = || PathError::Encoding(shown(component));
    let bytes = component.as_bytes();
    let escapes = bytes.iter().enumerate().filter(|(_, b)| **b == b'%');
    for (at, _) in escapes {
        let hex = bytes.get(at + 1..at + 3).ok_or_else(bad)?;
        if !hex.iter().all(u8::is_ascii_hexdigit) {
            return Err(bad());
        }
    }
    let text = percent_encoding::percent_decode_str(component).decode_utf8().map_err(|_| bad())?;
    if text.contains('/') { Err(bad()) } else { Ok(text) }
}

fn encode(component: &str) -> PercentEncode<'_> {
    utf8_percent_encode(component, ESCAPED)
}

/// `/app/stream`, each component encoded.
fn encode_name(name: &StreamName) -> String {
    name.as_str().split('/').fold(String::new(), |mut url, part| {
        push(&mut url, format_args!("/{}", encode(part)));
        url
    })
}

/// What an error shows of hostile input: its first 64 characters.
fn shown(text: &str) -> String {
    const SHOWN_CHARS_MAX: usize = 64;
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((cut, _)) => format!("{}…", &text[..cut]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stream(path: &str) -> (String, Ext) {
        match MediaPath::parse(path).map(|p| p.target) {
            Ok(Target::Stream { name, ext }) => (name.as_str().to_owned(), ext),
            other => panic!("{path}: {other:?}"),
        }
    }

    #[test]
    fn the_last_suffix_is_the_extension() {
        assert_eq!(stream("/live/cam1.m3u8"), ("live/cam1".to_owned(), Ext::M3u8));
        assert_eq!(stream("/live/room/1/cam.v1.flv"), ("live/room/1/cam.v1".to_owned(), Ext::Flv));
        assert_eq!(stream("/live/a.mp4.m3u8"), ("live/a.mp4".to_owned(), Ext::M3u8));
        assert_eq!(stream("/live/caf%C3%A9%20%F0%9F%93%B7%2Emp4"), ("live/café 📷".to_owned(), Ext::Mp4));
        assert_eq!(stream("/live/a+b.ts"), ("live/a+b".to_owned(), Ext::Ts));
    }

    #[test]
    fn children_and_assets_and_grants_have_their_place() {
        let parsed = MediaPath::parse("/~g.r_4-nt/live/room/1/-/media.m3u8").unwrap();
        assert_eq!(parsed.grant.as_ref().unwrap().secret(), "g.r_4-nt");
        assert!(!format!("{parsed:?}").contains("r_4"));
        let Target::StreamChild { name, child } = parsed.target else { panic!() };
        assert_eq!((name.as_str(), child.as_str()), ("live/room/1", "media.m3u8"));

        let asset = MediaPath::parse("/assets/0190-ab_c.jpg").unwrap().target;
        assert_eq!(asset, Target::Asset { id: AssetId::parse("0190-ab_c").unwrap(), ext: Ext::Jpg });
        let child = MediaPath::parse("/assets/0190/-/1.2-3.00000000.m4s").unwrap().target;
        assert!(matches!(child, Target::AssetChild { id, .. } if id.as_str() == "0190"));
    }

    #[test]
    fn hostile_paths_are_refused_with_a_reason() {
        let refused = |path: &str| MediaPath::parse(path).unwrap_err();
        assert!(matches!(refused(""), PathError::Shape(_)));
        assert!(matches!(refused("live/x.flv"), PathError::Shape(_)));
        assert!(matches!(refused("/x.flv"), PathError::Shape(_)));
        assert!(matches!(refused("/live//x.flv"), PathError::Shape(_)));
        assert!(matches!(refused("/live/x"), PathError::Extension(_)));
        assert!(matches!(refused("/live/x.m3u8.bak"), PathError::Extension(_)));
        assert!(matches!(refused("/live/x.m3u8/"), PathError::Shape(_)));
        assert!(matches!(refused("/live/.flv"), PathError::Name(NameError::Shape)));
        assert!(matches!(refused("/live/../x.flv"), PathError::Name(_)));
        assert!(matches!(refused("/live/%2e%2e/x.flv"), PathError::Name(_)));
        assert!(matches!(refused("/live/..%2fx.flv"), PathError::Encoding(_)));
        assert!(matches!(refused("/live/x%00.flv"), PathError::Name(NameError::Character('\0'))));
        assert!(matches!(refused("/live/x%zz.flv"), PathError::Encoding(_)));
        assert!(matches!(refused("/live/x%f.flv"), PathError::Encoding(_)));
        assert!(matches!(refused("/live/%ff.flv"), PathError::Encoding(_)));
        assert!(matches!(refused("/api/x.flv"), PathError::Name(NameError::Reserved(_))));
        assert!(matches!(refused("/live/-/x/y.flv"), PathError::Name(_)));
        assert!(matches!(refused("/live/x/-/%2e%2e"), PathError::Child(_)));
        assert!(matches!(refused("/live/x/-/a%20b"), PathError::Child(_)));
        assert!(matches!(refused("/~/live/x.flv"), PathError::Grant));
        assert!(matches!(refused("/~a%20b/live/x.flv"), PathError::Grant));
        assert!(matches!(refused("/assets/a%2Eb.mp4"), PathError::Asset(_)));
        assert!(matches!(refused(&format!("/live/{}.flv", "x".repeat(300))), PathError::Name(_)));
        assert!(matches!(refused(&format!("/live/{}.flv", "x".repeat(5000))), PathError::TooLong(_)));
    }

    #[test]
    fn references_to_children_are_relative() {
        let check = |path: &str, added: Option<&str>, want: Option<&str>| {
            let added = added.map(|g| Grant::parse(g).unwrap());
            let got = MediaPath::parse(path).unwrap().child_reference("media.m3u8", added.as_ref());
            assert_eq!(got.as_deref(), want);
        };
        check("/live/cam1.m3u8", None, Some("cam1/-/media.m3u8"));
        check("/live/room/a%3Ab.m3u8", None, Some("a%3Ab/-/media.m3u8"));
        check("/live/room/1.m3u8", Some("g"), Some("../../~g/live/room/1/-/media.m3u8"));
        check("/~h/live/room/1.m3u8", Some("g"), Some("1/-/media.m3u8"));
        check("/assets/7.m3u8", Some("g"), Some("../~g/assets/7/-/media.m3u8"));
        check("/live/cam1/-/media.m3u8", None, None);
    }

    fn targets() -> impl Strategy<Value = MediaPath> {
        let name = proptest::collection::vec("[a-z.é📷 :+&=;%-]{1,6}", 2..4)
            .prop_filter_map("name", |parts| StreamName::parse(&parts.join("/")).ok());
        let ext = proptest::sample::select(&Ext::ALL[..]);
        let child = "[a-z0-9][a-zA-Z0-9._-]{0,20}".prop_map(|c| ChildName::parse(&c).unwrap());
        let id = "[a-z0-9_]{1,20}".prop_map(|c| AssetId::parse(&c).unwrap());
        let target = prop_oneof![
            (name.clone(), ext.clone()).prop_map(|(name, ext)| Target::Stream { name, ext }),
            (name, child.clone()).prop_map(|(name, child)| Target::StreamChild { name, child }),
            (id.clone(), ext).prop_map(|(id, ext)| Target::Asset { id, ext }),
            (id, child).prop_map(|(id, child)| Target::AssetChild { id, child }),
        ];
        let grant = proptest::option::of("[a-zA-Z0-9._~-]{1,40}".prop_map(|g| Grant::parse(&g).unwrap()));
        (grant, target).prop_map(|(grant, target)| MediaPath { grant, target })
    }

    proptest! {
        #[test]
        fn a_url_parses_back_to_what_made_it(path in targets()) {
            prop_assert_eq!(MediaPath::parse(&path.to_url()), Ok(path));
        }

        #[test]
        fn any_text_is_an_answer_or_an_error(path in "\\PC{0,80}") {
            if let Ok(parsed) = MediaPath::parse(&path) {
                prop_assert_eq!(MediaPath::parse(&parsed.to_url()), Ok(parsed));
            }
        }
    }
}
