//! Parts a uniform filter and order into what the provider does and what is done here.

use serde_json::Value as Json;

use super::{FieldDescription, Invocation};
use crate::{
    catalog::{
        Operation,
        hub::FieldKind,
        operation::{Filtering, Language, Otherwise},
    },
    error::{Error, Result},
    mapping::{self, Codec, Line},
    query::{
        self, Column, ColumnKind, Encoder, Expr, Operator, Operators, Order, RenderError, Value, filter_groups, odata,
        soql,
    },
};

/// Names of a mapping file's own conditions, which are the provider's and never a model's.
const NATIVE: &str = "native:";

/// A filter and an order, parted.
#[derive(Debug, Default)]
pub(super) struct Parted {
    /// `{where}`.
    pub(super) filter: Option<Json>,
    /// `{orderBy}`.
    pub(super) order: Option<Json>,
    /// The filter that is applied here.
    pub(super) local: Option<Expr>,
    /// The order that is made here.
    pub(super) local_order: Vec<Order>,
    /// How many records may be read for that.
    pub(super) max: u64,
}

/// Parts the filter and the order of `invocation`.
pub(super) fn part(operation: &Operation, invocation: &Invocation, described: &[FieldDescription]) -> Result<Parted> {
    let filtering = operation.filtering.clone().unwrap_or(Filtering {
        language: Language::None,
        operators: Vec::new(),
        otherwise: Otherwise::Local { max: 10_000 },
        fixed: None,
        orders: false,
        lowercase_lists: false,
    });
    let names = Names { operation, native: invocation.native, described, filtering: &filtering };
    let resolve = |name: &str| Ok(names.resolve(name));
    let max = match filtering.otherwise {
        Otherwise::Local { max } => max,
        Otherwise::Refuse => 0,
    };
    let mut parted = Parted { max, ..Parted::default() };
    let mut pushed = None;
    if let Some(filter) = invocation.filter.clone() {
        let mut unknown = None;
        filter.visit_fields(&mut |field| {
            if let Err(error) = names.known(field) {
                unknown.get_or_insert(error);
            }
        });
        if let Some(error) = unknown {
            return Err(error.into());
        }
        let pushable = |expr: &Expr| render(&filtering, expr, &resolve).is_ok_and(|(_, exact)| exact);
        let (remote, local) = query::split(filter.clone(), &pushable);
        if let Some(local) = local {
            if filtering.otherwise == Otherwise::Refuse {
                render(&filtering, &filter, &resolve)?;
                return Err(Error::bad_request("Unsupported query: this filter cannot be handed to the provider")
                    .with_detail("where", local.to_string()));
            }
            parted.local = Some(local);
        }
        pushed = remote;
    }
    let fixed = match &filtering.fixed {
        Some(text) => Some(mark(query::parse(text).map_err(Error::internal)?)),
        None => None,
    };
    let remote = Expr::all(fixed.into_iter().chain(pushed.clone()).collect());
    if let Some(remote) = remote {
        match render(&filtering, &remote, &resolve) {
            Ok((rendered, _)) => parted.filter = Some(rendered),
            // Together they are too much for the provider: the mapping's own part goes there, the caller's stays here.
            Err(error) if filtering.otherwise == Otherwise::Refuse => return Err(error.into()),
            Err(_) => {
                parted.local = Expr::all(parted.local.into_iter().chain(pushed).collect());
                if let Some(text) = &filtering.fixed {
                    let fixed = mark(query::parse(text).map_err(Error::internal)?);
                    parted.filter = Some(render(&filtering, &fixed, &resolve)?.0);
                }
            }
        }
    }
    parted.local = Expr::all(parted.local.into_iter().chain(invocation.local_filter.clone()).collect())
        .map(|expr| names.normalised(expr));
    if !invocation.order.is_empty() {
        for order in &invocation.order {
            names.known(&order.field)?;
        }
        let rendered = match filtering.language {
            Language::Soql => Some(soql::order_by(&invocation.order, &resolve).map(Json::String)),
            Language::Odata => Some(odata::order_by(&invocation.order, &resolve).map(Json::String)),
            Language::FilterGroups => Some(filter_groups::sorts(&invocation.order, &resolve)),
            Language::None => None,
        };
        match rendered {
            Some(rendered) if filtering.orders => parted.order = Some(rendered?),
            _ if filtering.otherwise == Otherwise::Refuse => {
                return Err(Error::bad_request("This provider cannot order these records")
                    .with_detail("orderBy", "leave it out"));
            }
            _ => parted.local_order.clone_from(&invocation.order),
        }
    }
    Ok(parted)
}

fn render(filtering: &Filtering, expr: &Expr, resolve: &query::Resolve<'_, '_>) -> Result<(Json, bool), RenderError> {
    match filtering.language {
        Language::Soql => soql::render(expr, resolve).map(|text| (Json::String(text), true)),
        Language::Odata => odata::render(expr, resolve).map(|text| (Json::String(text), true)),
        Language::FilterGroups => {
            let limits =
                filter_groups::Limits { lowercase_in: filtering.lowercase_lists, ..filter_groups::Limits::default() };
            filter_groups::render(expr, resolve, &limits).map(|rendered| (rendered.groups, rendered.exact))
        }
        Language::None => Err(RenderError::Shape("this provider does not filter".to_owned())),
    }
}

/// Marks the fields of a mapping file's own condition as the provider's.
fn mark(expr: Expr) -> Expr {
    map_fields(expr, &mut |field| *field = format!("{NATIVE}{field}"), &mut |_, _| {})
}

fn map_fields(expr: Expr, rename: &mut dyn FnMut(&mut String), change: &mut dyn FnMut(&str, &mut Value)) -> Expr {
    match expr {
        Expr::And(parts) => Expr::And(parts.into_iter().map(|part| map_fields(part, rename, change)).collect()),
        Expr::Or(parts) => Expr::Or(parts.into_iter().map(|part| map_fields(part, rename, change)).collect()),
        Expr::Not(inner) => Expr::Not(Box::new(map_fields(*inner, rename, change))),
        Expr::Compare { mut field, op, mut value } => {
            change(&field, &mut value);
            rename(&mut field);
            Expr::Compare { field, op, value }
        }
        Expr::In { mut field, mut values, negated } => {
            for value in &mut values {
                change(&field, value);
            }
            rename(&mut field);
            Expr::In { field, values, negated }
        }
        Expr::IsNull { mut field, negated } => {
            rename(&mut field);
            Expr::IsNull { field, negated }
        }
        Expr::Like { mut field, pattern, negated } => {
            rename(&mut field);
            Expr::Like { field, pattern, negated }
        }
    }
}

/// Knows what a name in a filter stands for.
struct Names<'a> {
    operation: &'a Operation,
    native: bool,
    described: &'a [FieldDescription],
    filtering: &'a Filtering,
}

impl<'a> Names<'a> {
    fn line(&self, name: &str) -> Option<&'a Line> {
        if self.native { None } else { self.operation.plan.line(name) }
    }

    fn own(&self, name: &str) -> Option<String> {
        let open = self.operation.plan.open.as_ref()?;
        Some(name.strip_prefix(open.field.as_str())?.strip_prefix('.')?.to_owned())
    }

    /// Whether a caller may name this field.
    fn known(&self, name: &str) -> Result<(), RenderError> {
        if self.line(name).is_some() || self.own(name).is_some() {
            return Ok(());
        }
        let described = self.described.iter().any(|field| field.name.eq_ignore_ascii_case(name));
        // Without a description the provider itself has to say what it knows.
        if described || (self.filtering.language != Language::None && self.described.is_empty()) {
            return Ok(());
        }
        let known: Vec<&str> = if self.native {
            self.described.iter().map(|field| field.name.as_str()).collect()
        } else {
            self.operation.plan.lines.iter().map(|line| line.name.as_str()).collect()
        };
        let nearest = mapping::nearest(name, known).map(|(_, known)| known.to_owned());
        Err(RenderError::Field { field: name.to_owned(), nearest })
    }

    fn resolve(&self, name: &str) -> Column<'a> {
        let native = name.strip_prefix(NATIVE);
        if native.is_none()
            && let Some(line) = self.line(name)
        {
            let described = self.described.iter().find(|field| field.name.eq_ignore_ascii_case(&line.column));
            return Column {
                name: line.column.clone(),
                kind: self.kind(line, described),
                operators: self.operators(described),
                encode: encoder(line),
            };
        }
        let provider = native.map(str::to_owned).or_else(|| self.own(name)).unwrap_or_else(|| name.to_owned());
        let described = self.described.iter().find(|field| field.name.eq_ignore_ascii_case(&provider));
        let kind = described.map_or(ColumnKind::Other, described_kind);
        let name = described.map_or(provider, |field| field.name.clone());
        Column { name, kind, operators: self.operators(described), encode: None }
    }

    fn kind(&self, line: &Line, described: Option<&FieldDescription>) -> ColumnKind {
        // What the provider says of its own field counts more than the model: a date may be kept as a text there.
        if let Some(described) = described {
            return described_kind(described);
        }
        let field = self.operation.model.as_ref().and_then(|model| model.field(&line.name)).map(|field| field.kind);
        match (&line.codec, field) {
            (Codec::DateOfTime, _) | (_, Some(FieldKind::DateTime | FieldKind::Timestamp)) => ColumnKind::DateTime,
            (_, Some(FieldKind::Date)) => ColumnKind::Date,
            (_, Some(FieldKind::Integer | FieldKind::Number)) => ColumnKind::Number,
            (_, Some(FieldKind::Boolean)) => ColumnKind::Boolean,
            (_, Some(FieldKind::Text)) => ColumnKind::Text,
            _ => ColumnKind::Other,
        }
    }

    fn operators(&self, described: Option<&FieldDescription>) -> Operators {
        if described.is_some_and(|field| !field.is_filterable()) {
            return Operators::NONE;
        }
        if self.filtering.operators.is_empty() {
            return Operators::ALL;
        }
        self.filtering.operators.iter().filter_map(|word| Operator::parse(word)).collect()
    }

    /// Values in the form the local record has them: an extension without its dot.
    fn normalised(&self, expr: Expr) -> Expr {
        map_fields(expr, &mut |_| {}, &mut |field, value| {
            let is_extension = self.line(field).is_some_and(|line| line.codec == Codec::Extension);
            if let (true, Value::Text(text)) = (is_extension, value) {
                *text = text.trim_start_matches('.').to_lowercase();
            }
        })
    }
}

/// The kind of a field as the provider describes it.
fn described_kind(field: &FieldDescription) -> ColumnKind {
    match field.kind.as_str() {
        _ if field.is_choice() => ColumnKind::Other,
        "number" | "integer" | "int" => ColumnKind::Number,
        "boolean" => ColumnKind::Boolean,
        "date" => ColumnKind::Date,
        "datetime" => ColumnKind::DateTime,
        _ => ColumnKind::Text,
    }
}

/// Translates the words of a closed list.
fn encoder(line: &Line) -> Option<Encoder<'_>> {
    let Codec::Words { .. } = &line.codec else { return None };
    Some(Box::new(move |value: &Value| {
        let uniform = match value {
            Value::Text(text) | Value::Date(text) => Json::String(text.clone()),
            Value::Boolean(flag) => Json::Bool(*flag),
            Value::Number(number) => serde_json::from_str(number).unwrap_or_else(|_| Json::String(number.clone())),
            Value::Null => return Ok(Value::Null),
        };
        match line.codec.write(&uniform).map_err(|error| error.message)? {
            Json::Bool(flag) => Ok(Value::Boolean(flag)),
            Json::Number(number) => Ok(Value::Number(number.to_string())),
            Json::String(text) => Ok(Value::Text(text)),
            other => Ok(Value::Text(other.to_string())),
        }
    }))
}
