//! The records an organization starts with.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value, json};

use super::{
    api::make,
    schema::{CUSTOM, DEAL_STATUSES, LEAD_STATUSES, named},
};
use crate::{core::PEOPLE, crm::Tables};

/// The organization's identifier.
pub(super) const ORGANIZATION: &str = "orga_bwwWG475zqWiQGur0thQshwVXo8rIYecQHDWFanqhen";
const USERS: [&str; 2] =
    ["user_N6KhMpzHRCYQHdn4gRNIFNNExnn4SXxDgq5BCm1SNkE", "user_scOgjLAQD6aBSJYBVhIeNr6FJDp8iDTug8Mv6VqYoFn"];
/// 2024-01-01T00:00:00Z, when the first record was created.
const START: i64 = 1_704_067_200;

/// The identifier of a person.
pub(super) fn user(person: u32) -> &'static str {
    let [first, second] = USERS;
    if person == 2 { second } else { first }
}

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
    fn add(&mut self, object: &str, body: Value) -> String {
        let now = DateTime::<Utc>::from_timestamp(START, 0).unwrap_or_default() + TimeDelta::hours(self.count);
        self.count += 1;
        let Some(object) = named(object) else { return String::new() };
        let body = body.as_object().cloned().unwrap_or_else(Map::new);
        match make(&mut self.tables, object, body, user(1), now) {
            Ok(id) => id,
            Err(failure) => {
                tracing::error!(object = object.name, reason = %failure.body, "a seed record was refused");
                String::new()
            }
        }
    }

    fn all(&mut self) {
        for person in &PEOPLE {
            let now = DateTime::<Utc>::from_timestamp(START, 0).unwrap_or_default();
            let row = json!({"id": user(person.number), "first_name": person.given, "last_name": person.surname,
                "email": person.email, "image": "https://www.gravatar.com/avatar/0", "organizations": [ORGANIZATION],
                "date_created": super::api::stamp(now), "date_updated": super::api::stamp(now)});
            self.tables.add("user", row.as_object().cloned().unwrap_or_default());
        }
        let [segment, color, points, campaign] = CUSTOM.each_ref().map(|own| own.1);
        let northwind = self.add(
            "lead",
            json!({"name": "Northwind Traders", "url": "https://northwind.example.com", "description": "Shelves and more",
                "status_id": LEAD_STATUSES[2].0, segment: "Enterprise", "addresses": [{"label": "business",
                "address_1": "Kungsgatan 1", "address_2": "", "city": "Stockholm", "state": "", "zipcode": "111 43", "country": "SE"}]}),
        );
        let ohara = self.add("lead", json!({"name": "O'Hara & Sons", "url": "https://ohara.example.com",
            "addresses": [{"label": "business", "address_1": "", "address_2": "", "city": "Dublin", "state": "", "zipcode": "", "country": "IE"}]}));
        let umbra = self.add("lead", json!({"name": "Umbra Energy 100%", "status_id": LEAD_STATUSES[1].0}));
        let maya = self.add(
            "contact",
            json!({"lead_id": northwind, "name": "Maya Ekström", "title": "Head of Purchasing",
                "emails": [{"type": "office", "email": "maya.ekstrom@northwind.example.com"}],
                "phones": [{"type": "office", "phone": "+4685550111"}], color: "teal", points: 420}),
        );
        self.add("contact", json!({"lead_id": ohara, "name": "Seán O'Hara",
            "emails": [{"type": "office", "email": "sean@ohara.example.com"}], "phones": [{"type": "office", "phone": "+35315550112"}], color: "green"}));
        let giulia = self.add(
            "contact",
            json!({"lead_id": umbra, "name": "Giulia Rinaldi", "title": "CTO",
            "emails": [{"type": "office", "email": "giulia.rinaldi@umbra.example.com"}], points: 75}),
        );
        self.add("contact", json!({"lead_id": umbra, "name": "Nakamura", "emails": [{"type": "office", "email": "nakamura@example.com"}]}));
        self.add(
            "opportunity",
            json!({"lead_id": northwind, "contact_id": maya, "note": "Northwind - 200 shelves", "value": 4_800_000,
                "confidence": 60, "status_id": DEAL_STATUSES[1].0, "user_id": user(1), campaign: "Spring Trade Show"}),
        );
        self.add(
            "opportunity",
            json!({"lead_id": umbra, "note": "Umbra - service contract", "value": 31_000_050, "confidence": 100,
                "status_id": DEAL_STATUSES[2].0, "date_won": "2024-02-15", "user_id": user(2)}),
        );
        self.add(
            "task",
            json!({"_type": "lead", "lead_id": northwind, "text": "Call Maya about the quote", "date": "2024-06-01",
            "assigned_to": user(1), "is_complete": false}),
        );
        self.add("task", json!({"_type": "lead", "lead_id": umbra, "text": "Send brochure", "is_complete": true}));
        self.add(
            "activity/note",
            json!({"lead_id": northwind, "contact_id": maya, "note": "Rarely answers the phone."}),
        );
        self.add("activity/note", json!({"lead_id": umbra, "note": "Renews every February."}));
        self.add(
            "activity/call",
            json!({"lead_id": umbra, "contact_id": giulia, "direction": "outbound", "status": "completed",
            "duration": 180, "note": "First call"}),
        );
        self.add(
            "activity/email",
            json!({"lead_id": northwind, "contact_id": maya, "status": "draft",
            "subject": "Quote", "sender": "ada@example.com", "to": ["maya.ekstrom@northwind.example.com"],
            "body_text": "Please find the quote attached."}),
        );
        self.add("activity/meeting", json!({"lead_id": northwind, "title": "Site visit", "location": "Stockholm",
            "note": "Bring the samples", "starts_at": "2024-06-03T09:00:00.000000+00:00", "ends_at": "2024-06-03T10:00:00.000000+00:00"}));
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
