//! Looking names up and refusing conditions that do not fit their field's type.

use chrono::{DateTime, Utc};

use super::super::{
    id,
    schema::{Field, Kind, Object, Schema},
};
use super::{
    Condition, Failure, Group, Literal, Operator, Path, Query, Select, at,
    value::{Held, Wanted, days, midnight, pattern},
};

/// Relationships that one path may follow.
const HOPS: usize = 5;
/// The largest `LIMIT` of a query that selects fields by group.
const GROUP_LIMIT: usize = 200;
/// What can be read of a record whose object is not known beforehand.
const COMMON: [&str; 7] = ["Id", "Name", "FirstName", "LastName", "Email", "Phone", "Title"];

/// A query that can be run.
#[derive(Debug)]
pub(in super::super) struct Plan<'a> {
    pub(super) object: &'a Object,
    /// Nothing when only the number is asked for.
    pub(super) columns: Option<Vec<Column<'a>>>,
    pub(super) filter: Option<Test<'a>>,
    pub(super) order: Vec<Sort<'a>>,
    pub(super) limit: Option<usize>,
    pub(super) offset: usize,
}

/// A field and the references that lead to it.
#[derive(Clone, Debug)]
pub(super) struct Column<'a> {
    pub(super) hops: Vec<&'a Field>,
    pub(super) field: &'a Field,
}

#[derive(Debug)]
pub(super) enum Test<'a> {
    And(Vec<Test<'a>>),
    Or(Vec<Test<'a>>),
    Not(Box<Test<'a>>),
    Compare { column: Column<'a>, operator: Operator, wanted: Wanted },
    In { column: Column<'a>, negated: bool, wanted: Vec<Wanted> },
}

#[derive(Debug)]
pub(super) struct Sort<'a> {
    pub(super) column: Column<'a>,
    pub(super) descending: bool,
    pub(super) nulls_last: bool,
}

/// Checks a query against the organization's objects.
pub(in super::super) fn check<'a>(query: &Query, schema: &'a Schema, now: DateTime<Utc>) -> Result<Plan<'a>, Failure> {
    let Some(object) = schema.object(&query.from.text) else {
        let message = format!(
            "sObject type '{}' is not supported. If you are attempting to use a custom object, be sure to append the '__c' after the \
             entity name. Please reference your WSDL or the describe call for the appropriate names.",
            query.from.text
        );
        return Err(at(&query.text, query.from.at, "INVALID_TYPE", &message));
    };
    let checker = Checker { query, schema, object, now };
    let columns = checker.columns()?;
    let filter = query.filter.as_ref().map(|condition| checker.test(condition)).transpose()?;
    let mut order = Vec::new();
    for wanted in &query.order {
        let column = checker.column(&wanted.path)?;
        if columns.is_none() {
            let message = format!("Ordered field must be grouped or aggregated: {}", column.field.name);
            return Err(checker.refuse(&wanted.path, "MALFORMED_QUERY", &message));
        }
        if !column.field.is_sortable() {
            let message = format!("field '{}' can not be sorted in a query call", column.field.name);
            return Err(checker.refuse(&wanted.path, "INVALID_FIELD", &message));
        }
        order.push(Sort { column, descending: wanted.descending, nulls_last: wanted.nulls_last });
    }
    Ok(Plan { object, columns, filter, order, limit: query.limit, offset: query.offset })
}

struct Checker<'q, 'a> {
    query: &'q Query,
    schema: &'a Schema,
    object: &'a Object,
    now: DateTime<Utc>,
}

impl<'a> Checker<'_, 'a> {
    fn refuse(&self, path: &Path, code: &'static str, message: &str) -> Failure {
        at(&self.query.text, path.at, code, message)
    }

    fn columns(&self) -> Result<Option<Vec<Column<'a>>>, Failure> {
        match &self.query.select {
            Select::Count => Ok(None),
            Select::All(group, place) => {
                let limited = self.query.limit.is_some_and(|limit| limit <= GROUP_LIMIT);
                if *group != Group::Standard && !limited {
                    let message = "The SOQL FIELDS function must have a LIMIT of at most 200";
                    return Err(at(&self.query.text, *place, "MALFORMED_QUERY", message));
                }
                let wanted = |field: &&Field| match group {
                    Group::All => true,
                    Group::Standard => !field.is_custom(),
                    Group::Custom => field.is_custom(),
                };
                let fields = self.object.fields.iter().filter(wanted);
                Ok(Some(fields.map(|field| Column { hops: Vec::new(), field }).collect()))
            }
            Select::Fields(paths) => {
                let mut columns: Vec<Column<'a>> = Vec::new();
                for path in paths {
                    let column = self.column(path)?;
                    let key = |column: &Column<'_>| {
                        (column.hops.iter().map(|hop| hop.name).collect::<Vec<_>>(), column.field.name)
                    };
                    if columns.iter().any(|known| key(known) == key(&column)) {
                        let message = format!("duplicate field selected: {}", path.parts.join("."));
                        return Err(self.refuse(path, "INVALID_FIELD", &message));
                    }
                    columns.push(column);
                }
                Ok(Some(columns))
            }
        }
    }

    fn column(&self, path: &Path) -> Result<Column<'a>, Failure> {
        let mut parts: Vec<&str> = path.parts.iter().map(String::as_str).collect();
        if parts.len() > 1 && parts.first().is_some_and(|first| first.eq_ignore_ascii_case(self.object.name)) {
            parts.remove(0);
        }
        let Some((last, relationships)) = parts.split_last() else { return Err(Failure::missing()) };
        if relationships.len() > HOPS {
            return Err(self.refuse(
                path,
                "INVALID_FIELD",
                "only 5 levels of relationships are allowed in a field path",
            ));
        }
        let mut object = self.object;
        let mut hops: Vec<&'a Field> = Vec::new();
        for name in relationships {
            let hop = object.relationship(name).filter(|_| hops.last().is_none_or(|hop| hop.refers.len() == 1));
            let target = hop.and_then(|hop| hop.refers.first()).and_then(|target| self.schema.object(target));
            let (Some(hop), Some(target)) = (hop, target) else {
                let message = format!(
                    "Didn't understand relationship '{name}' in field path. If you are attempting to use a custom relationship, be sure \
                     to append the '__r' after the custom relationship name. Please reference your WSDL or the describe call for the \
                     appropriate names."
                );
                return Err(self.refuse(path, "INVALID_FIELD", &message));
            };
            hops.push(hop);
            object = target;
        }
        let several = hops.last().filter(|hop| hop.refers.len() > 1);
        let field = match several {
            None => object.field(last),
            Some(hop) => COMMON.iter().find(|common| common.eq_ignore_ascii_case(last)).and_then(|common| {
                hop.refers
                    .iter()
                    .filter_map(|target| self.schema.object(target))
                    .find_map(|object| object.field(common))
            }),
        };
        if let Some(field) = field {
            return Ok(Column { hops, field });
        }
        let entity = if several.is_some() { "Name" } else { object.name };
        let message = format!(
            "No such column '{last}' on entity '{entity}'. If you are attempting to use a custom field, be sure to append the '__c' \
             after the custom field name. Please reference your WSDL or the describe call for the appropriate names."
        );
        Err(self.refuse(path, "INVALID_FIELD", &message))
    }

    fn test(&self, condition: &Condition) -> Result<Test<'a>, Failure> {
        let all =
            |conditions: &[Condition]| conditions.iter().map(|inner| self.test(inner)).collect::<Result<Vec<_>, _>>();
        match condition {
            Condition::And(inner) => Ok(Test::And(all(inner)?)),
            Condition::Or(inner) => Ok(Test::Or(all(inner)?)),
            Condition::Not(inner) => Ok(Test::Not(Box::new(self.test(inner)?))),
            Condition::Compare { path, operator, value } => {
                let column = self.filterable(path)?;
                let wanted = self.wanted(path, column.field, Some(*operator), value)?;
                Ok(Test::Compare { column, operator: *operator, wanted })
            }
            Condition::In { path, negated, values } => {
                let column = self.filterable(path)?;
                let wanted = values.iter().map(|value| self.wanted(path, column.field, None, value));
                let wanted = wanted.collect::<Result<_, _>>()?;
                Ok(Test::In { column, negated: *negated, wanted })
            }
        }
    }

    fn filterable(&self, path: &Path) -> Result<Column<'a>, Failure> {
        let column = self.column(path)?;
        if column.field.is_filterable() {
            return Ok(column);
        }
        let message = format!("field '{}' can not be filtered in a query call", column.field.name);
        Err(self.refuse(path, "INVALID_FIELD", &message))
    }

    /// Reads a literal as the field's type demands; without an operator it stands in a list.
    fn wanted(
        &self,
        path: &Path,
        field: &Field,
        operator: Option<Operator>,
        value: &Literal,
    ) -> Result<Wanted, Failure> {
        let kind = field.kind;
        let unfit = operator.is_some_and(|operator| match operator {
            Operator::Like => !kind.is_text(),
            operator => operator.is_order() && (kind == Kind::Boolean || matches!(value, Literal::Null)),
        });
        if unfit {
            let message = format!("invalid operator on {} field", kind.spoken());
            return Err(self.refuse(path, "INVALID_QUERY_FILTER_OPERATOR", &message));
        }
        let one = |held| Ok(Wanted::One(held));
        match value {
            Literal::Null => return one(Held::Null),
            Literal::Boolean(flag) if kind == Kind::Boolean => return one(Held::Boolean(*flag)),
            Literal::Number { value, text } if kind.is_number() => {
                if kind == Kind::Int && text.parse::<i64>().is_err() {
                    return Err(self.mistyped(path, field, false));
                }
                return one(Held::Number(*value));
            }
            Literal::Date(day) if kind == Kind::Date => return one(Held::Date(*day)),
            Literal::DateTime(moment) if kind == Kind::DateTime => return one(Held::Moment(*moment)),
            Literal::Range { name, days: count } if matches!(kind, Kind::Date | Kind::DateTime) => {
                let Some((from, to)) = days(name, *count, self.now) else {
                    return Err(self.mistyped(path, field, false));
                };
                return Ok(match kind {
                    Kind::Date => Wanted::Between(Held::Date(from), Held::Date(to)),
                    _ => Wanted::Between(Held::Moment(midnight(from)), Held::Moment(midnight(to))),
                });
            }
            Literal::Text(chars) if kind.is_text() => {
                if operator == Some(Operator::Like) {
                    return Ok(Wanted::Pattern(pattern(chars)));
                }
                if chars.is_empty() {
                    return one(Held::Null);
                }
                return one(Held::Text(chars.iter().map(|(c, _)| *c).collect::<String>().to_lowercase()));
            }
            Literal::Text(chars) if matches!(kind, Kind::Id | Kind::Reference) => {
                let text: String = chars.iter().map(|(c, _)| *c).collect();
                if text.is_empty() {
                    return one(Held::Null);
                }
                if let Some(id) = id::normal(&text) {
                    return one(Held::Id(id));
                }
                let message = format!("invalid ID field: {text}");
                return Err(self.refuse(path, "INVALID_QUERY_FILTER_OPERATOR", &message));
            }
            _ => {}
        }
        Err(self.mistyped(path, field, kind.is_text() || matches!(kind, Kind::Id | Kind::Reference)))
    }

    fn mistyped(&self, path: &Path, field: &Field, quoted: bool) -> Failure {
        let should = if quoted { "should be" } else { "should not be" };
        let kind = if quoted { "string" } else { field.kind.spoken() };
        let message = format!(
            "value of filter criterion for field '{}' must be of type {kind} and {should} enclosed in quotes",
            field.name
        );
        self.refuse(path, "INVALID_FIELD", &message)
    }
}
