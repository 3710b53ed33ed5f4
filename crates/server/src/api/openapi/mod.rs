//! The description of the API: OpenAPI 3.1 at `/api/v1/openapi.json`, and a page at `/api/docs` that shows it without
//! fetching anything from elsewhere. Both are open: they say what the program is, not what it holds. The calls are in
//! `calls`, the bodies in `schemas`; `cargo xtask tidy` compares the calls with the routes and with `docs/api.md`.

mod calls;
mod operation;
mod schemas;

use std::sync::LazyLock;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::header::{self, HeaderValue};
use serde_json::{Map, Value, json};

/// Made once; it follows from the program alone.
static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| Bytes::from(document().to_string()));

/// Its own script and style, its own document, nothing else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

/// The document.
fn document() -> Value {
    let mut paths = Map::new();
    for operation in calls::calls() {
        let item = paths.entry(operation.path()).or_insert_with(|| json!({}));
        item[operation.method()] = operation.render();
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Tapeline",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "A live media server that records once and serves everything from the tape. Errors are \
                            RFC 9457 problems with a stable `type`. From the machine itself nothing needs a token; \
                            elsewhere a token goes into `Authorization: Bearer` or `?token=`.",
            "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
        },
        "servers": [{"url": "/api/v1"}],
        "tags": [{"name": "streams"}, {"name": "retention"}, {"name": "assets"}, {"name": "access"}, {"name": "description"}],
        "paths": paths,
        "components": {
            "schemas": schemas::schemas(),
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "A token of `tapeline token new`, or a JWT."},
                "query": {"type": "apiKey", "in": "query", "name": "token", "description": "The same in the query."},
            },
        },
    })
}

/// `GET /openapi.json`.
pub(super) async fn get() -> Response {
    answer("application/json", DOCUMENT.clone())
}

/// The page.
pub(crate) async fn page() -> Response {
    answer("text/html; charset=utf-8", Bytes::from_static(include_bytes!("page.html")))
}

/// Its script.
pub(crate) async fn script() -> Response {
    answer("text/javascript; charset=utf-8", Bytes::from_static(include_bytes!("page.js")))
}

/// Its style.
pub(crate) async fn style() -> Response {
    answer("text/css; charset=utf-8", Bytes::from_static(include_bytes!("page.css")))
}

fn answer(kind: &'static str, body: Bytes) -> Response {
    let mut response = Response::new(Body::from(body));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Every `$ref` of a value.
    fn references(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(members) => {
                found.extend(members.get("$ref").and_then(Value::as_str).map(str::to_owned));
                members.values().for_each(|member| references(member, found));
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }

    #[test]
    fn every_reference_leads_to_a_schema_and_every_schema_is_used() {
        let document = document();
        let mut found = BTreeSet::new();
        references(&document, &mut found);
        let schemas = document["components"]["schemas"].as_object().unwrap();
        let known: BTreeSet<String> =
            schemas.keys().map(|name| format!("#/components/schemas/{name}")).collect();
        assert_eq!(found, known);
    }

    #[test]
    fn operations_have_names_of_their_own_and_parameters_for_their_paths() {
        let document = document();
        let mut names = BTreeSet::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let name = operation["operationId"].as_str().unwrap();
                assert!(names.insert(name.to_owned()), "{name} twice");
                let parameters = operation["parameters"].as_array().unwrap();
                let of_path = parameters.iter().filter(|p| p["in"] == "path").count();
                assert_eq!(of_path, path.matches('{').count(), "{method} {path}");
            }
        }
        assert!(names.len() >= 20);
    }
}
