//! The accounting interface: which path and method does what.

use std::sync::{Arc, Mutex};

use axum::{
    body::Bytes,
    extract::{OriginalUri, Path, State},
    http::{HeaderMap, Method},
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};

use super::{
    REALM,
    entity::{ENTITIES, Entity},
    failure::{self, Failure},
    query,
    store::{Record, Store},
};
use crate::{
    core::{Core, hold},
    http::{self, Form},
};

/// One company.
pub(super) struct Company {
    core: Arc<Core>,
    store: Mutex<Store>,
}

impl Company {
    pub(super) fn new(core: Arc<Core>) -> Self {
        Self { core, store: Mutex::new(Store::new()) }
    }

    /// Puts the records of the start back.
    pub(super) fn reset(&self) {
        *hold(&self.store) = Store::new();
    }
}

/// Everything under a company.
pub(super) async fn data(
    State(company): State<Arc<Company>>,
    Path((realm, path)): Path<(String, String)>,
    OriginalUri(uri): OriginalUri,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if company.core.oauth.check(&headers).is_err() {
        return failure::unauthorized();
    }
    if realm != REALM {
        let told =
            Failure::invalid("3100", "message=ApplicationAuthorizationFailed; errorCode=003100; statusCode=403", "");
        return Failure { status: 403, kind: "AUTHORIZATION", ..told }.into_response();
    }
    let query = http::form(uri.query().unwrap_or_default().as_bytes());
    let call = Call { company: &company, method: &method, query: &query, headers: &headers, body: &body };
    let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
    failure::told(call.route(&segments).unwrap_or_else(IntoResponse::into_response))
}

/// Takes a token back: the client in Basic, the token in JSON.
pub(super) async fn revoke(State(company): State<Arc<Company>>, headers: HeaderMap, body: Bytes) -> Response {
    let oauth = &company.core.oauth;
    let client = STANDARD.encode(format!("{}:{}", oauth.client_id, oauth.client_secret));
    if http::header_text(&headers, "authorization") != Some(format!("Basic {client}").as_str()) {
        return http::json(401, &json!({"error": "invalid_client"}));
    }
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    match body.get("token").and_then(Value::as_str) {
        Some(token) if oauth.revoke_grant(token) => http::empty(200),
        _ => http::json(400, &json!({"error": "invalid_request"})),
    }
}

struct Call<'a> {
    company: &'a Company,
    method: &'a Method,
    query: &'a Form,
    headers: &'a HeaderMap,
    body: &'a Bytes,
}

fn unsupported() -> Failure {
    Failure::invalid("500", "Unsupported Operation", "Operation is not supported")
}

impl Call<'_> {
    fn route(&self, segments: &[&str]) -> Result<Response, Failure> {
        match (self.method.as_str(), segments) {
            ("GET", ["companyinfo", realm]) if *realm == REALM => Ok(self.answer(
                "CompanyInfo",
                json!({"Id": "1", "CompanyName": "Sandbox Inc.", "Country": "US", "SyncToken": "0"}),
            )),
            ("GET" | "POST", ["query"]) => self.ask(),
            ("GET", [name, id]) => {
                let entity = kind(name)?;
                let store = hold(&self.company.store);
                let found = store.get(entity, id)?.clone();
                Ok(self.answer(entity.name, Value::Object(found)))
            }
            ("POST", ["taxservice", "taxcode"]) => self.tax(),
            ("POST", [name]) => {
                let entity = kind(name)?;
                if entity.writable() { self.write(entity) } else { Err(unsupported()) }
            }
            _ => Err(unsupported()),
        }
    }

    fn answer(&self, name: &str, value: Value) -> Response {
        let mut answer = Map::new();
        answer.insert(name.to_owned(), value);
        answer.insert("time".to_owned(), self.company.core.now().to_rfc3339().into());
        http::json(200, &Value::Object(answer))
    }

    fn record(&self) -> Result<Record, Failure> {
        let unfit = |told| Failure::invalid("2010", "Request has invalid or unsupported property", told);
        if http::media_type(self.headers).as_deref() != Some("application/json") {
            return Err(unfit("The media type is not supported"));
        }
        match serde_json::from_slice(self.body) {
            Ok(Value::Object(body)) => Ok(body),
            _ => Err(unfit("The body is no JSON object")),
        }
    }

    /// Makes a tax code and the rates it names, or takes rates that are there.
    fn tax(&self) -> Result<Response, Failure> {
        let mut body = self.record()?;
        let now = self.company.core.now();
        let mut store = hold(&self.company.store);
        let name = body.get("TaxCode").and_then(Value::as_str).ok_or_else(|| Failure::required("TaxCode"))?.to_owned();
        let details = body.get_mut("TaxRateDetails").and_then(Value::as_array_mut).filter(|list| !list.is_empty());
        let details = details.ok_or_else(|| Failure::required("TaxRateDetails"))?;
        let (rate, code) = (kind("taxrate")?, kind("taxcode")?);
        let mut rates = Vec::new();
        for detail in details.iter_mut() {
            let text = |name: &str| detail.get(name).and_then(Value::as_str).ok_or_else(|| Failure::required(name));
            let id = if let Some(id) = detail.get("TaxRateId").and_then(Value::as_str) {
                store.get(rate, id)?;
                id.to_owned()
            } else {
                let fresh = json!({
                    "Name": text("TaxRateName")?,
                    "RateValue": detail.get("RateValue").ok_or_else(|| Failure::required("RateValue"))?,
                    "AgencyRef": {"value": text("TaxAgencyId")?}
                });
                let fresh = fresh.as_object().cloned().unwrap_or_default();
                let made = store.create(rate, &fresh, now)?;
                made.get("Id").and_then(Value::as_str).unwrap_or_default().to_owned()
            };
            rates.push(json!({"TaxRateRef": {"value": id}, "TaxTypeApplicable": "TaxOnAmount"}));
            if let Some(detail) = detail.as_object_mut() {
                detail.insert("TaxRateId".to_owned(), id.into());
            }
        }
        let record = json!({"Name": name, "SalesTaxRateList": {"TaxRateDetail": rates}});
        let made = store.create(code, &record.as_object().cloned().unwrap_or_default(), now)?;
        let id = made.get("Id").cloned().unwrap_or_default();
        body.insert("TaxCodeId".to_owned(), id);
        Ok(http::json(200, &Value::Object(body)))
    }

    fn write(&self, entity: &Entity) -> Result<Response, Failure> {
        let body = self.record()?;
        let now = self.company.core.now();
        let mut store = hold(&self.company.store);
        match self.query.get("operation").map(String::as_str) {
            Some("delete") => {
                let id = store.delete(entity, &body)?;
                Ok(self.answer(entity.name, json!({"Id": id, "status": "Deleted", "domain": "QBO"})))
            }
            Some("update") | None => {
                let written = if body.contains_key("Id") {
                    store.update(entity, &body, now)?
                } else {
                    store.create(entity, &body, now)?
                };
                Ok(self.answer(entity.name, Value::Object(written.clone())))
            }
            Some(_) => Err(unsupported()),
        }
    }

    fn ask(&self) -> Result<Response, Failure> {
        let text = if self.method == Method::GET {
            self.query.get("query").cloned().unwrap_or_default()
        } else {
            if http::media_type(self.headers).as_deref() != Some("application/text") {
                return Err(Failure::query("The media type of a query is application/text"));
            }
            String::from_utf8_lossy(self.body).into_owned()
        };
        let query = query::parse(&text)?;
        let store = hold(&self.company.store);
        let found = query.run(store.records(query.entity));
        if query.count {
            return Ok(self.answer("QueryResponse", json!({"totalCount": found.len()})));
        }
        let page: Vec<Value> = found
            .into_iter()
            .skip(query.start - 1)
            .take(query.most)
            .map(|record| Value::Object(record.clone()))
            .collect();
        let mut answer = Map::new();
        // Without records the member is absent.
        if !page.is_empty() {
            answer.insert("startPosition".to_owned(), query.start.into());
            answer.insert("maxResults".to_owned(), page.len().into());
            answer.insert(query.entity.name.to_owned(), page.into());
        }
        Ok(self.answer("QueryResponse", Value::Object(answer)))
    }
}

fn kind(name: &str) -> Result<&'static Entity, Failure> {
    ENTITIES.iter().find(|entity| entity.path() == name).ok_or_else(unsupported)
}
