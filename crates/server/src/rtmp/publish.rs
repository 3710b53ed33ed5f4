//! A publisher: its media through the ingest into the hub. What refuses it, ends it, or is only told.

use media::StreamName;
use media::container::flv::{DropReason, FlvError, Ingest, Ingested, TagKind};
use media::proto::rtmp::MediaKind;
use media::proto::rtmp::server::{Publish, code};
use tape::{Arrival, EndReason, GapReason, PublishError, Publisher, PublisherInfo};

use super::ask::{self, Granted, Refused};
use super::connection::Who;
use crate::access::Caller;
use crate::app::App;
use crate::config::Takeover;
use crate::meter::Held;
use control::access::Act;

/// One publication of a connection.
pub(super) struct Publication {
    pub(super) message_stream: u32,
    pub(super) name: StreamName,
    pub(super) caller: Caller,
    publisher: Publisher,
    ingest: Ingest,
    further: Further,
    _counted: Option<Held>,
}

/// Whether the log has been told of a further track that is left out; each of its packets would tell it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Further {
    Untold,
    Told,
}

/// Why a publisher is not let in: the status code and the words it is told.
pub(super) struct NotLetIn {
    pub(super) code: &'static str,
    /// The type of the refusal, where the policy point or the name's grammar refused.
    pub(super) kind: Option<&'static str>,
    pub(super) words: String,
}

/// Why a publication ends from our side.
pub(super) enum Ended {
    /// It was removed: kicked, replaced, shut down.
    Removed(String),
    /// It sent what cannot be carried.
    Unreadable(FlvError),
}

/// Lets a publisher in, or says why not.
pub(super) async fn begin(
    app: &std::sync::Arc<App>,
    who: &Who,
    asked: &Publish,
) -> Result<Publication, NotLetIn> {
    let refused = |refused: Refused| {
        let code = match refused {
            Refused::Bad(_) => code::PUBLISH_BAD_NAME,
            Refused::Denied(..) => code::PUBLISH_DENIED,
        };
        app.meter.rtmp.publishes_refused.add();
        NotLetIn { code, kind: Some(refused.kind()), words: refused.words().to_owned() }
    };
    let Granted { name, caller, .. } =
        ask::granted(app, who.peer.ip(), &asked.target, |_| Act::Publish).map_err(refused)?;
    let info = PublisherInfo {
        protocol: "rtmp",
        remote: who.peer.to_string(),
        key: takeover_key(app, who, &caller),
    };
    let (hub, wanted) = (std::sync::Arc::clone(&app.hub), name.clone());
    // The first publish of a name makes its folder, and a volume may be slow.
    let begun = tokio::task::spawn_blocking(move || {
        let live_before = hub.stream(&wanted).is_some_and(|s| s.stats(hub.now().mono).publisher.is_some());
        (hub.publish(&wanted, info, hub.now()), live_before)
    });
    let (begun, live_before) = begun.await.map_err(|e| not_let_in(format!("the server failed: {e}")))?;
    let publisher = begun.map_err(|error| {
        if matches!(error, PublishError::Busy { .. }) {
            app.meter.rtmp.publishes_busy.add();
        }
        not_let_in(error.to_string())
    })?;
    if live_before {
        app.meter.rtmp.takeovers.add();
    }
    Ok(Publication {
        message_stream: asked.message_stream,
        name,
        caller,
        publisher,
        ingest: Ingest::new(),
        further: Further::Untold,
        _counted: app.meter.rtmp.publishers.enter(u64::MAX),
    })
}

fn not_let_in(words: String) -> NotLetIn {
    NotLetIn { code: code::PUBLISH_BAD_NAME, kind: None, words }
}

/// What a later publisher must show too to take over: the token, or nothing where none was shown. Where
/// take-over is off, something that no other connection has.
fn takeover_key(app: &App, who: &Who, caller: &Caller) -> Option<String> {
    match app.config().rtmp.takeover {
        Takeover::SameKey => caller.grant().map(|grant| grant.holder.to_string()),
        Takeover::Never => Some(format!("connection {}", who.id)),
    }
}

impl Publication {
    /// Takes one message of media.
    pub(super) fn media(
        &mut self,
        app: &App,
        kind: MediaKind,
        timestamp: u32,
        payload: bytes::Bytes,
        now: Arrival,
    ) -> Result<(), Ended> {
        let kind = match kind {
            MediaKind::Audio => TagKind::Audio,
            MediaKind::Video => TagKind::Video,
            MediaKind::Data => TagKind::Script,
        };
        self.ingest.input(kind, timestamp, payload).map_err(Ended::Unreadable)?;
        while let Some(result) = self.ingest.poll() {
            self.take(app, result, now)?;
        }
        Ok(())
    }

    fn take(&mut self, app: &App, result: Ingested, now: Arrival) -> Result<(), Ended> {
        let stream = &self.name;
        match result {
            Ingested::Tracks(tracks) => self.publisher.tracks(tracks, now),
            Ingested::Packet(packet) => {
                app.meter.rtmp.packets.add();
                self.publisher.push(packet, now).map_err(|removed| Ended::Removed(removed.to_string()))?;
            }
            Ingested::Jump { track, step_ms } => {
                tracing::warn!(event = "source_jump", %stream, track = track.0, step_ms, "the source's clock jumped; a new run begins");
                self.publisher.next_run(GapReason::SourceJump, now);
            }
            Ingested::AudioStep { track, samples } => {
                tracing::debug!(%stream, track = track.0, samples, "sound stepped away from its clock");
            }
            Ingested::Dropped { track, reason } => {
                app.meter.rtmp.messages_skipped.add();
                let first = matches!(reason, DropReason::Further(_) | DropReason::FurtherTrack { .. })
                    && std::mem::replace(&mut self.further, Further::Told) == Further::Untold;
                if first {
                    tracing::warn!(%stream, track = track.0, %reason, "a track beside the main one is left out");
                }
                tracing::debug!(%stream, track = track.0, %reason, "a message was not passed on");
            }
        }
        Ok(())
    }

    /// Waits until the hub removes this publisher, and says why.
    pub(super) async fn removed(&self) -> String {
        self.publisher.removed().await
    }

    /// Ends the run.
    pub(super) fn end(self, reason: EndReason) {
        let stream = &self.name;
        let counted = self.ingest.counters();
        tracing::info!(event = "unpublish", %stream, ?reason, packets = counted.packets, dropped = counted.dropped, jumps = counted.jumps, "publisher left");
        self.publisher.end(reason);
    }
}
