//! Bodies as lists of pieces, and the part of HTTP that cuts them: `Range`, `If-Range`, `If-None-Match`.
//!
//! A [`Body`] says where bytes are, in memory or in a file the tape holds open; it never reads them. Reading,
//! pacing and sending are the server's.

use std::ops::Range;

use bytes::Bytes;
use tape::Piece;

/// Longest `Range` header looked at; one range of two 20-digit numbers has 47 bytes. A longer one is ignored.
pub const RANGE_BYTES_MAX: usize = 256;
/// Longest `If-None-Match` or `If-Range` header looked at; some fifty of our entity tags.
pub const ETAGS_BYTES_MAX: usize = 4096;

/// The part `cut` of one piece, counted from its first byte; `cut` lies within the piece.
fn cut_piece(piece: &Piece, cut: Range<u64>) -> Piece {
    match piece {
        Piece::Mem(bytes) => Piece::Mem(bytes.slice(cut.start as usize..cut.end as usize)),
        Piece::File { file, range } => {
            Piece::File { file: file.clone(), range: range.start + cut.start..range.start + cut.end }
        }
    }
}

/// The bytes of an answer, by reference. Cloning and slicing share what they point at.
#[derive(Debug, Clone, Default)]
pub struct Body {
    pieces: Vec<Piece>,
    /// `ends[i]`: bytes up to and including piece `i`.
    ends: Vec<u64>,
}

impl Body {
    /// A body of these pieces, one after the other. Empty ones are dropped.
    pub fn new(pieces: impl IntoIterator<Item = Piece>) -> Self {
        let mut body = Self::default();
        pieces.into_iter().for_each(|p| body.push(p));
        body
    }

    /// A body in memory.
    pub fn from_bytes(bytes: Bytes) -> Self {
        Self::new([Piece::Mem(bytes)])
    }

    /// Appends a piece.
    pub fn push(&mut self, piece: Piece) {
        let len = piece.len();
        if len > 0 {
            self.ends.push(self.len() + len);
            self.pieces.push(piece);
        }
    }

    /// Bytes.
    pub fn len(&self) -> u64 {
        self.ends.last().copied().unwrap_or(0)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// In order; none is empty.
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// In order; none is empty.
    pub fn into_pieces(self) -> Vec<Piece> {
        self.pieces
    }

    /// The bytes `[range.start, range.end)`, cut to what exists.
    pub fn slice(&self, range: Range<u64>) -> Self {
        let first = self.ends.partition_point(|end| *end <= range.start);
        let mut at = first.checked_sub(1).map_or(0, |before| self.ends[before]);
        let mut out = Self::default();
        for piece in &self.pieces[first..] {
            let len = piece.len();
            let cut = range.start.saturating_sub(at)..range.end.saturating_sub(at).min(len);
            if cut.start >= cut.end {
                break;
            }
            out.push(cut_piece(piece, cut));
            at += len;
        }
        out
    }
}

/// What a `Range` header means for a representation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RangeAnswer {
    /// 200 and all of it.
    Whole,
    /// 206 and these bytes; not empty, within the representation.
    Part(Range<u64>),
    /// 416 with [`unsatisfied_range`].
    Unsatisfiable,
}

/// Evaluates a `Range` header (RFC 9110 §14.2) for a representation of `len` bytes.
///
/// One range is served. Several are answered with the whole, which §14.2 allows any server to do: no player
/// asks for them, and `multipart/byteranges` is how small requests are made to cost much (CVE-2011-3192). So
/// are other units and anything malformed (§14.1.1: an invalid header is ignored).
pub fn answer_range(header: &str, len: u64) -> RangeAnswer {
    let Some(spec) = range_spec(header) else { return RangeAnswer::Whole };
    let (start, end) = match spec {
        // An empty representation is shorter than any suffix: the whole of it is what was asked for.
        RangeSpec::Suffix(n) if n > 0 && len == 0 => return RangeAnswer::Whole,
        RangeSpec::Suffix(n) => (len - n.min(len), len),
        RangeSpec::From(first, None) => (first, len),
        RangeSpec::From(first, Some(last)) => (first, last.saturating_add(1).min(len)),
    };
    if start < end { RangeAnswer::Part(start..end) } else { RangeAnswer::Unsatisfiable }
}

enum RangeSpec {
    /// From a byte to the end, or up to and including another.
    From(u64, Option<u64>),
    /// The last so many.
    Suffix(u64),
}

fn range_spec(header: &str) -> Option<RangeSpec> {
    if header.len() > RANGE_BYTES_MAX {
        return None;
    }
    let (unit, set) = header.split_once('=')?;
    if !unit.trim_ascii().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (first, last) = set.trim_ascii().split_once('-')?;
    match (first, last) {
        ("", suffix) => digits(suffix).map(RangeSpec::Suffix),
        (first, "") => digits(first).map(|f| RangeSpec::From(f, None)),
        (first, last) => {
            let (first, last) = (digits(first)?, digits(last)?);
            (first <= last).then_some(RangeSpec::From(first, Some(last)))
        }
    }
}

/// `1*DIGIT`. Past 64 bits it is past the end of everything, and saturates.
fn digits(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(u64::MAX))
}

/// `Content-Range` of a 206.
pub fn content_range(range: &Range<u64>, len: u64) -> String {
    format!("bytes {}-{}/{len}", range.start, range.end.saturating_sub(1))
}

/// `Content-Range` of a 416, RFC 9110 §15.5.17.
pub fn unsatisfied_range(len: u64) -> String {
    format!("bytes */{len}")
}

/// Whether `If-None-Match` lists this entity tag or is `*`: the answer is then 304. The comparison is weak,
/// RFC 9110 §13.1.2. `etag` includes its quotes.
pub fn etag_listed(if_none_match: &str, etag: &str) -> bool {
    if if_none_match.len() > ETAGS_BYTES_MAX {
        return false;
    }
    let plain = |tag: &str| tag.strip_prefix("W/").unwrap_or(tag).to_owned();
    // Our tags hold no comma, so that splitting at commas cannot find one inside a foreign tag: a tag that
    // matches is a whole element.
    if_none_match.trim_ascii() == "*"
        || if_none_match.split(',').any(|t| plain(t.trim_ascii()) == plain(etag))
}

/// Whether `If-Range` lets the `Range` beside it count: only for the very same strong entity tag (RFC 9110
/// §13.1.5). A date never does: it is not strong.
pub fn if_range_holds(if_range: &str, etag: &str) -> bool {
    let strong = |tag: &str| tag.starts_with('"') && tag.ends_with('"');
    strong(etag) && if_range.trim_ascii() == etag
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bytes_of(body: &Body) -> Vec<u8> {
        let mut all = Vec::new();
        for piece in body.pieces() {
            match piece {
                Piece::Mem(bytes) => all.extend_from_slice(bytes),
                Piece::File { .. } => unreachable!("bodies here are in memory"),
            }
        }
        all
    }

    #[test]
    fn one_range_is_served_and_others_are_not() {
        use RangeAnswer::{Part, Unsatisfiable, Whole};
        let check =
            |header: &str, want: RangeAnswer| assert_eq!(answer_range(header, 1000), want, "{header}");
        check("bytes=0-499", Part(0..500));
        check("bytes=500-", Part(500..1000));
        check("bytes=-1", Part(999..1000));
        check("bytes=-5000", Part(0..1000));
        check("bytes=999-99999999999999999999999", Part(999..1000));
        check("Bytes = 0-0 ", Part(0..1));
        check("bytes=1000-", Unsatisfiable);
        check("bytes=99999999999999999999999-", Unsatisfiable);
        check("bytes=-0", Unsatisfiable);
        for ignored in [
            "bytes=0-1,3-4",
            "bytes=5-4",
            "bytes=",
            "bytes=-",
            "bytes=a-b",
            "bytes=+1-2",
            "seconds=1-2",
            "",
            "bytes",
        ] {
            check(ignored, Whole);
        }
        check(&format!("bytes={}1-", "0".repeat(RANGE_BYTES_MAX)), Whole);
        assert_eq!(answer_range("bytes=-5", 0), Whole);
        assert_eq!(answer_range("bytes=0-", 0), Unsatisfiable);
        assert_eq!(content_range(&(0..500), 1000), "bytes 0-499/1000");
        assert_eq!(unsatisfied_range(1000), "bytes */1000");
    }

    #[test]
    fn entity_tags_compare_as_the_header_wants() {
        assert!(etag_listed("*", "\"a\""));
        assert!(etag_listed("\"b\", W/\"a\"", "\"a\""));
        assert!(!etag_listed("\"ab\"", "\"a\""));
        assert!(!etag_listed(&"\"a\",".repeat(2000), "\"a\""));
        assert!(if_range_holds(" \"a\"", "\"a\""));
        assert!(!if_range_holds("W/\"a\"", "W/\"a\""));
        assert!(!if_range_holds("Sat, 29 Oct 1994 19:43:31 GMT", "\"a\""));
    }

    proptest! {
        #[test]
        fn a_slice_is_the_slice_of_the_bytes(
            chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..9), 0..9),
            from in 0u64..90, to in 0u64..90,
        ) {
            let whole: Vec<u8> = chunks.concat();
            let body = Body::new(chunks.into_iter().map(|c| Piece::Mem(c.into())));
            prop_assert_eq!(body.len(), whole.len() as u64);
            let len = whole.len() as u64;
            let want = &whole[from.min(len) as usize..to.clamp(from.min(len), len) as usize];
            let slice = body.slice(from..to);
            prop_assert_eq!(slice.len(), want.len() as u64);
            prop_assert_eq!(bytes_of(&slice), want);
        }

        #[test]
        fn a_part_is_never_empty_nor_outside(header in "(bytes)?=?[-0-9, =bytes]{0,40}", len in 0u64..2000) {
            if let RangeAnswer::Part(range) = answer_range(&header, len) {
                prop_assert!(range.start < range.end && range.end <= len);
            }
        }

        #[test]
        fn a_stated_range_is_that_range(first in 0u64..3000, more in 0u64..3000, len in 1u64..2000) {
            let got = answer_range(&format!("bytes={first}-{}", first + more), len);
            let want = if first >= len { RangeAnswer::Unsatisfiable } else { RangeAnswer::Part(first..len.min(first + more + 1)) };
            prop_assert_eq!(got, want);
        }
    }
}
