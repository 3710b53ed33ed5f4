//! Answers whose bytes come from the tape: 200, 206, 304, 412 or 416 around one representation of known size.

use std::ops::Range;

use axum::body::Body;
use axum::response::Response;
use http::header::{self, HeaderValue};
use http::{HeaderMap, StatusCode};
use view::piece::{content_range, unsatisfied_range};

use super::body::Pieces;
use super::media::Asked;
use super::problem::{Kind, Problem};
use super::range::{self, Answer};

/// What is sent, before it is cut.
pub(super) struct Representation<'a> {
    /// Quoted and strong.
    pub(super) etag: &'a str,
    /// All its bytes.
    pub(super) size: u64,
}

/// Completes `response`, which has the headers that are true of the whole, for what the request asks of it.
pub(super) fn send(
    asked: &Asked,
    mut response: Response,
    what: &Representation<'_>,
    pieces: impl FnOnce(Range<u64>) -> Pieces,
) -> Result<Response, Problem> {
    let headers = response.headers_mut();
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    insert(headers, header::ETAG, what.etag)?;
    let range = match range::answer(&asked.request.headers, what.etag, what.size) {
        Answer::Whole => 0..what.size,
        Answer::Part(range) => {
            insert(headers, header::CONTENT_RANGE, &content_range(&range, what.size))?;
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            range
        }
        Answer::NotModified => {
            headers.remove(header::CONTENT_TYPE);
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return Ok(response);
        }
        Answer::PreconditionFailed => {
            let detail = format!("its entity tag is now {}; fetch it again", what.etag);
            return Err(Problem::new(Kind::PreconditionFailed, detail));
        }
        Answer::Unsatisfiable => return Err(unsatisfiable(what.size)),
    };
    let len = range.end - range.start;
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(len));
    *response.body_mut() = Body::new(asked.app.readers.body(pieces(range), len));
    Ok(response)
}

fn insert(headers: &mut HeaderMap, name: header::HeaderName, value: &str) -> Result<(), Problem> {
    let value = HeaderValue::try_from(value)
        .map_err(|e| Problem::new(Kind::Internal, format!("the header {name} cannot be written: {e}")))?;
    headers.insert(name, value);
    Ok(())
}

fn unsatisfiable(size: u64) -> Problem {
    let problem = Problem::new(Kind::RangeNotSatisfiable, format!("the file has {size} bytes"));
    match HeaderValue::try_from(unsatisfied_range(size)) {
        Ok(value) => problem.header(header::CONTENT_RANGE, value),
        Err(_) => problem,
    }
}
