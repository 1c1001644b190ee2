//! The OData parts of a query, as strict as Graph is with them.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};

use super::failure::{Failure, Outcome};
use crate::http::Form;

/// The most entries of a page.
const PAGE_LIMIT: usize = 999;
const PAGE: usize = 200;

/// `$top`, `$skiptoken`, `$select` and the like.
pub(super) struct Query {
    pub(super) form: Form,
}

impl Query {
    /// Reads a query; options that the call does not have are refused.
    pub(super) fn read(form: Form, known: &[&str]) -> Outcome<Self> {
        match form.keys().find(|key| key.starts_with('$') && !known.contains(&key.as_str())) {
            Some(key) => Err(Failure::invalid(format!("The query option '{key}' is not supported here."))),
            None => Ok(Self { form }),
        }
    }

    fn top(&self) -> Outcome<usize> {
        match self.form.get("$top").map(|text| text.parse()) {
            None => Ok(PAGE),
            Some(Ok(top)) if (1..=PAGE_LIMIT).contains(&top) => Ok(top),
            Some(_) => Err(Failure::invalid("Invalid value for $top: it goes from 1 to 999.")),
        }
    }

    /// A page of `items`, with the absolute address of the next one.
    pub(super) fn page(&self, origin: &str, path: &str, items: Vec<Value>) -> Outcome<Value> {
        let top = self.top()?;
        let start = match self.form.get("$skiptoken") {
            None => 0,
            Some(token) => {
                let bytes = URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
                let place = bytes.and_then(|text| text.strip_prefix("p=")?.parse::<usize>().ok());
                place.ok_or_else(|| Failure::invalid("The skip token is not valid."))?
            }
        };
        let more = items.len() > start.saturating_add(top);
        let value: Vec<Value> =
            items.into_iter().skip(start).take(top).map(|item| self.selected(item)).collect::<Outcome<_>>()?;
        let mut page = Map::new();
        page.insert("@odata.context".to_owned(), json!(format!("{origin}/v1.0/$metadata#Collection(driveItem)")));
        if more {
            let mut link = url::form_urlencoded::Serializer::new(String::new());
            for (name, text) in self.form.iter().filter(|(name, _)| *name != "$skiptoken") {
                link.append_pair(name, text);
            }
            link.append_pair("$skiptoken", &URL_SAFE_NO_PAD.encode(format!("p={}", start + top)));
            page.insert("@odata.nextLink".to_owned(), json!(format!("{origin}{path}?{}", link.finish())));
        }
        page.insert("value".to_owned(), Value::Array(value));
        Ok(Value::Object(page))
    }

    /// The members of an item that `$select` names.
    pub(super) fn selected(&self, item: Value) -> Outcome<Value> {
        let (Some(select), Value::Object(members)) = (self.form.get("$select"), &item) else { return Ok(item) };
        let wanted: Vec<&str> = select.split(',').map(str::trim).collect();
        let plain =
            |name: &&&str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "@._".contains(c));
        if wanted.iter().filter(plain).count() != wanted.len() {
            return Err(Failure::invalid("Parsing OData Select and Expand failed."));
        }
        let kept = members.iter().filter(|(name, _)| wanted.contains(&name.as_str()) || name.starts_with("@odata."));
        Ok(Value::Object(kept.map(|(name, value)| (name.clone(), value.clone())).collect()))
    }
}
