//! The system clock is set while a stream records: by an hour and by a second, forth and back, with a real library that
//! fakes it under the real server.

use std::path::Path;
use std::time::Duration;

use crate::clips::epoch_ms;
use crate::ffmpeg;
use crate::server::{Setup, TestServer, eventually};

/// What sets the clock of one process; Debian's package `faketime`.
const LIBRARY: &str = "faketime/libfaketimeMT.so.1";
/// Two seconds of media and the part that tells of them, five times, on a busy machine.
const DEADLINE: Duration = Duration::from_secs(30);

fn library() -> String {
    let folders = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu"];
    let found = folders.iter().map(|f| format!("{f}/{LIBRARY}")).find(|path| Path::new(path).is_file());
    found.expect("libfaketime is installed: scripts/setup test")
}

/// The stretches of the one run, as milliseconds of wall time.
async fn stretches(server: &TestServer) -> Vec<(i64, i64)> {
    let told = server.json("/api/v1/streams/live/cam1/timeline").await;
    let runs = told["runs"].as_array().unwrap();
    assert!(runs.iter().all(|run| run["id"] == runs[0]["id"]), "a step of the clock is no new run: {told}");
    runs.iter()
        .map(|r| (epoch_ms(r["start"].as_str().unwrap()), epoch_ms(r["end"].as_str().unwrap())))
        .collect()
}

#[tokio::test]
async fn each_step_of_the_clock_is_told_where_it_happened_and_costs_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let offset = dir.path().join("offset");
    let set = |seconds: i64| std::fs::write(&offset, format!("{seconds:+}")).unwrap();
    set(0);
    let server = Setup::new()
        .env("LD_PRELOAD", &library())
        .env("FAKETIME_TIMESTAMP_FILE", offset.to_str().unwrap())
        .env("FAKETIME_NO_CACHE", "1")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .env("DONT_FAKE_MONOTONIC", "1")
        .start()
        .await;
    let _publisher = ffmpeg::publish(&server.rtmp_url("live/cam1"));
    server.live("live/cam1").await;
    let offsets = [0, 3600, 0, 1, 0];
    let mut told = Vec::new();
    for (number, seconds) in offsets.into_iter().enumerate() {
        set(seconds);
        told = eventually("two seconds by the clock as it is now", DEADLINE, async || {
            let told = stretches(&server).await;
            let (start, end) = told.get(number)?;
            (end - start >= 2000).then_some(told)
        })
        .await;
    }
    assert_eq!(told.len(), offsets.len(), "{told:?}");
    for (step, pair) in offsets.windows(2).zip(told.windows(2)) {
        let by = pair[1].0 - pair[0].1 - (step[1] - step[0]) * 1000;
        assert!(by.abs() <= 50, "a step of {} s is told {by} ms off: {told:?}", step[1] - step[0]);
    }
    // The clock was set back by a second in the end: what it showed twice is in a clip twice.
    let (start, end) = (told[4].0 + 100, told[4].0 + 900);
    assert!(told[3].0 <= start && end <= told[3].1, "{told:?}");
    let clip = server.url(&format!("/live/cam1.mp4?start={start}&end={end}"));
    assert_eq!(ffmpeg::decoded_frames(&clip), 40, "{told:?}");
}
