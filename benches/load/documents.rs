//! What the provider answers, and what has to come out of it: a translation that shares nothing with hubgate's.

use std::sync::LazyLock;

use bytes::Bytes;
use serde_json::{Map, Value, json};

/// The id of the one contact.
pub const CONTACT_ID: &str = "512";

/// Uniform name, and the provider's property.
const RENAMES: [(&str, &str); 11] = [
    ("firstName", "firstname"),
    ("lastName", "lastname"),
    ("email", "email"),
    ("phone", "phone"),
    ("title", "jobtitle"),
    ("mailingAddress.street", "address"),
    ("mailingAddress.city", "city"),
    ("mailingAddress.state", "state"),
    ("mailingAddress.postalCode", "zip"),
    ("mailingAddress.country", "country"),
    ("ownerId", "hubspot_owner_id"),
];

/// One contact of about 1.6 KB.
pub static CONTACT: LazyLock<Bytes> = LazyLock::new(|| text(&contact(512, true)));
/// A page of 100 contacts, about 53 KB.
pub static PAGE: LazyLock<Bytes> =
    LazyLock::new(|| text(&json!({"results": (0..100).map(|n| contact(1000 + n, false)).collect::<Vec<_>>()})));
/// A folder of 100 entries.
pub static LISTING: LazyLock<Bytes> = LazyLock::new(|| {
    let entries: Vec<Value> = (0..100).map(entry).collect();
    text(&json!({"entries": entries, "cursor": "AAGhxPj0l6nR", "has_more": false}))
});
/// What the properties of a contact are, as far as the shipped element asks.
pub static PROPERTIES: LazyLock<Bytes> = LazyLock::new(|| {
    let names = RENAMES.iter().map(|(_, native)| *native).chain(["createdate", "lastmodifieddate", "hs_object_id"]);
    let rows: Vec<Value> = names
        .map(|name| {
            json!({"name": name, "label": name, "type": "string", "fieldType": "text",
            "modificationMetadata": {"readOnlyValue": false}})
        })
        .collect();
    text(&json!({"results": rows}))
});
/// The body of a create.
pub static NEW_CONTACT: LazyLock<Bytes> = LazyLock::new(|| {
    let mut body = translated(&contact(512, true));
    body.as_object_mut().unwrap().remove("id");
    text(&body)
});

fn text(value: &Value) -> Bytes {
    serde_json::to_vec(value).unwrap().into()
}

fn contact(n: usize, large: bool) -> Value {
    let mut properties = json!({
        "firstname": format!("Ada {n}"), "lastname": "Lovelace-\u{d6}zdemir", "email": format!("ada.{n}@analytical.example"),
        "phone": "+44 20 7946 0958", "jobtitle": "Director of \"Engines\"", "address": "12 St James's Square",
        "city": "London", "state": "Greater London", "zip": "SW1Y 4JH", "country": "United Kingdom",
        "hubspot_owner_id": "71244", "hs_object_id": n.to_string(),
        "createdate": "2024-03-09T09:11:01.123Z", "lastmodifieddate": "2026-10-30T17:40:12.944Z"
    });
    if large {
        let more = properties.as_object_mut().unwrap();
        for n in 0..18 {
            more.insert(format!("hs_analytics_number_{n:02}"), json!("0.000000000000000"));
        }
        more.insert("lifecyclestage".to_owned(), Value::Null);
        more.insert("message".to_owned(), json!("The engine has no pretensions whatever to originate anything."));
    }
    json!({"id": n.to_string(), "properties": properties, "createdAt": "2024-03-09T09:11:01.123Z",
        "updatedAt": "2026-10-30T17:40:12.944Z", "archived": false})
}

fn entry(n: usize) -> Value {
    let name = if n.is_multiple_of(10) { format!("Folder {n}") } else { format!("Report {n} \u{e4}.pdf") };
    let mut entry = json!({
        ".tag": if n.is_multiple_of(10) { "folder" } else { "file" }, "name": name, "id": format!("id:a4ayc_80_OEAAAAAAAA{n:03}"),
        "path_lower": format!("/demo/{}", name.to_lowercase()), "path_display": format!("/Demo/{name}")
    });
    if !n.is_multiple_of(10) {
        let file = json!({
            "client_modified": "2024-05-12T15:50:38Z", "server_modified": "2024-05-12T15:50:38Z",
            "rev": "a1c10ce0dd78", "size": 7212 + n, "is_downloadable": true,
            "content_hash": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        });
        entry.as_object_mut().unwrap().extend(file.as_object().unwrap().clone());
    }
    entry
}

/// The uniform contact, built as anyone would first build it: a tree for a tree.
pub fn translated(native: &Value) -> Value {
    let mut record = Map::new();
    record.insert("id".to_owned(), native["id"].clone());
    for (uniform, property) in RENAMES {
        let value = native["properties"][property].clone();
        if value.is_null() {
            continue;
        }
        match uniform.split_once('.') {
            None => record.insert(uniform.to_owned(), value),
            Some((outer, inner)) => {
                let nested = record.entry(outer).or_insert_with(|| json!({}));
                nested.as_object_mut().unwrap().insert(inner.to_owned(), value)
            }
        };
    }
    Value::Object(record)
}

/// The uniform list of a page.
pub fn translated_page(native: &Value) -> Value {
    Value::Array(native["results"].as_array().into_iter().flatten().map(translated).collect())
}

/// Whether an answer of the folder listing is right, in what can be told without its codecs.
pub fn listing_is_right(answer: &Value) -> bool {
    let native: Value = serde_json::from_slice(&LISTING).unwrap();
    let (given, got) = (native["entries"].as_array().unwrap(), answer.as_array());
    got.is_some_and(|got| {
        got.len() == given.len()
            && got.iter().zip(given).all(|(got, given)| {
                got["name"] == given["name"]
                    && got["path"] == given["path_display"]
                    && got["refId"] == given["id"]
                    && got["directory"] == (given[".tag"] == "folder")
                    && got["parentFolderId"] == "%252FDemo"
            })
    })
}
