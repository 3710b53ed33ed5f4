//! Writing AMF3 values, without the reference tables that only save bytes.

use super::{U29_MAX, Value, marker};
use crate::proto::amf::{AmfError, AmfErrorKind, DEPTH_MAX, Text};

/// Writes one value after what `out` holds, strings and traits always in full. On an error `out` holds
/// part of the value.
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
        Value::Undefined => out.push(marker::UNDEFINED),
        Value::Null => out.push(marker::NULL),
        Value::Boolean(false) => out.push(marker::FALSE),
        Value::Boolean(true) => out.push(marker::TRUE),
        Value::Integer(number) => {
            out.push(marker::INTEGER);
            encode_u29(number.cast_unsigned() & U29_MAX, out);
        }
        Value::Double(number) => {
            out.push(marker::DOUBLE);
            out.extend_from_slice(&number.to_be_bytes());
        }
        Value::String(text) => encode_blob(marker::STRING, text, out)?,
        Value::XmlDocument(text) => encode_blob(marker::XML_DOCUMENT, text, out)?,
        Value::Xml(text) => encode_blob(marker::XML, text, out)?,
        Value::ByteArray(text) => encode_blob(marker::BYTE_ARRAY, text, out)?,
        Value::Date(ms) => {
            out.extend_from_slice(&[marker::DATE, 1]);
            out.extend_from_slice(&ms.to_be_bytes());
        }
        Value::Array { named, dense } => {
            encode_head(marker::ARRAY, dense.len(), out)?;
            encode_named(named, out, depth)?;
            encode_values(dense, out, depth)?;
        }
        Value::Object { class, sealed, dynamic } => {
            encode_traits(class, sealed, dynamic.is_some(), out)?;
            for (_, value) in sealed {
                encode_at(value, out, depth + 1)?;
            }
            if let Some(dynamic) = dynamic {
                encode_named(dynamic, out, depth)?;
            }
        }
        Value::VectorInt { fixed, items } => {
            encode_numbers(marker::VECTOR_INT, *fixed, items, |n| n.to_be_bytes(), out)?;
        }
        Value::VectorUint { fixed, items } => {
            encode_numbers(marker::VECTOR_UINT, *fixed, items, |n| n.to_be_bytes(), out)?;
        }
        Value::VectorDouble { fixed, items } => {
            encode_numbers(marker::VECTOR_DOUBLE, *fixed, items, |n| n.to_be_bytes(), out)?;
        }
        Value::VectorObject { fixed, class, items } => {
            encode_head(marker::VECTOR_OBJECT, items.len(), out)?;
            out.push(u8::from(*fixed));
            encode_text(class, out)?;
            encode_values(items, out, depth)?;
        }
        Value::Dictionary { weak, entries } => {
            encode_head(marker::DICTIONARY, entries.len(), out)?;
            out.push(u8::from(*weak));
            for (key, value) in entries {
                encode_at(key, out, depth + 1)?;
                encode_at(value, out, depth + 1)?;
            }
        }
        // Which of the complex markers leads a reference makes no difference to a reader.
        Value::Reference(index) => {
            out.push(marker::OBJECT);
            encode_u29((*index << 1) & U29_MAX, out);
        }
    }
    Ok(())
}

pub(super) fn encode_u29(number: u32, out: &mut Vec<u8>) {
    let low = |shift: u32| (number >> shift & 0x7f) as u8;
    match number {
        0..=0x7f => out.push(low(0)),
        0x80..=0x3fff => out.extend_from_slice(&[low(7) | 0x80, low(0)]),
        0x4000..=0x1f_ffff => out.extend_from_slice(&[low(14) | 0x80, low(7) | 0x80, low(0)]),
        _ => {
            out.extend_from_slice(&[low(22) | 0x80, low(15) | 0x80, low(8) | 0x80, (number & 0xff) as u8]);
        }
    }
}

/// A length with `flag_bits` low bits of ones for "not a reference".
fn encode_flagged(length: usize, flag_bits: u32, flags: u32, out: &mut Vec<u8>) -> Result<(), AmfError> {
    let length = u32::try_from(length)
        .ok()
        .filter(|length| *length <= U29_MAX >> flag_bits)
        .ok_or(AmfError { offset: out.len(), kind: AmfErrorKind::TooLong(length) })?;
    encode_u29(length << flag_bits | flags, out);
    Ok(())
}

fn encode_head(marker: u8, count: usize, out: &mut Vec<u8>) -> Result<(), AmfError> {
    out.push(marker);
    encode_flagged(count, 1, 1, out)
}

fn encode_text(text: &Text, out: &mut Vec<u8>) -> Result<(), AmfError> {
    encode_flagged(text.len(), 1, 1, out)?;
    out.extend_from_slice(text.as_bytes());
    Ok(())
}

fn encode_blob(marker: u8, text: &Text, out: &mut Vec<u8>) -> Result<(), AmfError> {
    out.push(marker);
    encode_text(text, out)
}

fn encode_traits(
    class: &Text,
    sealed: &[(Text, Value)],
    is_dynamic: bool,
    out: &mut Vec<u8>,
) -> Result<(), AmfError> {
    out.push(marker::OBJECT);
    encode_flagged(sealed.len(), 4, 0b0011 | u32::from(is_dynamic) << 3, out)?;
    encode_text(class, out)?;
    sealed.iter().try_for_each(|(name, _)| encode_text(name, out))
}

fn encode_named(named: &[(Text, Value)], out: &mut Vec<u8>, depth: usize) -> Result<(), AmfError> {
    for (key, value) in named {
        encode_text(key, out)?;
        encode_at(value, out, depth + 1)?;
    }
    out.push(1);
    Ok(())
}

fn encode_values(values: &[Value], out: &mut Vec<u8>, depth: usize) -> Result<(), AmfError> {
    values.iter().try_for_each(|value| encode_at(value, out, depth + 1))
}

fn encode_numbers<T: Copy, const N: usize>(
    marker: u8,
    fixed: bool,
    items: &[T],
    write: fn(T) -> [u8; N],
    out: &mut Vec<u8>,
) -> Result<(), AmfError> {
    encode_head(marker, items.len(), out)?;
    out.push(u8::from(fixed));
    items.iter().for_each(|item| out.extend_from_slice(&write(*item)));
    Ok(())
}
