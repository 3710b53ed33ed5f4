//! One HTTP connection: hyper with its limits and deadlines, watched for a peer that stands still. What is
//! answered is the router's business.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use crate::access::Rests;
use crate::app::App;
use crate::clock;

/// How long a client may take to send a request's head, and a kept-alive connection may idle.
const HEAD_DEADLINE: Duration = Duration::from_secs(10);
/// Longest head of a request: a URL of 12 kB (the media grammar's longest) and room for headers.
const HEAD_BYTES_MAX: usize = 32 << 10;
/// Most headers of a request; browsers send about 20, chains of proxies add some.
const HEADERS_MAX: usize = 64;
/// How long no byte may move on a connection. A paused player that stops reading comes back with a Range
/// request; one that is gone holds nothing for longer than this.
const STALL_DEADLINE: Duration = Duration::from_secs(300);
/// How often that is looked at, and whether what an answer rests on still stands. Together with the time in which
/// revocations are noticed ([`control::keys::REFRESH_EVERY`]) this keeps the promise of five seconds.
const LOOK: Duration = Duration::from_secs(2);

/// Who is at the other end of a request's connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Remote(pub(crate) SocketAddr);

/// Serves one connection to its end. `stop` lets the request that is being answered finish.
pub(crate) async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    peer: SocketAddr,
    router: Router,
    app: Arc<App>,
    stop: CancellationToken,
) {
    let moved = Arc::new(AtomicU64::new(clock::mono().as_secs()));
    let io = TokioIo::new(Watched { stream, moved: Arc::clone(&moved) });
    let rests = Rests::default();
    let rests_of_request = rests.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        rests_of_request.clear();
        request.extensions_mut().insert(Remote(peer));
        request.extensions_mut().insert(rests_of_request.clone());
        router.clone().oneshot(request)
    });
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_DEADLINE)
        .max_header_size(HEAD_BYTES_MAX)
        .max_headers(HEADERS_MAX);
    let mut connection = std::pin::pin!(builder.serve_connection(io, service));
    let mut look = tokio::time::interval(LOOK);
    let mut stopping = false;
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%peer, %error, "http connection ended");
                }
                return;
            }
            () = stop.cancelled(), if !stopping => {
                stopping = true;
                connection.as_mut().graceful_shutdown();
            }
            _ = look.tick() => {
                if clock::mono().as_secs().saturating_sub(moved.load(Relaxed)) > STALL_DEADLINE.as_secs() {
                    app.meter.http.connections_stalled.add();
                    tracing::debug!(%peer, "http connection closed: no byte moved");
                    return;
                }
                if !app.gate.rests_safely(&rests) {
                    app.meter.access.cut_off.add();
                    tracing::info!(event = "cut_off", protocol = "http", %peer, "cut off: its token was revoked or has expired");
                    return;
                }
            }
        }
    }
}

/// A stream that notes when bytes last moved.
struct Watched<S> {
    stream: S,
    moved: Arc<AtomicU64>,
}

impl<S> Watched<S> {
    fn note(&self, moved: bool) {
        if moved {
            self.moved.store(clock::mono().as_secs(), Relaxed);
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        self.note(buf.filled().len() > before);
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.note(matches!(polled, Poll::Ready(Ok(_))));
        polled
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.note(matches!(polled, Poll::Ready(Ok(_))));
        polled
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
