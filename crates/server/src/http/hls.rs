//! HLS answers: playlists held until there is something to list, compressed once per version, and segments
//! from ring or file. What they contain is `view::hls`'s.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use control::asset::Asset;
use http::header::{self, HeaderValue};
use http::{HeaderMap, StatusCode};
use media::WallTime;
use tape::Stream;
use view::hls::{
    Child, HlsError, IMMUTABLE, MasterRequest, MediaRequest, PLAYLIST_TYPE, Playlist, SEGMENT_TYPE,
    SegmentName,
};
use view::path::Ext;
use view::query::Resolved;

use super::gzip;
use super::media::{Asked, changed, remote};
use super::problem::{Kind, Problem};
use super::range::not_modified;
use super::send::{Representation, send};
use crate::api::json::tape_range;
use crate::clock;

/// How long a playlist request is held for the first segment of a stream that has just begun: players do not
/// come back after an error, and a key frame interval is rarely longer.
const FIRST_SEGMENT_PATIENCE: Duration = Duration::from_secs(10);
/// How much longer than the live window a segment stays fetchable for those who may only watch live: RFC 8216
/// §6.2.2 asks for the playlist's duration on top, players need the few seconds between two reloads.
const WINDOW_SLACK_NS: i64 = 120 * 1_000_000_000;

/// `.m3u8` of a stream.
pub(super) async fn master(asked: &Asked, stream: Arc<Stream>) -> Result<Response, Problem> {
    let resolved = resolve(asked, &stream)?;
    if let Some(query) = &resolved.redirect {
        return asked.redirect(query);
    }
    let media = MediaRequest::new(&asked.query, &resolved, clock::wall())?;
    send_master(asked, stream, media).await
}

/// `.m3u8` of an asset: the range it shows, whatever the query says.
pub(super) async fn asset_master(
    asked: &Asked,
    stream: Arc<Stream>,
    asset: &Asset,
) -> Result<Response, Problem> {
    let media = MediaRequest::new(&asked.query, &asset_range(asset)?, clock::wall())?;
    send_master(asked, stream, media).await
}

async fn send_master(asked: &Asked, stream: Arc<Stream>, media: MediaRequest) -> Result<Response, Problem> {
    let added = asked.added_grant(stream.name());
    let (path, query) = (asked.path.clone(), asked.query.clone());
    let build = move |app: &crate::app::App, stream: &Stream| {
        let media = MediaRequest { clock: clock::wall(), ..media.clone() };
        app.playlists()
            .master(stream, &MasterRequest { media, path: &path, query: &query, added: added.as_ref() })
    };
    let playlist = held(asked, &stream, false, build).await?;
    send_playlist(asked, &stream, playlist).await
}

/// A child of a stream's view.
pub(super) async fn child(asked: &Asked, stream: Arc<Stream>, child: Child) -> Result<Response, Problem> {
    match child {
        Child::Media => {
            // A relative time was made absolute by the master; one that comes here by hand is taken as of now.
            let resolved = resolve(asked, &stream)?;
            let media = MediaRequest::new(&asked.query, &resolved, clock::wall())?;
            if media.end.is_none() {
                let peer = remote(&asked.request)?.ip();
                asked.app.audience.note(stream.id(), peer, &asked.request.headers, clock::mono());
            }
            send_media(asked, stream, media).await
        }
        other => object(asked, stream, other).await,
    }
}

/// A child of an asset's view.
pub(super) async fn asset_child(
    asked: &Asked,
    stream: Arc<Stream>,
    asset: &Asset,
    child: Child,
) -> Result<Response, Problem> {
    match child {
        Child::Media => {
            let media = MediaRequest::new(&asked.query, &asset_range(asset)?, clock::wall())?;
            send_media(asked, stream, media).await
        }
        other => object(asked, stream, other).await,
    }
}

/// A range is held until its last segment has ended: FFmpeg and GStreamer take a list without an end for live and
/// begin near its end.
async fn send_media(asked: &Asked, stream: Arc<Stream>, media: MediaRequest) -> Result<Response, Problem> {
    let whole = media.end.is_some();
    let build = move |app: &crate::app::App, stream: &Stream| {
        app.playlists().media(stream, &MediaRequest { clock: clock::wall(), ..media.clone() })
    };
    let playlist = held(asked, &stream, whole, build).await?;
    send_playlist(asked, &stream, playlist).await
}

fn resolve(asked: &Asked, stream: &Stream) -> Result<Resolved, Problem> {
    let edge = stream.edge().map(|(_, _, wall)| wall).or_else(|| stream.window().map(|w| w.end));
    asked
        .query
        .resolve(Ext::M3u8, edge.unwrap_or_else(clock::wall))
        .map_err(|e| Problem::new(Kind::BadTime, e.to_string()))
}

fn asset_range(asset: &Asset) -> Result<Resolved, Problem> {
    let start =
        asset.facts.start.ok_or_else(|| Problem::new(Kind::NotReady, "the asset has no media yet"))?;
    Ok(Resolved { start: Some(start), end: asset.facts.end, ..Resolved::default() })
}

/// Builds a playlist off the async threads; while there is nothing to list yet, or `whole` of it is wanted and is not
/// there, again at each change of the stream, as long as the client waits.
async fn held(
    asked: &Asked,
    stream: &Arc<Stream>,
    whole: bool,
    build: impl Fn(&crate::app::App, &Stream) -> Result<Playlist, HlsError> + Send + Clone + 'static,
) -> Result<Playlist, Problem> {
    let until = clock::mono() + asked.patience(FIRST_SEGMENT_PATIENCE);
    let mut changes = stream.changes();
    loop {
        changes.mark_unchanged();
        let (app, source, work) = (Arc::clone(&asked.app), Arc::clone(stream), build.clone());
        let built = asked.app.readers.blocking(move || work(&app, &source)).await?;
        match built {
            Err(HlsError::NotYet { .. }) if changed(&mut changes, until).await => {}
            Ok(playlist) if whole && !playlist.is_ended() && changed(&mut changes, until).await => {}
            other => return Ok(other?),
        }
    }
}

async fn send_playlist(asked: &Asked, stream: &Stream, playlist: Playlist) -> Result<Response, Problem> {
    let headers = &asked.request.headers;
    let mut response = Response::new(Body::empty());
    describe(response.headers_mut(), asked, &playlist);
    if not_modified(headers, playlist.etag()) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return Ok(response);
    }
    if !gzip::wanted(headers, playlist.len()) {
        *response.body_mut() = Body::from(playlist.to_bytes());
        return Ok(response);
    }
    let compressed = compressed(asked, stream, &playlist).await?;
    response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    *response.body_mut() = Body::from(compressed);
    Ok(response)
}

fn describe(headers: &mut HeaderMap, asked: &Asked, playlist: &Playlist) {
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PLAYLIST_TYPE));
    headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    headers.insert(header::CACHE_CONTROL, cache_control(asked, playlist.cache_control()));
    if let Ok(etag) = HeaderValue::try_from(playlist.etag()) {
        headers.insert(header::ETAG, etag);
    }
}

/// What was answered to a secret is for its holder alone.
fn cache_control(asked: &Asked, shared: &'static str) -> HeaderValue {
    match asked.is_private() {
        true => HeaderValue::try_from(format!("private, {shared}"))
            .unwrap_or(HeaderValue::from_static("no-store")),
        false => HeaderValue::from_static(shared),
    }
}

async fn compressed(asked: &Asked, stream: &Stream, playlist: &Playlist) -> Result<Bytes, Problem> {
    let tag = format!("{}{}", stream.id(), playlist.etag());
    if let Some(found) = asked.app.gzip.find(&tag) {
        return Ok(found);
    }
    let (app, plain) = (Arc::clone(&asked.app), playlist.to_bytes());
    Ok(asked.app.readers.blocking(move || app.gzip.compressed(&tag, &plain)).await?)
}

/// A segment or an initialisation segment. Their names are made of their content, so they never change.
async fn object(asked: &Asked, stream: Arc<Stream>, child: Child) -> Result<Response, Problem> {
    let found = asked.app.readers.blocking(move || match child {
        Child::Segment(name) => view::hls::segment(&stream, &name),
        Child::Init(id) => view::hls::init(&stream, &id),
        Child::Media => Err(HlsError::Gone),
    });
    let body = found.await??;
    let etag = asked.request.uri.path().rsplit('/').next().unwrap_or("");
    let etag = format!("\"{etag}\"");
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(SEGMENT_TYPE));
    headers.insert(header::CACHE_CONTROL, cache_control(asked, IMMUTABLE));
    let size = body.len();
    send(asked, response, &Representation { etag: &etag, size }, |range| {
        Box::new(body.slice(range).into_pieces().into_iter().map(Ok))
    })
}

/// Whether a segment lies in the live window, so that who may watch live may fetch it. By extents: the window
/// reaches to the beginning of the one that its start falls into. What is not on the tape needs no protection.
pub(super) fn is_recent(asked: &Asked, stream: &Stream, name: SegmentName) -> bool {
    let Some((_, _, edge)) = stream.edge() else { return true };
    let window = i64::try_from(asked.app.config().hls.window.as_nanos()).unwrap_or(i64::MAX);
    let oldest = edge.plus_ns(window.saturating_add(WINDOW_SLACK_NS).saturating_neg());
    let runs = stream.shown_runs(oldest..WallTime::MAX);
    let of_run = runs.iter().find(|run| run.id == name.run);
    of_run.and_then(|run| run.extents.first()).is_some_and(|first| name.first >= first.first_part)
}

impl From<HlsError> for Problem {
    fn from(error: HlsError) -> Self {
        let detail = error.to_string();
        match error {
            HlsError::NoTape => Self::new(Kind::OutsideTape, detail).with("tape", tape_range(None)),
            HlsError::Outside { tape } => {
                Self::new(Kind::OutsideTape, detail).with("tape", tape_range(Some(&tape)))
            }
            HlsError::NotYet { retry_after_s } => Self::new(Kind::TooEarly, detail)
                .header(header::RETRY_AFTER, HeaderValue::from(retry_after_s)),
            HlsError::Gaps { gaps, missing } => {
                let gaps: Vec<_> = gaps.iter().map(crate::api::json::gap).collect();
                let outside = [&missing.before_tape, &missing.after_tape].map(|m| tape_range(m.as_ref()));
                let [before, after] = outside;
                Self::new(Kind::GapInRange, detail)
                    .with("gaps", gaps.into())
                    .with("before_tape", before)
                    .with("after_tape", after)
            }
            HlsError::TooLong => Self::new(Kind::RangeTooLong, detail),
            HlsError::Unsupported { .. } => Self::new(Kind::NotBuilt, detail),
            HlsError::Gone => Self::new(Kind::NoSuchMedia, detail),
            HlsError::Read(_) => Self::new(Kind::DamagedTape, detail),
        }
    }
}
