//! From a hub call's parameters and body to an [`Invocation`]: types, defaults, filters, pages.

use std::sync::Arc;

use http::{HeaderMap, header};
use serde_json::{Map, Value};

use super::{
    call::{Call, CallBody, Resolved, View},
    page,
};
use crate::{
    catalog::{
        Operation,
        hub::{AnswerKind, Location, Parameter, ParameterKind, RequestKind},
        routes::{PARENT, PARENT_ID},
    },
    error::{Error, Kind, Result},
    mapping::{codec::scalar_text, time},
    provider::{Invocation, PageRequest, Parent, Upload},
    query::{self, Expr},
    store::seal::Sealer,
};

/// The page size when the caller names none.
const DEFAULT_PAGE: u64 = 200;
/// The largest page a caller may ask for.
const MAX_PAGE: u64 = 5_000;

/// An invocation, and what has to be remembered for its answer.
pub(super) struct Prepared {
    pub(super) invocation: Invocation,
    /// The file of an upload.
    pub(super) upload: Option<Upload>,
    pub(super) view: View,
    /// A remark for the caller.
    pub(super) remark: Option<String>,
    /// What makes two list calls the same list, for page tokens.
    pub(super) identity: String,
}

/// Validates `call` and makes its invocation.
pub(super) fn prepare(sealer: &Sealer, call: Call, resolved: &Resolved, operation: Arc<Operation>) -> Result<Prepared> {
    let Call { head, body, resolved: _ } = call;
    let hub = &resolved.operation;
    let raw = Raw(&head.query);
    let (mut query, headers) = parameters(hub.parameters.as_slice(), &raw, &head.headers)?;
    let configured = |key: &str| head.instance.configuration.get(key).and_then(scalar_text);
    let native = hub.native
        || (resolved.hub.native
            && configured("response.model").is_some_and(|model| model.eq_ignore_ascii_case("native")));
    let is_list = matches!(hub.answer, AnswerKind::List(_));
    let filter = match raw.one("where").filter(|text| is_list && !text.trim().is_empty()) {
        Some(text) => Some(query::parse(text).map_err(|error| unparsed("where", &error))?),
        None => None,
    };
    let order = match raw.one("orderBy").filter(|text| is_list && !text.trim().is_empty()) {
        Some(text) => query::parse_order_by(text).map_err(|error| unparsed("orderBy", &error))?,
        None => Vec::new(),
    };
    let fields = match raw.one("fields").filter(|text| !text.trim().is_empty()) {
        Some(text) => query::parse_fields(text).map_err(|error| unparsed("fields", &error))?,
        None => Vec::new(),
    };
    let local_filter = parameter_filters(&hub.parameters, &query)?;
    for parameter in &hub.parameters {
        let Some(field) = parameter.implied_by.as_ref().filter(|_| !query.contains_key(&parameter.name)) else {
            continue;
        };
        let filtered = filter.iter().chain(&local_filter).flat_map(Expr::fields);
        let mut named =
            filtered.chain(order.iter().map(|order| order.field.as_str())).chain(fields.iter().map(String::as_str));
        if named.any(|name| name.eq_ignore_ascii_case(field)) {
            query.insert(parameter.name.clone(), Value::Bool(true));
        }
    }
    let identity = || {
        format!(
            "{}|{:?}|{}|{}|{native}|{}",
            hub.id(),
            head.path,
            filter.as_ref().map(ToString::to_string).unwrap_or_default(),
            raw.one("orderBy").unwrap_or_default(),
            hub.parameters
                .iter()
                .filter(|parameter| !matches!(
                    parameter.name.as_str(),
                    "isoDates" | "raw" | "fetchTags" | "calculateFolderPath"
                ))
                .map(|parameter| format!("{}={}", parameter.name, query.get(&parameter.name).unwrap_or(&Value::Null)))
                .collect::<Vec<_>>()
                .join("&"),
        )
    };
    // Only lists have page tokens.
    let identity = if is_list { identity() } else { String::new() };
    let page = if is_list { page_request(sealer, head.instance.id, &identity, &raw)? } else { PageRequest::default() };
    let flag = |name: &str| {
        query.get(name).and_then(Value::as_bool).or_else(|| raw.one(name).and_then(read_flag)).unwrap_or(false)
    };
    let mut view = View::default();
    if query.get("calculateFolderPath") == Some(&Value::Bool(false)) {
        view.without.push("path");
    }
    let (body, upload) = match body {
        CallBody::Json(body) => (checked_body(&hub.request, body)?, None),
        CallBody::Upload(mut upload) => {
            upload.size = query.get("size").and_then(Value::as_u64).or(upload.size);
            (Value::Null, Some(upload))
        }
    };
    // What is only explained needs no file.
    let explained = super::wants_explanation(&head.query)?;
    if matches!(hub.request, RequestKind::Upload { .. }) && upload.is_none() && !explained {
        return Err(Error::new(
            Kind::UnsupportedMediaType,
            "An upload needs a multipart/form-data body with a part `file`",
        ));
    }
    let mut pass = HeaderMap::new();
    for name in [header::RANGE, header::IF_RANGE] {
        if let Some(value) = head.headers.get(&name) {
            pass.insert(name, value.clone());
        }
    }
    let keep_nulls = configured("filter.response.nulls").is_some_and(|text| text.eq_ignore_ascii_case("false"));
    let paths = !view.without.contains(&"path");
    Ok(Prepared {
        remark: left_as_they_are(&operation, &body, native),
        identity,
        upload,
        invocation: Invocation {
            iso_dates: flag("isoDates"),
            raw: flag("raw"),
            count: flag("returnTotalCount") || flag("returnCount"),
            path: resolved.names.clone(),
            parent: parent(resolved),
            deadline: head.deadline,
            operation,
            query,
            headers,
            body,
            pass,
            native,
            fields,
            filter,
            local_filter,
            order,
            page,
            paths,
            without: view.without.clone(),
            keep_nulls,
        },
        view,
    })
}

/// The record that the call is below.
fn parent(resolved: &Resolved) -> Option<Parent> {
    let named = |wanted: &str| resolved.names.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.clone());
    let (name, id) = (named(PARENT)?, named(PARENT_ID)?);
    let relation = resolved.element.relation(&resolved.operation.resource, &name).ok()?;
    Some(Parent { relation: Arc::clone(relation), name, id, ids: resolved.element.ids })
}

fn unparsed(parameter: &str, error: &query::ParseError) -> Error {
    Error::bad_request(format!("Error parsing {parameter}: {error}")).with_detail(parameter, error.to_string())
}

/// The query as it came, looked up by name without case.
struct Raw<'a>(&'a [(String, String)]);

impl<'a> Raw<'a> {
    fn one(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    fn many(&self, name: &str) -> Vec<&'a str> {
        self.0
            .iter()
            .filter(|(known, _)| known.strip_suffix("[]").unwrap_or(known).eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
            .collect()
    }
}

type Values = Map<String, Value>;

/// Reads the declared parameters in their types; what is not declared is not looked at.
fn parameters(declared: &[Parameter], raw: &Raw<'_>, given: &HeaderMap) -> Result<(Values, Values)> {
    let (mut query, mut headers) = (Map::new(), Map::new());
    for parameter in declared {
        let texts: Vec<&str> = match parameter.location {
            Location::Query => raw.many(&parameter.name),
            Location::Header => given.get(&parameter.name).and_then(|value| value.to_str().ok()).into_iter().collect(),
        };
        let texts: Vec<&str> = texts.into_iter().filter(|text| !text.is_empty()).collect();
        let Some(first) = texts.first() else {
            if parameter.required {
                return Err(Error::bad_request(format!("The parameter `{}` is required", parameter.name))
                    .with_detail(parameter.name.clone(), parameter.description.clone()));
            }
            continue;
        };
        let value = match parameter.kind {
            ParameterKind::List => {
                let items =
                    texts.iter().flat_map(|text| text.split(',')).map(str::trim).filter(|item| !item.is_empty());
                Value::Array(items.map(|item| Value::String(item.to_owned())).collect())
            }
            _ => typed(parameter, first)?,
        };
        match parameter.location {
            Location::Query => query.insert(parameter.name.clone(), value),
            Location::Header => headers.insert(parameter.name.clone(), value),
        };
    }
    Ok((query, headers))
}

fn typed(parameter: &Parameter, text: &str) -> Result<Value> {
    let wrong = |wanted: &str| {
        Error::bad_request(parameter.message.clone().unwrap_or_else(|| {
            format!("An invalid value was used for the parameter `{}`: `{text}` is not {wanted}", parameter.name)
        }))
        .with_detail(parameter.name.clone(), format!("should be {wanted}"))
    };
    let value = match parameter.kind {
        ParameterKind::Boolean => Value::Bool(read_flag(text).ok_or_else(|| wrong("true or false"))?),
        ParameterKind::Integer => Value::from(text.trim().parse::<u64>().map_err(|_| wrong("a whole number"))?),
        ParameterKind::Date => {
            time::parse_text(text).ok_or_else(|| wrong("a date like 2024-01-31"))?;
            Value::String(text.trim().to_owned())
        }
        ParameterKind::Text | ParameterKind::Path | ParameterKind::List => Value::String(text.to_owned()),
    };
    if parameter.values.is_empty() {
        return Ok(value);
    }
    let known = parameter.values.iter().find(|known| known.eq_ignore_ascii_case(text.trim()));
    known
        .map(|known| Value::String(known.clone()))
        .ok_or_else(|| wrong(&format!("one of {}", parameter.values.join(", "))))
}

pub(super) fn read_flag(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" => Some(true),
        "false" | "0" | "no" => Some(false),
        _ => None,
    }
}

/// The filter that parameters like `text` and `startDate` mean together.
fn parameter_filters(declared: &[Parameter], query: &Values) -> Result<Option<Expr>> {
    let mut parts = Vec::new();
    for parameter in declared {
        let (Some(template), Some(given)) = (&parameter.filter, query.get(&parameter.name)) else { continue };
        let values = given.as_array().map_or_else(|| std::slice::from_ref(given), Vec::as_slice);
        for value in values.iter().filter_map(scalar_text) {
            let escaped = value.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
            let value = if template.to_ascii_uppercase().contains(" LIKE ") { escaped } else { value };
            let text = template.replace("{}", &value.replace('\'', "''"));
            parts.push(query::parse(&text).map_err(|error| unparsed(&parameter.name, &error))?);
        }
    }
    Ok(Expr::all(parts))
}

/// Which page is wanted: `nextPage` wins over `page`; an empty `nextPage` is none.
fn page_request(sealer: &Sealer, instance: i64, identity: &str, raw: &Raw<'_>) -> Result<PageRequest> {
    let whole = |name: &str| -> Result<Option<u64>> {
        raw.one(name)
            .filter(|text| !text.is_empty())
            .map(|text| {
                text.trim().parse::<u64>().map_err(|_| {
                    Error::bad_request(format!(
                        "An invalid value was used for the parameter `{name}`: `{text}` is not a whole number"
                    ))
                    .with_detail(name, "should be a whole number")
                })
            })
            .transpose()
    };
    let size = whole("pageSize")?;
    if let Some(size) = size.filter(|size| *size == 0 || *size > MAX_PAGE) {
        return Err(Error::bad_request(format!("pageSize {size} is out of range"))
            .with_detail("pageSize", format!("should be 1 to {MAX_PAGE}")));
    }
    if let Some(token) = raw.one("nextPage").filter(|token| !token.is_empty()) {
        let (position, earlier) = page::open(sealer, instance, identity, token)?;
        return Ok(PageRequest { size: size.unwrap_or(earlier), position: Some(position), drop: 0 });
    }
    let number = whole("page")?.unwrap_or(1).max(1);
    let size = size.unwrap_or(DEFAULT_PAGE);
    Ok(PageRequest { size, position: None, drop: (number - 1).saturating_mul(size) })
}

/// The body in the form the operation reads.
fn checked_body(request: &RequestKind, body: Value) -> Result<Value> {
    match request {
        RequestKind::None | RequestKind::Upload { .. } => Ok(Value::Null),
        RequestKind::Record => match body {
            Value::Object(_) => Ok(body),
            _ => Err(Error::bad_request("The body should be a JSON object").with_detail("", "should be an object")),
        },
        RequestKind::Object(members) => {
            let Value::Object(given) = body else {
                return Err(
                    Error::bad_request("The body should be a JSON object").with_detail("", "should be an object")
                );
            };
            let mut error: Option<Error> = None;
            for (name, required) in members {
                if *required && given.get(name).is_none_or(|value| value.is_null() || value.as_str() == Some("")) {
                    let earlier =
                        error.take().unwrap_or_else(|| Error::bad_request(format!("The body needs `{name}`")));
                    error = Some(earlier.with_detail(format!("/{name}"), "is required"));
                }
            }
            match error {
                Some(error) => Err(error),
                None => Ok(Value::Object(given)),
            }
        }
    }
}

/// A remark on fields that an update cannot change.
fn left_as_they_are(operation: &Operation, body: &Value, native: bool) -> Option<String> {
    let body = body.as_object().filter(|_| !native && operation.hub.method != "POST")?;
    let fixed = operation.plan.only_on_create(body);
    (!fixed.is_empty())
        .then(|| format!("{} can only be set when the record is made and was left as it is", fixed.join(", ")))
}
