//! A playlist as an outside parser reads it, and what RFC 8216bis says a client makes of a delta update.

use quick_m3u8::config::ParsingOptionsBuilder;
use quick_m3u8::tag::KnownTag;
use quick_m3u8::tag::hls::Tag;
use quick_m3u8::{HlsLine, Reader};
use view::query::TimeSpec;

/// One segment of a playlist.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Listed {
    pub msn: u64,
    pub dsn: u64,
    pub date_ms: Option<i64>,
    pub us: i64,
    pub map: Option<String>,
    pub uri: String,
    pub gap: bool,
}

/// A media playlist.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct List {
    pub version: u64,
    pub target_s: u64,
    pub msn: u64,
    pub dsn: u64,
    pub skipped: u64,
    pub skip_until: Option<f64>,
    pub hold_back: Option<f64>,
    pub start: Option<f64>,
    pub independent: bool,
    pub vod: bool,
    pub ended: bool,
    pub segments: Vec<Listed>,
}

#[derive(Default)]
struct Pending {
    date_ms: Option<i64>,
    us: i64,
    gap: bool,
    discontinuities: u64,
    map: Option<String>,
}

impl List {
    pub(crate) fn parse(text: &str) -> Self {
        assert!(text.starts_with("#EXTM3U\n") && text.ends_with('\n'), "{text}");
        let options = ParsingOptionsBuilder::new().with_parsing_for_all_tags().build();
        let mut reader = Reader::from_str(text, options);
        let (mut list, mut next) = (Self::default(), Pending::default());
        while let Some(line) = reader.read_line().unwrap() {
            match line {
                HlsLine::KnownTag(KnownTag::Hls(tag)) => list.tag(tag, &mut next),
                HlsLine::Uri(uri) => list.segment(&uri, &mut next),
                HlsLine::Blank => {}
                other => panic!("unexpected {other:?}"),
            }
        }
        list
    }

    fn tag(&mut self, tag: Tag<'_>, next: &mut Pending) {
        match tag {
            Tag::M3u(_) => {}
            Tag::Version(v) => self.version = v.version(),
            Tag::Targetduration(t) => self.target_s = t.target_duration(),
            Tag::MediaSequence(s) => self.msn = s.media_sequence(),
            Tag::DiscontinuitySequence(s) => self.dsn = s.discontinuity_sequence(),
            Tag::ServerControl(c) => (self.skip_until, self.hold_back) = (c.can_skip_until(), c.hold_back()),
            Tag::Start(s) => {
                assert!(s.precise());
                self.start = Some(s.time_offset());
            }
            Tag::Skip(s) => {
                assert!(self.segments.is_empty());
                self.skipped = s.skipped_segments();
            }
            Tag::IndependentSegments(_) => self.independent = true,
            Tag::PlaylistType(_) => self.vod = true,
            Tag::Endlist(_) => self.ended = true,
            Tag::Discontinuity(_) => next.discontinuities += 1,
            Tag::Map(m) => next.map = Some(m.uri().to_owned()),
            Tag::Gap(_) => next.gap = true,
            Tag::Inf(i) => next.us = (i.duration() * 1e6).round() as i64,
            Tag::ProgramDateTime(d) => match TimeSpec::parse(&d.program_date_time().to_string()).unwrap() {
                TimeSpec::Absolute(at) => next.date_ms = Some(at.ms()),
                TimeSpec::Relative { .. } => panic!("a date is absolute"),
            },
            other => panic!("unexpected {other:?}"),
        }
    }

    fn segment(&mut self, uri: &str, next: &mut Pending) {
        let next = std::mem::take(next);
        let (msn, dsn, map) = match self.segments.last() {
            Some(s) => (s.msn + 1, s.dsn, s.map.clone()),
            None => (self.msn + self.skipped, self.dsn, None),
        };
        self.segments.push(Listed {
            msn,
            dsn: dsn + next.discontinuities,
            date_ms: next.date_ms,
            us: next.us,
            map: next.map.or(map),
            uri: uri.to_owned(),
            gap: next.gap,
        });
    }

    /// What a client has after this delta update of a list that it had, RFC 8216bis §6.3.7.
    pub(crate) fn applied_to(mut self, older: &Self) -> Self {
        let until = self.msn + self.skipped;
        let kept: Vec<Listed> =
            older.segments.iter().filter(|s| (self.msn..until).contains(&s.msn)).cloned().collect();
        assert_eq!(kept.len() as u64, self.skipped, "the client has what is skipped");
        if let Some(last) = kept.last() {
            let behind = last.dsn - self.dsn;
            let map = last.map.clone();
            for segment in &mut self.segments {
                segment.dsn += behind;
                segment.map = segment.map.take().or(map.clone());
            }
        }
        self.segments.splice(0..0, kept);
        self.skipped = 0;
        self
    }

    /// What has to hold of any list by itself.
    pub(crate) fn check(&self) {
        assert!(self.target_s > 0 && !self.segments.is_empty());
        for s in &self.segments {
            assert!((s.us + 500_000) / 1_000_000 <= self.target_s as i64, "{s:?} exceeds {}", self.target_s);
            assert!(s.gap || s.date_ms.is_some(), "{s:?} has no date");
            assert!(self.skipped > 0 || s.map.is_some(), "{s:?} has no map");
        }
        if self.ended {
            assert!(self.vod && self.skip_until.is_none() && self.skipped == 0);
        } else {
            assert!(self.skip_until.unwrap() >= 6.0 * self.target_s as f64);
            assert!(self.hold_back.unwrap() >= 3.0 * self.target_s as f64);
        }
    }
}
