//! The kinds of records and what the company demands of them.

/// A member's type, as far as it is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Number,
    Flag,
    Date,
    /// A reference to a record: `{"value": id}`.
    Ref(&'static str),
    Object,
    List,
}

/// One kind of record.
#[derive(Debug)]
pub(super) struct Entity {
    /// The name in bodies and queries.
    pub(super) name: &'static str,
    /// Whether it is a name list's: these are made inactive, never deleted.
    pub(super) list: bool,
    pub(super) members: &'static [(&'static str, Kind)],
    pub(super) required: &'static [&'static str],
    /// The member whose values are unique.
    pub(super) unique: Option<&'static str>,
    /// What a query may filter by, besides `Id` and the stamps.
    pub(super) filters: &'static [&'static str],
}

impl Entity {
    /// Whether records are written by their own path: tax rates and codes are made by the tax service.
    pub(super) fn writable(&self) -> bool {
        !matches!(self.name, "TaxRate" | "TaxCode")
    }

    /// The name in paths.
    pub(super) fn path(&self) -> String {
        self.name.to_lowercase()
    }
}

use Kind::{Date, Flag, List, Number, Object, Ref, Text};

const PERSON: &[(&str, Kind)] = &[
    ("DisplayName", Text),
    ("Title", Text),
    ("GivenName", Text),
    ("MiddleName", Text),
    ("FamilyName", Text),
    ("Suffix", Text),
    ("CompanyName", Text),
    ("PrintOnCheckName", Text),
    ("PrimaryEmailAddr", Object),
    ("PrimaryPhone", Object),
    ("Mobile", Object),
    ("Fax", Object),
    ("WebAddr", Object),
    ("BillAddr", Object),
    ("ShipAddr", Object),
    ("PrimaryAddr", Object),
    ("Notes", Text),
    ("Taxable", Flag),
    ("Active", Flag),
    ("Balance", Number),
    ("CurrencyRef", Ref("")),
    ("AcctNum", Text),
    ("Vendor1099", Flag),
    ("EmployeeNumber", Text),
    ("HiredDate", Date),
    ("BirthDate", Date),
    ("ReleasedDate", Date),
    ("BillableTime", Flag),
    ("BalanceWithJobs", Number),
    ("BillWithParent", Flag),
    ("IsProject", Flag),
    ("Job", Flag),
    ("Level", Number),
    ("OpenBalanceDate", Date),
    ("PreferredDeliveryMethod", Text),
    ("PrimaryTaxIdentifier", Text),
    ("ResaleNum", Text),
    ("AlternatePhone", Object),
    ("ParentRef", Ref("Customer")),
    ("SalesTermRef", Ref("")),
    ("TaxIdentifier", Text),
];
const NAMES: &[&str] =
    &["DisplayName", "GivenName", "FamilyName", "CompanyName", "Active", "Balance", "PrintOnCheckName"];
const SALE: &[(&str, Kind)] = &[
    ("DocNumber", Text),
    ("TxnDate", Date),
    ("DueDate", Date),
    ("CustomerRef", Ref("Customer")),
    ("VendorRef", Ref("Vendor")),
    ("Line", List),
    ("PrivateNote", Text),
    ("CustomerMemo", Object),
    ("BillEmail", Object),
    ("BillAddr", Object),
    ("ShipAddr", Object),
    ("TotalAmt", Number),
    ("Balance", Number),
    ("UnappliedAmt", Number),
    ("CurrencyRef", Ref("")),
    ("DepositToAccountRef", Ref("Account")),
    ("ARAccountRef", Ref("Account")),
    ("APAccountRef", Ref("Account")),
    ("PaymentMethodRef", Ref("")),
    ("PaymentRefNum", Text),
    ("ExpirationDate", Date),
    ("TxnStatus", Text),
    ("POStatus", Text),
    ("Adjustment", Flag),
    ("LinkedTxn", List),
    ("Memo", Text),
    ("AllowIPNPayment", Flag),
    ("AllowOnlineACHPayment", Flag),
    ("AllowOnlineCreditCardPayment", Flag),
    ("ApplyTaxAfterDiscount", Flag),
    ("CustomField", List),
    ("Deposit", Number),
    ("EmailStatus", Text),
    ("ExchangeRate", Number),
    ("FreeFormAddress", Flag),
    ("GlobalTaxCalculation", Text),
    ("HomeBalance", Number),
    ("HomeTotalAmt", Number),
    ("InvoiceLink", Text),
    ("PrintStatus", Text),
    ("ShipDate", Date),
    ("TrackingNum", Text),
    ("SalesTermRef", Ref("")),
    ("DepartmentRef", Ref("")),
    ("TxnTaxDetail", Object),
];
const BOOKS: &[&str] = &["DocNumber", "TxnDate", "DueDate", "CustomerRef", "VendorRef", "TotalAmt", "Balance"];

const fn list(
    name: &'static str,
    members: &'static [(&'static str, Kind)],
    required: &'static [&'static str],
    unique: &'static str,
    filters: &'static [&'static str],
) -> Entity {
    Entity { name, list: true, members, required, unique: Some(unique), filters }
}

const fn book(name: &'static str, required: &'static [&'static str]) -> Entity {
    Entity { name, list: false, members: SALE, required, unique: None, filters: BOOKS }
}

/// Every kind of record.
pub(super) const ENTITIES: &[Entity] = &[
    list("Customer", PERSON, &["DisplayName|GivenName|FamilyName"], "DisplayName", NAMES),
    list("Vendor", PERSON, &["DisplayName|GivenName|FamilyName"], "DisplayName", NAMES),
    list("Employee", PERSON, &["GivenName|FamilyName"], "DisplayName", NAMES),
    list(
        "Account",
        &[
            ("Name", Text),
            ("AcctNum", Text),
            ("Description", Text),
            ("Active", Flag),
            ("Classification", Text),
            ("AccountType", Text),
            ("AccountSubType", Text),
            ("CurrentBalance", Number),
            ("CurrencyRef", Ref("")),
            ("SubAccount", Flag),
            ("ParentRef", Ref("Account")),
            ("FullyQualifiedName", Text),
        ],
        &["Name", "AccountType|AccountSubType"],
        "Name",
        &["Name", "Active", "Classification", "AccountType", "AccountSubType", "CurrentBalance", "FullyQualifiedName"],
    ),
    list(
        "Item",
        &[
            ("Name", Text),
            ("Sku", Text),
            ("Description", Text),
            ("Active", Flag),
            ("Type", Text),
            ("UnitPrice", Number),
            ("PurchaseCost", Number),
            ("PurchaseDesc", Text),
            ("QtyOnHand", Number),
            ("TrackQtyOnHand", Flag),
            ("InvStartDate", Date),
            ("Taxable", Flag),
            ("IncomeAccountRef", Ref("Account")),
            ("ExpenseAccountRef", Ref("Account")),
            ("AssetAccountRef", Ref("Account")),
            ("FullyQualifiedName", Text),
        ],
        &["Name"],
        "Name",
        &["Name", "Sku", "Active", "Type", "UnitPrice", "QtyOnHand", "FullyQualifiedName"],
    ),
    list("TaxAgency", &[("DisplayName", Text)], &["DisplayName"], "DisplayName", &["DisplayName"]),
    list(
        "TaxRate",
        &[
            ("Name", Text),
            ("Description", Text),
            ("Active", Flag),
            ("RateValue", Number),
            ("AgencyRef", Ref("TaxAgency")),
            ("SpecialTaxType", Text),
            ("DisplayType", Text),
        ],
        &["Name", "RateValue", "AgencyRef"],
        "Name",
        &["Active", "RateValue", "AgencyRef"],
    ),
    list(
        "TaxCode",
        &[
            ("Name", Text),
            ("Description", Text),
            ("Active", Flag),
            ("Taxable", Flag),
            ("TaxGroup", Flag),
            ("SalesTaxRateList", Object),
            ("PurchaseTaxRateList", Object),
        ],
        &["Name"],
        "Name",
        &["Name", "Active"],
    ),
    list("PaymentMethod", &[("Name", Text), ("Type", Text), ("Active", Flag)], &["Name"], "Name", &["Name"]),
    book("Invoice", &["CustomerRef", "Line"]),
    book("Payment", &["CustomerRef", "TotalAmt"]),
    book("Bill", &["VendorRef", "Line"]),
    book("Estimate", &["CustomerRef", "Line"]),
    book("CreditMemo", &["CustomerRef", "Line"]),
    book("SalesReceipt", &["Line"]),
    book("PurchaseOrder", &["VendorRef", "Line"]),
    book("JournalEntry", &["Line"]),
];

/// The kind with this name in queries.
pub(super) fn named(name: &str) -> Option<&'static Entity> {
    ENTITIES.iter().find(|entity| entity.name.eq_ignore_ascii_case(name))
}
