//! Retention by REST: the rule of a stream, what it would take, what people protect.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use control::access::{Act, Resource};
use control::rules::{Put, StreamRule};
use media::StreamName;
use serde::Deserialize;
use serde_json::{Value, json};
use tape::retention::{Budget, Plan, Rule};

use super::call::{self, Call, created, nothing, ok};
use super::json::time;
use crate::app::App;
use crate::clock;
use crate::config::units;
use crate::http::problem::{Kind, Problem};
use crate::retention::{self, Applied};

/// Extents told of a dry run; more are counted only.
const TOLD_MAX: usize = 1_000;
const NS_PER_S: i64 = 1_000_000_000;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Query {
    #[serde(default)]
    dry_run: bool,
    #[serde(rename = "token")]
    _token: Option<String>,
}

/// `"7d"` or seconds.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Age {
    Seconds(f64),
    Text(String),
}

/// `"10GB"` or bytes.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Bytes {
    Count(u64),
    Text(String),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ask {
    max_age: Option<Age>,
    max_bytes: Option<Bytes>,
}

impl Ask {
    fn rule(&self, stream: &StreamName) -> Result<StreamRule, Problem> {
        let bad = |what: String| Problem::new(Kind::BadValue, what);
        let max_age_ns = match &self.max_age {
            None => None,
            Some(Age::Seconds(s)) if *s > 0.0 && *s < 1e10 => Some((s * NS_PER_S as f64) as i64),
            Some(Age::Seconds(s)) => {
                return Err(bad(format!("max_age is {s} s; it takes a positive number")));
            }
            Some(Age::Text(text)) => {
                let age = units::duration(text).filter(|age| !age.is_zero());
                let age =
                    age.ok_or_else(|| bad(format!("max_age is {text:?}; write \"7d\", \"12h\" or seconds")))?;
                Some(i64::try_from(age.as_nanos()).unwrap_or(i64::MAX))
            }
        };
        let max_bytes = match &self.max_bytes {
            None => None,
            Some(Bytes::Count(bytes)) => Some(*bytes),
            Some(Bytes::Text(text)) => Some(units::bytes(text).ok_or_else(|| {
                bad(format!("max_bytes is {text:?}; write \"10GB\", \"500MiB\" or a number of bytes"))
            })?),
        };
        Ok(StreamRule { stream: stream.clone(), max_age_ns, max_bytes })
    }
}

/// `GET /streams/{a}/{s}/retention`: what applies, and from where.
pub(super) fn get(call: &Call, name: &StreamName) -> Result<Response, Problem> {
    call.allow(Act::Admin, Resource::Stream(name))?;
    Ok(ok(&applied(&call.app, name)))
}

fn applied(app: &App, name: &StreamName) -> Value {
    let Applied { rule, age_from, bytes_from } = app.rules.ask(&app.config()).of(name);
    json!({
        "app": name.app(),
        "stream": name.stream(),
        "max_age": rule.max_age_ns.map(|ns| ns as f64 / NS_PER_S as f64),
        "max_age_from": age_from.map(retention::From::as_str),
        "max_bytes": rule.max_bytes,
        "max_bytes_from": bytes_from.map(retention::From::as_str),
    })
}

/// `PUT /streams/{a}/{s}/retention`: 201 for a first rule, 200 for another; with `dry_run`, what it would take.
pub(super) async fn put(call: &Call, name: &StreamName, body: Body) -> Result<Response, Problem> {
    call.allow(Act::Admin, Resource::Stream(name))?;
    let query: Query = call.query()?;
    let ask: Ask = call::body(&call.request.headers, body).await?;
    let rule = ask.rule(name)?;
    if query.dry_run {
        let asked = call.app.rules.ask(&call.app.config()).with(rule);
        let (app, only) = (Arc::clone(&call.app), name.clone());
        let plan = call.app.readers.blocking(move || {
            let rule = |name: &StreamName| if *name == only { asked.of(name).rule } else { Rule::default() };
            app.hub.plan_retention(&rule, Budget::default(), usize::MAX)
        });
        return Ok(ok(&planned(&plan.await?)));
    }
    let put = call.app.catalog.put_stream_rule(&rule, clock::wall()).await?;
    call.app.rules.replace(call.app.catalog.stream_rules().await?);
    let told = applied(&call.app, name);
    match put {
        Put::Made => Ok(created(call.request.uri.path(), &told)),
        Put::Replaced => Ok(ok(&told)),
    }
}

/// `DELETE /streams/{a}/{s}/retention`: the stream follows the configuration again.
pub(super) async fn delete(call: &Call, name: &StreamName) -> Result<Response, Problem> {
    call.allow(Act::Admin, Resource::Stream(name))?;
    let gone = call.app.catalog.delete_stream_rule(name).await?;
    call.app.rules.replace(call.app.catalog.stream_rules().await?);
    match gone {
        true => Ok(nothing()),
        false => Err(Problem::new(Kind::NoSuchRule, format!("{name} has no retention of its own"))),
    }
}

/// `GET /retention`: what the server keeps, the volume, and what the next passes would take.
pub(super) async fn server(State(app): State<Arc<App>>, request: Request) -> Result<Response, Problem> {
    let call = Call::new(app, request.into_parts().0)?;
    call.allow(Act::Admin, Resource::Server)?;
    let app = Arc::clone(&call.app);
    Ok(ok(&call.app.readers.blocking(move || render(&app)).await?))
}

fn render(app: &App) -> Value {
    let config = app.config();
    let volume = retention::volume(&config.data, &config);
    let doomed: u64 = app.hub.streams().iter().map(|s| s.doomed_bytes()).sum();
    let asked = app.rules.ask(&config);
    let budget = retention::budget(&config, volume, doomed);
    let plan = app.hub.plan_retention(&|name| asked.of(name).rule, budget, usize::MAX);
    json!({
        "max_age": config.retention.max_age.map(|age| age.as_secs_f64()),
        "max_bytes": config.retention.max_bytes,
        "min_free": volume.map(|v| v.min_free),
        "volume": volume.map(|v| json!({"bytes": v.bytes, "free": v.free})),
        "unlinking": doomed,
        "next": planned(&plan),
    })
}

fn planned(plan: &Plan) -> Value {
    let expire = plan.expire.iter().take(TOLD_MAX).map(|doom| {
        json!({
            "app": doom.stream.app(),
            "stream": doom.stream.stream(),
            "start": time(doom.start),
            "end": time(doom.end),
            "bytes": doom.bytes,
            "reason": doom.cause.as_str(),
        })
    });
    let clips: Vec<_> =
        plan.copy_out.iter().map(|(_, id)| crate::assets::asset_id(*id).as_str().to_owned()).collect();
    json!({
        "expire": expire.collect::<Vec<_>>(),
        "extents": plan.expire.len(),
        "bytes": plan.bytes(),
        "clips_copied_first": clips,
        "short": plan.short,
    })
}
