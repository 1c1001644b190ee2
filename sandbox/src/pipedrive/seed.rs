//! The records a company starts with.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value, json};

use super::{
    api::make,
    schema::{CUSTOM, named},
};
use crate::{core::PEOPLE, crm::Tables};

/// Where mails are kept; nobody makes them here.
pub(super) const MAILS: &str = "mailMessages";

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
    fn add(&mut self, object: &str, body: Value) -> Value {
        let now = DateTime::<Utc>::from_timestamp(START, 0).unwrap_or_default() + TimeDelta::hours(self.count);
        self.count += 1;
        let Some(object) = named(object) else { return Value::Null };
        match make(&mut self.tables, object, body.as_object().cloned().unwrap_or_else(Map::new), 1, now) {
            Ok(id) => id,
            Err(reason) => {
                tracing::error!(object = object.name, reason, "a seed record was refused");
                Value::Null
            }
        }
    }

    fn all(&mut self) {
        for person in &PEOPLE {
            let row = json!({"id": person.number, "name": person.full(), "email": person.email, "phone": null, "active_flag": true,
                "created": "2024-01-01 00:00:00", "modified": "2024-01-01 00:00:00", "is_you": person.number == 1});
            self.tables.add("users", row.as_object().cloned().unwrap_or_default());
        }
        let [color, points, campaign] = CUSTOM.each_ref().map(|own| own.1);
        let northwind = self.add("organizations", json!({"name": "Northwind Traders", "website": "https://northwind.example.com",
            "annual_revenue": 8_500_000, "employee_count": 120, "address": {"value": "Kungsgatan 1, Stockholm", "route": "Kungsgatan",
            "street_number": "1", "locality": "Stockholm", "postal_code": "111 43", "country": "Sweden"}}));
        let ohara = self.add("organizations", json!({"name": "O'Hara & Sons", "address": {"value": "Dublin", "locality": "Dublin", "country": "Ireland"}}));
        let umbra =
            self.add("organizations", json!({"name": "Umbra Energy 100%", "employee_count": 2400, "owner_id": 2}));
        let mail = |address: &str| json!([{"value": address, "primary": true, "label": "work"}]);
        let maya = self.add(
            "persons",
            json!({"name": "Maya Ekström", "org_id": northwind, "job_title": "Head of Purchasing",
            "emails": mail("maya.ekstrom@northwind.example.com"), "phones": mail("+46 8 555 0111"),
            "birthday": "1984-05-17", "custom_fields": {color: "teal", points: 420}}),
        );
        self.add(
            "persons",
            json!({"name": "Seán O'Hara", "org_id": ohara, "emails": mail("sean@ohara.example.com"),
            "phones": mail("+353 1 555 0112"), "custom_fields": {color: "green"}}),
        );
        let giulia = self.add(
            "persons",
            json!({"name": "Giulia Rinaldi", "org_id": umbra, "job_title": "CTO", "owner_id": 2,
            "emails": mail("giulia.rinaldi@umbra.example.com"), "custom_fields": {points: 75}}),
        );
        self.add("persons", json!({"name": "Nakamura", "emails": mail("nakamura@example.com")}));
        let deal = self.add("deals", json!({"title": "Northwind - 200 shelves", "org_id": northwind, "person_id": maya, "stage_id": 3,
            "value": 48_000, "currency": "EUR", "expected_close_date": "2024-06-30", "custom_fields": {campaign: "Spring Trade Show"}}));
        self.add("deals", json!({"title": "Umbra - service contract", "org_id": umbra, "person_id": giulia, "stage_id": 4, "owner_id": 2,
            "value": 310_000.5, "currency": "EUR", "status": "won", "expected_close_date": "2024-02-15"}));
        self.add(
            "leads",
            json!({"title": "Umbra - second site", "person_id": giulia, "organization_id": umbra,
            "value": {"amount": 90_000, "currency": "EUR"}}),
        );
        self.add(
            "activities",
            json!({"subject": "Call Maya about the quote", "type": "task", "due_date": "2024-06-01", "deal_id": deal,
            "note": "Ask about delivery dates.", "participants": [{"person_id": maya, "primary": true}]}),
        );
        self.add("activities", json!({"subject": "Send brochure", "type": "task", "done": true, "org_id": umbra}));
        self.add(
            "activities",
            json!({"subject": "Site visit", "type": "meeting", "due_date": "2024-06-03", "due_time": "09:00",
            "duration": "01:00", "location": {"value": "Stockholm"}, "org_id": northwind}),
        );
        self.add("notes", json!({"content": "Rarely answers the phone.", "person_id": maya}));
        self.add("notes", json!({"content": "Renews every February.", "org_id": umbra}));
        self.add(
            "products",
            json!({"name": "Shelf", "code": "SH-1", "unit": "piece", "tax": 25,
            "prices": [{"currency": "EUR", "price": 240, "cost": 110}]}),
        );
        self.add("activityTypes", json!({"name": "Call", "icon_key": "call", "order_nr": 1}));
        self.add("activityTypes", json!({"name": "Meeting", "icon_key": "meeting", "order_nr": 2}));
        for (number, subject) in [(1, "Racks for the new hall"), (2, "Re: Racks for the new hall")] {
            let person =
                json!([{"id": number, "email_address": "maya.ekstrom@northwind.example.com", "name": "Maya Ekström"}]);
            let user = json!([{"id": 9, "email_address": "ada@example.com", "name": "Ada Lindqvist"}]);
            let (from, to) = if number == 1 { (person, user) } else { (user, person) };
            let row = json!({"id": number, "subject": subject, "snippet": "Could you tell us", "from": from, "to": to, "cc": [],
                "bcc": [], "mail_thread_id": 1, "read_flag": 1, "message_time": format!("2024-03-0{number}T08:00:00.000Z"),
                "add_time": format!("2024-03-0{number}T08:00:01.000Z"), "update_time": format!("2024-03-0{number}T08:00:01.000Z"),
                "person_id": maya, "org_id": northwind, "deal_id": deal});
            self.tables.add(MAILS, row.as_object().cloned().unwrap_or_default());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::schema::OBJECTS, *};

    #[test]
    fn every_seed_is_accepted() {
        let mut seeds = Seeds { tables: Tables::default(), count: 0 };
        seeds.all();
        let kept: usize = OBJECTS.iter().map(|object| seeds.tables.rows(object.name).len()).sum();
        assert_eq!(i64::try_from(kept).unwrap(), seeds.count + 2);
        for object in &OBJECTS {
            assert!(!seeds.tables.rows(object.name).is_empty(), "no {}", object.name);
        }
    }
}
