//! An [`Asset`] as a row and back. A row that no version of this program writes is an error, never a
//! panic: databases are edited by hand and restored from elsewhere.

use std::str::FromStr;

use media::{StreamName, WallTime};
use sea_orm::ActiveValue::{NotSet, Set};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::asset::{Asset, AssetId, Facts, Labels};
use crate::entity::asset::{ActiveModel, Model};
use crate::fold::fold;

/// Between the title and the tags in the text that searches run over. No label contains it, so no search
/// matches across two of them.
const SEPARATOR: &str = "\n";

/// The text that a search for `q` runs over, beside the stream's name.
pub(super) fn search_text(labels: &Labels) -> String {
    let mut text = fold(&labels.title);
    for tag in &labels.tags {
        text.push_str(SEPARATOR);
        text.push_str(&fold(tag));
    }
    text
}

/// Every column of a new row.
pub(super) fn whole(asset: &Asset) -> ActiveModel {
    ActiveModel {
        id: Set(asset.id.as_str().to_owned()),
        created_ns: Set(asset.created_at.0),
        ..facts_into(labels_into(ActiveModel::default(), &asset.labels), &asset.facts, asset.updated_at)
    }
}

/// The columns that people write.
pub(super) fn labels_only(asset: &Asset) -> ActiveModel {
    let row = labels_into(ActiveModel::default(), &asset.labels);
    ActiveModel { updated_ns: Set(asset.updated_at.0), ..row }
}

/// The columns that the tape states. An absent path is not among them, see
/// [`Catalog::upsert_from_tape`](super::Catalog::upsert_from_tape).
pub(super) fn facts_only(asset: &Asset) -> ActiveModel {
    facts_into(ActiveModel::default(), &asset.facts, asset.updated_at)
}

fn labels_into(row: ActiveModel, labels: &Labels) -> ActiveModel {
    ActiveModel {
        title: Set(labels.title.clone()),
        tags: Set(json(&labels.tags)),
        category: Set(labels.category.clone()),
        owner: Set(labels.owner.clone()),
        visibility: Set(labels.visibility.as_str().to_owned()),
        search: Set(search_text(labels)),
        ..row
    }
}

fn facts_into(row: ActiveModel, facts: &Facts, now: WallTime) -> ActiveModel {
    // Checked by `Facts::check`: neither bytes nor pixels leave the signed range.
    let signed = |pixels: u32| i32::try_from(pixels).unwrap_or(i32::MAX);
    ActiveModel {
        kind: Set(facts.kind.as_str().to_owned()),
        status: Set(facts.status.as_str().to_owned()),
        error: Set(facts.error.clone()),
        stream: Set(facts.stream.as_ref().map(|stream| stream.as_str().to_owned())),
        stream_search: Set(facts.stream.as_ref().map(|stream| fold(stream.as_str()))),
        stream_id: Set(facts.stream_id.clone()),
        requested_start_ns: Set(facts.requested.as_ref().map(|asked| asked.start.0)),
        requested_end_ns: Set(facts.requested.as_ref().map(|asked| asked.end.0)),
        start_ns: Set(facts.start.map(|at| at.0)),
        end_ns: Set(facts.end.map(|at| at.0)),
        duration_ns: Set(facts.duration_ns),
        bytes: Set(facts.bytes.map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX))),
        path: facts.path.clone().map_or(NotSet, |path| Set(Some(path))),
        width: Set(facts.width.map(signed)),
        height: Set(facts.height.map(signed)),
        video_codec: Set(facts.video_codec.clone()),
        audio_codec: Set(facts.audio_codec.clone()),
        accuracy: Set(facts.accuracy.map(|word| word.as_str().to_owned())),
        gap_policy: Set(facts.gap_policy.map(|word| word.as_str().to_owned())),
        gaps: Set(json(&facts.gaps)),
        epochs: Set(json(&facts.epochs)),
        spans: Set(json(&facts.spans)),
        updated_ns: Set(now.0),
        ..row
    }
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("lists of strings, numbers and JSON are JSON")
}

/// The asset of a row, or what is wrong with the row.
pub(super) fn asset(row: Model) -> Result<Asset, String> {
    let id = row.id.clone();
    asset_parts(row).map_err(|(column, why)| format!("asset {id:?}, column {column}: {why}"))
}

type ColumnError = (&'static str, String);

fn asset_parts(row: Model) -> Result<Asset, ColumnError> {
    Ok(Asset {
        id: AssetId::parse(&row.id).map_err(|e| ("id", e.to_string()))?,
        created_at: WallTime(row.created_ns),
        updated_at: WallTime(row.updated_ns),
        labels: Labels {
            title: row.title,
            tags: details("tags", row.tags)?,
            category: row.category,
            owner: row.owner,
            visibility: word("visibility", row.visibility)?,
        },
        facts: Facts {
            kind: word("kind", row.kind)?,
            status: word("status", row.status)?,
            error: row.error,
            stream: row.stream.map(stream).transpose()?,
            stream_id: row.stream_id,
            requested: match (row.requested_start_ns, row.requested_end_ns) {
                (Some(start), Some(end)) => Some(WallTime(start)..WallTime(end)),
                _ => None,
            },
            start: row.start_ns.map(WallTime),
            end: row.end_ns.map(WallTime),
            duration_ns: row.duration_ns,
            bytes: row.bytes.map(|n| positive("bytes", n)).transpose()?,
            path: row.path,
            width: row.width.map(|n| positive("width", n)).transpose()?,
            height: row.height.map(|n| positive("height", n)).transpose()?,
            video_codec: row.video_codec,
            audio_codec: row.audio_codec,
            accuracy: row.accuracy.map(|text| word("accuracy", text)).transpose()?,
            gap_policy: row.gap_policy.map(|text| word("gap_policy", text)).transpose()?,
            gaps: details("gaps", row.gaps)?,
            epochs: details("epochs", row.epochs)?,
            spans: details("spans", row.spans)?,
        },
    })
}

fn word<T: FromStr<Err: ToString>>(column: &'static str, text: String) -> Result<T, ColumnError> {
    text.parse().map_err(|e: T::Err| (column, e.to_string()))
}

fn details<T: DeserializeOwned>(column: &'static str, json: String) -> Result<T, ColumnError> {
    serde_json::from_str(&json).map_err(|e| (column, e.to_string()))
}

fn positive<S, U: TryFrom<S, Error: ToString>>(column: &'static str, number: S) -> Result<U, ColumnError> {
    U::try_from(number).map_err(|e| (column, e.to_string()))
}

fn stream(name: String) -> Result<StreamName, ColumnError> {
    StreamName::try_from(name).map_err(|e| ("stream", e.to_string()))
}
