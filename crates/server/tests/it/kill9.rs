//! kill -9 in the middle of publishing, again and again on the same data directory. What the server had called
//! durable decodes, whole and in order; at most the open part is lost; runs, gaps and sequence numbers go on.

use serde_json::Value;

use crate::crash::{EXTENT_S, Lineage, at_once, durable_until, extents, long, ms, seeded, set_aside};
use crate::server::TestServer;

/// `[tape] part_ms` of these tests: the default, what a crash may cost.
const PART_MS: i64 = 500;
/// One frame at 25 fps.
const FRAME_MS: i64 = 40;
/// Beyond part and frame: what a packet takes from FFmpeg's log of sent packets through its interleaving, loopback,
/// the server and the disk when other tests hold both cores. On a quiet machine it is a few milliseconds.
const DELAY_MS: i64 = 1500;
/// Three tests of this many rounds each.
const ROUNDS: usize = 4;

/// When the server is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    /// Right after the file of a new extent appears.
    NewExtent,
    /// From shortly before one of the key frames that may begin an extent to shortly after its first part.
    AroundExtent,
    /// Within the first 200 ms of a publish.
    Early,
    /// Any time.
    Random,
}

/// The stream that every round but some early ones publishes.
const STREAM: &str = "live/cam1";

#[tokio::test]
async fn kill9_at_extent_rotation() {
    use Moment::{AroundExtent, NewExtent};
    kill_rounds(40, &[NewExtent, AroundExtent, NewExtent, AroundExtent, AroundExtent]).await;
}

#[tokio::test]
async fn kill9_in_the_first_200_ms_of_a_publish() {
    use Moment::{Early, Random};
    kill_rounds(94, &[Early, Early, Random, Early, Early]).await;
}

#[tokio::test]
async fn kill9_at_random() {
    use Moment::{Early, NewExtent, Random};
    kill_rounds(66, &[Random, Random, Random, Random, Early, NewExtent]).await;
}

/// Rounds with these moments in turn on one data directory; `rounds` of them in the long form, which are 200 in all.
async fn kill_rounds(rounds: usize, moments: &[Moment]) {
    let data = tempfile::Builder::new().prefix("tapeline-kill9-").tempdir().unwrap();
    let mut rng = seeded(&format!("kill -9 {:?}", moments[0]));
    let mut lineage = Lineage::new(data.path());
    let mut listed = Vec::new();
    for round in 0..if long() { rounds } else { ROUNDS } {
        let moment = moments[round % moments.len()];
        // A stream that never was has its folder and journal made in these instants.
        let fresh = moment == Moment::Early && rng.bool();
        let stream = if fresh { format!("live/new{round}") } else { STREAM.to_owned() };
        let server = lineage.start().await;
        let publisher = lineage.publish(&server, &stream).await;
        if moment == Moment::Early {
            publisher.reaches(&lineage.source, rng.i64(0..200)).await;
        } else {
            lineage.recorded(&server, &stream).await;
            listed = goes_on(&server, &listed).await;
            match moment {
                Moment::AroundExtent => {
                    publisher
                        .reaches(&lineage.source, rng.i64(EXTENT_S..EXTENT_S + 2) * 1000 + rng.i64(-120..620))
                        .await
                }
                Moment::NewExtent => new_extent(&lineage).await,
                Moment::Random | Moment::Early => {
                    publisher.reaches(&lineage.source, rng.i64(700..5000)).await
                }
            }
        }
        lineage.crash(&format!("{moment:?}"), &stream, (server, publisher), async |s| s.kill9()).await;
    }
    let server = lineage.start().await;
    let _publisher = lineage.publish(&server, STREAM).await;
    lineage.recorded(&server, STREAM).await;
    goes_on(&server, &listed).await;
    assert_eq!(
        set_aside(&lineage.data),
        Vec::<std::path::PathBuf>::new(),
        "the process dies, the page cache does not"
    );
    gaps_are_crashes(&server).await;
    costs_the_open_part(&lineage.judge(&server).await);
}

/// What was written outlives the process, synced or not: only the part that had not closed is gone.
fn costs_the_open_part(losses: &[i64]) {
    let (median, worst) = (losses[(losses.len() - 1) / 2], losses[losses.len() - 1]);
    assert!(median <= PART_MS + FRAME_MS, "{losses:?} ms were lost");
    assert!(worst <= PART_MS + FRAME_MS + DELAY_MS, "{losses:?} ms were lost");
}

/// Waits for one more extent than there are.
async fn new_extent(lineage: &Lineage) {
    let before = extents(&lineage.data).len();
    at_once("a new extent", async || (extents(&lineage.data).len() > before).then_some(())).await;
}

/// Between two runs lies a gap with the reason `crash`, and the run before it ends where it begins.
async fn gaps_are_crashes(server: &TestServer) {
    let timeline = server.json(&format!("/api/v1/streams/{STREAM}/timeline")).await;
    let (runs, gaps) = (timeline["runs"].as_array().unwrap(), timeline["gaps"].as_array().unwrap());
    assert_eq!(gaps.len() + 1, runs.len(), "{timeline}");
    for (pair, gap) in runs.windows(2).zip(gaps) {
        assert_eq!(gap["reason"], "crash", "{timeline}");
        assert_eq!((&gap["start"], &gap["end"]), (&pair[0]["end"], &pair[1]["start"]), "{timeline}");
    }
    let begun = ms(&runs.last().unwrap()["start"]);
    at_once("durable_until goes on with the new run", async || {
        durable_until(server, STREAM).await.filter(|d| *d > begun)
    })
    .await;
}

/// Segments of the live playlist by media sequence number. What an earlier server listed as whole is still there
/// under the same number, and every run but the first begins with a discontinuity.
async fn goes_on(server: &TestServer, earlier: &[String]) -> Vec<String> {
    let answer = server.get(&format!("/{STREAM}/-/media.m3u8")).await;
    assert_eq!(answer.status(), 200);
    let text = answer.text().await.unwrap();
    assert!(text.contains("#EXT-X-MEDIA-SEQUENCE:0\n"), "the window is longer than the test: {text}");
    let timeline: Value = server.json(&format!("/api/v1/streams/{STREAM}/timeline")).await;
    let breaks = text.lines().filter(|l| *l == "#EXT-X-DISCONTINUITY").count();
    let listed: Vec<String> =
        text.lines().filter(|l| !l.starts_with('#') && !l.is_empty()).map(str::to_owned).collect();
    assert!(listed.starts_with(earlier), "{earlier:#?} and then {text}");
    assert!(breaks <= timeline["runs"].as_array().unwrap().len(), "{text}");
    listed
}
