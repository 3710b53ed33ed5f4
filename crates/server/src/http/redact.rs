//! URLs as they may be logged: without the secrets they carry.

use percent_encoding::percent_decode_str;

/// Longest URL that is logged, in bytes: a line stays readable, and a flood of long ones stays bounded.
const LOGGED_BYTES_MAX: usize = 512;

/// Query parameters whose values are secrets.
const SECRETS: [&str; 3] = ["token", "key", "secret"];

/// The text of a URL's path and query with every secret replaced by `***`, cut to a bounded length.
pub(crate) fn redact(url: &str) -> String {
    let (path, query) = url.split_once('?').map_or((url, None), |(p, q)| (p, Some(q)));
    let mut text = path_without_grant(path);
    if let Some(query) = query {
        text.push('?');
        text.push_str(&query_without_secrets(query));
    }
    if text.len() > LOGGED_BYTES_MAX {
        let cut = (0..=LOGGED_BYTES_MAX).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(cut);
        text.push('…');
    }
    text
}

fn path_without_grant(path: &str) -> String {
    let parts = path
        .split('/')
        .map(|part| if part.starts_with('~') || part.starts_with("%7E") { "~***" } else { part });
    parts.collect::<Vec<_>>().join("/")
}

fn query_without_secrets(query: &str) -> String {
    let secret = |name: &str| {
        let name = percent_decode_str(name).decode_utf8_lossy().to_ascii_lowercase();
        SECRETS.contains(&name.as_str())
    };
    let pairs = query.split('&').map(|pair| match pair.split_once('=') {
        Some((name, _)) if secret(name) => format!("{name}=***"),
        _ => pair.to_owned(),
    });
    pairs.collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_gone_and_the_rest_stays() {
        for (url, want) in [
            ("/live/cam1.m3u8?start=now&token=tk_abc", "/live/cam1.m3u8?start=now&token=***"),
            ("/live/cam1.mp4?%74oken=abc&a=b", "/live/cam1.mp4?%74oken=***&a=b"),
            ("/live/c?TOKEN=abc&token=def", "/live/c?TOKEN=***&token=***"),
            ("/~grant.sig/live/cam1.m3u8", "/~***/live/cam1.m3u8"),
            ("/live/cam1.m3u8", "/live/cam1.m3u8"),
        ] {
            assert_eq!(redact(url), want);
        }
        assert!(redact(&format!("/{}", "é".repeat(4000))).len() < 600);
    }
}
