//! The Web API: which path and method does what.

mod lists;

use std::sync::{Arc, Mutex};

use axum::{
    body::Bytes,
    extract::{OriginalUri, State},
    http::{HeaderMap, HeaderName, Method},
    response::{IntoResponse, Response},
};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

use super::{
    API, failure,
    failure::Failure,
    filter, metadata, row,
    schema::{Table, shown},
    seed,
    store::{Row, Store},
};
use crate::{
    core::{Core, hold},
    http::{self, Form},
};

/// The most rows of a page.
const PAGE: usize = 5000;

/// One organization.
pub(super) struct Org {
    core: Arc<Core>,
    store: Mutex<Store>,
}

impl Org {
    pub(super) fn new(core: Arc<Core>) -> Self {
        Self { core, store: Mutex::new(Store::new()) }
    }

    /// Puts the rows of the start back.
    pub(super) fn reset(&self) {
        *hold(&self.store) = Store::new();
    }
}

/// Everything under the interface's root.
pub(super) async fn data(
    State(org): State<Arc<Org>>,
    OriginalUri(uri): OriginalUri,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Ok(access) = org.core.oauth.check(&headers) else { return failure::unauthorized() };
    let path = uri.path().strip_prefix(API).unwrap_or_default();
    let path = percent_decode_str(path.trim_matches('/')).decode_utf8_lossy().into_owned();
    let query = http::form(uri.query().unwrap_or_default().as_bytes());
    let call = Call {
        org: &org,
        method: &method,
        query: &query,
        path: uri.path(),
        headers: &headers,
        body: &body,
        user: seed::user(access.account),
    };
    let answer = call.route(&path).unwrap_or_else(IntoResponse::into_response);
    http::with_header(answer, HeaderName::from_static("odata-version"), "4.0")
}

struct Call<'a> {
    org: &'a Org,
    method: &'a Method,
    query: &'a Form,
    /// The path as it came, for the addresses of further pages.
    path: &'a str,
    headers: &'a HeaderMap,
    body: &'a Bytes,
    user: String,
}

/// `name(key)` as name and key.
fn keyed(segment: &str) -> Option<(&str, &str)> {
    segment.strip_suffix(')')?.split_once('(')
}

fn no_segment(path: &str) -> Failure {
    Failure::query(format!("Resource not found for the segment '{path}'.")).with_status(404)
}

impl Failure {
    fn with_status(self, status: u16) -> Self {
        Self { status, ..self }
    }
}

impl Call<'_> {
    fn route(&self, path: &str) -> Result<Response, Failure> {
        let segments: Vec<&str> = path.split('/').collect();
        match segments.as_slice() {
            ["WhoAmI" | "WhoAmI()"] => {
                let unit = super::store::identifier(9_999);
                Ok(http::json(200, &json!({"UserId": self.user, "BusinessUnitId": unit, "OrganizationId": unit})))
            }
            ["EntityDefinitions"] => {
                let store = hold(&self.org.store);
                self.read_only(&metadata::definitions(&store, &self.org.core.origin, self.query)?)
            }
            [first, rest @ ..] if first.starts_with("EntityDefinitions(") => {
                let store = hold(&self.org.store);
                let name = keyed(first).and_then(|(_, key)| key.strip_prefix("LogicalName='")?.strip_suffix('\''));
                let name = name.ok_or_else(|| no_segment(path))?;
                let unknown = || {
                    Failure::new(
                        404,
                        "0x80060888",
                        format!(
                            "Could not find an entity with name {name} and id 00000000-0000-0000-0000-000000000000."
                        ),
                    )
                };
                let table = store.named(name).ok_or_else(unknown)?;
                match rest {
                    [] => self.read_only(&metadata::definition(table)),
                    ["Attributes"] => self.read_only(&metadata::attributes(table, None)?),
                    ["Attributes", of] => self.read_only(&metadata::attributes(table, Some(of))?),
                    _ => Err(no_segment(path)),
                }
            }
            [list, below] if keyed(list).is_some_and(|(set, _)| set == "lists") => {
                let id = keyed(list).map(|(_, key)| key.to_lowercase()).unwrap_or_default();
                self.of_list(&id, below)
            }
            [set] => {
                let (set, key) = keyed(set).map_or((*set, None), |(set, key)| (set, Some(key)));
                let index = hold(&self.org.store).of_set(set).ok_or_else(|| no_segment(set))?;
                match key {
                    None => self.rows(index),
                    Some(key) => {
                        let groups: Vec<usize> = key.split('-').map(str::len).collect();
                        if groups != [8, 4, 4, 4, 12] {
                            return Err(Failure::query("Bad Request - Error in query syntax."));
                        }
                        self.row(index, &key.to_lowercase())
                    }
                }
            }
            _ => Err(no_segment(path)),
        }
    }

    fn read_only(&self, answer: &Value) -> Result<Response, Failure> {
        if self.method == Method::GET { Ok(http::json(200, answer)) } else { Err(not_allowed()) }
    }

    fn preference(&self, name: &str) -> Option<String> {
        let prefer = http::header_text(self.headers, "prefer")?;
        prefer.split(',').find_map(|one| {
            let (known, value) = one.trim().split_once('=')?;
            (known == name).then(|| value.trim_matches('"').to_owned())
        })
    }

    /// The body, which must be a JSON object and say so.
    fn json(&self) -> Result<Row, Failure> {
        if http::media_type(self.headers).as_deref() != Some("application/json") {
            return Err(Failure::new(415, "0x80060888", "The content type is not supported; application/json is"));
        }
        match serde_json::from_slice(self.body) {
            Ok(Value::Object(members)) => Ok(members),
            _ => Err(Failure::new(400, "0x80048d19", "Error identified in Payload provided by the user: invalid JSON")),
        }
    }

    fn select(&self, table: &Table) -> Result<Option<Vec<String>>, Failure> {
        let Some(text) = self.query.get("$select") else { return Ok(None) };
        let names = text.split(',').map(|name| {
            let name = name.trim();
            table.property(name).map(shown).ok_or_else(|| filter::undeclared(name, table))
        });
        names.collect::<Result<_, _>>().map(Some)
    }

    fn only_options(&self, known: &[&str]) -> Result<(), Failure> {
        match self.query.keys().find(|name| !known.contains(&name.as_str())) {
            None => Ok(()),
            Some(name) if name == "$skip" => Err(Failure::query("Skip Clause is not supported in CRM")),
            Some(name) => Err(Failure::query(format!("The query parameter {name} is not supported"))),
        }
    }

    fn rows(&self, index: usize) -> Result<Response, Failure> {
        match self.method.as_str() {
            "GET" => self.list(index, None),
            "POST" => {
                self.only_options(&["$select"])?;
                let body = self.json()?;
                let mut store = hold(&self.org.store);
                let now = self.org.core.now();
                let id = store.create(index, &body, None, &self.user, now)?;
                self.written(&store, index, &id, 201)
            }
            _ => Err(not_allowed()),
        }
    }

    /// What a write answers: nothing but the address, or the row where the client prefers that.
    fn written(&self, store: &Store, index: usize, id: &str, status: u16) -> Result<Response, Failure> {
        let table = store.table(index).ok_or_else(not_allowed)?;
        let address = format!("{}{API}/{}({id})", self.org.core.origin, table.set);
        let answer = if self.preference("return").as_deref() == Some("representation") {
            let select = self.select(table)?;
            let (version, found) = store.row(table, id).ok_or_else(|| Failure::missing(table.name, id))?;
            let mut shown = self.context(table, true);
            shown.extend(row::whole(table, *version, found, select.as_deref()));
            let answer = http::json(status, &Value::Object(shown));
            http::with_header(answer, HeaderName::from_static("preference-applied"), "return=representation")
        } else {
            http::empty(204)
        };
        Ok(http::with_header(answer, HeaderName::from_static("odata-entityid"), &address))
    }

    fn context(&self, table: &Table, single: bool) -> Map<String, Value> {
        let end = if single { "/$entity" } else { "" };
        let context = format!("{}{API}/$metadata#{}{end}", self.org.core.origin, table.set);
        Map::from_iter([("@odata.context".to_owned(), context.into())])
    }

    /// The rows of a table, or those among these.
    fn list(&self, index: usize, among: Option<&[String]>) -> Result<Response, Failure> {
        self.only_options(&["$select", "$filter", "$orderby", "$top", "$count", "$skiptoken"])?;
        let store = hold(&self.org.store);
        let table = store.table(index).ok_or_else(not_allowed)?;
        let select = self.select(table)?;
        let test = self.query.get("$filter").map(|text| filter::parse(text, table)).transpose()?;
        let orders =
            self.query.get("$orderby").map(|text| filter::orders(text, table)).transpose()?.unwrap_or_default();
        let is_among = |row: &Row| {
            among.is_none_or(|ids| ids.iter().any(|id| row.get(table.key).and_then(Value::as_str) == Some(id)))
        };
        let mut found: Vec<&(u64, Row)> = store
            .rows(table)
            .filter(|(_, row)| is_among(row) && test.as_ref().is_none_or(|test| test.holds(row)))
            .collect();
        let value = |row: &Row, name: &str| row.get(name).cloned().unwrap_or_default();
        found.sort_by(|(_, one), (_, other)| {
            let sides = orders.iter().map(|(column, down)| {
                let order = filter::order(&value(one, column.name), &value(other, column.name));
                if *down { order.reverse() } else { order }
            });
            sides.fold(std::cmp::Ordering::Equal, std::cmp::Ordering::then)
        });
        let number = |name: &str, text: &str| {
            text.parse::<usize>().map_err(|_| Failure::query(format!("Invalid value '{text}' for {name}")))
        };
        let total = found.len();
        if let Some(text) = self.query.get("$top") {
            found.truncate(number("$top", text)?);
        }
        let size = self.preference("odata.maxpagesize").map(|text| number("odata.maxpagesize", &text)).transpose()?;
        let size = size.unwrap_or(PAGE).clamp(1, PAGE);
        let from = match self.query.get("$skiptoken") {
            None => 0,
            Some(cookie) => {
                let page = cookie.strip_prefix("<cookie pagenumber=\"").and_then(|rest| rest.split('"').next());
                let page = page.and_then(|page| page.parse::<usize>().ok()).filter(|page| *page > 1);
                page.ok_or_else(|| Failure::query("Malformed XML in the Paging Cookie"))?
                    .saturating_sub(1)
                    .saturating_mul(size)
            }
        };
        let page: Vec<Value> = found
            .iter()
            .skip(from)
            .take(size)
            .map(|(version, row)| Value::Object(row::whole(table, *version, row, select.as_deref())))
            .collect();
        let mut answer = self.context(table, false);
        if self.query.get("$count").is_some_and(|count| count == "true") {
            answer.insert("@odata.count".to_owned(), total.into());
        }
        let more = from.saturating_add(size) < found.len();
        answer.insert("value".to_owned(), page.into());
        if more {
            let cookie =
                format!("<cookie pagenumber=\"{}\" pagingcookie=\"\" istracking=\"False\" />", from / size + 2);
            let mut link = url::form_urlencoded::Serializer::new(String::new());
            link.extend_pairs(self.query.iter().filter(|(name, _)| name.as_str() != "$skiptoken"));
            link.append_pair("$skiptoken", &cookie);
            let link = format!("{}{}?{}", self.org.core.origin, self.path, link.finish());
            answer.insert("@odata.nextLink".to_owned(), link.into());
        }
        Ok(http::json(200, &Value::Object(answer)))
    }

    fn row(&self, index: usize, id: &str) -> Result<Response, Failure> {
        let mut store = hold(&self.org.store);
        let table = store.table(index).ok_or_else(not_allowed)?;
        let version = store.row(table, id).map(|(version, _)| *version);
        let missing = Failure::missing(table.name, id);
        match self.method.as_str() {
            "GET" => {
                self.only_options(&["$select"])?;
                let select = self.select(table)?;
                let (version, found) = store.row(table, id).ok_or(missing)?;
                let mut shown = self.context(table, true);
                shown.extend(row::whole(table, *version, found, select.as_deref()));
                Ok(http::json(200, &Value::Object(shown)))
            }
            "PATCH" => {
                self.only_options(&["$select"])?;
                let body = self.json()?;
                let now = self.org.core.now();
                match (version, http::header_text(self.headers, "if-match")) {
                    (None, Some(_)) => Err(missing),
                    (Some(_), None) if http::header_text(self.headers, "if-none-match") == Some("*") => {
                        Err(Failure::new(412, "0x80060891", "A record with matching key values already exists."))
                    }
                    (Some(version), Some(tag)) if tag != "*" && tag != row::etag(version) => Err(Failure::new(
                        412,
                        "0x80060882",
                        "The version of the existing record doesn't match the RowVersion property provided.",
                    )),
                    (None, None) => {
                        store.create(index, &body, Some(id), &self.user, now)?;
                        self.written(&store, index, id, 201)
                    }
                    (Some(_), _) => {
                        store.update(index, id, &body, now)?;
                        self.written(&store, index, id, 200)
                    }
                }
            }
            "DELETE" => {
                store.delete(index, id)?;
                Ok(http::empty(204))
            }
            _ => Err(not_allowed()),
        }
    }
}

fn not_allowed() -> Failure {
    Failure::new(405, "0x80060888", "The HTTP method is not supported here")
}
