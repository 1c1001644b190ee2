//! One call of the provider's as it is shown.

use secrecy::ExposeSecret;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::super::{
    Connection, Engine,
    request::unfilled,
    scope::{CallScope, MASK},
};
use crate::{
    catalog::{
        Authentication, Call, Element,
        call::{CallBody, CallPath, Part},
    },
    error::{Error, Result},
    mapping::TextTemplate,
    upstream::{Body, url as outbound},
};

/// Secrets shorter than this are words that anything may hold; the scope has masked them where they are used.
const TELLING: usize = 6;

impl Engine {
    /// What `call` sends, without credentials and without a file.
    pub(super) fn shown(
        &self,
        element: &Element,
        connection: &Connection,
        call: &Call,
        scope: &CallScope<'_>,
    ) -> Result<Map<String, Value>> {
        let follows = match &call.path {
            CallPath::Given(reference) | CallPath::Elsewhere(reference) if reference.is_open(scope) => Some(reference),
            _ => None,
        };
        let bare;
        let sent = if follows.is_some() {
            let path = CallPath::Template(TextTemplate::compile("").map_err(Error::internal)?);
            bare = Call { path, ..call.clone() };
            &bare
        } else {
            call
        };
        let request = self.request(element, connection, sent, scope, Instant::now())?;
        let mut address = request.url.clone();
        address.set_query(None);
        let mut url = follows.map_or_else(|| address.to_string(), crate::mapping::template::Reference::placeholder);
        call.visit(&mut |reference| {
            if reference.is_open(scope) {
                let placeholder = reference.placeholder();
                url = url.replace(&outbound::component(&placeholder), &placeholder);
            }
        });
        let mut told = Map::new();
        told.insert("method".to_owned(), json!(request.method.as_str()));
        told.insert("url".to_owned(), json!(url));
        let mut query = Map::new();
        for (name, value) in request.url.query_pairs() {
            match query.get_mut(&*name) {
                None => drop(query.insert(name.into_owned(), json!(value))),
                Some(Value::Array(several)) => several.push(json!(value)),
                Some(one) => *one = json!([one.take(), value]),
            }
        }
        if !query.is_empty() {
            told.insert("query".to_owned(), Value::Object(query));
        }
        let headers: Map<String, Value> = request
            .headers
            .iter()
            .map(|(name, value)| (name.as_str().to_owned(), json!(String::from_utf8_lossy(value.as_bytes()))))
            .collect();
        told.insert("headers".to_owned(), Value::Object(headers));
        if call.authenticated && *element.authentication.of(&connection.configuration) != Authentication::None {
            told.insert("credentials".to_owned(), json!("of the instance"));
        }
        if let Some(body) = body(call, &request.body, scope)? {
            told.insert("body".to_owned(), body);
        }
        Ok(told)
    }
}

/// The body of a call: JSON as it is, a form as an object, a file by name only.
fn body(call: &Call, sent: &Body, scope: &CallScope<'_>) -> Result<Option<Value>> {
    Ok(match (&call.body, sent) {
        (CallBody::File, _) => Some(json!("{file}")),
        (CallBody::Multipart(parts), _) => {
            Some(Value::Array(parts.iter().map(|part| shown_part(part, scope)).collect::<Result<_>>()?))
        }
        (CallBody::Form(_), Body::Bytes(bytes)) => {
            let pairs = url::form_urlencoded::parse(bytes);
            Some(Value::Object(pairs.map(|(name, value)| (name.into_owned(), json!(value))).collect()))
        }
        (CallBody::Json(_), Body::Bytes(bytes)) => Some(serde_json::from_slice(bytes).map_err(Error::internal)?),
        _ => None,
    })
}

fn shown_part(part: &Part, scope: &CallScope<'_>) -> Result<Value> {
    let text = |template: &Option<TextTemplate>| match template {
        Some(template) => template.render(scope).map_err(|error| unfilled(&error)),
        None => Ok(None),
    };
    let mut told = Map::new();
    let mut tell = |name: &str, value: Option<String>| value.map(|value| told.insert(name.to_owned(), json!(value)));
    tell("name", part.name.clone());
    tell("fileName", text(&part.file_name)?);
    tell("contentType", text(&part.content_type)?);
    let holds = match &part.json {
        Some(json) => json.render(scope).map_err(|error| unfilled(&error))?.unwrap_or_default(),
        None => json!("{file}"),
    };
    told.insert("holds".to_owned(), holds);
    Ok(Value::Object(told))
}

/// Takes every secret of the instance out of all texts, wherever it came from.
pub(super) fn mask(told: &mut Value, connection: &Connection) {
    match told {
        Value::String(text) => {
            for secret in connection.secrets.values().map(ExposeSecret::expose_secret) {
                if secret.len() >= TELLING && text.contains(secret) {
                    *text = text.replace(secret, MASK);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| mask(item, connection)),
        Value::Object(members) => members.values_mut().for_each(|member| mask(member, connection)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
