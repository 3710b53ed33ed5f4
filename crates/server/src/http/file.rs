//! An asset that has a file of its own: the file's bytes, by range. The file never changes, so its tag is its
//! name and size.

use std::sync::Arc;

use axum::response::Response;
use control::asset::Asset;
use tape::Piece;
use uuid::Uuid;

use super::media::Asked;
use super::mp4::{self, Film, Told};
use super::problem::Problem;
use super::send::{Representation, send};
use crate::making::Layout;

/// `.mp4` of an asset that has a file.
pub(super) async fn of_asset(
    asked: &Asked,
    asset: &Asset,
    id: Uuid,
    name: String,
) -> Result<Response, Problem> {
    let app = Arc::clone(&asked.app);
    let (file, size) = asked.app.readers.blocking(move || app.store.read(id)).await??;
    let gaps = asset.facts.gaps.iter().map(|g| (g.start, g.end, g.reason.clone())).collect();
    let epochs = asset.facts.epochs.iter().map(|e| Told::new(e.start, &e.tracks)).collect();
    let (start, end) = (asset.facts.start, asset.facts.end);
    let film = Film { start, end, gaps, epochs, layout: Layout::InBand, name };
    let etag = format!("\"{}-{size:x}\"", id.simple());
    send(asked, mp4::answer(asked, &film), &Representation { etag: &etag, size }, |range| {
        Box::new(std::iter::once(Ok(Piece::File { file, range })))
    })
}
