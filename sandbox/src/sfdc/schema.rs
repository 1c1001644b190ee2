//! The objects of the organization and their fields, standard and custom.

mod activities;
mod custom;
mod people;
mod sales;

pub(super) use self::sales::STAGES;

/// A field's type, by its name in a describe answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Id,
    Boolean,
    Text,
    Area,
    Phone,
    Email,
    Url,
    Picklist,
    Int,
    Double,
    Currency,
    Percent,
    Date,
    DateTime,
    Reference,
    Address,
}

impl Kind {
    /// The name in a describe answer.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Boolean => "boolean",
            Self::Text => "string",
            Self::Area => "textarea",
            Self::Phone => "phone",
            Self::Email => "email",
            Self::Url => "url",
            Self::Picklist => "picklist",
            Self::Int => "int",
            Self::Double => "double",
            Self::Currency => "currency",
            Self::Percent => "percent",
            Self::Date => "date",
            Self::DateTime => "datetime",
            Self::Reference => "reference",
            Self::Address => "address",
        }
    }

    /// The type in the provider's other interface, which describe answers also give.
    pub(super) fn soap(self) -> &'static str {
        match self {
            Self::Id | Self::Reference => "tns:ID",
            Self::Boolean => "xsd:boolean",
            Self::Int => "xsd:int",
            Self::Double | Self::Currency | Self::Percent => "xsd:double",
            Self::Date => "xsd:date",
            Self::DateTime => "xsd:dateTime",
            Self::Address => "urn:address",
            _ => "xsd:string",
        }
    }

    /// The name error messages use.
    pub(super) fn spoken(self) -> &'static str {
        match self {
            Self::DateTime => "dateTime",
            Self::Text | Self::Area | Self::Phone | Self::Email | Self::Url | Self::Picklist => "string",
            other => other.name(),
        }
    }

    /// Whether values are text that is compared without case.
    pub(super) fn is_text(self) -> bool {
        matches!(self, Self::Text | Self::Area | Self::Phone | Self::Email | Self::Url | Self::Picklist)
    }

    /// Whether values are numbers.
    pub(super) fn is_number(self) -> bool {
        matches!(self, Self::Int | Self::Double | Self::Currency | Self::Percent)
    }
}

/// What a field holds when a record is created without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Preset {
    None,
    /// The first value of the picklist, or this one.
    Choice(&'static str),
    /// `false` or `true`.
    Flag(bool),
    /// The user who creates it.
    Creator,
}

/// One field of an object.
#[derive(Clone, Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) label: &'static str,
    pub(super) kind: Kind,
    /// The most characters of a text.
    pub(super) length: usize,
    /// Digits in all and behind the point, of a number.
    pub(super) digits: (u32, u32),
    pub(super) required: bool,
    pub(super) createable: bool,
    pub(super) updateable: bool,
    /// Names the record.
    pub(super) names: bool,
    pub(super) choices: &'static [&'static str],
    /// Only the choices are accepted.
    pub(super) restricted: bool,
    pub(super) preset: Preset,
    /// The objects whose identifiers a reference holds.
    pub(super) refers: &'static [&'static str],
    /// The name by which queries follow a reference.
    pub(super) relationship: Option<&'static str>,
    /// The compound field this one is a part of.
    pub(super) part_of: Option<&'static str>,
    /// Matches records in an upsert, and is unique.
    pub(super) external: bool,
}

impl Field {
    fn new(name: &'static str, label: &'static str, kind: Kind) -> Self {
        Self {
            name,
            label,
            kind,
            length: 0,
            digits: (0, 0),
            required: false,
            createable: true,
            updateable: true,
            names: false,
            choices: &[],
            restricted: false,
            preset: Preset::None,
            refers: &[],
            relationship: None,
            part_of: None,
            external: false,
        }
    }

    fn required(mut self) -> Self {
        self.required = true;
        self
    }

    fn fixed(mut self) -> Self {
        self.createable = false;
        self.updateable = false;
        self
    }

    fn create_only(mut self) -> Self {
        self.updateable = false;
        self
    }

    fn naming(mut self) -> Self {
        self.names = true;
        self
    }

    fn preset(mut self, preset: Preset) -> Self {
        self.preset = preset;
        self
    }

    fn part(mut self, compound: &'static str) -> Self {
        self.part_of = Some(compound);
        self
    }

    fn restricted(mut self) -> Self {
        self.restricted = true;
        self
    }

    fn external(mut self) -> Self {
        self.external = true;
        self
    }

    /// Whether an administrator added it.
    pub(super) fn is_custom(&self) -> bool {
        self.name.ends_with("__c")
    }

    /// Whether a query may filter by it: long texts and compound fields can only be read.
    pub(super) fn is_filterable(&self) -> bool {
        self.kind != Kind::Address && !self.is_long()
    }

    /// Whether a query may sort by it.
    pub(super) fn is_sortable(&self) -> bool {
        self.is_filterable()
    }

    /// A text too long to be indexed.
    fn is_long(&self) -> bool {
        self.kind == Kind::Area && self.length > 255
    }

    /// Whether it can be empty.
    pub(super) fn is_nillable(&self) -> bool {
        !(self.required || self.kind == Kind::Boolean || self.kind == Kind::Id || is_stamp(self.name))
            && self.preset != Preset::Creator
    }
}

/// Whether it is one of the system fields that are never empty.
fn is_stamp(name: &str) -> bool {
    matches!(name, "CreatedDate" | "CreatedById" | "LastModifiedDate" | "LastModifiedById" | "SystemModstamp")
}

/// One object.
#[derive(Clone, Debug)]
pub(super) struct Object {
    pub(super) name: &'static str,
    pub(super) label: &'static str,
    pub(super) plural: &'static str,
    /// The first three characters of its records' identifiers.
    pub(super) prefix: &'static str,
    pub(super) fields: Vec<Field>,
    /// Whether records can be deleted.
    pub(super) deletable: bool,
}

impl Object {
    /// The field with this name, in any case.
    pub(super) fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name.eq_ignore_ascii_case(name))
    }

    /// The reference that queries follow by this name, in any case.
    pub(super) fn relationship(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.relationship.is_some_and(|known| known.eq_ignore_ascii_case(name)))
    }

    /// Whether an administrator added it.
    pub(super) fn is_custom(&self) -> bool {
        self.name.ends_with("__c")
    }
}

/// All objects of the organization.
#[derive(Debug)]
pub(super) struct Schema(Vec<Object>);

impl Schema {
    pub(super) fn new() -> Self {
        let mut objects = sales::objects();
        objects.extend(activities::objects());
        objects.extend(people::objects());
        objects.extend(custom::objects());
        Self(objects)
    }

    pub(super) fn objects(&self) -> &[Object] {
        &self.0
    }

    /// The object with this name, in any case.
    pub(super) fn object(&self, name: &str) -> Option<&Object> {
        self.0.iter().find(|object| object.name.eq_ignore_ascii_case(name))
    }

    /// The object an identifier belongs to.
    pub(super) fn of_id(&self, id: &str) -> Option<&Object> {
        self.0.iter().find(|object| id.starts_with(object.prefix))
    }
}

fn text(name: &'static str, label: &'static str, length: usize) -> Field {
    Field { length, ..Field::new(name, label, Kind::Text) }
}

fn area(name: &'static str, label: &'static str, length: usize) -> Field {
    Field { length, ..Field::new(name, label, Kind::Area) }
}

fn phone(name: &'static str, label: &'static str) -> Field {
    Field { length: 40, ..Field::new(name, label, Kind::Phone) }
}

fn email(name: &'static str, label: &'static str) -> Field {
    Field { length: 80, ..Field::new(name, label, Kind::Email) }
}

fn url(name: &'static str, label: &'static str) -> Field {
    Field { length: 255, ..Field::new(name, label, Kind::Url) }
}

fn choice(name: &'static str, label: &'static str, choices: &'static [&'static str]) -> Field {
    Field { length: 255, choices, ..Field::new(name, label, Kind::Picklist) }
}

fn flag(name: &'static str, label: &'static str) -> Field {
    Field::new(name, label, Kind::Boolean).preset(Preset::Flag(false))
}

fn int(name: &'static str, label: &'static str) -> Field {
    Field { digits: (8, 0), ..Field::new(name, label, Kind::Int) }
}

fn double(name: &'static str, label: &'static str, digits: (u32, u32)) -> Field {
    Field { digits, ..Field::new(name, label, Kind::Double) }
}

fn currency(name: &'static str, label: &'static str) -> Field {
    Field { digits: (18, 2), ..Field::new(name, label, Kind::Currency) }
}

fn date(name: &'static str, label: &'static str) -> Field {
    Field::new(name, label, Kind::Date)
}

fn datetime(name: &'static str, label: &'static str) -> Field {
    Field::new(name, label, Kind::DateTime)
}

fn reference(
    name: &'static str,
    label: &'static str,
    relationship: &'static str,
    refers: &'static [&'static str],
) -> Field {
    Field { length: 18, refers, relationship: Some(relationship), ..Field::new(name, label, Kind::Reference) }
}

/// The identifier and the deletion mark, which come first.
fn head(label: &'static str) -> Vec<Field> {
    let id = Field { length: 18, ..Field::new("Id", label, Kind::Id) };
    vec![id.fixed(), flag("IsDeleted", "Deleted").fixed()]
}

/// The owner.
fn owner(refers: &'static [&'static str]) -> Field {
    reference("OwnerId", "Owner ID", "Owner", refers).preset(Preset::Creator)
}

/// The stamps every object has.
fn stamps() -> Vec<Field> {
    vec![
        datetime("CreatedDate", "Created Date").fixed(),
        reference("CreatedById", "Created By ID", "CreatedBy", &["User"]).fixed(),
        datetime("LastModifiedDate", "Last Modified Date").fixed(),
        reference("LastModifiedById", "Last Modified By ID", "LastModifiedBy", &["User"]).fixed(),
        datetime("SystemModstamp", "System Modstamp").fixed(),
    ]
}

/// The stamps of objects that people look at.
fn views() -> Vec<Field> {
    vec![
        date("LastActivityDate", "Last Activity").fixed(),
        datetime("LastViewedDate", "Last Viewed Date").fixed(),
        datetime("LastReferencedDate", "Last Referenced Date").fixed(),
    ]
}

/// One field's name and label.
type Named = (&'static str, &'static str);

/// An address: its parts, then the compound field that shows them together.
fn address(parts: [Named; 5], compound: Named) -> Vec<Field> {
    let [street, city, state, code, country] = parts;
    vec![
        area(street.0, street.1, 255).part(compound.0),
        text(city.0, city.1, 40).part(compound.0),
        text(state.0, state.1, 80).part(compound.0),
        text(code.0, code.1, 20).part(compound.0),
        text(country.0, country.1, 80).part(compound.0),
        Field::new(compound.0, compound.1, Kind::Address).fixed(),
    ]
}

/// A person's name: its parts, then the whole.
fn person() -> Vec<Field> {
    vec![
        text("LastName", "Last Name", 80).required().part("Name"),
        text("FirstName", "First Name", 40).part("Name"),
        choice("Salutation", "Salutation", &["Mr.", "Ms.", "Mrs.", "Dr.", "Prof.", "Mx."]).part("Name"),
        text("Name", "Full Name", 121).fixed().naming(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_object_is_consistent() {
        let schema = Schema::new();
        for object in schema.objects() {
            let mut names: Vec<_> = object.fields.iter().map(|field| field.name.to_ascii_lowercase()).collect();
            names.sort();
            let before = names.len();
            names.dedup();
            assert_eq!(before, names.len(), "a field of {} is there twice", object.name);
            for field in &object.fields {
                for target in field.refers {
                    assert!(schema.object(target).is_some(), "{}.{} refers to {target}", object.name, field.name);
                }
                if let Some(compound) = field.part_of {
                    assert!(object.field(compound).is_some(), "{}.{compound}", object.name);
                }
            }
        }
    }

    #[test]
    fn prefixes_are_the_real_ones() {
        let schema = Schema::new();
        let prefixes = [
            ("Account", "001"),
            ("Contact", "003"),
            ("Lead", "00Q"),
            ("Opportunity", "006"),
            ("Task", "00T"),
            ("Event", "00U"),
            ("Note", "002"),
            ("User", "005"),
            ("Campaign", "701"),
            ("My_Object__c", "a00"),
        ];
        for (name, prefix) in prefixes {
            assert_eq!(schema.object(name).map(|object| object.prefix), Some(prefix), "{name}");
        }
    }
}
