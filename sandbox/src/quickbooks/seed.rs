//! The records a company starts with.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::{entity::named, store::Store};

/// 2024-01-01T00:00:00Z, when the first record was made.
const START: i64 = 1_704_067_200;

/// Adds the records, an hour apart.
pub(super) fn fill(store: &mut Store) {
    let mut seeds = Seeds { store, count: 0 };
    let sales = seeds.add("Account", json!({"Name": "Sales of Product Income", "AccountType": "Income", "AccountSubType": "SalesOfProductIncome", "Classification": "Revenue"}));
    let bank = seeds.add("Account", json!({"Name": "Checking", "AccountType": "Bank", "AccountSubType": "Checking", "Classification": "Asset", "AcctNum": "1000"}));
    let cost = seeds.add(
        "Account",
        json!({"Name": "Cost of Goods Sold", "AccountType": "Cost of Goods Sold", "Classification": "Expense"}),
    );
    let northwind = seeds.add("Customer", json!({"DisplayName": "Northwind Traders", "CompanyName": "Northwind Traders",
        "PrimaryEmailAddr": {"Address": "books@northwind.example.com"}, "PrimaryPhone": {"FreeFormNumber": "+46 8 555 0101"},
        "BillAddr": {"Line1": "Kungsgatan 1", "City": "Stockholm", "PostalCode": "111 43", "Country": "Sweden"}}));
    let ohara = seeds.add(
        "Customer",
        json!({"DisplayName": "O'Hara & Sons", "CompanyName": "O'Hara & Sons", "GivenName": "Seán",
        "FamilyName": "O'Hara", "PrimaryEmailAddr": {"Address": "sean@ohara.example.com"}}),
    );
    seeds.add("Customer", json!({"DisplayName": "Umbra Energy", "CompanyName": "Umbra Energy", "Active": false}));
    let steel = seeds.add(
        "Vendor",
        json!({"DisplayName": "Steel & Co", "CompanyName": "Steel & Co", "AcctNum": "V-17",
        "PrimaryEmailAddr": {"Address": "orders@steel.example.com"}}),
    );
    seeds.add("Vendor", json!({"DisplayName": "City Power", "PrimaryPhone": {"FreeFormNumber": "+46 8 555 0190"}}));
    seeds.add(
        "Employee",
        json!({"GivenName": "Ada", "FamilyName": "Lindqvist", "EmployeeNumber": "7", "HiredDate": "2020-03-01"}),
    );
    seeds.add("Employee", json!({"GivenName": "Bo", "FamilyName": "Marchetti"}));
    let shelf = seeds.add(
        "Item",
        json!({"Name": "Shelf", "Sku": "SH-1", "Type": "NonInventory", "UnitPrice": 240, "Description": "A steel shelf",
        "IncomeAccountRef": {"value": sales}}),
    );
    seeds.add(
        "Item",
        json!({"Name": "Assembly", "Type": "Service", "UnitPrice": 65.5, "IncomeAccountRef": {"value": sales}}),
    );
    let line = |amount: f64| json!([{"Amount": amount, "DetailType": "SalesItemLineDetail", "SalesItemLineDetail": {"ItemRef": {"value": shelf}}}]);
    let cost_line = |amount: f64| {
        json!([{"Amount": amount, "DetailType": "AccountBasedExpenseLineDetail",
        "AccountBasedExpenseLineDetail": {"AccountRef": {"value": cost}}}])
    };
    seeds.add("Invoice", json!({"DocNumber": "1001", "CustomerRef": {"value": northwind}, "TxnDate": "2024-02-01", "DueDate": "2024-03-02", "Line": line(4800.0)}));
    seeds.add(
        "Invoice",
        json!({"DocNumber": "1002", "CustomerRef": {"value": ohara}, "TxnDate": "2024-02-03", "Line": line(240.0)}),
    );
    seeds.add("Payment", json!({"CustomerRef": {"value": northwind}, "TotalAmt": 1200, "TxnDate": "2024-02-20", "DepositToAccountRef": {"value": bank}}));
    seeds.add("Bill", json!({"VendorRef": {"value": steel}, "TxnDate": "2024-01-15", "DueDate": "2024-02-14", "Line": cost_line(900.25)}));
    seeds.add("Estimate", json!({"DocNumber": "E-1", "CustomerRef": {"value": ohara}, "Line": line(720.0)}));
    seeds.add("CreditMemo", json!({"DocNumber": "C-1", "CustomerRef": {"value": northwind}, "Line": line(240.0)}));
    seeds.add("SalesReceipt", json!({"DocNumber": "R-1", "CustomerRef": {"value": ohara}, "Line": line(65.5)}));
    seeds.add("PurchaseOrder", json!({"DocNumber": "P-1", "VendorRef": {"value": steel}, "Line": cost_line(450.0)}));
    let half = |side: &str, account: &str| {
        json!({"Amount": 100, "DetailType": "JournalEntryLineDetail",
        "JournalEntryLineDetail": {"PostingType": side, "AccountRef": {"value": account}}})
    };
    seeds.add(
        "JournalEntry",
        json!({"DocNumber": "J-1", "TxnDate": "2024-01-31", "Line": [half("Debit", &cost), half("Credit", &bank)]}),
    );
    let agency = seeds.add("TaxAgency", json!({"DisplayName": "Skatteverket"}));
    let vat = seeds.add(
        "TaxRate",
        json!({"Name": "Moms 25", "Description": "Moms25", "RateValue": 25, "AgencyRef": {"value": agency}}),
    );
    seeds.add("TaxRate", json!({"Name": "Moms 6", "RateValue": 6, "AgencyRef": {"value": agency}}));
    seeds.add(
        "TaxCode",
        json!({"Name": "Moms 25", "Taxable": true, "SalesTaxRateList": {"TaxRateDetail": [{"TaxRateRef": {"value": vat}}]}}),
    );
    for (name, kind) in [("Cash", "NON_CREDIT_CARD"), ("Visa", "CREDIT_CARD")] {
        seeds.add("PaymentMethod", json!({"Name": name, "Type": kind}));
    }
}

struct Seeds<'a> {
    store: &'a mut Store,
    count: i64,
}

impl Seeds<'_> {
    fn add(&mut self, entity: &str, body: Value) -> String {
        let Some(entity) = named(entity) else { return String::new() };
        let now = DateTime::<Utc>::from_timestamp(START, 0).unwrap_or_default() + TimeDelta::hours(self.count);
        self.count += 1;
        match self.store.create(entity, &body.as_object().cloned().unwrap_or_default(), now) {
            Ok(record) => record.get("Id").and_then(Value::as_str).unwrap_or_default().to_owned(),
            Err(failure) => {
                tracing::error!(entity = entity.name, reason = failure.detail, "a seed record was refused");
                String::new()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::entity::ENTITIES, *};

    #[test]
    fn every_seed_is_accepted() {
        let store = Store::new();
        let kept: usize = ENTITIES.iter().map(|entity| store.records(entity).count()).sum();
        assert_eq!(kept, 27);
        for entity in ENTITIES {
            assert!(store.records(entity).next().is_some(), "no {}", entity.name);
        }
    }
}
