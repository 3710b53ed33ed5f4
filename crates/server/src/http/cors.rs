//! Cross-origin access to media: which origins may read, and the answers to preflights (Fetch standard, "CORS
//! protocol"). Credentials are never allowed, so `*` is safe: a page reads no more than a stranger could.

use http::header::{self, HeaderValue};
use http::{HeaderMap, Method, Response, StatusCode};

use crate::config::Cors;

/// Headers of an answer that a page may read beside the safelisted ones.
const EXPOSED: &str = "Content-Length, Content-Range, Accept-Ranges, ETag, Retry-After, Content-Disposition, \
                       Tapeline-Start, Tapeline-End, Tapeline-Gaps, Tapeline-Epochs";
const ALLOWED_METHODS: &str = "GET, HEAD, OPTIONS";
const ALLOWED_HEADERS: &str = "Authorization, Content-Type, If-Match, If-None-Match, If-Range, Range";
/// How long a browser may keep the answer to a preflight, in seconds; browsers cap it lower themselves.
const PREFLIGHT_MAX_AGE: &str = "86400";

/// Adds what lets the requesting origin read the answer.
pub(crate) fn allow(cors: &Cors, request: &HeaderMap, answer: &mut HeaderMap) {
    let Some(origin) = allowed_origin(cors, request, answer) else { return };
    answer.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    answer.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
    // A page that isolates itself (COEP) may embed media only when the answer says so.
    answer.insert("cross-origin-resource-policy", HeaderValue::from_static("cross-origin"));
}

/// The answer to OPTIONS, preflight or not.
pub(crate) fn preflight<B: Default>(cors: &Cors, request: &HeaderMap) -> Response<B> {
    let mut response = Response::new(B::default());
    *response.status_mut() = StatusCode::NO_CONTENT;
    allow(cors, request, response.headers_mut());
    let headers = response.headers_mut();
    headers.insert(header::ALLOW, HeaderValue::from_static(ALLOWED_METHODS));
    if headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(ALLOWED_METHODS));
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(ALLOWED_HEADERS));
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(PREFLIGHT_MAX_AGE));
    }
    response
}

/// Whether media may be asked with this method at all.
pub(crate) fn reads(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

fn allowed_origin(cors: &Cors, request: &HeaderMap, answer: &mut HeaderMap) -> Option<HeaderValue> {
    match cors {
        Cors::Any => Some(HeaderValue::from_static("*")),
        Cors::Off => None,
        Cors::Only(origins) => {
            // The answer depends on who asks, and caches must know.
            answer.append(header::VARY, HeaderValue::from_static("Origin"));
            let origin = request.get(header::ORIGIN)?;
            origins.iter().any(|o| o.as_bytes() == origin.as_bytes()).then(|| origin.clone())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(text: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::ORIGIN, text.parse().unwrap())])
    }

    #[test]
    fn any_origin_reads_without_credentials() {
        let response: Response<()> = preflight(&Cors::Any, &origin("https://a.example"));
        assert_eq!(response.status(), 204);
        assert_eq!(response.headers()["access-control-allow-origin"], "*");
        assert!(response.headers()["access-control-allow-headers"].to_str().unwrap().contains("Range"));
        assert!(!response.headers().contains_key("access-control-allow-credentials"));
    }

    #[test]
    fn a_list_lets_in_only_its_origins_and_says_that_answers_vary() {
        let cors = Cors::Only(vec!["https://a.example".into()]);
        let good: Response<()> = preflight(&cors, &origin("https://a.example"));
        assert_eq!(good.headers()["access-control-allow-origin"], "https://a.example");
        let bad: Response<()> = preflight(&cors, &origin("https://a.example.evil"));
        assert!(!bad.headers().contains_key("access-control-allow-origin"));
        assert_eq!(bad.headers()["vary"], "Origin");
        let off: Response<()> = preflight(&Cors::Off, &origin("https://a.example"));
        assert!(!off.headers().contains_key("access-control-allow-methods"));
        assert_eq!(off.headers()["allow"], "GET, HEAD, OPTIONS");
    }
}
