//! `/healthz` and `/readyz`: for whoever restarts the server and for whoever sends it work. Both are open and
//! tell nothing but that.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{self, HeaderValue};

use super::problem::{Kind, Problem};
use crate::app::App;

/// How long the database may take to answer; orchestrators give up after a second or a few.
const DATABASE_DEADLINE: Duration = Duration::from_secs(1);
/// Space below which the server is not ready: the least that keeps database and journal writable, 1/64 of the
/// volume and at most this.
const FREE_BYTES_MIN: u64 = 16 << 20;

/// A write or sync that takes longer than this is told: what is recorded meanwhile is not durable.
const SYNC_LATE: Duration = Duration::from_secs(2);

/// 200 once the tape is open and the API serves it, which is before the listener accepts.
pub(super) async fn alive() -> Response {
    fine("ok\n")
}

/// 200 while the database answers and there is space to record.
pub(super) async fn ready(State(app): State<Arc<App>>) -> Response {
    match tokio::time::timeout(DATABASE_DEADLINE, app.catalog.ping()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => return not_ready(format!("the catalog does not answer: {error}")),
        Err(_) => {
            return not_ready(format!("the catalog has not answered for {} s", DATABASE_DEADLINE.as_secs()));
        }
    }
    let disk = app.hub.disk();
    if disk.busy > SYNC_LATE {
        return not_ready(format!("the disk has not finished a write for {} s", disk.busy.as_secs()));
    }
    if !disk.takes_media {
        return not_ready("the volume is full and nothing is recorded; free some space".to_owned());
    }
    let data = app.config().data.clone();
    match tokio::task::spawn_blocking(move || rustix::fs::statvfs(&data)).await {
        Ok(Ok(volume)) => {
            let free = volume.f_bavail.saturating_mul(volume.f_frsize);
            let least = (volume.f_blocks.saturating_mul(volume.f_frsize) / 64).min(FREE_BYTES_MIN);
            match free >= least {
                true => fine("ready\n"),
                false => not_ready(format!("the volume has {free} bytes left; free at least {least}")),
            }
        }
        Ok(Err(error)) => not_ready(format!("the data directory cannot be asked for its space: {error}")),
        Err(error) => not_ready(error.to_string()),
    }
}

fn fine(text: &'static str) -> Response {
    ([(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))], text).into_response()
}

fn not_ready(detail: String) -> Response {
    Problem::new(Kind::Unavailable, detail).into_response()
}
