//! Object types and how they relate.

/// One type of record.
#[derive(Debug)]
pub(super) struct Object {
    /// The identifier, such as `0-1`.
    pub(super) id: &'static str,
    /// The name in paths.
    pub(super) name: &'static str,
    /// The name in messages.
    pub(super) spoken: &'static str,
    /// Its own spelling of the creation stamp.
    pub(super) created: &'static str,
    /// Its own spelling of the modification stamp.
    pub(super) modified: &'static str,
    /// The properties an answer has unless others are asked for, besides the system ones.
    pub(super) defaults: &'static [&'static str],
    /// What a record cannot be created without.
    pub(super) required: &'static [&'static str],
    /// The properties that a search's `query` looks at.
    pub(super) searched: &'static [&'static str],
}

/// An activity.
const fn activity(
    id: &'static str,
    name: &'static str,
    spoken: &'static str,
    searched: &'static [&'static str],
) -> Object {
    Object {
        id,
        name,
        spoken,
        created: "hs_createdate",
        modified: "hs_lastmodifieddate",
        defaults: &[],
        required: &["hs_timestamp"],
        searched,
    }
}

/// Every object type, the custom one last.
pub(super) const OBJECTS: &[Object] = &[
    Object {
        id: "0-1",
        name: "contacts",
        spoken: "CONTACT",
        created: "createdate",
        modified: "lastmodifieddate",
        defaults: &["email", "firstname", "lastname"],
        required: &[],
        searched: &["firstname", "lastname", "email", "phone", "company", "hs_email_domain"],
    },
    Object {
        id: "0-2",
        name: "companies",
        spoken: "COMPANY",
        created: "createdate",
        modified: "hs_lastmodifieddate",
        defaults: &["domain", "name"],
        required: &[],
        searched: &["name", "domain", "phone", "website"],
    },
    Object {
        id: "0-3",
        name: "deals",
        spoken: "DEAL",
        created: "createdate",
        modified: "hs_lastmodifieddate",
        defaults: &["amount", "closedate", "dealname", "dealstage", "pipeline"],
        required: &["dealname", "dealstage"],
        searched: &["dealname", "pipeline", "dealstage", "description", "dealtype"],
    },
    Object {
        id: "0-5",
        name: "tickets",
        spoken: "TICKET",
        created: "createdate",
        modified: "hs_lastmodifieddate",
        defaults: &[
            "content",
            "hs_pipeline",
            "hs_pipeline_stage",
            "hs_ticket_category",
            "hs_ticket_priority",
            "subject",
        ],
        required: &["subject", "hs_pipeline_stage"],
        searched: &["subject", "content", "hs_pipeline_stage", "hs_ticket_category"],
    },
    Object {
        id: "0-136",
        name: "leads",
        spoken: "LEAD",
        created: "hs_createdate",
        modified: "hs_lastmodifieddate",
        defaults: &["hs_lead_name"],
        required: &["hs_lead_name"],
        searched: &["hs_lead_name"],
    },
    activity("0-27", "tasks", "TASK", &["hs_task_subject", "hs_task_body"]),
    activity("0-46", "notes", "NOTE", &["hs_note_body"]),
    activity("0-48", "calls", "CALL", &["hs_call_title", "hs_call_body"]),
    activity("0-47", "meetings", "MEETING_EVENT", &["hs_meeting_title", "hs_meeting_body"]),
    activity("0-49", "emails", "EMAIL", &["hs_email_subject"]),
    Object {
        id: "2-1000101",
        name: "my_object",
        spoken: "MY_OBJECT",
        created: "hs_createdate",
        modified: "hs_lastmodifieddate",
        defaults: &["name"],
        required: &["name"],
        searched: &["name"],
    },
];

/// The account the sandbox imitates.
pub(super) const PORTAL: u32 = 1_000_001;

/// The type that a path names: by name, singular, identifier, or a custom type's full name.
pub(super) fn named(text: &str) -> Option<&'static Object> {
    OBJECTS.iter().find(|object| {
        let full = object.id.starts_with("2-").then(|| format!("p{PORTAL}_{}", object.name));
        object.name == text
            || object.id == text
            || full.as_deref() == Some(text)
            || (object.id.starts_with("0-") && object.spoken.eq_ignore_ascii_case(text))
    })
}

/// The provider's own association types, from one object to another.
const LINKS: &[(&str, &str, u32)] = &[
    ("contacts", "companies", 279),
    ("companies", "contacts", 280),
    ("deals", "contacts", 3),
    ("contacts", "deals", 4),
    ("deals", "companies", 341),
    ("companies", "deals", 342),
    ("tickets", "contacts", 16),
    ("contacts", "tickets", 15),
    ("tickets", "companies", 339),
    ("companies", "tickets", 340),
    ("tickets", "deals", 28),
    ("deals", "tickets", 27),
    ("leads", "contacts", 608),
    ("contacts", "leads", 609),
    ("leads", "companies", 610),
    ("companies", "leads", 611),
    ("calls", "contacts", 194),
    ("contacts", "calls", 193),
    ("calls", "companies", 182),
    ("companies", "calls", 181),
    ("calls", "deals", 206),
    ("deals", "calls", 205),
    ("emails", "contacts", 198),
    ("contacts", "emails", 197),
    ("emails", "companies", 186),
    ("companies", "emails", 185),
    ("emails", "deals", 210),
    ("deals", "emails", 209),
    ("meetings", "contacts", 200),
    ("contacts", "meetings", 199),
    ("meetings", "companies", 188),
    ("companies", "meetings", 187),
    ("meetings", "deals", 212),
    ("deals", "meetings", 211),
    ("notes", "contacts", 202),
    ("contacts", "notes", 201),
    ("notes", "companies", 190),
    ("companies", "notes", 189),
    ("notes", "deals", 214),
    ("deals", "notes", 213),
    ("tasks", "contacts", 204),
    ("contacts", "tasks", 203),
    ("tasks", "companies", 192),
    ("companies", "tasks", 191),
    ("tasks", "deals", 216),
    ("deals", "tasks", 215),
];

/// The association type from one object to another that has no label.
pub(super) fn kind(from: &Object, to: &Object) -> Option<u32> {
    LINKS.iter().find(|(name, other, _)| *name == from.name && *other == to.name).map(|(.., number)| *number)
}

/// The type of the association with the one company (of a lead: contact) a record mainly belongs to.
pub(super) fn primary_kind(from: &Object, to: &Object) -> Option<u32> {
    match (from.name, to.name) {
        ("contacts", "companies") => Some(1),
        ("deals", "companies") => Some(5),
        ("tickets", "companies") => Some(26),
        ("leads", "contacts") => Some(578),
        _ => None,
    }
}

/// The object that an association type leads to from an object.
pub(super) fn linked(from: &Object, kind: u32) -> Option<&'static Object> {
    // The primary company of a contact, deal or ticket, and the primary contact of a lead, are types of their own.
    let kind = match (from.name, kind) {
        ("contacts", 1) => 279,
        ("deals", 5) => 341,
        ("tickets", 26) => 339,
        ("leads", 578) => 608,
        (_, kind) => kind,
    };
    let (_, to, _) = LINKS.iter().find(|(name, _, known)| *name == from.name && *known == kind)?;
    named(to)
}

/// The name of the association in answers, such as `contact_to_company`.
pub(super) fn link_name(from: &Object, to: &Object) -> String {
    format!("{}_to_{}", from.spoken.to_lowercase(), to.spoken.to_lowercase())
}
