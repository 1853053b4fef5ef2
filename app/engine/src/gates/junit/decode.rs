//! The characters of a report, from whichever encoding it says that it is in.

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};

use super::Broken;

/// An XML declaration is within so many bytes.
const DECLARATION_BYTES_MAX: usize = 256;

/// The text of a report. Bytes that its encoding does not have are an error: guessing could hide a test.
pub(super) fn decode(bytes: &[u8]) -> Result<Cow<'_, str>, Broken> {
    let (encoding, bytes) = match Encoding::for_bom(bytes) {
        Some((encoding, mark)) => (encoding, &bytes[mark..]),
        None => (declared(bytes)?, bytes),
    };
    if encoding == UTF_8 {
        return match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Cow::Borrowed(text)),
            Err(error) => {
                let good = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
                Err(at(&good, good.len(), "bytes that are not valid UTF-8, which the report says that it is in".to_owned()))
            }
        };
    }
    let text = encoding.decode_without_bom_handling_and_without_replacement(bytes);
    text.ok_or_else(|| at("", 0, format!("bytes that are not valid {}, which the report says that it is in", encoding.name())))
}

/// A place in a text.
pub(super) fn at(text: &str, offset: usize, cause: String) -> Broken {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.bytes().filter(|b| *b == b'\n').count() as u64 + 1;
    let column = before.chars().rev().take_while(|c| *c != '\n').count() as u64 + 1;
    Broken { line, column, cause }
}

/// The encoding that a text without a byte order mark is in.
fn declared(bytes: &[u8]) -> Result<&'static Encoding, Broken> {
    match bytes {
        [0, b'<', ..] => return Ok(UTF_16BE),
        [b'<', 0, ..] => return Ok(UTF_16LE),
        _ => {}
    }
    let Some(label) = label(&bytes[..bytes.len().min(DECLARATION_BYTES_MAX)]) else { return Ok(UTF_8) };
    match Encoding::for_label(label) {
        // That it could be read byte by byte shows that it is not. Files whose writer took the word from a string in memory
        // are common.
        Some(encoding) if encoding == UTF_16LE || encoding == UTF_16BE => Ok(UTF_8),
        Some(encoding) => Ok(encoding),
        None => Err(at("", 0, format!("the encoding {:?} is not known", String::from_utf8_lossy(label)))),
    }
}

/// What stands behind `encoding=` in the XML declaration.
fn label(bytes: &[u8]) -> Option<&[u8]> {
    let bytes = bytes.trim_ascii_start().strip_prefix(b"<?xml")?;
    let declaration = &bytes[..bytes.windows(2).position(|two| two == b"?>")?];
    let behind = declaration.windows(8).position(|word| word == b"encoding")? + 8;
    let value = declaration[behind..].trim_ascii_start().strip_prefix(b"=")?.trim_ascii_start();
    let (quote, value) = value.split_first()?;
    value.split(|b| b == quote).next()
}
