//! One hub call: from an instance, a verb and a path to the uniform answer.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::{Gateway, cached, explain::wants_explanation, invoke, link, objects::object_of, page};
use crate::{
    catalog::{Element, Found, Hub, HubOperation, Operation, hub::AnswerKind, routes::PARENT},
    error::{Error, Kind, Result},
    mapping::media,
    provider::{Outcome, PageFacts, Upload},
    store::InstanceRecord,
    upstream::ByteStream,
};

const INSTANCE_ID: HeaderName = HeaderName::from_static("elements-element-instance-id");

/// How many headers an answer carries, about: room is made once for those that come here and those that come after.
pub const ROOM: usize = 12;

/// A hub call as it came in, free of any HTTP framework.
#[derive(Debug)]
pub struct Head {
    /// The instance whose token was sent.
    pub instance: Arc<InstanceRecord>,
    /// The hub named in the path; `None` in the short form.
    pub hub: Option<String>,
    /// The verb, in capitals.
    pub method: String,
    /// The target of the request, where one came in.
    pub uri: Option<Uri>,
    /// The path below the hub, as decoded segments.
    pub path: Vec<String>,
    /// The query, decoded, in order.
    pub query: Vec<(String, String)>,
    /// The request's headers.
    pub headers: HeaderMap,
    /// The path below which this API is served, for links.
    pub base: &'static str,
    /// The end of all work on it.
    pub deadline: Instant,
}

/// A hub call with its body.
pub struct Call {
    /// All but the body.
    pub head: Head,
    /// The body.
    pub body: CallBody,
    /// What it leads to, where that was looked up already.
    pub resolved: Option<Resolved>,
}

/// The body of a hub call.
pub enum CallBody {
    /// JSON (null when there was none).
    Json(Value),
    /// A file.
    Upload(Upload),
}

/// The uniform answer.
#[derive(Debug)]
pub struct Answer {
    /// The status: 200, or 206 for a range.
    pub status: StatusCode,
    /// Headers beside the framing.
    pub headers: HeaderMap,
    /// The body.
    pub body: AnswerBody,
}

/// The body of an answer.
pub enum AnswerBody {
    /// JSON.
    Json(Bytes),
    /// A file.
    Stream(ByteStream),
    /// Nothing.
    Empty,
}

impl std::fmt::Debug for AnswerBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Json(_) => "Json",
            Self::Stream(_) => "Stream",
            Self::Empty => "Empty",
        })
    }
}

/// What a hub call leads to, before anything is done for it.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// The element.
    pub element: Arc<Element>,
    /// The hub it is served under here.
    pub hub: Arc<Hub>,
    /// The hub's operation.
    pub operation: Arc<HubOperation>,
    /// The path's names.
    pub names: Vec<(String, String)>,
}

impl Gateway {
    /// Finds what a verb and a path mean for an instance, so that the body can be read accordingly.
    ///
    /// # Errors
    /// 403 for a disabled instance, 404 for an unknown path, 405 for another verb.
    pub fn resolve(
        &self,
        instance: &InstanceRecord,
        hub: Option<&str>,
        method: &str,
        path: &[String],
    ) -> Result<Resolved> {
        enabled(instance)?;
        let catalog = self.catalog.load();
        let entry = catalog.entry(&instance.element_key).ok_or_else(|| {
            Error::new(
                Kind::Unavailable,
                format!("The element `{}` of this instance is no longer in the catalog", instance.element_key),
            )
        })?;
        let element = Arc::clone(entry.element()?);
        // A hub the element is not served under means its own, as the contract has it.
        let key = hub.filter(|key| element.hubs.iter().any(|served| served == key)).unwrap_or(&element.hub);
        let hub = catalog.hub(key).cloned().ok_or_else(|| Error::not_found(format!("No hub `{key}` found")))?;
        let found = catalog.routes(key).map_or(Found::Nothing, |routes| routes.find(method, path));
        match found {
            Found::Operation(operation, names) => {
                let operation = Arc::clone(operation);
                let names = if operation.native { native_names(&element, names) } else { names };
                Ok(Resolved { element, hub, operation, names })
            }
            Found::OtherMethods(methods) => Err(Error::wrong_method(&format!("/{}", path.join("/")), method, &methods)),
            Found::Nothing => Err(Error::not_found(format!("The hub `{key}` has no resource `/{}`", path.join("/")))),
        }
    }

    /// Answers a hub call.
    ///
    /// # Errors
    /// What the caller got wrong, or what the provider said, in uniform terms.
    pub async fn call(&self, mut call: Box<Call>) -> Result<Answer> {
        let explain = wants_explanation(&call.head.query)?;
        let built_in = if explain { self.explain_built_in(&call.head)? } else { self.built_in(&call.head).await? };
        if let Some(answer) = built_in {
            return Ok(answer);
        }
        let resolved = match call.resolved.take() {
            Some(resolved) => resolved,
            None => self.resolve(&call.head.instance, call.head.hub.as_deref(), &call.head.method, &call.head.path)?,
        };
        let operation = supported(&resolved)?;
        let instance_id = call.head.instance.id;
        if explain {
            let connection = self.connector.connection(&resolved.element, &call.head.instance)?;
            let mut answer = self.explain(*call, &resolved, operation, &connection)?;
            answer.headers.insert(INSTANCE_ID, HeaderValue::from(instance_id));
            return Ok(answer);
        }
        let mut answer = match &resolved.operation.answer {
            // What most calls do not need has a place of its own, so that the rest is moved about cheaply.
            AnswerKind::File => Box::pin(self.carry_out(call, &resolved, operation)).await?,
            _ if !resolved.operation.is_read() => Box::pin(self.write_past_cache(call, &resolved, operation)).await?,
            _ if cached::caches(&call.head.instance) => {
                Box::pin(self.read_through_cache(call, &resolved, operation)).await?
            }
            _ => Box::pin(self.carry_out(call, &resolved, operation)).await?,
        };
        self.finish(&mut answer, instance_id, resolved.element.reports_budgets());
        Ok(answer)
    }

    /// Puts what every answer says of its instance; `reports` as [`Element::reports_budgets`] says.
    pub(super) fn finish(&self, answer: &mut Answer, instance_id: i64, reports: bool) {
        answer.headers.insert(INSTANCE_ID, HeaderValue::from(instance_id));
        if reports {
            self.put_budgets(instance_id, &mut answer.headers);
        }
    }

    /// Puts what the provider reported last of the instance's quota into the headers of an answer.
    pub fn put_budgets(&self, instance_id: i64, headers: &mut HeaderMap) {
        for (name, value) in self.engine.budgets(instance_id) {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(name, value);
            }
        }
    }

    /// The URL under which callers reach this gateway, without a path.
    ///
    /// `host` is what the request says of it, for where the configuration says nothing.
    pub fn public_root(&self, host: Option<&HeaderValue>) -> String {
        match &self.config.server.public_url {
            Some(url) => url.as_str().trim_end_matches('/').to_owned(),
            None => format!("http://{}", host.and_then(|host| host.to_str().ok()).unwrap_or("localhost")),
        }
    }

    /// Carries the call out at the provider.
    pub(super) async fn carry_out(
        &self,
        call: Box<Call>,
        resolved: &Resolved,
        operation: Arc<Operation>,
    ) -> Result<Answer> {
        let instance = Arc::clone(&call.head.instance);
        let connection = self.connector.connection(&resolved.element, &instance)?;
        let (host, base) = (call.head.headers.get(header::HOST).cloned(), call.head.base);
        let mut prepared = invoke::prepare(self.store.sealer(), *call, resolved, operation)?;
        let pages = page::Pages::new(self.store.sealer(), instance.id, &mut prepared);
        let size = prepared.invocation.page.size;
        let linked = link::Wanted::of(resolved, &prepared.invocation);
        let deadline = prepared.invocation.deadline;
        let _slot = self.slots.enter(instance.id, deadline).await?;
        let outcome = tokio::time::timeout_at(
            deadline,
            Box::pin(self.engine.run(&resolved.element, &connection, &prepared.invocation, prepared.upload.take())),
        )
        .await
        .map_err(|_| Error::new(Kind::ProviderTimeout, "The provider did not answer in time"))??;
        let outcome = if linked.is_some() { outcome.opened()? } else { outcome };
        let mut headers = HeaderMap::with_capacity(ROOM);
        match outcome {
            Outcome::Record(mut record) => {
                put_remark(&mut headers, prepared.remark.as_deref());
                if let Some(wanted) = linked {
                    let root = self.public_root(host.as_ref()) + base;
                    self.add_links(&instance, &root, wanted, &mut record);
                }
                let record = prepared.view.apply(record);
                Ok(json(&Value::Object(record), headers))
            }
            Outcome::Text { json, page: None } => {
                put_remark(&mut headers, prepared.remark.as_deref());
                Ok(Answer { status: StatusCode::OK, headers, body: AnswerBody::Json(json) })
            }
            Outcome::Text { json, page: Some(mut page) } => {
                page.remark = page.remark.or(prepared.remark);
                put_page(&mut headers, &page, &pages, size);
                Ok(Answer { status: StatusCode::OK, headers, body: AnswerBody::Json(json) })
            }
            Outcome::List { items, next, total, remark } => {
                let count = items.len() as u64;
                let page = PageFacts { count, next, total, remark: remark.or(prepared.remark) };
                put_page(&mut headers, &page, &pages, size);
                let items: Vec<Value> =
                    items.into_iter().map(|item| Value::Object(prepared.view.apply(item))).collect();
                Ok(json(&Value::Array(items), headers))
            }
            Outcome::File { status, headers: passed, body, name } => Ok(file(status, passed, body, name.as_deref())),
            Outcome::Empty => Ok(Answer { status: StatusCode::OK, headers, body: AnswerBody::Empty }),
        }
    }
}

fn put_remark(headers: &mut HeaderMap, remark: Option<&str>) {
    if let Some(remark) = remark {
        put(headers, "elements-error", remark);
    }
}

/// Puts what is known of a page.
fn put_page(headers: &mut HeaderMap, page: &PageFacts, pages: &page::Pages<'_>, size: u64) {
    put(headers, "elements-returned-count", &page.count.to_string());
    if let Some(total) = page.total {
        put(headers, "elements-total-count", &total.to_string());
    }
    if let Some(next) = &page.next {
        put(headers, "elements-next-page-token", &pages.seal(next, size));
    }
    put_remark(headers, page.remark.as_deref());
}

/// Refuses a disabled instance.
pub(super) fn enabled(instance: &InstanceRecord) -> Result<()> {
    if instance.disabled {
        return Err(Error::new(
            Kind::Forbidden,
            "This instance is disabled; enable it with PUT /instances/{id}/enabled",
        ));
    }
    Ok(())
}

/// The path's names with the provider's own for those of resources: below a parent `contacts` may stand for `Contact`.
fn native_names(element: &Element, names: Vec<(String, String)>) -> Vec<(String, String)> {
    if !names.iter().any(|(name, _)| name == PARENT) {
        return names;
    }
    let native = |(name, value): (String, String)| match name.as_str() {
        PARENT | "objectName" => (name, object_of(element, &value).0),
        _ => (name, value),
    };
    names.into_iter().map(native).collect()
}

/// The element's operation, or a clear word that it has none.
fn supported(resolved: &Resolved) -> Result<Arc<Operation>> {
    let (element, operation) = (&resolved.element, &resolved.operation);
    element.operation_at(operation, &resolved.names).cloned().map_err(|why| {
        let summary = operation.summary.trim_end_matches('.');
        let what = if summary.is_empty() {
            operation.id()
        } else {
            format!("{} ({})", operation.id(), summary.to_lowercase())
        };
        let parent = resolved.names.iter().find(|(name, _)| name == PARENT);
        let below = parent.map(|(_, parent)| format!(" below `{parent}`")).unwrap_or_default();
        let why = if why.is_empty() { why } else { format!(": {why}") };
        Error::new(Kind::Unsupported, format!("The element `{}` does not support {what}{below}{why}", element.key))
    })
}

/// A JSON answer.
pub(super) fn json(value: &Value, headers: HeaderMap) -> Answer {
    // A `Value` always serializes; should it not, an empty body is told by its length.
    let bytes = serde_json::to_vec(value).unwrap_or_default();
    Answer { status: StatusCode::OK, headers, body: AnswerBody::Json(bytes.into()) }
}

/// Puts a header whose value is text of ours; what no header can carry is left out.
pub(super) fn put(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// A file answer: the provider's type unless it says nothing, and always a name to save it under.
pub(super) fn file(status: StatusCode, mut headers: HeaderMap, body: ByteStream, name: Option<&str>) -> Answer {
    let vague = headers.get(header::CONTENT_TYPE).is_none_or(|kind| kind.to_str().is_ok_and(media::is_vague));
    if let (true, Some(guess)) = (vague, name.and_then(media::of_name)) {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(guess));
    }
    headers.entry(header::CONTENT_TYPE).or_insert(HeaderValue::from_static("application/octet-stream"));
    if let (None, Some(name)) = (headers.get(header::CONTENT_DISPOSITION), name) {
        put(&mut headers, "content-disposition", &disposition(name));
    }
    Answer { status, headers, body: AnswerBody::Stream(body) }
}

/// `attachment` with the name in ASCII and, where that differs, in UTF-8 (RFC 6266, RFC 8187).
fn disposition(name: &str) -> String {
    let plain: String = name
        .chars()
        .map(|c| if c.is_ascii() && !c.is_ascii_control() && c != '"' && c != '\\' { c } else { '_' })
        .collect();
    let mut text = format!("attachment; filename=\"{plain}\"");
    if plain != name {
        let encoded = percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC);
        text = format!("{text}; filename*=UTF-8''{encoded}");
    }
    text
}

/// How a record is shown in the end.
#[derive(Debug, Clone, Default)]
pub(super) struct View {
    /// Members that are left out.
    pub(super) without: Vec<&'static str>,
}

impl View {
    pub(super) fn apply(&self, mut record: Map<String, Value>) -> Map<String, Value> {
        for name in &self.without {
            record.shift_remove(*name);
        }
        record
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_every_file() {
        assert_eq!(disposition("a.pdf"), "attachment; filename=\"a.pdf\"");
        assert_eq!(disposition("é\".pdf"), "attachment; filename=\"__.pdf\"; filename*=UTF-8''%C3%A9%22%2Epdf");
    }
}
