//! The rows an organization starts with.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::store::{Store, identifier};
use crate::core::PEOPLE;

/// 2024-01-01T00:00:00Z, when the first row was made.
const START: i64 = 1_704_067_200;

/// The identifier of the user that is this person.
pub(super) fn user(person: u32) -> String {
    identifier(person.into())
}

/// Adds the rows, an hour apart.
pub(super) fn fill(store: &mut Store) {
    let mut seeds = Seeds { store, count: 0 };
    for person in &PEOPLE {
        seeds.add(
            "systemusers",
            1,
            json!({"domainname": person.email, "internalemailaddress": person.email, "firstname": person.given,
                "lastname": person.surname, "jobtitle": "Account Executive", "address1_telephone1": "+46 8 555 0100"}),
        );
    }
    let northwind = seeds.add(
        "accounts",
        1,
        json!({"name": "Northwind Traders", "customertypecode": 3, "industrycode": 33, "telephone1": "+46 8 555 0101",
            "websiteurl": "https://northwind.example.com", "address1_line1": "Kungsgatan 1", "address1_city": "Stockholm",
            "address1_postalcode": "111 43", "address1_country": "Sweden", "revenue": 8_500_000, "numberofemployees": 120,
            "new_region": "North"}),
    );
    let ohara = seeds.add(
        "accounts",
        1,
        json!({"name": "O'Hara & Sons", "customertypecode": 8, "telephone1": "+353 1 555 0102",
            "websiteurl": "https://ohara.example.com", "address1_city": "Dublin", "address1_country": "Ireland"}),
    );
    let umbra = seeds.add(
        "accounts",
        2,
        json!({"name": "Umbra Energy 100%", "customertypecode": 3, "revenue": 125_000_000.5, "numberofemployees": 2400,
            "address1_city": "Milano", "address1_country": "Italy"}),
    );
    let of = |id: &str| format!("/accounts({id})");
    let maya = seeds.add(
        "contacts",
        1,
        json!({"firstname": "Maya", "lastname": "Ekström", "salutation": "Ms.", "emailaddress1": "maya.ekstrom@northwind.example.com",
            "telephone1": "+46 8 555 0111", "mobilephone": "+46 70 555 0111", "jobtitle": "Head of Purchasing",
            "department": "Purchasing", "parentcustomerid_account@odata.bind": of(&northwind), "address1_line1": "Kungsgatan 1",
            "address1_city": "Stockholm", "address1_postalcode": "111 43", "address1_country": "Sweden", "leadsourcecode": 8,
            "birthdate": "1984-05-17", "new_favoritecolor": "teal", "new_loyaltypoints": 420}),
    );
    seeds.add(
        "contacts",
        1,
        json!({"firstname": "Seán", "lastname": "O'Hara", "emailaddress1": "sean@ohara.example.com", "telephone1": "+353 1 555 0112",
            "parentcustomerid_account@odata.bind": of(&ohara), "new_favoritecolor": "green"}),
    );
    seeds.add(
        "contacts",
        2,
        json!({"firstname": "Giulia", "lastname": "Rinaldi", "emailaddress1": "giulia.rinaldi@umbra.example.com", "jobtitle": "CTO",
            "parentcustomerid_account@odata.bind": of(&umbra), "new_loyaltypoints": 75}),
    );
    seeds.add("contacts", 2, json!({"lastname": "Nakamura", "emailaddress1": "nakamura@example.com"}));
    seeds.add(
        "leads",
        1,
        json!({"firstname": "Tomás", "lastname": "Vega", "companyname": "Vega Logistics", "emailaddress1": "tomas@vega.example.com",
            "telephone1": "+34 91 555 0121", "subject": "Racks for a new hall", "leadsourcecode": 4, "address1_city": "Madrid",
            "address1_country": "Spain"}),
    );
    seeds.add(
        "leads",
        2,
        json!({"firstname": "Priya", "lastname": "Raman", "companyname": "Raman Textiles", "emailaddress1": "priya@raman.example.com",
            "statuscode": 2, "numberofemployees": 45}),
    );
    seeds.add(
        "opportunities",
        1,
        json!({"name": "Northwind - 200 shelves", "parentaccountid@odata.bind": of(&northwind), "stepname": "Propose",
            "estimatedvalue": 48_000, "estimatedclosedate": "2024-06-30", "closeprobability": 60}),
    );
    seeds.add(
        "opportunities",
        2,
        json!({"name": "Umbra - service contract", "parentaccountid@odata.bind": of(&umbra), "stepname": "Close",
            "estimatedvalue": 310_000.5, "estimatedclosedate": "2024-02-15", "statecode": 1, "statuscode": 3}),
    );
    seeds.add(
        "tasks",
        1,
        json!({"subject": "Call Maya about the quote", "description": "Ask about delivery dates.", "prioritycode": 2,
            "scheduledend": "2024-06-01T00:00:00Z", "regardingobjectid_contact_task@odata.bind": format!("/contacts({maya})")}),
    );
    seeds.add("tasks", 2, json!({"subject": "Send brochure", "prioritycode": 1, "statecode": 1, "statuscode": 5}));
    seeds.add(
        "appointments",
        1,
        json!({"subject": "Site visit", "location": "Stockholm", "scheduledstart": "2024-06-03T09:00:00Z",
            "scheduledend": "2024-06-03T10:00:00Z", "regardingobjectid_account_appointment@odata.bind": of(&northwind)}),
    );
    let call = json!({"subject": "First call", "directioncode": true, "scheduledstart": "2024-01-03T09:00:00Z",
        "actualdurationminutes": 3, "regardingobjectid_contact_phonecall@odata.bind": format!("/contacts({maya})")});
    seeds.add("phonecalls", 1, call);
    let mail = json!({"subject": "Quote", "description": "Please find the quote attached.", "directioncode": true,
        "regardingobjectid_contact_email@odata.bind": format!("/contacts({maya})")});
    seeds.add("emails", 1, mail);
    let note = json!({"subject": "Prefers e-mail", "notetext": "Rarely answers the phone.",
        "objectid_contact@odata.bind": format!("/contacts({maya})")});
    seeds.add("annotations", 1, note);
    let note =
        json!({"subject": "Contract", "notetext": "Renews every February.", "objectid_account@odata.bind": of(&umbra)});
    seeds.add("annotations", 2, note);
    let case = json!({"title": "Broken shelf", "prioritycode": 1, "customerid_account@odata.bind": of(&northwind)});
    seeds.add("incidents", 1, case);
    seeds.add("products", 1, json!({"name": "Shelf", "productnumber": "SH-1", "price": 240}));
    let list =
        json!({"listname": "Visitors of the fair", "createdfromcode": 2, "description": "Spoke to us in March."});
    let list = seeds.add("lists", 1, list);
    seeds.store.put_on(&list, &maya);
    seeds.add("new_widgets", 1, json!({"new_name": "First", "new_weight": 12.5, "new_active": true}));
    seeds.add("new_widgets", 2, json!({"new_name": "Second"}));
}

struct Seeds<'a> {
    store: &'a mut Store,
    count: i64,
}

impl Seeds<'_> {
    fn add(&mut self, set: &str, person: u32, row: Value) -> String {
        let now = DateTime::<Utc>::from_timestamp(START, 0).unwrap_or_default() + TimeDelta::hours(self.count);
        self.count += 1;
        let body = row.as_object().cloned().unwrap_or_default();
        let index = self.store.of_set(set).unwrap_or(usize::MAX);
        self.store.create(index, &body, None, &user(person), now).unwrap_or_else(|failure| {
            tracing::error!(set, reason = failure.message, "a seed row was refused");
            String::new()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_seed_is_accepted() {
        let store = Store::new();
        let kept: usize = store.tables.iter().map(|table| store.rows(table).count()).sum();
        assert_eq!(kept, 25);
        for table in &store.tables {
            assert!(store.rows(table).next().is_some(), "no {}", table.name);
        }
    }
}
