//! What a connection's bytes come and go through: its socket, or for RTMPS one end of a pair of sockets whose other end
//! is pumped through TLS. Both tell when they are ready and take several slices at once.

use std::io::{self, IoSlice};

use tokio::net::{TcpStream, UnixStream};

/// See the module.
pub(super) enum Transport {
    Tcp(TcpStream),
    Inside(UnixStream),
}

impl Transport {
    /// The socket itself.
    pub(super) fn tcp(stream: TcpStream) -> Self {
        Self::prepare(&stream);
        Self::Tcp(stream)
    }

    /// A pair: what the connection has, and what is to be pumped.
    pub(super) fn pair() -> io::Result<(Self, UnixStream)> {
        let (inside, outside) = UnixStream::pair()?;
        Ok((Self::Inside(inside), outside))
    }

    /// A publisher's audio and a player's first packet are small and must not wait for more; a peer whose machine has
    /// gone must be noticed.
    pub(super) fn prepare(stream: &TcpStream) {
        let _ = stream.set_nodelay(true);
        let _ = socket2::SockRef::from(stream).set_keepalive(true);
    }

    pub(super) async fn readable(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.readable().await,
            Self::Inside(stream) => stream.readable().await,
        }
    }

    pub(super) async fn writable(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.writable().await,
            Self::Inside(stream) => stream.writable().await,
        }
    }

    pub(super) fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_read(buffer),
            Self::Inside(stream) => stream.try_read(buffer),
        }
    }

    pub(super) fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_write_vectored(slices),
            Self::Inside(stream) => stream.try_write_vectored(slices),
        }
    }
}
