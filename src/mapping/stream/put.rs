//! Writes a value that a pass found: copied as text where the codec leaves it as it is, read only where it must be.

use std::io::Write as _;

use serde_json::Value;

use super::{
    scan::{Kind, Stop},
    walk::Slot,
};
use crate::mapping::{Codec, time};

/// A value as JSON text.
type Text = Box<[u8]>;

/// A codec, made ready to be applied to text.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Put {
    codec: Codec,
    /// Whether the result is a time that callers may want as RFC 3339.
    timestamp: bool,
    /// Of a list of words, the text of the provider's and of the uniform one; only where text decides.
    words: Vec<(Text, Text)>,
}

/// How records are wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Manner {
    pub(super) iso_dates: bool,
    pub(super) keep_nulls: bool,
}

/// Writes `value` as serde_json does.
pub(super) fn write_json(value: &Value, out: &mut Vec<u8>) {
    // Writing to memory does not fail.
    let written = serde_json::to_writer(out, value);
    debug_assert!(written.is_ok(), "a value that cannot be written");
}

/// The value of a slot as a document.
pub(super) fn document(text: &str, slot: Slot) -> Result<Value, Stop> {
    let text = text.get(slot.start as usize..slot.end as usize).unwrap_or_default();
    // Checked already; what is within many containers is not met here at the same depth.
    serde_json::from_str(text).map_err(|_| Stop::Odd)
}

/// The text of a slot.
#[inline]
fn span(text: &str, slot: Slot) -> &[u8] {
    text.as_bytes().get(slot.start as usize..slot.end as usize).unwrap_or_default()
}

/// Whether equal text means equal values, and other text other ones: not so for fractions and containers.
fn has_one_text(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(_) => true,
        Value::Number(number) => !number.is_f64(),
        Value::String(text) => !text.contains(|c: char| c.is_control() || matches!(c, '"' | '\\')),
        Value::Array(_) | Value::Object(_) => false,
    }
}

impl Put {
    pub(super) fn new(codec: &Codec, timestamp: bool) -> Self {
        let mut words = Vec::new();
        if let Codec::Words { pairs, .. } = codec
            && pairs.iter().all(|(_, provider)| has_one_text(provider))
        {
            let text = |value: &Value| value.to_string().into_bytes().into_boxed_slice();
            words = pairs.iter().map(|(uniform, provider)| (text(provider), text(uniform))).collect();
        }
        Self { codec: codec.clone(), timestamp, words }
    }

    /// Writes the uniform value of `slot`; false when it reads as absent.
    ///
    /// # Errors
    /// When only the whole document can tell.
    #[inline]
    pub(super) fn put(&self, text: &str, slot: Slot, manner: Manner, out: &mut Vec<u8>) -> Result<bool, Stop> {
        if slot.kind == Kind::Absent {
            return Ok(false);
        }
        if slot.kind == Kind::Null {
            if manner.keep_nulls {
                out.extend_from_slice(b"null");
            }
            return Ok(manner.keep_nulls);
        }
        let source = span(text, slot);
        if self.timestamp && manner.iso_dates {
            let usual = slot.kind == Kind::Plain && self.codec == Codec::Timestamp && put_time(inside(source), out);
            return if usual { Ok(true) } else { self.read(text, slot, manner, out) };
        }
        match (&self.codec, slot.kind) {
            (Codec::Text | Codec::Same, Kind::Plain)
            | (Codec::Same | Codec::BooleanText, Kind::True | Kind::False)
            | (Codec::Same | Codec::Integer | Codec::IntegerText | Codec::Number | Codec::NumberText, Kind::Integer) => {
                out.extend_from_slice(source);
            }
            (Codec::Text, Kind::Integer | Kind::True | Kind::False) => put_quoted(source, out),
            (Codec::Text | Codec::Same, Kind::Escaped) => return put_escaped(source, out).map(|()| true),
            (Codec::Same | Codec::Number | Codec::NumberText, Kind::Number) => put_number(source, out)?,
            (Codec::Text, Kind::Number) => {
                out.push(b'"');
                put_number(source, out)?;
                out.push(b'"');
            }
            (Codec::IntegerText | Codec::Integer | Codec::Number | Codec::NumberText, Kind::Plain)
                if is_whole(inside(source)) =>
            {
                out.extend_from_slice(inside(source));
            }
            (Codec::Timestamp, Kind::Plain) => match time::utc_millis(inside(source)) {
                Some(millis) => put_whole(millis, out),
                None => return self.read(text, slot, manner, out),
            },
            (Codec::Date | Codec::DateOfTime, Kind::Plain) if let Some(date) = time::usual_date(inside(source)) => {
                put_quoted(date, out);
            }
            (Codec::DateTime, Kind::Plain) if put_time(inside(source), out) => {}
            (Codec::Words { pass, .. }, Kind::Plain | Kind::Integer | Kind::True | Kind::False)
                if !self.words.is_empty() =>
            {
                match self.words.iter().find(|(provider, _)| **provider == *source) {
                    Some((_, uniform)) => out.extend_from_slice(uniform),
                    None if *pass => out.extend_from_slice(source),
                    None => return Ok(false),
                }
            }
            (Codec::Rooted, Kind::Plain) if source.len() > 2 => out.extend_from_slice(source),
            (Codec::Text, Kind::List | Kind::Object) | (Codec::Ancestors, _) => return Ok(false),
            _ => return self.read(text, slot, manner, out),
        }
        Ok(true)
    }

    /// As [`Self::put`], by way of a document.
    #[inline(never)]
    fn read(&self, text: &str, slot: Slot, manner: Manner, out: &mut Vec<u8>) -> Result<bool, Stop> {
        Ok(self.put_document(&document(text, slot)?, manner, out))
    }

    /// Writes the uniform value of the provider's `value`; false when it reads as absent.
    pub(super) fn put_document(&self, value: &Value, manner: Manner, out: &mut Vec<u8>) -> bool {
        let mut read = self.codec.read(value);
        if self.timestamp
            && manner.iso_dates
            && let Some(millis @ Value::Number(_)) = &read
        {
            read = Codec::DateTime.read(millis);
        } else if read.is_none() && manner.keep_nulls && value.is_null() {
            read = Some(Value::Null);
        }
        match read {
            Some(value) => {
                write_json(&value, out);
                true
            }
            None => false,
        }
    }
}

/// A string without its quotes.
#[inline]
fn inside(source: &[u8]) -> &[u8] {
    source.get(1..source.len().wrapping_sub(1)).unwrap_or_default()
}

/// Whether a text is a whole number as it would be written.
#[inline]
fn is_whole(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    match digits {
        [b'0'] => digits.len() == text.len(),
        [b'1'..=b'9', ..] => digits.len() <= 18 && digits.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}

/// Writes what needs no escapes as a string.
#[inline]
fn put_quoted(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    out.extend_from_slice(text);
    out.push(b'"');
}

fn put_whole(number: i64, out: &mut Vec<u8>) {
    let written = write!(out, "{number}");
    debug_assert!(written.is_ok(), "memory takes everything");
}

/// Writes a time in the form most providers write as RFC 3339 has it; false, and nothing, for another form.
fn put_time(text: &[u8], out: &mut Vec<u8>) -> bool {
    let (Some(millis), Some((head, rest))) = (time::utc_millis(text), text.split_at_checked(19)) else { return false };
    out.push(b'"');
    out.extend_from_slice(head);
    if millis.rem_euclid(1_000) != 0 {
        out.extend_from_slice(rest.get(..4).unwrap_or_default());
    }
    out.extend_from_slice(b"Z\"");
    true
}

/// A string with escapes, which are written as serde_json writes them.
fn put_escaped(source: &[u8], out: &mut Vec<u8>) -> Result<(), Stop> {
    let mut escapes = source.iter();
    let mut usual = true;
    while let Some(byte) = escapes.next() {
        if *byte == b'\\' {
            usual &= matches!(escapes.next(), Some(b'"' | b'\\' | b'n' | b'r' | b't' | b'b' | b'f'));
        }
    }
    if usual {
        out.extend_from_slice(source);
    } else {
        let plain: String = serde_json::from_slice(source).map_err(|_| Stop::Odd)?;
        write_json(&Value::String(plain), out);
    }
    Ok(())
}

/// A number, as serde_json writes it.
fn put_number(source: &[u8], out: &mut Vec<u8>) -> Result<(), Stop> {
    if is_short_decimal(source) {
        out.extend_from_slice(source);
        return Ok(());
    }
    let number: serde_json::Number = serde_json::from_slice(source).map_err(|_| Stop::Odd)?;
    write_json(&Value::Number(number), out);
    Ok(())
}

/// Whether a number has few enough digits to be told from every other by them, and no more than it needs.
fn is_short_decimal(source: &[u8]) -> bool {
    let digits = source.strip_prefix(b"-").unwrap_or(source);
    let Some(point) = digits.iter().position(|byte| *byte == b'.') else { return false };
    let (whole, fraction) = digits.split_at(point);
    let fraction = fraction.get(1..).unwrap_or_default();
    digits.len() <= 16
        && fraction.iter().all(u8::is_ascii_digit)
        && match (whole, fraction) {
            // Small numbers may be written with an exponent, and zero has a sign.
            ([b'0'], [b'0', ..]) => false,
            (_, [b'0']) => true,
            (_, [.., b'0']) => false,
            _ => true,
        }
}
