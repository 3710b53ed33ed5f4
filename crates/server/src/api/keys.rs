//! `/keys`: what signed tokens (JWT) are checked with.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::response::Response;
use control::access::{Act, Resource};
use control::keys::{Key, NewKey};
use serde::Deserialize;
use serde_json::{Value, json};

use super::call::{self, Call, created, nothing, ok};
use super::json::{Time, maybe_time, time};
use super::page::{PageQuery, page};
use crate::app::App;
use crate::clock;
use crate::http::problem::{Kind, Problem};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ask {
    algorithm: String,
    id: Option<String>,
    name: Option<String>,
    public_key: Option<String>,
    issuer: Option<String>,
    audience: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RevokeQuery {
    expires_at: Option<Time>,
    #[serde(rename = "token")]
    _token: Option<String>,
}

/// `GET /keys`: those of the configuration, then those of the database, newest first.
pub(super) async fn list(State(app): State<Arc<App>>, request: Request) -> Result<Response, Problem> {
    let call = Call::new(app, request.into_parts().0)?;
    call.allow(Act::Admin, Resource::Server)?;
    let query: PageQuery = call.query()?;
    Ok(ok(&page(all(&call).await?, &query)?))
}

async fn all(call: &Call) -> Result<Vec<(String, Value)>, Problem> {
    let keys = call.app.gate.keys();
    let stored = keys.list_keys().await?;
    let fixed = keys.fixed_keys();
    let hidden = |key: &Key| fixed.iter().any(|fixed| fixed.id == key.id);
    let stored = stored.iter().filter(|key| !hidden(key)).map(|key| (key.id.clone(), render(key)));
    let fixed = fixed.iter().map(|key| {
        let told = json!({
            "id": key.id, "name": "", "algorithm": key.algorithm.as_str(), "issuer": key.issuer,
            "audience": key.audience, "source": "configuration", "created_at": null, "revoked_at": null,
        });
        (key.id.clone(), told)
    });
    Ok(fixed.chain(stored).collect())
}

/// `POST /keys`: a key; a shared secret is drawn and told this once.
pub(super) async fn post(State(app): State<Arc<App>>, request: Request) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let call = Call::new(app, parts)?;
    call.allow(Act::Admin, Resource::Server)?;
    let ask: Ask = call::body(&call.request.headers, body).await?;
    let algorithm = ask.algorithm.parse();
    let algorithm = algorithm
        .map_err(|e: control::UnknownWord| Problem::new(Kind::BadValue, format!("algorithm: {e}")))?;
    let (id, name) = (ask.id, ask.name.unwrap_or_default());
    let (public_key, issuer, audience) = (ask.public_key, ask.issuer, ask.audience);
    let new = NewKey { id, name, algorithm, public_key, issuer, audience };
    let (secret, key) = call.app.gate.keys().create_key(&new, clock::wall()).await?;
    let mut told = render(&key);
    told["secret"] = json!(secret);
    Ok(created(&format!("/api/v1/keys/{}", key.id), &told))
}

/// `GET /keys/{key}`.
pub(super) async fn get(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let call = Call::new(app, request.into_parts().0)?;
    call.allow(Act::Admin, Resource::Server)?;
    let found = all(&call).await?.into_iter().find(|(key, _)| *key == id);
    let (_, found) = found.ok_or_else(no_such_key)?;
    Ok(ok(&found))
}

/// `DELETE /keys/{key}`: revokes it, and every token that it signed.
pub(super) async fn delete(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let call = Call::new(app, request.into_parts().0)?;
    call.allow(Act::Admin, Resource::Server)?;
    let keys = call.app.gate.keys();
    if keys.fixed_keys().iter().any(|key| key.id == id) {
        let detail = "this key stands in the configuration; take it out there and send SIGHUP";
        return Err(Problem::new(Kind::InConfiguration, detail));
    }
    keys.revoke_key(&id, clock::wall()).await?.ok_or_else(no_such_key)?;
    Ok(nothing())
}

/// `DELETE /keys/{key}/tokens/{jti}`: revokes one token that the key signed. The server does not know which there are.
pub(super) async fn revoke(
    State(app): State<Arc<App>>,
    Path((id, jti)): Path<(String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    let call = Call::new(app, request.into_parts().0)?;
    call.allow(Act::Admin, Resource::Server)?;
    let query: RevokeQuery = call.query()?;
    let now = clock::wall();
    let until = query.expires_at.map(|time| time.0.at(now));
    call.app.gate.keys().revoke_jwt(&id, &jti, until, now).await?;
    Ok(nothing())
}

fn no_such_key() -> Problem {
    Problem::new(Kind::NoSuchKey, "no key has this id; GET /api/v1/keys lists them")
}

fn render(key: &Key) -> Value {
    json!({
        "id": key.id, "name": key.name, "algorithm": key.algorithm.as_str(), "issuer": key.issuer,
        "audience": key.audience, "source": "database", "created_at": time(key.created_at),
        "revoked_at": maybe_time(key.revoked_at),
    })
}
