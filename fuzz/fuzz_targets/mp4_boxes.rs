//! Boxes are read or refused. The tracks of an initialisation segment and the samples of a fragment come back from
//! what is written of them.
#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use media::container::mp4::{
    init_segment, read_box_header, read_fragment, read_init, read_sample_entry, write_fragment_header,
};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(header) = read_box_header(bytes) {
        assert!(header.len.is_none_or(|len| len >= 8), "a box holds its own header");
    }
    drop(read_sample_entry(bytes));
    if let Ok((tracks, len)) = read_init(bytes) {
        assert!(len <= bytes.len());
        let again = init_segment(&tracks);
        assert_eq!(read_init(&again), Ok((tracks, again.len())));
    }
    let Ok(fragment) = read_fragment(bytes) else { return };
    let mut again = BytesMut::new();
    let ids = (fragment.sequence, fragment.track_id);
    if write_fragment_header(&mut again, ids, fragment.decode_time, &fragment.samples).is_ok() {
        let told = read_fragment(&again).expect("what is written can be read");
        assert_eq!((told.samples, told.decode_time), (fragment.samples, fragment.decode_time));
        assert_eq!((told.sequence, told.track_id), ids);
    }
});
