//! The console: the web page built from `console/`, embedded at compile time, at `/` and `/console/…`. Where
//! it has not been built, one small page says how to build it. The page talks to the API like any other
//! client.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{self, HeaderValue};
use http::{HeaderMap, StatusCode};
use rust_embed::{EmbeddedFile, RustEmbed};

use super::problem::{Kind, Problem};

/// `console/dist` as it was when the server was compiled; `build.rs` makes it exist.
#[derive(RustEmbed)]
#[folder = "../../console/dist"]
#[allow_missing = true]
struct Dist;

const FALLBACK: &str = include_str!("fallback.html");

/// Everything from this server and nothing else. hls.js plays through `blob:` URLs and runs its transmuxer in a
/// worker made from one; media and thumbnails come from here.
const POLICY: &str = "default-src 'none'; script-src 'self'; worker-src 'self' blob:; style-src 'self'; \
                      img-src 'self' data: blob:; font-src 'self'; connect-src 'self'; media-src 'self' blob:; \
                      manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// The fallback's page has its style inside.
const FALLBACK_POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'";

/// The file at a path below the console; the empty path is its page. Addresses that are views of the
/// page and not files (no dot in the last part) give the page too.
pub(crate) fn file(path: &str, request: &HeaderMap) -> Response {
    let path = path.trim_start_matches('/');
    let is_view = !path.rsplit('/').next().unwrap_or("").contains('.');
    let (name, found) = match is_view {
        true => ("index.html", Dist::get("index.html")),
        false => (path, Dist::get(path)),
    };
    match found {
        Some(file) => embedded(name, &file, request),
        None if is_view => page(FALLBACK, FALLBACK_POLICY),
        None => Problem::new(Kind::NoSuchPage, format!("the console has no file {path:?}; it starts at /"))
            .into_response(),
    }
}

fn page(text: &'static str, policy: &'static str) -> Response {
    let mut response = Response::new(Body::from(text));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    secure(headers, policy);
    response
}

fn embedded(name: &str, file: &EmbeddedFile, request: &HeaderMap) -> Response {
    let etag = etag(file);
    let known = request.get(header::IF_NONE_MATCH).is_some_and(|tags| {
        tags.to_str().is_ok_and(|tags| tags.split(',').any(|tag| tag.trim().trim_start_matches("W/") == etag))
    });
    let mut response = Response::new(match known {
        true => Body::empty(),
        false => Body::from(file.data.clone().into_owned()),
    });
    if known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let headers = response.headers_mut();
    let mime = match file.metadata.mimetype() {
        text @ ("text/html" | "text/css" | "text/javascript" | "application/javascript") => {
            format!("{text}; charset=utf-8")
        }
        other => other.to_owned(),
    };
    headers.insert(header::CONTENT_TYPE, HeaderValue::try_from(mime).expect("a MIME type is ASCII"));
    // Vite puts a hash of the content into every name below assets/.
    let cache = if name.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    headers.insert(header::ETAG, HeaderValue::try_from(etag).expect("hex is ASCII"));
    secure(headers, POLICY);
    response
}

fn etag(file: &EmbeddedFile) -> String {
    let hash = file.metadata.sha256_hash();
    let hex: String = hash[..8].iter().map(|b| format!("{b:02x}")).collect();
    format!("\"{hex}\"")
}

fn secure(headers: &mut HeaderMap, policy: &'static str) {
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert("cross-origin-opener-policy", HeaderValue::from_static("same-origin"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_there_whether_built_or_not_and_is_locked_down() {
        for path in ["", "/", "streams/live/cam1"] {
            let response = file(path, &HeaderMap::new());
            assert_eq!(response.status(), 200, "{path}");
            assert!(
                response.headers()["content-security-policy"]
                    .to_str()
                    .unwrap()
                    .contains("default-src 'none'")
            );
            assert_eq!(response.headers()["x-content-type-options"], "nosniff");
            assert_eq!(response.headers()["cache-control"], "no-cache");
        }
    }

    #[test]
    fn a_missing_file_is_not_the_page() {
        for path in ["assets/none.js", "../Cargo.toml", "assets/../../../Cargo.toml"] {
            assert_eq!(file(path, &HeaderMap::new()).status(), 404, "{path}");
        }
    }
}
