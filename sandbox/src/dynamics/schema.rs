//! The organization's tables and their columns.

/// Choices of a column: value and label.
pub(super) type Choices = &'static [(i64, &'static str)];

/// A column's type.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    Key,
    Text(usize),
    Memo,
    Int,
    Number,
    Money,
    Flag,
    Date,
    Time,
    Choice(Choices),
    /// The state of a row, or its reason.
    State(Choices),
    /// The tables whose rows it can name, each with the property that sets it.
    Lookup(&'static [(&'static str, &'static str)]),
}

/// One column.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    pub(super) name: &'static str,
    pub(super) label: &'static str,
    pub(super) kind: Kind,
    pub(super) writable: bool,
}

/// One table.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) name: &'static str,
    pub(super) set: &'static str,
    pub(super) label: &'static str,
    pub(super) key: &'static str,
    pub(super) naming: &'static str,
    pub(super) columns: Vec<Column>,
    /// A reason belongs to a state: reason, state.
    pub(super) reasons: &'static [(i64, i64)],
}

impl Table {
    pub(super) fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The column that a property of a row is about: by its name, or a lookup's by `_name_value`.
    pub(super) fn property(&self, name: &str) -> Option<&Column> {
        let lookup = name.strip_prefix('_').and_then(|name| name.strip_suffix("_value"));
        match lookup.and_then(|name| self.column(name)) {
            Some(column) => Some(column).filter(|column| matches!(column.kind, Kind::Lookup(_))),
            None => self.column(name).filter(|column| !matches!(column.kind, Kind::Lookup(_))),
        }
    }
}

/// What a column is called in rows.
pub(super) fn shown(column: &Column) -> String {
    match column.kind {
        Kind::Lookup(_) => format!("_{}_value", column.name),
        _ => column.name.to_owned(),
    }
}

fn col(name: &'static str, label: &'static str, kind: Kind) -> Column {
    Column { name, label, kind, writable: true }
}

fn text(name: &'static str, label: &'static str) -> Column {
    col(name, label, Kind::Text(250))
}

fn fixed(name: &'static str, label: &'static str, kind: Kind) -> Column {
    Column { name, label, kind, writable: false }
}

const OWNERS: Kind = Kind::Lookup(&[("systemuser", "ownerid")]);
const INDUSTRIES: Choices = &[
    (1, "Accounting"),
    (7, "Consulting"),
    (14, "Entertainment Retail"),
    (16, "Financial"),
    (30, "Transportation"),
    (33, "Wholesale"),
];
const SOURCES: Choices = &[
    (1, "Advertisement"),
    (2, "Employee Referral"),
    (3, "External Referral"),
    (4, "Partner"),
    (5, "Public Relations"),
    (6, "Seminar"),
    (7, "Trade Show"),
    (8, "Web"),
    (9, "Word of Mouth"),
    (10, "Other"),
];
const ACCOUNTS: Choices = &[
    (1, "Competitor"),
    (2, "Consultant"),
    (3, "Customer"),
    (4, "Investor"),
    (5, "Partner"),
    (6, "Influencer"),
    (7, "Press"),
    (8, "Prospect"),
    (9, "Reseller"),
    (10, "Supplier"),
    (11, "Vendor"),
    (12, "Other"),
];
const ACTIVE: Choices = &[(0, "Active"), (1, "Inactive")];
const OPEN: Choices = &[(0, "Open"), (1, "Completed"), (2, "Canceled")];
const PRIORITIES: Choices = &[(0, "Low"), (1, "Normal"), (2, "High")];
const SHARED: &[(i64, i64)] = &[(1, 0), (2, 1)];

fn address(number: u8) -> [Column; 5] {
    match number {
        1 => [
            text("address1_line1", "Street 1"),
            text("address1_city", "City"),
            text("address1_stateorprovince", "State/Province"),
            text("address1_postalcode", "ZIP/Postal Code"),
            text("address1_country", "Country/Region"),
        ],
        _ => [
            text("address2_line1", "Address 2: Street 1"),
            text("address2_city", "Address 2: City"),
            text("address2_stateorprovince", "Address 2: State/Province"),
            text("address2_postalcode", "Address 2: ZIP/Postal Code"),
            text("address2_country", "Address 2: Country/Region"),
        ],
    }
}

struct Shape {
    name: &'static str,
    set: &'static str,
    label: &'static str,
    key: &'static str,
    naming: &'static str,
    states: Choices,
    reasons: Choices,
    belongs: &'static [(i64, i64)],
}

fn table(shape: &Shape, own: Vec<Column>) -> Table {
    let mut columns = vec![fixed(shape.key, shape.label, Kind::Key)];
    columns.extend(own);
    // Products belong to the organization.
    if !matches!(shape.name, "systemuser" | "product") {
        columns.push(col("ownerid", "Owner", OWNERS));
    }
    if !shape.states.is_empty() {
        columns.push(col("statecode", "Status", Kind::State(shape.states)));
        columns.push(col("statuscode", "Status Reason", Kind::State(shape.reasons)));
    }
    columns.push(fixed("createdon", "Created On", Kind::Time));
    columns.push(fixed("modifiedon", "Modified On", Kind::Time));
    Table {
        name: shape.name,
        set: shape.set,
        label: shape.label,
        key: shape.key,
        naming: shape.naming,
        columns,
        reasons: shape.belongs,
    }
}

const fn shape(
    name: &'static str,
    set: &'static str,
    label: &'static str,
    key: &'static str,
    naming: &'static str,
) -> Shape {
    Shape { name, set, label, key, naming, states: ACTIVE, reasons: &[(1, "Active"), (2, "Inactive")], belongs: SHARED }
}

fn people() -> Vec<Column> {
    let mut columns = vec![
        text("firstname", "First Name"),
        text("lastname", "Last Name"),
        text("salutation", "Salutation"),
        text("jobtitle", "Job Title"),
        text("emailaddress1", "Email"),
        text("telephone1", "Business Phone"),
        text("mobilephone", "Mobile Phone"),
        text("fax", "Fax"),
        text("websiteurl", "Website"),
        col("description", "Description", Kind::Memo),
        col("leadsourcecode", "Lead Source", Kind::Choice(SOURCES)),
        fixed("fullname", "Full Name", Kind::Text(160)),
    ];
    columns.extend(address(1));
    columns
}

/// All tables.
pub(super) fn tables() -> Vec<Table> {
    let activity = |name, set, label| Shape { states: OPEN, ..shape(name, set, label, "activityid", "subject") };
    let mut account = vec![
        text("name", "Account Name"),
        col("customertypecode", "Relationship Type", Kind::Choice(ACCOUNTS)),
        col("industrycode", "Industry", Kind::Choice(INDUSTRIES)),
        col("description", "Description", Kind::Memo),
        text("websiteurl", "Website"),
        text("telephone1", "Main Phone"),
        text("fax", "Fax"),
        col("numberofemployees", "Number of Employees", Kind::Int),
        col("revenue", "Annual Revenue", Kind::Money),
        text("emailaddress1", "Email"),
        text("new_region", "Region"),
        col("primarycontactid", "Primary Contact", Kind::Lookup(&[("contact", "primarycontactid")])),
    ];
    account.extend(address(1));
    account.extend(address(2));
    let mut contact = people();
    contact.extend([
        text("department", "Department"),
        col("birthdate", "Birthday", Kind::Date),
        col(
            "parentcustomerid",
            "Company Name",
            Kind::Lookup(&[("account", "parentcustomerid_account"), ("contact", "parentcustomerid_contact")]),
        ),
        text("new_favoritecolor", "Favorite Color"),
        col("new_loyaltypoints", "Loyalty Points", Kind::Int),
    ]);
    let mut lead = people();
    lead.extend([
        text("subject", "Topic"),
        text("companyname", "Company Name"),
        col("numberofemployees", "No. of Employees", Kind::Int),
        col("revenue", "Annual Revenue", Kind::Money),
        col("industrycode", "Industry", Kind::Choice(INDUSTRIES)),
    ]);
    let opportunity = vec![
        text("name", "Topic"),
        col("estimatedvalue", "Est. Revenue", Kind::Money),
        text("stepname", "Pipeline Phase"),
        col("estimatedclosedate", "Est. Close Date", Kind::Date),
        col("closeprobability", "Probability", Kind::Int),
        col("description", "Description", Kind::Memo),
        text("currentsituation", "Current Situation"),
        col("parentaccountid", "Account", Kind::Lookup(&[("account", "parentaccountid")])),
        text("new_kind", "Kind"),
    ];
    let task = vec![
        text("subject", "Subject"),
        col("description", "Description", Kind::Memo),
        col("prioritycode", "Priority", Kind::Choice(PRIORITIES)),
        col("scheduledend", "Due Date", Kind::Time),
        fixed("actualend", "Actual End", Kind::Time),
        col(
            "regardingobjectid",
            "Regarding",
            Kind::Lookup(&[
                ("account", "regardingobjectid_account_task"),
                ("contact", "regardingobjectid_contact_task"),
                ("lead", "regardingobjectid_lead_task"),
                ("opportunity", "regardingobjectid_opportunity_task"),
            ]),
        ),
        text("new_note", "Note"),
    ];
    let appointment = vec![
        text("subject", "Subject"),
        col("description", "Description", Kind::Memo),
        text("location", "Location"),
        col("scheduledstart", "Start Time", Kind::Time),
        col("scheduledend", "End Time", Kind::Time),
        col("isalldayevent", "All Day Event", Kind::Flag),
        col(
            "regardingobjectid",
            "Regarding",
            Kind::Lookup(&[
                ("account", "regardingobjectid_account_appointment"),
                ("contact", "regardingobjectid_contact_appointment"),
                ("lead", "regardingobjectid_lead_appointment"),
                ("opportunity", "regardingobjectid_opportunity_appointment"),
            ]),
        ),
        text("new_room", "Room"),
    ];
    let phonecall = vec![
        text("subject", "Subject"),
        col("description", "Description", Kind::Memo),
        col("directioncode", "Direction", Kind::Flag),
        text("phonenumber", "Phone Number"),
        col("scheduledstart", "Start Date", Kind::Time),
        col("scheduledend", "Due", Kind::Time),
        col("actualdurationminutes", "Duration", Kind::Int),
        col(
            "regardingobjectid",
            "Regarding",
            Kind::Lookup(&[
                ("account", "regardingobjectid_account_phonecall"),
                ("contact", "regardingobjectid_contact_phonecall"),
            ]),
        ),
        text("new_mood", "Mood"),
    ];
    let email = vec![
        text("subject", "Subject"),
        col("description", "Description", Kind::Memo),
        col("directioncode", "Direction", Kind::Flag),
        fixed("sender", "From", Kind::Text(250)),
        fixed("torecipients", "To Recipients", Kind::Text(500)),
        fixed("senton", "Date Sent", Kind::Time),
        col(
            "regardingobjectid",
            "Regarding",
            Kind::Lookup(&[
                ("account", "regardingobjectid_account_email"),
                ("contact", "regardingobjectid_contact_email"),
            ]),
        ),
        text("new_label", "Label"),
    ];
    let annotation = vec![
        text("subject", "Title"),
        col("notetext", "Description", Kind::Memo),
        col(
            "objectid",
            "Regarding",
            Kind::Lookup(&[
                ("account", "objectid_account"),
                ("contact", "objectid_contact"),
                ("lead", "objectid_lead"),
                ("opportunity", "objectid_opportunity"),
            ]),
        ),
    ];
    let user = vec![
        text("domainname", "User Name"),
        text("internalemailaddress", "Primary Email"),
        text("firstname", "First Name"),
        text("lastname", "Last Name"),
        fixed("fullname", "Full Name", Kind::Text(200)),
        col("isdisabled", "Status", Kind::Flag),
        text("title", "Title"),
        text("jobtitle", "Job Title"),
        text("address1_telephone1", "Main Phone"),
        text("mobilephone", "Mobile Phone"),
        text("new_desk", "Desk"),
    ];
    let incident = vec![
        text("title", "Case Title"),
        col("description", "Description", Kind::Memo),
        col("prioritycode", "Priority", Kind::Choice(&[(1, "High"), (2, "Normal"), (3, "Low")])),
        col("caseorigincode", "Origin", Kind::Choice(&[(1, "Phone"), (2, "Email"), (3, "Web")])),
        col("casetypecode", "Case Type", Kind::Choice(&[(1, "Question"), (2, "Problem"), (3, "Request")])),
        col(
            "customerid",
            "Customer",
            Kind::Lookup(&[("account", "customerid_account"), ("contact", "customerid_contact")]),
        ),
        col("primarycontactid", "Contact", Kind::Lookup(&[("contact", "primarycontactid")])),
    ];
    let product = vec![
        text("name", "Name"),
        text("productnumber", "Product ID"),
        col("description", "Description", Kind::Memo),
        col("price", "List Price", Kind::Money),
    ];
    let list = vec![
        text("listname", "Name"),
        col(
            "createdfromcode",
            "Marketing List Member Type",
            Kind::Choice(&[(1, "Account"), (2, "Contact"), (4, "Lead")]),
        ),
        col("type", "Type", Kind::Flag),
        col("description", "Description", Kind::Memo),
        text("purpose", "Purpose"),
        fixed("membercount", "Members Count", Kind::Int),
        text("new_origin", "Origin"),
    ];
    let widget = vec![
        text("new_name", "Name"),
        col("new_weight", "Weight", Kind::Number),
        col("new_active", "Active", Kind::Flag),
    ];
    vec![
        table(&shape("account", "accounts", "Account", "accountid", "name"), account),
        table(&shape("contact", "contacts", "Contact", "contactid", "fullname"), contact),
        table(
            &Shape {
                states: &[(0, "Open"), (1, "Qualified"), (2, "Disqualified")],
                reasons: &[(1, "New"), (2, "Contacted"), (3, "Qualified"), (4, "Lost")],
                belongs: &[(1, 0), (2, 0), (3, 1), (4, 2)],
                ..shape("lead", "leads", "Lead", "leadid", "fullname")
            },
            lead,
        ),
        table(
            &Shape {
                states: &[(0, "Open"), (1, "Won"), (2, "Lost")],
                reasons: &[(1, "In Progress"), (2, "On Hold"), (3, "Won"), (4, "Canceled")],
                belongs: &[(1, 0), (2, 0), (3, 1), (4, 2)],
                ..shape("opportunity", "opportunities", "Opportunity", "opportunityid", "name")
            },
            opportunity,
        ),
        table(
            &Shape {
                reasons: &[
                    (2, "Not Started"),
                    (3, "In Progress"),
                    (4, "Waiting on someone else"),
                    (5, "Completed"),
                    (6, "Canceled"),
                    (7, "Deferred"),
                ],
                belongs: &[(2, 0), (3, 0), (4, 0), (5, 1), (6, 2), (7, 0)],
                ..activity("task", "tasks", "Task")
            },
            task,
        ),
        table(
            &Shape {
                reasons: &[(1, "Free"), (3, "Completed"), (4, "Canceled")],
                belongs: &[(1, 0), (3, 1), (4, 2)],
                ..activity("appointment", "appointments", "Appointment")
            },
            appointment,
        ),
        table(
            &Shape {
                reasons: &[(1, "Open"), (2, "Made"), (3, "Canceled"), (4, "Received")],
                belongs: &[(1, 0), (2, 1), (3, 2), (4, 1)],
                ..activity("phonecall", "phonecalls", "Phone Call")
            },
            phonecall,
        ),
        table(
            &Shape {
                reasons: &[(1, "Draft"), (2, "Completed"), (3, "Sent"), (4, "Received"), (5, "Canceled")],
                belongs: &[(1, 0), (2, 1), (3, 1), (4, 1), (5, 2)],
                ..activity("email", "emails", "Email")
            },
            email,
        ),
        table(
            &Shape { states: &[], ..shape("annotation", "annotations", "Note", "annotationid", "subject") },
            annotation,
        ),
        table(&Shape { states: &[], ..shape("systemuser", "systemusers", "User", "systemuserid", "fullname") }, user),
        table(
            &Shape {
                states: &[(0, "Active"), (1, "Resolved"), (2, "Cancelled")],
                reasons: &[
                    (1, "In Progress"),
                    (2, "On Hold"),
                    (3, "Waiting for Details"),
                    (4, "Researching"),
                    (5, "Problem Solved"),
                    (6, "Cancelled"),
                ],
                belongs: &[(1, 0), (2, 0), (3, 0), (4, 0), (5, 1), (6, 2)],
                ..shape("incident", "incidents", "Case", "incidentid", "title")
            },
            incident,
        ),
        table(&shape("product", "products", "Product", "productid", "name"), product),
        table(&shape("list", "lists", "Marketing List", "listid", "listname"), list),
        table(&shape("new_widget", "new_widgets", "Widget", "new_widgetid", "new_name"), widget),
    ]
}
