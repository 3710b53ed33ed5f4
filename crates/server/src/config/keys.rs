//! The one table of settings: path, default, explanation, what a reload does with it, and how its value is
//! read. The template, the environment's names, `docs/config.md` and the errors all come from it.

use std::path::PathBuf;

use super::types::{Cadence, Config, Cors, Durability, Listen, LogFormat, LogLevel, Takeover, TlsFiles};
use super::value::{Refusal, Value};

/// What changing a key does while the server runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// SIGHUP applies it.
    Reload,
    /// It takes a restart.
    Restart,
    /// It is accepted and has no effect in this version.
    NotYet,
}

/// One setting.
pub(crate) struct Key {
    /// `section.name`, or `name` at the top level.
    pub(crate) path: &'static str,
    /// The default as TOML; `None` when the key is unset by default.
    pub(crate) default: Option<&'static str>,
    /// A good value as TOML, shown where the default is unset and in errors.
    pub(crate) example: &'static str,
    /// What it does, in lines of the template.
    pub(crate) help: &'static [&'static str],
    /// What changing it does.
    pub(crate) change: Change,
    field: Field,
}

/// How a key reaches its field of [`Config`].
struct Field {
    set: fn(&mut Config, &Value) -> Result<(), Refusal>,
    same: fn(&Config, &Config) -> bool,
    copy: fn(&mut Config, &Config),
}

macro_rules! field {
    ($($field:ident).+, $read:expr) => {
        Field {
            set: |config, value| {
                config.$($field).+ = $read(value)?;
                Ok(())
            },
            same: |a, b| a.$($field).+ == b.$($field).+,
            copy: |to, from| to.$($field).+ = from.$($field).+.clone(),
        }
    };
}

impl Key {
    /// The part before the dot; empty at the top level.
    pub(crate) fn section(&self) -> &'static str {
        self.path.split_once('.').map_or("", |(section, _)| section)
    }

    /// The part after the dot.
    pub(crate) fn name(&self) -> &'static str {
        self.path.split_once('.').map_or(self.path, |(_, name)| name)
    }

    /// Puts a value into the settings. The error is the rest of a line that begins with the place;
    /// `written` is how an example would be written there.
    pub(super) fn apply(
        &self,
        config: &mut Config,
        value: &Value,
        written: impl Fn(&Key) -> String,
    ) -> Result<(), String> {
        (self.field.set)(config, value).map_err(|refusal| match refusal.example {
            true => format!("{}; write e.g. {}", refusal.reason, written(self)),
            false => refusal.reason,
        })
    }
}

/// Every key but those of `[[policy]]`.
pub(crate) const KEYS: &[Key] = &[
    Key {
        path: "data",
        default: Some("\"./data\""),
        example: "\"/var/lib/tapeline\"",
        help: &["Where recordings and the catalog live. `--data DIR` wins over it."],
        change: Change::Restart,
        field: field!(data, |v: &Value| v.text().map(PathBuf::from)),
    },
    Key {
        path: "database",
        default: Some("\"sqlite:DATA/tapeline.db\""),
        example: "\"sqlite:/var/lib/tapeline/tapeline.db\"",
        help: &[
            "The catalog: \"sqlite:PATH\" or \"postgres://USER@HOST/NAME\". DATA stands for the directory above.",
        ],
        change: Change::Restart,
        field: field!(database, database),
    },
    Key {
        path: "http.listen",
        default: Some("\"0.0.0.0:8080\""),
        example: "\"0.0.0.0:8080\"",
        help: &["Media, API and console. \"off\" closes it; port 0 takes a free port."],
        change: Change::Restart,
        field: field!(http.listen, listen),
    },
    Key {
        path: "http.tls",
        default: None,
        example: "[\"/etc/tapeline/cert.pem\", \"/etc/tapeline/key.pem\"]",
        help: &[
            "HTTPS: the files of the certificate with its chain and of its private key, in PEM. Unset opens nothing.",
            "SIGHUP reads the files again; that there are any is decided at the start.",
        ],
        change: Change::Reload,
        field: field!(http.tls, tls_files),
    },
    Key {
        path: "http.tls_listen",
        default: Some("\"0.0.0.0:8443\""),
        example: "\"0.0.0.0:8443\"",
        help: &["Media, API and console over HTTPS, once http.tls is set."],
        change: Change::Restart,
        field: field!(http.tls_listen, listen),
    },
    Key {
        path: "http.cors",
        default: Some("\"*\""),
        example: "[\"https://player.example.com\"]",
        help: &[
            "Web origins that may read media: \"*\" (without credentials), a list of origins, or \"off\".",
        ],
        change: Change::Reload,
        field: field!(http.cors, cors),
    },
    Key {
        path: "http.max_connections",
        default: Some("10000"),
        example: "10000",
        help: &["Connections at once; one more is closed at once and counted."],
        change: Change::Reload,
        field: field!(http.max_connections, connections),
    },
    Key {
        path: "rtmp.listen",
        default: Some("\"0.0.0.0:1935\""),
        example: "\"0.0.0.0:1935\"",
        help: &["Publishers and players over RTMP. \"off\" closes it; port 0 takes a free port."],
        change: Change::Restart,
        field: field!(rtmp.listen, listen),
    },
    Key {
        path: "rtmp.tls",
        default: None,
        example: "[\"/etc/tapeline/cert.pem\", \"/etc/tapeline/key.pem\"]",
        help: &["RTMPS: certificate and key, as for http.tls. Unset opens nothing."],
        change: Change::Reload,
        field: field!(rtmp.tls, tls_files),
    },
    Key {
        path: "rtmp.tls_listen",
        default: Some("\"0.0.0.0:1936\""),
        example: "\"0.0.0.0:1936\"",
        help: &["Publishers and players over RTMPS, once rtmp.tls is set."],
        change: Change::Restart,
        field: field!(rtmp.tls_listen, listen),
    },
    Key {
        path: "rtmp.takeover",
        default: Some("\"same-key\""),
        example: "\"same-key\"",
        help: &[
            "A second publisher of a stream: \"same-key\" replaces the first when it shows the same key and the",
            "first has been silent for 2 s; \"never\" refuses it while the first is connected.",
        ],
        change: Change::Reload,
        field: field!(rtmp.takeover, |v: &Value| v.one_of(&TAKEOVERS)),
    },
    Key {
        path: "rtmp.max_connections",
        default: Some("2000"),
        example: "2000",
        help: &["Connections at once; one more is closed at once and counted."],
        change: Change::Reload,
        field: field!(rtmp.max_connections, connections),
    },
    Key {
        path: "rtsp.listen",
        default: None,
        example: "\"0.0.0.0:8554\"",
        help: &["RTSP."],
        change: Change::NotYet,
        field: field!(unbuilt.rtsp, listen),
    },
    Key {
        path: "srt.listen",
        default: None,
        example: "\"0.0.0.0:8890\"",
        help: &["SRT over UDP."],
        change: Change::NotYet,
        field: field!(unbuilt.srt, listen),
    },
    Key {
        path: "webrtc.listen",
        default: None,
        example: "\"0.0.0.0:8189\"",
        help: &["WebRTC media over UDP."],
        change: Change::NotYet,
        field: field!(unbuilt.webrtc, listen),
    },
    Key {
        path: "tape.part_ms",
        default: Some("500"),
        example: "500",
        help: &["Length of a part, the unit of durability: what kill -9 can cost."],
        change: Change::Restart,
        field: field!(tape.part_ms, |v: &Value| v.whole(100..=500)),
    },
    Key {
        path: "tape.extent_s",
        default: Some("60"),
        example: "60",
        help: &["Length of a file on disk, in seconds; it ends at the next key frame."],
        change: Change::Restart,
        field: field!(tape.extent_s, |v: &Value| v.whole(1..=3600)),
    },
    Key {
        path: "tape.durability",
        default: Some("\"part\""),
        example: "\"part\"",
        help: &["When media is forced to disk: each \"part\", each \"extent\", or left to the \"os\"."],
        change: Change::Restart,
        field: field!(tape.durability, |v: &Value| v.one_of(&DURABILITIES)),
    },
    Key {
        path: "tape.ring_bytes",
        default: Some("\"32MiB\""),
        example: "\"32MiB\"",
        help: &["Memory that one live stream may hold for its viewers."],
        change: Change::Restart,
        field: field!(tape.ring_bytes, ring_bytes),
    },
    Key {
        path: "hls.segment_ms",
        default: Some("2000"),
        example: "2000",
        help: &["Wanted length of an HLS segment; it ends at the next key frame. New runs take it."],
        change: Change::Restart,
        field: field!(hls.segment_ms, |v: &Value| v.whole(500..=30_000)),
    },
    Key {
        path: "hls.window",
        default: Some("\"2h\""),
        example: "\"2h\"",
        help: &["How far back a live playlist reaches; at most 21600 segments."],
        change: Change::Reload,
        field: field!(hls.window, hls_window),
    },
    Key {
        path: "play.cadence",
        default: Some("\"frame\""),
        example: "\"frame\"",
        help: &["How live FLV and TS leave: at each video \"frame\" or in \"block\"s of 100 ms."],
        change: Change::NotYet,
        field: field!(play.cadence, |v: &Value| v.one_of(&CADENCES)),
    },
    Key {
        path: "retention.max_age",
        default: None,
        example: "\"30d\"",
        help: &["Recordings older than this go."],
        change: Change::Reload,
        field: field!(retention.max_age, |v: &Value| v.duration().map(Some)),
    },
    Key {
        path: "retention.max_bytes",
        default: None,
        example: "\"500GiB\"",
        help: &["The oldest recordings go when all together hold more than this."],
        change: Change::Reload,
        field: field!(retention.max_bytes, |v: &Value| v.bytes().map(Some)),
    },
    Key {
        path: "retention.min_free",
        default: None,
        example: "\"1%\"",
        help: &["Space kept free on the volume. Unset: 1 % of it, at most 2 GiB."],
        change: Change::Reload,
        field: field!(retention.min_free, |v: &Value| v.space().map(Some)),
    },
    Key {
        path: "store.url",
        default: None,
        example: "\"s3://bucket/prefix\"",
        help: &["Object storage that sealed extents move to."],
        change: Change::NotYet,
        field: field!(store.url, |v: &Value| v.text().map(|t| Some(t.to_owned()))),
    },
    Key {
        path: "access.loopback_open",
        default: Some("true"),
        example: "true",
        help: &["Whether this machine itself (loopback, no proxy, no foreign web page) needs no token."],
        change: Change::Reload,
        field: field!(access.loopback_open, Value::flag),
    },
    Key {
        path: "access.open",
        default: Some("[]"),
        example: "[\"play live/*\", \"publish test/*\"]",
        help: &[
            "What anyone may do without a token: ACT PATTERN each, ACT being publish, play, timeshift, clip or admin.",
        ],
        change: Change::Reload,
        field: field!(access.open, open_rules),
    },
    Key {
        path: "access.jwt_skew",
        default: Some("\"10s\""),
        example: "\"10s\"",
        help: &["How far the clock of whoever signs tokens may be off; at most 60s."],
        change: Change::Reload,
        field: field!(access.jwt_skew, jwt_skew),
    },
    Key {
        path: "access.jwt_max_lifetime",
        default: None,
        example: "\"1d\"",
        help: &[
            "Signed tokens that hold for longer, from iat to exp, are not taken; nor are those without iat.",
        ],
        change: Change::Reload,
        field: field!(access.jwt_max_lifetime, |v: &Value| v.duration().map(Some)),
    },
    Key {
        path: "log.level",
        default: Some("\"info\""),
        example: "\"info\"",
        help: &["error, warn, info, debug or trace."],
        change: Change::Reload,
        field: field!(log.level, |v: &Value| v.one_of(&LEVELS)),
    },
    Key {
        path: "log.format",
        default: Some("\"human\""),
        example: "\"human\"",
        help: &["\"human\", or \"json\": one object a line."],
        change: Change::Restart,
        field: field!(log.format, |v: &Value| v.one_of(&FORMATS)),
    },
];

const LEVELS: [(&str, LogLevel); 5] = [
    ("error", LogLevel::Error),
    ("warn", LogLevel::Warn),
    ("info", LogLevel::Info),
    ("debug", LogLevel::Debug),
    ("trace", LogLevel::Trace),
];

const FORMATS: [(&str, LogFormat); 2] = [("human", LogFormat::Human), ("json", LogFormat::Json)];
const TAKEOVERS: [(&str, Takeover); 2] = [("same-key", Takeover::SameKey), ("never", Takeover::Never)];
const DURABILITIES: [(&str, Durability); 3] =
    [("part", Durability::Part), ("extent", Durability::Extent), ("os", Durability::Os)];
const CADENCES: [(&str, Cadence); 2] = [("frame", Cadence::Frame), ("block", Cadence::Block)];

/// More sockets than any one machine holds open.
const CONNECTIONS_MAX: u32 = 1_000_000;

fn connections(value: &Value) -> Result<u32, Refusal> {
    value.whole(1..=CONNECTIONS_MAX)
}

fn refuse<T>(reason: String, example: bool) -> Result<T, Refusal> {
    Err(Refusal { reason, example })
}

fn database(value: &Value) -> Result<String, Refusal> {
    let text = value.text()?;
    match text.split_once(':') {
        Some(("sqlite" | "postgres" | "postgresql", rest)) if !rest.is_empty() => Ok(text.to_owned()),
        // The text may hold a password, so it is not repeated.
        _ => refuse("is neither sqlite:PATH nor postgres://…".into(), true),
    }
}

fn listen(value: &Value) -> Result<Listen, Refusal> {
    let text = value.text()?.trim();
    if text == "off" {
        return Ok(Listen::Off);
    }
    let (host, port) = text.rsplit_once(':').unwrap_or(("", ""));
    let bracketed = host.starts_with('[') && host.ends_with(']');
    if port.parse::<u16>().is_err() || (host.contains(':') && !bracketed) {
        return refuse(format!("{value} is not HOST:PORT"), true);
    }
    Ok(Listen::At(if host.is_empty() { format!("0.0.0.0:{port}") } else { text.to_owned() }))
}

fn tls_files(value: &Value) -> Result<Option<TlsFiles>, Refusal> {
    match &value.texts()?[..] {
        [] => Ok(None),
        [off] if off == "off" => Ok(None),
        [certificate, key] => Ok(Some(TlsFiles { certificate: certificate.into(), key: key.into() })),
        _ => refuse("names not two files, those of certificate and key".into(), true),
    }
}

fn cors(value: &Value) -> Result<Cors, Refusal> {
    let list = value.texts()?;
    match list.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["*"] => return Ok(Cors::Any),
        ["off"] | [] => return Ok(Cors::Off),
        _ => {}
    }
    // An origin is scheme://host[:port], RFC 6454 §6.2; a trailing slash would never match one.
    let good = |o: &String| {
        o.split_once("://")
            .is_some_and(|(s, h)| matches!(s, "http" | "https") && !h.is_empty() && !h.contains('/'))
            && o.is_ascii()
            && !o.contains(char::is_whitespace)
    };
    match list.iter().find(|o| !good(o)) {
        Some(bad) => refuse(format!("{bad:?} is not an origin"), true),
        None => Ok(Cors::Only(list)),
    }
}

fn ring_bytes(value: &Value) -> Result<u64, Refusal> {
    let bytes = value.bytes()?;
    match (1 << 20..=4 << 30).contains(&bytes) {
        true => Ok(bytes),
        false => refuse(format!("{bytes} bytes is outside 1MiB to 4GiB"), false),
    }
}

fn hls_window(value: &Value) -> Result<std::time::Duration, Refusal> {
    let window = value.duration()?;
    match (10..=7 * 86_400).contains(&window.as_secs()) {
        true => Ok(window),
        false => refuse(format!("{value} is outside 10s to 7d"), false),
    }
}

fn jwt_skew(value: &Value) -> Result<std::time::Duration, Refusal> {
    let skew = value.duration()?;
    match skew.as_nanos() <= control::keys::SKEW_NS_MAX as u128 {
        true => Ok(skew),
        false => refuse(format!("{value} is more than 60s"), false),
    }
}

fn open_rules(value: &Value) -> Result<Vec<String>, Refusal> {
    let list = value.texts()?;
    for rule in &list {
        if let Err(error) = control::access::OpenRule::parse(rule) {
            return refuse(format!("{rule:?}: {error}"), true);
        }
    }
    Ok(list)
}

/// Sets every key that has a default.
pub(super) fn apply_defaults(config: &mut Config) {
    for key in KEYS {
        if let Some(text) = key.default {
            let parsed = toml::de::DeValue::parse(text).expect("the table's defaults are TOML");
            let value = Value::from_toml(parsed.get_ref());
            (key.field.set)(config, &value).expect("the table's defaults are values of their keys");
        }
    }
}

/// The key of that path.
pub(super) fn find(path: &str) -> Option<&'static Key> {
    KEYS.iter().find(|k| k.path == path)
}

/// The sections, in the order of the table.
pub(super) fn sections() -> Vec<&'static str> {
    let mut sections: Vec<&str> = KEYS.iter().map(Key::section).filter(|s| !s.is_empty()).collect();
    sections.dedup();
    sections
}

/// The names inside a section.
pub(super) fn names_in(section: &str) -> Vec<&'static str> {
    KEYS.iter().filter(|k| k.section() == section).map(Key::name).collect()
}

/// One line for each key that was set and does nothing in this version.
pub(super) fn without_effect(set: &[&str]) -> Vec<String> {
    KEYS.iter()
        .filter(|k| k.change == Change::NotYet && set.contains(&k.path))
        .map(|k| match k.name() {
            "listen" => {
                format!("{}: this version has no {} listener; nothing is opened", k.path, k.section())
            }
            _ => format!("{}: accepted, without effect in this version", k.path),
        })
        .collect()
}

/// Moves what a reload may change from `new` into `running`. Gives the keys that differ, and what became of
/// each.
pub(crate) fn reload(running: &mut Config, new: &Config) -> Vec<(&'static str, Change)> {
    let differing = KEYS.iter().filter(|key| !(key.field.same)(running, new));
    let differing: Vec<&Key> = differing.collect();
    for key in differing.iter().filter(|key| key.change == Change::Reload) {
        (key.field.copy)(running, new);
    }
    let mut changed: Vec<_> = differing.iter().map(|key| (key.path, key.change)).collect();
    if running.jwt != new.jwt {
        running.jwt.clone_from(&new.jwt);
        changed.push(("jwt", Change::Reload));
    }
    if running.policies != new.policies {
        running.policies.clone_from(&new.policies);
        changed.push(("policy", Change::Reload));
    }
    changed
}
