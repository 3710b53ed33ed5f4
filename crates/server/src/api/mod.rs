//! The REST API under `/api/v1`: streams, timelines, splits, clips, assets, tokens, keys. A call is parse → authorise → do →
//! render; errors are problems. `docs/api.md` is its reference.

mod assets;
mod call;
mod clips;
mod erase;
pub(crate) mod json;
mod keys;
pub(crate) mod openapi;
mod page;
mod protections;
mod retention;
mod split;
mod streams;
mod timeline;
mod tokens;

use std::sync::Arc;

use axum::Router;
use axum::routing::{any, delete, get};

use crate::app::App;

/// The calls, to be nested under `/api/v1`.
pub(crate) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/openapi.json", get(openapi::get))
        .route("/streams", get(streams::list))
        .route("/streams/{*rest}", any(streams::below))
        .route("/retention", get(retention::server))
        .route("/assets", get(assets::list))
        .route("/assets/{id}", get(assets::get).patch(assets::patch).delete(assets::delete))
        .route("/tokens", get(tokens::list).post(tokens::post))
        .route("/tokens/{id}", get(tokens::get).delete(tokens::delete))
        .route("/keys", get(keys::list).post(keys::post))
        .route("/keys/{key}", get(keys::get).delete(keys::delete))
        .route("/keys/{key}/tokens/{jti}", delete(keys::revoke))
}
