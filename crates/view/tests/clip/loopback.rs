//! A small HTTP server on the loopback device: one page, files by number with ranges, and what is posted back.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

/// What there is to fetch.
struct Shelf {
    page: &'static str,
    files: Vec<PathBuf>,
    told: Sender<(String, String)>,
}

/// The server. Its threads end with the process.
pub(crate) struct Loopback {
    address: SocketAddr,
    told: Receiver<(String, String)>,
}

impl Loopback {
    /// Serves a page at `/` and files as `/0.mp4`, `/1.mp4`, ….
    pub(crate) fn serve(page: &'static str, files: &[&Path]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, told) = channel();
        let files = files.iter().map(|file| file.to_path_buf()).collect();
        let shelf = Arc::new(Shelf { page, files, told: sender });
        thread::spawn(move || {
            for connection in listener.incoming().map_while(Result::ok) {
                let shelf = shelf.clone();
                // A browser leaves a connection when it has what it wants.
                thread::spawn(move || shelf.answer(&connection).ok());
            }
        });
        Self { address, told }
    }

    /// The address of a path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The next thing that is posted: path and body.
    pub(crate) fn told(&self, patience: Duration) -> (String, String) {
        self.told.recv_timeout(patience).unwrap_or_else(|e| panic!("nothing within {patience:?}: {e}"))
    }
}

impl Shelf {
    fn answer(&self, connection: &TcpStream) -> std::io::Result<()> {
        let mut reader = BufReader::new(connection);
        let mut head = Vec::new();
        for line in reader.by_ref().lines() {
            match line? {
                line if line.is_empty() => break,
                line => head.push(line),
            }
        }
        let field =
            |name: &str| head.iter().find_map(|l| l.to_lowercase().strip_prefix(name).map(str::to_owned));
        let asked = head.first().map_or("", String::as_str);
        let path = asked.split(' ').nth(1).unwrap_or_default();
        if asked.starts_with("POST") {
            let length = field("content-length: ").map_or(0, |length| length.parse().unwrap());
            let mut body = vec![0; length];
            reader.read_exact(&mut body)?;
            // The test may have failed and be gone.
            let _ = self.told.send((path.to_owned(), String::from_utf8_lossy(&body).into_owned()));
            return send(connection, "200 OK", "content-type: text/plain\r\n", b"");
        }
        let number = path.strip_prefix('/').and_then(|rest| rest.strip_suffix(".mp4")?.parse::<usize>().ok());
        match number.and_then(|number| self.files.get(number)) {
            Some(file) => send_range(connection, &std::fs::read(file)?, field("range: bytes=").as_deref()),
            None if path.starts_with("/?") => {
                send(connection, "200 OK", "content-type: text/html\r\n", self.page.as_bytes())
            }
            None => send(connection, "404 Not Found", "", b""),
        }
    }
}

/// Sends what `from-` or `from-to` asks for.
fn send_range(connection: &TcpStream, file: &[u8], range: Option<&str>) -> std::io::Result<()> {
    let (from, to) = range.and_then(|range| range.split_once('-')).unwrap_or(("0", ""));
    let from = from.parse().unwrap_or(0).min(file.len());
    let end = to.parse().map_or(file.len(), |last: usize| (last + 1).min(file.len()));
    let length = file.len();
    let fields = format!(
        "content-type: video/mp4\r\naccept-ranges: bytes\r\ncontent-range: bytes {from}-{}/{length}\r\n",
        end.saturating_sub(1)
    );
    send(connection, "206 Partial Content", &fields, &file[from..end])
}

fn send(mut connection: &TcpStream, status: &str, fields: &str, body: &[u8]) -> std::io::Result<()> {
    let head =
        format!("HTTP/1.1 {status}\r\n{fields}content-length: {}\r\nconnection: close\r\n\r\n", body.len());
    connection.write_all(head.as_bytes())?;
    connection.write_all(body)
}
