//! The records an account starts with.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value, json};

use super::{
    lists::List,
    object::named,
    store::{Link, Store},
};

/// 2024-01-01T00:00:00Z, when the first record was created.
const START: i64 = 1_704_067_200;

/// Someone who can own records.
pub(super) struct Owner {
    pub(super) id: &'static str,
    pub(super) user: u32,
    /// The person's number in [`crate::core::PEOPLE`].
    pub(super) person: u32,
}

/// Everyone who can own records.
pub(super) const OWNERS: [Owner; 2] =
    [Owner { id: "41629779", user: 9_586_504, person: 1 }, Owner { id: "41629780", user: 9_586_505, person: 2 }];

/// The owner that is this person, or the first one.
pub(super) fn owner(person: u32) -> &'static Owner {
    let [first, others @ ..] = &OWNERS;
    others.iter().find(|owner| owner.person == person).unwrap_or(first)
}

/// Adds the records, an hour apart.
pub(super) fn fill(store: &mut Store) {
    let mut seeds = Seeds { store, count: 0 };
    let [ada, bo] = OWNERS.each_ref().map(|owner| owner.id);
    let northwind = seeds.add(
        "companies",
        json!({"name": "Northwind Traders", "domain": "northwind.example.com", "phone": "+46 8 555 0101", "industry": "RETAIL",
            "website": "https://northwind.example.com", "address": "Kungsgatan 1", "city": "Stockholm", "zip": "111 43",
            "country": "Sweden", "annualrevenue": "8500000", "numberofemployees": "120", "type": "PROSPECT", "hubspot_owner_id": ada}),
        &[],
    );
    let umbra = seeds.add(
        "companies",
        json!({"name": "Umbra Energy", "domain": "umbra.example.com", "industry": "OIL_ENERGY", "city": "Milano", "country": "Italy",
            "annualrevenue": "125000000.5", "lifecyclestage": "customer", "hubspot_owner_id": bo}),
        &[],
    );
    let maya = seeds.add(
        "contacts",
        json!({"firstname": "Maya", "lastname": "Ekström", "email": "maya.ekstrom@northwind.example.com", "phone": "+46 8 555 0111",
            "mobilephone": "+46 70 555 0111", "jobtitle": "Head of Purchasing", "company": "Northwind Traders",
            "address": "Kungsgatan 1", "city": "Stockholm", "zip": "111 43", "country": "Sweden", "favorite_color": "teal",
            "loyalty_points": "420", "hubspot_owner_id": ada, "lifecyclestage": "customer"}),
        &[("companies", northwind)],
    );
    seeds.add(
        "contacts",
        json!({"firstname": "Seán", "lastname": "O'Hara", "email": "sean@ohara.example.com", "phone": "+353 1 555 0112",
            "company": "O'Hara & Sons", "favorite_color": "green", "hubspot_owner_id": ada}),
        &[],
    );
    let giulia = seeds.add(
        "contacts",
        json!({"firstname": "Giulia", "lastname": "Rinaldi", "email": "giulia.rinaldi@umbra.example.com", "jobtitle": "CTO",
            "company": "Umbra Energy", "loyalty_points": "75", "hs_lead_status": "CONNECTED", "hubspot_owner_id": bo}),
        &[("companies", umbra)],
    );
    seeds.add("contacts", json!({"lastname": "Nakamura", "email": "nakamura@example.com"}), &[]);
    let deal = seeds.add(
        "deals",
        json!({"dealname": "Northwind - 200 shelves", "dealstage": "presentationscheduled", "amount": "48000",
            "closedate": "2024-06-30T00:00:00Z", "dealtype": "newbusiness", "hubspot_owner_id": ada}),
        &[("contacts", maya), ("companies", northwind)],
    );
    seeds.add(
        "deals",
        json!({"dealname": "Umbra - service contract", "dealstage": "closedwon", "amount": "310000.5",
            "closedate": "2024-02-15T00:00:00Z", "hubspot_owner_id": bo}),
        &[("companies", umbra)],
    );
    seeds.add(
        "leads",
        json!({"hs_lead_name": "Umbra - second site", "hs_lead_label": "WARM"}),
        &[("contacts", giulia)],
    );
    seeds.add(
        "tickets",
        json!({"subject": "Broken shelf", "content": "One of two hundred.", "hs_pipeline_stage": "1", "hs_ticket_priority": "LOW"}),
        &[("contacts", maya)],
    );
    seeds.add(
        "tasks",
        json!({"hs_timestamp": "2024-06-01T00:00:00Z", "hs_task_subject": "Call Maya about the quote",
            "hs_task_body": "Ask about delivery dates.", "hs_task_priority": "HIGH", "hubspot_owner_id": ada}),
        &[("contacts", maya), ("deals", deal)],
    );
    seeds.add(
        "notes",
        json!({"hs_timestamp": "2024-01-02T09:00:00Z", "hs_note_body": "Rarely answers the phone.", "hubspot_owner_id": ada}),
        &[("contacts", maya), ("companies", northwind)],
    );
    seeds.add(
        "calls",
        json!({"hs_timestamp": "2024-01-03T09:00:00Z", "hs_call_title": "First call", "hs_call_duration": "180000",
            "hs_call_direction": "OUTBOUND", "hs_call_status": "COMPLETED"}),
        &[("contacts", giulia)],
    );
    seeds.add(
        "meetings",
        json!({"hs_timestamp": "2024-06-03T09:00:00Z", "hs_meeting_title": "Site visit", "hs_meeting_start_time": "2024-06-03T09:00:00Z",
            "hs_meeting_end_time": "2024-06-03T10:00:00Z", "hs_meeting_outcome": "SCHEDULED"}),
        &[("companies", northwind)],
    );
    seeds.add(
        "emails",
        json!({"hs_timestamp": "2024-01-04T09:00:00Z", "hs_email_subject": "Quote", "hs_email_direction": "EMAIL",
            "hs_email_status": "SENT", "hs_email_text": "Please find the quote attached.",
            "hs_email_headers": r#"{"from":{"email":"ada@example.com"},"to":[{"email":"maya.ekstrom@northwind.example.com"}],"cc":[]}"#}),
        &[("contacts", maya)],
    );
    if let Some(contacts) = named("contacts") {
        let now = DateTime::<Utc>::from_timestamp(START, 0).unwrap_or_default();
        seeds.store.lists.insert(1, List::manual("Visitors of the fair", contacts, &[maya], now));
    }
    seeds.add("my_object", json!({"name": "First", "stage": "new", "score": "12.5", "due": "2024-09-01"}), &[]);
    seeds.add("my_object", json!({"name": "Second", "stage": "running", "active": "true"}), &[]);
}

struct Seeds<'a> {
    store: &'a mut Store,
    count: i64,
}

impl Seeds<'_> {
    fn add(&mut self, object: &str, values: Value, links: &[(&str, u64)]) -> u64 {
        let Some(object) = named(object) else { return 0 };
        let now = DateTime::<Utc>::from_timestamp(START, 0).unwrap_or_default() + TimeDelta::hours(self.count);
        self.count += 1;
        let links: Vec<Link> = links.iter().filter_map(|(name, id)| Some((named(name)?, *id))).collect();
        let values = values.as_object().cloned().unwrap_or_else(Map::new);
        match self.store.create(object, &values, &links, now) {
            Ok(record) => record.id,
            Err(failure) => {
                tracing::error!(object = object.name, reason = failure.message, "a seed record was refused");
                0
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::object::OBJECTS, *};

    #[test]
    fn every_seed_is_accepted() {
        let store = Store::new();
        let kept: usize = OBJECTS.iter().map(|object| store.records(object, false).count()).sum();
        assert_eq!(kept, 17);
        for object in OBJECTS {
            assert!(store.records(object, false).next().is_some(), "no {}", object.name);
        }
    }
}
