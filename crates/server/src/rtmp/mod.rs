//! RTMP: the listener and, per connection, the loop between socket, session and hub. The protocol is
//! `media::proto::rtmp`'s, the packets `media::container::flv`'s; here are sockets, deadlines and who may.

mod ask;
mod connection;
mod outgoing;
mod play;
mod publish;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use media::proto::rtmp::handshake::Seed;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::app::App;
use crate::net::{self, Bound, Room};
use connection::Connection;

/// Serves the listener until `stop`. Each connection is a task of its own, so that a panic in one ends that
/// one.
pub(crate) async fn serve(bound: Bound, app: Arc<App>, stop: CancellationToken, tasks: TaskTracker) {
    let limits = Arc::clone(&app);
    let room = Room {
        open: &app.meter.rtmp.connections,
        refused: &app.meter.rtmp.connections_refused,
        limit: move || limits.config().rtmp.max_connections,
    };
    let (connections, numbers) = (stop.clone(), AtomicU64::new(1));
    net::accept(bound.listener, stop, room, |stream, peer, held| {
        let (app, stop) = (Arc::clone(&app), connections.clone());
        let id = numbers.fetch_add(1, Relaxed);
        tasks.spawn(async move {
            Connection::new(app, stream, peer, id).run(stop).await;
            drop(held);
        });
    })
    .await;
}

/// Randomness for one handshake.
pub(crate) fn seed() -> Seed {
    let mut seed = [0; 32];
    seed[..16].copy_from_slice(uuid::Uuid::new_v4().as_bytes());
    seed[16..].copy_from_slice(uuid::Uuid::new_v4().as_bytes());
    Seed(seed)
}
