//! Codecs: conversions of one value that run both ways, or declare that they do not.

mod each;
mod ends;
pub(super) mod pairs;
mod paths;

use std::borrow::Cow;

use serde_json::{Map, Number, Value};

use self::paths::rooted;
pub use self::{
    each::Member,
    ends::Ends,
    pairs::Pairs,
    paths::{decode_path_id, parent, path_id},
};
use super::{ApplyError, CompileError, Path, joined::Joined, media, time};

/// A compiled conversion between the provider's value and the uniform one.
#[derive(Debug, Clone, PartialEq)]
pub enum Codec {
    /// As it is.
    Same,
    /// Any scalar as text; written as text.
    Text,
    /// Digits in text (provider) ↔ a whole number.
    IntegerText,
    /// A decimal in text ↔ a number.
    NumberText,
    /// `"true"`/`"false"` ↔ a boolean.
    BooleanText,
    /// A whole number, also read from text; written as a number.
    Integer,
    /// A number, also read from text; written as a number.
    Number,
    /// Any time the provider writes ↔ epoch milliseconds; written as RFC 3339.
    Timestamp,
    /// Any time ↔ RFC 3339 in UTC.
    DateTime,
    /// Epoch milliseconds in text ↔ RFC 3339.
    DateTimeEpochText,
    /// A calendar date on both sides.
    Date,
    /// A time at the provider ↔ a calendar date (the time of day is midnight UTC when written).
    DateOfTime,
    /// A closed list of words: (uniform, provider).
    Words {
        /// The pairs.
        pairs: Vec<(Value, Value)>,
        /// Whether other values pass as they are.
        pass: bool,
    },
    /// A calendar date at the provider ↔ a time (midnight UTC; the time of day is lost when written).
    DateAsTime,
    /// A whole number ↔ its digits as text.
    Digits,
    /// A text ↔ the same with this put before it.
    Prefix(String),
    /// Text with a separator ↔ a list.
    Split(String),
    /// A list ↔ its first item.
    First,
    /// Whether the provider's value equals this one (read only).
    Equals(Value),
    /// Always this value (read only).
    Constant(Value),
    /// A path ↔ the id made of it: percent-encoded in form style, twice.
    PathId,
    /// The id of a path's parent folder (read only).
    ParentPathId,
    /// An empty provider path ↔ `/`.
    Rooted,
    /// The media type by a file name's ending (read only).
    MediaType,
    /// A file name's ending in lower case, without the dot (read only).
    Extension,
    /// A uniform number that the provider keeps multiplied: cents by 100, fractions of percents by 0.01.
    Scale(f64),
    /// The first or the last name in a full name; what is written joins what is there.
    NamePart {
        /// Whether it is the last name: the last word.
        last: bool,
    },
    /// A text that the provider keeps between two others ↔ the text alone.
    Between(Ends),
    /// A text ↔ the same between two others.
    Around(Ends),
    /// A key of an object store → the path it stands for: `a/b/` is `/a/b` (read only).
    KeyPath,
    /// A path → its last name (read only).
    PathName,
    /// One codec after the other (read only).
    Chain(Vec<Codec>),
    /// A path that the provider does not tell: the gateway makes it, by reading the folders above (read only).
    Ancestors,
    /// A list ↔ for each of its items an object of these members (read only).
    Each(Vec<Member>),
    /// A list ↔ what each of its items has at this path, where it has something (read only).
    Values(Path),
    /// A list of pairs in two members ↔ a list of texts, `name=value`.
    Pairs(Pairs),
    /// A path from a record's ancestors and its own name (read only; the line's path is `$`).
    JoinPath(Box<Joined>),
}

/// The codecs of one word, for error messages and the documentation.
pub const WORDS: &[(&str, Codec)] = &[
    ("same", Codec::Same),
    ("text", Codec::Text),
    ("integerText", Codec::IntegerText),
    ("numberText", Codec::NumberText),
    ("booleanText", Codec::BooleanText),
    ("integer", Codec::Integer),
    ("number", Codec::Number),
    ("timestamp", Codec::Timestamp),
    ("datetime", Codec::DateTime),
    ("datetimeEpochText", Codec::DateTimeEpochText),
    ("date", Codec::Date),
    ("dateOfTime", Codec::DateOfTime),
    ("first", Codec::First),
    ("pathId", Codec::PathId),
    ("parentPathId", Codec::ParentPathId),
    ("rooted", Codec::Rooted),
    ("mediaType", Codec::MediaType),
    ("extension", Codec::Extension),
    ("digits", Codec::Digits),
    ("dateAsTime", Codec::DateAsTime),
    ("ancestors", Codec::Ancestors),
    ("keyPath", Codec::KeyPath),
    ("pathName", Codec::PathName),
];

const STRUCTURED: &[&str] = &[
    "words", "split", "equals", "constant", "scale", "prefix", "namePart", "between", "around", "each", "values",
    "pairs", "joinPath",
];

impl Codec {
    /// Compiles a codec: a word, or an object with one of the structured codecs.
    ///
    /// # Errors
    /// When the word is unknown or its argument has the wrong shape.
    pub fn compile(value: &Value) -> Result<Self, CompileError> {
        match value {
            Value::String(word) => WORDS
                .iter()
                .find(|(known, _)| known == word)
                .map(|(_, codec)| codec.clone())
                .ok_or_else(|| CompileError::new(format!("unknown codec `{word}`")).hint(known_codecs())),
            Value::Object(object) => Self::compile_structured(object),
            Value::Array(codecs) if !codecs.is_empty() => {
                let codecs = codecs.iter().enumerate();
                let compiled = codecs.map(|(at, one)| Self::compile(one).map_err(|error| error.below(&at.to_string())));
                compiled.collect::<Result<_, _>>().map(Self::Chain)
            }
            _ => Err(CompileError::new("a codec is a word, an object, or a list of these").hint(known_codecs())),
        }
    }

    fn compile_structured(object: &Map<String, Value>) -> Result<Self, CompileError> {
        let (word, argument) = object
            .iter()
            .find(|(key, _)| STRUCTURED.contains(&key.as_str()))
            .ok_or_else(|| CompileError::new("no known codec in this object").hint(known_codecs()))?;
        let known = [word.as_str(), "otherwise"];
        only(object, if word == "words" { &known } else { known.get(..1).unwrap_or_default() })?;
        let text = || {
            argument
                .as_str()
                .filter(|text| !text.is_empty())
                .map(str::to_owned)
                .ok_or_else(|| CompileError::new("should be a text that is not empty").below(word))
        };
        match word.as_str() {
            "words" => {
                let pairs = argument.as_object().ok_or_else(|| {
                    CompileError::new("should be an object from uniform words to the provider's").below(word)
                })?;
                let pairs: Vec<(Value, Value)> =
                    pairs.iter().map(|(uniform, provider)| (scalar_key(uniform), provider.clone())).collect();
                for (index, (_, provider)) in pairs.iter().enumerate() {
                    if pairs.iter().skip(index + 1).any(|(_, other)| other == provider) {
                        return Err(CompileError::new(format!(
                            "`{provider}` stands for two words, so it cannot be read back"
                        ))
                        .below(word));
                    }
                }
                let pass = match object.get("otherwise") {
                    None => false,
                    Some(Value::String(word)) if word == "pass" => true,
                    Some(_) => return Err(CompileError::new("the only word here is `pass`").below("otherwise")),
                };
                Ok(Self::Words { pairs, pass })
            }
            "split" => text().map(Self::Split),
            "prefix" => text().map(Self::Prefix),
            "equals" => Ok(Self::Equals(argument.clone())),
            "constant" => Ok(Self::Constant(argument.clone())),
            "scale" => match argument.as_f64() {
                Some(factor) if factor > 0.0 => Ok(Self::Scale(factor)),
                _ => Err(CompileError::new("should be a number above 0").below(word)),
            },
            "between" => Ends::compile(argument).map(Self::Between).map_err(|error| error.below(word)),
            "around" => Ends::compile(argument).map(Self::Around).map_err(|error| error.below(word)),
            "each" => {
                let members = argument.as_object().filter(|members| !members.is_empty()).ok_or_else(|| {
                    CompileError::new("should be an object from members to their paths in an item").below(word)
                })?;
                let member = |(name, source): (&String, &Value)| {
                    Member::compile(name, source).map_err(|error| error.below(name).below(word))
                };
                members.iter().map(member).collect::<Result<_, _>>().map(Self::Each)
            }
            "values" => {
                let path = Path::compile(argument.as_str().unwrap_or_default()).map_err(|error| error.below(word))?;
                Ok(Self::Values(path))
            }
            "pairs" => Pairs::compile(argument).map(Self::Pairs).map_err(|error| error.below(word)),
            "namePart" => match argument.as_str() {
                Some("first") => Ok(Self::NamePart { last: false }),
                Some("last") => Ok(Self::NamePart { last: true }),
                _ => Err(CompileError::new("should be first or last").below(word)),
            },
            _ => {
                if let Some(object) = argument.as_object() {
                    only(object, &["parents", "parent", "name", "then"]).map_err(|error| error.below(word))?;
                }
                let joined = Joined::compile(argument).map_err(|error| error.below(word))?;
                Ok(Self::JoinPath(Box::new(joined)))
            }
        }
    }

    /// Whether values can be written through it.
    pub fn is_two_way(&self) -> bool {
        !matches!(
            self,
            Self::Equals(_)
                | Self::Constant(_)
                | Self::ParentPathId
                | Self::MediaType
                | Self::Extension
                | Self::Ancestors
                | Self::Each(_)
                | Self::Values(_)
                | Self::JoinPath(_)
                | Self::KeyPath
                | Self::PathName
                | Self::Chain(_)
        )
    }

    /// What is lost on the way, for codecs that lose something.
    pub fn loss(&self) -> Option<&'static str> {
        match self {
            Self::First => Some("items after the first are not seen, and are dropped by a write"),
            Self::DateOfTime => Some("the time of day is not seen, and is midnight UTC after a write"),
            Self::DateAsTime => Some("the time of day is not kept"),
            Self::Words { pass: false, .. } => Some("words that are not listed read as absent"),
            Self::Pairs(_) => {
                Some("a text that is there twice is kept once, and one that ends in its first `=` without it")
            }
            Self::NamePart { .. } => Some("the last word reads as the last name, all others as the first"),
            _ => None,
        }
    }

    /// The provider's value as the uniform one; `None` reads as absent.
    pub fn read(&self, value: &Value) -> Option<Value> {
        if value.is_null() && !matches!(self, Self::Constant(_)) {
            return None;
        }
        match self {
            Self::Same => Some(value.clone()),
            Self::Text => Some(Value::String(scalar_text(value)?)),
            Self::IntegerText | Self::Integer => read_integer(value),
            Self::NumberText | Self::Number => read_number(value),
            Self::BooleanText => match value {
                Value::Bool(_) => Some(value.clone()),
                Value::String(text) => match text.to_ascii_lowercase().as_str() {
                    "true" => Some(Value::Bool(true)),
                    "false" => Some(Value::Bool(false)),
                    _ => None,
                },
                _ => None,
            },
            Self::Timestamp => Some(Value::from(time::parse(value)?.timestamp_millis())),
            Self::DateTime | Self::DateTimeEpochText => Some(Value::String(time::rfc3339(time::parse(value)?))),
            Self::Date | Self::DateOfTime => match value.as_str().and_then(time::date) {
                Some(date) => Some(Value::String(date)),
                None => Some(Value::String(time::parse(value)?.format("%Y-%m-%d").to_string())),
            },
            Self::Words { pairs, pass } => pairs
                .iter()
                .find(|(_, provider)| provider == value)
                .map(|(uniform, _)| uniform.clone())
                .or_else(|| pass.then(|| value.clone())),
            Self::Split(separator) => {
                let text = value.as_str()?;
                let items = text.split(separator.as_str()).map(str::trim).filter(|item| !item.is_empty());
                Some(Value::Array(items.map(|item| Value::String(item.to_owned())).collect()))
            }
            Self::First => value.as_array()?.first().filter(|first| !first.is_null()).cloned(),
            Self::Scale(factor) => scaled(value, 1.0 / factor),
            Self::DateAsTime => Self::DateTime.read(value),
            Self::Digits => Some(Value::String(scalar_text(&read_integer(value)?)?)),
            Self::Prefix(prefix) => Some(Value::String(format!("{prefix}{}", scalar_text(value)?))),
            Self::NamePart { last } => {
                let name = value.as_str()?.trim();
                let part = match name.rsplit_once(char::is_whitespace) {
                    Some((first, _)) if !last => first.trim(),
                    Some((_, word)) => word,
                    None if *last => name,
                    None => return None,
                };
                (!part.is_empty()).then(|| Value::String(part.to_owned()))
            }
            Self::Between(ends) => ends.take(value.as_str()?),
            Self::Around(ends) => Some(ends.put(value.as_str()?)),
            Self::Equals(wanted) => Some(Value::Bool(value == wanted)),
            Self::Constant(constant) => Some(constant.clone()),
            Self::PathId => Some(Value::String(path_id(rooted(value.as_str()?)))),
            Self::ParentPathId => parent(rooted(value.as_str()?)).map(|parent| Value::String(path_id(parent))),
            Self::Rooted => Some(Value::String(rooted(value.as_str()?).to_owned())),
            Self::MediaType => media::of_name(value.as_str()?).map(|kind| Value::String(kind.to_owned())),
            Self::Extension => {
                let (stem, ending) = value.as_str()?.rsplit_once('.')?;
                (!stem.is_empty()).then(|| Value::String(ending.to_lowercase()))
            }
            Self::KeyPath => Some(Value::String(format!("/{}", value.as_str()?.trim_matches('/')))),
            Self::PathName => {
                let name = value.as_str()?.trim_end_matches('/').rsplit('/').next()?;
                (!name.is_empty()).then(|| Value::String(name.to_owned()))
            }
            Self::Chain(codecs) => codecs.iter().try_fold(value.clone(), |value, codec| codec.read(&value)),
            // What is above a record is not in it.
            Self::Ancestors => None,
            Self::Each(members) => {
                let item = |item: &Value| members.iter().filter_map(|member| member.read(item)).collect();
                Some(Value::Array(value.as_array()?.iter().map(item).map(Value::Object).collect()))
            }
            Self::Values(path) => {
                Some(Value::Array(value.as_array()?.iter().filter_map(|item| path.get(item).cloned()).collect()))
            }
            Self::Pairs(pairs) => pairs.read(value),
            Self::JoinPath(joined) => joined.read(value),
        }
    }

    /// Joins a written value with what another line has written to the same place.
    pub(super) fn join(&self, there: Option<&Value>, written: Value) -> Value {
        match (self, there.and_then(Value::as_str), written.as_str()) {
            (Self::NamePart { last: true }, Some(first), Some(name)) => Value::String(format!("{first} {name}")),
            (Self::NamePart { last: false }, Some(last), Some(name)) => Value::String(format!("{name} {last}")),
            _ => written,
        }
    }

    /// The uniform value as the provider's; null stays null (it clears the field).
    ///
    /// # Errors
    /// When the value has a type or form this codec does not take.
    pub fn write(&self, value: &Value) -> Result<Value, ApplyError> {
        if value.is_null() {
            return Ok(Value::Null);
        }
        let wrong = |wanted: &str| ApplyError::new(format!("should be {wanted}"));
        match self {
            Self::Same => Ok(value.clone()),
            Self::Text => scalar_text(value).map(Value::String).ok_or_else(|| wrong("a string")),
            Self::IntegerText => {
                let number = read_integer(value).ok_or_else(|| wrong("a whole number"))?;
                Ok(Value::String(number.to_string()))
            }
            Self::NumberText => {
                let number = read_number(value).ok_or_else(|| wrong("a number"))?;
                Ok(Value::String(number.to_string()))
            }
            Self::BooleanText => match self.read(value) {
                Some(Value::Bool(flag)) => Ok(Value::String(flag.to_string())),
                _ => Err(wrong("true or false")),
            },
            Self::Integer => read_integer(value).ok_or_else(|| wrong("a whole number")),
            Self::Number => read_number(value).ok_or_else(|| wrong("a number")),
            Self::Timestamp | Self::DateTime => {
                let time = time::parse(value).ok_or_else(|| wrong("an RFC 3339 time or epoch milliseconds"))?;
                Ok(Value::String(time::rfc3339(time)))
            }
            Self::DateTimeEpochText => {
                let time = time::parse(value).ok_or_else(|| wrong("an RFC 3339 time or epoch milliseconds"))?;
                Ok(Value::String(time.timestamp_millis().to_string()))
            }
            Self::Date => match self.read(value) {
                Some(date) => Ok(date),
                None => Err(wrong("a date like 2024-01-31")),
            },
            Self::DateOfTime => match Self::Date.read(value) {
                Some(Value::String(date)) => Ok(Value::String(format!("{date}T00:00:00Z"))),
                _ => Err(wrong("a date like 2024-01-31")),
            },
            Self::Words { pairs, pass } => pairs
                .iter()
                .find(|(uniform, _)| uniform == value)
                .map(|(_, provider)| provider.clone())
                .or_else(|| pass.then(|| value.clone()))
                .ok_or_else(|| {
                    let known: Vec<_> = pairs.iter().map(|(uniform, _)| plain(uniform)).collect();
                    ApplyError::new(format!("should be one of: {}", known.join(", ")))
                }),
            Self::Split(separator) => match value {
                Value::Array(items) => {
                    let items: Option<Vec<&str>> = items.iter().map(Value::as_str).collect();
                    let items = items.ok_or_else(|| wrong("a list of strings"))?;
                    if items.iter().any(|item| item.contains(separator.as_str())) {
                        return Err(ApplyError::new(format!("items must not contain `{separator}`")));
                    }
                    Ok(Value::String(items.join(separator)))
                }
                Value::String(_) => Ok(value.clone()),
                _ => Err(wrong("a list of strings")),
            },
            Self::First => Ok(Value::Array(vec![value.clone()])),
            Self::Pairs(pairs) => pairs.write(value).ok_or_else(|| wrong("a list of strings")),
            Self::Scale(factor) => scaled(value, *factor).ok_or_else(|| wrong("a number")),
            Self::DateAsTime => Self::Date.read(value).ok_or_else(|| wrong("a time like 2024-01-31T00:00:00Z")),
            Self::Digits => match value {
                Value::String(_) => read_integer(value).ok_or_else(|| wrong("digits in a text, like \"42\"")),
                _ => Err(wrong("digits in a text, like \"42\"")),
            },
            Self::Prefix(prefix) => value
                .as_str()
                .and_then(|text| text.strip_prefix(prefix.as_str()))
                .map(Value::from)
                .ok_or_else(|| wrong(&format!("a text that begins with `{prefix}`"))),
            Self::NamePart { .. } => {
                value.as_str().map(|name| Value::from(name.trim())).ok_or_else(|| wrong("a string"))
            }
            Self::Between(ends) => value.as_str().map(|text| ends.put(text)).ok_or_else(|| wrong("a string")),
            Self::Around(ends) => {
                value.as_str().and_then(|text| ends.take(text)).ok_or_else(|| wrong("a text with its ends"))
            }
            Self::PathId => {
                let id = value.as_str().ok_or_else(|| wrong("a string"))?;
                decode_path_id(id).map(Value::String).ok_or_else(|| wrong("an id made of a path"))
            }
            Self::Rooted => {
                let path = value.as_str().ok_or_else(|| wrong("a path"))?;
                Ok(Value::String(if path == "/" { String::new() } else { path.to_owned() }))
            }
            Self::Equals(_)
            | Self::Constant(_)
            | Self::ParentPathId
            | Self::MediaType
            | Self::Extension
            | Self::KeyPath
            | Self::PathName
            | Self::Chain(_)
            | Self::Ancestors
            | Self::Each(_)
            | Self::Values(_)
            | Self::JoinPath(_) => Err(ApplyError::new("cannot be written")),
        }
    }
}

/// Refuses members that a codec does not have.
fn only(object: &Map<String, Value>, known: &[&str]) -> Result<(), CompileError> {
    match object.keys().find(|key| !known.contains(&key.as_str())) {
        None => Ok(()),
        Some(key) => Err(CompileError::new(format!("unknown key `{key}`"))
            .hint(format!("known here: {}", known.join(", ")))
            .below(key)),
    }
}

fn known_codecs() -> String {
    let words: Vec<&str> = WORDS.iter().map(|(word, _)| *word).chain(STRUCTURED.iter().copied()).collect();
    format!("known: {}", words.join(", "))
}

/// Keys of a `words` object are texts; `true`, `false` and whole numbers mean themselves.
fn scalar_key(key: &str) -> Value {
    match key {
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        _ => key.parse::<i64>().map_or_else(|_| Value::String(key.to_owned()), Value::from),
    }
}

/// A scalar as text.
pub fn scalar_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

/// A value as text: scalars plainly, anything else as JSON.
pub fn plain(value: &Value) -> Cow<'_, str> {
    match value {
        Value::String(text) => Cow::Borrowed(text),
        other => Cow::Owned(scalar_text(other).unwrap_or_else(|| other.to_string())),
    }
}

fn read_integer(value: &Value) -> Option<Value> {
    match value {
        Value::Number(number) if number.is_i64() || number.is_u64() => Some(value.clone()),
        Value::Number(number) => {
            let float = number.as_f64()?;
            // Exact up to 2^53; beyond that a float is no whole number anybody meant.
            #[expect(clippy::cast_possible_truncation, reason = "checked to be whole and within 2^53")]
            (float.fract() == 0.0 && float.abs() < 9_007_199_254_740_992.0).then(|| Value::from(float as i64))
        }
        Value::String(text) => {
            let text = text.trim();
            text.parse::<i64>()
                .map(Value::from)
                .ok()
                .or_else(|| read_integer(&Value::Number(Number::from_f64(text.parse().ok()?)?)))
        }
        _ => None,
    }
}

fn read_number(value: &Value) -> Option<Value> {
    match value {
        Value::Number(_) => Some(value.clone()),
        Value::String(text) => {
            let text = text.trim();
            match text.parse::<i64>() {
                Ok(whole) => Some(Value::from(whole)),
                Err(_) => Number::from_f64(text.parse().ok()?).map(Value::Number),
            }
        }
        _ => None,
    }
}

/// A number times a factor, without the dust of binary fractions.
fn scaled(value: &Value, factor: f64) -> Option<Value> {
    let product = read_number(value)?.as_f64()? * factor;
    let rounded = (product * 1e6).round() / 1e6;
    let number = Value::Number(Number::from_f64(rounded)?);
    read_integer(&number).or(Some(number))
}

#[cfg(test)]
mod tests;
