//! AMF3 (Adobe "Action Message Format — AMF 3", 2013), as Flash-era clients use it inside AMF0 messages
//! by the `avmplus` marker. Object references stay numbers, so that a message never expands; strings and
//! traits are resolved, sharing their bytes.

mod convert;
mod encode;

pub use encode::{encode, encode_all};

use super::cursor::Cursor;
use super::{AmfError, AmfErrorKind, Budget, DEPTH_MAX, Text};

/// Properties in the order they were sent.
pub type Properties = Vec<(Text, Value)>;

/// One AMF3 value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// §3.2.
    Undefined,
    /// §3.3.
    Null,
    /// §3.4 and §3.5.
    Boolean(bool),
    /// §3.6: 29 bits, signed.
    Integer(i32),
    /// §3.7.
    Double(f64),
    /// §3.8.
    String(Text),
    /// §3.9: the older of the two XML types.
    XmlDocument(Text),
    /// §3.10: milliseconds since 1970-01-01T00:00:00Z.
    Date(f64),
    /// §3.11: named elements, then numbered ones.
    Array {
        /// Elements with names.
        named: Properties,
        /// Elements 0, 1, 2, ….
        dense: Vec<Value>,
    },
    /// §3.12.
    Object {
        /// The class's name; empty for an anonymous object.
        class: Text,
        /// The class's own properties.
        sealed: Properties,
        /// Properties of this one object, where the class is dynamic.
        dynamic: Option<Properties>,
    },
    /// §3.13.
    Xml(Text),
    /// §3.14.
    ByteArray(Text),
    /// §3.15 `vector-int-type`.
    VectorInt {
        /// Whether its length may not change.
        fixed: bool,
        /// The elements.
        items: Vec<i32>,
    },
    /// §3.15 `vector-uint-type`.
    VectorUint {
        /// Whether its length may not change.
        fixed: bool,
        /// The elements.
        items: Vec<u32>,
    },
    /// §3.15 `vector-double-type`.
    VectorDouble {
        /// Whether its length may not change.
        fixed: bool,
        /// The elements.
        items: Vec<f64>,
    },
    /// §3.15 `vector-object-type`.
    VectorObject {
        /// Whether its length may not change.
        fixed: bool,
        /// The elements' class; empty or `*` for any.
        class: Text,
        /// The elements.
        items: Vec<Value>,
    },
    /// §3.16.
    Dictionary {
        /// Whether keys are held weakly.
        weak: bool,
        /// Keys and values.
        entries: Vec<(Value, Value)>,
    },
    /// An earlier complex value of the message, by its number (§2.2).
    Reference(u32),
}

mod marker {
    pub(super) const UNDEFINED: u8 = 0x00;
    pub(super) const NULL: u8 = 0x01;
    pub(super) const FALSE: u8 = 0x02;
    pub(super) const TRUE: u8 = 0x03;
    pub(super) const INTEGER: u8 = 0x04;
    pub(super) const DOUBLE: u8 = 0x05;
    pub(super) const STRING: u8 = 0x06;
    pub(super) const XML_DOCUMENT: u8 = 0x07;
    pub(super) const DATE: u8 = 0x08;
    pub(super) const ARRAY: u8 = 0x09;
    pub(super) const OBJECT: u8 = 0x0a;
    pub(super) const XML: u8 = 0x0b;
    pub(super) const BYTE_ARRAY: u8 = 0x0c;
    pub(super) const VECTOR_INT: u8 = 0x0d;
    pub(super) const VECTOR_UINT: u8 = 0x0e;
    pub(super) const VECTOR_DOUBLE: u8 = 0x0f;
    pub(super) const VECTOR_OBJECT: u8 = 0x10;
    pub(super) const DICTIONARY: u8 = 0x11;
}

/// The largest value of a `U29`, §1.3.1.
const U29_MAX: u32 = (1 << 29) - 1;

/// Reads every value of a message; the reference tables span them all.
pub fn decode(bytes: &[u8]) -> Result<Vec<Value>, AmfError> {
    let mut cursor = Cursor::new(bytes, 0);
    let mut budget = Budget::new();
    let mut decoder = Decoder::new(&mut cursor, &mut budget);
    let mut values = Vec::new();
    while decoder.cursor.left() > 0 {
        values.push(decoder.value(0)?);
    }
    Ok(values)
}

/// One value inside an AMF0 message, with tables of its own and the message's budget and depth.
pub(super) fn decode_nested(
    cursor: &mut Cursor<'_>,
    budget: &mut Budget,
    depth: usize,
) -> Result<Value, AmfError> {
    Decoder::new(cursor, budget).value(depth)
}

/// §3.12 `U29O-traits`: what objects of one class share.
#[derive(Clone)]
struct Traits {
    class: Text,
    names: Vec<Text>,
    is_dynamic: bool,
}

/// The head of a complex value, §2.2: a number of an earlier one, or what the value itself begins with.
enum Head {
    Reference(u32),
    Inline(u32),
}

struct Decoder<'c, 'a> {
    cursor: &'c mut Cursor<'a>,
    budget: &'c mut Budget,
    strings: Vec<Text>,
    traits: Vec<Traits>,
    /// Complex values begun so far.
    objects: usize,
}

impl<'c, 'a> Decoder<'c, 'a> {
    fn new(cursor: &'c mut Cursor<'a>, budget: &'c mut Budget) -> Self {
        Self { cursor, budget, strings: Vec::new(), traits: Vec::new(), objects: 0 }
    }

    fn spend(&mut self, nodes: usize) -> Result<(), AmfError> {
        self.budget.spend(nodes).map_err(|kind| self.cursor.fail(kind))
    }

    fn value(&mut self, depth: usize) -> Result<Value, AmfError> {
        if depth > DEPTH_MAX {
            return Err(self.cursor.fail(AmfErrorKind::Depth));
        }
        self.spend(1)?;
        let at = self.cursor.position();
        match self.cursor.u8()? {
            marker::UNDEFINED => Ok(Value::Undefined),
            marker::NULL => Ok(Value::Null),
            marker::FALSE => Ok(Value::Boolean(false)),
            marker::TRUE => Ok(Value::Boolean(true)),
            marker::INTEGER => Ok(Value::Integer(sign_extend(self.u29()?))),
            marker::DOUBLE => Ok(Value::Double(self.cursor.f64()?)),
            marker::STRING => Ok(Value::String(self.text()?)),
            complex @ marker::XML_DOCUMENT..=marker::DICTIONARY => match self.head()? {
                Head::Reference(index) => Ok(Value::Reference(index)),
                Head::Inline(head) => self.complex(complex, head, depth),
            },
            other => Err(AmfError { offset: at, kind: AmfErrorKind::Marker(other) }),
        }
    }

    fn complex(&mut self, marker: u8, head: u32, depth: usize) -> Result<Value, AmfError> {
        let count = head as usize;
        match marker {
            marker::XML_DOCUMENT => Ok(Value::XmlDocument(self.blob(count)?)),
            marker::XML => Ok(Value::Xml(self.blob(count)?)),
            marker::BYTE_ARRAY => Ok(Value::ByteArray(self.blob(count)?)),
            marker::DATE => Ok(Value::Date(self.cursor.f64()?)),
            marker::ARRAY => {
                let named = self.named(depth)?;
                Ok(Value::Array { named, dense: self.values(count, depth)? })
            }
            marker::OBJECT => self.object(head, depth),
            marker::VECTOR_INT => {
                let (fixed, items) = self.numbers(count, depth, i32::from_be_bytes)?;
                Ok(Value::VectorInt { fixed, items })
            }
            marker::VECTOR_UINT => {
                let (fixed, items) = self.numbers(count, depth, u32::from_be_bytes)?;
                Ok(Value::VectorUint { fixed, items })
            }
            marker::VECTOR_DOUBLE => {
                let (fixed, items) = self.numbers(count, depth, f64::from_be_bytes)?;
                Ok(Value::VectorDouble { fixed, items })
            }
            marker::VECTOR_OBJECT => {
                let fixed = self.cursor.u8()? != 0;
                let class = self.text()?;
                Ok(Value::VectorObject { fixed, class, items: self.values(count, depth)? })
            }
            _ => self.dictionary(count, depth),
        }
    }

    /// §1.3.1: seven bits a byte, eight in the fourth.
    fn u29(&mut self) -> Result<u32, AmfError> {
        let mut number = 0u32;
        for _ in 0..3 {
            let byte = self.cursor.u8()?;
            number = number << 7 | u32::from(byte & 0x7f);
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Ok(number << 8 | u32::from(self.cursor.u8()?))
    }

    fn head(&mut self) -> Result<Head, AmfError> {
        let head = self.u29()?;
        if head & 1 == 1 {
            self.objects += 1;
            return Ok(Head::Inline(head >> 1));
        }
        let index = head >> 1;
        self.known(index, self.objects)?;
        Ok(Head::Reference(index))
    }

    fn known(&self, index: u32, len: usize) -> Result<usize, AmfError> {
        let index = index as usize;
        if index >= len {
            return Err(self.cursor.fail(AmfErrorKind::Reference { index, len }));
        }
        Ok(index)
    }

    fn text(&mut self) -> Result<Text, AmfError> {
        let head = self.u29()?;
        if head & 1 == 0 {
            let index = self.known(head >> 1, self.strings.len())?;
            return Ok(self.strings[index].clone());
        }
        let text = self.blob((head >> 1) as usize)?;
        if !text.is_empty() {
            self.strings.push(text.clone());
        }
        Ok(text)
    }

    fn blob(&mut self, length: usize) -> Result<Text, AmfError> {
        Ok(Text::from(self.cursor.take(length)?))
    }

    fn named(&mut self, depth: usize) -> Result<Properties, AmfError> {
        let mut named = Vec::new();
        loop {
            let key = self.text()?;
            if key.is_empty() {
                return Ok(named);
            }
            named.push((key, self.value(depth + 1)?));
        }
    }

    fn values(&mut self, declared: usize, depth: usize) -> Result<Vec<Value>, AmfError> {
        let mut values = Vec::new();
        for _ in 0..self.cursor.count(declared, 1)? {
            values.push(self.value(depth + 1)?);
        }
        Ok(values)
    }

    fn numbers<T, const N: usize>(
        &mut self,
        declared: usize,
        depth: usize,
        read: fn([u8; N]) -> T,
    ) -> Result<(bool, Vec<T>), AmfError> {
        let fixed = self.cursor.u8()? != 0;
        let count = self.cursor.count(declared, N)?;
        // Small here, but each becomes a value of its own, one level deeper, where AMF0 is wanted.
        self.spend(count)?;
        if count > 0 && depth == DEPTH_MAX {
            return Err(self.cursor.fail(AmfErrorKind::Depth));
        }
        let mut items = Vec::new();
        for _ in 0..count {
            items.push(read(self.cursor.array()?));
        }
        Ok((fixed, items))
    }

    fn dictionary(&mut self, declared: usize, depth: usize) -> Result<Value, AmfError> {
        let weak = self.cursor.u8()? != 0;
        let mut entries = Vec::new();
        for _ in 0..self.cursor.count(declared, 2)? {
            let key = self.value(depth + 1)?;
            entries.push((key, self.value(depth + 1)?));
        }
        Ok(Value::Dictionary { weak, entries })
    }

    fn object(&mut self, head: u32, depth: usize) -> Result<Value, AmfError> {
        let Traits { class, names, is_dynamic } = self.object_traits(head)?;
        let mut sealed = Vec::new();
        for name in names {
            sealed.push((name, self.value(depth + 1)?));
        }
        let dynamic = if is_dynamic { Some(self.named(depth)?) } else { None };
        Ok(Value::Object { class, sealed, dynamic })
    }

    /// `head` is the `U29O` without its lowest bit: then 0 traits by reference, 01 traits here, 11
    /// externalizable.
    fn object_traits(&mut self, head: u32) -> Result<Traits, AmfError> {
        if head & 1 == 0 {
            let index = self.known(head >> 1, self.traits.len())?;
            self.spend(self.traits[index].names.len())?;
            return Ok(self.traits[index].clone());
        }
        let class = self.text()?;
        if head & 2 == 2 {
            return Err(self.cursor.fail(AmfErrorKind::Externalizable(class)));
        }
        let count = self.cursor.count((head >> 3) as usize, 1)?;
        self.spend(count)?;
        let mut names = Vec::new();
        for _ in 0..count {
            names.push(self.text()?);
        }
        let traits = Traits { class, names, is_dynamic: head & 4 == 4 };
        self.traits.push(traits.clone());
        Ok(traits)
    }
}

fn sign_extend(number: u32) -> i32 {
    (number << 3).cast_signed() >> 3
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{NODES_MAX, amf0};
    use super::*;

    fn error(bytes: &[u8]) -> AmfErrorKind {
        decode(bytes).unwrap_err().kind
    }

    fn anonymous(dynamic: Properties) -> Value {
        Value::Object { class: Text::default(), sealed: vec![], dynamic: Some(dynamic) }
    }

    #[test]
    fn integers_take_one_to_four_bytes_and_a_sign() {
        let cases: [(&[u8], i32); 6] = [
            (&[4, 0x00], 0),
            (&[4, 0x7f], 127),
            (&[4, 0x81, 0x00], 128),
            (&[4, 0xff, 0xff, 0x7f], 0x1f_ffff),
            (&[4, 0xbf, 0xff, 0xff, 0xff], 0x0fff_ffff),
            (&[4, 0xff, 0xff, 0xff, 0xff], -1),
        ];
        for (bytes, number) in cases {
            assert_eq!(decode(bytes).unwrap(), [Value::Integer(number)]);
            assert_eq!(encode_all(&[Value::Integer(number)]).unwrap(), bytes);
        }
    }

    #[test]
    fn strings_and_traits_are_found_again_by_reference() {
        // An array of "ab", the same string by reference, {ab: true} and a second object by trait reference.
        let bytes = b"\x09\x09\x01\x06\x05ab\x06\x00\x0a\x13\x01\x00\x03\x0a\x01\x02";
        let object = |value| Value::Object {
            class: Text::default(),
            sealed: vec![("ab".into(), Value::Boolean(value))],
            dynamic: None,
        };
        let dense = vec![Value::String("ab".into()), Value::String("ab".into()), object(true), object(false)];
        assert_eq!(decode(bytes).unwrap(), [Value::Array { named: vec![], dense }]);
    }

    #[test]
    fn a_reference_to_what_was_not_sent_is_refused() {
        assert_eq!(error(b"\x06\x02"), AmfErrorKind::Reference { index: 1, len: 0 });
        assert_eq!(error(b"\x0a\x00"), AmfErrorKind::Reference { index: 0, len: 0 });
        assert_eq!(error(b"\x0a\x05"), AmfErrorKind::Reference { index: 1, len: 0 });
        // An array may contain itself: the reference is a number, nothing expands.
        let own = decode(b"\x09\x03\x01\x09\x00").unwrap();
        assert_eq!(own, [Value::Array { named: vec![], dense: vec![Value::Reference(0)] }]);
    }

    #[test]
    fn an_externalizable_class_is_named_in_the_error() {
        let bytes = b"\x0a\x07\x07a.B\x05";
        assert_eq!(error(bytes), AmfErrorKind::Externalizable("a.B".into()));
    }

    #[test]
    fn repeated_references_to_a_long_string_share_its_bytes() {
        let mut bytes = vec![9];
        encode::encode_u29(10_001 << 1 | 1, &mut bytes);
        bytes.push(1);
        encode(&Value::String("x".repeat(60_000).into()), &mut bytes).unwrap();
        bytes.extend([6, 0].repeat(10_000));
        let Value::Array { dense, .. } = decode(&bytes).unwrap().remove(0) else { panic!() };
        let at = |index: usize| match &dense[index] {
            Value::String(text) => text.as_bytes().as_ptr(),
            _ => panic!(),
        };
        assert_eq!(at(0), at(10_000));
    }

    #[test]
    fn depth_nodes_and_counts_are_limited() {
        assert_eq!(error(&[9, 3, 1].repeat(70_000)), AmfErrorKind::Depth);
        assert_eq!(error(&vec![1; NODES_MAX + 1]), AmfErrorKind::Nodes);
        for marker in [9, 0x0c, 0x0d, 0x0f, 0x10, 0x11] {
            let bytes = [marker, 0xff, 0xff, 0xff, 0xff, 1, 1, 1];
            let kind = error(&bytes);
            assert!(
                matches!(kind, AmfErrorKind::Count { .. } | AmfErrorKind::Truncated { .. }),
                "{marker}: {kind:?}"
            );
        }
        let mut vector = vec![0x0d];
        encode::encode_u29(70_000 << 1 | 1, &mut vector);
        vector.resize(4 * 70_000 + 8, 0);
        assert_eq!(error(&vector), AmfErrorKind::Nodes);
        let mut deep = Value::VectorInt { fixed: false, items: vec![1] };
        for _ in 1..DEPTH_MAX {
            deep = Value::Array { named: vec![], dense: vec![deep] };
        }
        let bytes = encode_all(&[deep]).unwrap();
        assert!(decode(&bytes).unwrap().remove(0).into_amf0().is_ok());
        assert_eq!(error(&[&[9, 3, 1], &bytes[..]].concat()), AmfErrorKind::Depth);
        // A class of many names, none of them there: no work is done on its word.
        assert!(matches!(error(b"\x0a\xff\xff\xff\xf3\x01"), AmfErrorKind::Count { .. }));
    }

    #[test]
    fn conversion_to_amf0_keeps_what_amf0_can_say() {
        use amf0::Value as Zero;
        let value = anonymous(vec![
            ("n".into(), Value::Integer(-7)),
            ("b".into(), Value::ByteArray("raw".into())),
            ("v".into(), Value::VectorUint { fixed: true, items: vec![1, 2] }),
            ("d".into(), Value::Dictionary { weak: false, entries: vec![(Value::Integer(3), Value::Null)] }),
            ("r".into(), Value::Reference(0)),
        ]);
        let expected = Zero::object([
            ("n", Zero::Number(-7.0)),
            ("b", "raw".into()),
            ("v", Zero::StrictArray(vec![Zero::Number(1.0), Zero::Number(2.0)])),
            ("d", Zero::EcmaArray(vec![("3".into(), Zero::Null)])),
            ("r", Zero::Unsupported),
        ]);
        assert_eq!(value.into_amf0().unwrap(), expected);
        let mixed =
            Value::Array { named: vec![("k".into(), Value::Boolean(true))], dense: vec![Value::Double(0.5)] };
        let expected =
            Zero::EcmaArray(vec![("k".into(), Zero::Boolean(true)), ("0".into(), Zero::Number(0.5))]);
        assert_eq!(mixed.into_amf0().unwrap(), expected);
        let long = anonymous(vec![("k".repeat(70_000).into(), Value::Null)]);
        assert_eq!(long.into_amf0(), Err(AmfErrorKind::TooLong(70_000)));
    }

    fn text() -> impl Strategy<Value = Text> {
        proptest::collection::vec(any::<u8>(), 0..12).prop_map(|bytes| Text::from(&bytes[..]))
    }

    fn name() -> impl Strategy<Value = Text> {
        proptest::collection::vec(any::<u8>(), 1..12).prop_map(|bytes| Text::from(&bytes[..]))
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Undefined),
            Just(Value::Null),
            any::<bool>().prop_map(Value::Boolean),
            (-(1 << 28)..(1 << 28)).prop_map(Value::Integer),
            prop::num::f64::NORMAL.prop_map(Value::Double),
            prop::num::f64::NORMAL.prop_map(Value::Date),
            text().prop_map(Value::String),
            text().prop_map(Value::Xml),
            text().prop_map(Value::XmlDocument),
            text().prop_map(Value::ByteArray),
            (any::<bool>(), proptest::collection::vec(any::<i32>(), 0..4))
                .prop_map(|(fixed, items)| Value::VectorInt { fixed, items }),
            (any::<bool>(), proptest::collection::vec(any::<u32>(), 0..4))
                .prop_map(|(fixed, items)| Value::VectorUint { fixed, items }),
            (any::<bool>(), proptest::collection::vec(prop::num::f64::NORMAL, 0..4))
                .prop_map(|(fixed, items)| Value::VectorDouble { fixed, items }),
        ];
        leaf.prop_recursive(5, 64, 6, |inner| {
            let properties = proptest::collection::vec((name(), inner.clone()), 0..4).boxed();
            let values = proptest::collection::vec(inner.clone(), 0..4).boxed();
            prop_oneof![
                (properties.clone(), values.clone()).prop_map(|(named, dense)| Value::Array { named, dense }),
                (text(), properties.clone(), proptest::option::of(properties))
                    .prop_map(|(class, sealed, dynamic)| Value::Object { class, sealed, dynamic }),
                (any::<bool>(), text(), values).prop_map(|(fixed, class, items)| Value::VectorObject {
                    fixed,
                    class,
                    items
                }),
                (any::<bool>(), proptest::collection::vec((inner.clone(), inner), 0..4))
                    .prop_map(|(weak, entries)| Value::Dictionary { weak, entries }),
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
        fn what_converts_to_amf0_can_be_written_there(value in value()) {
            let zero = value.into_amf0().unwrap();
            let bytes = amf0::encode_all(std::slice::from_ref(&zero)).unwrap();
            prop_assert_eq!(amf0::decode(&bytes).unwrap(), [zero]);
        }
    }
}
