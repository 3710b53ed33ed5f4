//! Errors as RFC 9457 `application/problem+json`. One table maps a kind to its status, type and title; what
//! went wrong, where, and what to do next is the detail. No other place chooses a status for an error.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value, json};

/// What kind of error it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    BadUrl,
    BadTime,
    BadQuery,
    BadJson,
    BadValue,
    NoSuchPage,
    NoSuchStream,
    NoSuchRule,
    NoSuchAsset,
    NoSuchMedia,
    NoSuchToken,
    NoSuchKey,
    OutsideTape,
    NotPublished,
    NothingToSplit,
    MethodNotAllowed,
    BodyTooSlow,
    GapInRange,
    RangeHeld,
    EpochConflict,
    NoKeyFrame,
    NotReady,
    InConfiguration,
    RangeTooLong,
    BodyTooLarge,
    NotJson,
    RangeNotSatisfiable,
    PreconditionFailed,
    TooEarly,
    Internal,
    DamagedTape,
    NotBuilt,
    NoWorker,
    Unavailable,
    DiskFull,
}

impl Kind {
    /// Status, type (below `/problems/`) and title.
    pub(crate) const fn row(self) -> (u16, &'static str, &'static str) {
        match self {
            Self::BadUrl => (400, "bad-url", "The URL is not one of this server's"),
            Self::BadTime => (400, "bad-time", "A time cannot be read"),
            Self::BadQuery => (400, "bad-query", "A query parameter has a value it does not take"),
            Self::BadJson => (400, "bad-json", "The JSON body is not what this call takes"),
            Self::BadValue => (400, "bad-value", "A value is not one that the library takes"),
            Self::NoSuchPage => (404, "no-such-page", "There is nothing at this address"),
            Self::NoSuchStream => (404, "no-such-stream", "There is no such stream"),
            Self::NoSuchRule => (404, "no-such-rule", "There is no such retention or protection"),
            Self::NoSuchAsset => (404, "no-such-asset", "There is no such asset"),
            Self::NoSuchMedia => (404, "no-such-media", "The tape does not hold this piece of media"),
            Self::NoSuchToken => (404, "no-such-token", "There is no such token"),
            Self::NoSuchKey => (404, "no-such-key", "There is no such key"),
            Self::OutsideTape => (404, "outside-tape", "The tape holds nothing of this range"),
            Self::NotPublished => (409, "not-published", "The stream is not being published"),
            Self::NothingToSplit => (409, "nothing-to-split", "Nothing was recorded since the last split"),
            Self::MethodNotAllowed => (405, "method-not-allowed", "This address does not take the method"),
            Self::BodyTooSlow => (408, "body-too-slow", "The body of the request did not arrive in time"),
            Self::GapInRange => {
                (409, "gap-in-range", "The range has gaps and the request does not accept them")
            }
            Self::RangeHeld => (409, "range-held", "Clips or protections hold the range"),
            Self::EpochConflict => (409, "codec-change", "The codec changes inside the range"),
            Self::NoKeyFrame => (409, "no-key-frame", "There is no key frame within reach of the cut"),
            Self::NotReady => (409, "not-ready", "The asset has no media yet"),
            Self::InConfiguration => (409, "in-configuration", "The configuration says this, not the API"),
            Self::RangeTooLong => (413, "range-too-long", "The range is longer than one file may be"),
            Self::BodyTooLarge => (413, "body-too-large", "The body of the request is too large"),
            Self::NotJson => (415, "not-json", "The body of the request must be JSON"),
            Self::RangeNotSatisfiable => {
                (416, "range-not-satisfiable", "The byte range lies outside the file")
            }
            Self::PreconditionFailed => {
                (412, "precondition-failed", "The file is not the one the request names")
            }
            Self::TooEarly => (425, "too-early", "The range ends in the future"),
            Self::Internal => (500, "internal", "The server failed; its log says why"),
            Self::DamagedTape => (500, "damaged-tape", "The recording cannot be read here"),
            Self::NotBuilt => (501, "not-built", "This version of the server does not have it yet"),
            Self::NoWorker => (501, "no-worker", "There is no worker that encodes"),
            Self::Unavailable => (503, "unavailable", "The server cannot do it at this moment"),
            Self::DiskFull => (507, "disk-full", "There is no space left to do it"),
        }
    }
}

/// An error on its way to a client. Boxed, as it is the rare side of most results.
#[derive(Debug, Clone)]
pub(crate) struct Problem(Box<Parts>);

#[derive(Debug, Clone)]
struct Parts {
    status: StatusCode,
    type_path: String,
    title: String,
    detail: String,
    members: Map<String, Value>,
    headers: HeaderMap,
}

impl Problem {
    /// Of a kind of the table; `detail` says what, where and what next.
    pub(crate) fn new(kind: Kind, detail: impl Into<String>) -> Self {
        let (status, name, title) = kind.row();
        Self(Box::new(Parts {
            status: StatusCode::from_u16(status).expect("the table holds statuses of HTTP"),
            type_path: format!("/problems/{name}"),
            title: title.to_owned(),
            detail: detail.into(),
            members: Map::new(),
            headers: HeaderMap::new(),
        }))
    }

    /// A refusal of the policy point, which names its own type.
    pub(crate) fn refused(refusal: &control::access::Refusal) -> Self {
        let mut problem = Self::new(Kind::Internal, refusal.detail.clone());
        problem.0.status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::FORBIDDEN);
        problem.0.type_path = refusal.problem_type().to_owned();
        problem.0.title = refusal.title().to_owned();
        if problem.0.status == StatusCode::UNAUTHORIZED {
            // RFC 9110 §11.6.1: a 401 names a scheme.
            problem.0.headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        problem.with("command", json!(refusal.command))
    }

    /// With another member of the JSON object.
    pub(crate) fn with(mut self, name: &str, value: Value) -> Self {
        self.0.members.insert(name.to_owned(), value);
        self
    }

    /// With a header.
    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.insert(name, value);
        self
    }

    /// What went wrong, in words.
    pub(crate) fn detail(&self) -> &str {
        &self.0.detail
    }

    /// The status of the answer.
    #[cfg(test)]
    pub(crate) fn status(&self) -> StatusCode {
        self.0.status
    }
}

/// What a problem says, beside its answer, for the log.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    /// Its type.
    pub(crate) kind: String,
    /// What went wrong, in words.
    pub(crate) detail: String,
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Parts { status, type_path, title, detail, members, headers } = *self.0;
        if status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED {
            tracing::error!(status = status.as_u16(), "{detail}");
        }
        let mut object = Map::new();
        object.insert("type".into(), json!(type_path));
        object.insert("title".into(), json!(title));
        object.insert("status".into(), json!(status.as_u16()));
        object.insert("detail".into(), json!(detail));
        object.extend(members);
        let mut response = Response::new(Body::from(Value::Object(object).to_string()));
        response.extensions_mut().insert(Told { kind: type_path, detail });
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        // An error is about this moment, whatever cache lies between.
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Kind; 35] = [
        Kind::BadUrl,
        Kind::BadTime,
        Kind::BadQuery,
        Kind::BadJson,
        Kind::BadValue,
        Kind::NoSuchPage,
        Kind::NoSuchStream,
        Kind::NoSuchRule,
        Kind::NoSuchAsset,
        Kind::NoSuchMedia,
        Kind::NoSuchToken,
        Kind::NoSuchKey,
        Kind::InConfiguration,
        Kind::OutsideTape,
        Kind::NotPublished,
        Kind::NothingToSplit,
        Kind::MethodNotAllowed,
        Kind::BodyTooSlow,
        Kind::GapInRange,
        Kind::RangeHeld,
        Kind::EpochConflict,
        Kind::NoKeyFrame,
        Kind::NotReady,
        Kind::RangeTooLong,
        Kind::BodyTooLarge,
        Kind::NotJson,
        Kind::RangeNotSatisfiable,
        Kind::PreconditionFailed,
        Kind::TooEarly,
        Kind::Internal,
        Kind::DamagedTape,
        Kind::NotBuilt,
        Kind::NoWorker,
        Kind::Unavailable,
        Kind::DiskFull,
    ];

    #[test]
    fn every_kind_has_its_own_type_and_is_in_the_reference() {
        let reference = include_str!("../../../../docs/api.md");
        let mut types = std::collections::HashSet::new();
        for kind in ALL {
            let (status, name, _) = kind.row();
            assert!(types.insert(name), "{name} twice");
            let line = reference.lines().find(|l| l.starts_with(&format!("| {status} |")));
            assert!(line.is_some_and(|l| l.contains(name)), "docs/api.md lacks {name} at {status}");
            assert_eq!(Problem::new(kind, "x").status().as_u16(), status);
        }
    }

    #[tokio::test]
    async fn a_problem_has_the_members_of_the_rfc_and_its_own() {
        let problem = Problem::new(Kind::TooEarly, "end is 3 s ahead")
            .with("tape", json!({"end": "x"}))
            .header(header::RETRY_AFTER, HeaderValue::from_static("3"));
        let response = problem.into_response();
        assert_eq!(response.status(), 425);
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        assert_eq!(response.headers()["retry-after"], "3");
        let body = axum::body::to_bytes(response.into_body(), 4096).await.unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["type"], "/problems/too-early");
        assert_eq!(body["status"], 425);
        assert_eq!(body["tape"]["end"], "x");
    }
}
