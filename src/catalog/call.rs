//! One call to a provider, compiled: method, URL, query, headers, body, and how to read the answer.

use http::{HeaderName, Method};

pub use super::answer::{Answer, Format};
use super::{
    parameters::Parameters,
    read::{Node, tight},
    wait::Wait,
};
use crate::mapping::{CompileError, Condition, Path, Reference, TextTemplate, ValueTemplate, condition::Match};

/// Compiles the value of `node` with `compile`, noting its mistake with the right place.
pub(super) fn compiled<T>(node: &Node<'_>, compile: impl FnOnce() -> Result<T, CompileError>) -> Option<T> {
    compile().map_err(|error| node.compile_error(&error)).ok()
}

/// The path of a call below its host.
#[derive(Debug, Clone, PartialEq)]
pub enum CallPath {
    /// A template; every value becomes exactly one encoded segment (or part of one).
    Template(TextTemplate),
    /// A path or URL the provider gave (`nextRecordsUrl`), which must stay on the host.
    Given(Reference),
    /// A URL the provider gave, on any host the element may call.
    Elsewhere(Reference),
}

/// The body of a call.
#[derive(Debug, Clone, PartialEq)]
pub enum CallBody {
    /// None.
    None,
    /// JSON.
    Json(ValueTemplate),
    /// XML, from an object whose only member is the root element.
    Xml(ValueTemplate),
    /// `application/x-www-form-urlencoded`, from an object.
    Form(ValueTemplate),
    /// `multipart/form-data`, or `multipart/related` where the parts have no names.
    Multipart(Vec<Part>),
    /// The uploaded file's bytes alone.
    File,
}

/// One part of a multipart body.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// Its name; parts of `multipart/related` have none.
    pub name: Option<String>,
    /// What it holds: a JSON value, or the uploaded file.
    pub json: Option<ValueTemplate>,
    /// The media type it announces; JSON, or bytes of no known type, when absent.
    pub content_type: Option<TextTemplate>,
    /// The file name it announces.
    pub file_name: Option<TextTemplate>,
}

/// What follows a provider's error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// The call fails.
    Fail,
    /// The grant is refreshed once and the call made again.
    Refresh,
    /// The quota is used up: the call fails as 429.
    RateLimit,
}

/// A predicate on an error answer, and what it means.
#[derive(Debug, Clone, PartialEq)]
pub struct ErrorRule {
    /// Statuses it applies to; empty for all.
    pub statuses: Vec<u16>,
    /// What the body must look like.
    pub matches: Option<Match>,
    /// The uniform status.
    pub status: u16,
    /// The uniform message.
    pub message: Option<String>,
    /// What follows.
    pub then: Then,
}

/// An answer that is no failure although its status says so.
#[derive(Debug, Clone, PartialEq)]
pub struct Accept {
    /// Its status.
    pub status: u16,
    /// What the body must look like.
    pub matches: Option<Match>,
}

/// A checksum of a body, in base64.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checksum {
    /// MD5.
    Md5,
    /// SHA-256.
    Sha256,
}

/// How long a signed link is good for.
#[derive(Debug, Clone, PartialEq)]
pub struct Presign {
    /// Its longest life, and the usual one.
    pub seconds: u64,
    /// A time at which it has to end.
    pub until: Option<ValueTemplate>,
}

/// One call.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// When it is the one to make.
    pub when: Option<Condition>,
    /// A value given without any call.
    pub give: Option<Box<ValueTemplate>>,
    /// The verb.
    pub method: Method,
    /// The host's name.
    pub host: String,
    /// The path below it.
    pub path: CallPath,
    /// The query.
    pub query: Parameters,
    /// Headers; an object or list is sent as JSON in ASCII.
    pub headers: Vec<(HeaderName, ValueTemplate)>,
    /// The body.
    pub body: CallBody,
    /// Headers that carry a checksum of the body.
    pub checksum: Vec<(HeaderName, Checksum)>,
    /// A link that makes the call, in place of the call.
    pub presign: Option<Box<Presign>>,
    /// How the answer is read.
    pub answer: Answer,
    /// Whether a repeat is harmless although the verb is not idempotent.
    pub repeatable: bool,
    /// Whether it carries the instance's credentials, and the headers of every call.
    pub authenticated: bool,
    /// Answers that are read like a success whatever their status.
    pub accept: Vec<Accept>,
    /// Uniform statuses that are no failure here.
    pub tolerate: Vec<u16>,
    /// Error rules that come before the element's.
    pub errors: Vec<ErrorRule>,
    /// Until when it is made again.
    pub wait: Option<Box<Wait>>,
}

const CALL_KEYS: &[&str] = &[
    "when",
    "give",
    "method",
    "host",
    "path",
    "pathFrom",
    "urlFrom",
    "authenticated",
    "accept",
    "query",
    "headers",
    "json",
    "xml",
    "checksum",
    "presign",
    "form",
    "multipart",
    "related",
    "file",
    "answer",
    "repeatable",
    "tolerate",
    "errors",
    "wait",
];

impl Call {
    /// Reads a call; `extra` are further keys that its container knows.
    pub(super) fn read(node: &Node<'_>, extra: &[&str]) -> Option<Self> {
        let known: Vec<&str> = CALL_KEYS.iter().chain(extra).copied().collect();
        node.object(&known)?;
        if let Some(give) = node.get("give") {
            return Some(Self {
                when: read_when(node),
                give: Some(Box::new(compiled(&give, || ValueTemplate::compile(give.value))?)),
                method: Method::GET,
                host: "api".to_owned(),
                path: CallPath::Template(TextTemplate::compile("").ok()?),
                query: Parameters::default(),
                headers: Vec::new(),
                body: CallBody::None,
                checksum: Vec::new(),
                presign: None,
                answer: node.get("answer").map_or_else(Answer::default, |place| Answer::read(&place)),
                repeatable: true,
                authenticated: true,
                accept: Vec::new(),
                tolerate: Vec::new(),
                errors: Vec::new(),
                wait: None,
            });
        }
        let method = node.require("method")?.word(&[
            ("GET", Method::GET.as_str()),
            ("POST", "POST"),
            ("PUT", "PUT"),
            ("PATCH", "PATCH"),
            ("DELETE", "DELETE"),
            ("OPTIONS", "OPTIONS"),
            ("HEAD", "HEAD"),
            ("PROPFIND", "PROPFIND"),
            ("MKCOL", "MKCOL"),
            ("COPY", "COPY"),
            ("MOVE", "MOVE"),
        ])?;
        let given = |key: &str| {
            let from = node.get(key)?;
            Some(compiled(&from, || Reference::compile(from.text().unwrap_or_default())))
        };
        let path = match (given("pathFrom"), given("urlFrom")) {
            (Some(from), _) => CallPath::Given(from?),
            (None, Some(from)) => CallPath::Elsewhere(from?),
            (None, None) => {
                let path = node.require("path")?;
                let text = path.text()?;
                if !text.starts_with('/') && !text.starts_with("{{") && !text.is_empty() {
                    path.problem_hint(format!("`{text}` is not a path"), "begin with /");
                }
                CallPath::Template(compiled(&path, || TextTemplate::compile(text))?)
            }
        };
        Some(Self {
            when: read_when(node),
            give: None,
            method: Method::from_bytes(method.as_bytes()).ok()?,
            host: node.opt_text("host").unwrap_or_else(|| "api".to_owned()),
            path,
            query: Parameters::new(read_templates(node, "query")),
            headers: read_headers(node),
            body: read_body(node)?,
            checksum: read_checksum(node),
            presign: node.get("presign").and_then(|place| read_presign(&place)).map(Box::new),
            answer: node.get("answer").map_or_else(Answer::default, |place| Answer::read(&place)),
            repeatable: node.flag("repeatable", false),
            authenticated: node.flag("authenticated", true),
            accept: read_accept(node),
            tolerate: node.get("tolerate").map_or_else(Vec::new, |list| statuses(&list)),
            errors: read_errors(node),
            wait: node.get("wait").and_then(|wait| Wait::read(&wait)).map(Box::new),
        })
    }

    /// Whether it carries the uploaded file (or a part of it).
    pub fn carries_file(&self) -> bool {
        match &self.body {
            CallBody::File => true,
            CallBody::Multipart(parts) => parts.iter().any(|part| part.json.is_none()),
            CallBody::None | CallBody::Json(_) | CallBody::Xml(_) | CallBody::Form(_) => false,
        }
    }

    /// Calls `visit` with every reference.
    pub fn visit(&self, visit: &mut dyn FnMut(&Reference)) {
        if let Some(when) = &self.when {
            when.visit(visit);
        }
        if let Some(give) = &self.give {
            give.visit(visit);
        }
        match &self.path {
            CallPath::Template(template) => template.references().for_each(&mut *visit),
            CallPath::Given(reference) | CallPath::Elsewhere(reference) => visit(reference),
        }
        self.query.all().iter().for_each(|(_, template)| template.visit(visit));
        self.headers.iter().for_each(|(_, template)| template.visit(visit));
        match &self.body {
            CallBody::Json(template) | CallBody::Xml(template) | CallBody::Form(template) => template.visit(visit),
            CallBody::Multipart(parts) => {
                for part in parts {
                    if let Some(json) = &part.json {
                        json.visit(visit);
                    }
                    for text in part.file_name.iter().chain(&part.content_type) {
                        text.references().for_each(&mut *visit);
                    }
                }
            }
            CallBody::None | CallBody::File => {}
        }
        if let Some(until) = self.presign.as_ref().and_then(|presign| presign.until.as_ref()) {
            until.visit(visit);
        }
        for test in self.answer.skip.iter().chain(&self.answer.only) {
            test.visit(visit);
        }
    }
}

fn read_checksum(node: &Node<'_>) -> Vec<(HeaderName, Checksum)> {
    let Some(place) = node.get("checksum") else { return Vec::new() };
    if node.get("file").is_some() || node.get("multipart").is_some() {
        place.problem_hint("a file is not summed before it is sent", "leave `checksum` out");
    }
    let read = |(name, word): (&str, Node<'_>)| {
        Some((word.header_name(name)?, word.word(&[("md5", Checksum::Md5), ("sha256", Checksum::Sha256)])?))
    };
    place.members().into_iter().filter_map(read).collect()
}

fn read_presign(node: &Node<'_>) -> Option<Presign> {
    node.object(&["seconds", "until"])?;
    let until = match node.get("until") {
        Some(until) => Some(compiled(&until, || ValueTemplate::compile(until.value))?),
        None => None,
    };
    Some(Presign { seconds: node.require("seconds")?.number()?, until })
}

/// The `when` of a node.
pub(super) fn read_when(node: &Node<'_>) -> Option<Condition> {
    let when = node.get("when")?;
    compiled(&when, || Condition::compile(when.value))
}

/// The object of templates under `key`.
pub(super) fn read_templates(node: &Node<'_>, key: &str) -> Vec<(String, ValueTemplate)> {
    node.get(key).map_or_else(Vec::new, |map| {
        tight(map.members().into_iter().filter_map(|(name, place)| {
            Some((name.to_owned(), compiled(&place, || ValueTemplate::compile(place.value))?))
        }))
    })
}

/// The `headers` of a node: a template for each.
pub(super) fn read_headers(node: &Node<'_>) -> Vec<(HeaderName, ValueTemplate)> {
    node.get("headers").map_or_else(Vec::new, |map| {
        tight(map.members().into_iter().filter_map(|(name, place)| {
            Some((place.header_name(name)?, compiled(&place, || ValueTemplate::compile(place.value))?))
        }))
    })
}

fn read_body(node: &Node<'_>) -> Option<CallBody> {
    let forms = ["json", "xml", "form", "multipart", "related", "file"];
    if forms.iter().filter(|form| node.get(form).is_some()).count() > 1 {
        node.problem_hint("has more than one body", "keep one of json, xml, form, multipart, related, file");
    }
    if let Some(json) = node.get("json") {
        return Some(CallBody::Json(compiled(&json, || ValueTemplate::compile(json.value))?));
    }
    if let Some(xml) = node.get("xml") {
        if xml.map()?.len() != 1 {
            xml.problem_hint("is no XML document", "give it exactly one member: the root element");
        }
        return Some(CallBody::Xml(compiled(&xml, || ValueTemplate::compile(xml.value))?));
    }
    if let Some(form) = node.get("form") {
        form.map()?;
        return Some(CallBody::Form(compiled(&form, || ValueTemplate::compile(form.value))?));
    }
    if let Some(parts) = node.get("multipart") {
        return Some(CallBody::Multipart(parts.items().iter().filter_map(|part| read_part(part, true)).collect()));
    }
    if let Some(parts) = node.get("related") {
        return Some(CallBody::Multipart(parts.items().iter().filter_map(|part| read_part(part, false)).collect()));
    }
    Some(if node.flag("file", false) { CallBody::File } else { CallBody::None })
}

/// Reads a part of a form, which has a name, or of `multipart/related`, which has none.
fn read_part(node: &Node<'_>, named: bool) -> Option<Part> {
    if named {
        node.object(&["name", "json", "file", "fileName", "contentType"])?;
    } else {
        node.object(&["json", "file", "contentType"])?;
    }
    let json = match node.get("json") {
        Some(json) => Some(compiled(&json, || ValueTemplate::compile(json.value))?),
        None if node.flag("file", false) => None,
        None => {
            node.problem_hint("a part holds nothing", "add \"json\" or \"file\": true");
            None
        }
    };
    let text = |key: &str| match node.get(key) {
        Some(text) => compiled(&text, || TextTemplate::compile(text.text().unwrap_or_default())).map(Some),
        None => Some(None),
    };
    let name = if named { Some(node.require_text("name")?) } else { None };
    Some(Part { name, json, file_name: text("fileName")?, content_type: text("contentType")? })
}

/// A path member, `$` when absent.
pub(super) fn read_path(node: &Node<'_>, key: &str) -> Option<Path> {
    let place = node.get(key)?;
    compiled(&place, || Path::compile(place.text().unwrap_or_default()))
}

/// The calls under `key`: one, or a list.
pub(super) fn read_calls(node: &Node<'_>, key: &str) -> Vec<Call> {
    node.get(key)
        .map_or_else(Vec::new, |list| tight(list.one_or_many().iter().filter_map(|call| Call::read(call, &[]))))
}

fn read_accept(node: &Node<'_>) -> Vec<Accept> {
    let read = |place: &Node<'_>| {
        if place.value.is_number() {
            return Some(Accept { status: u16::try_from(place.number()?).ok()?, matches: None });
        }
        place.object(&["status", "match"])?;
        Some(Accept {
            status: u16::try_from(place.require("status")?.number()?).ok()?,
            matches: place.get("match").and_then(|test| compiled(&test, || Match::compile(test.value))),
        })
    };
    node.get("accept").map_or_else(Vec::new, |list| list.one_or_many().iter().filter_map(read).collect())
}

/// A status, or a list of them.
pub(super) fn statuses(node: &Node<'_>) -> Vec<u16> {
    node.one_or_many().iter().filter_map(|status| u16::try_from(status.number()?).ok()).collect()
}

/// The `errors` of a node.
pub(super) fn read_errors(node: &Node<'_>) -> Vec<ErrorRule> {
    node.get("errors").map_or_else(Vec::new, |list| tight(list.items().iter().filter_map(read_error)))
}

fn read_error(node: &Node<'_>) -> Option<ErrorRule> {
    node.object(&["status", "match", "as", "message", "then"])?;
    let then = node
        .get("then")
        .and_then(|then| then.word(&[("fail", Then::Fail), ("refresh", Then::Refresh), ("rateLimit", Then::RateLimit)]))
        .unwrap_or(Then::Fail);
    let default = match then {
        Then::Fail => None,
        Then::Refresh => Some(401),
        Then::RateLimit => Some(429),
    };
    let status = match (node.get("as"), default) {
        (Some(place), _) => u16::try_from(place.number()?).ok()?,
        (None, Some(default)) => default,
        (None, None) => {
            node.require("as");
            return None;
        }
    };
    Some(ErrorRule {
        statuses: node.get("status").map_or_else(Vec::new, |list| statuses(&list)),
        matches: node.get("match").and_then(|test| compiled(&test, || Match::compile(test.value))),
        status,
        message: node.opt_text("message"),
        then,
    })
}
