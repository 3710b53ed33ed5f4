//! `tapeline config`.

use std::io::Write as _;

use super::Stop;
use crate::config::template;

/// Prints the documented template.
pub(super) fn print() -> Result<(), Stop> {
    let text = template::template();
    std::io::stdout().write_all(text.as_bytes()).map_err(|e| Stop::failed(format!("cannot print: {e}")))
}
