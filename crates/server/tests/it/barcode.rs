//! The right picture at the right time: FFmpeg and GStreamer play a stream whose pictures carry their numbers,
//! live, from half a minute back and as a clip, while it is being published.
//!
//! What number an instant has is known without the server's help: picture `n` was sent `n` picture times after
//! the publish began. The players' own clocks become wall time by `EXT-X-PROGRAM-DATE-TIME`.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::clips::epoch_ms;
use crate::ffmpeg;
use crate::frames::{self, PICTURE_MS, Player, RATE, Shown};
use crate::server::{TestServer, eventually};

/// What each player has to show without a hole, in pictures: a minute.
const PLAYED: usize = 60 * RATE as usize;
/// How far back is gone, in milliseconds.
const BACK_MS: i64 = 30_000;
/// The tape that players find when they join live, in milliseconds: three segments, as players want.
const JOINED_MS: i64 = 8_000;
/// The source: half a minute to go back to, a minute that is played half a minute late, and what a loaded machine may
/// be behind.
const SOURCE_S: u32 = 125;
/// Longest wait for a minute of a stream that comes in real time.
const MINUTE_MAX: Duration = Duration::from_secs(100);
/// The first picture of the clip: neither a key frame nor the first of a part.
const CLIP_FIRST: u32 = 86;
/// Pictures in a segment.
const SEGMENT_PICTURES: usize = 2 * RATE as usize;
/// How long ago the tape may end: a part, its sync and a loaded machine, in milliseconds.
const BEHIND_MS_MAX: i64 = 5_000;
/// How far behind a player may join, in milliseconds: three segments and the one that is being received.
const JOIN_MS_MAX: f64 = 9_000.0;
/// Newer FFmpegs send so much at once when they begin, in milliseconds (`-readrate_initial_burst`).
const BURST_MS: i64 = 500;
const STREAM: &str = "live/barcode";

fn now_ms() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// When each number was to be seen.
#[derive(Debug, Clone, Copy)]
struct Law {
    /// Wall time of picture 0.
    zero_ms: f64,
}

impl Law {
    /// From the beginning of the recording, which is that of decoding: pictures are shown a little after it.
    fn of(recording_ms: i64, source: &Path) -> Self {
        let begin = Begin::of(source);
        Self { zero_ms: recording_ms as f64 + begin.shown_ms - begin.decoded_ms }
    }

    fn wall_ms(self, number: u32) -> f64 {
        self.zero_ms + f64::from(number) * PICTURE_MS
    }

    /// The number of the picture that begins nearest to an instant.
    fn number_at(self, wall_ms: f64) -> f64 {
        ((wall_ms - self.zero_ms) / PICTURE_MS).round()
    }

    /// How many picture times a number is from the one that was due.
    fn deviation(self, number: u32, wall_ms: f64) -> f64 {
        (f64::from(number) - self.number_at(wall_ms)).abs()
    }
}

/// Where the video of a file begins, in its own time.
#[derive(Debug)]
struct Begin {
    decoded_ms: f64,
    shown_ms: f64,
}

impl Begin {
    fn of(file: &Path) -> Self {
        let probed = Command::new("ffprobe")
            .args(["-v", "error", "-select_streams", "v:0", "-read_intervals", "%+#10"])
            .args(["-show_entries", "packet=dts_time,pts_time", "-of", "csv=p=0"])
            .arg(file)
            .output()
            .unwrap();
        let text = String::from_utf8(probed.stdout).unwrap();
        let least = |times: &dyn Fn(&str) -> Option<f64>| {
            text.lines().filter_map(times).min_by(f64::total_cmp).expect("there are packets") * 1000.0
        };
        Self {
            shown_ms: least(&|line| line.split(',').next()?.parse().ok()),
            decoded_ms: least(&|line| line.split(',').nth(1)?.parse().ok()),
        }
    }
}

/// A segment as a playlist tells it.
#[derive(Debug)]
struct Segment {
    wall_ms: f64,
    /// Media time of its first picture.
    media_ms: f64,
}

/// From the time that players have of a picture to wall time.
#[derive(Debug)]
struct Playlist(Vec<Segment>);

impl Playlist {
    async fn read(scene: &Scene<'_>) -> Self {
        let fetch = async |name: &str| {
            let answer = scene.server.get(&format!("/{STREAM}/-/{name}")).await;
            assert_eq!(answer.status(), 200, "{name}");
            answer.bytes().await.unwrap()
        };
        let text = String::from_utf8(fetch("media.m3u8").await.to_vec()).unwrap();
        let map = text.split_once("#EXT-X-MAP:URI=\"").unwrap().1.split('"').next().unwrap();
        let segment = text.lines().find(|l| l.ends_with(".m4s")).unwrap();
        let first = scene.dir.join("first.mp4");
        std::fs::write(&first, [fetch(map).await, fetch(segment).await].concat()).unwrap();

        let mut segments = Vec::new();
        let (mut wall_ms, mut media_ms) = (None, Begin::of(&first).shown_ms);
        for line in text.lines() {
            if let Some(time) = line.strip_prefix("#EXT-X-PROGRAM-DATE-TIME:") {
                wall_ms = Some(epoch_ms(time) as f64);
            } else if let Some(seconds) = line.strip_prefix("#EXTINF:") {
                segments.push(Segment { wall_ms: wall_ms.take().expect("each has its time"), media_ms });
                media_ms += seconds.trim_end_matches(',').parse::<f64>().unwrap() * 1000.0;
            }
        }
        Self(segments)
    }

    fn wall_ms(&self, shown: Shown) -> f64 {
        // Half a picture: players round times to their own units.
        let after = self.0.partition_point(|s| s.media_ms <= shown.at_ms + PICTURE_MS / 2.0);
        let segment = &self.0[after.max(1) - 1];
        segment.wall_ms + shown.at_ms - segment.media_ms
    }
}

/// What the players are run beside.
struct Scene<'a> {
    server: &'a TestServer,
    dir: &'a Path,
    law: Law,
}

impl Scene<'_> {
    /// Waits until the tape is so long, and sees that its end is now.
    async fn tape_has(&self, ms: i64) {
        let path = format!("/api/v1/streams/{STREAM}/timeline");
        let end = eventually(&format!("{ms} ms are on tape"), MINUTE_MAX, async || {
            let told = self.server.json(&path).await;
            let at = |name: &str| told[name].as_str().map(epoch_ms);
            let (start, end) = (at("start")?, at("end")?);
            (end - start >= ms).then_some(end)
        })
        .await;
        let behind = now_ms() - end;
        assert!((0..=BEHIND_MS_MAX).contains(&behind), "the tape ends {behind} ms ago");
    }

    /// Runs a player for so many pictures; tells how far behind it shows them once it has caught up.
    async fn play(&self, name: &str, mut player: Player, pictures: usize) -> Vec<Shown> {
        let (mut least, mut most, mut first) = (f64::MAX, f64::MIN, None);
        let shown = player
            .has_shown(pictures, MINUTE_MAX, |newest| {
                let first = *first.get_or_insert(newest.number);
                if newest.number as usize > first as usize + PLAYED / 2 {
                    let behind = now_ms() as f64 - self.law.wall_ms(newest.number);
                    (least, most) = (least.min(behind), most.max(behind));
                }
            })
            .await;
        println!("{name}: its newest picture was {least:.0} to {most:.0} ms old when it came");
        shown
    }
}

/// Every number comes, once and in order, and when it is due.
fn judge(name: &str, shown: &[Shown], law: Law, playlist: &Playlist) {
    let holes: Vec<_> =
        shown.windows(2).map(|w| (w[0].number, w[1].number)).filter(|(a, b)| *b != a + 1).collect();
    let deviation = shown
        .iter()
        .map(|&s| law.deviation(s.number, playlist.wall_ms(s)))
        .max_by(f64::total_cmp)
        .expect("something is shown");
    println!(
        "{name}: {} pictures, {} to {}, {} holes, {deviation} from what was due at most",
        shown.len(),
        shown[0].number,
        shown[shown.len() - 1].number,
        holes.len()
    );
    assert!(holes.is_empty(), "{name}: {holes:?}");
    assert!(shown.len() >= PLAYED, "{name}: {} pictures", shown.len());
    assert!(deviation <= 1.0, "{name}: {deviation} pictures from what was due");
}

/// Joins live: what each player showed, and when they joined.
async fn live(scene: &Scene<'_>) -> (i64, [Vec<Shown>; 2]) {
    scene.tape_has(JOINED_MS).await;
    let joined_ms = now_ms();
    let url = scene.server.url(&format!("/{STREAM}.m3u8"));
    let ffmpeg = Player::ffmpeg(scene.dir, "live", &url, &[]);
    let gstreamer = Player::gstreamer(scene.dir, "live", &url, "hlsdemux ! qtdemux");
    let (one, other) = tokio::join!(
        scene.play("ffmpeg, live", ffmpeg, PLAYED),
        scene.play("GStreamer, live", gstreamer, PLAYED)
    );
    (joined_ms, [one, other])
}

/// Where the server sends a player that asks to go back, and the instant that stands there.
async fn sent_back(scene: &Scene<'_>, query: &str) -> (String, i64) {
    let answer = scene.server.get(&format!("/{STREAM}.m3u8?{query}")).await;
    assert_eq!(answer.status(), 307);
    let to = answer.headers()["location"].to_str().unwrap();
    let (_, query) = to.split_once('?').unwrap();
    let start = query.split('&').find_map(|p| p.strip_prefix("start=")).unwrap();
    let asked_ms = epoch_ms(start);
    let off = now_ms() - BACK_MS - asked_ms;
    assert!((0..=BEHIND_MS_MAX).contains(&off), "{to} is {off} ms further back than was asked");
    (scene.server.url(&format!("/{STREAM}.m3u8?{query}")), asked_ms)
}

/// Goes back: the instant that was asked for, and what the player showed. FFmpeg goes there and on to live; without
/// its option it joins any list that grows at its end, whatever EXT-X-START says. GStreamer, which has none such,
/// stays as far behind.
async fn back(scene: &Scene<'_>) -> [(i64, Vec<Shown>); 2] {
    scene.tape_has(BACK_MS + 4_000).await;
    let (on, asked_ms) = sent_back(scene, &format!("start=-{}s", BACK_MS / 1000)).await;
    let ffmpeg = Player::ffmpeg(scene.dir, "back", &on, &["-prefer_x_start", "1"]);
    let (late, asked_late_ms) = sent_back(scene, &format!("delay={}s", BACK_MS / 1000)).await;
    let gstreamer = Player::gstreamer(scene.dir, "back", &late, "hlsdemux ! qtdemux");
    let (one, other) = tokio::join!(
        scene.play("ffmpeg, back", ffmpeg, PLAYED + SEGMENT_PICTURES),
        scene.play("GStreamer, back", gstreamer, PLAYED)
    );
    [(asked_ms, one), (asked_late_ms, other)]
}

/// The clip by wall clock: what each player showed of it.
async fn clip(scene: &Scene<'_>) -> [Vec<Shown>; 2] {
    // Half a picture before the first, so that no rounding decides.
    let start_ms = (scene.law.wall_ms(CLIP_FIRST) - PICTURE_MS / 2.0) as i64;
    let end_ms = start_ms + 60_000;
    scene.tape_has(end_ms - scene.law.zero_ms as i64).await;
    let url = scene.server.url(&format!("/{STREAM}.mp4?start={start_ms}&end={end_ms}&wait=10"));
    let mut ffmpeg = Player::ffmpeg(scene.dir, "clip", &url, &[]);
    let mut gstreamer = Player::gstreamer(scene.dir, "clip", &url, "qtdemux");
    let (one, other) = tokio::join!(ffmpeg.ended(MINUTE_MAX), gstreamer.ended(MINUTE_MAX));
    [one, other]
}

#[tokio::test]
async fn a_minute_live_from_half_a_minute_back_and_as_a_clip_shows_every_number_when_it_is_due() {
    let source = frames::source(SOURCE_S);
    let server = TestServer::start().await;
    let dir = tempfile::tempdir().unwrap();
    let began_ms = now_ms();
    let mut publisher = ffmpeg::publish_file(&source, &[], &server.rtmp_url(STREAM));
    server.live(STREAM).await;
    let timeline = server.json(&format!("/api/v1/streams/{STREAM}/timeline")).await;
    let recording_ms = epoch_ms(timeline["start"].as_str().unwrap());
    assert!((began_ms - BURST_MS..now_ms()).contains(&recording_ms), "{recording_ms} from {began_ms} on");

    let law = Law::of(recording_ms, &source);
    let scene = Scene { server: &server, dir: dir.path(), law };
    let ((joined_ms, live), back, clips) = tokio::join!(live(&scene), back(&scene), clip(&scene));
    assert!(publisher.runs(), "all of it happened while it was recorded");
    let playlist = Playlist::read(&scene).await;

    for (name, shown) in ["ffmpeg, live", "GStreamer, live"].into_iter().zip(live) {
        judge(name, &shown, law, &playlist);
        let joined_at = joined_ms as f64 - playlist.wall_ms(shown[0]);
        assert!(joined_at <= JOIN_MS_MAX, "{name} began {joined_at} ms behind");
    }
    let [(asked_ms, ffmpeg), (asked_late_ms, gstreamer)] = back;
    // FFmpeg begins with the segment that holds the instant; at the instant its picture is on screen.
    let early = ffmpeg.iter().take_while(|s| playlist.wall_ms(**s) <= asked_ms as f64 - PICTURE_MS).count();
    assert!(early < SEGMENT_PICTURES, "ffmpeg began {early} pictures early");
    let off = law.deviation(ffmpeg[early].number, asked_ms as f64);
    assert!(off <= 1.0, "{} at the instant that was asked for, {off} off", ffmpeg[early].number);
    judge("ffmpeg, back", &ffmpeg[early..], law, &playlist);
    // GStreamer begins three segments before the end of the list: within one of the instant.
    let off = (playlist.wall_ms(gstreamer[0]) - asked_late_ms as f64).abs();
    assert!(off <= SEGMENT_PICTURES as f64 * PICTURE_MS, "GStreamer began {off} ms from what was asked for");
    judge("GStreamer, back", &gstreamer, law, &playlist);
    for (name, shown) in ["ffmpeg, clip", "GStreamer, clip"].into_iter().zip(clips) {
        let numbers: Vec<u32> = shown.iter().map(|s| s.number).collect();
        let want: Vec<u32> = (CLIP_FIRST..).take(PLAYED).collect();
        println!("{name}: {} pictures, {:?} to {:?}", numbers.len(), numbers.first(), numbers.last());
        assert!(numbers == want, "{name}: {numbers:?}");
        let uneven = shown.windows(2).find(|w| (w[1].at_ms - w[0].at_ms - PICTURE_MS).abs() > 1.0);
        assert!(uneven.is_none(), "{name}: {uneven:?}");
    }
}
