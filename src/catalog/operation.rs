//! The operations of one resource of an element, compiled.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::Value;

use super::{
    call::{Call, ErrorRule, compiled, read_calls, read_errors, read_path, read_when},
    filtering::{Filtering, read_filtering},
    hub::{AnswerKind, HubOperation, Model, Resource},
    lazy::Lazy,
    lines,
    parents::{Relations, read_relations},
    read::{Node, tight},
    session::{Session, check_outlives, read_session},
    support,
    wait::Complete,
    walk::Walk,
};
use crate::mapping::{Condition, Naming, Path, Plan, Reference, Root, TextTemplate, ValueTemplate, condition::Match};

/// How the provider pages.
#[derive(Debug, Clone, PartialEq)]
pub struct Paging {
    /// The largest page.
    pub max: u64,
    /// The smallest page.
    pub min: u64,
    /// Where the cursor of the next page is.
    pub cursor: Option<Path>,
    /// What the answer looks like when there is more; absent: a cursor, or (by offset) a full page, means more.
    pub more: Option<Match>,
    /// Whether the provider counts from an offset instead of a cursor.
    pub offset: bool,
    /// The calls for further pages, when they are other ones; the first whose `when` holds is made.
    pub next: Vec<Call>,
}

/// A refusal before any call is made.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// When.
    pub when: Condition,
    /// The uniform status.
    pub status: u16,
    /// The message.
    pub message: String,
}

/// One step of an operation.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Its name in `steps.…`.
    pub name: String,
    /// When it is taken.
    pub when: Option<Condition>,
    /// Refusals after what the earlier steps told.
    pub refuse: Vec<Refusal>,
    /// The calls, of which the first whose `when` holds is made.
    pub calls: Vec<Call>,
    /// Calls tried in turn while the one before found nothing (404).
    pub or_else: Vec<Call>,
    /// How a large file is sent instead.
    pub session: Option<Box<Session>>,
    /// A walk, in place of a call.
    pub walk: Option<Box<Walk>>,
    /// Takes back what the step did, when a later one fails.
    pub undo: Option<Box<Call>>,
}

/// An operation of an element.
#[derive(Debug, Clone)]
pub struct Operation {
    /// The hub's operation it carries out.
    pub hub: Arc<HubOperation>,
    /// The model of its records.
    pub model: Option<Arc<Model>>,
    /// The steps; the last one's answer is the result.
    pub steps: Vec<Step>,
    /// How it pages.
    pub paging: Option<Paging>,
    /// How it filters.
    pub filtering: Option<Arc<Filtering>>,
    /// A call that only counts.
    pub count: Option<Box<Call>>,
    /// Reads again what a list tells incompletely.
    pub complete: Option<Box<Complete>>,
    /// Refusals.
    pub refuse: Vec<Refusal>,
    /// Whether missing parent folders of the target (or destination) are made.
    pub ensure_parents: bool,
    /// The folder that listed records have to be below, for providers that look everywhere.
    pub below: Option<TextTemplate>,
    /// Error rules that come before the element's.
    pub errors: Vec<ErrorRule>,
    /// The field lines.
    pub plan: Arc<Plan>,
    /// What a new record carries where the body leaves it out.
    pub defaults: Vec<(Path, ValueTemplate)>,
    /// What the provider calls the object.
    pub object: Option<TextTemplate>,
    /// What of target, destination, select and lookup its templates use: root, member, whether its absence is no mistake.
    pub needs: Vec<(Root, String, bool)>,
    /// The member in which callers get the provider's own records, and may send them.
    pub envelope: Option<String>,
    columns: Lazy<Arc<Value>>,
    members: Lazy<Arc<Value>>,
}

impl Operation {
    /// The provider's names of all fields of the plan, a list of texts.
    pub fn own(&self, naming: Naming) -> &Arc<Value> {
        let made = match naming {
            Naming::Columns => &self.columns,
            Naming::Members => &self.members,
        };
        made.get_or_make(|| Arc::new(self.plan.select(naming, &[]).into_iter().map(Value::String).collect()))
    }

    /// Whether its templates use `root.key`.
    pub fn needs(&self, root: Root, key: &str) -> bool {
        self.needs.iter().any(|(needed, name, _)| *needed == root && name == key)
    }
}

/// What a resource file may refer to in its element.
pub(super) struct Context<'a> {
    /// The hub's resource.
    pub(super) resource: &'a Resource,
    /// The hub's models.
    pub(super) models: &'a BTreeMap<String, Arc<Model>>,
    /// Named operations of the element.
    pub(super) patterns: Option<Node<'a>>,
    /// Field lines of other resources already read.
    pub(super) plans: &'a BTreeMap<String, Arc<Plan>>,
    /// Paging that operations without their own have.
    pub(super) paging: Option<Paging>,
    /// Filtering that operations without their own have.
    pub(super) filtering: Option<Arc<Filtering>>,
    /// What a null is written as.
    pub(super) clearing: Value,
    /// The member in which callers get native records.
    pub(super) envelope: Option<String>,
}

/// Reads a resource file: its plan, its operations, and how its records belong to parents.
pub(super) fn read_resource(node: &Node<'_>, context: &Context<'_>) -> Option<(Arc<Plan>, Vec<Operation>, Relations)> {
    node.object(&[
        "resource",
        "object",
        "fields",
        "open",
        "ignored",
        "unsupported",
        "constants",
        "clearing",
        "defaults",
        "filtering",
        "parents",
        "operations",
        "comment",
    ])?;
    let plan = lines::read_plan(node, context, context.resource.model.as_deref())?;
    let object = match node.get("object") {
        Some(place) => compiled(&place, || TextTemplate::compile(place.text().unwrap_or_default())),
        None => None,
    };
    let filtering = match node.get("filtering") {
        Some(place) => read_filtering(&place, context.filtering.as_deref()).map(Arc::new),
        None => context.filtering.clone(),
    };
    let defaults = read_filled(node, "defaults");
    let compile = |place: &Node<'_>, hub: &Arc<HubOperation>| {
        let mut operation = read_operation(&named(place, context)?, hub, context, &plan)?;
        if operation.filtering.is_none() {
            operation.filtering.clone_from(&filtering);
        }
        operation.object.clone_from(&object);
        operation.defaults.clone_from(&defaults);
        Some(operation)
    };
    let mut operations = Vec::new();
    for (name, place) in node.require("operations")?.members() {
        let Some(hub) = context.resource.operation(name) else {
            let known: Vec<&str> =
                context.resource.operations.iter().map(|operation| operation.name.as_str()).collect();
            place.problem_hint(
                format!("the hub has no operation `{}.{name}`", context.resource.name),
                super::read::nearest(name, &known),
            );
            continue;
        };
        if support::is_declaration(&place) {
            continue;
        }
        operations.extend(compile(&place, hub));
    }
    let relations =
        read_relations(node, context.resource, &|place, name| compile(place, context.resource.operation(name)?));
    Some((plan, operations, relations))
}

/// The operation at `place`: itself, or the pattern of the element that it names.
fn named<'a>(place: &Node<'a>, context: &Context<'a>) -> Option<Node<'a>> {
    if !place.value.is_string() {
        return Some(place.clone());
    }
    let wanted = place.text()?;
    let pattern = context.patterns.as_ref().and_then(|patterns| patterns.get(wanted));
    if pattern.is_none() {
        let known: Vec<&str> = context
            .patterns
            .as_ref()
            .and_then(Node::map)
            .map_or_else(Vec::new, |patterns| patterns.keys().map(String::as_str).collect());
        place.problem_hint(format!("no pattern `{wanted}` in element.json"), super::read::nearest(wanted, &known));
    }
    pattern
}

const OPERATION_KEYS: &[&str] = &[
    "paging",
    "filtering",
    "count",
    "complete",
    "refuse",
    "ensureParents",
    "below",
    "orElse",
    "session",
    "fields",
    "ignored",
    "model",
];

fn read_operation(
    node: &Node<'_>,
    hub: &Arc<HubOperation>,
    context: &Context<'_>,
    plan: &Arc<Plan>,
) -> Option<Operation> {
    let steps = if let Some(list) = node.get("steps") {
        let known: Vec<&str> = OPERATION_KEYS.iter().copied().chain(["steps", "errors"]).collect();
        node.object(&known)?;
        tight(list.items().iter().enumerate().filter_map(|(index, step)| read_step(step, index)))
    } else {
        let call = Call::read(node, OPERATION_KEYS)?;
        vec![Step {
            name: "call".to_owned(),
            when: None,
            refuse: Vec::new(),
            calls: vec![call],
            or_else: read_calls(node, "orElse"),
            session: read_session(node).map(Box::new),
            walk: None,
            undo: None,
        }]
    };
    if steps.is_empty() {
        node.problem_hint("has no steps", "add at least one");
    }
    let paging = match node.get("paging") {
        Some(place) => read_paging(&place),
        None if matches!(hub.answer, AnswerKind::List(_)) => context.paging.clone(),
        None => None,
    };
    let filtering =
        node.get("filtering").and_then(|place| read_filtering(&place, context.filtering.as_deref()).map(Arc::new));
    let plan = if node.get("fields").is_some() {
        lines::read_plan(node, context, hub.model.as_deref())?
    } else {
        Arc::clone(plan)
    };
    let model = hub.model.as_ref().and_then(|model| context.models.get(model)).cloned();
    let mut operation = Operation {
        hub: Arc::clone(hub),
        model,
        steps,
        paging,
        filtering,
        count: node.get("count").and_then(|count| Call::read(&count, &[])).map(Box::new),
        complete: node.get("complete").and_then(|complete| Complete::read(&complete)).map(Box::new),
        refuse: read_refusals(node),
        ensure_parents: node.flag("ensureParents", false),
        below: node
            .get("below")
            .and_then(|place| compiled(&place, || TextTemplate::compile(place.text().unwrap_or_default()))),
        errors: if node.get("steps").is_some() { read_errors(node) } else { Vec::new() },
        plan,
        defaults: Vec::new(),
        object: None,
        needs: Vec::new(),
        envelope: context.envelope.clone(),
        columns: Lazy::default(),
        members: Lazy::default(),
    };
    operation.needs = needs(&operation);
    Some(operation)
}

/// Reads templates by the path in the provider's record that they fill.
pub(super) fn read_filled(node: &Node<'_>, key: &str) -> Vec<(Path, ValueTemplate)> {
    let Some(list) = node.get(key) else { return Vec::new() };
    let mut defaults = Vec::new();
    for (source, place) in list.members() {
        let path = compiled(&place, || Path::compile(source));
        let value = compiled(&place, || ValueTemplate::compile(place.value));
        if let (Some(path), Some(value)) = (path, value) {
            if path.steps().is_none() {
                place.problem(format!("`{source}` can have several places, so nothing can be put there"));
            }
            defaults.push((path, value));
        }
    }
    defaults
}

fn needs(operation: &Operation) -> Vec<(Root, String, bool)> {
    let mut needs: Vec<(Root, String, bool)> = Vec::new();
    let mut visit = |reference: &Reference| {
        if matches!(reference.root, Root::Target | Root::Destination | Root::Select | Root::Members | Root::Lookup) {
            match needs.iter_mut().find(|(root, key, _)| *root == reference.root && *key == reference.key) {
                Some((_, _, optional)) => *optional &= reference.optional,
                None => needs.push((reference.root, reference.key.clone(), reference.optional)),
            }
        }
    };
    for step in &operation.steps {
        if let Some(when) = &step.when {
            when.visit(&mut visit);
        }
        for refusal in &step.refuse {
            refusal.when.visit(&mut visit);
        }
        for call in step.calls.iter().chain(&step.or_else) {
            call.visit(&mut visit);
        }
        if let Some(session) = &step.session {
            session.visit(&mut visit);
        }
        if let Some(walk) = &step.walk {
            walk.visit(&mut visit);
        }
        step.undo.iter().for_each(|undo| undo.visit(&mut visit));
    }
    for refusal in &operation.refuse {
        refusal.when.visit(&mut visit);
    }
    operation.below.iter().flat_map(TextTemplate::references).for_each(&mut visit);
    for given in &operation.plan.given {
        given.value.visit(&mut visit);
    }
    for next in operation.paging.iter().flat_map(|paging| &paging.next) {
        next.visit(&mut visit);
    }
    for call in operation.count.as_deref().into_iter().chain(operation.complete.iter().map(|complete| &complete.call)) {
        call.visit(&mut visit);
    }
    needs
}

pub(super) fn read_step(node: &Node<'_>, index: usize) -> Option<Step> {
    let name = node.opt_text("name").unwrap_or_else(|| format!("step{}", index + 1));
    if node.get("calls").is_some() {
        node.object(&["name", "when", "refuse", "calls", "orElse", "session", "undo"])?;
        return Some(Step {
            name,
            when: read_when(node),
            refuse: read_refusals(node),
            calls: read_calls(node, "calls"),
            or_else: read_calls(node, "orElse"),
            session: read_session(node).map(Box::new),
            walk: None,
            undo: read_undo(node),
        });
    }
    if let Some(place) = node.get("walk") {
        node.object(&["name", "when", "refuse", "walk", "undo"])?;
        return Some(Step {
            name,
            when: read_when(node),
            refuse: read_refusals(node),
            calls: Vec::new(),
            or_else: Vec::new(),
            session: None,
            walk: Some(Box::new(Walk::read(&place)?)),
            undo: read_undo(node),
        });
    }
    let mut call = Call::read(node, &["name", "refuse", "orElse", "session", "undo"])?;
    let when = call.when.take();
    Some(Step {
        name,
        when,
        refuse: read_refusals(node),
        calls: vec![call],
        or_else: read_calls(node, "orElse"),
        session: read_session(node).map(Box::new),
        walk: None,
        undo: read_undo(node),
    })
}

fn read_undo(node: &Node<'_>) -> Option<Box<Call>> {
    let place = node.get("undo")?;
    let undo = Call::read(&place, &[])?;
    check_outlives(&place, "undo", &undo);
    Some(Box::new(undo))
}

fn read_refusals(node: &Node<'_>) -> Vec<Refusal> {
    node.get("refuse").map_or_else(Vec::new, |list| tight(list.items().iter().filter_map(read_refusal)))
}

fn read_refusal(node: &Node<'_>) -> Option<Refusal> {
    node.object(&["when", "status", "message"])?;
    node.require("when")?;
    Some(Refusal {
        when: read_when(node)?,
        status: u16::try_from(node.require("status")?.number()?).ok()?,
        message: node.require_text("message")?,
    })
}

/// Reads a `paging` block.
pub(super) fn read_paging(node: &Node<'_>) -> Option<Paging> {
    node.object(&["max", "min", "cursor", "more", "offset", "next"])?;
    Some(Paging {
        max: node.require("max")?.number()?.max(1),
        min: node.opt_number("min").unwrap_or(1).max(1),
        cursor: read_path(node, "cursor"),
        more: node.get("more").and_then(|more| compiled(&more, || Match::compile(more.value))),
        offset: node.flag("offset", false),
        next: read_calls(node, "next"),
    })
}
