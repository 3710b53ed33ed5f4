//! `POST …/split`: ends the current recording as an asset and begins the next, at one instant of the tape.

use axum::body::Body;
use axum::response::Response;
use control::access::{Act, Resource};
use control::catalog::AssetPatch;
use media::StreamName;
use serde::Deserialize;
use serde_json::json;
use tape::{SplitAt, SplitError};

use super::call::{self, Call, created};
use super::json::{asset, time};
use crate::assets;
use crate::catalogue;
use crate::http::problem::{Kind, Problem};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ask {
    title: Option<String>,
    tags: Option<Vec<String>>,
    category: Option<String>,
    #[serde(default)]
    at: At,
}

#[derive(Debug, Deserialize, Default, Clone, Copy)]
#[serde(rename_all = "snake_case")]
enum At {
    #[default]
    Edge,
    Key,
}

/// `POST /streams/{a}/{s}/split`: the asset that ended.
pub(super) async fn post(call: &Call, name: &StreamName, body: Body) -> Result<Response, Problem> {
    call.allow(Act::Clip, Resource::Stream(name))?;
    let ask: Ask = call::body(&call.request.headers, body).await?;
    let stream = call.app.stream(name)?;
    let at = match ask.at {
        At::Edge => SplitAt::Edge,
        At::Key => SplitAt::Key,
    };
    let patch = AssetPatch {
        title: ask.title,
        tags: ask.tags,
        category: ask.category.map(Some),
        ..Default::default()
    };
    // Labels are given first: one that the catalog does not take must not leave a cut behind.
    let labelled = catalogue::label_open_recording(&call.app, &stream, &patch).await?;
    let split = stream.split(at).await.map_err(not_split)?;
    let mut closed = catalogue::record_split(&call.app, &stream, &split).await?;
    if labelled.as_ref() != Some(&closed.id) {
        // Another split came between the two.
        closed = catalogue::label(&call.app, &closed.id, &patch).await?;
    }
    let durable = is_durable(&stream, &split);
    let mut told = asset(&closed, durable);
    told["next"] = json!(assets::asset_id(split.opened).as_str());
    told["split_at"] = time(split.wall);
    Ok(created(&format!("/api/v1/assets/{}", closed.id), &told))
}

fn is_durable(stream: &tape::Stream, split: &tape::Split) -> bool {
    stream.run(split.run, split.at..split.at).is_some_and(|run| run.durable_end >= split.at)
}

fn not_split(error: SplitError) -> Problem {
    let detail = error.to_string();
    match error {
        SplitError::NotRecording(_) => Problem::new(Kind::NotPublished, detail),
        SplitError::Empty => Problem::new(Kind::NothingToSplit, detail),
        SplitError::Log(_) => Problem::new(Kind::Unavailable, detail),
    }
}
