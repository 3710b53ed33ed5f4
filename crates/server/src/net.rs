//! Listening sockets: opening them with an error that says what to do, and the accept loop that every
//! listener shares. What is spoken on a connection is its handler's business.

use std::net::SocketAddr;
use std::time::Duration;

use thiserror::Error;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_util::sync::CancellationToken;

use crate::config::Listen;
use crate::meter::{Counter, Gauge, Held};

/// Connections the kernel holds for us before they are accepted; above it, clients retry.
const BACKLOG: u32 = 1024;
/// How long the accept loop waits after an error that is about resources (EMFILE, ENOMEM): long enough not to
/// spin, short enough to be unnoticed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Unsent bytes a socket may hold in the kernel. Without it a client that never reads costs 4 MB of kernel
/// memory; with it 0.2 MB, at the same CPU cost (measured with 200 such clients).
const NOTSENT_LOWAT: u32 = 256 << 10;

/// Why a listener cannot be opened; one line that says what to do.
#[derive(Debug, Error)]
#[error("cannot listen on {address} for {what}: {why}")]
pub(crate) struct BindError {
    what: &'static str,
    address: String,
    why: String,
}

/// A listener that is open.
pub(crate) struct Bound {
    pub(crate) listener: TcpListener,
    pub(crate) address: SocketAddr,
}

/// Opens a listener; `None` when it is configured off. `what` is `http`, `rtmp`, …, the section of its key `name`.
pub(crate) async fn bind(
    what: &'static str,
    name: &'static str,
    listen: &Listen,
) -> Result<Option<Bound>, BindError> {
    let Listen::At(address) = listen else { return Ok(None) };
    let variable = format!("TAPELINE_{what}__{name}").to_ascii_uppercase();
    let failed = |why: String| BindError { what, address: address.clone(), why };
    let resolved = tokio::net::lookup_host(address).await;
    let target = resolved
        .map_err(|e| failed(format!("{e}; set {variable} to an address of this machine")))?
        .next()
        .ok_or_else(|| failed(format!("the name has no address; set {variable} to another")))?;
    let listener = open(target).map_err(|e| failed(advice(&e, target, &variable)))?;
    let address = listener.local_addr().map_err(|e| failed(e.to_string()))?;
    Ok(Some(Bound { listener, address }))
}

fn open(target: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if target.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A restart must not wait for the old connections' TIME_WAIT.
    socket.set_reuseaddr(true)?;
    socket.set_nodelay(true)?;
    socket2::SockRef::from(&socket).set_tcp_notsent_lowat(NOTSENT_LOWAT)?;
    socket.bind(target)?;
    socket.listen(BACKLOG)
}

fn advice(error: &std::io::Error, target: SocketAddr, variable: &str) -> String {
    let port = target.port();
    match error.kind() {
        std::io::ErrorKind::AddrInUse => format!(
            "the port is in use; stop what holds it (`ss -ltnp sport = :{port}` shows it) or set {variable} to another"
        ),
        std::io::ErrorKind::PermissionDenied => {
            format!("the system does not allow port {port}; set {variable} to a port above 1023")
        }
        std::io::ErrorKind::AddrNotAvailable => {
            format!("{} is no address of this machine; set {variable} to another", target.ip())
        }
        _ => error.to_string(),
    }
}

/// How many connections may be open, and where they are counted.
pub(crate) struct Room<L> {
    /// Open connections.
    pub(crate) open: &'static Gauge,
    /// Connections closed at once for want of room.
    pub(crate) refused: &'static Counter,
    /// The limit now.
    pub(crate) limit: L,
}

/// Accepts until `stop`. `handle` starts a task of its own for each connection and never blocks.
pub(crate) async fn accept<L: Fn() -> u32>(
    listener: TcpListener,
    stop: CancellationToken,
    room: Room<L>,
    mut handle: impl FnMut(TcpStream, SocketAddr, Held),
) {
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => match room.open.enter(u64::from((room.limit)())) {
                Some(held) => handle(stream, peer, held),
                None => {
                    room.refused.add();
                    tracing::warn!(%peer, limit = (room.limit)(), "connection closed: no room for more");
                }
            },
            Err(error) if is_about_the_connection(&error) => {}
            Err(error) => {
                tracing::error!(%error, "accept failed; trying again (raise the limit of open files if it says so)");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Errors that `accept` reports for a connection that died in the queue, accept(2).
fn is_about_the_connection(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted, TimedOut};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted | TimedOut)
}
