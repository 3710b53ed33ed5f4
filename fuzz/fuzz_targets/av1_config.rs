//! AV1, VP9, Opus and MP3: what is read comes out in one form that is read as the same.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use media::CodecConfig;
use media::codec::{av1, mp3, opus, vp9};

fuzz_target!(|input: (u8, &[u8], &[u8])| {
    let (which, record, payload) = input;
    let payload = Bytes::copy_from_slice(payload);
    match which & 3 {
        0 => av1_unit(record, &payload),
        1 => vp9_frame(record, &payload),
        2 => opus_packet(record, &payload),
        _ => {
            if let Ok(frame) = mp3::Frame::parse(&payload) {
                assert!(frame.length <= payload.len() && frame.frame_samples > 0);
            }
        }
    }
});

fn av1_unit(record: &[u8], payload: &Bytes) {
    let known = av1::configuration(record).ok().flatten();
    if let Some(sequence) = &known {
        let CodecConfig::Av1 { av1c, width, height } = sequence.codec() else { panic!("not AV1") };
        assert!(width > 0 && height > 0 && av1::rfc6381(&av1c).is_some());
        let again = av1::configuration(&av1c).expect("the canonical form is a record");
        assert_eq!(again.map(|again| again.codec()), Some(sequence.codec()));
    }
    let Ok(unit) = av1::temporal_unit(payload, known.as_ref()) else { return };
    let again = av1::temporal_unit(&unit.data, known.as_ref()).expect("a canonical unit is read");
    assert_eq!((again.rap, again.data.as_ptr()), (unit.rap, unit.data.as_ptr()));
}

fn vp9_frame(record: &[u8], payload: &Bytes) {
    let Ok(frame) = vp9::frame(payload) else { return };
    let Ok(Some(codec)) = frame.codec(vp9::Record::parse(record).ok()) else { return };
    let CodecConfig::Vp9 { vpcc, .. } = &codec else { panic!("not VP9") };
    assert!(vp9::rfc6381(vpcc).is_some());
    let again = vp9::Record::parse(vpcc).expect("the canonical form is a record");
    assert_eq!(frame.codec(Some(again)), Ok(Some(codec)));
}

fn opus_packet(record: &[u8], payload: &Bytes) {
    if let Ok(header) = opus::Header::parse(record) {
        assert_eq!(opus::Header::parse(&header.to_bytes()), Ok(header));
    }
    if let Ok(samples) = opus::packet_samples(payload) {
        assert!((1..=5760).contains(&samples));
    }
}
