//! Modules and their fields.

use crate::crm::{Access, Field, Kind};

/// A module.
#[derive(Debug)]
pub(super) struct Module {
    /// Its name in addresses and queries.
    pub(super) name: &'static str,
    pub(super) singular: &'static str,
    /// The number behind its identifiers.
    pub(super) number: u64,
    pub(super) fields: &'static [Field],
    /// Whether the account made it.
    pub(super) custom: bool,
}

const fn text(name: &'static str, label: &'static str) -> Field {
    Field::new(name, label, Kind::Text)
}

const fn needed(name: &'static str, label: &'static str) -> Field {
    text(name, label).access(Access::Required)
}

const fn number(name: &'static str, label: &'static str) -> Field {
    Field::new(name, label, Kind::Number)
}

const fn to(name: &'static str, label: &'static str, module: &'static str) -> Field {
    Field::new(name, label, Kind::Map).link(module)
}

const fn own(name: &'static str, label: &'static str, kind: Kind) -> Field {
    Field::new(name, label, kind).custom()
}

macro_rules! fields {
    ($($field:expr),* $(,)?) => {
        &[
            text("id", "Record Id").access(Access::Fixed), to("Owner", "Owner", "users"),
            Field::new("Created_Time", "Created Time", Kind::Moment).access(Access::Fixed),
            Field::new("Modified_Time", "Modified Time", Kind::Moment).access(Access::Fixed),
            Field::new("Created_By", "Created By", Kind::Map).access(Access::Fixed),
            Field::new("Modified_By", "Modified By", Kind::Map).access(Access::Fixed),
            text("Description", "Description"),
            $($field),*
        ]
    };
}

const ACCOUNTS: &[Field] = fields![
    needed("Account_Name", "Account Name"),
    text("Account_Type", "Account Type"),
    text("Industry", "Industry"),
    text("Phone", "Phone"),
    text("Fax", "Fax"),
    text("Website", "Website"),
    number("Employees", "Employees"),
    number("Annual_Revenue", "Annual Revenue"),
    text("Billing_Street", "Billing Street"),
    text("Billing_City", "Billing City"),
    text("Billing_State", "Billing State"),
    text("Billing_Code", "Billing Code"),
    text("Billing_Country", "Billing Country"),
    text("Shipping_Street", "Shipping Street"),
    text("Shipping_City", "Shipping City"),
    text("Shipping_State", "Shipping State"),
    text("Shipping_Code", "Shipping Code"),
    text("Shipping_Country", "Shipping Country"),
];
const CONTACTS: &[Field] = fields![
    text("First_Name", "First Name"),
    needed("Last_Name", "Last Name"),
    text("Full_Name", "Full Name").access(Access::Fixed),
    text("Salutation", "Salutation"),
    text("Email", "Email"),
    text("Phone", "Phone"),
    text("Mobile", "Mobile"),
    text("Fax", "Fax"),
    text("Title", "Title"),
    text("Department", "Department"),
    text("Lead_Source", "Lead Source"),
    Field::new("Date_of_Birth", "Date of Birth", Kind::Date),
    to("Account_Name", "Account Name", "Accounts"),
    text("Mailing_Street", "Mailing Street"),
    text("Mailing_City", "Mailing City"),
    text("Mailing_State", "Mailing State"),
    text("Mailing_Zip", "Mailing Zip"),
    text("Mailing_Country", "Mailing Country"),
    own("Favorite_Color", "Favorite Color", Kind::Text),
    own("Loyalty_Points", "Loyalty Points", Kind::Number),
];
const LEADS: &[Field] = fields![
    text("First_Name", "First Name"),
    needed("Last_Name", "Last Name"),
    text("Full_Name", "Full Name").access(Access::Fixed),
    text("Salutation", "Salutation"),
    text("Company", "Company"),
    text("Designation", "Title"),
    text("Email", "Email"),
    text("Phone", "Phone"),
    text("Mobile", "Mobile"),
    text("Fax", "Fax"),
    text("Website", "Website"),
    text("Lead_Status", "Lead Status"),
    text("Lead_Source", "Lead Source"),
    text("Industry", "Industry"),
    number("No_of_Employees", "No. of Employees"),
    number("Annual_Revenue", "Annual Revenue"),
    text("Street", "Street"),
    text("City", "City"),
    text("State", "State"),
    text("Zip_Code", "Zip Code"),
    text("Country", "Country"),
];
const DEALS: &[Field] = fields![
    needed("Deal_Name", "Deal Name"),
    needed("Stage", "Stage").choices(&[
        "Qualification",
        "Needs Analysis",
        "Proposal/Price Quote",
        "Negotiation/Review",
        "Closed Won",
        "Closed Lost"
    ]),
    number("Amount", "Amount"),
    Field::new("Closing_Date", "Closing Date", Kind::Date),
    number("Probability", "Probability"),
    text("Type", "Type"),
    text("Next_Step", "Next Step"),
    text("Lead_Source", "Lead Source"),
    to("Account_Name", "Account Name", "Accounts"),
    to("Contact_Name", "Contact Name", "Contacts"),
    to("Campaign_Source", "Campaign Source", "Campaigns"),
];
const TASKS: &[Field] = fields![
    needed("Subject", "Subject"),
    text("Status", "Status").choices(&["Not Started", "Deferred", "In Progress", "Completed", "Waiting for input"]),
    text("Priority", "Priority").choices(&["High", "Highest", "Low", "Lowest", "Normal"]),
    Field::new("Due_Date", "Due Date", Kind::Date),
    to("Who_Id", "Contact Name", "Contacts"),
    Field::new("What_Id", "Related To", Kind::Map),
];
const EVENTS: &[Field] = fields![
    needed("Event_Title", "Title"),
    Field::new("Start_DateTime", "From", Kind::Moment).access(Access::Required),
    Field::new("End_DateTime", "To", Kind::Moment).access(Access::Required),
    text("Venue", "Location"),
    Field::new("All_day", "All day", Kind::Flag),
    to("Who_Id", "Contact Name", "Contacts"),
    Field::new("What_Id", "Related To", Kind::Map),
];
const CALLS: &[Field] = fields![
    text("Subject", "Subject"),
    needed("Call_Type", "Call Type").choices(&["Outbound", "Inbound", "Missed"]),
    Field::new("Call_Start_Time", "Call Start Time", Kind::Moment).access(Access::Required),
    text("Call_Duration", "Call Duration"),
    to("Who_Id", "Contact Name", "Contacts"),
    Field::new("What_Id", "Related To", Kind::Map),
];
const NOTES: &[Field] = fields![
    text("Note_Title", "Note Title"),
    needed("Note_Content", "Note Content"),
    Field::new("Parent_Id", "Parent Id", Kind::Map).access(Access::Once),
];
const PRODUCTS: &[Field] = fields![
    needed("Product_Name", "Product Name"),
    text("Product_Code", "Product Code"),
    number("Unit_Price", "Unit Price"),
    Field::new("Product_Active", "Product Active", Kind::Flag),
    text("Product_Category", "Product Category"),
    number("Qty_in_Stock", "Quantity in Stock"),
];
const CAMPAIGNS: &[Field] = fields![
    needed("Campaign_Name", "Campaign Name"),
    text("Type", "Type"),
    text("Status", "Status"),
    Field::new("Start_Date", "Start Date", Kind::Date),
    Field::new("End_Date", "End Date", Kind::Date),
    number("Budgeted_Cost", "Budgeted Cost"),
    number("Expected_Revenue", "Expected Revenue"),
];
const CASES: &[Field] = fields![
    needed("Subject", "Subject"),
    needed("Status", "Status").choices(&["New", "On Hold", "Escalated", "Closed"]),
    needed("Case_Origin", "Case Origin").choices(&["Email", "Phone", "Web"]),
    text("Priority", "Priority").choices(&["High", "Medium", "Low"]),
    text("Type", "Type").choices(&["Problem", "Feature Request", "Question"]),
    to("Account_Name", "Account Name", "Accounts"),
    to("Related_To", "Contact Name", "Contacts"),
];
const MINE: &[Field] = fields![
    needed("Name", "My Object Name"),
    own("Stage", "Stage", Kind::Text),
    own("Score", "Score", Kind::Number),
    own("Due", "Due", Kind::Date),
    own("Active", "Active", Kind::Flag),
];

const fn module(name: &'static str, singular: &'static str, number: u64, fields: &'static [Field]) -> Module {
    Module { name, singular, number, fields, custom: false }
}

/// Every module.
pub(super) const MODULES: [Module; 12] = [
    module("Accounts", "Account", 1, ACCOUNTS),
    module("Contacts", "Contact", 2, CONTACTS),
    module("Leads", "Lead", 3, LEADS),
    module("Deals", "Deal", 4, DEALS),
    module("Tasks", "Task", 5, TASKS),
    module("Events", "Event", 6, EVENTS),
    module("Calls", "Call", 7, CALLS),
    module("Notes", "Note", 8, NOTES),
    module("Products", "Product", 9, PRODUCTS),
    module("Campaigns", "Campaign", 10, CAMPAIGNS),
    Module { custom: true, ..module("My_Objects", "My Object", 11, MINE) },
    module("Cases", "Case", 12, CASES),
];

/// Modules whose records activities can be about.
pub(super) const SUBJECTS: [&str; 5] = ["Accounts", "Leads", "Deals", "Products", "Campaigns"];

/// The module of this name.
pub(super) fn named(name: &str) -> Option<&'static Module> {
    MODULES.iter().find(|module| module.name == name)
}
