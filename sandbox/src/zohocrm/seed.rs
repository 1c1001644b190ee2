//! The records an organization starts with.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value, json};

use super::{
    rows::{make, user_id},
    schema::named,
};
use crate::{core::PEOPLE, crm::Tables};

/// 2024-01-01T00:00:00Z, when the first record was created.
const START: i64 = 1_704_067_200;

/// All records of the start, an hour apart.
pub(super) fn tables() -> Tables {
    let mut seeds = Seeds { tables: Tables::default(), count: 0 };
    seeds.all();
    seeds.tables
}

struct Seeds {
    tables: Tables,
    count: i64,
}

impl Seeds {
    fn add(&mut self, module: &str, body: Value) -> Value {
        let now = DateTime::<Utc>::from_timestamp(START, 0).unwrap_or_default() + TimeDelta::hours(self.count);
        self.count += 1;
        let Some(module) = named(module) else { return Value::Null };
        match make(&mut self.tables, module, body.as_object().cloned().unwrap_or_else(Map::new), 1, now) {
            Ok(id) => json!({ "id": id }),
            Err(failure) => {
                tracing::error!(module = module.name, reason = %failure.body(), "a seed record was refused");
                Value::Null
            }
        }
    }

    fn all(&mut self) {
        for person in &PEOPLE {
            let row = json!({"id": user_id(person.number), "first_name": person.given, "last_name": person.surname,
                "full_name": person.full(), "email": person.email, "status": "active", "confirm": true, "phone": null, "mobile": null,
                "role": {"name": "CEO", "id": "554023000000015969"}, "profile": {"name": "Administrator", "id": "554023000000015972"},
                "created_time": "2024-01-01T00:00:00+00:00", "Modified_Time": "2024-01-01T00:00:00+00:00", "locale": "en_US"});
            self.tables.add("users", row.as_object().cloned().unwrap_or_default());
        }
        let bo = json!({"id": user_id(2)});
        let campaign = self.add(
            "Campaigns",
            json!({"Campaign_Name": "Spring Trade Show", "Type": "Trade Show", "Status": "Active",
            "Start_Date": "2024-03-01", "End_Date": "2024-03-05", "Budgeted_Cost": 12500}),
        );
        let northwind = self.add("Accounts", json!({"Account_Name": "Northwind Traders", "Account_Type": "Customer", "Industry": "Retail",
            "Phone": "+46 8 555 0101", "Website": "https://northwind.example.com", "Billing_Street": "Kungsgatan 1",
            "Billing_City": "Stockholm", "Billing_Code": "111 43", "Billing_Country": "Sweden", "Annual_Revenue": 8_500_000, "Employees": 120}));
        let ohara = self.add(
            "Accounts",
            json!({"Account_Name": "O'Hara & Sons", "Account_Type": "Prospect", "Billing_City": "Dublin"}),
        );
        let umbra = self.add(
            "Accounts",
            json!({"Account_Name": "Umbra Energy 100%", "Industry": "Energy", "Employees": 2400, "Owner": bo}),
        );
        let maya = self.add("Contacts", json!({"First_Name": "Maya", "Last_Name": "Ekström", "Salutation": "Ms.",
            "Email": "maya.ekstrom@northwind.example.com", "Phone": "+46 8 555 0111", "Mobile": "+46 70 555 0111",
            "Title": "Head of Purchasing", "Department": "Purchasing", "Account_Name": northwind, "Mailing_City": "Stockholm",
            "Lead_Source": "Web", "Date_of_Birth": "1984-05-17", "Favorite_Color": "teal", "Loyalty_Points": 420}));
        self.add(
            "Contacts",
            json!({"First_Name": "Seán", "Last_Name": "O'Hara", "Email": "sean@ohara.example.com",
            "Account_Name": ohara, "Favorite_Color": "green"}),
        );
        let giulia = self.add(
            "Contacts",
            json!({"First_Name": "Giulia", "Last_Name": "Rinaldi", "Title": "CTO", "Owner": bo,
            "Email": "giulia.rinaldi@umbra.example.com", "Account_Name": umbra, "Loyalty_Points": 75}),
        );
        self.add("Contacts", json!({"Last_Name": "Nakamura", "Email": "nakamura@example.com"}));
        self.add("Leads", json!({"First_Name": "Tomás", "Last_Name": "Vega", "Company": "Vega Logistics", "Email": "tomas@vega.example.com",
            "Phone": "+34 91 555 0121", "Lead_Status": "Not Contacted", "City": "Madrid", "Country": "Spain"}));
        self.add("Leads", json!({"First_Name": "Priya", "Last_Name": "Raman", "Company": "Raman Textiles", "Email": "priya@raman.example.com",
            "Lead_Status": "Contacted", "Industry": "Apparel", "No_of_Employees": 45}));
        self.add("Deals", json!({"Deal_Name": "Northwind - 200 shelves", "Account_Name": northwind, "Contact_Name": maya,
            "Stage": "Proposal/Price Quote", "Amount": 48_000, "Closing_Date": "2024-06-30", "Campaign_Source": campaign}));
        self.add(
            "Deals",
            json!({"Deal_Name": "Umbra - service contract", "Account_Name": umbra, "Stage": "Closed Won",
            "Amount": 310_000.5, "Closing_Date": "2024-02-15", "Owner": bo}),
        );
        self.add(
            "Tasks",
            json!({"Subject": "Call Maya about the quote", "Who_Id": maya, "Due_Date": "2024-06-01", "Priority": "High",
            "Status": "Not Started", "Description": "Ask about delivery dates."}),
        );
        self.add("Tasks", json!({"Subject": "Send brochure", "Status": "Completed"}));
        self.add(
            "Events",
            json!({"Event_Title": "Site visit", "Venue": "Stockholm", "Start_DateTime": "2024-06-03T09:00:00+00:00",
            "End_DateTime": "2024-06-03T10:00:00+00:00", "What_Id": northwind, "$se_module": "Accounts"}),
        );
        self.add(
            "Calls",
            json!({"Subject": "First call", "Call_Type": "Outbound", "Call_Start_Time": "2024-01-03T09:00:00+00:00",
            "Call_Duration": "03:00", "Who_Id": giulia}),
        );
        let parent = |module: &str, record: &Value| json!({"module": {"api_name": module}, "id": record.get("id")});
        self.add("Notes", json!({"Note_Title": "Prefers e-mail", "Note_Content": "Rarely answers the phone.", "Parent_Id": parent("Contacts", &maya)}));
        self.add("Notes", json!({"Note_Title": "Contract", "Note_Content": "Renews every February.", "Parent_Id": parent("Accounts", &umbra)}));
        self.add(
            "Products",
            json!({"Product_Name": "Shelf", "Product_Code": "SH-1", "Unit_Price": 240, "Product_Active": true}),
        );
        self.add(
            "Cases",
            json!({"Subject": "Broken shelf", "Status": "New", "Case_Origin": "Phone", "Account_Name": northwind}),
        );
        self.add("My_Objects", json!({"Name": "First", "Stage": "new", "Score": 12.5, "Due": "2024-09-01"}));
        self.add("My_Objects", json!({"Name": "Second", "Stage": "running", "Active": true}));
    }
}

#[cfg(test)]
mod tests {
    use super::{super::schema::MODULES, *};

    #[test]
    fn every_seed_is_accepted() {
        let mut seeds = Seeds { tables: Tables::default(), count: 0 };
        seeds.all();
        let kept: usize = MODULES.iter().map(|module| seeds.tables.rows(module.name).len()).sum();
        assert_eq!(i64::try_from(kept).unwrap(), seeds.count);
        for module in &MODULES {
            assert!(!seeds.tables.rows(module.name).is_empty(), "no {}", module.name);
        }
    }
}
