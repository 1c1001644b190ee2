//! Parts a uniform filter and order into what the provider does and what is done here.

use std::sync::LazyLock;

use serde_json::Value as Json;

use super::{FieldDescription, Invocation, parent::Bound};
use crate::{
    catalog::{
        Operation,
        filtering::{Filtering, Language, Otherwise},
        hub::FieldKind,
    },
    error::{Error, Result},
    mapping::{self, Codec, Line},
    query::{
        self, Column, ColumnKind, CompareOp, Encoder, Expr, Operator, Operators, Order, RenderError, Value,
        condition_tree, coql, filter_groups, flat, infix, odata, params, soql,
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
    /// The parent that records are held against here.
    pub(super) parent: Option<Bound>,
    /// How many records may be read for that.
    pub(super) max: u64,
}

/// What operations without filtering have.
static NO_FILTERING: LazyLock<Filtering> = LazyLock::new(Filtering::default);

impl Parted {
    /// What operations that are no lists have.
    pub(super) fn none() -> &'static Self {
        static NONE: LazyLock<Parted> = LazyLock::new(Parted::default);
        &NONE
    }

    /// Whether records are left out here.
    pub(super) fn leaves_out(&self) -> bool {
        self.local.is_some() || self.parent.is_some()
    }
}

/// Parts the filter and the order of `invocation`, whose records belong to a parent as `bound` says.
pub(super) fn part(
    operation: &Operation,
    invocation: &Invocation,
    described: &[FieldDescription],
    bound: Option<&Bound>,
) -> Result<Parted> {
    let filtering = operation.filtering.as_deref().unwrap_or(&NO_FILTERING);
    let names = Names { operation, native: invocation.native, described, filtering };
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
        let exact = |expr: &Expr| names.render(expr).is_ok_and(|(_, exact)| exact);
        let (remote, local) = query::split(filter.clone(), &exact);
        // What the provider only narrows is sent there too, and applied here all the same.
        let narrowed = local
            .clone()
            .filter(|_| matches!(filtering.language, Language::Infix | Language::ConditionTree))
            .and_then(|local| query::split(local, &|expr| names.render(expr).is_ok()).0);
        if let Some(local) = local {
            if filtering.otherwise == Otherwise::Refuse {
                names.render(&filter)?;
                let what = format!("{local} cannot be handed to the provider as a part of this filter");
                return Err(Error::bad_request(format!("Unsupported query: {what}")).with_detail("where", what));
            }
            parted.local = Some(local);
        }
        pushed = Expr::all(remote.into_iter().chain(narrowed).collect());
    }
    let fixed = match &filtering.fixed {
        Some(text) => Some(mark(query::parse(text).map_err(Error::internal)?)),
        None => None,
    };
    let fixed = names.below_parent(fixed, bound, &mut parted)?;
    if let Some(remote) = Expr::all(fixed.clone().into_iter().chain(pushed.clone()).collect()) {
        match names.render(&remote) {
            Ok((rendered, _)) => parted.filter = Some(rendered),
            // Together they are too much for the provider: the mapping's own part goes there, the caller's stays here.
            Err(error) if filtering.otherwise == Otherwise::Refuse => return Err(error.into()),
            Err(_) => {
                parted.local = Expr::all(parted.local.into_iter().chain(pushed).collect());
                if let Some(fixed) = &fixed {
                    parted.filter = Some(names.render(fixed)?.0);
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
        match render_order(filtering, &invocation.order, &resolve) {
            Some(rendered) if names.ordered_there(&invocation.order) => parted.order = Some(rendered?),
            _ if filtering.otherwise == Otherwise::Refuse => {
                let fields: Vec<&str> = invocation.order.iter().map(|order| order.field.as_str()).collect();
                return Err(Error::bad_request(format!(
                    "This provider cannot order these records by `{}`",
                    fields.join("`, `")
                ))
                .with_detail("orderBy", "leave it out"));
            }
            _ => parted.local_order.clone_from(&invocation.order),
        }
    }
    Ok(parted)
}

/// Who applies a condition or an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    /// The provider.
    Provider,
    /// The gateway, within the bound of `otherwise`.
    Gateway,
    /// Nobody: it is refused.
    Nobody,
}

/// Who applies this condition in this operation, without an account's own description of its fields.
pub(super) fn condition_by(operation: &Operation, condition: &Expr) -> By {
    let Some(filtering) = &operation.filtering else { return By::Gateway };
    let names = Names { operation, native: false, described: &[], filtering };
    let mut made_here = false;
    condition.visit_fields(&mut |field| made_here |= names.made_here(field));
    match names.render(condition) {
        _ if made_here => By::Nobody,
        Ok((_, true)) => By::Provider,
        _ => here(filtering),
    }
}

/// Who orders by this field in this operation.
pub(super) fn order_by(operation: &Operation, field: &str) -> By {
    let Some(filtering) = &operation.filtering else { return By::Gateway };
    let names = Names { operation, native: false, described: &[], filtering };
    let order = [Order { field: field.to_owned(), direction: query::Direction::Ascending }];
    if names.made_here(field) {
        By::Nobody
    } else if names.ordered_there(&order)
        && render_order(filtering, &order, &|name| Ok(names.resolve(name))).is_some_and(|done| done.is_ok())
    {
        By::Provider
    } else {
        here(filtering)
    }
}

fn here(filtering: &Filtering) -> By {
    match filtering.otherwise {
        Otherwise::Local { .. } => By::Gateway,
        Otherwise::Refuse => By::Nobody,
    }
}

/// The order in the provider's language; `None` where that has none.
fn render_order(
    filtering: &Filtering,
    order: &[Order],
    resolve: &query::Resolve<'_, '_>,
) -> Option<Result<Json, RenderError>> {
    match filtering.language {
        Language::Soql => Some(soql::order_by(order, resolve).map(Json::String)),
        Language::Flat => Some(flat::order_by(order, resolve).map(Json::String)),
        Language::Odata => Some(odata::order_by(order, resolve).map(Json::String)),
        Language::FilterGroups => Some(filter_groups::sorts(order, resolve)),
        Language::Coql => Some(coql::order_by(order, resolve).map(Json::String)),
        Language::Infix => Some(infix::order_by(order, resolve).map(Json::String)),
        Language::ConditionTree | Language::Parameters | Language::None => None,
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
    /// The mapping's own condition, and that records belong to the parent: asked of the provider where it can tell, else
    /// noted to be seen to here.
    fn below_parent(&self, fixed: Option<Expr>, bound: Option<&Bound>, parted: &mut Parted) -> Result<Option<Expr>> {
        let Some(bound) = bound else { return Ok(fixed) };
        let belongs = bound.column.as_ref().filter(|_| !bound.replaced).map(|column| Expr::Compare {
            field: format!("{NATIVE}{column}"),
            op: CompareOp::Eq,
            value: Value::Text(bound.id.clone()),
        });
        let both = belongs.and_then(|belongs| Expr::all(fixed.iter().cloned().chain([belongs]).collect()));
        if let Some(both) = both.filter(|both| self.render(both).is_ok_and(|(_, exact)| exact)) {
            return Ok(Some(both));
        }
        if bound.in_record {
            parted.parent = Some(bound.clone());
        } else if !bound.replaced {
            return Err(Error::bad_request(
                "This provider cannot list these records below a parent together with this filter",
            ));
        }
        Ok(fixed)
    }

    fn line(&self, name: &str) -> Option<&'a Line> {
        if self.native { None } else { self.operation.plan.line(name) }
    }

    fn own(&self, name: &str) -> Option<String> {
        // A native record's members can be named as they stand in the answer.
        if let (true, Some(envelope)) = (self.native, self.operation.envelope.as_deref()) {
            return Some(name.strip_prefix(envelope)?.strip_prefix('.')?.to_owned());
        }
        let open = self.operation.plan.open.as_ref()?;
        Some(name.strip_prefix(open.field.as_str())?.strip_prefix('.')?.to_owned())
    }

    /// A filter in the provider's language, and whether the provider then answers exactly that.
    fn render(&self, expr: &Expr) -> Result<(Json, bool), RenderError> {
        let filtering = self.filtering;
        let resolve = &|name: &str| Ok(self.resolve(name));
        let expr = &self.equated(expr.clone());
        match filtering.language {
            Language::Soql => soql::render(expr, resolve).map(|text| (Json::String(text), true)),
            Language::Flat => flat::render(expr, resolve).map(|text| (Json::String(text), true)),
            Language::Odata => odata::render(expr, resolve).map(|text| (Json::String(text), true)),
            Language::FilterGroups => {
                let limits = filter_groups::Limits {
                    lowercase_in: filtering.lowercase_lists,
                    ..filter_groups::Limits::default()
                };
                filter_groups::render(expr, resolve, &limits).map(|rendered| (rendered.groups, rendered.exact))
            }
            Language::Infix => {
                infix::render(expr, resolve).map(|rendered| (Json::String(rendered.text), rendered.exact))
            }
            Language::Coql => coql::render(expr, resolve).map(|text| (Json::String(text), true)),
            Language::ConditionTree => {
                let target = condition_tree::Target { object: &filtering.object, terms: &filtering.terms };
                condition_tree::render(expr, resolve, &target).map(|rendered| (rendered.tree, rendered.exact))
            }
            Language::Parameters => params::render(expr, resolve, &filtering.parameters).map(|params| {
                (Json::Object(params.into_iter().map(|(name, value)| (name, Json::String(value))).collect()), true)
            }),
            Language::None => Err(RenderError::Shape(format!("this provider does not filter, and so not by {expr}"))),
        }
    }

    /// Whether-fields as what they stand for: `directory = true` where the type is that of folders.
    fn equated(&self, expr: Expr) -> Expr {
        match expr {
            Expr::And(parts) => Expr::And(parts.into_iter().map(|part| self.equated(part)).collect()),
            Expr::Or(parts) => Expr::Or(parts.into_iter().map(|part| self.equated(part)).collect()),
            Expr::Not(inner) => Expr::Not(Box::new(self.equated(*inner))),
            Expr::Compare { field, op: op @ (CompareOp::Eq | CompareOp::Ne), value } => {
                let line = self.line(&field).map(|line| (&line.codec, line.column.as_str()));
                match (line, value.as_bool()) {
                    (Some((Codec::Equals(Json::String(text)), column)), Some(truth)) => Expr::Compare {
                        field: format!("{NATIVE}{column}"),
                        op: if truth == (op == CompareOp::Eq) { CompareOp::Eq } else { CompareOp::Ne },
                        value: Value::Text(text.clone()),
                    },
                    _ => Expr::Compare { field, op, value },
                }
            }
            other => other,
        }
    }

    /// Whether a field is made here, by asking the provider further: nobody can filter or order by that.
    fn made_here(&self, name: &str) -> bool {
        self.line(name).is_some_and(|line| line.codec == Codec::Ancestors)
    }

    /// Whether the provider orders by all of these.
    fn ordered_there(&self, orders: &[Order]) -> bool {
        let columns = &self.filtering.order_columns;
        let known = |order: &Order| columns.contains(&self.resolve(&order.field).name);
        self.filtering.orders && (columns.is_empty() || orders.iter().all(known))
    }

    /// Whether a caller may name this field.
    fn known(&self, name: &str) -> Result<(), RenderError> {
        if self.made_here(name) {
            return Err(RenderError::Shape(format!("`{name}` is made here and cannot be filtered or ordered by")));
        }
        if self.line(name).is_some() {
            return Ok(());
        }
        let given = !self.native && self.operation.plan.given.iter().any(|given| given.name.eq_ignore_ascii_case(name));
        if given || self.own(name).is_some() {
            return Ok(());
        }
        // Records that pass as they are and that nothing describes may have any member.
        if self.native && self.described.is_empty() && self.filtering.language == Language::None {
            return Ok(());
        }
        let described = self.described.iter().any(|field| field.name.eq_ignore_ascii_case(name));
        let columns = &self.filtering.columns;
        if columns.iter().any(|column| column == name) {
            return Ok(());
        }
        // Without a description the provider itself has to say what it knows.
        if described || (columns.is_empty() && self.filtering.language != Language::None && self.described.is_empty()) {
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
                operators: self.of_line(line, described),
                encode: encoder(line),
            };
        }
        let provider = native.map(str::to_owned).or_else(|| self.own(name)).unwrap_or_else(|| name.to_owned());
        let described = self.described.iter().find(|field| field.name.eq_ignore_ascii_case(&provider));
        let kind = described.map_or(ColumnKind::Other, described_kind);
        let name = described.map_or(provider, |field| field.name.clone());
        let operators = self.operators(described, &name);
        Column { name, kind, operators, encode: None }
    }

    fn kind(&self, line: &Line, described: Option<&FieldDescription>) -> ColumnKind {
        // What the provider says of its own field counts more than the model: a date may be kept as a text there.
        if let Some(described) = described {
            return described_kind(described);
        }
        let field = self.operation.model.as_ref().and_then(|model| model.field(&line.name)).map(|field| field.kind);
        match (&line.codec, field) {
            (Codec::DateAsTime, _) => ColumnKind::Date,
            (Codec::DateOfTime, _) | (_, Some(FieldKind::DateTime | FieldKind::Timestamp)) => ColumnKind::DateTime,
            (_, Some(FieldKind::Date)) => ColumnKind::Date,
            (_, Some(FieldKind::Integer | FieldKind::Number)) => ColumnKind::Number,
            (_, Some(FieldKind::Boolean)) => ColumnKind::Boolean,
            (_, Some(FieldKind::Text)) => ColumnKind::Text,
            _ => ColumnKind::Other,
        }
    }

    /// The operators of a line: what its codec makes of a value has to be what the provider compares.
    fn of_line(&self, line: &Line, described: Option<&FieldDescription>) -> Operators {
        match &line.codec {
            // A part of a name is a word of it.
            Codec::NamePart { .. } if self.filtering.language == Language::ConditionTree => {
                [Operator::Eq, Operator::In].into_iter().collect()
            }
            Codec::NamePart { .. } | Codec::First | Codec::Constant(_) => Operators::NONE,
            // What only reads (the ending of a name, say) is not what the provider compares.
            codec if !codec.is_two_way() => Operators::NONE,
            _ => self.operators(described, &line.column),
        }
    }

    fn operators(&self, described: Option<&FieldDescription>, column: &str) -> Operators {
        let columns = &self.filtering.columns;
        if described.is_some_and(|field| !field.is_filterable())
            || !(columns.is_empty() || columns.iter().any(|known| known == column))
        {
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
        _ if field.is_choice() || field.is_identifier() => ColumnKind::Other,
        "number" | "integer" | "int" => ColumnKind::Number,
        "boolean" => ColumnKind::Boolean,
        "date" => ColumnKind::Date,
        "datetime" => ColumnKind::DateTime,
        _ => ColumnKind::Text,
    }
}

/// Translates the words of a closed list, and numbers that are kept multiplied.
fn encoder(line: &Line) -> Option<Encoder<'_>> {
    let (Codec::Words { .. } | Codec::Scale(_)) = &line.codec else { return None };
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
