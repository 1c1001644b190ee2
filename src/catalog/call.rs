//! One call to a provider, compiled: method, URL, query, headers, body, and how to read the answer.

use http::Method;

use super::read::Node;
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
}

/// The body of a call.
#[derive(Debug, Clone, PartialEq)]
pub enum CallBody {
    /// None.
    None,
    /// JSON.
    Json(ValueTemplate),
    /// `application/x-www-form-urlencoded`, from an object.
    Form(ValueTemplate),
    /// `multipart/form-data`.
    Multipart(Vec<Part>),
    /// The uploaded file's bytes alone.
    File,
}

/// One part of a multipart body.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// Its name.
    pub name: String,
    /// What it holds: a JSON value, or the uploaded file.
    pub json: Option<ValueTemplate>,
    /// The file name it announces.
    pub file_name: Option<TextTemplate>,
}

/// How an answer's body is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// As JSON (an empty body reads as null).
    Json,
    /// Not at all.
    None,
    /// Passed on to the caller as it comes.
    Stream,
}

/// How an answer is understood.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The format.
    pub format: Format,
    /// Where the record is, for operations on one record.
    pub record: Path,
    /// Where the list of items is.
    pub items: Path,
    /// Where an item's record is.
    pub item: Path,
    /// Items that are left out.
    pub skip: Option<Match>,
    /// Where the number of all items is, if the answer tells.
    pub total: Option<Path>,
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

/// One call.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// When it is the one to make.
    pub when: Option<Condition>,
    /// A value given without any call.
    pub give: Option<ValueTemplate>,
    /// The verb.
    pub method: Method,
    /// The host's name.
    pub host: String,
    /// The path below it.
    pub path: CallPath,
    /// The query.
    pub query: Vec<(String, ValueTemplate)>,
    /// Headers; an object or list is sent as JSON in ASCII.
    pub headers: Vec<(String, ValueTemplate)>,
    /// The body.
    pub body: CallBody,
    /// How the answer is read.
    pub answer: Answer,
    /// Whether a repeat is harmless although the verb is not idempotent.
    pub repeatable: bool,
    /// Uniform statuses that are no failure here.
    pub tolerate: Vec<u16>,
    /// Error rules that come before the element's.
    pub errors: Vec<ErrorRule>,
}

const CALL_KEYS: &[&str] = &[
    "when",
    "give",
    "method",
    "host",
    "path",
    "pathFrom",
    "query",
    "headers",
    "json",
    "form",
    "multipart",
    "file",
    "answer",
    "repeatable",
    "tolerate",
    "errors",
];

impl Call {
    /// Reads a call; `extra` are further keys that its container knows.
    pub(super) fn read(node: &Node<'_>, extra: &[&str]) -> Option<Self> {
        let known: Vec<&str> = CALL_KEYS.iter().chain(extra).copied().collect();
        node.object(&known)?;
        if let Some(give) = node.get("give") {
            return Some(Self {
                when: read_when(node),
                give: Some(compiled(&give, || ValueTemplate::compile(give.value))?),
                method: Method::GET,
                host: "api".to_owned(),
                path: CallPath::Template(TextTemplate::compile("").ok()?),
                query: Vec::new(),
                headers: Vec::new(),
                body: CallBody::None,
                answer: read_answer(node.get("answer").as_ref()),
                repeatable: true,
                tolerate: Vec::new(),
                errors: Vec::new(),
            });
        }
        let method = node.require("method")?.word(&[
            ("GET", Method::GET.as_str()),
            ("POST", "POST"),
            ("PUT", "PUT"),
            ("PATCH", "PATCH"),
            ("DELETE", "DELETE"),
            ("OPTIONS", "OPTIONS"),
        ])?;
        let path = match node.get("pathFrom") {
            Some(from) => CallPath::Given(compiled(&from, || Reference::compile(from.text().unwrap_or_default()))?),
            None => {
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
            query: read_templates(node, "query"),
            headers: read_templates(node, "headers"),
            body: read_body(node)?,
            answer: read_answer(node.get("answer").as_ref()),
            repeatable: node.flag("repeatable", false),
            tolerate: node.get("tolerate").map_or_else(Vec::new, |list| statuses(&list)),
            errors: read_errors(node),
        })
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
            CallPath::Given(reference) => visit(reference),
        }
        for (_, template) in self.query.iter().chain(&self.headers) {
            template.visit(visit);
        }
        match &self.body {
            CallBody::Json(template) | CallBody::Form(template) => template.visit(visit),
            CallBody::Multipart(parts) => {
                for part in parts {
                    if let Some(json) = &part.json {
                        json.visit(visit);
                    }
                    if let Some(name) = &part.file_name {
                        name.references().for_each(&mut *visit);
                    }
                }
            }
            CallBody::None | CallBody::File => {}
        }
    }
}

/// The `when` of a node.
pub(super) fn read_when(node: &Node<'_>) -> Option<Condition> {
    let when = node.get("when")?;
    compiled(&when, || Condition::compile(when.value))
}

/// The object of templates under `key`.
pub(super) fn read_templates(node: &Node<'_>, key: &str) -> Vec<(String, ValueTemplate)> {
    node.get(key).map_or_else(Vec::new, |map| {
        map.members()
            .into_iter()
            .filter_map(|(name, place)| {
                Some((name.to_owned(), compiled(&place, || ValueTemplate::compile(place.value))?))
            })
            .collect()
    })
}

fn read_body(node: &Node<'_>) -> Option<CallBody> {
    let forms = ["json", "form", "multipart", "file"];
    if forms.iter().filter(|form| node.get(form).is_some()).count() > 1 {
        node.problem_hint("has more than one body", "keep one of json, form, multipart, file");
    }
    if let Some(json) = node.get("json") {
        return Some(CallBody::Json(compiled(&json, || ValueTemplate::compile(json.value))?));
    }
    if let Some(form) = node.get("form") {
        form.map()?;
        return Some(CallBody::Form(compiled(&form, || ValueTemplate::compile(form.value))?));
    }
    if let Some(parts) = node.get("multipart") {
        return Some(CallBody::Multipart(parts.items().iter().filter_map(read_part).collect()));
    }
    Some(if node.flag("file", false) { CallBody::File } else { CallBody::None })
}

fn read_part(node: &Node<'_>) -> Option<Part> {
    node.object(&["name", "json", "file", "fileName"])?;
    let json = match node.get("json") {
        Some(json) => Some(compiled(&json, || ValueTemplate::compile(json.value))?),
        None if node.flag("file", false) => None,
        None => {
            node.problem_hint("a part holds nothing", "add \"json\" or \"file\": true");
            None
        }
    };
    let file_name = match node.get("fileName") {
        Some(name) => Some(compiled(&name, || TextTemplate::compile(name.text().unwrap_or_default()))?),
        None => None,
    };
    Some(Part { name: node.require_text("name")?, json, file_name })
}

/// A path member, `$` when absent.
pub(super) fn read_path(node: &Node<'_>, key: &str) -> Option<Path> {
    let place = node.get(key)?;
    compiled(&place, || Path::compile(place.text().unwrap_or_default()))
}

fn read_answer(node: Option<&Node<'_>>) -> Answer {
    let Some(node) = node else {
        return Answer {
            format: Format::Json,
            record: Path::root(),
            items: Path::root(),
            item: Path::root(),
            skip: None,
            total: None,
        };
    };
    node.object(&["format", "record", "items", "item", "skip", "total"]);
    Answer {
        format: node
            .get("format")
            .and_then(|format| {
                format.word(&[("json", Format::Json), ("none", Format::None), ("stream", Format::Stream)])
            })
            .unwrap_or(Format::Json),
        record: read_path(node, "record").unwrap_or_else(Path::root),
        items: read_path(node, "items").unwrap_or_else(Path::root),
        item: read_path(node, "item").unwrap_or_else(Path::root),
        skip: node.get("skip").and_then(|skip| compiled(&skip, || Match::compile(skip.value))),
        total: read_path(node, "total"),
    }
}

fn statuses(node: &Node<'_>) -> Vec<u16> {
    node.one_or_many().iter().filter_map(|status| u16::try_from(status.number()?).ok()).collect()
}

/// The `errors` of a node.
pub(super) fn read_errors(node: &Node<'_>) -> Vec<ErrorRule> {
    node.get("errors").map_or_else(Vec::new, |list| list.items().iter().filter_map(read_error).collect())
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
