//! Live HLS over a window of two hours: the playlist, and everything up to the first picture.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::figures::{Samples, Table};
use crate::http::{Answer, Connection};
use crate::limits;
use crate::server::Server;
use crate::tape_of::{Made, NAME};

/// Requests of each kind; at this pace they see some ten new segments.
const ROUNDS: usize = 400;
/// The pause between two.
const PAUSE: Duration = Duration::from_millis(50);
/// Viewers that begin.
const VIEWERS: usize = 100;
/// A player begins so many segments before the end: HOLD-BACK is three target durations.
const BEHIND: usize = 3;
const GZIP: &str = "Accept-Encoding: gzip\r\n";

/// Measures all of it.
pub(crate) fn run(tape: &Made, table: &mut Table) -> Result<()> {
    let plain = limits::plain(&tape.files("mp4")?[0], Vec::new())?;
    let server = Server::start(&tape.data)?;
    let media = format!("/{NAME}/-/media.m3u8");
    let first = get(&mut Connection::open(server.http)?, &media, "")?;
    table.number(
        "first playlist of 2 h after a start",
        &format!("{:.1} ms", first.took.as_secs_f64() * 1e3),
        None,
    );
    let publisher = server.publish(NAME)?;
    server.wait(&media, |text| text.contains("#EXT-X-DISCONTINUITY\n"))?;
    for (figure, headers) in [("playlist of 2 h", ""), ("playlist of 2 h, gzip", GZIP)] {
        playlists(&server, plain, (figure, &media, headers), table)?;
    }
    let (mut took, mut limit) = (Samples::default(), Samples::default());
    for _ in 0..VIEWERS {
        let (all, sizes) = first_picture(&server)?;
        took.push(all);
        let begun = Instant::now();
        let mut connection = Connection::open(plain)?;
        for size in sizes {
            get(&mut connection, &format!("/{size}"), "")?;
        }
        limit.push(begun.elapsed());
    }
    table.times(
        "to the first picture of live HLS: connect, master, playlist, init, segment",
        &took,
        Some(&limit),
    );
    drop(publisher);
    Ok(())
}

/// Reloads of one playlist, those apart that came first after it had changed.
fn playlists(
    server: &Server,
    plain: std::net::SocketAddr,
    (figure, path, headers): (&str, &str, &str),
    table: &mut Table,
) -> Result<()> {
    let (mut new, mut same, mut limit) = (Samples::default(), Samples::default(), Samples::default());
    let mut connection = Connection::open(server.http)?;
    let mut known = Vec::new();
    for _ in 0..ROUNDS {
        let answer = get(&mut connection, path, headers)?;
        match known == answer.body {
            true => same.push(answer.took),
            false => new.push(answer.took),
        }
        known = answer.body;
        limit.push(get(&mut Connection::open(plain)?, &format!("/{}", known.len()), "")?.took);
        std::thread::sleep(PAUSE);
    }
    table.times(format!("{figure}, {} bytes, as before", known.len()), &same, Some(&limit));
    table.times(format!("{figure}, {} bytes, just changed", known.len()), &new, Some(&limit));
    Ok(())
}

fn get(connection: &mut Connection, path: &str, headers: &str) -> Result<Answer> {
    let answer = connection.get(path, headers)?;
    ensure!(answer.status == 200, "{path}: {}", answer.status);
    Ok(answer)
}

/// What a player does until it can show something, and the bytes of each answer.
fn first_picture(server: &Server) -> Result<(Duration, Vec<usize>)> {
    let mut last = Vec::new();
    let begun = Instant::now();
    let mut connection = Connection::open(server.http)?;
    let master = get(&mut connection, &format!("/{NAME}.m3u8"), "")?;
    last.push(master.body.len());
    let media = master.text()?.lines().find(|line| !line.starts_with('#')).context("an empty master")?;
    let media = format!("/live/{media}");
    let list = get(&mut connection, &media, "")?;
    last.push(list.body.len());
    let text = list.text()?;
    let folder = &media[..=media.rfind('/').context("a path")?];
    let map = text.lines().rev().find_map(|line| line.strip_prefix("#EXT-X-MAP:URI=\"")).context("no map")?;
    let map = map.split('"').next().context("no name")?;
    let segment =
        text.lines().rev().filter(|line| line.ends_with(".m4s")).nth(BEHIND - 1).context("no segment")?;
    for name in [map, segment] {
        last.push(get(&mut connection, &format!("{folder}{name}"), "")?.body.len());
    }
    Ok((begun.elapsed(), last))
}
