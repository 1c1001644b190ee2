//! Properties: what a record can hold, and which values each of them takes.

mod defaults;

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use serde_json::{Value, json};

pub(super) use self::defaults::properties;

/// The type of a property's values, which are always sent and answered as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Number,
    Date,
    DateTime,
    Choice,
    Flag,
}

impl Kind {
    /// The name in the provider's answers.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Text => "string",
            Self::Number => "number",
            Self::Date => "date",
            Self::DateTime => "datetime",
            Self::Choice => "enumeration",
            Self::Flag => "bool",
        }
    }

    /// The kind with this name.
    pub(super) fn named(name: &str) -> Option<Self> {
        [Self::Text, Self::Number, Self::Date, Self::DateTime, Self::Choice, Self::Flag]
            .into_iter()
            .find(|kind| kind.name() == name)
    }

    /// The ways in which values of this kind can be entered.
    pub(super) fn fields(self) -> &'static [&'static str] {
        match self {
            Self::Text => &["text", "textarea", "phonenumber", "html", "file", "calculation_equation"],
            Self::Number => &["number", "calculation_equation", "calculation_rollup", "text"],
            Self::Date | Self::DateTime => &["date"],
            Self::Choice => &["select", "radio", "checkbox", "booleancheckbox"],
            Self::Flag => &["booleancheckbox", "calculation_equation"],
        }
    }
}

/// One property of an object type.
#[derive(Clone, Debug)]
pub(super) struct Property {
    pub(super) name: String,
    pub(super) label: String,
    pub(super) description: String,
    pub(super) kind: Kind,
    pub(super) field: String,
    pub(super) group: String,
    /// Values and labels; without any, every value of a choice is taken (owners, pipelines).
    pub(super) options: Vec<(String, String)>,
    /// Set by the provider, never by a client.
    pub(super) read_only: bool,
    /// Part of the product, not added by a customer.
    pub(super) built_in: bool,
    /// Two records cannot have the same value.
    pub(super) unique: bool,
    pub(super) stamp: DateTime<Utc>,
}

/// Why a value is not taken: the code and the message.
pub(super) type Unfit = (&'static str, String);

impl Property {
    /// The value as it is kept, or why it is not taken. An empty value clears the property.
    pub(super) fn accept(&self, value: &str) -> Result<String, Unfit> {
        if self.read_only {
            let message = format!("\"{}\" is a read only property; its value cannot be set.", self.name);
            return Err(("READ_ONLY_VALUE", message));
        }
        if value.is_empty() {
            return Ok(String::new());
        }
        match self.kind {
            Kind::Number => match value.trim().parse::<f64>() {
                Ok(number) if number.is_finite() => Ok(value.trim().to_owned()),
                _ => Err(("INVALID_DOUBLE", format!("{value} was not a valid number."))),
            },
            Kind::Date => date(value).map_err(|problem| ("INVALID_DATE", problem)),
            Kind::DateTime => match moment(value) {
                Some(moment) => Ok(written(moment)),
                None => Err(("INVALID_LONG", format!("{value} was not a valid long."))),
            },
            Kind::Flag if !matches!(value, "true" | "false") => {
                Err(("INVALID_BOOLEAN", format!("{value} was not a valid boolean.")))
            }
            Kind::Choice if !self.options.is_empty() => {
                let unknown = value
                    .split(';')
                    .map(str::trim)
                    .filter(|value| !value.is_empty())
                    .find(|value| !self.options.iter().any(|(known, _)| known == value));
                let several = self.field == "checkbox" || !value.contains(';');
                match unknown {
                    None if several => Ok(value.to_owned()),
                    _ => {
                        let allowed: Vec<String> =
                            self.options.iter().map(|(_, label)| format!("label: \"{label}\"")).collect();
                        let shown = unknown.unwrap_or(value);
                        let message = format!("{shown} was not one of the allowed options: [{}]", allowed.join(", "));
                        Err(("INVALID_OPTION", message))
                    }
                }
            }
            Kind::Text if self.name == "email" => {
                if is_email(value) {
                    Ok(value.to_lowercase())
                } else {
                    Err(("INVALID_EMAIL", format!("Email address {value} is invalid")))
                }
            }
            Kind::Text if value.chars().count() > 65_536 => {
                Err(("VALUE_TOO_LONG", "The value is longer than 65536 characters".to_owned()))
            }
            _ => Ok(value.to_owned()),
        }
    }

    /// The property in answers.
    pub(super) fn shown(&self) -> Value {
        let option = |(at, (value, label)): (usize, &(String, String))| json!({"label": label, "value": value, "description": "", "displayOrder": at, "hidden": false});
        let options: Vec<Value> = self.options.iter().enumerate().map(option).collect();
        let stamp = written(self.stamp);
        let mut answer = json!({
            "updatedAt": stamp,
            "createdAt": stamp,
            "name": self.name,
            "label": self.label,
            "type": self.kind.name(),
            "fieldType": self.field,
            "description": self.description,
            "groupName": self.group,
            "options": options,
            "displayOrder": -1,
            "calculated": false,
            "externalOptions": self.kind == Kind::Choice && self.options.is_empty(),
            "archived": false,
            "hasUniqueValue": self.unique,
            "hidden": false,
            "modificationMetadata": {
                "archivable": !self.built_in,
                "readOnlyDefinition": self.built_in,
                "readOnlyOptions": self.built_in && self.read_only,
                "readOnlyValue": self.read_only,
            },
            "formField": !self.read_only,
            "dataSensitivity": "non_sensitive",
        });
        if let Some(members) = answer.as_object_mut().filter(|_| self.built_in) {
            members.insert("hubspotDefined".to_owned(), Value::Bool(true));
        }
        answer
    }
}

/// `2024-01-01T00:00:00.000Z`, the form of every answer.
pub(super) fn written(moment: DateTime<Utc>) -> String {
    moment.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Reads milliseconds since 1970, or an ISO 8601 point in time or day.
pub(super) fn moment(text: &str) -> Option<DateTime<Utc>> {
    if let Ok(ms) = text.parse::<i64>() {
        return DateTime::from_timestamp_millis(ms);
    }
    if let Ok(moment) = DateTime::parse_from_rfc3339(text) {
        return Some(moment.with_timezone(&Utc));
    }
    day(text).map(|day| day.and_time(chrono::NaiveTime::MIN).and_utc())
}

fn day(text: &str) -> Option<NaiveDate> {
    NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().filter(|_| text.len() == 10)
}

/// A day as it is kept: given as such, or as its midnight.
fn date(value: &str) -> Result<String, String> {
    if let Some(day) = day(value) {
        return Ok(day.to_string());
    }
    let moment = moment(value).ok_or_else(|| format!("{value} was not a valid long."))?;
    if moment.time() == chrono::NaiveTime::MIN {
        return Ok(moment.date_naive().to_string());
    }
    Err(format!("{} is at {} UTC, not midnight!", moment.timestamp_millis(), moment.format("%-H:%-M:%-S%.3f")))
}

fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let plain = |text: &str| !text.is_empty() && !text.contains([' ', '@', ',', ';', '<', '>', '(', ')']);
    plain(local) && plain(domain) && domain.contains('.') && domain.split('.').all(|label| !label.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn property(object: &str, name: &str) -> Property {
        properties(object).into_iter().find(|property| property.name == name).unwrap()
    }

    #[test]
    fn keeps_values_in_the_form_of_answers() {
        assert_eq!(property("contacts", "email").accept("A@Example.com").unwrap(), "a@example.com");
        let close = property("deals", "closedate");
        assert_eq!(close.accept("1704067200000").unwrap(), "2024-01-01T00:00:00.000Z");
        assert_eq!(close.accept("2024-01-01").unwrap(), "2024-01-01T00:00:00.000Z");
        assert_eq!(close.accept("2024-01-01T01:00:00+01:00").unwrap(), "2024-01-01T00:00:00.000Z");
        assert_eq!(property("contacts", "date_of_birth").accept("x").unwrap(), "x", "this one is plain text");
        assert_eq!(property("contacts", "loyalty_points").accept("12.5").unwrap(), "12.5");
    }

    #[test]
    fn refuses_unfit_values() {
        let code = |object: &str, name: &str, value: &str| property(object, name).accept(value).unwrap_err().0;
        assert_eq!(code("contacts", "email", "nobody"), "INVALID_EMAIL");
        assert_eq!(code("contacts", "loyalty_points", "many"), "INVALID_DOUBLE");
        assert_eq!(code("contacts", "lifecyclestage", "nonsense"), "INVALID_OPTION");
        assert_eq!(code("contacts", "createdate", "1704067200000"), "READ_ONLY_VALUE");
        assert_eq!(code("deals", "closedate", "soon"), "INVALID_LONG");
        assert_eq!(code("2-1000101", "due", "1704067200001"), "INVALID_DATE");
        assert_eq!(code("2-1000101", "active", "yes"), "INVALID_BOOLEAN");
    }

    #[test]
    fn names_are_unique() {
        for object in super::super::object::OBJECTS {
            let mut names: Vec<_> = properties(object.id).into_iter().map(|property| property.name).collect();
            let before = names.len();
            names.sort();
            names.dedup();
            assert_eq!(names.len(), before, "{}", object.name);
        }
    }
}
