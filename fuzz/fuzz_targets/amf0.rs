//! AMF0 is read within its limits or refused at a byte it has, what is read can be written, and what was
//! written reads back as the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use media::proto::amf::amf0::{self, Value};
use media::proto::amf::{DEPTH_MAX, NODES_MAX};

fuzz_target!(|bytes: &[u8]| {
    if let Some((text, length)) = amf0::leading_string(bytes) {
        let (first, read) = amf0::decode_one(bytes).expect("a leading string is a value");
        assert_eq!((first.as_text().expect("it is text").as_bytes(), read), (text, length));
    }
    let values = match amf0::decode(bytes) {
        Ok(values) => values,
        Err(error) => return assert!(error.offset <= bytes.len(), "{error}"),
    };
    assert!(values.iter().map(nodes).sum::<usize>() <= NODES_MAX);
    assert!(values.iter().all(|value| depth(value) <= DEPTH_MAX));
    let written = amf0::encode_all(&values).expect("what was read can be written");
    let again = amf0::decode(&written).expect("what was written can be read");
    // Bytes, for a number may be NaN.
    assert_eq!(amf0::encode_all(&again).as_ref(), Ok(&written));
});

fn children(value: &Value) -> Vec<&Value> {
    match value {
        Value::StrictArray(elements) => elements.iter().collect(),
        other => other.properties().unwrap_or_default().iter().map(|(_, value)| value).collect(),
    }
}

fn nodes(value: &Value) -> usize {
    1 + children(value).into_iter().map(nodes).sum::<usize>()
}

fn depth(value: &Value) -> usize {
    children(value).into_iter().map(|child| 1 + depth(child)).max().unwrap_or(0)
}
