//! Twenty publishers: processor time for each hour of a stream, and REST beside them.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::json;

use crate::SINK;
use crate::clips::{clip, fresh, splits};
use crate::figures::{Samples, Table};
use crate::http::Connection;
use crate::limits::Disk;
use crate::server::{Ended, FILM, Server, cpu_seconds};

/// Publishers.
const PUBLISHERS: usize = 20;
/// How long processor time is counted; in ticks of 10 ms that is a few hundred.
const COUNTED: Duration = Duration::from_secs(40);
/// Rounds of REST.
const ROUNDS: usize = 300;
/// Length of the film.
const FILM_S: f64 = 24.0;
/// How often the sink is sent something: once a picture.
const PICTURE: Duration = Duration::from_millis(40);

/// Measures all of it.
pub(crate) fn run(dir: &Path, table: &mut Table) -> Result<()> {
    let data = fresh(dir, "publishers")?;
    let server = Server::start(&data)?;
    let names: Vec<String> = (0..PUBLISHERS).map(|n| format!("live/cam{n}")).collect();
    let publishers: Vec<Ended> = names.iter().map(|name| server.publish(name)).collect::<Result<_>>()?;
    let hours = COUNTED.as_secs_f64() * PUBLISHERS as f64 / 3600.0;
    let before = server.cpu_seconds()?;
    std::thread::sleep(COUNTED);
    let ours = (server.cpu_seconds()? - before) / hours;

    let mut disk = Disk::overwritten(&data, ROUNDS)?;
    let mut took = Samples::default();
    let mut connection = Connection::open(server.http)?;
    for round in 0..ROUNDS {
        took.push(clip(&mut connection, &names[round % PUBLISHERS], &json!("-30s"), &json!("-5s"))?);
        disk.write()?;
    }
    table.times("clip of 25 s by REST beside 20 publishers", &took, Some(&disk.samples));
    let (took, limit) = splits(&server, &names[0], ROUNDS, &data)?;
    table.times("split by REST beside 20 publishers", &took, Some(&limit));
    drop(publishers);
    drop(server);

    let floor = plain(&data)? / hours;
    table.number(
        "processor seconds for an hour of a stream",
        &format!("{ours:.1} s"),
        Some((format!("{floor:.1} s"), ours / floor)),
    );
    std::fs::remove_dir_all(&data)?;
    Ok(())
}

/// Processor seconds of a plain sink that is sent as many bytes as the publishers send, in as many pieces.
fn plain(data: &Path) -> Result<f64> {
    let film = std::fs::metadata(FILM)?.len() as f64;
    let piece = vec![7; (film / FILM_S * PICTURE.as_secs_f64()) as usize];
    let dir = fresh(data, "sink")?;
    let mut sink = Ended(
        Command::new(std::env::current_exe()?)
            .arg(SINK)
            .arg(&dir)
            .arg(PUBLISHERS.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("the sink does not start")?,
    );
    let mut port = String::new();
    BufReader::new(sink.0.stdout.take().context("its output is a pipe")?).read_line(&mut port)?;
    let port: u16 = port.trim().parse()?;
    let mut peers =
        (0..PUBLISHERS).map(|_| TcpStream::connect(("127.0.0.1", port))).collect::<Result<Vec<_>, _>>()?;
    let (begun, before) = (Instant::now(), cpu_seconds(sink.0.id())?);
    let mut next = begun;
    while begun.elapsed() < COUNTED {
        for peer in &mut peers {
            peer.write_all(&piece)?;
        }
        next += PICTURE;
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    Ok(cpu_seconds(sink.0.id())? - before)
}
