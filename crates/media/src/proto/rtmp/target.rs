//! Which stream a publisher or player means: RTMP spreads a URL over `app`, `tcUrl` and the stream name,
//! and every encoder cuts it elsewhere. Whether the result is a legal name is [`crate::name`]'s to say.

/// Prefixes by which Flash-era clients name a file format; FFmpeg and librtmp add them by themselves to
/// names that end in `.mp4` and the like.
const FORMAT_PREFIXES: [&str; 3] = ["mp4:", "flv:", "mp3:"];

/// The application instance that Flash Media Server and Wowza understand where none is named.
const DEFAULT_INSTANCE: &str = "_definst_";

/// A stream's path and query, put together again.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Target {
    /// `app/stream` with any number of parts, without a slash at either end, percent-decoded. It may be
    /// anything a peer wrote: validate it.
    pub path: String,
    /// The queries of the stream name, the app and the `tcUrl`, in this order, joined by `&`: where a key
    /// repeats, the first one is the nearest to the stream. Raw.
    pub query: String,
}

/// Puts together what `connect` said as `app` and `tcUrl` and the stream name of `publish` or `play`. A slash
/// in a query has to be written `%2F`: every encoder cuts `live/cam1?token=a/b` behind the `a`, which cannot be
/// told from an app `live/cam1` with a token and a stream `b`.
pub fn resolve(app: &str, tc_url: &str, name: &str) -> Target {
    let (mut app_path, app_query) = split_query(app);
    let (tc_path, tc_query) = split_query(after_authority(tc_url));
    if components(app_path).next().is_none() {
        app_path = tc_path;
    }
    let (name_path, name_query) = split_query(name);
    let name_path = without_format(name_path.trim_start_matches('/'));
    let path: Vec<_> = components(app_path)
        .filter(|part| *part != DEFAULT_INSTANCE)
        .chain(components(name_path))
        .map(percent_decoded)
        .collect();
    Target { path: path.join("/"), query: joined(&[name_query, app_query, tc_query]) }
}

fn split_query(text: &str) -> (&str, &str) {
    text.split_once('?').unwrap_or((text, ""))
}

/// What follows `scheme://host:port/`.
fn after_authority(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.find(['/', '?']).map_or("", |at| &rest[at..])
}

fn components(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|part| !part.is_empty())
}

fn without_format(name: &str) -> &str {
    FORMAT_PREFIXES.iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(name)
}

/// The query's parts without repetition: encoders that put the whole URL into `tcUrl` say them twice.
fn joined(queries: &[&str]) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for query in queries {
        if !query.is_empty() && !parts.contains(query) {
            parts.push(query);
        }
    }
    parts.join("&")
}

/// Decodes `%XX`; text that does not decode to UTF-8 stays as it is.
fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        match (first, after) {
            (b'%', [high, low, after @ ..]) if let Some(byte) = hex_pair(*high, *low) => {
                bytes.push(byte);
                rest = after;
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

fn hex_pair(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(app: &str, tc_url: &str, name: &str, path: &str, query: &str) {
        let target = resolve(app, tc_url, name);
        assert_eq!(
            (target.path.as_str(), target.query.as_str()),
            (path, query),
            "{app:?} {tc_url:?} {name:?}"
        );
    }

    /// What each encoder makes of a URL: FFmpeg 5.1, GStreamer 1.22's rtmp2 and librtmp 2.4 as recorded, OBS
    /// and FMLE by their documentation.
    #[test]
    fn the_forms_of_real_encoders_all_mean_the_same_stream() {
        let tc = "rtmp://127.0.0.1:1935/live";
        // FFmpeg, GStreamer, rtmpdump, OBS: rtmp://host/live/cam1
        check("live", tc, "cam1", "live/cam1", "");
        // OBS: server rtmp://host/live, key cam1?token=x; FFmpeg: rtmp://host/live/cam1?token=x
        check("live", tc, "cam1?token=x", "live/cam1", "token=x");
        // OBS: server rtmp://host/live?token=x, key cam1
        check("live?token=x", "rtmp://127.0.0.1:1935/live?token=x", "cam1", "live/cam1", "token=x");
        // OBS: server rtmp://host/live/ with its slash
        check("live/", "rtmp://127.0.0.1:1935/live/", "cam1", "live/cam1", "");
        // OBS without a key, or FFmpeg with rtmp://host/live: no stream, which the name's check will say
        check("live", tc, "", "live", "");
        check("live/cam1", "rtmp://127.0.0.1:1935/live/cam1", "", "live/cam1", "");
        // All: rtmp://host/live/room/cam1; one level deeper FFmpeg cuts elsewhere than the others
        check("live/room", "rtmp://127.0.0.1:1935/live/room", "cam1", "live/room/cam1", "");
        check("live/a", "rtmp://127.0.0.1:1935/live/a", "b/cam1", "live/a/b/cam1", "");
        check("live/a/b", "rtmp://127.0.0.1:1935/live/a/b", "cam1", "live/a/b/cam1", "");
        // All: rtmp://host/live//cam1
        check("live/", "rtmp://127.0.0.1:1935/live/", "cam1", "live/cam1", "");
        // FFmpeg adds a format to what looks like a file, librtmp puts it in the place of the suffix
        check("live", tc, "mp4:cam1.mp4", "live/cam1.mp4", "");
        check("live", tc, "mp4:cam1", "live/cam1", "");
        check("live", tc, "flv:cam1", "live/cam1", "");
        // FMLE: leading slashes; Wowza's default instance
        check("/live", tc, "/cam1", "live/cam1", "");
        check("live/_definst_", "rtmp://127.0.0.1/live/_definst_", "cam1", "live/cam1", "");
        // An encoder that names the app in tcUrl only
        check("", "rtmp://127.0.0.1:1935/live?token=x", "cam1", "live/cam1", "token=x");
    }

    #[test]
    fn queries_of_all_three_places_are_joined_nearest_first() {
        check("live?b=2", "rtmp://h/live?c=3", "cam1?a=1", "live/cam1", "a=1&b=2&c=3");
        check("live", "rtmp://h?c=3", "cam1", "live/cam1", "c=3");
        check(
            "live",
            "rtmp://h/live",
            "cam1?start=2026-01-01T00:00:00Z&x=a/b",
            "live/cam1",
            "start=2026-01-01T00:00:00Z&x=a/b",
        );
    }

    #[test]
    fn names_are_percent_decoded_where_that_gives_text() {
        check("live", "", "caf%C3%A9", "live/café", "");
        check("live", "", "100%", "live/100%", "");
        check("live", "", "%ff", "live/%ff", "");
        check("live", "", "a%2", "live/a%2", "");
        check("l%69ve", "", "%2e%2e", "live/..", "");
    }

    #[test]
    fn odd_input_gives_odd_names_but_never_fails() {
        check("", "", "", "", "");
        check("///", "rtmp://", "//", "", "");
        check("", "not a url", "cam1", "cam1", "");
        check("live", "rtmp://h/live", "?token=x", "live", "token=x");
    }
}
