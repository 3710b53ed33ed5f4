//! Media URLs: the fallback of the router. Path and query are read by `view`, the policy point is asked, and
//! only then is anything looked up; the views answer. CORS is true of every answer here, refusals included.

use std::sync::Arc;
use std::time::Duration;

use ::media::StreamName;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use control::access::{Act, Resource};
use control::asset::{Asset, AssetId, Visibility};
use http::header::{self, HeaderValue};
use http::request;
use http::{Method, StatusCode};
use tape::Stream;
use view::hls::Child;
use view::path::{ChildName, Ext, MediaPath, Target};
use view::query::{MediaQuery, QueryError};

use super::problem::{Kind, Problem};
use super::{Remote, clip, cors, hls};
use crate::access::Caller;
use crate::app::App;
use crate::catalogue::no_such_asset;
use crate::clock;

/// A request for media, read and not yet answered.
pub(super) struct Asked {
    pub(super) app: Arc<App>,
    pub(super) request: request::Parts,
    pub(super) path: MediaPath,
    pub(super) query: MediaQuery,
    pub(super) caller: Caller,
}

/// Answers every address that is no fixed one.
pub(super) async fn handle(State(app): State<Arc<App>>, request: Request) -> Response {
    let cors = app.config().http.cors.clone();
    let (request, _) = request.into_parts();
    if request.method == Method::OPTIONS {
        return cors::preflight(&cors, &request.headers);
    }
    let (method, headers) = (request.method.clone(), request.headers.clone());
    let mut response = match answer(app, request).await {
        Ok(response) => response,
        Err(problem) => problem.into_response(),
    };
    cors::allow(&cors, &headers, response.headers_mut());
    if method == Method::HEAD { head_of(response) } else { response }
}

async fn answer(app: Arc<App>, request: request::Parts) -> Result<Response, Problem> {
    let path =
        MediaPath::parse(request.uri.path()).map_err(|e| Problem::new(Kind::NoSuchPage, e.to_string()))?;
    if !cors::reads(&request.method) {
        let detail = format!("media is read with GET or HEAD, not {}", request.method);
        let problem = Problem::new(Kind::MethodNotAllowed, detail);
        return Err(problem.header(header::ALLOW, HeaderValue::from_static("GET, HEAD, OPTIONS")));
    }
    let query = MediaQuery::parse(request.uri.query().unwrap_or("")).map_err(bad_query)?;
    let caller = {
        let token = query.token.as_ref().map(|t| t.secret());
        let caller = app.gate.http(remote(&request)?.ip(), &request, token);
        match (&path.grant, &path.target) {
            (Some(signed), Target::Stream { name, .. } | Target::StreamChild { name, .. }) => {
                app.gate.with_path(caller, signed.secret(), name)
            }
            _ => caller,
        }
    };
    let asked = Asked { app, request, path, query, caller };
    match asked.path.target.clone() {
        Target::Stream { name, ext } => stream_view(&asked, &name, ext).await,
        Target::StreamChild { name, child } => stream_child(&asked, &name, &child).await,
        Target::Asset { id, ext } => asset_view(&asked, id.as_str(), ext).await,
        Target::AssetChild { id, child } => asset_child(&asked, id.as_str(), &child).await,
    }
}

/// The socket's other end, which the listener put beside every request.
pub(crate) fn remote(request: &request::Parts) -> Result<std::net::SocketAddr, Problem> {
    let Remote(peer) =
        request.extensions.get().ok_or_else(|| Problem::new(Kind::Internal, "the request has no peer"))?;
    Ok(*peer)
}

fn bad_query(error: QueryError) -> Problem {
    let kind = if matches!(error, QueryError::Time { .. }) { Kind::BadTime } else { Kind::BadQuery };
    Problem::new(kind, error.to_string())
}

/// The same answer without its body, but with its length.
fn head_of(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    if let Some(len) = http_body::Body::size_hint(&body).exact() {
        parts.headers.entry(header::CONTENT_LENGTH).or_insert(HeaderValue::from(len));
    }
    Response::from_parts(parts, Body::empty())
}

impl Asked {
    /// Asks the policy point.
    pub(super) fn allow(&self, act: Act, resource: Resource<'_>) -> Result<(), Problem> {
        self.app.gate.allow(&self.caller, act, resource).map_err(|refusal| Problem::refused(&refusal))
    }

    /// The grant that children of a playlist carry when the request had its token in the query: HLS players
    /// do not repeat queries.
    pub(super) fn added_grant(&self, stream: &StreamName) -> Option<view::path::Grant> {
        let token_in_query = self.query.token.is_some() && self.path.grant.is_none();
        let grant = token_in_query.then(|| self.app.gate.path_grant(&self.caller, stream))??;
        view::path::Grant::parse(&grant).ok()
    }

    /// Whether the answer is for this client alone, as it was made with a secret.
    pub(super) fn is_private(&self) -> bool {
        self.caller.grant().is_some()
    }

    /// How long the client is willing to wait, `default` where it does not say.
    pub(super) fn patience(&self, default: Duration) -> Duration {
        self.query.wait_ns.map_or(default, |ns| Duration::from_nanos(u64::try_from(ns).unwrap_or(0)))
    }

    /// 307 to the same path with another query.
    pub(super) fn redirect(&self, query: &str) -> Result<Response, Problem> {
        // Relative, so that it holds behind a proxy that adds a prefix: the last component with the query. The
        // dot keeps a colon in the name from reading as a scheme.
        let last = self.request.uri.path().rsplit('/').next().unwrap_or("");
        let location = HeaderValue::try_from(format!("./{last}?{query}"))
            .map_err(|e| Problem::new(Kind::Internal, format!("the redirect cannot be written: {e}")))?;
        let mut response = StatusCode::TEMPORARY_REDIRECT.into_response();
        response.headers_mut().insert(header::LOCATION, location);
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Ok(response)
    }

    /// Whether any time is in the query: what is past is not open to everyone.
    fn says_times(&self) -> bool {
        let q = &self.query;
        q.start.is_some() || q.end.is_some() || q.at.is_some() || q.delay_ns.is_some()
    }
}

fn act_of(asked: &Asked, ext: Ext) -> Act {
    match ext {
        Ext::Mp4 | Ext::Wav => Act::Timeshift,
        _ if asked.says_times() => Act::Timeshift,
        _ => Act::Play,
    }
}

fn not_built(ext: Ext) -> Problem {
    Problem::new(Kind::NotBuilt, format!("this version does not make .{ext}; .m3u8 and .mp4 are there"))
}

async fn stream_view(asked: &Asked, name: &StreamName, ext: Ext) -> Result<Response, Problem> {
    asked.allow(act_of(asked, ext), Resource::Stream(name))?;
    match ext {
        Ext::M3u8 => hls::master(asked, asked.app.stream(name)?).await,
        Ext::Mp4 => clip::of_range(asked, asked.app.stream(name)?).await,
        other => Err(not_built(other)),
    }
}

async fn stream_child(asked: &Asked, name: &StreamName, child: &ChildName) -> Result<Response, Problem> {
    // Live media may lie behind this too, so a refusal is not the end of it.
    let history = asked.app.gate.weigh(&asked.caller, Act::Timeshift, Resource::Stream(name));
    let child = match Child::parse(child) {
        Some(child) => child,
        None => {
            asked.allow(Act::Play, Resource::Stream(name))?;
            return Err(no_such_child(child));
        }
    };
    if history.is_err() {
        // Who may only watch live reaches no further back than the live playlist does.
        if matches!(child, Child::Media) && asked.says_times() {
            asked.allow(Act::Timeshift, Resource::Stream(name))?;
        } else {
            asked.allow(Act::Play, Resource::Stream(name))?;
            let stream = asked.app.stream(name)?;
            if let Child::Segment(segment) = &child
                && !hls::is_recent(asked, &stream, *segment)
            {
                asked.allow(Act::Timeshift, Resource::Stream(name))?;
            }
        }
    }
    hls::child(asked, asked.app.stream(name)?, child).await
}

fn no_such_child(child: &ChildName) -> Problem {
    Problem::new(Kind::NoSuchMedia, format!("{:?} names no playlist and no segment", child.as_str()))
}

/// The asset, once the caller may see it. One that is not there is refused like a private one.
async fn visible_asset(asked: &Asked, id: &str) -> Result<Asset, Problem> {
    let asset = match AssetId::parse(id) {
        Ok(id) => asked.app.catalog.get(&id).await.map_err(Problem::from)?,
        Err(_) => None,
    };
    let (stream, visibility) = match &asset {
        Some(asset) => (asset.facts.stream.as_ref(), asset.labels.visibility),
        None => (None, Visibility::Private),
    };
    let caller = match (&asked.path.grant, stream) {
        // A path grant names no asset: it opens those of the stream it was made for.
        (Some(signed), Some(stream)) => {
            asked.app.gate.with_path(asked.caller.clone(), signed.secret(), stream)
        }
        _ => asked.caller.clone(),
    };
    let resource = Resource::Asset { stream, visibility };
    asked.app.gate.allow(&caller, Act::Timeshift, resource).map_err(|refusal| Problem::refused(&refusal))?;
    asset.ok_or_else(|| no_such_asset(id))
}

async fn asset_view(asked: &Asked, id: &str, ext: Ext) -> Result<Response, Problem> {
    let asset = visible_asset(asked, id).await?;
    match ext {
        Ext::Mp4 => clip::of_asset(asked, &asset).await,
        Ext::M3u8 => {
            let stream = asset_stream(asked, &asset)?;
            hls::asset_master(asked, stream, &asset).await
        }
        other => Err(not_built(other)),
    }
}

async fn asset_child(asked: &Asked, id: &str, child: &ChildName) -> Result<Response, Problem> {
    let asset = visible_asset(asked, id).await?;
    let stream = asset_stream(asked, &asset)?;
    let child = Child::parse(child).ok_or_else(|| no_such_child(child))?;
    hls::asset_child(asked, stream, &asset, child).await
}

/// The stream an asset shows; its media is on that stream's tape.
pub(super) fn asset_stream(asked: &Asked, asset: &Asset) -> Result<Arc<Stream>, Problem> {
    let name = asset.facts.stream.as_ref();
    let name = name.ok_or_else(|| Problem::new(Kind::NotReady, "the asset has no stream behind it"))?;
    asked.app.stream(name)
}

/// Waits for a change of the stream, until `until` on the monotonic clock. `false` when it has passed.
pub(crate) async fn changed(changes: &mut tokio::sync::watch::Receiver<u64>, until: Duration) -> bool {
    let left = until.saturating_sub(clock::mono());
    !left.is_zero() && matches!(tokio::time::timeout(left, changes.changed()).await, Ok(Ok(())))
}
