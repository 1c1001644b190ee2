//! Objects and their fields.

use crate::crm::{Access, Field, Kind};

/// What the provider keeps.
#[derive(Debug)]
pub(super) struct Object {
    /// Its path below the version.
    pub(super) name: &'static str,
    /// The version that has it.
    pub(super) version: &'static str,
    /// How messages call it, and the beginning of the path of its fields.
    pub(super) label: &'static str,
    pub(super) fields: &'static [Field],
    /// The parameters of its list that narrow it, each named as the field.
    pub(super) narrows: &'static [&'static str],
    /// Where a search looks; nothing where there is none.
    pub(super) searched: &'static [&'static str],
}

/// The fields that accounts have made: object, key, name, type.
pub(super) const CUSTOM: [(&str, &str, &str, &str); 3] = [
    ("persons", "dcf558aac1ae4e8c4f849ba5e668430d8df9be12", "Favorite color", "varchar"),
    ("persons", "9dc80c50d78a15643bfc4ca79d76156a73a1ca0e", "Loyalty points", "double"),
    ("deals", "3c2a1b09f8e7d6c5b4a392817061524334251607", "Campaign", "varchar"),
];

/// Stages: identifier, name, probability.
pub(super) const STAGES: [(u64, &str, u64); 4] =
    [(1, "Qualified", 10), (2, "Contact Made", 30), (3, "Proposal Made", 60), (4, "Negotiations Started", 80)];

const fn text(name: &'static str, label: &'static str) -> Field {
    Field::new(name, label, Kind::Text)
}

const fn number(name: &'static str, label: &'static str) -> Field {
    Field::new(name, label, Kind::Number)
}

const fn fixed(name: &'static str, label: &'static str, kind: Kind) -> Field {
    Field::new(name, label, kind).access(Access::Fixed)
}

macro_rules! fields {
    ($($field:expr),* $(,)?) => {
        &[
            fixed("id", "ID", Kind::Number), fixed("update_time", "Update time", Kind::Moment),
            fixed("is_deleted", "Deleted", Kind::Flag), text("add_time", "Creation time"),
            $($field),*
        ]
    };
}

const OWNER: Field = number("owner_id", "Owner").link("users");
const VISIBLE: Field = number("visible_to", "Visible to");
const LABELS: Field = Field::new("label_ids", "Labels", Kind::List);
const OWN: Field = Field::new("custom_fields", "Custom fields", Kind::Map);

const PERSON: &[Field] = fields![
    text("name", "Name").access(Access::Required),
    fixed("first_name", "First name", Kind::Text),
    fixed("last_name", "Last name", Kind::Text),
    OWNER,
    number("org_id", "Organization").link("organizations"),
    Field::new("emails", "Emails", Kind::List),
    Field::new("phones", "Phones", Kind::List),
    VISIBLE,
    LABELS,
    Field::new("postal_address", "Postal address", Kind::Map),
    text("notes", "Notes"),
    Field::new("im", "Messengers", Kind::List),
    Field::new("birthday", "Birthday", Kind::Date),
    text("job_title", "Job title"),
    fixed("picture_id", "Picture", Kind::Number),
    text("marketing_status", "Marketing status"),
    OWN,
];
const ORGANIZATION: &[Field] = fields![
    text("name", "Name").access(Access::Required),
    OWNER,
    VISIBLE,
    LABELS,
    Field::new("address", "Address", Kind::Map),
    text("website", "Website"),
    text("linkedin", "LinkedIn"),
    number("industry", "Industry"),
    number("annual_revenue", "Annual revenue"),
    number("employee_count", "Employees"),
    OWN,
];
const DEAL: &[Field] = fields![
    text("title", "Title").access(Access::Required),
    OWNER,
    number("person_id", "Person").link("persons"),
    number("org_id", "Organization").link("organizations"),
    number("pipeline_id", "Pipeline"),
    number("stage_id", "Stage"),
    number("value", "Value"),
    text("currency", "Currency"),
    text("status", "Status").choices(&["open", "won", "lost", "deleted"]),
    number("probability", "Probability"),
    text("lost_reason", "Lost reason"),
    VISIBLE,
    LABELS,
    text("close_time", "Close time"),
    text("won_time", "Won time"),
    text("lost_time", "Lost time"),
    Field::new("expected_close_date", "Expected close date", Kind::Date),
    fixed("creator_user_id", "Creator", Kind::Number),
    fixed("stage_change_time", "Stage change time", Kind::Moment),
    fixed("is_archived", "Archived", Kind::Flag),
    OWN,
];
const ACTIVITY: &[Field] = fields![
    text("subject", "Subject"),
    text("type", "Type").choices(&["call", "meeting", "task", "deadline", "email", "lunch"]),
    OWNER,
    number("deal_id", "Deal").link("deals"),
    text("lead_id", "Lead").link("leads"),
    fixed("person_id", "Person", Kind::Number),
    number("org_id", "Organization").link("organizations"),
    Field::new("due_date", "Due date", Kind::Date),
    text("due_time", "Due time"),
    text("duration", "Duration"),
    Field::new("busy", "Busy", Kind::Flag),
    Field::new("done", "Done", Kind::Flag),
    Field::new("location", "Location", Kind::Map),
    Field::new("participants", "Participants", Kind::List),
    Field::new("attendees", "Attendees", Kind::List),
    text("public_description", "Public description"),
    number("priority", "Priority"),
    text("note", "Note"),
    fixed("creator_user_id", "Creator", Kind::Number),
];
const PRODUCT: &[Field] = fields![
    text("name", "Name").access(Access::Required),
    text("code", "Code"),
    text("description", "Description"),
    text("unit", "Unit"),
    number("tax", "Tax"),
    number("category", "Category"),
    OWNER,
    Field::new("is_linkable", "Active", Kind::Flag),
    VISIBLE,
    Field::new("prices", "Prices", Kind::List),
    text("billing_frequency", "Billing frequency"),
    OWN,
];
const NOTE: &[Field] = fields![
    text("content", "Content").access(Access::Required),
    number("deal_id", "Deal").link("deals"),
    number("person_id", "Person").link("persons"),
    number("org_id", "Organization").link("organizations"),
    text("lead_id", "Lead").link("leads"),
    number("user_id", "User").link("users"),
    fixed("active_flag", "Active", Kind::Flag),
];
const LEAD: &[Field] = fields![
    text("title", "Title").access(Access::Required),
    OWNER,
    LABELS,
    number("person_id", "Person").link("persons"),
    number("organization_id", "Organization").link("organizations"),
    Field::new("value", "Value", Kind::Map),
    Field::new("expected_close_date", "Expected close date", Kind::Date),
    Field::new("is_archived", "Archived", Kind::Flag),
    fixed("source_name", "Source", Kind::Text),
];
const ACTIVITY_TYPE: &[Field] = fields![
    text("name", "Name").access(Access::Required),
    text("icon_key", "Icon").access(Access::Required),
    text("color", "Color"),
    number("order_nr", "Order"),
    fixed("key_string", "Key", Kind::Text),
    fixed("active_flag", "Active", Kind::Flag),
    fixed("is_custom_flag", "Own", Kind::Flag),
];
const USER: &[Field] = fields![
    fixed("name", "Name", Kind::Text),
    fixed("email", "Email", Kind::Text),
    fixed("phone", "Phone", Kind::Text),
    fixed("active_flag", "Active", Kind::Flag),
    fixed("created", "Created", Kind::Moment),
    fixed("modified", "Modified", Kind::Moment),
];

/// Every object.
pub(super) const OBJECTS: [Object; 9] = [
    Object {
        name: "persons",
        version: "v2",
        label: "person",
        fields: PERSON,
        narrows: &["owner_id", "org_id"],
        searched: &["name", "emails.value", "phones.value", "notes"],
    },
    Object {
        name: "organizations",
        version: "v2",
        label: "organization",
        fields: ORGANIZATION,
        narrows: &["owner_id"],
        searched: &["name", "address.value"],
    },
    Object {
        name: "deals",
        version: "v2",
        label: "deal",
        fields: DEAL,
        narrows: &["owner_id", "person_id", "org_id", "pipeline_id", "stage_id", "status"],
        searched: &["title"],
    },
    Object {
        name: "activities",
        version: "v2",
        label: "activity",
        fields: ACTIVITY,
        narrows: &["owner_id", "deal_id", "lead_id", "person_id", "org_id", "done"],
        searched: &[],
    },
    Object {
        name: "products",
        version: "v2",
        label: "product",
        fields: PRODUCT,
        narrows: &["owner_id"],
        searched: &["name", "code"],
    },
    Object {
        name: "notes",
        version: "v1",
        label: "note",
        fields: NOTE,
        narrows: &["user_id", "lead_id", "deal_id", "person_id", "org_id"],
        searched: &[],
    },
    Object {
        name: "leads",
        version: "v1",
        label: "lead",
        fields: LEAD,
        narrows: &["owner_id", "person_id", "organization_id"],
        searched: &[],
    },
    Object {
        name: "activityTypes",
        version: "v1",
        label: "activityType",
        fields: ACTIVITY_TYPE,
        narrows: &[],
        searched: &[],
    },
    Object { name: "users", version: "v1", label: "user", fields: USER, narrows: &[], searched: &[] },
];

/// The object of this name.
pub(super) fn named(name: &str) -> Option<&'static Object> {
    OBJECTS.iter().find(|object| object.name == name)
}
