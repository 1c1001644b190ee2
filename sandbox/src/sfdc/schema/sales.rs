//! Accounts, contacts, leads, opportunities and campaigns.

use super::{
    Field, Object, Preset,
    build::{
        address, area, choice, currency, date, datetime, double, email, flag, head, int, owner, person, phone,
        reference, stamps, text, url, views,
    },
};

const INDUSTRIES: &[&str] = &[
    "Agriculture",
    "Apparel",
    "Banking",
    "Biotechnology",
    "Chemicals",
    "Communications",
    "Construction",
    "Consulting",
    "Education",
    "Electronics",
    "Energy",
    "Engineering",
    "Finance",
    "Healthcare",
    "Hospitality",
    "Insurance",
    "Manufacturing",
    "Media",
    "Retail",
    "Technology",
    "Transportation",
    "Utilities",
    "Other",
];
const SOURCES: &[&str] = &["Web", "Phone Inquiry", "Partner Referral", "Purchased List", "Other"];
const RATINGS: &[&str] = &["Hot", "Warm", "Cold"];

pub(super) fn objects() -> Vec<Object> {
    vec![account(), contact(), lead(), opportunity(), campaign()]
}

fn billing() -> Vec<Field> {
    address(
        [
            ("BillingStreet", "Billing Street"),
            ("BillingCity", "Billing City"),
            ("BillingState", "Billing State/Province"),
            ("BillingPostalCode", "Billing Zip/Postal Code"),
            ("BillingCountry", "Billing Country"),
        ],
        ("BillingAddress", "Billing Address"),
    )
}

fn account() -> Object {
    let mut fields = head("Account ID");
    fields.extend([
        reference("MasterRecordId", "Master Record ID", "MasterRecord", &["Account"]).fixed(),
        text("Name", "Account Name", 255).required().naming(),
        choice(
            "Type",
            "Account Type",
            &[
                "Prospect",
                "Customer - Direct",
                "Customer - Channel",
                "Channel Partner / Reseller",
                "Installation Partner",
                "Technology Partner",
                "Other",
            ],
        ),
        reference("ParentId", "Parent Account ID", "Parent", &["Account"]),
    ]);
    fields.extend(billing());
    fields.extend(address(
        [
            ("ShippingStreet", "Shipping Street"),
            ("ShippingCity", "Shipping City"),
            ("ShippingState", "Shipping State/Province"),
            ("ShippingPostalCode", "Shipping Zip/Postal Code"),
            ("ShippingCountry", "Shipping Country"),
        ],
        ("ShippingAddress", "Shipping Address"),
    ));
    fields.extend([
        phone("Phone", "Account Phone"),
        phone("Fax", "Account Fax"),
        text("AccountNumber", "Account Number", 40),
        url("Website", "Website"),
        url("PhotoUrl", "Photo URL").fixed(),
        text("Sic", "SIC Code", 20),
        choice("Industry", "Industry", INDUSTRIES),
        currency("AnnualRevenue", "Annual Revenue"),
        int("NumberOfEmployees", "Employees"),
        choice("Ownership", "Ownership", &["Public", "Private", "Subsidiary", "Other"]),
        text("TickerSymbol", "Ticker Symbol", 20),
        area("Description", "Account Description", 32_000),
        choice("Rating", "Account Rating", RATINGS),
        text("Site", "Account Site", 80),
        owner(&["User"]),
        choice("AccountSource", "Account Source", SOURCES),
        text("SicDesc", "SIC Description", 80),
    ]);
    fields.extend(stamps());
    fields.extend(views());
    Object { name: "Account", label: "Account", plural: "Accounts", prefix: "001", fields, deletable: true }
}

fn contact() -> Object {
    let mut fields = head("Contact ID");
    fields.extend([
        reference("MasterRecordId", "Master Record ID", "MasterRecord", &["Contact"]).fixed(),
        reference("AccountId", "Account ID", "Account", &["Account"]),
    ]);
    fields.extend(person());
    fields.extend(address(
        [
            ("OtherStreet", "Other Street"),
            ("OtherCity", "Other City"),
            ("OtherState", "Other State/Province"),
            ("OtherPostalCode", "Other Zip/Postal Code"),
            ("OtherCountry", "Other Country"),
        ],
        ("OtherAddress", "Other Address"),
    ));
    fields.extend(address(
        [
            ("MailingStreet", "Mailing Street"),
            ("MailingCity", "Mailing City"),
            ("MailingState", "Mailing State/Province"),
            ("MailingPostalCode", "Mailing Zip/Postal Code"),
            ("MailingCountry", "Mailing Country"),
        ],
        ("MailingAddress", "Mailing Address"),
    ));
    fields.extend([
        phone("Phone", "Business Phone"),
        phone("Fax", "Business Fax"),
        phone("MobilePhone", "Mobile Phone"),
        phone("HomePhone", "Home Phone"),
        phone("OtherPhone", "Other Phone"),
        phone("AssistantPhone", "Asst. Phone"),
        reference("ReportsToId", "Reports To ID", "ReportsTo", &["Contact"]),
        email("Email", "Email"),
        text("Title", "Title", 128),
        text("Department", "Department", 80),
        text("AssistantName", "Assistant's Name", 40),
        choice("LeadSource", "Lead Source", SOURCES),
        date("Birthdate", "Birthdate"),
        area("Description", "Contact Description", 32_000),
        owner(&["User"]),
        flag("HasOptedOutOfEmail", "Email Opt Out"),
        flag("DoNotCall", "Do Not Call"),
    ]);
    fields.extend(stamps());
    fields.extend(views());
    fields.extend([
        text("EmailBouncedReason", "Email Bounced Reason", 255),
        datetime("EmailBouncedDate", "Email Bounced Date"),
        flag("IsEmailBounced", "Is Email Bounced").fixed(),
        url("PhotoUrl", "Photo URL").fixed(),
        text("Favorite_Color__c", "Favorite Color", 40),
        double("Loyalty_Points__c", "Loyalty Points", (18, 0)),
    ]);
    Object { name: "Contact", label: "Contact", plural: "Contacts", prefix: "003", fields, deletable: true }
}

fn lead() -> Object {
    let mut fields = head("Lead ID");
    fields.push(reference("MasterRecordId", "Master Record ID", "MasterRecord", &["Lead"]).fixed());
    fields.extend(person());
    fields.extend([text("Title", "Title", 128), text("Company", "Company", 255).required()]);
    fields.extend(address(
        [
            ("Street", "Street"),
            ("City", "City"),
            ("State", "State/Province"),
            ("PostalCode", "Zip/Postal Code"),
            ("Country", "Country"),
        ],
        ("Address", "Address"),
    ));
    fields.extend([
        phone("Phone", "Phone"),
        phone("MobilePhone", "Mobile Phone"),
        phone("Fax", "Fax"),
        email("Email", "Email"),
        url("Website", "Website"),
        url("PhotoUrl", "Photo URL").fixed(),
        area("Description", "Description", 32_000),
        choice("LeadSource", "Lead Source", SOURCES),
        choice(
            "Status",
            "Status",
            &["Open - Not Contacted", "Working - Contacted", "Closed - Converted", "Closed - Not Converted"],
        )
        .required()
        .preset(Preset::Choice("Open - Not Contacted")),
        choice("Industry", "Industry", INDUSTRIES),
        choice("Rating", "Rating", RATINGS),
        currency("AnnualRevenue", "Annual Revenue"),
        int("NumberOfEmployees", "Employees"),
        owner(&["User"]),
        flag("IsConverted", "Converted").fixed(),
        date("ConvertedDate", "Converted Date").fixed(),
        reference("ConvertedAccountId", "Converted Account ID", "ConvertedAccount", &["Account"]).fixed(),
        reference("ConvertedContactId", "Converted Contact ID", "ConvertedContact", &["Contact"]).fixed(),
        reference("ConvertedOpportunityId", "Converted Opportunity ID", "ConvertedOpportunity", &["Opportunity"])
            .fixed(),
        flag("IsUnreadByOwner", "Unread By Owner").preset(Preset::Flag(true)),
        flag("HasOptedOutOfEmail", "Email Opt Out"),
    ]);
    fields.extend(stamps());
    fields.extend(views());
    Object { name: "Lead", label: "Lead", plural: "Leads", prefix: "00Q", fields, deletable: true }
}

/// An opportunity's stages, in order.
pub(in super::super) const STAGES: &[(&str, f64, &str)] = &[
    ("Prospecting", 10.0, "Pipeline"),
    ("Qualification", 10.0, "Pipeline"),
    ("Needs Analysis", 20.0, "Pipeline"),
    ("Value Proposition", 50.0, "Pipeline"),
    ("Id. Decision Makers", 60.0, "Pipeline"),
    ("Perception Analysis", 70.0, "Pipeline"),
    ("Proposal/Price Quote", 75.0, "Pipeline"),
    ("Negotiation/Review", 90.0, "Pipeline"),
    ("Closed Won", 100.0, "Closed"),
    ("Closed Lost", 0.0, "Omitted"),
];

const STAGE_NAMES: &[&str] = &[
    "Prospecting",
    "Qualification",
    "Needs Analysis",
    "Value Proposition",
    "Id. Decision Makers",
    "Perception Analysis",
    "Proposal/Price Quote",
    "Negotiation/Review",
    "Closed Won",
    "Closed Lost",
];

fn opportunity() -> Object {
    let mut fields = head("Opportunity ID");
    fields.extend([
        reference("AccountId", "Account ID", "Account", &["Account"]),
        flag("IsPrivate", "Private"),
        text("Name", "Name", 120).required().naming(),
        area("Description", "Description", 32_000),
        choice("StageName", "Stage", STAGE_NAMES).required(),
        currency("Amount", "Amount"),
        Field { digits: (3, 0), ..Field::new("Probability", "Probability (%)", super::Kind::Percent) },
        currency("ExpectedRevenue", "Expected Amount").fixed(),
        double("TotalOpportunityQuantity", "Quantity", (18, 2)),
        date("CloseDate", "Close Date").required(),
        choice(
            "Type",
            "Opportunity Type",
            &[
                "Existing Customer - Upgrade",
                "Existing Customer - Replacement",
                "Existing Customer - Downgrade",
                "New Customer",
            ],
        ),
        text("NextStep", "Next Step", 255),
        choice("LeadSource", "Lead Source", SOURCES),
        flag("IsClosed", "Closed").fixed(),
        flag("IsWon", "Won").fixed(),
        choice("ForecastCategory", "Forecast Category", &["Omitted", "Pipeline", "BestCase", "Forecast", "Closed"])
            .fixed(),
        choice("ForecastCategoryName", "Forecast Category", &["Omitted", "Pipeline", "Best Case", "Commit", "Closed"]),
        reference("CampaignId", "Campaign ID", "Campaign", &["Campaign"]),
        flag("HasOpportunityLineItem", "Has Line Item").fixed(),
        owner(&["User"]),
        int("FiscalQuarter", "Fiscal Quarter").fixed(),
        int("FiscalYear", "Fiscal Year").fixed(),
        text("Fiscal", "Fiscal Period", 6).fixed(),
        reference("ContactId", "Contact ID", "Contact", &["Contact"]).create_only(),
    ]);
    fields.extend(stamps());
    fields.extend(views());
    Object {
        name: "Opportunity",
        label: "Opportunity",
        plural: "Opportunities",
        prefix: "006",
        fields,
        deletable: true,
    }
}

fn campaign() -> Object {
    let mut fields = head("Campaign ID");
    fields.extend([
        text("Name", "Name", 80).required().naming(),
        reference("ParentId", "Parent Campaign ID", "Parent", &["Campaign"]),
        choice(
            "Type",
            "Type",
            &["Conference", "Webinar", "Trade Show", "Public Relations", "Partners", "Email", "Other"],
        ),
        choice("Status", "Status", &["Planned", "In Progress", "Completed", "Aborted"])
            .preset(Preset::Choice("Planned")),
        date("StartDate", "Start Date"),
        date("EndDate", "End Date"),
        currency("ExpectedRevenue", "Expected Revenue in Campaign"),
        currency("BudgetedCost", "Budgeted Cost in Campaign"),
        currency("ActualCost", "Actual Cost in Campaign"),
        Field { digits: (10, 2), ..Field::new("ExpectedResponse", "Expected Response (%)", super::Kind::Percent) },
        double("NumberSent", "Num Sent in Campaign", (18, 0)),
        flag("IsActive", "Active"),
        area("Description", "Description", 32_000),
        int("NumberOfLeads", "Leads in Campaign").fixed(),
        int("NumberOfContacts", "Contacts in Campaign").fixed(),
        owner(&["User"]),
    ]);
    fields.extend(stamps());
    fields.extend(views());
    Object { name: "Campaign", label: "Campaign", plural: "Campaigns", prefix: "701", fields, deletable: true }
}
