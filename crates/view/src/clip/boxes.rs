//! `ftyp` and the tree of `moov`, with holes where the sample tables go. Which rows fill the holes, and
//! where in the file they end up, is decided by the layout.

use bytes::{BufMut, Bytes, BytesMut};
use media::container::mp4::{sample_entry, sample_table_free_track};
use media::{CodecConfig, TrackConfig, TrackKind, WallTime};
use shiguredo_mp4::boxes::{Brand, EdtsBox, ElstBox, ElstEntry, FtypBox, MvhdBox, TrakBox};
use shiguredo_mp4::{Encode, FixedPointNumber, Mp4FileTime};

use super::counting::in_band_family;
use super::layout::{Aspect, Lane};
use super::tables::Table;
use super::take::LANES;

/// Ticks per second of the movie: every video frame of a 90 kHz track is exact in it.
pub(super) const MOVIE_HZ: u32 = 90_000;

/// Seconds from 1904, where MP4 counts from, to 1970.
const UNIX_EPOCH: i64 = 2_082_844_800;

/// A box tree whose tables are not there yet.
pub(super) enum Node {
    /// Bytes as they are.
    Fixed(Bytes),
    /// A box around others.
    Parent(&'static [u8; 4], Vec<Node>),
    /// The rows of a lane's table, extent by extent.
    Rows(Table, usize),
}

fn encoded(value: &impl Encode) -> Node {
    Node::Fixed(value.encode_to_vec().expect("fixed-size boxes hold any value of their types").into())
}

/// `ftyp`. Version 1 of `ctts` came with `iso4`, sample groups with `iso6`.
pub(super) fn ftyp() -> Node {
    encoded(&FtypBox {
        major_brand: Brand::new(*b"isom"),
        minor_version: 0x200,
        compatible_brands: [b"isom", b"iso4", b"iso6", b"avc1", b"mp41", b"mp42"]
            .map(|b| Brand::new(*b))
            .to_vec(),
    })
}

/// `moov` of a clip that begins at `start` and lasts `duration` ticks of the movie.
pub(super) fn moov(lanes: &[Option<Lane>; LANES], start: WallTime, duration: u64) -> Node {
    let seconds = start.ms().div_euclid(1000).saturating_add(UNIX_EPOCH);
    let created = Mp4FileTime::from_secs(u64::try_from(seconds).unwrap_or(0));
    let used = lanes.iter().flatten().map(|l| u32::from(l.config.id.0)).max().unwrap_or(0);
    let mvhd = MvhdBox {
        creation_time: created,
        modification_time: created,
        timescale: MOVIE_HZ.try_into().expect("not zero"),
        duration,
        rate: MvhdBox::DEFAULT_RATE,
        volume: MvhdBox::DEFAULT_VOLUME,
        matrix: MvhdBox::DEFAULT_MATRIX,
        next_track_id: used + 1,
    };
    let mut children = vec![encoded(&mvhd)];
    for (number, lane) in lanes.iter().enumerate() {
        if let Some(lane) = lane {
            children.push(trak(lane, number, created));
        }
    }
    Node::Parent(b"moov", children)
}

fn trak(lane: &Lane, number: usize, created: Mp4FileTime) -> Node {
    let TrakBox { mut tkhd_box, mut mdia_box, .. } = sample_table_free_track(&config(lane));
    (tkhd_box.creation_time, tkhd_box.modification_time) = (created, created);
    tkhd_box.duration = lane.edit.empty + lane.edit.duration;
    (mdia_box.mdhd_box.creation_time, mdia_box.mdhd_box.modification_time) = (created, created);
    mdia_box.mdhd_box.duration = lane.media_duration;
    let minf = mdia_box.minf_box;
    let header = minf.media_header.as_ref().map(encoded);
    let minf_children = header.into_iter().chain([encoded(&minf.dinf_box), stbl(lane, number)]).collect();
    Node::Parent(
        b"trak",
        vec![
            encoded(&tkhd_box),
            encoded(&edts(lane)),
            Node::Parent(
                b"mdia",
                vec![
                    encoded(&mdia_box.mdhd_box),
                    encoded(&mdia_box.hdlr_box),
                    Node::Parent(b"minf", minf_children),
                ],
            ),
        ],
    )
}

/// One edit; before it an empty one where the track begins late.
fn edts(lane: &Lane) -> EdtsBox {
    let rate = FixedPointNumber::new(1, 0);
    let empty = ElstEntry { edit_duration: lane.edit.empty, media_time: -1, media_rate: rate };
    let edit =
        ElstEntry { edit_duration: lane.edit.duration, media_time: lane.edit.media_time, media_rate: rate };
    let entries = if lane.edit.empty > 0 { vec![empty, edit] } else { vec![edit] };
    EdtsBox { elst_box: Some(ElstBox { entries }), unknown_boxes: Vec::new() }
}

fn stbl(lane: &Lane, number: usize) -> Node {
    let mut children = vec![stsd(lane)];
    children.push(table(Table::Stts, number, lane, &lane.head_durations));
    if lane.composition {
        children.push(ctts(lane, number));
    }
    if lane.config.kind() == TrackKind::Video {
        children.push(table(Table::Stss, number, lane, &[]));
    } else {
        children.push(sgpd_roll(lane.roll));
        children.push(sbgp_roll(lane.samples));
    }
    children.push(table(Table::Stsc, number, lane, &[]));
    children.push(stsz(lane, number));
    children.push(table(Table::Co64, number, lane, &[]));
    Node::Parent(b"stbl", children)
}

/// What the track says of itself. Where the pixel aspect changes that is the coded size: FFmpeg takes an aspect from a
/// `tkhd` that differs from it.
fn config(lane: &Lane) -> TrackConfig {
    let mut config = lane.config.clone();
    if let (Aspect::InBand, CodecConfig::H264 { sar, .. } | CodecConfig::H265 { sar, .. }) =
        (lane.aspect, &mut config.codec)
    {
        *sar = (1, 1);
    }
    config
}

/// The `pasp` that ends a visual sample entry: its size, and its type behind that.
const PASP_BYTES: usize = 16;

/// One entry. With parameter sets in band it is an `avc3` or `hev1` (ISO/IEC 14496-15 §5.3.3 and §8.3.2), whose
/// record still gives the first configuration, for players that want one in advance.
fn stsd(lane: &Lane) -> Node {
    let mut entry = BytesMut::from(&sample_entry(&lane.config)[..]);
    if let Some(kind) = in_band_family(&lane.config.codec).filter(|_| lane.in_band()) {
        entry[4..8].copy_from_slice(&kind);
    }
    let pasp = entry.len().saturating_sub(PASP_BYTES);
    if lane.aspect == Aspect::InBand && entry.get(pasp + 4..pasp + 8) == Some(b"pasp") {
        entry.truncate(pasp);
        let len = u32::try_from(pasp).expect("an entry is small");
        entry[..4].copy_from_slice(&len.to_be_bytes());
    }
    let head = Bytes::from_static(&[0, 0, 0, 0, 0, 0, 0, 1]);
    Node::Parent(b"stsd", vec![Node::Fixed(head), Node::Fixed(entry.freeze())])
}

/// A table whose rows are counted in its head, which may hold some rows itself. Version 0, but for `ctts`.
fn table(table: Table, number: usize, lane: &Lane, head_rows: &[[u32; 2]]) -> Node {
    let mut head = BytesMut::with_capacity(8 + 8 * head_rows.len());
    head.put_u32(if table == Table::Ctts { 1 << 24 } else { 0 });
    head.put_u32(lane.rows(table) + u32::try_from(head_rows.len()).expect("pre-roll is bounded"));
    for row in head_rows {
        head.put_u32(row[0]);
        head.put_u32(row[1]);
    }
    Node::Parent(table.kind(), vec![Node::Fixed(head.freeze()), Node::Rows(table, number)])
}

fn ctts(lane: &Lane, number: usize) -> Node {
    let mut head: Vec<[u32; 2]> = Vec::new();
    for offset in &lane.head_offsets {
        match head.last_mut() {
            Some([count, same]) if same == offset => *count += 1,
            _ => head.push([1, *offset]),
        }
    }
    table(Table::Ctts, number, lane, &head)
}

/// Sizes one by one: a zero `sample_size` before the count.
fn stsz(lane: &Lane, number: usize) -> Node {
    let mut head = BytesMut::new();
    head.put_u32(0);
    head.put_u32(0);
    head.put_u32(lane.samples);
    Node::Parent(b"stsz", vec![Node::Fixed(head.freeze()), Node::Rows(Table::Stsz, number)])
}

/// Version 1 of `sgpd` with one `roll` entry (ISO/IEC 14496-12 §10.1): decoding is right after that many
/// frames.
fn sgpd_roll(roll: i16) -> Node {
    let mut body = BytesMut::new();
    body.put_u32(1 << 24);
    body.put_slice(b"roll");
    body.put_u32(2); // default_length
    body.put_u32(1);
    body.put_i16(roll);
    Node::Parent(b"sgpd", vec![Node::Fixed(body.freeze())])
}

fn sbgp_roll(samples: u32) -> Node {
    let mut body = BytesMut::new();
    body.put_u32(0);
    body.put_slice(b"roll");
    body.put_slice(&[0, 0, 0, 1]);
    body.put_u32(samples);
    body.put_u32(1);
    Node::Parent(b"sbgp", vec![Node::Fixed(body.freeze())])
}

/// `mdat`'s header, always with a 64-bit size, so that its length does not depend on the clip's.
pub(super) fn mdat_header(payload: u64) -> Bytes {
    let mut head = BytesMut::with_capacity(16);
    head.put_u32(1);
    head.put_slice(b"mdat");
    head.put_u64(payload.saturating_add(16));
    head.freeze()
}
