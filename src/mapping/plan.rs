//! Field lines compiled to a flat plan that serves both directions.

use serde_json::{Map, Value};

use super::{Codec, CompileError, Path, Scope, ValueTemplate, condition::Match, path::Step};

/// Which directions a field line serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Both.
    ReadWrite,
    /// Only from the provider.
    Read,
    /// Only to the provider.
    Write,
    /// Read; written only when a record is made.
    Create,
}

/// What a record is written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteMode {
    /// A new record.
    Create,
    /// Changes to one that is there.
    Update,
}

/// By which names fields are asked of the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naming {
    /// Those of its query language.
    Columns,
    /// Those of the top members of its record.
    Members,
}

/// One field line.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// The uniform name; dots make nested objects.
    pub name: String,
    steps: Vec<String>,
    /// Where the provider keeps it.
    pub path: Path,
    /// The conversion.
    pub codec: Codec,
    /// The directions.
    pub access: Access,
    /// What the provider's query language calls it.
    pub column: String,
    /// Whether the model says a time that callers may want as RFC 3339 (`isoDates`).
    pub timestamp: bool,
    /// What is lost, if the file declares a loss.
    pub loss: Option<String>,
    /// The line counts only for records that meet this.
    pub when: Option<Match>,
}

impl Line {
    /// A line from `name` to `path` through `codec`.
    ///
    /// # Errors
    /// When a one-way codec or a path with several results stands on a line that writes.
    pub fn new(name: &str, path: Path, codec: Codec, access: Access) -> Result<Self, CompileError> {
        if access != Access::Read {
            if !codec.is_two_way() {
                return Err(CompileError::new("this codec only reads").hint("add \"access\": \"read\""));
            }
            if path.steps().is_none() {
                return Err(CompileError::new(format!("`{path}` can have several results, so it cannot be written"))
                    .hint("use a path of names and indexes, or add \"access\": \"read\""));
            }
        }
        Ok(Self {
            name: name.to_owned(),
            steps: name.split('.').map(str::to_owned).collect(),
            column: path.leaf().unwrap_or(name).to_owned(),
            path,
            codec,
            access,
            timestamp: false,
            loss: None,
            when: None,
        })
    }

    pub(super) fn reads(&self) -> bool {
        self.access != Access::Write
    }

    /// The names of the objects its field is in, and its own.
    pub(super) fn steps(&self) -> &[String] {
        &self.steps
    }

    /// What the provider calls what it is read from.
    fn named(&self, naming: Naming) -> Option<&str> {
        match (naming, self.path.steps().and_then(|steps| steps.first())) {
            (Naming::Columns, _) => Some(&self.column),
            (Naming::Members, Some(Step::Key(name))) => Some(name),
            (Naming::Members, _) => None,
        }
    }

    fn writes(&self, mode: WriteMode) -> bool {
        match self.access {
            Access::ReadWrite | Access::Write => true,
            Access::Create => mode == WriteMode::Create,
            Access::Read => false,
        }
    }
}

/// The open map of a model: provider fields that no line names.
#[derive(Debug, Clone, PartialEq)]
pub struct Open {
    /// The uniform field that holds them.
    pub field: String,
    /// The object at the provider whose members they are.
    pub path: Path,
    /// Endings of the members that belong to it; empty: every member that no line and no ignored path names.
    pub endings: Vec<String>,
    /// Beginnings of such members, as the endings.
    pub beginnings: Vec<String>,
    /// The conversion of every member.
    pub codec: Codec,
}

/// A field that the call knows rather than the provider's record.
#[derive(Debug, Clone, PartialEq)]
pub struct Given {
    /// The uniform name; dots make nested objects.
    pub name: String,
    /// What it is.
    pub value: ValueTemplate,
}

/// The compiled field lines of one resource of an element.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Plan {
    /// The lines.
    pub lines: Vec<Line>,
    /// The fields that calls know.
    pub given: Vec<Given>,
    /// The open map, if the model has one and the provider can fill it.
    pub open: Option<Open>,
    /// Members of the open map's object that are left out.
    pub ignored: Vec<Path>,
    /// Fields of the model that the provider has no place for: (name, reason).
    pub unsupported: Vec<(String, String)>,
    /// What every written record carries besides: (path, value).
    pub constants: Vec<(Path, Value)>,
    /// What a null is written as, for providers that clear a field otherwise.
    pub clearing: Value,
}

/// What is wrong with one member of a uniform record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldProblem {
    /// The uniform name.
    pub name: String,
    /// What is wrong, and what would be right.
    pub detail: String,
}

impl Plan {
    /// The line of a uniform field.
    pub fn line(&self, name: &str) -> Option<&Line> {
        self.lines.iter().find(|line| line.name.eq_ignore_ascii_case(name))
    }

    /// A provider record as a uniform one. Absent and null values are left out, unless `keep_nulls`.
    pub fn read(&self, record: &Value, iso_dates: bool, keep_nulls: bool) -> Map<String, Value> {
        let mut uniform = Map::new();
        for line in self.lines.iter().filter(|line| line.reads()) {
            if line.when.as_ref().is_some_and(|when| !when.holds(record)) {
                continue;
            }
            let raw = line.path.get(record);
            let value = match &line.codec {
                Codec::Constant(constant) => Some(constant.clone()),
                codec => raw.and_then(|raw| codec.read(raw)),
            };
            let value = match value {
                Some(Value::Number(ms)) if line.timestamp && iso_dates => Codec::DateTime.read(&Value::Number(ms)),
                Some(value) => Some(value),
                None if keep_nulls && raw.is_some_and(Value::is_null) => Some(Value::Null),
                None => None,
            };
            if let Some(value) = value {
                insert(&mut uniform, &line.steps, value);
            }
        }
        if let Some(open) = &self.open {
            let rest = self.open_members(open, record, keep_nulls);
            if !rest.is_empty() {
                // Lines may have put members of the same object there.
                match uniform.get_mut(&open.field) {
                    Some(Value::Object(known)) => {
                        for (name, value) in rest {
                            known.entry(name).or_insert(value);
                        }
                    }
                    _ => drop(uniform.insert(open.field.clone(), Value::Object(rest))),
                }
            }
        }
        uniform
    }

    /// Adds to a uniform record what the call knows of it; what is absent in `scope` is left out.
    pub fn give(&self, uniform: &mut Map<String, Value>, scope: &dyn Scope) {
        for given in &self.given {
            if let Ok(Some(value)) = given.value.render(scope) {
                let steps: Vec<String> = given.name.split('.').map(str::to_owned).collect();
                insert(uniform, &steps, value);
            }
        }
    }

    /// What the call knows of every record, in the order of the given fields.
    pub fn give_values(&self, scope: &dyn Scope) -> Vec<Option<Value>> {
        self.given.iter().map(|given| given.value.render(scope).ok().flatten()).collect()
    }

    fn open_members(&self, open: &Open, record: &Value, keep_nulls: bool) -> Map<String, Value> {
        let Some(Value::Object(members)) = open.path.get(record) else { return Map::new() };
        let depth = open.path.steps().map_or(0, <[_]>::len);
        members
            .iter()
            .filter(|(name, value)| {
                (keep_nulls || !value.is_null())
                    && if open.endings.is_empty() && open.beginnings.is_empty() {
                        !self.names(depth, name)
                    } else {
                        open.endings.iter().any(|ending| name.ends_with(ending.as_str()))
                            || open.beginnings.iter().any(|beginning| name.starts_with(beginning.as_str()))
                    }
            })
            .filter_map(|(name, value)| {
                let value = if value.is_null() { Value::Null } else { open.codec.read(value)? };
                Some((name.clone(), value))
            })
            .collect()
    }

    /// Whether a line or an ignored path takes the member `name` of the open map's object.
    fn names(&self, depth: usize, name: &str) -> bool {
        self.named(depth).any(|named| named == name)
    }

    /// The names that lines and ignored paths have at a depth.
    pub(super) fn named(&self, depth: usize) -> impl Iterator<Item = &str> {
        let paths = self.lines.iter().map(|line| &line.path).chain(&self.ignored);
        paths.filter_map(move |path| match path.steps()?.get(depth)? {
            Step::Key(key) => Some(key.as_str()),
            Step::Index(_) => None,
        })
    }

    /// A uniform record as the provider's.
    ///
    /// Fields that only read are skipped, so that a record that was read can be sent back.
    ///
    /// # Errors
    /// Every member that is unknown, not supported by this element, or of the wrong type.
    pub fn write(&self, uniform: &Map<String, Value>, mode: WriteMode) -> Result<Value, Vec<FieldProblem>> {
        let mut record = Value::Object(Map::new());
        let mut problems = Vec::new();
        for (name, value) in uniform {
            self.write_member(name, value, mode, &mut record, &mut problems);
        }
        for (path, value) in &self.constants {
            path.set(&mut record, value.clone());
        }
        if problems.is_empty() { Ok(record) } else { Err(problems) }
    }

    /// The members of a uniform record that only count when a record is made, so that an update leaves them as they are.
    pub fn only_on_create(&self, uniform: &Map<String, Value>) -> Vec<String> {
        let fixed = self.lines.iter().filter(|line| line.access == Access::Create);
        fixed.filter(|line| uniform.contains_key(&line.name)).map(|line| line.name.clone()).collect()
    }

    fn write_member(
        &self,
        name: &str,
        value: &Value,
        mode: WriteMode,
        record: &mut Value,
        problems: &mut Vec<FieldProblem>,
    ) {
        if let Some(open) = self.open.as_ref().filter(|open| open.field == name) {
            match value {
                Value::Object(members) => {
                    for (member, value) in members {
                        if value.is_null() && mode == WriteMode::Create {
                            continue;
                        }
                        let written = match open.codec.write(value) {
                            Ok(written) => self.cleared(written),
                            Err(error) => {
                                let name = format!("{name}.{member}");
                                problems.push(FieldProblem { name, detail: error.message });
                                continue;
                            }
                        };
                        let mut path = open.path.get(record).cloned().unwrap_or_else(|| Value::Object(Map::new()));
                        if let Some(object) = path.as_object_mut() {
                            object.insert(member.clone(), written);
                        }
                        open.path.set(record, path);
                    }
                }
                Value::Null => {}
                _ => problems.push(FieldProblem { name: name.to_owned(), detail: "should be an object".to_owned() }),
            }
            return;
        }
        let lines: Vec<&Line> = self.lines.iter().filter(|line| line.name == name).collect();
        if lines.is_empty() {
            let prefix = format!("{name}.");
            if self.lines.iter().any(|line| line.name.starts_with(&prefix))
                || self.unsupported.iter().any(|(field, _)| field.starts_with(&prefix))
            {
                match value {
                    Value::Object(members) => {
                        for (member, value) in members {
                            self.write_member(&format!("{prefix}{member}"), value, mode, record, problems);
                        }
                    }
                    Value::Null => {}
                    _ => {
                        problems.push(FieldProblem { name: name.to_owned(), detail: "should be an object".to_owned() });
                    }
                }
                return;
            }
            if value.is_null() {
                return;
            }
            let detail = match self.unsupported.iter().find(|(field, _)| field == name) {
                Some((_, reason)) => format!("this element has no place for it: {reason}"),
                None => format!("unknown field; {}", self.nearest(name)),
            };
            problems.push(FieldProblem { name: name.to_owned(), detail });
            return;
        }
        for line in lines.into_iter().filter(|line| line.writes(mode)) {
            match line.codec.write(value) {
                // A new record has nothing to clear.
                Ok(Value::Null) if mode == WriteMode::Create => {}
                Ok(written) => {
                    let written = line.codec.join(line.path.get(record), self.cleared(written));
                    line.path.set(record, written);
                }
                Err(error) => problems.push(FieldProblem { name: name.to_owned(), detail: error.message }),
            }
        }
    }

    fn cleared(&self, written: Value) -> Value {
        if written.is_null() { self.clearing.clone() } else { written }
    }

    fn nearest(&self, name: &str) -> String {
        let best = super::nearest(name, self.lines.iter().map(|line| line.name.as_str()));
        let open = self.open.as_ref().map(|open| format!("fields of your own go under `{}`", open.field));
        match (best, open) {
            (Some((score, best)), _) if score > 0.85 => format!("did you mean `{best}`?"),
            (_, Some(open)) => open,
            _ => {
                let known: Vec<&str> = self.lines.iter().map(|line| line.name.as_str()).collect();
                format!("known: {}", known.join(", "))
            }
        }
    }

    /// The provider's names of the fields wanted: of all lines, or of the lines that `fields` names.
    ///
    /// Names that no line has are the provider's own and pass as they are; the open map's prefix is taken off.
    pub fn select(&self, naming: Naming, fields: &[String]) -> Vec<String> {
        let mut select: Vec<String> = Vec::new();
        let mut add = |column: &str| {
            if !select.iter().any(|known| known.eq_ignore_ascii_case(column)) {
                select.push(column.to_owned());
            }
        };
        if fields.is_empty() {
            self.lines.iter().filter(|line| line.reads()).filter_map(|line| line.named(naming)).for_each(&mut add);
            return select;
        }
        for field in fields {
            let prefix = format!("{field}.");
            let mut found = false;
            for line in self.lines.iter().filter(|line| {
                line.reads() && (line.name.eq_ignore_ascii_case(field) || line.name.starts_with(&prefix))
            }) {
                if let Some(name) = line.named(naming) {
                    add(name);
                }
                found = true;
            }
            if !found {
                let open =
                    self.open.as_ref().and_then(|open| field.strip_prefix(open.field.as_str())?.strip_prefix('.'));
                if let Some(own) = open {
                    add(own);
                }
            }
        }
        select
    }
}

fn insert(map: &mut Map<String, Value>, steps: &[String], value: Value) {
    match steps {
        [] => {}
        [last] => {
            map.insert(last.clone(), value);
        }
        [first, rest @ ..] => {
            let inner = map.entry(first.clone()).or_insert_with(|| Value::Object(Map::new()));
            if let Some(inner) = inner.as_object_mut() {
                insert(inner, rest, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn plan() -> Plan {
        let line = |name: &str, path: &str, codec: Codec, access| {
            Line::new(name, Path::compile(path).unwrap(), codec, access).unwrap()
        };
        Plan {
            lines: vec![
                line("id", "$.id", Codec::Text, Access::Read),
                line("firstName", "$.properties.firstname", Codec::Text, Access::ReadWrite),
                line("address.city", "$.properties.city", Codec::Text, Access::ReadWrite),
                line("points", "$.properties.points", Codec::IntegerText, Access::ReadWrite),
            ],
            given: Vec::new(),
            open: Some(Open {
                field: "customFields".into(),
                path: Path::compile("$.properties").unwrap(),
                endings: vec![],
                beginnings: vec![],
                codec: Codec::Text,
            }),
            ignored: vec![Path::compile("$.properties.hs_object_id").unwrap()],
            unsupported: vec![("fax".into(), "the provider keeps no fax number".into())],
            constants: vec![],
            clearing: Value::String(String::new()),
        }
    }

    #[test]
    fn reads_and_writes_one_record() {
        let plan = plan();
        let native = json!({"id": "1", "properties": {"firstname": "Ada", "city": null, "points": "7", "colour": "red", "hs_object_id": "1"}});
        let uniform = plan.read(&native, false, false);
        assert_eq!(
            Value::Object(uniform.clone()),
            json!({"id": "1", "firstName": "Ada", "points": 7, "customFields": {"colour": "red"}})
        );
        let written = plan.write(&uniform, WriteMode::Create).unwrap();
        assert_eq!(written, json!({"properties": {"firstname": "Ada", "points": "7", "colour": "red"}}));
    }

    #[test]
    fn clears_the_providers_way() {
        let body = json!({"firstName": null, "customFields": {"colour": null, "size": 7}});
        let update = plan().write(body.as_object().unwrap(), WriteMode::Update).unwrap();
        assert_eq!(update, json!({"properties": {"firstname": "", "colour": "", "size": "7"}}));
        let create = plan().write(body.as_object().unwrap(), WriteMode::Create).unwrap();
        assert_eq!(create, json!({"properties": {"size": "7"}}));
        let odd = json!({"customFields": {"list": [1]}});
        assert_eq!(plan().write(odd.as_object().unwrap(), WriteMode::Update).unwrap_err()[0].name, "customFields.list");
    }

    #[test]
    fn names_every_problem_of_a_record() {
        let body = json!({"fistName": "x", "fax": "1", "points": "many", "address": {"city": "Paris", "cty": 1}});
        let problems = plan().write(body.as_object().unwrap(), WriteMode::Create).unwrap_err();
        let names: Vec<&str> = problems.iter().map(|problem| problem.name.as_str()).collect();
        assert_eq!(names, ["fistName", "fax", "points", "address.cty"]);
        assert!(problems[0].detail.contains("firstName"));
        assert!(problems[1].detail.contains("no fax number"));
    }

    #[test]
    fn selects_columns() {
        assert_eq!(plan().select(Naming::Columns, &[]), ["id", "firstname", "city", "points"]);
        assert_eq!(
            plan().select(Naming::Columns, &["address".into(), "customFields.colour".into()]),
            ["city", "colour"]
        );
    }
}
