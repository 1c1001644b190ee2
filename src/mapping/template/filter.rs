//! Filters: one-way conversions at the end of a reference.

use std::borrow::Cow;

use base64::Engine as _;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::mapping::{
    CompileError, codec,
    codec::{Pairs, pairs, plain},
    time,
};

/// A one-way conversion at the end of a reference: `{query.tags|csv}`.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Filter {
    Csv,
    Json,
    Text,
    Integer,
    Lower,
    Upper,
    Base64,
    Rootless,
    Segments,
    Quoted,
    Host,
    UrlPath,
    Backslash,
    MediaType,
    DateTime,
    UpToBar,
    AfterBar,
    LastSegment,
    Default(Value),
    Before(String),
    NamePart(codec::Codec),
    EncodedPath,
    Slashless,
    Relative,
    Prefix,
    /// Members kept: the name each gets, and the name it has.
    Pick(Vec<(String, String)>),
    /// Of each object of a list this member.
    Each(String),
    /// Of each text of a list, `name=value`, an object of the two.
    Pairs(Pairs),
    FormPairs,
}

const FILTERS: &[&str] = &[
    "csv",
    "json",
    "text",
    "integer",
    "lower",
    "upper",
    "base64",
    "rootless",
    "segments",
    "quoted",
    "host",
    "urlPath",
    "backslash",
    "mediaType",
    "encodedPath",
    "slashless",
    "relative",
    "prefix",
    "datetime",
    "upToBar",
    "afterBar",
    "lastSegment",
    "default:…",
    "before:…",
    "namePart:first",
    "namePart:last",
    "pick:…",
    "each:…",
    "pairs:…",
    "formPairs",
];

impl Filter {
    /// Reads the filter `filter` of the reference `source`.
    pub(super) fn compile(filter: &str, source: &str) -> Result<Self, CompileError> {
        // What stands before a value is taken with its blanks.
        if let Some(text) = filter.trim_start().strip_prefix("before:") {
            return Ok(Self::Before(text.to_owned()));
        }
        let filter = filter.trim();
        Ok(match filter {
            "csv" => Self::Csv,
            "json" => Self::Json,
            "text" => Self::Text,
            "integer" => Self::Integer,
            "lower" => Self::Lower,
            "upper" => Self::Upper,
            "base64" => Self::Base64,
            "rootless" => Self::Rootless,
            "segments" => Self::Segments,
            "quoted" => Self::Quoted,
            "host" => Self::Host,
            "urlPath" => Self::UrlPath,
            "backslash" => Self::Backslash,
            "mediaType" => Self::MediaType,
            "encodedPath" => Self::EncodedPath,
            "slashless" => Self::Slashless,
            "relative" => Self::Relative,
            "prefix" => Self::Prefix,
            "datetime" => Self::DateTime,
            "upToBar" => Self::UpToBar,
            "afterBar" => Self::AfterBar,
            "lastSegment" => Self::LastSegment,
            "formPairs" => Self::FormPairs,
            "namePart:first" => Self::NamePart(codec::Codec::NamePart { last: false }),
            "namePart:last" => Self::NamePart(codec::Codec::NamePart { last: true }),
            _ if filter.starts_with("each:") => Self::Each(filter.trim_start_matches("each:").trim().to_owned()),
            _ if filter.starts_with("pairs:") => {
                let (name, value) = filter.trim_start_matches("pairs:").split_once(',').unwrap_or_default();
                Self::Pairs(Pairs::of(name.trim(), value.trim()).ok_or_else(|| {
                    CompileError::new(format!("`{{{source}}}`: `pairs:` needs the names of two members"))
                        .hint("write it like pairs:Key,Value")
                })?)
            }
            _ if filter.starts_with("pick:") => {
                let names =
                    filter.trim_start_matches("pick:").split(',').map(str::trim).filter(|name| !name.is_empty());
                let pairs = names.map(|name| name.split_once('=').unwrap_or((name, name)));
                Self::Pick(pairs.map(|(to, from)| (to.trim().to_owned(), from.trim().to_owned())).collect())
            }
            _ => match filter.strip_prefix("default:") {
                Some(text) => {
                    Self::Default(serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned())))
                }
                None => {
                    return Err(CompileError::new(format!("`{{{source}}}`: unknown filter `{filter}`"))
                        .hint(format!("known: {}", FILTERS.join(", "))));
                }
            },
        })
    }

    /// The value it makes of `value`.
    pub(super) fn apply<'v>(&self, value: Option<Cow<'v, Value>>) -> Option<Cow<'v, Value>> {
        if let Self::Default(default) = self {
            return value.or_else(|| Some(Cow::Owned(default.clone())));
        }
        let value = value?;
        let text = |value: &Value| plain(value).into_owned();
        Some(Cow::Owned(match self {
            Self::Csv => Value::String(csv(&value)),
            Self::Json => Value::String(value.to_string()),
            Self::Text => Value::String(text(&value)),
            Self::Integer => codec::Codec::Integer.read(&value)?,
            Self::Lower => Value::String(text(&value).to_lowercase()),
            Self::Upper => Value::String(text(&value).to_uppercase()),
            Self::Base64 => Value::String(base64::engine::general_purpose::STANDARD.encode(text(&value))),
            Self::Rootless => Value::String(match text(&value).as_str() {
                "/" => String::new(),
                path => path.to_owned(),
            }),
            Self::Quoted => Value::String(text(&value).replace('\'', "''")),
            Self::Host => Value::String(address(&text(&value)).0.to_owned()),
            Self::UrlPath => {
                let text = text(&value);
                let path = address(&text).1.trim_end_matches('/');
                (!path.is_empty()).then(|| Value::String(path.to_owned()))?
            }
            Self::Backslash => Value::String(text(&value).replace('\\', "\\\\").replace('\'', "\\'")),
            Self::MediaType => codec::Codec::MediaType.read(&value)?,
            Self::EncodedPath => {
                let path = text(&value);
                Value::String(path.trim_start_matches('/').split('/').map(segment).collect::<Vec<_>>().join("/"))
            }
            Self::Slashless => Value::String(text(&value).trim_end_matches('/').to_owned()),
            Self::Relative => Value::String(text(&value).trim_matches('/').to_owned()),
            Self::Prefix => Value::String(match text(&value).trim_matches('/') {
                "" => String::new(),
                path => format!("{path}/"),
            }),
            Self::Pick(names) => pick(value.into_owned(), names),
            Self::Each(name) => {
                let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
                Value::Array(items.iter().filter_map(|item| item.get(name.as_str()).cloned()).collect())
            }
            Self::Pairs(pairs) => pairs.write(&value)?,
            Self::FormPairs => {
                let pairs = pairs::parted(&value)?;
                let pair = |(name, value): &(String, String)| format!("{}={}", segment(name), segment(value));
                let form = pairs.iter().map(pair).collect::<Vec<_>>().join("&");
                (!form.is_empty()).then_some(Value::String(form))?
            }
            Self::DateTime => Value::String(time::rfc3339(time::parse(&value)?)),
            Self::UpToBar => Value::String(text(&value).split('|').next().unwrap_or_default().to_owned()),
            Self::AfterBar => Value::String(text(&value).split_once('|')?.1.to_owned()),
            Self::LastSegment => Value::String(text(&value).trim_end_matches('/').rsplit('/').next()?.to_owned()),
            Self::Before(before) => Value::String(format!("{before}{}", text(&value))),
            Self::NamePart(part) => part.read(&value)?,
            // A default was taken before; the parting of segments happens where the path of a call is made.
            Self::Default(_) | Self::Segments => return Some(value),
        }))
    }
}

/// The items of a list parted by commas, or one value.
fn csv(value: &Value) -> String {
    let items = value.as_array().map_or_else(|| std::slice::from_ref(value), Vec::as_slice);
    let mut text = String::new();
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        text.push_str(&plain(item));
    }
    text
}

/// Host and path of an address, with or without a scheme.
fn address(text: &str) -> (&str, &str) {
    let text = text.trim();
    let text = text.split_once("://").map_or(text, |(_, rest)| rest);
    text.find('/').map_or((text, ""), |at| text.split_at(at))
}

/// A segment of a path, percent-encoded.
fn segment(text: &str) -> String {
    const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    utf8_percent_encode(text, UNRESERVED).to_string()
}

/// Of an object, or of each object of a list, only these members, under the names they get.
fn pick(value: Value, names: &[(String, String)]) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.into_iter().map(|item| pick(item, names)).collect()),
        Value::Object(members) => {
            let name = |old: &String| names.iter().find(|(_, from)| from == old).map(|(to, _)| to.clone());
            Value::Object(members.into_iter().filter_map(|(old, value)| Some((name(&old)?, value))).collect())
        }
        other => other,
    }
}
