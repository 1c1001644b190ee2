//! Answers of a provider, and the two ways to translate them.

use hubgate::{
    catalog::{Call, Operation},
    mapping::stream::{Cut, Wish},
};
use serde_json::{Map, Value, json};

/// A contact of about 530 bytes, as a provider of many properties answers it; 1.6 KB when `large`.
pub(crate) fn contact(number: usize, large: bool) -> Value {
    let mut record = json!({
        "id": format!("{}", 51_000 + number),
        "properties": {
            "firstname": "Ada", "lastname": format!("Lovelace {number}"), "email": format!("ada.{number}@analytical.example"),
            "phone": "+44 20 7946 0001", "jobtitle": "Countess", "city": "London", "zip": "SW1Y 4JH", "hubspot_owner_id": "7",
            "mobilephone": null, "lifecyclestage": "opportunity", "address": "12 St James's Square", "country": "United Kingdom",
            "lastmodifieddate": "2024-06-01T08:00:00.000Z", "hs_object_id": format!("{}", 51_000 + number), "createdate": "2024-05-12T15:50:38.120Z",
        },
        "createdAt": "2024-05-12T15:50:38.120Z", "updatedAt": "2024-06-01T08:00:00.000Z", "archived": false
    });
    if large {
        for (name, value) in [
            ("address", "12 St James's Square, second floor, ring twice and wait for the porter to come down"),
            ("state", "Greater London"),
            ("salutation", "The Right Honourable"),
            ("department", "Computation of Bernoulli numbers"),
            ("hs_analytics_source", "OFFLINE"),
            (
                "message",
                "She was the first to see that the engine might act upon other things besides number, were objects found whose mutual fundamental relations could be expressed by those of the abstract science of operations.",
            ),
            ("fax", "+44 20 7946 0002"),
            ("date_of_birth", "1815-12-10"),
            ("favourite_engine", "analytical"),
            ("colour_of_the_cover", "dark green"),
            ("hs_createdate", "2024-05-12T15:50:38.120Z"),
        ] {
            record["properties"][name] = json!(value);
        }
        let long = "Notes that only the provider keeps, in a member that nobody reads. ".repeat(5);
        record["hidden_notes"] = json!(long.trim());
    }
    record
}

/// A page of so many of them.
pub(crate) fn page(records: usize) -> Value {
    let results: Vec<Value> = (0..records).map(|number| contact(number, false)).collect();
    json!({"results": results, "paging": {"next": {"after": "51100", "link": "https://api.provider.example/crm?after=51100"}}})
}

/// The uniform answer, by way of a document.
pub(crate) fn by_document(operation: &Operation, call: &Call, text: &str) -> Vec<u8> {
    let answer: Value = serde_json::from_slice(text.as_bytes()).unwrap();
    if call.answer.sheet.as_ref().unwrap().is_list() {
        let items = call.answer.items[0].get(&answer).and_then(Value::as_array).unwrap();
        let records: Vec<Map<String, Value>> =
            items.iter().map(|item| operation.plan.read(item, false, false)).collect();
        serde_json::to_vec(&records).unwrap()
    } else {
        serde_json::to_vec(&operation.plan.read(&answer, false, false)).unwrap()
    }
}

/// The uniform answer, in one pass.
pub(crate) fn in_one_pass(call: &Call, body: &[u8]) -> Vec<u8> {
    let sheet = call.answer.sheet.as_ref().unwrap();
    let text = std::str::from_utf8(body).unwrap();
    let mut out = Vec::with_capacity(text.len() + 2);
    if sheet.is_list() {
        out.push(b'[');
        sheet.write_list(text, Wish::default(), &[], Cut::ALL, &mut out).unwrap();
        out.push(b']');
    } else {
        sheet.write_record(text, Wish::default(), &[], &mut out).unwrap();
    }
    out
}
