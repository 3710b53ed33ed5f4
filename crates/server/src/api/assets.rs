//! `/assets`: the library.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::response::Response;
use control::access::{Act, Resource};
use control::asset::{Asset, AssetId, AssetKind, AssetStatus, Visibility};
use control::catalog::{AssetPatch, AssetQuery};
use media::StreamName;
use serde::Deserialize;
use serde_json::{Value, json};

use super::call::{self, Call, nothing, ok};
use super::clips::is_durable;
use super::json::{Time, asset};
use crate::app::App;
use crate::catalogue::no_such_asset;
use crate::http::problem::{Kind, Problem};
use crate::{assets, catalogue, clock};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ListQuery {
    q: Option<String>,
    tag: Option<String>,
    category: Option<String>,
    kind: Option<String>,
    status: Option<String>,
    stream: Option<String>,
    from: Option<Time>,
    to: Option<Time>,
    limit: Option<u32>,
    cursor: Option<String>,
    #[serde(rename = "token")]
    _token: Option<String>,
}

/// `GET /assets`.
pub(super) async fn list(State(app): State<Arc<App>>, request: Request) -> Result<Response, Problem> {
    let call = Call::new(app, request.into_parts().0)?;
    let query: Result<ListQuery, Problem> = call.query();
    let stream = query.as_ref().ok().and_then(|q| StreamName::parse(q.stream.as_deref()?).ok());
    match &stream {
        // Who may look into a stream's past may list what was made of it.
        Some(name) => call.allow(Act::Timeshift, Resource::Stream(name))?,
        None => call.allow(Act::Admin, Resource::Server)?,
    }
    let query = catalog_query(query?)?;
    let page = call.app.catalog.list(&query).await?;
    let items: Vec<Value> = page.items.iter().map(|a| render(&call.app, a)).collect();
    Ok(ok(&json!({"items": items, "next": page.next})))
}

fn catalog_query(q: ListQuery) -> Result<AssetQuery, Problem> {
    let bad = |name: &str, why: String| Problem::new(Kind::BadQuery, format!("{name}: {why}"));
    let now = clock::wall();
    let stream = q.stream.as_deref().map(StreamName::parse).transpose();
    Ok(AssetQuery {
        q: q.q,
        tag: q.tag,
        category: q.category,
        kind: q.kind.map(|k| k.parse::<AssetKind>()).transpose().map_err(|e| bad("kind", e.to_string()))?,
        status: q
            .status
            .map(|s| s.parse::<AssetStatus>())
            .transpose()
            .map_err(|e| bad("status", e.to_string()))?,
        stream: stream.map_err(|e| bad("stream", e.to_string()))?,
        from: q.from.map(|t| t.0.at(now)),
        to: q.to.map(|t| t.0.at(now)),
        limit: q.limit,
        cursor: q.cursor,
    })
}

/// `GET /assets/{id}`.
pub(super) async fn get(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let call = Call::new(app, request.into_parts().0)?;
    let found = allowed(&call, Act::Timeshift, &id).await?;
    Ok(ok(&render(&call.app, &found)))
}

/// `PATCH /assets/{id}`.
pub(super) async fn patch(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let call = Call::new(app, parts)?;
    let found = allowed(&call, Act::Admin, &id).await?;
    let patch: AssetPatch = call::body(&call.request.headers, body).await?;
    let patched = catalogue::label(&call.app, &found.id, &patch).await?;
    Ok(ok(&render(&call.app, &patched)))
}

/// `DELETE /assets/{id}`: the asset, its file and its hold on the tape. Media that only it held may go; what the
/// tape recorded stays.
pub(super) async fn delete(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let call = Call::new(app, request.into_parts().0)?;
    let found = allowed(&call, Act::Admin, &id).await?;
    if found.facts.kind == AssetKind::Recording {
        let detail = "a recording is the tape itself: erase its range with DELETE \
                      /api/v1/streams/{app}/{stream}/timeline?start=…&end=…";
        return Err(Problem::new(Kind::NotBuilt, detail));
    }
    // The pin goes first: a row without a pin is pinned again at the next start, a pin without a row would
    // make the asset anew.
    let stream = found.facts.stream.as_ref().and_then(|name| call.app.hub.stream(name));
    if let (Some(stream), Some(tape_id)) = (stream, assets::tape_id(&found.id)) {
        let released = stream.unpin(tape_id).await;
        released.map_err(|e| {
            Problem::new(Kind::Unavailable, format!("the asset's hold on the tape stays: {e}"))
        })?;
    }
    if found.facts.path.is_some() {
        crate::materialise::remove(&call.app, &found).await?;
    }
    call.app.settling.delete(&call.app, &found).await?;
    Ok(nothing())
}

/// The asset, once the caller may do this to it. One that is not there is refused like a private one.
async fn allowed(call: &Call, act: Act, id: &str) -> Result<Asset, Problem> {
    let found = match AssetId::parse(id) {
        Ok(id) => call.app.catalog.get(&id).await?,
        Err(_) => None,
    };
    let (stream, visibility) = match &found {
        Some(asset) => (asset.facts.stream.as_ref(), asset.labels.visibility),
        None => (None, Visibility::Private),
    };
    call.allow(act, Resource::Asset { stream, visibility })?;
    found.ok_or_else(|| no_such_asset(id))
}

/// An asset as it is now: of a recording that goes on, as far as it has come.
pub(super) fn render(app: &App, found: &Asset) -> Value {
    let mut told = as_it_is(app, found);
    if let Some(path) = &found.facts.path {
        let path = app.config().data.join(path);
        told["path"] = json!(std::path::absolute(&path).unwrap_or(path));
    }
    told
}

fn as_it_is(app: &App, found: &Asset) -> Value {
    let stream = found.facts.stream.as_ref().and_then(|name| app.hub.stream(name));
    let Some(stream) = stream else { return asset(found, found.facts.path.is_some()) };
    if found.facts.kind == AssetKind::Recording {
        let recordings = stream.recordings();
        if let Some(span) = recordings.iter().find(|r| Some(r.asset) == assets::tape_id(&found.id)) {
            let mut told = found.clone();
            told.facts = assets::recording(&stream, span).facts;
            if span.end.is_none() {
                told.facts.end = Some(span.wall_end);
                told.facts.duration_ns = Some(span.wall_end.since_ns(span.wall_start));
            }
            let durable = is_durable(&stream, &assets::spans_of_recording(span));
            return asset(&told, durable);
        }
    }
    let durable = match assets::shown(&stream, found) {
        Ok(shown) => is_durable(&stream, &shown.spans),
        Err(_) => false,
    };
    asset(found, durable || found.facts.path.is_some())
}
