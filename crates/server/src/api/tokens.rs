//! `/tokens`: the tokens that let others in, and signed ones of the server's own keys.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::response::Response;
use control::access::{Act, Acts, Pattern, Resource};
use control::keys::{NewJwt, NewToken, Token, parse_lifetime};
use media::WallTime;
use serde::Deserialize;
use serde_json::{Value, json};

use super::call::{self, Call, created, nothing, ok};
use super::json::{maybe_time, time};
use super::page::{PageQuery, page};
use crate::app::App;
use crate::clock;
use crate::http::problem::{Kind, Problem};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ask {
    act: Words,
    stream: Option<String>,
    name: Option<String>,
    expires: Option<String>,
    key: Option<String>,
    subject: Option<String>,
    cidr: Option<Words>,
}

/// Words in one text with blanks between them, or in a list.
#[derive(Deserialize)]
#[serde(untagged)]
enum Words {
    Text(String),
    List(Vec<String>),
}

impl Words {
    fn joined(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::List(list) => list.join(" "),
        }
    }
}

/// What is asked for, read.
struct Wanted {
    acts: Acts,
    streams: Pattern,
    expires_at: Option<WallTime>,
}

/// `GET /tokens`: the tokens, newest first, without their secrets.
pub(super) async fn list(State(app): State<Arc<App>>, request: Request) -> Result<Response, Problem> {
    let call = Call::new(app, request.into_parts().0)?;
    call.allow(Act::Admin, Resource::Server)?;
    let query: PageQuery = call.query()?;
    let tokens = call.app.gate.keys().list().await?;
    let items = tokens.iter().map(|token| (token.id.clone(), render(token))).collect();
    Ok(ok(&page(items, &query)?))
}

/// `POST /tokens`: a token; its secret is told this once.
pub(super) async fn post(State(app): State<Arc<App>>, request: Request) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let call = Call::new(app, parts)?;
    call.allow(Act::Admin, Resource::Server)?;
    let ask: Ask = call::body(&call.request.headers, body).await?;
    let now = clock::wall();
    let wanted = wanted(&ask, now)?;
    match &ask.key {
        Some(key) => signed(&call, &ask, key, wanted, now),
        None => opaque(&call, &ask, wanted, now).await,
    }
}

fn wanted(ask: &Ask, now: WallTime) -> Result<Wanted, Problem> {
    let bad =
        |field: &str, why: &dyn std::fmt::Display| Problem::new(Kind::BadValue, format!("{field}: {why}"));
    let streams = ask.stream.as_deref().map_or(Ok(Pattern::everything()), Pattern::parse);
    let lifetime = ask.expires.as_deref().map(parse_lifetime).transpose().map_err(|e| bad("expires", &e))?;
    Ok(Wanted {
        acts: ask.act.joined().parse().map_err(|e: control::UnknownWord| bad("act", &e))?,
        streams: streams.map_err(|e| bad("stream", &e))?,
        expires_at: lifetime.map(|ns| now.plus_ns(ns)),
    })
}

async fn opaque(call: &Call, ask: &Ask, wanted: Wanted, now: WallTime) -> Result<Response, Problem> {
    if ask.subject.is_some() || ask.cidr.is_some() {
        let why = "subject and cidr are claims of signed tokens; name a key, or leave them out";
        return Err(Problem::new(Kind::BadValue, why));
    }
    let Wanted { acts, streams, expires_at } = wanted;
    let new = NewToken { name: ask.name.clone().unwrap_or_default(), acts, streams, expires_at };
    let (secret, token) = call.app.gate.keys().create(&new, now).await?;
    let mut told = render(&token);
    told["token"] = json!(secret.reveal());
    Ok(created(&format!("/api/v1/tokens/{}", token.id), &told))
}

fn signed(call: &Call, ask: &Ask, key: &str, wanted: Wanted, now: WallTime) -> Result<Response, Problem> {
    let bad = |why: String| Problem::new(Kind::BadValue, why);
    let Some(expires_at) = wanted.expires_at else {
        return Err(bad("expires: a signed token needs an end, e.g. \"12h\"".to_owned()));
    };
    if ask.name.is_some() {
        return Err(bad("name: a signed token is not kept, so it has no name; give it a subject".to_owned()));
    }
    let cidr = ask.cidr.as_ref().map(Words::joined).unwrap_or_default();
    let networks = cidr.split_whitespace().map(|net| {
        net.parse().map_err(|_| bad(format!("cidr: {net:?} is no network; write e.g. 10.0.0.0/8")))
    });
    let new = NewJwt {
        key: key.to_owned(),
        acts: wanted.acts,
        streams: wanted.streams,
        networks: networks.collect::<Result<_, _>>()?,
        subject: ask.subject.clone(),
        expires_at,
    };
    let (token, jti) = call.app.gate.keys().sign(&new, now)?;
    let told = json!({
        "id": jti, "key": key, "name": "", "act": acts(new.acts), "stream": new.streams.as_str(),
        "created_at": time(now), "expires_at": time(expires_at), "revoked_at": null, "token": token,
    });
    Ok(created(&format!("/api/v1/keys/{key}/tokens/{jti}"), &told))
}

/// `GET /tokens/{id}`.
pub(super) async fn get(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let call = Call::new(app, request.into_parts().0)?;
    call.allow(Act::Admin, Resource::Server)?;
    let tokens = call.app.gate.keys().list().await?;
    let found = tokens.iter().find(|token| token.id == id).ok_or_else(no_such_token)?;
    Ok(ok(&render(found)))
}

/// `DELETE /tokens/{id}`: revokes it; connections that rest on it end within five seconds.
pub(super) async fn delete(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let call = Call::new(app, request.into_parts().0)?;
    call.allow(Act::Admin, Resource::Server)?;
    call.app.gate.keys().revoke(&id, clock::wall()).await?.ok_or_else(no_such_token)?;
    Ok(nothing())
}

fn no_such_token() -> Problem {
    Problem::new(Kind::NoSuchToken, "no token has this id; GET /api/v1/tokens lists them")
}

fn acts(acts: Acts) -> Vec<&'static str> {
    let all = Act::ALL.iter().filter(|act| acts.holds(**act));
    all.map(|act| act.as_str()).collect()
}

fn render(token: &Token) -> Value {
    json!({
        "id": token.id, "key": null, "name": token.name, "act": acts(token.acts), "stream": token.streams.as_str(),
        "created_at": time(token.created_at), "expires_at": maybe_time(token.expires_at),
        "revoked_at": maybe_time(token.revoked_at),
    })
}
