//! The query of a media URL: `start end delay at token accuracy gaps epochs wait clock download container
//! _HLS_skip _HLS_msn _HLS_part`, parsed into typed values.
//!
//! What a value *means* for a view is the view's business; [`MediaQuery::resolve`] turns times into instants.
//! Parameters nobody knows are kept and ignored: players and analytics add their own.

mod span;
mod time;

pub use span::{Resolved, SpanError};
pub use time::{TimeError, TimeSpec, format_wall, parse_duration_ns};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, utf8_percent_encode};
use thiserror::Error;

/// Longest query looked at, in bytes: every parameter at its longest, with a token of 2 kB, fits twice.
pub const QUERY_BYTES_MAX: usize = 8192;
/// Most parameters in a query; the grammar has 15, the rest are other people's.
pub const QUERY_PARAMETERS_MAX: usize = 64;
/// Longest `wait=`: below the 60 s after which common proxies give up on an answer.
pub const WAIT_NS_MAX: i64 = 55_000_000_000;
/// Longest `download=` name in bytes: what file systems take, with room for an extension.
pub const DOWNLOAD_BYTES_MAX: usize = 200;

/// RFC 3986 §3.4 allows more; escaping all but these is read the same by every parser.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b':');

/// Why a query is refused. Always a 400.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum QueryError {
    /// Longer than [`QUERY_BYTES_MAX`].
    #[error("the query is {0} bytes long; the limit is {QUERY_BYTES_MAX}")]
    TooLong(usize),
    /// More than [`QUERY_PARAMETERS_MAX`] parameters.
    #[error("the query has more than {QUERY_PARAMETERS_MAX} parameters")]
    TooMany,
    /// A parameter of the grammar given twice with different meaning to different readers.
    #[error("`{0}` is given more than once; give it once")]
    Repeated(&'static str),
    /// A time that cannot be read.
    #[error("`{parameter}` cannot be read: {error}")]
    Time {
        /// The parameter.
        parameter: &'static str,
        /// What was read and an example.
        error: TimeError,
    },
    /// A value outside what the parameter takes.
    #[error("`{parameter}` is {read:?}; it takes {takes}, e.g. {parameter}={example}")]
    Value {
        /// The parameter.
        parameter: &'static str,
        /// What was read.
        read: String,
        /// What it takes, in words.
        takes: &'static str,
        /// A value that would be right.
        example: &'static str,
    },
}

/// How exact a clip's ends are. `EditList` is the default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Accuracy {
    /// Rounded outward to key frames.
    Gop,
    /// Exact to the frame by an edit list; nothing is re-encoded.
    #[default]
    EditList,
    /// Exact to the frame by re-encoding the first and last group of pictures.
    Reencode,
}

impl Accuracy {
    /// The word in URLs and in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gop => "gop",
            Self::EditList => "editlist",
            Self::Reencode => "reencode",
        }
    }
}

/// What a view does with a stretch without media. `Collapse` is the default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum GapPolicy {
    /// Leaves it out.
    #[default]
    Collapse,
    /// Holds the last picture over it, in silence.
    Hold,
    /// Refuses the range (409).
    Fail,
}

impl GapPolicy {
    /// The word in URLs and in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Collapse => "collapse",
            Self::Hold => "hold",
            Self::Fail => "fail",
        }
    }
}

/// What a file does with several codec configurations. `InBand` is the default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Epochs {
    /// One file with parameter sets before each key frame.
    #[default]
    InBand,
    /// One file per configuration.
    Split,
    /// One file, re-encoded to one configuration.
    Reencode,
}

/// Whose clock times are on. `Ingest` is the default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Clock {
    /// The server's, as packets arrived.
    #[default]
    Ingest,
    /// The source's, where it states one.
    Capture,
}

/// What HLS segments are. `Fmp4` is the default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Container {
    /// Fragmented MP4.
    #[default]
    Fmp4,
    /// MPEG-TS, for old devices.
    Ts,
}

/// `_HLS_skip`, RFC 8216bis §6.2.5.1: a delta update is welcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Skip {
    /// `YES`: segments may be skipped.
    Segments,
    /// `v2`: date ranges too. Playlists here have none, so both are answered alike.
    SegmentsAndDateRanges,
}

/// `download`: the answer is to be saved rather than shown.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Download {
    /// Under a name of the server's choosing.
    Unnamed,
    /// Under this name, already free of path separators and control characters.
    Named(String),
}

/// A parsed query. Absent and empty parameters are `None` or the default.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MediaQuery {
    /// Where the range begins.
    pub start: Option<TimeSpec>,
    /// Where it ends, exclusive.
    pub end: Option<TimeSpec>,
    /// The instant of a picture.
    pub at: Option<TimeSpec>,
    /// How far behind the edge `now` is, in nanoseconds, not negative.
    pub delay_ns: Option<i64>,
    /// A token, a secret.
    pub token: Option<Secret>,
    /// How exact a clip is.
    pub accuracy: Option<Accuracy>,
    /// What happens to gaps.
    pub gaps: Option<GapPolicy>,
    /// What happens to codec changes.
    pub epochs: Option<Epochs>,
    /// How long an answer that is not there yet may be waited for, in nanoseconds, at most [`WAIT_NS_MAX`].
    pub wait_ns: Option<i64>,
    /// Whose clock the times are on.
    pub clock: Option<Clock>,
    /// Whether to save, and as what.
    pub download: Option<Download>,
    /// What HLS segments are made of.
    pub container: Option<Container>,
    /// `_HLS_skip`.
    pub hls_skip: Option<Skip>,
    /// `_HLS_msn`.
    pub hls_msn: Option<u64>,
    /// `_HLS_part`.
    pub hls_part: Option<u64>,
    /// Every parameter as given, decoded, in order: what a redirect has to keep.
    pairs: Pairs,
}

/// Decoded parameters. Their `Debug` shows how many: one may be a token.
#[derive(Clone, PartialEq, Eq, Default)]
struct Pairs(Vec<(String, String)>);

impl std::fmt::Debug for Pairs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pairs({})", self.0.len())
    }
}

/// A value that must not reach logs.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The value.
    pub fn secret(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl MediaQuery {
    /// Parses a raw query string, without its `?`; an empty one is the default.
    ///
    /// `application/x-www-form-urlencoded`, leniently: a stray `%` stands for itself, bytes that are not
    /// UTF-8 become U+FFFD.
    pub fn parse(query: &str) -> Result<Self, QueryError> {
        if query.len() > QUERY_BYTES_MAX {
            return Err(QueryError::TooLong(query.len()));
        }
        let mut parsed = Self::default();
        for pair in query.split('&').filter(|p| !p.is_empty()) {
            if parsed.pairs.0.len() == QUERY_PARAMETERS_MAX {
                return Err(QueryError::TooMany);
            }
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (form_decode(name), form_decode(value));
            parsed.take(&name, &value)?;
            parsed.pairs.0.push((name, value));
        }
        Ok(parsed)
    }

    fn take(&mut self, name: &str, value: &str) -> Result<(), QueryError> {
        // `?download` alone is a wish; any other empty value is a form field left blank.
        if value.is_empty() && name != "download" {
            return Ok(());
        }
        match name {
            "start" => once(&mut self.start, "start", time("start", value)?),
            "end" => once(&mut self.end, "end", time("end", value)?),
            "at" => once(&mut self.at, "at", time("at", value)?),
            "delay" => once(&mut self.delay_ns, "delay", duration("delay", value, i64::MAX)?),
            "wait" => once(&mut self.wait_ns, "wait", duration("wait", value, WAIT_NS_MAX)?),
            "token" => once(&mut self.token, "token", Secret(value.to_owned())),
            "accuracy" => once(&mut self.accuracy, "accuracy", word(&ACCURACY, value)?),
            "gaps" => once(&mut self.gaps, "gaps", word(&GAPS, value)?),
            "epochs" => once(&mut self.epochs, "epochs", word(&EPOCHS, value)?),
            "clock" => once(&mut self.clock, "clock", word(&CLOCK, value)?),
            "container" => once(&mut self.container, "container", word(&CONTAINER, value)?),
            "download" => once(&mut self.download, "download", download(value)?),
            "_HLS_skip" => once(&mut self.hls_skip, "_HLS_skip", word(&SKIP, value)?),
            "_HLS_msn" => once(&mut self.hls_msn, "_HLS_msn", number("_HLS_msn", value)?),
            "_HLS_part" => once(&mut self.hls_part, "_HLS_part", number("_HLS_part", value)?),
            _ => Ok(()),
        }
    }

    /// Every parameter as given, decoded, in order.
    pub fn pairs(&self) -> &[(String, String)] {
        &self.pairs.0
    }
}

/// Renders pairs as a query string without `?`, each percent-encoded; [`MediaQuery::parse`] reads them back.
pub fn to_query<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let encoded = |text: &'a str| utf8_percent_encode(text, ESCAPED).to_string();
    let pairs: Vec<String> =
        pairs.into_iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
    pairs.join("&")
}

fn form_decode(text: &str) -> String {
    let spaced = text.replace('+', " ");
    percent_decode(spaced.as_bytes()).decode_utf8_lossy().into_owned()
}

/// Readers disagree on which of two values counts (a cache takes the first, a framework the last), so that
/// two are an error.
fn once<T>(slot: &mut Option<T>, parameter: &'static str, value: T) -> Result<(), QueryError> {
    if slot.replace(value).is_some() { Err(QueryError::Repeated(parameter)) } else { Ok(()) }
}

fn time(parameter: &'static str, value: &str) -> Result<TimeSpec, QueryError> {
    TimeSpec::parse(value).map_err(|error| QueryError::Time { parameter, error })
}

fn duration(parameter: &'static str, value: &str, max_ns: i64) -> Result<i64, QueryError> {
    let ns = parse_duration_ns(value).ok_or_else(|| QueryError::Value {
        parameter,
        read: shown(value),
        takes: "seconds or a duration [Nd][Nh][Nm][N[.N]s]",
        example: "30s",
    })?;
    Ok(ns.min(max_ns))
}

struct Words<T: 'static> {
    parameter: &'static str,
    takes: &'static str,
    words: &'static [(&'static str, T)],
}

const ACCURACY: Words<Accuracy> = Words {
    parameter: "accuracy",
    takes: "gop, editlist or reencode",
    words: &[("editlist", Accuracy::EditList), ("gop", Accuracy::Gop), ("reencode", Accuracy::Reencode)],
};
const GAPS: Words<GapPolicy> = Words {
    parameter: "gaps",
    takes: "collapse, hold or fail",
    words: &[("collapse", GapPolicy::Collapse), ("hold", GapPolicy::Hold), ("fail", GapPolicy::Fail)],
};
const EPOCHS: Words<Epochs> = Words {
    parameter: "epochs",
    takes: "inband, split or reencode",
    words: &[("inband", Epochs::InBand), ("split", Epochs::Split), ("reencode", Epochs::Reencode)],
};
const CLOCK: Words<Clock> = Words {
    parameter: "clock",
    takes: "ingest or capture",
    words: &[("ingest", Clock::Ingest), ("capture", Clock::Capture)],
};
const CONTAINER: Words<Container> = Words {
    parameter: "container",
    takes: "fmp4 or ts",
    words: &[("fmp4", Container::Fmp4), ("ts", Container::Ts)],
};
const SKIP: Words<Skip> = Words {
    parameter: "_HLS_skip",
    takes: "YES or v2",
    words: &[("YES", Skip::Segments), ("v2", Skip::SegmentsAndDateRanges)],
};

fn word<T: Copy>(words: &Words<T>, value: &str) -> Result<T, QueryError> {
    words.words.iter().find(|(w, _)| *w == value).map(|(_, v)| *v).ok_or_else(|| QueryError::Value {
        parameter: words.parameter,
        read: shown(value),
        takes: words.takes,
        example: words.words[0].0,
    })
}

fn number(parameter: &'static str, value: &str) -> Result<u64, QueryError> {
    let digits = value.bytes().all(|b| b.is_ascii_digit());
    value.parse().ok().filter(|_| digits).ok_or_else(|| QueryError::Value {
        parameter,
        read: shown(value),
        takes: "a whole number",
        example: "12",
    })
}

fn download(value: &str) -> Result<Download, QueryError> {
    let hostile = |c: char| c.is_control() || matches!(c, '/' | '\\' | '"' | ':');
    match value {
        "" | "1" | "true" => Ok(Download::Unnamed),
        name if name.len() <= DOWNLOAD_BYTES_MAX && !name.contains(hostile) && !name.starts_with('.') => {
            Ok(Download::Named(name.to_owned()))
        }
        _ => Err(QueryError::Value {
            parameter: "download",
            read: shown(value),
            takes: "nothing, or a file name of at most 200 bytes without / \\ : \" or a leading dot",
            example: "goal.mp4",
        }),
    }
}

/// What an error shows of hostile input: its first 64 characters.
fn shown(text: &str) -> String {
    text.chars().take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_full_query_reads() {
        let q = MediaQuery::parse(
            "start=2026-01-02T03:04:05+01:00&end=now&delay=1m30s&token=s3cr%26et&accuracy=gop&gaps=fail\
             &epochs=split&wait=10&clock=capture&download=goal%201.mp4&container=ts&_HLS_skip=v2&_HLS_msn=7\
             &_HLS_part=0&_t=1",
        )
        .unwrap();
        assert_eq!(q.end, Some(TimeSpec::Relative { before_ns: 0 }));
        assert_eq!((q.delay_ns, q.wait_ns), (Some(90_000_000_000), Some(10_000_000_000)));
        assert_eq!(q.token.as_ref().map(Secret::secret), Some("s3cr&et"));
        assert_eq!(
            (q.accuracy, q.gaps, q.epochs),
            (Some(Accuracy::Gop), Some(GapPolicy::Fail), Some(Epochs::Split))
        );
        assert_eq!((q.clock, q.container), (Some(Clock::Capture), Some(Container::Ts)));
        assert_eq!(q.download, Some(Download::Named("goal 1.mp4".to_owned())));
        assert_eq!(
            (q.hls_skip, q.hls_msn, q.hls_part),
            (Some(Skip::SegmentsAndDateRanges), Some(7), Some(0))
        );
        assert_eq!(q.pairs().len(), 15);
        assert!(!format!("{q:?}").contains("s3cr"));
    }

    #[test]
    fn blank_fields_and_strangers_are_left_alone() {
        let q = MediaQuery::parse("start=&end&&utm=%&download").unwrap();
        assert_eq!((q.start, q.end), (None, None));
        assert_eq!(q.download, Some(Download::Unnamed));
        assert_eq!(q.pairs()[2], ("utm".to_owned(), "%".to_owned()));
        assert_eq!(MediaQuery::parse("").unwrap(), MediaQuery::default());
    }

    #[test]
    fn errors_name_the_parameter_what_was_read_and_an_example() {
        let error = |q: &str| MediaQuery::parse(q).unwrap_err().to_string();
        assert_eq!(
            error("start=yesterday"),
            "`start` cannot be read: \"yesterday\" is no time; write 2026-01-02T03:04:05Z, epoch seconds or \
             milliseconds, -90s or now"
        );
        assert_eq!(
            error("gaps=skip"),
            "`gaps` is \"skip\"; it takes collapse, hold or fail, e.g. gaps=collapse"
        );
        assert_eq!(error("_HLS_msn=-1"), "`_HLS_msn` is \"-1\"; it takes a whole number, e.g. _HLS_msn=12");
        assert!(error("delay=soon").contains("delay=30s"));
        assert!(error("download=../x").contains("download=goal.mp4"));
        assert_eq!(error("end=now&end=1"), "`end` is given more than once; give it once");
        assert!(error(&"a&".repeat(65)).contains("64"));
        assert!(error(&"a".repeat(9000)).contains("9000"));
        assert_eq!(MediaQuery::parse("wait=99h").unwrap().wait_ns, Some(WAIT_NS_MAX));
    }

    proptest! {
        #[test]
        fn pairs_survive_rendering(pairs in proptest::collection::vec(("[^\\p{Cc}]{1,8}", "\\PC{0,12}"), 0..8)) {
            let rendered = to_query(pairs.iter().map(|(n, v)| (n.as_str(), v.as_str())));
            if let Ok(back) = MediaQuery::parse(&rendered) {
                prop_assert_eq!(back.pairs(), &pairs[..]);
            }
        }
    }
}
