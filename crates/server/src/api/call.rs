//! What every call of the API reads the same way: who asks, the query, the JSON body within its limits.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Query;
use axum::response::Response;
use control::access::{Act, Resource};
use http::header::{self, HeaderValue};
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::access::Caller;
use crate::app::App;
use crate::http::problem::{Kind, Problem};
use crate::http::remote;

/// Largest body of a call; the largest sensible one, a clip with 64 tags, has 10 kB.
const BODY_BYTES_MAX: usize = 256 << 10;
/// How long a body may take to arrive.
const BODY_DEADLINE: Duration = Duration::from_secs(10);

/// One call: its head, and who made it.
pub(super) struct Call {
    pub(super) app: Arc<App>,
    pub(super) request: Parts,
    caller: Caller,
}

/// The part of every query that says who asks.
#[derive(Deserialize)]
struct Token {
    token: Option<String>,
}

impl Call {
    /// Reads who asks.
    pub(super) fn new(app: Arc<App>, request: Parts) -> Result<Self, Problem> {
        let token = Query::<Token>::try_from_uri(&request.uri).ok().and_then(|q| q.0.token);
        let caller = app.gate.http(remote(&request)?.ip(), &request, token.as_deref());
        Ok(Self { app, request, caller })
    }

    /// Asks the policy point.
    pub(super) fn allow(&self, act: Act, resource: Resource<'_>) -> Result<(), Problem> {
        self.app.gate.allow(&self.caller, act, resource).map_err(|refusal| Problem::refused(&refusal))
    }

    /// The query as `T`; a parameter that the call does not know is an error, so that a misspelt filter does
    /// not list everything.
    pub(super) fn query<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        let bad = |e: &dyn std::fmt::Display| {
            Problem::new(Kind::BadQuery, format!("the query cannot be read: {e}"))
        };
        Query::<T>::try_from_uri(&self.request.uri).map(|q| q.0).map_err(|e| bad(&e.body_text()))
    }
}

/// Reads a JSON body. An absent one reads as `{}`: every field of some calls is optional.
pub(super) async fn body<T: DeserializeOwned>(headers: &HeaderMap, body: Body) -> Result<T, Problem> {
    let bytes = tokio::time::timeout(BODY_DEADLINE, Limited::new(body, BODY_BYTES_MAX).collect()).await;
    let bytes = match bytes {
        Err(_) => {
            let detail = format!("the body did not arrive within {} s", BODY_DEADLINE.as_secs());
            return Err(Problem::new(Kind::BodyTooSlow, detail));
        }
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            let detail = format!("the body has more than {BODY_BYTES_MAX} bytes");
            return Err(Problem::new(Kind::BodyTooLarge, detail));
        }
        Ok(Err(error)) => {
            return Err(Problem::new(Kind::BadJson, format!("the body cannot be read: {error}")));
        }
        Ok(Ok(collected)) => collected.to_bytes(),
    };
    if bytes.is_empty() {
        return parse(b"{}");
    }
    // A page of another site can send a form without asking, but not this type: it would need a preflight.
    if !is_json(headers) {
        return Err(Problem::new(Kind::NotJson, "send the body with Content-Type: application/json"));
    }
    parse(&bytes)
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    // A list would be read as the members in their order.
    if bytes.trim_ascii_start().first() == Some(&b'[') {
        return Err(Problem::new(Kind::BadJson, "the body is a list; it has to be an object"));
    }
    serde_json::from_slice(bytes)
        .map_err(|e| Problem::new(Kind::BadJson, format!("the body cannot be read: {e}")))
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()) else { return false };
    let essence = value.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

/// 200 with JSON.
pub(super) fn ok(value: &Value) -> Response {
    let mut response = Response::new(Body::from(value.to_string()));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// 201 with what was made and where it is.
pub(super) fn created(location: &str, value: &Value) -> Response {
    let mut response = ok(value);
    *response.status_mut() = StatusCode::CREATED;
    if let Ok(location) = HeaderValue::try_from(location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// 204.
pub(super) fn nothing() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Cut {
        at: Option<String>,
    }

    async fn read(kind: Option<&str>, text: &str) -> Result<Cut, u16> {
        let kind = kind.map(|k| (header::CONTENT_TYPE, HeaderValue::from_str(k).unwrap()));
        let headers: HeaderMap = kind.into_iter().collect();
        body(&headers, Body::from(text.to_owned())).await.map_err(|p: Problem| p.status().as_u16())
    }

    #[tokio::test]
    async fn bodies_are_json_within_a_limit_and_of_known_fields() {
        let json = Some("application/json; charset=utf-8");
        assert_eq!(read(json, r#"{"at": "key"}"#).await, Ok(Cut { at: Some("key".into()) }));
        assert_eq!(read(None, "").await, Ok(Cut { at: None }));
        assert_eq!(read(None, "{}").await, Err(415));
        assert_eq!(read(Some("text/plain"), "{}").await, Err(415));
        assert_eq!(read(json, r#"{"att": "key"}"#).await, Err(400));
        assert_eq!(read(json, "{").await, Err(400));
        assert_eq!(read(json, r#" ["key"]"#).await, Err(400));
        assert_eq!(read(json, &" ".repeat(BODY_BYTES_MAX + 1)).await, Err(413));
        assert_eq!(read(json, &"[".repeat(200_000)).await, Err(400));
    }
}
