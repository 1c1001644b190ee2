//! The properties every account has, and the few that this one has added.

use chrono::DateTime;

use super::{Kind, Property};

/// One line of the tables below: name, label, kind, way of entering, options, read-only.
type Line = (&'static str, &'static str, Kind, &'static str, &'static [(&'static str, &'static str)], bool);

const fn text(name: &'static str, label: &'static str) -> Line {
    (name, label, Kind::Text, "text", &[], false)
}

const fn area(name: &'static str, label: &'static str) -> Line {
    (name, label, Kind::Text, "textarea", &[], false)
}

const fn html(name: &'static str, label: &'static str) -> Line {
    (name, label, Kind::Text, "html", &[], false)
}

const fn phone(name: &'static str, label: &'static str) -> Line {
    (name, label, Kind::Text, "phonenumber", &[], false)
}

const fn number(name: &'static str, label: &'static str) -> Line {
    (name, label, Kind::Number, "number", &[], false)
}

const fn moment(name: &'static str, label: &'static str) -> Line {
    (name, label, Kind::DateTime, "date", &[], false)
}

const fn select(name: &'static str, label: &'static str, options: &'static [(&'static str, &'static str)]) -> Line {
    (name, label, Kind::Choice, "select", options, false)
}

const fn fixed(line: Line) -> Line {
    let (name, label, kind, field, options, _) = line;
    (name, label, kind, field, options, true)
}

/// What every object type has.
const COMMON: [Line; 7] = [
    fixed(number("hs_object_id", "Record ID")),
    fixed(moment("hs_createdate", "Object create date/time")),
    fixed(moment("hs_lastmodifieddate", "Object last modified date/time")),
    select("hubspot_owner_id", "Owner", &[]),
    fixed(moment("hubspot_owner_assigneddate", "Owner assigned date")),
    fixed(text("hs_created_by_user_id", "Created by user ID")),
    fixed(text("hs_updated_by_user_id", "Updated by user ID")),
];

const LIFECYCLE: &[(&str, &str)] = &[
    ("subscriber", "Subscriber"),
    ("lead", "Lead"),
    ("marketingqualifiedlead", "Marketing Qualified Lead"),
    ("salesqualifiedlead", "Sales Qualified Lead"),
    ("opportunity", "Opportunity"),
    ("customer", "Customer"),
    ("evangelist", "Evangelist"),
    ("other", "Other"),
];

const LEAD_STATUS: &[(&str, &str)] = &[
    ("NEW", "New"),
    ("OPEN", "Open"),
    ("IN_PROGRESS", "In Progress"),
    ("OPEN_DEAL", "Open Deal"),
    ("UNQUALIFIED", "Unqualified"),
    ("ATTEMPTED_TO_CONTACT", "Attempted to Contact"),
    ("CONNECTED", "Connected"),
    ("BAD_TIMING", "Bad Timing"),
];

const INDUSTRY: &[(&str, &str)] = &[
    ("APPAREL_FASHION", "Apparel & Fashion"),
    ("BANKING", "Banking"),
    ("CONSTRUCTION", "Construction"),
    ("CONSUMER_GOODS", "Consumer Goods"),
    ("COMPUTER_SOFTWARE", "Computer Software"),
    ("FINANCIAL_SERVICES", "Financial Services"),
    ("HOSPITAL_HEALTH_CARE", "Hospital & Health Care"),
    ("INFORMATION_TECHNOLOGY_AND_SERVICES", "Information Technology and Services"),
    ("LOGISTICS_AND_SUPPLY_CHAIN", "Logistics and Supply Chain"),
    ("MANUFACTURING", "Manufacturing"),
    ("OIL_ENERGY", "Oil & Energy"),
    ("RETAIL", "Retail"),
    ("TELECOMMUNICATIONS", "Telecommunications"),
    ("UTILITIES", "Utilities"),
];

const CONTACT: [Line; 31] = [
    fixed(moment("createdate", "Create Date")),
    fixed(moment("lastmodifieddate", "Last Modified Date")),
    text("email", "Email"),
    text("firstname", "First Name"),
    text("lastname", "Last Name"),
    text("salutation", "Salutation"),
    phone("phone", "Phone Number"),
    phone("mobilephone", "Mobile Phone Number"),
    text("fax", "Fax Number"),
    text("company", "Company Name"),
    text("website", "Website URL"),
    text("jobtitle", "Job Title"),
    text("department", "Department"),
    text("address", "Street Address"),
    text("city", "City"),
    text("state", "State/Region"),
    text("zip", "Postal Code"),
    text("country", "Country/Region"),
    text("industry", "Industry"),
    number("annualrevenue", "Annual Revenue"),
    text("numemployees", "Number of Employees"),
    area("message", "Message"),
    text("date_of_birth", "Date of birth"),
    ("lifecyclestage", "Lifecycle Stage", Kind::Choice, "radio", LIFECYCLE, false),
    ("hs_lead_status", "Lead Status", Kind::Choice, "radio", LEAD_STATUS, false),
    text("hs_language", "Preferred language"),
    fixed(text("hs_email_domain", "Email Domain")),
    fixed(text("hs_full_name_or_email", "Full name or email")),
    fixed(number("associatedcompanyid", "Primary Associated Company ID")),
    fixed(select(
        "hs_analytics_source",
        "Original Source",
        &[("OFFLINE", "Offline Sources"), ("ORGANIC_SEARCH", "Organic Search")],
    )),
    fixed(number("num_notes", "Number of Sales Activities")),
];

const COMPANY: [Line; 21] = [
    fixed(moment("createdate", "Create Date")),
    text("name", "Company name"),
    text("domain", "Company Domain Name"),
    phone("phone", "Phone Number"),
    text("website", "Website URL"),
    area("description", "Description"),
    area("about_us", "About Us"),
    text("address", "Street Address"),
    text("address2", "Street Address 2"),
    text("city", "City"),
    text("state", "State/Region"),
    text("zip", "Postal Code"),
    text("country", "Country/Region"),
    select("industry", "Industry", INDUSTRY),
    number("annualrevenue", "Annual Revenue"),
    number("numberofemployees", "Number of Employees"),
    select(
        "type",
        "Type",
        &[
            ("PROSPECT", "Prospect"),
            ("PARTNER", "Partner"),
            ("RESELLER", "Reseller"),
            ("VENDOR", "Vendor"),
            ("OTHER", "Other"),
        ],
    ),
    ("lifecyclestage", "Lifecycle Stage", Kind::Choice, "radio", LIFECYCLE, false),
    text("founded_year", "Year Founded"),
    text("timezone", "Time Zone"),
    fixed(number("num_associated_contacts", "Number of Associated Contacts")),
];

const DEAL: [Line; 14] = [
    fixed(moment("createdate", "Create Date")),
    text("dealname", "Deal Name"),
    (
        "dealstage",
        "Deal Stage",
        Kind::Choice,
        "radio",
        &[
            ("appointmentscheduled", "Appointment Scheduled"),
            ("qualifiedtobuy", "Qualified To Buy"),
            ("presentationscheduled", "Presentation Scheduled"),
            ("decisionmakerboughtin", "Decision Maker Bought-In"),
            ("contractsent", "Contract Sent"),
            ("closedwon", "Closed Won"),
            ("closedlost", "Closed Lost"),
        ],
        false,
    ),
    select("pipeline", "Pipeline", &[("default", "Sales Pipeline")]),
    number("amount", "Amount"),
    moment("closedate", "Close Date"),
    (
        "dealtype",
        "Deal Type",
        Kind::Choice,
        "radio",
        &[("newbusiness", "New Business"), ("existingbusiness", "Existing Business")],
        false,
    ),
    area("description", "Deal Description"),
    text("hs_next_step", "Next step"),
    select("hs_priority", "Priority", &[("low", "Low"), ("medium", "Medium"), ("high", "High")]),
    fixed(number("hs_deal_stage_probability", "Deal probability")),
    fixed(number("hs_primary_associated_company", "Primary Associated Company")),
    fixed(("hs_is_closed", "Is Deal Closed?", Kind::Flag, "calculation_equation", &[], true)),
    fixed(("hs_is_closed_won", "Is Closed Won", Kind::Flag, "calculation_equation", &[], true)),
];

const TICKET: [Line; 7] = [
    fixed(moment("createdate", "Create date")),
    text("subject", "Ticket name"),
    area("content", "Ticket description"),
    select("hs_pipeline", "Pipeline", &[("0", "Support Pipeline")]),
    select(
        "hs_pipeline_stage",
        "Ticket status",
        &[("1", "New"), ("2", "Waiting on contact"), ("3", "Waiting on us"), ("4", "Closed")],
    ),
    select(
        "hs_ticket_priority",
        "Priority",
        &[("LOW", "Low"), ("MEDIUM", "Medium"), ("HIGH", "High"), ("URGENT", "Urgent")],
    ),
    select(
        "hs_ticket_category",
        "Category",
        &[
            ("PRODUCT_ISSUE", "Product Issue"),
            ("BILLING_ISSUE", "Billing Issue"),
            ("GENERAL_INQUIRY", "General Inquiry"),
        ],
    ),
];

const LEAD: [Line; 5] = [
    text("hs_lead_name", "Lead Name"),
    select(
        "hs_lead_type",
        "Lead Type",
        &[("NEW_BUSINESS", "New Business"), ("RE_ATTEMPTING", "Re-Attempting"), ("UPSELL", "Upsell")],
    ),
    select("hs_lead_label", "Lead Label", &[("HOT", "Hot"), ("WARM", "Warm"), ("COLD", "Cold")]),
    select("hs_pipeline", "Lead Pipeline", &[("lead-pipeline-id", "Lead Pipeline")]),
    select(
        "hs_pipeline_stage",
        "Lead Pipeline Stage",
        &[
            ("new-stage-id", "New"),
            ("attempting-stage-id", "Attempting"),
            ("connected-stage-id", "Connected"),
            ("qualified-stage-id", "Qualified"),
            ("unqualified-stage-id", "Disqualified"),
        ],
    ),
];

const TIMESTAMP: Line = moment("hs_timestamp", "Activity date");

const TASK: [Line; 7] = [
    TIMESTAMP,
    text("hs_task_subject", "Task Title"),
    html("hs_task_body", "Task Notes"),
    select(
        "hs_task_status",
        "Task Status",
        &[
            ("COMPLETED", "Completed"),
            ("DEFERRED", "Deferred"),
            ("IN_PROGRESS", "In Progress"),
            ("NOT_STARTED", "Not Started"),
            ("WAITING", "Waiting"),
        ],
    ),
    select("hs_task_priority", "Priority", &[("NONE", "None"), ("LOW", "Low"), ("MEDIUM", "Medium"), ("HIGH", "High")]),
    select(
        "hs_task_type",
        "Task Type",
        &[("EMAIL", "Email"), ("CALL", "Call"), ("LINKED_IN", "LinkedIn"), ("TODO", "To-do")],
    ),
    fixed(moment("hs_task_completion_date", "Completed at")),
];

const NOTE: [Line; 3] = [TIMESTAMP, html("hs_note_body", "Note body"), text("hs_attachment_ids", "Attached file IDs")];

const CALL: [Line; 9] = [
    TIMESTAMP,
    text("hs_call_title", "Call Title"),
    html("hs_call_body", "Call notes"),
    number("hs_call_duration", "Call duration"),
    select("hs_call_direction", "Call direction", &[("INBOUND", "Inbound"), ("OUTBOUND", "Outbound")]),
    text("hs_call_from_number", "From Number"),
    text("hs_call_to_number", "To Number"),
    select(
        "hs_call_status",
        "Call status",
        &[
            ("BUSY", "Busy"),
            ("CANCELED", "Canceled"),
            ("COMPLETED", "Completed"),
            ("FAILED", "Failed"),
            ("NO_ANSWER", "No answer"),
        ],
    ),
    select("hs_call_disposition", "Call outcome", &[]),
];

const MEETING: [Line; 8] = [
    TIMESTAMP,
    text("hs_meeting_title", "Meeting name"),
    html("hs_meeting_body", "Meeting description"),
    html("hs_internal_meeting_notes", "Internal meeting notes"),
    text("hs_meeting_location", "Location"),
    moment("hs_meeting_start_time", "Meeting start time"),
    moment("hs_meeting_end_time", "Meeting end time"),
    select(
        "hs_meeting_outcome",
        "Meeting outcome",
        &[
            ("SCHEDULED", "Scheduled"),
            ("COMPLETED", "Completed"),
            ("RESCHEDULED", "Rescheduled"),
            ("NO_SHOW", "No Show"),
            ("CANCELED", "Canceled"),
        ],
    ),
];

const EMAIL: [Line; 10] = [
    TIMESTAMP,
    text("hs_email_subject", "Email subject"),
    html("hs_email_text", "Text body"),
    html("hs_email_html", "Email body"),
    select(
        "hs_email_direction",
        "Email direction",
        &[("EMAIL", "Email"), ("INCOMING_EMAIL", "Incoming email"), ("FORWARDED_EMAIL", "Forwarded email")],
    ),
    select(
        "hs_email_status",
        "Email send status",
        &[("SENT", "Sent"), ("FAILED", "Failed"), ("SCHEDULED", "Scheduled")],
    ),
    text("hs_email_headers", "Email headers"),
    fixed(text("hs_email_from_email", "Email from address")),
    fixed(text("hs_email_to_email", "Email to address")),
    fixed(text("hs_email_cc_email", "Email cc address")),
];

/// The custom object's own.
const OWN: [Line; 5] = [
    text("name", "Name"),
    select("stage", "Stage", &[("new", "New"), ("running", "Running"), ("done", "Done")]),
    number("score", "Score"),
    ("due", "Due", Kind::Date, "date", &[], false),
    ("active", "Active", Kind::Flag, "booleancheckbox", &[("true", "Yes"), ("false", "No")], false),
];

/// What this account's administrator has added to contacts.
const ADDED: [Line; 2] = [text("favorite_color", "Favorite Color"), number("loyalty_points", "Loyalty Points")];

/// All properties an object type starts with, by the type's identifier or name.
pub(in super::super) fn properties(object: &str) -> Vec<Property> {
    let (group, lines, added): (_, &[Line], &[Line]) = match object {
        "0-1" | "contacts" => ("contactinformation", &CONTACT, &ADDED),
        "0-2" | "companies" => ("companyinformation", &COMPANY, &[]),
        "0-3" | "deals" => ("dealinformation", &DEAL, &[]),
        "0-5" | "tickets" => ("ticketinformation", &TICKET, &[]),
        "0-136" | "leads" => ("leadinformation", &LEAD, &[]),
        "0-27" | "tasks" => ("task", &TASK, &[]),
        "0-46" | "notes" => ("note", &NOTE, &[]),
        "0-48" | "calls" => ("call", &CALL, &[]),
        "0-47" | "meetings" => ("meeting", &MEETING, &[]),
        "0-49" | "emails" => ("email", &EMAIL, &[]),
        _ => ("my_object_information", &[], &OWN),
    };
    let made = |line: &Line, built_in: bool| property(line, group, built_in);
    let built_in = COMMON.iter().chain(lines).map(|line| made(line, true));
    built_in.chain(added.iter().map(|line| made(line, false))).collect()
}

fn property(line: &Line, group: &str, built_in: bool) -> Property {
    let (name, label, kind, field, options, read_only) = *line;
    Property {
        name: name.to_owned(),
        label: label.to_owned(),
        description: String::new(),
        kind,
        field: field.to_owned(),
        group: group.to_owned(),
        options: options.iter().map(|(value, label)| ((*value).to_owned(), (*label).to_owned())).collect(),
        read_only,
        built_in,
        unique: matches!(name, "hs_object_id" | "email"),
        stamp: DateTime::from_timestamp(1_704_067_200, 0).unwrap_or_default(),
    }
}
