//! Reads one example.

use serde_json::{Map, Value};

use crate::catalog::{
    Example,
    read::{Node, Problems},
};

/// The text that stands for `{unique}` once an example is read: it survives in URLs as it is.
pub(super) const UNIQUE: &str = "0unique0";

/// One example, read.
pub(super) struct Recorded {
    pub(super) configuration: Map<String, Value>,
    pub(super) secrets: Vec<(String, String)>,
    pub(super) request: Request,
    pub(super) calls: Vec<Call>,
    pub(super) answer: Answer,
}

/// The uniform request.
#[derive(Default)]
pub(super) struct Request {
    pub(super) path: Vec<(String, String)>,
    pub(super) query: Map<String, Value>,
    pub(super) headers: Map<String, Value>,
    pub(super) body: Value,
    pub(super) file: Option<String>,
    pub(super) parts: Option<u64>,
    pub(super) pages: u64,
}

/// One recorded call to the provider.
pub(super) struct Call {
    pub(super) pointer: String,
    pub(super) method: String,
    pub(super) url: String,
    pub(super) headers: Map<String, Value>,
    pub(super) body: Body,
    pub(super) reply: Reply,
}

/// A recorded body.
pub(super) enum Body {
    None,
    Json(Value),
    Form(Map<String, Value>),
    Multipart(Vec<Part>),
    Text(String),
}

/// A part of a recorded multipart body.
pub(super) struct Part {
    /// None where the body is `multipart/related`.
    pub(super) name: Option<String>,
    pub(super) file_name: Option<String>,
    pub(super) content_type: Option<String>,
    pub(super) json: Option<Value>,
    pub(super) text: Option<String>,
}

/// A recorded reply.
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: Map<String, Value>,
    pub(super) json: Option<Value>,
    pub(super) text: Option<String>,
}

/// The uniform answer.
pub(super) struct Answer {
    pub(super) pointer: String,
    pub(super) status: u16,
    pub(super) body: Option<Value>,
    pub(super) text: Option<String>,
    pub(super) headers: Map<String, Value>,
    pub(super) next: bool,
    pub(super) total: Option<u64>,
}

/// The keys of each object of an example, for the reader and the schema.
pub(super) const KEYS: &[&str] = &["operation", "name", "configuration", "secrets", "request", "calls", "answer"];

/// Reads `example`; `None` when it has a mistake, which is then noted.
pub(super) fn read(example: &Example, problems: &Problems) -> Option<Recorded> {
    let value = marked(&example.value);
    let node = Node::part(&example.file, &example.pointer, &value, problems);
    node.object(KEYS)?;
    let recorded = Recorded {
        configuration: object(&node, "configuration")?,
        secrets: node.text_map("secrets"),
        request: match node.get("request") {
            Some(request) => read_request(&request)?,
            None => Request { pages: 1, ..Request::default() },
        },
        calls: match node.get("calls") {
            Some(calls) => calls.items().iter().filter_map(read_call).collect(),
            None => Vec::new(),
        },
        answer: read_answer(&node.require("answer")?)?,
    };
    problems.is_empty().then_some(recorded)
}

/// Replaces `{unique}` in every text.
fn marked(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(text.replace("{unique}", UNIQUE)),
        Value::Array(items) => Value::Array(items.iter().map(marked).collect()),
        Value::Object(members) => {
            Value::Object(members.iter().map(|(key, member)| (key.clone(), marked(member))).collect())
        }
        other => other.clone(),
    }
}

fn object(node: &Node<'_>, key: &str) -> Option<Map<String, Value>> {
    match node.get(key) {
        Some(place) => place.map().cloned(),
        None => Some(Map::new()),
    }
}

fn read_request(node: &Node<'_>) -> Option<Request> {
    node.object(&["path", "query", "headers", "body", "file", "parts", "pages"])?;
    Some(Request {
        path: node.text_map("path"),
        query: object(node, "query")?,
        headers: object(node, "headers")?,
        body: node.get("body").map_or(Value::Null, |body| body.value.clone()),
        file: node.opt_text("file"),
        parts: node.opt_number("parts"),
        pages: node.opt_number("pages").unwrap_or(1).max(1),
    })
}

fn read_call(node: &Node<'_>) -> Option<Call> {
    node.object(&["request", "reply"])?;
    let request = node.require("request")?;
    request.object(&["method", "url", "headers", "body", "form", "multipart", "text"])?;
    let body = if let Some(json) = request.get("body") {
        Body::Json(json.value.clone())
    } else if let Some(form) = request.get("form") {
        Body::Form(form.map()?.clone())
    } else if let Some(parts) = request.get("multipart") {
        Body::Multipart(parts.items().iter().filter_map(read_part).collect())
    } else if let Some(text) = request.opt_text("text") {
        Body::Text(text)
    } else {
        Body::None
    };
    Some(Call {
        pointer: node.pointer().to_owned(),
        method: request.require_text("method")?,
        url: request.require_text("url")?,
        headers: object(&request, "headers")?,
        body,
        reply: read_reply(&node.require("reply")?)?,
    })
}

fn read_part(node: &Node<'_>) -> Option<Part> {
    node.object(&["name", "fileName", "contentType", "json", "text"])?;
    Some(Part {
        name: node.opt_text("name"),
        file_name: node.opt_text("fileName"),
        content_type: node.opt_text("contentType"),
        json: node.get("json").map(|json| json.value.clone()),
        text: node.opt_text("text"),
    })
}

fn status(node: &Node<'_>) -> Option<u16> {
    match node.get("status") {
        None => Some(200),
        Some(place) => match place.number().and_then(|status| u16::try_from(status).ok()) {
            Some(status) if (200..600).contains(&status) => Some(status),
            _ => {
                place.problem_hint("is not a status", "should be between 200 and 599");
                None
            }
        },
    }
}

fn read_reply(node: &Node<'_>) -> Option<Reply> {
    node.object(&["status", "headers", "body", "text"])?;
    Some(Reply {
        status: status(node)?,
        headers: object(node, "headers")?,
        json: node.get("body").map(|body| body.value.clone()),
        text: node.opt_text("text"),
    })
}

fn read_answer(node: &Node<'_>) -> Option<Answer> {
    node.object(&["status", "headers", "body", "text", "next", "total"])?;
    Some(Answer {
        pointer: node.pointer().to_owned(),
        status: status(node)?,
        headers: object(node, "headers")?,
        body: node.get("body").map(|body| body.value.clone()),
        text: node.opt_text("text"),
        next: node.flag("next", false),
        total: node.opt_number("total"),
    })
}
