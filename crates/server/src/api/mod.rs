//! The REST API under `/api/v1`: streams, timelines, splits, clips, assets. A call is parse → authorise → do →
//! render; errors are problems. `docs/api.md` is its reference.

mod assets;
mod call;
mod clips;
pub(crate) mod json;
mod protections;
mod retention;
mod split;
mod streams;
mod timeline;

use std::sync::Arc;

use axum::Router;
use axum::routing::{any, get};

use crate::app::App;

/// The calls, to be nested under `/api/v1`.
pub(crate) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/streams", get(streams::list))
        .route("/streams/{*rest}", any(streams::below))
        .route("/retention", get(retention::server))
        .route("/assets", get(assets::list))
        .route("/assets/{id}", get(assets::get).patch(assets::patch).delete(assets::delete))
}
