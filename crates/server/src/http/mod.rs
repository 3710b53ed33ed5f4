//! HTTP: the one listener for media, API and console. Here is which address goes where and what is true of
//! every answer; the answers are in the modules below and in `api`.

pub(crate) mod audience;
pub(crate) mod body;
pub(crate) mod clip;
pub(crate) mod clip_plans;
mod connection;
mod console;
mod cors;
mod disposition;
mod file;
pub(crate) mod gzip;
mod health;
mod hls;
mod media;
mod metrics;
mod mp4;
pub(crate) mod problem;
mod range;
pub(crate) mod redact;
mod send;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use http::{HeaderMap, Method, StatusCode, Uri};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(crate) use self::media::{changed, remote};
use crate::api::openapi;
use crate::app::App;
use crate::clock;
use crate::net::{self, Bound, Room};
use crate::tls::Tls;
pub(crate) use connection::Remote;
use problem::{Kind, Problem, Told};

/// Serves the listener until `stop`, inside TLS where there is a certificate; connections live on in `tasks` until their answers are out.
pub(crate) async fn serve(
    bound: Bound,
    app: Arc<App>,
    stop: CancellationToken,
    tasks: TaskTracker,
    tls: Option<Tls>,
) {
    let router = router(Arc::clone(&app));
    let meter = app.meter;
    let limits = Arc::clone(&app);
    let room = Room {
        open: &meter.http.connections,
        refused: &meter.http.connections_refused,
        limit: move || limits.config().http.max_connections,
    };
    let connections = stop.clone();
    net::accept(bound.listener, stop, room, move |stream, peer, held| {
        let (router, app, stop, tls) = (router.clone(), Arc::clone(&app), connections.clone(), tls.clone());
        tasks.spawn(async move {
            // Answers are written whole; waiting for more would only delay them.
            let _ = stream.set_nodelay(true);
            match tls {
                None => connection::serve(stream, peer, router, app, stop).await,
                Some(tls) => {
                    if let Some(stream) = tls.accept(stream, peer, &app.meter.http.tls_failed).await {
                        connection::serve(stream, peer, router, app, stop).await;
                    }
                }
            }
            drop(held);
        });
    })
    .await;
}

fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/", get(console_page))
        .route("/console", get(console_page))
        .route("/console/", get(console_page))
        .route("/console/{*path}", get(console_file))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(metrics::get))
        .route("/api/docs", get(openapi::page))
        .route("/api/docs/page.js", get(openapi::script))
        .route("/api/docs/page.css", get(openapi::style))
        .nest("/api/v1", crate::api::router())
        .route("/api/{*rest}", any(no_such_call))
        .fallback(media::handle)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn_with_state(Arc::clone(&app), every_answer))
        .with_state(app)
}

/// Counts, logs without secrets, and adds what every answer carries.
async fn every_answer(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let method = request.method().clone();
    let url = redact::redact(request.uri().path_and_query().map_or("/", |p| p.as_str()));
    let (peer, begun) = (request.extensions().get().copied(), clock::mono());
    let mut response = next.run(request).await;
    let status = response.status();
    app.meter.http.answers(status).add();
    app.meter.http.answer_seconds.took(clock::mono().saturating_sub(begun));
    match response.extensions().get::<Told>() {
        Some(Told { kind, detail }) if matches!(status.as_u16(), 401 | 403) => {
            if let Some(unsaid) = app.refusals.say() {
                let peer = peer.map(|Remote(peer)| peer.to_string()).unwrap_or_default();
                tracing::warn!(
                    event = "refused", protocol = "http", peer, %method, url, r#type = kind, unsaid,
                    "refused: {detail}"
                );
            }
        }
        _ => tracing::debug!(%method, url, status = status.as_u16(), "http"),
    }
    let headers = response.headers_mut();
    headers.entry(http::header::X_CONTENT_TYPE_OPTIONS).or_insert(http::HeaderValue::from_static("nosniff"));
    response
}

async fn console_page(headers: HeaderMap) -> Response {
    console::file("", &headers)
}

async fn console_file(uri: Uri, headers: HeaderMap) -> Response {
    console::file(uri.path().trim_start_matches("/console/"), &headers)
}

async fn no_such_call(uri: Uri) -> Problem {
    Problem::new(
        Kind::NoSuchPage,
        format!("the API has no call {}; its calls are under /api/v1", redact::redact(uri.path())),
    )
}

/// axum adds `Allow` to this. Other origins may read media, not the API: there a preflight gets no leave.
async fn wrong_method(method: Method, uri: Uri) -> Response {
    if method == Method::OPTIONS {
        return StatusCode::NO_CONTENT.into_response();
    }
    let detail = format!("{} does not take {method}; see the Allow header", redact::redact(uri.path()));
    Problem::new(Kind::MethodNotAllowed, detail).into_response()
}
