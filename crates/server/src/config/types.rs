//! The settings, typed. Values are valid once they are here: `keys` is the only writer.

use std::path::PathBuf;
use std::time::Duration;

use super::jwt::JwtKey;
use super::keys;
use super::policy::Policy;
use super::units::Space;

/// Every setting of the server.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Config {
    /// The data directory.
    pub(crate) data: PathBuf,
    /// The catalog: `sqlite:PATH` or `postgres:…`. `DATA` at its head stands for the data directory until
    /// [`Config::place_database`].
    pub(crate) database: String,
    pub(crate) http: Http,
    pub(crate) rtmp: Rtmp,
    /// Listeners that are accepted in the file and open nothing.
    pub(crate) unbuilt: Unbuilt,
    pub(crate) tape: Tape,
    pub(crate) hls: Hls,
    pub(crate) play: Play,
    pub(crate) retention: Retention,
    pub(crate) store: Store,
    pub(crate) access: Access,
    pub(crate) policies: Vec<Policy>,
    pub(crate) jwt: Vec<JwtKey>,
    pub(crate) log: Log,
}

/// Where a listener listens.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Listen {
    /// Nowhere.
    #[default]
    Off,
    /// `host:port`; port 0 takes a free one.
    At(String),
}

/// Where a listener's certificate is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct TlsFiles {
    /// The certificate and those between it and the root, in PEM.
    pub(crate) certificate: PathBuf,
    /// Its private key, in PEM.
    pub(crate) key: PathBuf,
}

/// Which web origins may read media and API answers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Cors {
    /// Every origin, without credentials.
    #[default]
    Any,
    /// Only these.
    Only(Vec<String>),
    /// No header at all.
    Off,
}

/// The HTTP listener.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Http {
    pub(crate) listen: Listen,
    pub(crate) tls: Option<TlsFiles>,
    pub(crate) tls_listen: Listen,
    pub(crate) cors: Cors,
    pub(crate) max_connections: u32,
}

/// The RTMP listener.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Rtmp {
    pub(crate) listen: Listen,
    pub(crate) tls: Option<TlsFiles>,
    pub(crate) tls_listen: Listen,
    pub(crate) takeover: Takeover,
    pub(crate) max_connections: u32,
}

/// Whether a second publisher may replace the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Takeover {
    /// With the same key, once the old connection has been silent for two seconds.
    #[default]
    SameKey,
    /// Never: the first one stays until it ends.
    Never,
}

/// Listeners that this version does not have.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Unbuilt {
    pub(crate) rtsp: Listen,
    pub(crate) srt: Listen,
    pub(crate) webrtc: Listen,
}

/// The recording log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Tape {
    pub(crate) part_ms: u32,
    pub(crate) extent_s: u32,
    pub(crate) durability: Durability,
    pub(crate) ring_bytes: u64,
}

/// When written media is forced to disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Durability {
    /// Each part.
    #[default]
    Part,
    /// Each extent.
    Extent,
    /// When the operating system likes.
    Os,
}

/// HLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Hls {
    pub(crate) segment_ms: u32,
    pub(crate) window: Duration,
}

/// Live play over FLV and TS, which reads it once it is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Play {
    pub(crate) cadence: Cadence,
}

/// How media leaves for a live viewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Cadence {
    /// At each video frame.
    #[default]
    Frame,
    /// In blocks of 100 ms.
    Block,
}

/// What is kept.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Retention {
    pub(crate) max_age: Option<Duration>,
    pub(crate) max_bytes: Option<u64>,
    /// `None`: 1 % of the volume, at most 2 GiB.
    pub(crate) min_free: Option<Space>,
}

/// Object storage for sealed extents.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Store {
    pub(crate) url: Option<String>,
}

/// Who may do what without a token.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Access {
    pub(crate) loopback_open: bool,
    pub(crate) open: Vec<String>,
    /// How far the clock of a token's issuer may be off.
    pub(crate) jwt_skew: Duration,
    /// Longest time from `iat` to `exp`.
    pub(crate) jwt_max_lifetime: Option<Duration>,
}

/// The log on standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Log {
    pub(crate) level: LogLevel,
    pub(crate) format: LogFormat,
}

/// How much is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum LogLevel {
    Error,
    Warn,
    #[default]
    Info,
    Debug,
    Trace,
}

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum LogFormat {
    /// For people.
    #[default]
    Human,
    /// One JSON object a line.
    Json,
}

impl Config {
    /// Every key at the default that the template shows.
    pub(crate) fn defaults() -> Self {
        let mut config = Self::default();
        keys::apply_defaults(&mut config);
        config
    }

    /// Puts the data directory where `database` says `DATA`.
    pub(super) fn place_database(&mut self) {
        if let Some(tail) = self.database.strip_prefix("sqlite:DATA/") {
            self.database = format!("sqlite:{}", self.data.join(tail).display());
        }
    }
}
