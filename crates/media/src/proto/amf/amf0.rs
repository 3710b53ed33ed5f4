//! AMF0 (Adobe "Action Message Format — AMF 0", 2007): RTMP commands, FLV script tags.

use super::cursor::Cursor;
use super::{AmfError, AmfErrorKind, Budget, DEPTH_MAX, Text, amf3};

/// One AMF0 value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// §2.2: every number is a double.
    Number(f64),
    /// §2.3.
    Boolean(bool),
    /// §2.4: at most 65 535 bytes.
    String(Text),
    /// §2.5: properties in the order they were sent.
    Object(Vec<(Text, Value)>),
    /// §2.7.
    Null,
    /// §2.8.
    Undefined,
    /// §2.9: an earlier object or array of the message, by its number. It stays a number: resolving it
    /// would let a few bytes expand without bound.
    Reference(u16),
    /// §2.10: an object that calls itself an array. The declared count is a hint that encoders get wrong,
    /// so it is not kept.
    EcmaArray(Vec<(Text, Value)>),
    /// §2.12.
    StrictArray(Vec<Value>),
    /// §2.13.
    Date {
        /// Milliseconds since 1970-01-01T00:00:00Z.
        ms: f64,
        /// Minutes; the specification reserves it and wants 0.
        zone: i16,
    },
    /// §2.14: with a 32-bit length.
    LongString(Text),
    /// §2.15.
    Unsupported,
    /// §2.17.
    XmlDocument(Text),
    /// §2.18.
    TypedObject {
        /// The class's name.
        class: Text,
        /// Properties in the order they were sent.
        properties: Vec<(Text, Value)>,
    },
}

mod marker {
    pub(super) const NUMBER: u8 = 0x00;
    pub(super) const BOOLEAN: u8 = 0x01;
    pub(super) const STRING: u8 = 0x02;
    pub(super) const OBJECT: u8 = 0x03;
    pub(super) const NULL: u8 = 0x05;
    pub(super) const UNDEFINED: u8 = 0x06;
    pub(super) const REFERENCE: u8 = 0x07;
    pub(super) const ECMA_ARRAY: u8 = 0x08;
    pub(super) const OBJECT_END: u8 = 0x09;
    pub(super) const STRICT_ARRAY: u8 = 0x0a;
    pub(super) const DATE: u8 = 0x0b;
    pub(super) const LONG_STRING: u8 = 0x0c;
    pub(super) const UNSUPPORTED: u8 = 0x0d;
    pub(super) const XML_DOCUMENT: u8 = 0x0f;
    pub(super) const TYPED_OBJECT: u8 = 0x10;
    pub(super) const AVMPLUS: u8 = 0x11;
}

impl Value {
    /// An object of the given properties.
    pub fn object<const N: usize>(properties: [(&str, Value); N]) -> Self {
        Self::Object(properties.into_iter().map(|(key, value)| (Text::from(key), value)).collect())
    }

    /// The number, where it is one.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// The boolean, where it is one.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Boolean(value) => Some(*value),
            _ => None,
        }
    }

    /// The text of a string, short or long.
    pub fn as_text(&self) -> Option<&Text> {
        match self {
            Self::String(text) | Self::LongString(text) => Some(text),
            _ => None,
        }
    }

    /// The text of a string that is UTF-8.
    pub fn as_str(&self) -> Option<&str> {
        self.as_text()?.as_str()
    }

    /// The properties of an object, typed object or ECMA array.
    pub fn properties(&self) -> Option<&[(Text, Value)]> {
        match self {
            Self::Object(properties) | Self::EcmaArray(properties) | Self::TypedObject { properties, .. } => {
                Some(properties)
            }
            _ => None,
        }
    }

    /// The first property of that name.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.properties()?.iter().find(|(name, _)| *name == key).map(|(_, value)| value)
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Boolean(value)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::from(Text::from(text))
    }
}

impl From<Text> for Value {
    /// A long string where the short form cannot say the length.
    fn from(text: Text) -> Self {
        if text.len() > usize::from(u16::MAX) { Self::LongString(text) } else { Self::String(text) }
    }
}

/// Reads every value of a message.
pub fn decode(bytes: &[u8]) -> Result<Vec<Value>, AmfError> {
    let mut decoder = Decoder::new(bytes, 0);
    let mut values = Vec::new();
    while decoder.cursor.left() > 0 {
        values.push(decoder.value(0)?);
    }
    Ok(values)
}

/// Reads the first value and says how many bytes it takes.
pub fn decode_one(bytes: &[u8]) -> Result<(Value, usize), AmfError> {
    let mut decoder = Decoder::new(bytes, 0);
    let value = decoder.value(0)?;
    Ok((value, decoder.cursor.position()))
}

/// The string a message begins with (a handler's or command's name) and how many bytes it takes; `None`
/// where the message begins with anything else.
pub fn leading_string(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let mut cursor = Cursor::new(bytes, 0);
    let length = match cursor.u8().ok()? {
        marker::STRING => usize::from(cursor.u16().ok()?),
        marker::LONG_STRING => usize::try_from(cursor.u32().ok()?).ok()?,
        _ => return None,
    };
    let text = cursor.take(length).ok()?;
    Some((text, cursor.position()))
}

struct Decoder<'a> {
    cursor: Cursor<'a>,
    budget: Budget,
}

impl<'a> Decoder<'a> {
    fn new(bytes: &'a [u8], position: usize) -> Self {
        Self { cursor: Cursor::new(bytes, position), budget: Budget::new() }
    }

    /// One value; `depth` counts the objects and arrays around it.
    fn value(&mut self, depth: usize) -> Result<Value, AmfError> {
        if depth > DEPTH_MAX {
            return Err(self.cursor.fail(AmfErrorKind::Depth));
        }
        self.budget.spend(1).map_err(|kind| self.cursor.fail(kind))?;
        let at = self.cursor.position();
        Ok(match self.cursor.u8()? {
            marker::NUMBER => Value::Number(self.cursor.f64()?),
            marker::BOOLEAN => Value::Boolean(self.cursor.u8()? != 0),
            marker::STRING => Value::String(self.short_text()?),
            marker::OBJECT => Value::Object(self.properties(depth, Terminator::Required)?),
            marker::NULL => Value::Null,
            marker::UNDEFINED => Value::Undefined,
            marker::REFERENCE => Value::Reference(self.cursor.u16()?),
            marker::ECMA_ARRAY => {
                let declared = self.cursor.u32()?;
                Value::EcmaArray(self.properties(depth, Terminator::OptionalAfter(declared))?)
            }
            marker::STRICT_ARRAY => Value::StrictArray(self.elements(depth)?),
            marker::DATE => {
                let ms = self.cursor.f64()?;
                Value::Date { ms, zone: i16::from_be_bytes(self.cursor.array()?) }
            }
            marker::LONG_STRING => Value::LongString(self.long_text()?),
            marker::UNSUPPORTED => Value::Unsupported,
            marker::XML_DOCUMENT => Value::XmlDocument(self.long_text()?),
            marker::TYPED_OBJECT => Value::TypedObject {
                class: self.short_text()?,
                properties: self.properties(depth, Terminator::Required)?,
            },
            marker::AVMPLUS => self.avmplus(depth)?,
            other => return Err(AmfError { offset: at, kind: AmfErrorKind::Marker(other) }),
        })
    }

    fn short_text(&mut self) -> Result<Text, AmfError> {
        let length = usize::from(self.cursor.u16()?);
        Ok(Text::from(self.cursor.take(length)?))
    }

    fn long_text(&mut self) -> Result<Text, AmfError> {
        let length = self.cursor.u32()? as usize;
        Ok(Text::from(self.cursor.take(length)?))
    }

    fn properties(&mut self, depth: usize, end: Terminator) -> Result<Vec<(Text, Value)>, AmfError> {
        let mut properties = Vec::new();
        loop {
            if self.cursor.left() == 0 && end.may_miss_after(properties.len()) {
                return Ok(properties);
            }
            let key = self.short_text()?;
            if key.is_empty() && self.cursor.peek() == Some(marker::OBJECT_END) {
                self.cursor.u8()?;
                return Ok(properties);
            }
            properties.push((key, self.value(depth + 1)?));
        }
    }

    fn elements(&mut self, depth: usize) -> Result<Vec<Value>, AmfError> {
        let declared = self.cursor.u32()? as usize;
        let count = self.cursor.count(declared, 1)?;
        let mut elements = Vec::new();
        for _ in 0..count {
            elements.push(self.value(depth + 1)?);
        }
        Ok(elements)
    }

    /// §2.19 `avmplus-object-marker`: one AMF3 value, with reference tables of its own.
    fn avmplus(&mut self, depth: usize) -> Result<Value, AmfError> {
        let value = amf3::decode_nested(&mut self.cursor, &mut self.budget, depth)?;
        value.into_amf0().map_err(|kind| self.cursor.fail(kind))
    }
}

/// Whether the end marker of a list of properties may be missing at the end of a message.
#[derive(Clone, Copy)]
enum Terminator {
    Required,
    /// ECMA arrays carry a count, and writers that trust it sometimes leave the marker out.
    OptionalAfter(u32),
}

impl Terminator {
    fn may_miss_after(self, read: usize) -> bool {
        match self {
            Self::Required => false,
            Self::OptionalAfter(declared) => read > 0 && read == declared as usize,
        }
    }
}

/// Writes one value after what `out` holds. On an error `out` holds part of the value.
pub fn encode(value: &Value, out: &mut Vec<u8>) -> Result<(), AmfError> {
    encode_at(value, out, 0)
}

/// Writes the values of a message.
pub fn encode_all(values: &[Value]) -> Result<Vec<u8>, AmfError> {
    let mut out = Vec::new();
    for value in values {
        encode(value, &mut out)?;
    }
    Ok(out)
}

fn encode_at(value: &Value, out: &mut Vec<u8>, depth: usize) -> Result<(), AmfError> {
    if depth > DEPTH_MAX {
        return Err(AmfError { offset: out.len(), kind: AmfErrorKind::Depth });
    }
    match value {
        Value::Number(number) => {
            out.push(marker::NUMBER);
            out.extend_from_slice(&number.to_be_bytes());
        }
        Value::Boolean(value) => out.extend_from_slice(&[marker::BOOLEAN, u8::from(*value)]),
        Value::String(text) => {
            out.push(marker::STRING);
            encode_short(text, out)?;
        }
        Value::Object(properties) => {
            out.push(marker::OBJECT);
            encode_properties(properties, out, depth)?;
        }
        Value::Null => out.push(marker::NULL),
        Value::Undefined => out.push(marker::UNDEFINED),
        Value::Reference(index) => {
            out.push(marker::REFERENCE);
            out.extend_from_slice(&index.to_be_bytes());
        }
        Value::EcmaArray(properties) => {
            out.push(marker::ECMA_ARRAY);
            encode_length(properties.len(), out)?;
            encode_properties(properties, out, depth)?;
        }
        Value::StrictArray(elements) => {
            out.push(marker::STRICT_ARRAY);
            encode_length(elements.len(), out)?;
            for element in elements {
                encode_at(element, out, depth + 1)?;
            }
        }
        Value::Date { ms, zone } => {
            out.push(marker::DATE);
            out.extend_from_slice(&ms.to_be_bytes());
            out.extend_from_slice(&zone.to_be_bytes());
        }
        Value::LongString(text) => encode_long(marker::LONG_STRING, text, out)?,
        Value::Unsupported => out.push(marker::UNSUPPORTED),
        Value::XmlDocument(text) => encode_long(marker::XML_DOCUMENT, text, out)?,
        Value::TypedObject { class, properties } => {
            out.push(marker::TYPED_OBJECT);
            encode_short(class, out)?;
            encode_properties(properties, out, depth)?;
        }
    }
    Ok(())
}

fn encode_short(text: &Text, out: &mut Vec<u8>) -> Result<(), AmfError> {
    let length = u16::try_from(text.len())
        .map_err(|_| AmfError { offset: out.len(), kind: AmfErrorKind::TooLong(text.len()) })?;
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(text.as_bytes());
    Ok(())
}

fn encode_long(marker: u8, text: &Text, out: &mut Vec<u8>) -> Result<(), AmfError> {
    out.push(marker);
    encode_length(text.len(), out)?;
    out.extend_from_slice(text.as_bytes());
    Ok(())
}

fn encode_length(length: usize, out: &mut Vec<u8>) -> Result<(), AmfError> {
    let length = u32::try_from(length)
        .map_err(|_| AmfError { offset: out.len(), kind: AmfErrorKind::TooLong(length) })?;
    out.extend_from_slice(&length.to_be_bytes());
    Ok(())
}

fn encode_properties(properties: &[(Text, Value)], out: &mut Vec<u8>, depth: usize) -> Result<(), AmfError> {
    for (key, value) in properties {
        encode_short(key, out)?;
        encode_at(value, out, depth + 1)?;
    }
    out.extend_from_slice(&[0, 0, marker::OBJECT_END]);
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn error(bytes: &[u8]) -> AmfErrorKind {
        decode(bytes).unwrap_err().kind
    }

    #[test]
    fn every_marker_reads_and_writes_as_the_specification_draws_it() {
        let cases: [(&[u8], Value); 13] = [
            (&[0, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0], Value::Number(1.0)),
            (&[1, 1], Value::Boolean(true)),
            (b"\x02\x00\x03abc", "abc".into()),
            (b"\x03\x00\x01a\x05\x00\x00\x09", Value::object([("a", Value::Null)])),
            (&[5], Value::Null),
            (&[6], Value::Undefined),
            (&[7, 0, 3], Value::Reference(3)),
            (
                b"\x08\x00\x00\x00\x01\x00\x01a\x06\x00\x00\x09",
                Value::EcmaArray(vec![("a".into(), Value::Undefined)]),
            ),
            (b"\x0a\x00\x00\x00\x02\x05\x06", Value::StrictArray(vec![Value::Null, Value::Undefined])),
            (&[0x0b, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0, 0xff, 0xc4], Value::Date { ms: 1.0, zone: -60 }),
            (b"\x0c\x00\x00\x00\x01x", Value::LongString("x".into())),
            (&[0x0d], Value::Unsupported),
            (b"\x0f\x00\x00\x00\x04<x/>", Value::XmlDocument("<x/>".into())),
        ];
        for (bytes, value) in cases {
            assert_eq!(decode(bytes).unwrap(), std::slice::from_ref(&value), "{bytes:02x?}");
            assert_eq!(encode_all(&[value]).unwrap(), bytes);
        }
        let typed = b"\x10\x00\x01C\x00\x01a\x05\x00\x00\x09";
        let value = Value::TypedObject { class: "C".into(), properties: vec![("a".into(), Value::Null)] };
        assert_eq!(decode_one(typed).unwrap(), (value, typed.len()));
    }

    #[test]
    fn a_wrong_array_count_is_only_a_hint_and_a_missing_end_is_forgiven_after_it() {
        let wrong = b"\x08\x00\x00\x00\x09\x00\x01a\x05\x00\x00\x09";
        assert_eq!(decode(wrong).unwrap()[0].properties().unwrap().len(), 1);
        let unended = b"\x08\x00\x00\x00\x01\x00\x01a\x05";
        assert_eq!(decode(unended).unwrap()[0].get("a"), Some(&Value::Null));
        assert!(matches!(error(b"\x08\x00\x00\x00\x02\x00\x01a\x05"), AmfErrorKind::Truncated { .. }));
        assert!(matches!(error(b"\x03\x00\x01a\x05"), AmfErrorKind::Truncated { .. }));
    }

    #[test]
    fn an_empty_name_is_a_name_unless_the_end_marker_follows() {
        let object = b"\x03\x00\x00\x05\x00\x00\x09";
        assert_eq!(decode(object).unwrap(), [Value::object([("", Value::Null)])]);
    }

    #[test]
    fn strings_keep_bytes_that_are_not_utf8() {
        let gbk = b"\x02\x00\x02\xb2\xe2";
        let value = decode(gbk).unwrap().remove(0);
        assert_eq!(value.as_str(), None);
        assert_eq!(value.as_text().unwrap().as_bytes(), b"\xb2\xe2");
        assert_eq!(encode_all(&[value]).unwrap(), gbk);
    }

    #[test]
    fn errors_say_where() {
        let error = decode(b"\x05\x05\x02\x00\x09ab").unwrap_err();
        assert_eq!(error, AmfError { offset: 5, kind: AmfErrorKind::Truncated { needed: 9, left: 2 } });
        assert_eq!(error.to_string(), "AMF byte 5: the value needs 9 bytes but 2 are left");
        assert_eq!(decode(&[5, 4]).unwrap_err(), AmfError { offset: 1, kind: AmfErrorKind::Marker(4) });
    }

    #[test]
    fn seventy_thousand_nested_arrays_end_at_the_depth_limit() {
        let arrays = [0x0a, 0, 0, 0, 1].repeat(70_000);
        assert_eq!(error(&arrays), AmfErrorKind::Depth);
        let objects = [3, 0, 1, b'a'].repeat(70_000);
        assert_eq!(error(&objects), AmfErrorKind::Depth);
        let mut deep = Value::Null;
        for _ in 0..DEPTH_MAX {
            deep = Value::StrictArray(vec![deep]);
        }
        assert_eq!(decode(&encode_all(&[deep.clone()]).unwrap()).unwrap(), [deep.clone()]);
        assert_eq!(encode_all(&[Value::StrictArray(vec![deep])]).unwrap_err().kind, AmfErrorKind::Depth);
    }

    #[test]
    fn counts_are_held_against_the_bytes_left_and_the_node_limit() {
        assert_eq!(
            error(&[0x0a, 0xff, 0xff, 0xff, 0xff, 5]),
            AmfErrorKind::Count { declared: 0xffff_ffff, left: 1 }
        );
        assert_eq!(error(&vec![5; super::super::NODES_MAX + 1]), AmfErrorKind::Nodes);
        assert!(decode(&vec![5; super::super::NODES_MAX]).is_ok());
        assert!(matches!(error(&[0x0c, 0xff, 0xff, 0xff, 0xff]), AmfErrorKind::Truncated { .. }));
    }

    #[test]
    fn a_string_too_long_for_its_form_is_refused_when_written_and_long_when_made() {
        let text = Text::from("x".repeat(70_000));
        let error = encode_all(&[Value::String(text.clone())]).unwrap_err();
        assert_eq!(error.kind, AmfErrorKind::TooLong(70_000));
        assert!(matches!(Value::from(text), Value::LongString(_)));
    }

    #[test]
    fn an_amf3_value_may_stand_inside_amf0() {
        let bytes = b"\x05\x11\x0a\x0b\x01\x03a\x04\x05\x01\x05";
        let values = decode(bytes).unwrap();
        assert_eq!(values, [Value::Null, Value::object([("a", Value::Number(5.0))]), Value::Null]);
    }

    #[test]
    fn the_leading_string_is_found_without_reading_the_rest() {
        assert_eq!(leading_string(b"\x02\x00\x02hi\xff"), Some((&b"hi"[..], 5)));
        assert_eq!(leading_string(b"\x0c\x00\x00\x00\x02hi"), Some((&b"hi"[..], 7)));
        for other in [&b""[..], b"\x05", b"\x02\x00\x05hi"] {
            assert_eq!(leading_string(other), None);
        }
    }

    fn text() -> impl Strategy<Value = Text> {
        proptest::collection::vec(any::<u8>(), 0..12).prop_map(|bytes| Text::from(&bytes[..]))
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            prop::num::f64::NORMAL.prop_map(Value::Number),
            any::<bool>().prop_map(Value::Boolean),
            text().prop_map(Value::String),
            text().prop_map(Value::LongString),
            text().prop_map(Value::XmlDocument),
            any::<u16>().prop_map(Value::Reference),
            Just(Value::Null),
            Just(Value::Undefined),
            Just(Value::Unsupported),
            (prop::num::f64::NORMAL, any::<i16>()).prop_map(|(ms, zone)| Value::Date { ms, zone }),
        ];
        leaf.prop_recursive(5, 64, 6, |inner| {
            let properties = proptest::collection::vec((text(), inner.clone()), 0..6).boxed();
            prop_oneof![
                properties.clone().prop_map(Value::Object),
                properties.clone().prop_map(Value::EcmaArray),
                proptest::collection::vec(inner, 0..6).prop_map(Value::StrictArray),
                (text(), properties).prop_map(|(class, properties)| Value::TypedObject { class, properties }),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(values in proptest::collection::vec(value(), 0..4)) {
            let bytes = encode_all(&values).unwrap();
            prop_assert_eq!(decode(&bytes).unwrap(), values);
        }

        #[test]
        fn a_cut_value_is_an_error_or_only_lost_end_markers(value in value()) {
            let bytes = encode_all(std::slice::from_ref(&value)).unwrap();
            for cut in 0..bytes.len() {
                if let Ok((read, _)) = decode_one(&bytes[..cut]) {
                    prop_assert_eq!(&read, &value, "cut at {}", cut);
                    prop_assert!(bytes[cut..].chunks(3).all(|end| end == [0, 0, marker::OBJECT_END]));
                }
            }
        }
    }
}
