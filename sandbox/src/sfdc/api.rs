//! The REST interface: which path and method does what.

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::{OriginalUri, State},
    http::{HeaderMap, HeaderName, Method},
    response::{IntoResponse, Response},
};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

use super::{
    API, VERSION, describe,
    failure::{Failure, session},
    org::{Caller, DAILY_CALLS, ORGANIZATION, Org, page_size, user_id},
    schema::Object,
    service, time,
};
use crate::http::{self, Form};

/// Everything under `/services/data`.
pub(super) async fn data(
    State(org): State<Arc<Org>>,
    OriginalUri(uri): OriginalUri,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let path = uri.path().strip_prefix("/services/data").unwrap_or_default();
    let segments: Vec<String> = path
        .split('/')
        .filter(|segment| !segment.is_empty())
        .map(|segment| percent_decode_str(segment).decode_utf8_lossy().into_owned())
        .collect();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let query = http::form(uri.query().unwrap_or_default().as_bytes());
    let call = Call { org: &org, method: &method, query: &query, headers: &headers, body: &body };
    match segments.split_first() {
        None => call.versions().unwrap_or_else(IntoResponse::into_response),
        Some((version, rest)) => {
            // Who is not let in is not counted.
            let caller = match call.caller() {
                Ok(caller) => caller,
                Err(failure) => return failure.into_response(),
            };
            let known = *version == format!("v{VERSION}");
            let answer = if known { call.route(rest, &caller) } else { Err(Failure::missing()) };
            let usage = format!("api-usage={}/{DAILY_CALLS}", org.count());
            let answer = answer.unwrap_or_else(IntoResponse::into_response);
            http::with_header(answer, HeaderName::from_static("sforce-limit-info"), &usage)
        }
    }
}

/// One call.
struct Call<'a> {
    org: &'a Org,
    method: &'a Method,
    query: &'a Form,
    headers: &'a HeaderMap,
    body: &'a Bytes,
}

impl Call<'_> {
    /// Who calls; refuses tokens that are not valid or not for this interface.
    fn caller(&self) -> Result<Caller, Failure> {
        let access = self.org.core.oauth.check(self.headers).map_err(|_| session())?;
        let scopes = access.scope.as_deref().unwrap_or("api");
        if !scopes.split_whitespace().any(|scope| matches!(scope, "api" | "full" | "web")) {
            let message = "This session is not valid for use with the REST API";
            return Err(Failure::new(403, "INVALID_SESSION_ID", message));
        }
        Ok(Caller { user: user_id(access.account), now: self.org.core.now() })
    }

    fn route(&self, segments: &[&str], caller: &Caller) -> Result<Response, Failure> {
        match segments {
            [] => self.only("GET", || Ok(http::json(200, &self.resources(caller)))),
            ["sobjects"] => self.only("GET", || Ok(http::json(200, &describe::global(&self.org.schema)))),
            ["sobjects", object] => self.object(self.org.object(object)?, caller),
            ["sobjects", object, "describe"] => {
                let object = self.org.object(object)?;
                self.only("GET", || Ok(http::json(200, &describe::full(object, &self.org.schema))))
            }
            ["sobjects", object, kind @ ("deleted" | "updated")] => {
                let object = self.org.object(object)?;
                let side = |name: &str| {
                    let text = self.query.get(name).map(String::as_str).unwrap_or_default();
                    time::moment(text)
                        .ok_or_else(|| Failure::bad("MALFORMED_QUERY", format!("{name} is no date and time: {text}")))
                };
                self.only("GET", || {
                    Ok(http::json(200, &self.org.changed(object, *kind == "deleted", side("start")?, side("end")?)?))
                })
            }
            ["sobjects", object, id, relation]
                if object.eq_ignore_ascii_case("Case") && relation.eq_ignore_ascii_case("CaseComments") =>
            {
                let fields = self.query.get("fields").map(String::as_str);
                self.only("GET", || Ok(http::json(200, &service::comments(self.org, id, fields, self.page(), caller)?)))
            }
            ["knowledgeManagement", "articleVersions", "masterVersions", id] => self.only("PATCH", || {
                service::publish(self.org, id, &self.json()?, caller)?;
                Ok(http::empty(204))
            }),
            ["support", "dataCategoryGroups"] => self.only("GET", || {
                Ok(http::json(200, &service::categories(self.query.get("sObjectName").map(String::as_str))?))
            }),
            ["sobjects", object, id] => self.record(self.org.object(object)?, id, caller),
            ["sobjects", object, field, value] => self.keyed(self.org.object(object)?, field, value, caller),
            [name @ ("query" | "queryAll")] => self.only("GET", || {
                let text = self.query.get("q").map(String::as_str).unwrap_or_default();
                Ok(http::json(200, &self.org.query(text, *name == "queryAll", self.page(), caller)?))
            }),
            ["query" | "queryAll", locator] => {
                self.only("GET", || Ok(http::json(200, &self.org.more(locator, self.page())?)))
            }
            ["limits"] => self.only("GET", || Ok(http::json(200, &limits(self.org.calls())))),
            _ => Err(Failure::missing()),
        }
    }

    fn versions(&self) -> Result<Response, Failure> {
        let version = json!([{"label": "Winter '24", "url": API, "version": VERSION}]);
        self.only("GET", || Ok(http::json(200, &version)))
    }

    fn resources(&self, caller: &Caller) -> Value {
        json!({
            "identity": format!("{}/id/{ORGANIZATION}/{}", self.org.core.origin, caller.user),
            "sobjects": format!("{API}/sobjects"),
            "query": format!("{API}/query"),
            "queryAll": format!("{API}/queryAll"),
            "limits": format!("{API}/limits"),
        })
    }

    /// Refuses every method but one.
    fn only(&self, method: &str, answer: impl FnOnce() -> Result<Response, Failure>) -> Result<Response, Failure> {
        if self.method.as_str() == method { answer() } else { Err(self.not_allowed(&format!("{method},HEAD"))) }
    }

    fn not_allowed(&self, allowed: &str) -> Failure {
        let message = format!("HTTP Method '{}' not allowed. Allowed are {allowed}", self.method);
        Failure::new(405, "METHOD_NOT_ALLOWED", message)
    }

    fn page(&self) -> usize {
        page_size(http::header_text(self.headers, "sforce-query-options"))
    }

    /// The body, which must be a JSON object and say so.
    fn json(&self) -> Result<Map<String, Value>, Failure> {
        let media = http::media_type(self.headers);
        if media.as_deref() != Some("application/json") {
            let shown = media.unwrap_or_else(|| "application/octet-stream".to_owned());
            return Err(Failure::new(415, "UNSUPPORTED_MEDIA_TYPE", format!("Content type '{shown}' not supported")));
        }
        if self.body.iter().all(u8::is_ascii_whitespace) {
            let message = "The HTTP entity body is required, but this request has no entity body.";
            return Err(Failure::bad("JSON_PARSER_ERROR", message));
        }
        match serde_json::from_slice(self.body) {
            Ok(Value::Object(members)) => Ok(members),
            Ok(_) => {
                Err(Failure::bad("JSON_PARSER_ERROR", "Can not deserialize: unexpected array at [line:1, column:1]"))
            }
            Err(error) => {
                let message = format!("Unexpected character at [line:{}, column:{}]", error.line(), error.column());
                Err(Failure::bad("JSON_PARSER_ERROR", message))
            }
        }
    }

    fn object(&self, object: &Object, caller: &Caller) -> Result<Response, Failure> {
        match self.method.as_str() {
            "GET" => Ok(http::json(200, &self.org.root(object))),
            "POST" => {
                let id = self.org.create(object, &self.json()?, caller)?;
                let answer = http::json(201, &json!({"id": id, "success": true, "errors": []}));
                let location = format!("{API}/sobjects/{}/{id}", object.name);
                Ok(http::with_header(answer, axum::http::header::LOCATION, &location))
            }
            _ => Err(self.not_allowed("GET,HEAD,POST")),
        }
    }

    fn record(&self, object: &Object, id: &str, caller: &Caller) -> Result<Response, Failure> {
        match self.method.as_str() {
            "GET" => {
                let fields = self.query.get("fields").map(String::as_str).filter(|fields| !fields.trim().is_empty());
                Ok(http::json(200, &self.org.read(object, id, fields)?))
            }
            "PATCH" => {
                self.org.update(object, id, &self.json()?, caller)?;
                Ok(http::empty(204))
            }
            "DELETE" if object.deletable => {
                self.org.delete(object, id, caller)?;
                Ok(http::empty(204))
            }
            _ => Err(self.not_allowed("DELETE,GET,HEAD,PATCH")),
        }
    }

    /// A record found by the value of an external key.
    fn keyed(&self, object: &Object, field: &str, value: &str, caller: &Caller) -> Result<Response, Failure> {
        let found = self.org.by_key(object, field, value)?;
        match (self.method.as_str(), found) {
            ("PATCH", Some(id)) => {
                let body = self.keyless(field)?;
                self.org.update(object, &id, &body, caller)?;
                Ok(http::json(200, &json!({"id": id, "success": true, "errors": [], "created": false})))
            }
            ("PATCH", None) => {
                let mut body = self.keyless(field)?;
                body.insert(field.to_owned(), value.into());
                let id = self.org.create(object, &body, caller)?;
                Ok(http::json(201, &json!({"id": id, "success": true, "errors": [], "created": true})))
            }
            (_, Some(id)) => self.record(object, &id, caller),
            (_, None) => Err(Failure::missing()),
        }
    }

    /// The body of an upsert, which must not repeat the key.
    fn keyless(&self, field: &str) -> Result<Map<String, Value>, Failure> {
        let body = self.json()?;
        if body.keys().any(|name| name.eq_ignore_ascii_case(field)) {
            let message = format!("The {field} field should not be specified in the sobject data.");
            return Err(Failure::bad("INVALID_FIELD", message));
        }
        Ok(body)
    }
}

/// `/services/oauth2/userinfo` and the identity address of token answers.
pub(super) async fn identity(
    State(org): State<Arc<Org>>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
) -> Response {
    let Ok(access) = org.core.oauth.check(&headers) else {
        return http::raw(403, "text/html; charset=UTF-8", "Bad_OAuth_Token");
    };
    let id = user_id(access.account);
    let own = format!("/id/{ORGANIZATION}/{id}");
    if uri.path().starts_with("/id/") && uri.path() != own {
        return http::raw(403, "text/html; charset=UTF-8", "Wrong_Id");
    }
    let user = org.user(access.account);
    let text = |name: &str| user.get(name).and_then(Value::as_str).unwrap_or_default();
    let origin = &org.core.origin;
    let mut answer = json!({
        "user_id": id,
        "organization_id": ORGANIZATION,
        "nick_name": text("CommunityNickname"),
        "email": text("Email"),
        "email_verified": true,
        "active": user.get("IsActive"),
        "user_type": "STANDARD",
        "language": text("LanguageLocaleKey"),
        "locale": text("LocaleSidKey"),
        "zoneinfo": text("TimeZoneSidKey"),
        "urls": {
            "rest": format!("{origin}/services/data/v{{version}}/"),
            "sobjects": format!("{origin}/services/data/v{{version}}/sobjects/"),
            "query": format!("{origin}/services/data/v{{version}}/query/"),
        },
    });
    if let Some(members) = answer.as_object_mut() {
        let more = if uri.path().starts_with("/id/") {
            json!({"id": format!("{origin}{own}"), "asserted_user": true, "username": text("Username"), "display_name": text("Name"),
                "first_name": text("FirstName"), "last_name": text("LastName"), "timezone": text("TimeZoneSidKey"),
                "last_modified_date": text("LastModifiedDate")})
        } else {
            json!({"sub": format!("{origin}{own}"), "preferred_username": text("Username"), "name": text("Name"),
                "nickname": text("CommunityNickname"), "given_name": text("FirstName"), "family_name": text("LastName"),
                "updated_at": text("LastModifiedDate")})
        };
        members.extend(more.as_object().cloned().unwrap_or_default());
    }
    http::json(200, &answer)
}

fn limits(used: u64) -> Value {
    let left = DAILY_CALLS.saturating_sub(used);
    json!({
        "DailyApiRequests": {"Max": DAILY_CALLS, "Remaining": left},
        "DailyAsyncApexExecutions": {"Max": 250_000, "Remaining": 250_000},
        "DailyBulkV2QueryJobs": {"Max": 10_000, "Remaining": 10_000},
        "DataStorageMB": {"Max": 1024, "Remaining": 1023},
        "FileStorageMB": {"Max": 1024, "Remaining": 1024},
        "SingleEmail": {"Max": 5000, "Remaining": 5000},
    })
}
