//! `/streams`: what is live and what is recorded, and the calls below one stream.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use axum::extract::{Request, State};
use axum::response::Response;
use control::access::{Act, Resource};
use http::Method;
use http::header::{self, HeaderValue};
use media::{StreamName, TrackId};
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_json::{Value, json};
use tape::{ExtentIndex, Stream, TrackIndex};

use super::call::{Call, nothing, ok};
use super::json::{maybe_time, time, track};
use super::{clips, erase, protections, retention, split, timeline};
use crate::app::App;
use crate::clock;
use crate::http::problem::{Kind, Problem};

/// Frame rate and bit rates are measured over this much of the newest media.
const MEASURED_NS: i64 = 5_000_000_000;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ListQuery {
    limit: Option<usize>,
    cursor: Option<String>,
    state: Option<String>,
    #[serde(rename = "token")]
    _token: Option<String>,
}

/// `GET /streams`.
pub(super) async fn list(State(app): State<Arc<App>>, request: Request) -> Result<Response, Problem> {
    let call = Call::new(app, request.into_parts().0)?;
    call.allow(Act::Admin, Resource::Server)?;
    let query: ListQuery = call.query()?;
    let limit = super::page::limit(query.limit)?;
    let live = match query.state.as_deref() {
        None => None,
        Some("live") => Some(true),
        Some("offline") => Some(false),
        Some(other) => {
            return Err(Problem::new(
                Kind::BadQuery,
                format!("state is {other:?}; it takes live or offline"),
            ));
        }
    };
    let app = Arc::clone(&call.app);
    let page = call.app.readers.blocking(move || page(&app, limit, query.cursor.as_deref(), live)).await?;
    Ok(ok(&page))
}

/// Streams by name; the cursor is the last name of the page before.
fn page(app: &App, limit: usize, cursor: Option<&str>, live: Option<bool>) -> Value {
    let streams = app.hub.streams();
    let after = streams.into_iter().filter(|s| cursor.is_none_or(|c| s.name().as_str() > c));
    let wanted = after.filter(|s| live.is_none_or(|live| is_live(app, s) == live));
    let mut found: Vec<Arc<Stream>> = wanted.take(limit + 1).collect();
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| more).map(|s| s.name().as_str().to_owned());
    let items: Vec<Value> = found.iter().map(|s| render(app, s)).collect();
    json!({"items": items, "next": next})
}

fn is_live(app: &App, stream: &Stream) -> bool {
    stream.stats(app.hub.now().mono).publisher.is_some()
}

/// Everything below `/streams/`: `{app}/{stream}` and its calls. A stream's name may have several parts; a part
/// that is named like a call is written with its slash encoded.
pub(super) async fn below(State(app): State<Arc<App>>, request: Request) -> Result<Response, Problem> {
    let (request, body) = request.into_parts();
    let (name, below) = address(request.uri.path())?;
    let call = Call::new(app, request)?;
    let method = call.request.method.clone();
    let get = method == Method::GET || method == Method::HEAD;
    match (below.as_deref(), &method) {
        (None, _) if get => get_one(&call, &name).await,
        (None, &Method::DELETE) => kick(&call, &name),
        (None, _) => Err(wrong_method("GET, HEAD, DELETE")),
        (Some("timeline"), _) if get => timeline::get(&call, &name).await,
        (Some("timeline"), &Method::DELETE) => erase::delete(&call, &name).await,
        (Some("timeline"), _) => Err(wrong_method("GET, HEAD, DELETE")),
        (Some("retention"), _) if get => retention::get(&call, &name),
        (Some("retention"), &Method::PUT) => retention::put(&call, &name, body).await,
        (Some("retention"), &Method::DELETE) => retention::delete(&call, &name).await,
        (Some("retention"), _) => Err(wrong_method("GET, HEAD, PUT, DELETE")),
        (Some("protections"), _) if get => protections::list(&call, &name),
        (Some("protections"), &Method::POST) => protections::post(&call, &name, body).await,
        (Some("protections"), _) => Err(wrong_method("GET, HEAD, POST")),
        (Some(one), &Method::DELETE) if one.starts_with(PROTECTION) => {
            protections::delete(&call, &name, &one[PROTECTION.len()..]).await
        }
        (Some(one), _) if one.starts_with(PROTECTION) => Err(wrong_method("DELETE")),
        (Some("split"), &Method::POST) => split::post(&call, &name, body).await,
        (Some("clips"), &Method::POST) => clips::post(&call, &name, body).await,
        (Some("split" | "clips"), _) => Err(wrong_method("POST")),
        (Some(other), _) => Err(not_built(other)),
    }
}

fn not_built(call: &str) -> Problem {
    Problem::new(Kind::NotBuilt, format!("…/{call} is not there in this version"))
}

fn wrong_method(allowed: &'static str) -> Problem {
    Problem::new(Kind::MethodNotAllowed, format!("this address takes {allowed}"))
        .header(header::ALLOW, HeaderValue::from_static(allowed))
}

/// Calls that are below a stream, now or later.
const BELOW: [&str; 7] = ["timeline", "split", "clips", "events", "markers", "retention", "protections"];
/// How the call about one protection begins.
const PROTECTION: &str = "protections/";

/// Stream and call of a raw path.
fn address(path: &str) -> Result<(StreamName, Option<String>), Problem> {
    let path = path.split_once("/streams/").map_or("", |(_, rest)| rest);
    let bad = |detail: String| Problem::new(Kind::BadUrl, detail);
    let decode = |part: &str| {
        let text =
            percent_decode_str(part).decode_utf8().map_err(|_| bad(format!("{part:?} is not UTF-8")))?;
        Ok(text.into_owned())
    };
    let mut parts = path.split('/').map(decode).collect::<Result<Vec<_>, Problem>>()?;
    let below = match parts.last() {
        Some(id) if parts.len() > 3 && parts[parts.len() - 2] == "protections" => {
            let below = format!("{PROTECTION}{id}");
            parts.truncate(parts.len() - 2);
            Some(below)
        }
        Some(last) if parts.len() > 2 && BELOW.contains(&last.as_str()) => parts.pop(),
        _ => None,
    };
    let name = StreamName::parse(&parts.join("/")).map_err(|e| bad(e.to_string()))?;
    Ok((name, below))
}

/// `GET /streams/{app}/{stream}`.
async fn get_one(call: &Call, name: &StreamName) -> Result<Response, Problem> {
    call.allow(Act::Timeshift, Resource::Stream(name))?;
    let (app, stream) = (Arc::clone(&call.app), call.app.stream(name)?);
    Ok(ok(&call.app.readers.blocking(move || render(&app, &stream)).await?))
}

/// `DELETE /streams/{app}/{stream}`: asks the publisher to leave.
fn kick(call: &Call, name: &StreamName) -> Result<Response, Problem> {
    call.allow(Act::Admin, Resource::Stream(name))?;
    let stream = call.app.stream(name)?;
    if stream.kick("removed by the API") {
        return Ok(nothing());
    }
    Err(Problem::new(Kind::NotPublished, format!("nobody publishes {name} now")))
}

/// A stream. May read the newest extent's index from disk.
pub(super) fn render(app: &App, stream: &Stream) -> Value {
    let stats = stream.stats(app.hub.now().mono);
    let measured = newest_index(stream);
    let tracks = stats.tracks.iter().map(|config| {
        let mut told = track(config);
        let measured = measured.as_ref().and_then(|index| measure(index, config.id));
        if let Some((rate, bitrate)) = measured {
            told["bitrate"] = json!(bitrate);
            if config.kind() == media::TrackKind::Video {
                told["fps"] = json!(rate);
            }
        }
        told
    });
    let publisher = stats.publisher.as_ref().map(
        |(info, since)| json!({"protocol": info.protocol, "remote": info.remote, "since": time(*since)}),
    );
    let tape = stream.window().map(|w| {
        json!({
            "start": time(w.start), "end": time(w.end), "bytes": stats.bytes,
            "durable_until": maybe_time(stats.durable_until),
        })
    });
    json!({
        "app": stream.name().app(),
        "stream": stream.name().stream(),
        "state": if publisher.is_some() { "live" } else { "offline" },
        "publisher": publisher,
        "tracks": tracks.collect::<Vec<_>>(),
        "bitrate": stats.bitrate,
        "viewers": stream.viewers().load(Relaxed) + app.audience.count(stream.id(), clock::mono()),
        "packets_dropped": stats.dropped,
        "tape": tape,
    })
}

fn newest_index(stream: &Stream) -> Option<Arc<ExtentIndex>> {
    let (run, at, _) = stream.edge()?;
    let back = at.plus_ns(-MEASURED_NS);
    let extent = *stream.run(run, back..at)?.extents.last()?;
    stream.index(extent.no).ok()
}

/// Samples a second and bits a second of a track over the newest media of an extent.
fn measure(index: &ExtentIndex, id: TrackId) -> Option<(f64, u64)> {
    let track: &TrackIndex = index.track(id)?;
    let last = track.samples.last()?;
    let end = last.dts + i64::from(last.duration);
    let from = end - i64::from(track.timescale.hz()) * (MEASURED_NS / 1_000_000_000);
    let newest = &track.samples[track.samples.partition_point(|s| s.dts < from)..];
    let ticks = end - newest.first()?.dts;
    if ticks <= 0 {
        return None;
    }
    let seconds = ticks as f64 / f64::from(track.timescale.hz());
    let bytes: u64 = newest.iter().map(|s| u64::from(s.size)).sum();
    let rate = newest.len() as f64 / seconds;
    Some(((rate * 100.0).round() / 100.0, (bytes as f64 * 8.0 / seconds) as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_may_have_many_parts_and_calls_are_the_last() {
        let read = |path: &str| {
            let read = address(&format!("/api/v1/streams/{path}"));
            read.map(|(name, below)| (name.as_str().to_owned(), below)).map_err(|p| p.status().as_u16())
        };
        let is = |name: &str, below: Option<&str>| Ok((name.to_owned(), below.map(str::to_owned)));
        assert_eq!(read("live/cam1"), is("live/cam1", None));
        assert_eq!(read("live/cam1/split"), is("live/cam1", Some("split")));
        assert_eq!(read("live/split"), is("live/split", None));
        assert_eq!(read("live/room/1/timeline"), is("live/room/1", Some("timeline")));
        assert_eq!(read("live/a/b/protections/7"), is("live/a/b", Some("protections/7")));
        assert_eq!(read("live/protections/7"), is("live/protections/7", None));
        assert_eq!(read("live/room%2Ftimeline"), is("live/room/timeline", None));
        assert_eq!(read("live/caf%C3%A9"), is("live/café", None));
        for bad in ["live", "live/", "live/../x", "live/%2e%2e/x", "live/%ff", "api/x", "live/a%00b"] {
            assert_eq!(read(bad), Err(400), "{bad}");
        }
    }
}
