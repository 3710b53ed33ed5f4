//! Commands, §7.2: a name, a transaction, a command object, arguments. Which commands there are is the
//! sessions' knowledge.

use crate::proto::amf::amf0::{self, Value};
use crate::proto::amf::{AmfError, Text};
use crate::proto::rtmp::error::ErrorKind;

/// A call, its result, or a status.
#[derive(Debug, Clone, PartialEq)]
pub struct Command {
    /// What is called, or `_result`, `_error`, `onStatus`.
    pub name: String,
    /// The call's number, repeated by its answer; 0 wants no answer.
    pub transaction: f64,
    /// The command object; [`Value::Null`] where there is none.
    pub object: Value,
    /// What follows it.
    pub arguments: Vec<Value>,
}

impl Command {
    /// A command of these parts.
    pub fn new(name: &str, transaction: f64, object: Value, arguments: Vec<Value>) -> Self {
        Self { name: name.to_owned(), transaction, object, arguments }
    }

    /// Reads a command. Encoders leave out what they do not need, so only the name is required.
    pub(super) fn read(payload: &[u8]) -> Result<Self, ErrorKind> {
        let mut values = amf0::decode(payload)?.into_iter();
        let name = match values.next() {
            Some(Value::String(name)) => {
                name.as_str().ok_or(ErrorKind::NotUtf8("a command's name"))?.to_owned()
            }
            _ => return Err(ErrorKind::CommandName),
        };
        let transaction = values.next().and_then(|value| value.as_f64()).unwrap_or(0.0);
        let object = values.next().unwrap_or(Value::Null);
        Ok(Self { name, transaction, object, arguments: values.collect() })
    }

    pub(super) fn write(&self) -> Result<Vec<u8>, AmfError> {
        let mut out = Vec::new();
        amf0::encode(&Value::String(Text::from(self.name.as_str())), &mut out)?;
        amf0::encode(&Value::Number(self.transaction), &mut out)?;
        amf0::encode(&self.object, &mut out)?;
        self.arguments.iter().try_for_each(|argument| amf0::encode(argument, &mut out))?;
        Ok(out)
    }

    /// The argument as text, where it is a string.
    pub(in crate::proto::rtmp) fn text(&self, index: usize) -> Option<&Text> {
        self.arguments.get(index)?.as_text()
    }

    /// The argument as a number, where it is one.
    pub(in crate::proto::rtmp) fn number(&self, index: usize) -> Option<f64> {
        self.arguments.get(index)?.as_f64()
    }

    /// The argument as a boolean, where it is one.
    pub(in crate::proto::rtmp) fn flag(&self, index: usize) -> Option<bool> {
        self.arguments.get(index)?.as_bool()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_may_leave_out_all_but_its_name() {
        let command = Command::read(b"\x02\x00\x04play").unwrap();
        assert_eq!(command, Command::new("play", 0.0, Value::Null, vec![]));
    }

    #[test]
    fn what_does_not_begin_with_a_name_is_refused() {
        assert_eq!(Command::read(b""), Err(ErrorKind::CommandName));
        assert_eq!(Command::read(b"\x05"), Err(ErrorKind::CommandName));
        assert_eq!(Command::read(b"\x02\x00\x01\xff"), Err(ErrorKind::NotUtf8("a command's name")));
    }
}
