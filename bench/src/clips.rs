//! Clips: the first byte of media of an hour, and clips and splits by REST.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;

use crate::figures::{Samples, Table};
use crate::http::{Begun, Connection};
use crate::limits::{self, Disk};
use crate::server::Server;
use crate::tape_of::{Made, NAME};

/// An hour.
const HOUR_MS: i64 = 3_600_000;
/// Rounds of everything that a running server answers in milliseconds.
const ROUNDS: usize = 300;
/// Rounds that start a server anew.
const COLD_ROUNDS: usize = 25;
/// Bytes of a part of the film.
const PART: usize = 160 << 10;
/// A little more than a picture lasts: each split finds a new one.
const PICTURE: Duration = Duration::from_millis(45);

/// Measures all of it.
pub(crate) fn run(tape: &Made, table: &mut Table) -> Result<()> {
    let mut random = fastrand::Rng::with_seed(1);
    let index = tape.files("idx")?;
    let media = tape.files("mp4")?;
    // An hour and one extent before it are read.
    let of_an_hour = index.iter().take(61).cloned().collect();
    let plain = limits::plain(&media[0], of_an_hour)?;

    let (mut warm, mut limit) = (Samples::default(), Samples::default());
    let server = Server::start(&tape.data)?;
    let whole = format!("/{NAME}.mp4?start={}&end={}", tape.start.ms(), tape.end.ms() - 1000);
    Connection::open(server.http)?.first_media_byte(&whole)?;
    for _ in 0..ROUNDS {
        let begun = first_byte(&server, tape, &mut random)?;
        warm.push(begun.took);
        limit.push(Connection::open(plain)?.get(&format!("/{}", begun.before + 1), "")?.took);
    }
    table.times("first media byte of 1 h", &warm, Some(&limit));

    let (mut cold, mut limit) = (Samples::default(), Samples::default());
    drop(server);
    let all: Vec<_> = index.iter().chain(&media).cloned().collect();
    for _ in 0..COLD_ROUNDS {
        let server = Server::start(&tape.data)?;
        limits::forget(&all)?;
        let begun = first_byte(&server, tape, &mut random)?;
        cold.push(begun.took);
        drop(server);
        limits::forget(&all)?;
        limit.push(Connection::open(plain)?.get(&format!("/{}/more", begun.before + 1), "")?.took);
    }
    table.times("first media byte of 1 h, cold index and page cache", &cold, Some(&limit));

    let server = Server::start(&tape.data)?;
    let range = |random: &mut fastrand::Rng, ms: i64| {
        let start = random.i64(tape.start.ms()..tape.end.ms() - ms - 1000);
        (json!(start), json!(start + ms))
    };
    for (figure, length) in
        [("clip of 10 s to 90 s by REST", 10_000..90_000), ("clip of 1 h by REST", HOUR_MS..HOUR_MS + 1)]
    {
        let mut took = Samples::default();
        let mut disk = Disk::overwritten(&tape.data, ROUNDS)?;
        let mut connection = Connection::open(server.http)?;
        for _ in 0..ROUNDS {
            let ms = random.i64(length.clone());
            let (start, end) = range(&mut random, ms);
            took.push(clip(&mut connection, NAME, &start, &end)?);
            disk.write()?;
        }
        table.times(figure, &took, Some(&disk.samples));
    }
    let _publisher = server.publish("live/split")?;
    let (took, limit) = splits(&server, "live/split", ROUNDS, &tape.data)?;
    table.times("split by REST", &took, Some(&limit));
    Ok(())
}

fn first_byte(server: &Server, tape: &Made, random: &mut fastrand::Rng) -> Result<Begun> {
    // A range of its own each time: no plan of an earlier one is used again.
    let start = random.i64(tape.start.ms()..tape.end.ms() - HOUR_MS - 1000);
    let path = format!("/{NAME}.mp4?start={start}&end={}", start + HOUR_MS);
    Connection::open(server.http)?.first_media_byte(&path)
}

/// One clip by REST.
pub(crate) fn clip(
    connection: &mut Connection,
    name: &str,
    start: &serde_json::Value,
    end: &serde_json::Value,
) -> Result<Duration> {
    let path = format!("/api/v1/streams/{name}/clips");
    let answer = connection.post(&path, &json!({"start": start, "end": end}))?;
    ensure!(answer.status == 201, "{path}: {} {}", answer.status, answer.text()?);
    Ok(answer.took)
}

/// Splits of a live stream, each at a picture of its own, and beside them what a part costs the disk: the cut
/// waits for what its stream is writing.
pub(crate) fn splits(server: &Server, name: &str, times: usize, dir: &Path) -> Result<(Samples, Samples)> {
    let path = format!("/api/v1/streams/{name}/split");
    let mut connection = Connection::open(server.http)?;
    let mut disk = Disk::appended(dir, PART)?;
    let mut took = Samples::default();
    let mut made = 0;
    while made < times {
        std::thread::sleep(PICTURE);
        let answer = connection.post(&path, &json!({}))?;
        match answer.status {
            201 => made += 1,
            // The publisher sends in bursts: there was no new picture.
            409 => continue,
            other => anyhow::bail!("{path}: {other} {}", answer.text()?),
        }
        took.push(answer.took);
        disk.write()?;
    }
    Ok((took, disk.samples))
}

/// The folder that a bench of its own data gets, empty.
pub(crate) fn fresh(dir: &Path, name: &str) -> Result<std::path::PathBuf> {
    let path = dir.join(name);
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
    Ok(path)
}
