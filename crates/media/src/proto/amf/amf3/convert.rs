//! AMF3 values as AMF0 ones, for messages that switch formats half way. Nothing is read or written here.

use super::{Properties, Value};
use crate::proto::amf::{AmfErrorKind, Text, amf0};

impl Value {
    /// The nearest AMF0 value: integers become numbers, byte arrays strings, vectors strict arrays,
    /// dictionaries ECMA arrays with their keys as text, and references `Unsupported` (AMF0 numbers its
    /// objects differently). Fails where a name is too long for AMF0.
    pub(in crate::proto::amf) fn into_amf0(self) -> Result<amf0::Value, AmfErrorKind> {
        use amf0::Value as Zero;
        Ok(match self {
            Self::Undefined => Zero::Undefined,
            Self::Null => Zero::Null,
            Self::Boolean(value) => Zero::Boolean(value),
            Self::Integer(number) => Zero::Number(f64::from(number)),
            Self::Double(number) => Zero::Number(number),
            Self::String(text) | Self::ByteArray(text) => Zero::from(text),
            Self::XmlDocument(text) | Self::Xml(text) => Zero::XmlDocument(text),
            Self::Date(ms) => Zero::Date { ms, zone: 0 },
            Self::Array { named, dense } if named.is_empty() => Zero::StrictArray(list(dense)?),
            Self::Array { named, dense } => {
                let mut entries = properties(named)?;
                for (index, value) in dense.into_iter().enumerate() {
                    entries.push((Text::from(index.to_string()), value.into_amf0()?));
                }
                Zero::EcmaArray(entries)
            }
            Self::Object { class, sealed, dynamic } => {
                let mut entries = properties(sealed)?;
                entries.extend(properties(dynamic.unwrap_or_default())?);
                match short(class)? {
                    anonymous if anonymous.is_empty() => Zero::Object(entries),
                    class => Zero::TypedObject { class, properties: entries },
                }
            }
            Self::VectorInt { items, .. } => numbers(items),
            Self::VectorUint { items, .. } => numbers(items),
            Self::VectorDouble { items, .. } => numbers(items),
            Self::VectorObject { items, .. } => Zero::StrictArray(list(items)?),
            Self::Dictionary { entries, .. } => {
                let mut named = Vec::with_capacity(entries.len());
                for (key, value) in entries {
                    named.push((short(key.into_key())?, value.into_amf0()?));
                }
                Zero::EcmaArray(named)
            }
            Self::Reference(_) => Zero::Unsupported,
        })
    }

    /// A dictionary's key as text; what is neither text nor a number has none.
    fn into_key(self) -> Text {
        match self {
            Self::String(text) => text,
            Self::Integer(number) => Text::from(number.to_string()),
            Self::Double(number) => Text::from(number.to_string()),
            Self::Boolean(value) => Text::from(value.to_string()),
            _ => Text::default(),
        }
    }
}

fn short(text: Text) -> Result<Text, AmfErrorKind> {
    if text.len() > usize::from(u16::MAX) {
        return Err(AmfErrorKind::TooLong(text.len()));
    }
    Ok(text)
}

fn numbers<T: Into<f64>>(items: Vec<T>) -> amf0::Value {
    amf0::Value::StrictArray(items.into_iter().map(|item| amf0::Value::Number(item.into())).collect())
}

fn list(values: Vec<Value>) -> Result<Vec<amf0::Value>, AmfErrorKind> {
    values.into_iter().map(Value::into_amf0).collect()
}

fn properties(properties: Properties) -> Result<Vec<(Text, amf0::Value)>, AmfErrorKind> {
    properties.into_iter().map(|(key, value)| Ok((short(key)?, value.into_amf0()?))).collect()
}
