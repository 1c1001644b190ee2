//! The objects of the organization and their fields, standard and custom.

mod activities;
mod build;
mod custom;
mod people;
mod sales;
mod service;

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
        objects.extend(service::objects());
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
            ("EmailMessage", "02s"),
            ("User", "005"),
            ("Campaign", "701"),
            ("Case", "500"),
            ("CaseComment", "00a"),
            ("Knowledge__kav", "ka0"),
            ("My_Object__c", "a00"),
        ];
        for (name, prefix) in prefixes {
            assert_eq!(schema.object(name).map(|object| object.prefix), Some(prefix), "{name}");
        }
    }
}
