//! Playlists compressed once per version and kept: a live playlist of hours is fetched by every viewer every
//! two seconds, and compressing it each time would cost ten times the building of it.

use std::collections::{HashMap, VecDeque};
use std::io::Write as _;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::HeaderMap;
use http::header;

/// Compressed bytes kept: thirty full windows of 21 600 segments at about 0.5 MB each.
const CACHE_BYTES_MAX: usize = 16 << 20;
/// Below it the headers outweigh the gain.
const WORTH_BYTES: usize = 512;
/// Playlists are repetitive: level 4 is within 10 % of level 9 at a fifth of its time.
const LEVEL: u32 = 4;

/// Compressed bodies by tag: the stream's identity and the body's entity tag.
#[derive(Default)]
pub(crate) struct GzipCache {
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    bodies: HashMap<String, Bytes>,
    /// Oldest first.
    order: VecDeque<String>,
    bytes: usize,
}

impl GzipCache {
    /// The body compressed; from the cache where its tag is known. Blocks for as long as compressing takes.
    pub(crate) fn compressed(&self, tag: &str, body: &[u8]) -> Bytes {
        if let Some(found) = self.find(tag) {
            return found;
        }
        let compressed = compress(body);
        self.keep(tag, compressed.clone());
        compressed
    }

    /// What is known of a tag.
    pub(crate) fn find(&self, tag: &str) -> Option<Bytes> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.bodies.get(tag).cloned()
    }

    fn keep(&self, tag: &str, body: Bytes) {
        if body.len() > CACHE_BYTES_MAX {
            return;
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.bytes += body.len();
        match kept.bodies.insert(tag.to_owned(), body) {
            // Two requests compressed the same version at once.
            Some(replaced) => kept.bytes -= replaced.len(),
            None => kept.order.push_back(tag.to_owned()),
        }
        while kept.bytes > CACHE_BYTES_MAX {
            let Some(oldest) = kept.order.pop_front() else { break };
            kept.bytes -= kept.bodies.remove(&oldest).map_or(0, |b| b.len());
        }
    }
}

fn compress(body: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 8), Compression::new(LEVEL));
    encoder.write_all(body).expect("writing to memory does not fail");
    encoder.finish().expect("writing to memory does not fail").into()
}

/// Whether a body of this size should be compressed for this client, RFC 9110 §12.5.3.
pub(crate) fn wanted(headers: &HeaderMap, len: u64) -> bool {
    len >= WORTH_BYTES as u64
        && headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|v| v.to_str().ok()).any(accepts_gzip)
}

fn accepts_gzip(list: &str) -> bool {
    list.split(',').any(|item| {
        let (coding, parameters) = item.split_once(';').unwrap_or((item, ""));
        let refused = parameters.trim().strip_prefix("q=").is_some_and(|q| q.trim().parse() == Ok(0.0));
        matches!(coding.trim().to_ascii_lowercase().as_str(), "gzip" | "x-gzip" | "*") && !refused
    })
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn a_body_survives_and_is_compressed_once() {
        let cache = GzipCache::default();
        let body = b"#EXTINF:2.000,\n".repeat(1000);
        let first = cache.compressed("\"a\"", &body);
        let mut plain = Vec::new();
        flate2::read::GzDecoder::new(&first[..]).read_to_end(&mut plain).unwrap();
        assert_eq!(plain, body);
        assert!(first.len() < body.len() / 20);
        assert_eq!(cache.compressed("\"a\"", b"ignored: the tag is known"), first);
    }

    #[test]
    fn the_cache_stays_within_its_bound() {
        let cache = GzipCache::default();
        for n in 0..40 {
            let noise: Vec<u8> = (0..1 << 20).map(|_| fastrand::u8(..)).collect();
            cache.compressed(&format!("\"{n}\""), &noise);
        }
        assert!(cache.kept.lock().unwrap().bytes <= CACHE_BYTES_MAX);
        assert!(cache.find("\"0\"").is_none() && cache.find("\"39\"").is_some());
    }

    #[test]
    fn only_clients_that_say_so_get_it() {
        for (value, want) in [
            ("gzip", true),
            ("deflate, gzip;q=1.0, *;q=0.5", true),
            ("br, x-gzip", true),
            ("gzip;q=0", false),
            ("identity", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(header::ACCEPT_ENCODING, value.parse().unwrap())]);
            assert_eq!(wanted(&headers, 1000), want, "{value}");
        }
        assert!(!wanted(&HeaderMap::new(), 1000));
    }
}
