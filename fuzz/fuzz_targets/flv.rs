//! What an FLV reader finds does not depend on how the bytes are cut, accounts for every byte up to the
//! end, and goes through the ingest as packets whose times rise.
#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use media::TrackId;
use media::container::flv::demux::{DemuxError, Event, Reader, Tag};
use media::container::flv::{Ingest, Ingested, QUEUED_MAX};

fuzz_target!(|input: (u8, &[u8])| {
    let (cut, bytes) = input;
    let (events, error) = read(bytes, bytes.len());
    assert_eq!((&events, error), (&read(bytes, usize::from(cut)).0, read(bytes, usize::from(cut)).1));
    if error.is_none() {
        assert_eq!(events.last(), Some(&Event::End { offset: bytes.len() as u64 }));
    }
    ingest(events.into_iter().filter_map(|event| match event {
        Event::Tag(tag) => Some(tag),
        _ => None,
    }));
});

fn read(bytes: &[u8], piece: usize) -> (Vec<Event>, Option<DemuxError>) {
    let mut reader = Reader::new();
    let mut events = Vec::new();
    let mut next = 0;
    let mut pieces = bytes.chunks(piece.max(1));
    loop {
        match reader.poll() {
            Ok(Some(event)) => {
                if let Event::Tag(Tag { offset, .. }) | Event::Damage { offset, .. } = event {
                    assert!(offset >= next, "what is told goes forward");
                    next = offset;
                }
                events.push(event);
            }
            Ok(None) if matches!(events.last(), Some(Event::End { .. })) => return (events, None),
            Ok(None) => match pieces.next() {
                Some(piece) => reader.input(piece),
                None => reader.finish(),
            },
            Err(error) => return (events, Some(error)),
        }
        assert!(reader.buffered() <= bytes.len());
    }
}

fn ingest(tags: impl Iterator<Item = Tag>) {
    let mut ingest = Ingest::new();
    let mut known = Vec::new();
    let mut last: BTreeMap<(TrackId, u32), i64> = BTreeMap::new();
    for tag in tags {
        let mut results = 0;
        drop(ingest.input(tag.kind, tag.timestamp_ms, tag.body));
        while let Some(ingested) = ingest.poll() {
            results += 1;
            match ingested {
                Ingested::Tracks(tracks) => known = tracks,
                Ingested::Jump { .. } => {
                    known.clear();
                    last.clear();
                }
                Ingested::Packet(packet) => {
                    let track = known.iter().find(|track| track.id == packet.track);
                    let scale = track.expect("every packet's track is announced in its run").timescale;
                    let before = last.insert((packet.track, scale.hz()), packet.dts);
                    assert!(packet.dts >= 0 && before.is_none_or(|before| before < packet.dts));
                    assert!(!packet.data.is_empty());
                }
                Ingested::AudioStep { .. } | Ingested::Dropped { .. } => {}
            }
        }
        assert!(results <= QUEUED_MAX);
    }
}
