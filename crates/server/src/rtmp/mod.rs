//! RTMP: the listener and, per connection, the loop between socket, session and hub. The protocol is
//! `media::proto::rtmp`'s, the packets `media::container::flv`'s; here are sockets, deadlines and who may.

mod ask;
mod connection;
mod outgoing;
mod play;
mod publish;
mod transport;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use media::proto::rtmp::handshake::Seed;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::app::App;
use crate::net::{self, Bound, Room};
use crate::tls::Tls;
use connection::Connection;
use transport::Transport;

/// Numbers the connections of all listeners.
static NUMBERS: AtomicU64 = AtomicU64::new(1);

/// Serves the listener until `stop`, inside TLS where there is a certificate. Each connection is a task of its own, so that a panic in one ends that
/// one.
pub(crate) async fn serve(
    bound: Bound,
    app: Arc<App>,
    stop: CancellationToken,
    tasks: TaskTracker,
    tls: Option<Tls>,
) {
    let limits = Arc::clone(&app);
    let room = Room {
        open: &app.meter.rtmp.connections,
        refused: &app.meter.rtmp.connections_refused,
        limit: move || limits.config().rtmp.max_connections,
    };
    let connections = stop.clone();
    net::accept(bound.listener, stop, room, |stream, peer, held| {
        let (app, stop) = (Arc::clone(&app), connections.clone());
        let (id, tls) = (NUMBERS.fetch_add(1, Relaxed), tls.clone());
        tasks.spawn(async move {
            match tls {
                None => Connection::new(app, Transport::tcp(stream), peer, id).run(stop).await,
                Some(tls) => secure(app, tls, stream, peer, id, stop).await,
            }
            drop(held);
        });
    })
    .await;
}

/// A connection inside TLS. Its session works on a pair of sockets, one of which is pumped to the peer: the loop of a
/// connection is about readiness, which TLS does not have.
async fn secure(
    app: Arc<App>,
    tls: Tls,
    stream: TcpStream,
    peer: SocketAddr,
    id: u64,
    stop: CancellationToken,
) {
    Transport::prepare(&stream);
    let Some(mut secured) = tls.accept(stream, peer, &app.meter.rtmp.tls_failed).await else { return };
    let (inside, mut outside) = match Transport::pair() {
        Ok(pair) => pair,
        Err(error) => {
            return tracing::error!(%error, "no sockets for an RTMPS connection; raise the limit of open files");
        }
    };
    let session = Connection::new(app, inside, peer, id).run(stop);
    // Which side ends first is the connection's business; both ends then close.
    let pump = tokio::io::copy_bidirectional(&mut secured, &mut outside);
    let (pumped, ()) = tokio::join!(pump, session);
    if let Err(error) = pumped {
        tracing::debug!(%peer, %error, "rtmps connection failed");
    }
}

/// Randomness for one handshake.
pub(crate) fn seed() -> Seed {
    let mut seed = [0; 32];
    seed[..16].copy_from_slice(uuid::Uuid::new_v4().as_bytes());
    seed[16..].copy_from_slice(uuid::Uuid::new_v4().as_bytes());
    Seed(seed)
}
