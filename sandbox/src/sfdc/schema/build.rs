//! How the tables of fields are written.

use super::{Field, Kind, Preset};

impl Field {
    pub(super) fn new(name: &'static str, label: &'static str, kind: Kind) -> Self {
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

    pub(super) fn required(mut self) -> Self {
        self.required = true;
        self
    }

    pub(super) fn fixed(mut self) -> Self {
        self.createable = false;
        self.updateable = false;
        self
    }

    pub(super) fn create_only(mut self) -> Self {
        self.updateable = false;
        self
    }

    pub(super) fn naming(mut self) -> Self {
        self.names = true;
        self
    }

    pub(super) fn preset(mut self, preset: Preset) -> Self {
        self.preset = preset;
        self
    }

    pub(super) fn part(mut self, compound: &'static str) -> Self {
        self.part_of = Some(compound);
        self
    }

    pub(super) fn restricted(mut self) -> Self {
        self.restricted = true;
        self
    }

    pub(super) fn external(mut self) -> Self {
        self.external = true;
        self
    }
}

pub(super) fn text(name: &'static str, label: &'static str, length: usize) -> Field {
    Field { length, ..Field::new(name, label, Kind::Text) }
}

pub(super) fn area(name: &'static str, label: &'static str, length: usize) -> Field {
    Field { length, ..Field::new(name, label, Kind::Area) }
}

pub(super) fn phone(name: &'static str, label: &'static str) -> Field {
    Field { length: 40, ..Field::new(name, label, Kind::Phone) }
}

pub(super) fn email(name: &'static str, label: &'static str) -> Field {
    Field { length: 80, ..Field::new(name, label, Kind::Email) }
}

pub(super) fn url(name: &'static str, label: &'static str) -> Field {
    Field { length: 255, ..Field::new(name, label, Kind::Url) }
}

pub(super) fn choice(name: &'static str, label: &'static str, choices: &'static [&'static str]) -> Field {
    Field { length: 255, choices, ..Field::new(name, label, Kind::Picklist) }
}

pub(super) fn flag(name: &'static str, label: &'static str) -> Field {
    Field::new(name, label, Kind::Boolean).preset(Preset::Flag(false))
}

pub(super) fn int(name: &'static str, label: &'static str) -> Field {
    Field { digits: (8, 0), ..Field::new(name, label, Kind::Int) }
}

pub(super) fn double(name: &'static str, label: &'static str, digits: (u32, u32)) -> Field {
    Field { digits, ..Field::new(name, label, Kind::Double) }
}

pub(super) fn currency(name: &'static str, label: &'static str) -> Field {
    Field { digits: (18, 2), ..Field::new(name, label, Kind::Currency) }
}

pub(super) fn date(name: &'static str, label: &'static str) -> Field {
    Field::new(name, label, Kind::Date)
}

pub(super) fn datetime(name: &'static str, label: &'static str) -> Field {
    Field::new(name, label, Kind::DateTime)
}

pub(super) fn reference(
    name: &'static str,
    label: &'static str,
    relationship: &'static str,
    refers: &'static [&'static str],
) -> Field {
    Field { length: 18, refers, relationship: Some(relationship), ..Field::new(name, label, Kind::Reference) }
}

/// The identifier and the deletion mark, which come first.
pub(super) fn head(label: &'static str) -> Vec<Field> {
    let id = Field { length: 18, ..Field::new("Id", label, Kind::Id) };
    vec![id.fixed(), flag("IsDeleted", "Deleted").fixed()]
}

/// The owner.
pub(super) fn owner(refers: &'static [&'static str]) -> Field {
    reference("OwnerId", "Owner ID", "Owner", refers).preset(Preset::Creator)
}

/// The stamps every object has.
pub(super) fn stamps() -> Vec<Field> {
    vec![
        datetime("CreatedDate", "Created Date").fixed(),
        reference("CreatedById", "Created By ID", "CreatedBy", &["User"]).fixed(),
        datetime("LastModifiedDate", "Last Modified Date").fixed(),
        reference("LastModifiedById", "Last Modified By ID", "LastModifiedBy", &["User"]).fixed(),
        datetime("SystemModstamp", "System Modstamp").fixed(),
    ]
}

/// The stamps of objects that people look at.
pub(super) fn views() -> Vec<Field> {
    vec![
        date("LastActivityDate", "Last Activity").fixed(),
        datetime("LastViewedDate", "Last Viewed Date").fixed(),
        datetime("LastReferencedDate", "Last Referenced Date").fixed(),
    ]
}

/// One field's name and label.
pub(super) type Named = (&'static str, &'static str);

/// An address: its parts, then the compound field that shows them together.
pub(super) fn address(parts: [Named; 5], compound: Named) -> Vec<Field> {
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
pub(super) fn person() -> Vec<Field> {
    vec![
        text("LastName", "Last Name", 80).required().part("Name"),
        text("FirstName", "First Name", 40).part("Name"),
        choice("Salutation", "Salutation", &["Mr.", "Ms.", "Mrs.", "Dr.", "Prof.", "Mx."]).part("Name"),
        text("Name", "Full Name", 121).fixed().naming(),
    ]
}
