//! `Content-Disposition`, RFC 6266, with names in any script by RFC 8187.

use std::fmt::Write as _;

use http::HeaderValue;

/// `attachment` under a name. Browsers that know RFC 8187 take `filename*`; the plain one is for the rest.
pub(super) fn attachment(name: &str) -> HeaderValue {
    let plain: String = name.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
    let mut text = format!("attachment; filename=\"{plain}\"");
    if plain != name {
        text.push_str("; filename*=UTF-8''");
        for byte in name.bytes() {
            match is_attr_char(byte) {
                true => text.push(char::from(byte)),
                false => write!(text, "%{byte:02X}").expect("writing to a String does not fail"),
            }
        }
    }
    HeaderValue::try_from(text).expect("every byte is visible ASCII")
}

/// Characters of a quoted string that no reader treats specially; `%` is left out because some decode it there.
fn is_plain(c: char) -> bool {
    (c.is_ascii_graphic() && !matches!(c, '"' | '\\' | '%' | '/' | ':' | ';')) || c == ' '
}

/// RFC 8187 §3.2.1 `attr-char`.
fn is_attr_char(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_any_script_and_hostile_ones() {
        for (name, want) in [
            ("goal.mp4", "attachment; filename=\"goal.mp4\""),
            ("goal 1.mp4", "attachment; filename=\"goal 1.mp4\""),
            ("caf\u{e9}.mp4", "attachment; filename=\"caf_.mp4\"; filename*=UTF-8''caf%C3%A9.mp4"),
            (
                "a\"; x=\r\n.mp4",
                "attachment; filename=\"a__ x=__.mp4\"; filename*=UTF-8''a%22%3B%20x%3D%0D%0A.mp4",
            ),
        ] {
            assert_eq!(attachment(name).to_str().unwrap(), want, "{name:?}");
        }
    }
}
