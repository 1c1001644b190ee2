//! Objects and their fields.

use crate::crm::{Access, Field, Kind};

/// What the provider keeps.
#[derive(Debug)]
pub(super) struct Object {
    /// Its name, and its path below the root.
    pub(super) name: &'static str,
    /// The beginning of its identifiers.
    pub(super) prefix: &'static str,
    /// How messages call it.
    pub(super) label: &'static str,
    /// `_type` of its records.
    pub(super) kind: Option<&'static str>,
    pub(super) fields: &'static [Field],
    /// Whether the interface makes and deletes records.
    pub(super) made: bool,
    /// Whether a search finds it.
    pub(super) searched: bool,
}

const fn text(name: &'static str, label: &'static str) -> Field {
    Field::new(name, label, Kind::Text)
}

const fn fixed(name: &'static str, kind: Kind) -> Field {
    Field::new(name, name, kind).access(Access::Fixed)
}

macro_rules! fields {
    ($($field:expr),* $(,)?) => {
        &[
            fixed("id", Kind::Text), fixed("organization_id", Kind::Text), fixed("created_by", Kind::Text),
            fixed("updated_by", Kind::Text), fixed("date_created", Kind::Moment), fixed("date_updated", Kind::Moment),
            $($field),*
        ]
    };
}

/// Statuses of leads: identifier and label; a new lead has the first.
pub(super) const LEAD_STATUSES: [(&str, &str); 3] = [
    ("stat_1ZdiZqcSIkoGVnNOyxiEY58eTGQmFNG3LPlEVQ4V7Nk", "Potential"),
    ("stat_2nh8IYdSPbkKWyrlZVYZMcPx0gPvbX2PWuHoPkEQhmk", "Qualified"),
    ("stat_3ZdXW2iDTPGtR2hkBPxyMmvRQXEVTYGgP0fU4CkVhLm", "Customer"),
];

/// Statuses of opportunities: identifier, label, and what they mean; a new opportunity has the first.
pub(super) const DEAL_STATUSES: [(&str, &str, &str); 4] = [
    ("stat_4Nb3hYkVhd0rHTMXgTRg5HMuIWkpv6iBNJYuqAHpm6n", "Active", "active"),
    ("stat_5T2mLs0hYPKMWBTP1HWxJ6WHRdGVZ3JkY0DzgiZ9nRo", "Proposal", "active"),
    ("stat_6G8nNWxW9Sk3Au5fVgVXQe2aLhGZfFP6b3yHcUtJmKp", "Won", "won"),
    ("stat_7Q1oPyYyBVm5Cw7hXiXZSg4cNjIbHhR8d5AJeWvLoMq", "Lost", "lost"),
];

const LEAD_CHOICES: [&str; 3] = [LEAD_STATUSES[0].0, LEAD_STATUSES[1].0, LEAD_STATUSES[2].0];
const DEAL_CHOICES: [&str; 4] = [DEAL_STATUSES[0].0, DEAL_STATUSES[1].0, DEAL_STATUSES[2].0, DEAL_STATUSES[3].0];

/// The account's own fields: name of the member, label, type word, and the choices.
pub(super) const CUSTOM: [(&str, &str, &str, &str, &[&str]); 4] = [
    ("lead", "custom.cf_FbhnHqIKYd3ZnFx1oMIuyUbmQ9FmLJYUtkXQFVpEavr", "Segment", "choices", &["Enterprise", "Small"]),
    ("contact", "custom.cf_v6S011I6MqcbVvB2FA5Nk8dr5MkL8sWuCiG8cUleO9c", "Favorite color", "text", &[]),
    ("contact", "custom.cf_ORxgoOQ5YH1p7lDQzFJ88b4z0j7PLLTRaG66m8bmcKv", "Loyalty points", "number", &[]),
    ("opportunity", "custom.cf_3kFIX6bgQ6EyVMSgYlkQbpQjJvqWOhSz9sAVLCLWkPe", "Campaign", "text", &[]),
];

#[expect(clippy::indexing_slicing, reason = "looked at by the compiler")]
const fn own(number: usize, kind: Kind) -> Field {
    let (_, name, label, _, choices) = CUSTOM[number];
    Field::new(name, label, kind).choices(choices).custom()
}

const LEAD: &[Field] = fields![
    text("name", "Name"),
    text("description", "Description"),
    text("url", "Website"),
    text("status_id", "Status").choices(&LEAD_CHOICES),
    Field::new("addresses", "Addresses", Kind::List),
    Field::new("contacts", "Contacts", Kind::List),
    fixed("display_name", Kind::Text),
    fixed("status_label", Kind::Text),
    fixed("html_url", Kind::Text),
    fixed("opportunities", Kind::List),
    own(0, Kind::Text),
];
const CONTACT: &[Field] = fields![
    text("lead_id", "Lead").access(Access::Once).link("lead"),
    text("name", "Name"),
    text("title", "Title"),
    Field::new("emails", "Emails", Kind::List),
    Field::new("phones", "Phones", Kind::List),
    Field::new("urls", "URLs", Kind::List),
    fixed("display_name", Kind::Text),
    own(1, Kind::Text),
    own(2, Kind::Number),
];
const OPPORTUNITY: &[Field] = fields![
    text("lead_id", "Lead").access(Access::Once).link("lead"),
    text("contact_id", "Contact").link("contact"),
    text("user_id", "User").link("user"),
    text("status_id", "Status").choices(&DEAL_CHOICES),
    text("note", "Note"),
    Field::new("confidence", "Confidence", Kind::Number),
    Field::new("value", "Value", Kind::Number),
    text("value_period", "Value period").choices(&["one_time", "monthly", "annual"]),
    Field::new("date_won", "Date won", Kind::Date),
    fixed("date_lost", Kind::Date),
    fixed("lead_name", Kind::Text),
    fixed("contact_name", Kind::Text),
    fixed("user_name", Kind::Text),
    fixed("status_label", Kind::Text),
    fixed("status_type", Kind::Text),
    fixed("value_formatted", Kind::Text),
    fixed("value_currency", Kind::Text),
    own(3, Kind::Text),
];
const TASK: &[Field] = fields![
    text("_type", "Type").choices(&["lead"]),
    text("lead_id", "Lead").access(Access::Once).link("lead"),
    text("assigned_to", "Assignee").link("user"),
    text("text", "Text").access(Access::Required),
    text("priority", "Priority").choices(&["high", "medium"]),
    Field::new("date", "Date", Kind::Date),
    Field::new("is_complete", "Done", Kind::Flag),
    fixed("due_date", Kind::Date),
    fixed("view", Kind::Text),
    fixed("is_dateless", Kind::Flag),
    fixed("lead_name", Kind::Text),
    fixed("assigned_to_name", Kind::Text),
    fixed("object_type", Kind::Text),
    fixed("object_id", Kind::Text),
];
const USER: &[Field] = fields![
    text("first_name", "First name"),
    text("last_name", "Last name"),
    text("email", "Email"),
    Field::new("image", "Image", Kind::Text),
    fixed("organizations", Kind::List),
];
const ACTIVITY_LEAD: Field = text("lead_id", "Lead").access(Access::Once).link("lead");
const NOTE: &[Field] = fields![
    ACTIVITY_LEAD,
    text("contact_id", "Contact").link("contact"),
    text("user_id", "User").link("user"),
    text("note", "Note"),
    text("note_html", "Note, as HTML"),
    fixed("_type", Kind::Text),
    fixed("user_name", Kind::Text),
];
const CALL: &[Field] = fields![
    text("lead_id", "Lead").link("lead"),
    text("contact_id", "Contact").link("contact"),
    text("user_id", "User").link("user"),
    text("direction", "Direction").choices(&["inbound", "outbound"]),
    text("status", "Status"),
    text("note", "Note"),
    Field::new("duration", "Duration", Kind::Number),
    Field::new("activity_at", "Time of the call", Kind::Moment),
    text("phone", "Phone"),
    fixed("_type", Kind::Text),
    fixed("user_name", Kind::Text),
];
const EMAIL: &[Field] = fields![
    text("lead_id", "Lead").link("lead"),
    text("contact_id", "Contact").link("contact"),
    text("user_id", "User").link("user"),
    fixed("direction", Kind::Text),
    Field::new("activity_at", "Time of the email", Kind::Moment),
    text("status", "Status").access(Access::Required).choices(&["inbox", "draft", "scheduled", "outbox", "sent"]),
    text("subject", "Subject"),
    text("sender", "Sender"),
    Field::new("to", "To", Kind::List),
    Field::new("cc", "Cc", Kind::List),
    text("body_text", "Body"),
    text("body_html", "Body, as HTML"),
    fixed("_type", Kind::Text),
    fixed("user_name", Kind::Text),
];
const MEETING: &[Field] = fields![
    ACTIVITY_LEAD,
    text("contact_id", "Contact").link("contact"),
    text("user_id", "User").link("user"),
    text("title", "Title"),
    text("note", "Note"),
    text("location", "Location"),
    Field::new("starts_at", "Start", Kind::Moment),
    Field::new("ends_at", "End", Kind::Moment),
    fixed("status", Kind::Text),
    fixed("duration", Kind::Number),
    fixed("_type", Kind::Text),
    fixed("user_name", Kind::Text),
];

const fn object(name: &'static str, prefix: &'static str, label: &'static str, fields: &'static [Field]) -> Object {
    Object { name, prefix, label, kind: None, fields, made: true, searched: false }
}

const fn activity(name: &'static str, label: &'static str, fields: &'static [Field], made: bool) -> Object {
    Object { name, prefix: "acti", label, kind: Some(label), fields, made, searched: false }
}

/// Every object.
pub(super) const OBJECTS: [Object; 9] = [
    Object { searched: true, ..object("lead", "lead", "Lead", LEAD) },
    Object { searched: true, ..object("contact", "cont", "Contact", CONTACT) },
    object("opportunity", "oppo", "Opportunity", OPPORTUNITY),
    object("task", "task", "Task", TASK),
    Object { made: false, ..object("user", "user", "User", USER) },
    activity("activity/note", "Note", NOTE, true),
    activity("activity/call", "Call", CALL, true),
    activity("activity/email", "Email", EMAIL, true),
    activity("activity/meeting", "Meeting", MEETING, false),
];

/// The object of this name.
pub(super) fn named(name: &str) -> Option<&'static Object> {
    OBJECTS.iter().find(|object| object.name == name)
}
