//! The CRM hub: the same requests with the same expectations on every element, and the provider's own records beside.
//!
//! What an element may lack stands in its mapping files ([`Element`]), never here.

use reqwest::Method;
use serde_json::{Value, json};

use super::{
    capability::Element,
    support::{Gateway, encoded},
};

/// Hubs whose elements have contacts and their like.
const CRM: &[&str] = &["crm", "marketing"];

/// Ada, as far as contacts of this element go.
fn ada(can: &Element) -> Value {
    let mut ada = json!({
        "firstName": "Ada", "lastName": "Byron", "email": "ada.byron@example.test", "phone": "+44 20 7946 0001",
        "title": "Countess", "mailingAddress": {"street": "12 St James's Square", "city": "London", "country": "United Kingdom"}
    });
    keep(can, &mut ada);
    ada
}

/// Makes a contact as far as contacts of this element go, at the first account where they can have one.
async fn make(hub: &Gateway, can: &Element, mut contact: Value) -> Value {
    keep(can, &mut contact);
    if can.creates("contacts", "accountId") {
        let account = hub.get(&can.key, "/hubs/crm/accounts?pageSize=1").await.expect(200);
        contact["accountId"] = account.list()[0]["id"].clone();
    }
    hub.json(&can.key, Method::POST, "/hubs/crm/contacts", &contact).await.expect(200).body
}

/// Leaves out what new contacts of this element cannot have.
fn keep(can: &Element, contact: &mut Value) {
    let contact = contact.as_object_mut().unwrap();
    if let Some(address) = contact.get_mut("mailingAddress").and_then(Value::as_object_mut) {
        address.retain(|name, _| can.creates("contacts", &format!("mailingAddress.{name}")));
    }
    contact.retain(|name, value| match value {
        Value::Object(inner) => !inner.is_empty(),
        _ => can.creates("contacts", name),
    });
    assert!(contact.contains_key("lastName"), "{can}: contacts without a name");
}

#[tokio::test]
async fn the_same_body_makes_the_same_contact_everywhere() {
    let hub = Gateway::demo();
    for can in hub.elements_of(CRM).await {
        let element = can.key.as_str();
        let made = make(&hub, &can, ada(&can)).await;
        for (field, value) in ada(&can).as_object().unwrap() {
            assert_eq!(&made[field], value, "{element}: {field} of {made}");
        }
        let id = made["id"].as_str().unwrap();
        assert!(
            made["createdDate"].as_str().is_some_and(|date| date.ends_with('Z'))
                || !can.reads("contacts", "createdDate"),
            "{element}: {made}"
        );

        let read = hub.get(element, &format!("/contacts/{id}")).await.expect(200).body;
        assert_eq!(read["email"], made["email"], "{element}");
        let narrow = hub.get(element, &format!("/hubs/crm/contacts/{id}?fields=id,email")).await.expect(200).body;
        assert_eq!(narrow, json!({"id": id, "email": "ada.byron@example.test"}), "{element}");
        let raw = hub.get(element, &format!("/contacts/{id}?raw=true")).await.expect(200).body;
        assert!(raw["raw"].is_object(), "{element}");

        let changed = hub
            .json(element, Method::PATCH, &format!("/contacts/{id}"), &json!({"lastName": "King"}))
            .await
            .expect(200)
            .body;
        assert_eq!((&changed["firstName"], &changed["lastName"]), (&json!("Ada"), &json!("King")), "{element}");

        // What was read can be sent back whole.
        let whole = hub.get(element, &format!("/contacts/{id}")).await.expect(200).body;
        hub.json(element, Method::PATCH, &format!("/contacts/{id}"), &whole).await.expect(200);

        hub.delete(element, &format!("/hubs/crm/contacts/{id}")).await.expect(200);
        hub.get(element, &format!("/contacts/{id}")).await.expect(404);
        hub.json(element, Method::PATCH, &format!("/contacts/{id}"), &json!({"lastName": "X"})).await.expect(404);
    }
}

#[tokio::test]
async fn every_resource_lists_and_pages() {
    for can in Gateway::demo().elements_of(CRM).await {
        // Of one's own: two elements may be connectors to one account.
        let hub = Gateway::demo();
        let element = can.key.as_str();
        for resource in ["accounts", "contacts", "leads", "opportunities", "activities", "tasks", "notes", "users"] {
            let page = hub.get(element, &format!("/hubs/crm/{resource}")).await;
            let Some(page) = can.answered(&format!("{resource}.list"), page, 200) else { continue };
            assert!(!page.list().is_empty(), "{element}: {resource}");
            assert!(page.list().iter().all(|record| record["id"].is_string()), "{element}: {resource}: {}", page.body);
            assert_eq!(page.header("elements-returned-count"), page.list().len().to_string(), "{element}: {resource}");
            let id = page.list()[0]["id"].as_str().unwrap().to_owned();
            assert_eq!(
                hub.get(element, &format!("/{resource}/{id}")).await.expect(200).body["id"],
                id.as_str(),
                "{element}: {resource}"
            );
        }
        for number in 0..7 {
            let contact = json!({"firstName": "Page", "lastName": format!("Turner {number}"), "email": format!("turner{number}@example.test")});
            make(&hub, &can, contact).await;
        }
        let all = hub.get(element, "/contacts?pageSize=100&returnTotalCount=true").await.expect(200);
        assert_eq!(all.header("elements-total-count"), all.list().len().to_string(), "{element}");
        let mut pages = Vec::new();
        let mut token = String::new();
        loop {
            let page =
                hub.get(element, &format!("/contacts?pageSize=3&nextPage={}", encoded(&token))).await.expect(200);
            pages.extend(page.list().clone());
            token = page.header("elements-next-page-token").to_owned();
            if token.is_empty() {
                break;
            }
            assert_eq!(page.list().len(), 3, "{element}");
        }
        assert_eq!(&pages, all.list(), "{element}: pages of three are one page");
    }
}

#[tokio::test]
async fn filters_and_orders_mean_the_same_everywhere() {
    for can in Gateway::demo().elements_of(CRM).await {
        // Of one's own: two elements may be connectors to one account.
        let hub = Gateway::demo();
        let element = can.key.as_str();
        for (first, last, email) in [
            ("Zoë", "Filter", "zoe@filter.test"),
            ("Yan", "Filter", "yan@filter.test"),
            ("O'Neil", "Other", "o@filter.test"),
        ] {
            let contact = json!({"firstName": first, "lastName": last, "email": email});
            make(&hub, &can, contact).await;
        }
        for (uses, filter, expected) in [
            (&["lastName ="][..], "lastName='Filter'", vec!["yan@filter.test", "zoe@filter.test"]),
            (&["lastName =", "firstName ="], "lastName='Filter' AND firstName='Yan'", vec!["yan@filter.test"]),
            (&["firstName ="], "firstName='O''Neil'", vec!["o@filter.test"]),
            (&["email IN"], "email IN ('zoe@filter.test','o@filter.test')", vec!["o@filter.test", "zoe@filter.test"]),
            (
                &["lastName =", "email ="],
                "lastName='Filter' or email='o@filter.test'",
                vec!["o@filter.test", "yan@filter.test", "zoe@filter.test"],
            ),
            (&["lastName =", "firstName !="], "lastName='Filter' AND firstName != 'Yan'", vec!["zoe@filter.test"]),
            (
                &["lastName =", "createdDate >"],
                "lastName = 'Filter' and createdDate > '2001-01-01T00:00:00Z'",
                vec!["yan@filter.test", "zoe@filter.test"],
            ),
            (&["lastName ="], "lastName='Nobody'", vec![]),
        ] {
            let found = hub.get(element, &format!("/contacts?where={}&orderBy=email", encoded(filter))).await;
            let can_all = uses.iter().all(|use_| {
                let (field, operator) = use_.split_once(' ').unwrap();
                can.filters("contacts", field, operator)
            });
            if !can_all {
                assert_eq!(found.status, 400, "{element}: {filter}: {}", found.body);
                continue;
            }
            let found = found.expect(200);
            let emails: Vec<&str> = found.list().iter().map(|contact| contact["email"].as_str().unwrap()).collect();
            assert_eq!(emails, expected, "{element}: {filter}");
        }
        let down = format!("/contacts?where={}&orderBy=firstName%20desc", encoded("lastName='Filter'"));
        let down = hub.get(element, &down).await.expect(200);
        assert_eq!(down.list()[0]["firstName"], "Zoë", "{element}");
        let bad = hub.get(element, &format!("/contacts?where={}", encoded("lastName=='x'"))).await.expect(400);
        assert!(bad.body["message"].as_str().unwrap().starts_with("Error parsing where"), "{element}: {}", bad.body);
    }
}

#[tokio::test]
async fn bad_records_are_refused_field_by_field() {
    let hub = Gateway::demo();
    for can in hub.elements_of(CRM).await {
        let element = can.key.as_str();
        let refused = hub
            .json(element, Method::POST, "/contacts", &json!({"fistName": "Ada", "lastName": 5, "shoeSize": 3}))
            .await
            .expect(400);
        let pointers: Vec<&str> =
            refused.body["errors"].as_array().unwrap().iter().map(|error| error["pointer"].as_str().unwrap()).collect();
        assert!(pointers.contains(&"/fistName") && pointers.contains(&"/shoeSize"), "{element}: {}", refused.body);
        assert!(refused.body["message"].as_str().unwrap().contains("firstName"), "{element}: {}", refused.body);
        hub.json(element, Method::POST, "/contacts", &json!([1])).await.expect(400);
    }
}

#[tokio::test]
async fn what_the_provider_says_no_to_is_told() {
    let hub = Gateway::demo();
    for element in ["sfdc", "hubspot"] {
        let refused = hub.json(element, Method::POST, "/opportunities", &json!({"name": "no stage"})).await.expect(400);
        assert!(refused.body["providerMessage"].is_string(), "{element}: {}", refused.body);
    }
}

#[tokio::test]
async fn custom_fields_and_the_providers_own_records_are_there() {
    let hub = Gateway::demo();
    let mut seen = 0;
    for can in hub.elements_of(CRM).await {
        // Of one's own: two elements may be connectors to one account.
        let hub = Gateway::demo();
        let element = can.key.as_str();
        let metadata = hub.get(element, "/hubs/crm/objects/contacts/metadata").await.expect(200).body;
        let fields = metadata["fields"].as_array().unwrap();
        if let Some(email) = fields.iter().find(|field| field["path"] == "email") {
            assert!(email["vendorPath"].is_string() && email["filterable"].is_boolean(), "{element}: {email}");
        }
        assert!(fields.iter().any(|field| field["path"] == "lastName"), "{element}: {metadata}");
        let names = hub.get(element, "/objects").await.expect(200).body;
        assert!(names.as_array().unwrap().contains(&json!("contacts")), "{element}: {names:?}");
        let helium = hub.request(element, Method::GET, "/objects").header("Elements-Version", "Helium");
        assert!(super::support::send(helium).await.expect(200).list()[0]["name"].is_string(), "{element}");
        hub.get(element, "/objects/NoSuchThing/metadata").await.expect(404);

        let is_open = |field: &&Value| {
            field["custom"] == true
                && field["createable"] != false
                && ["string", "text"].contains(&field["type"].as_str().unwrap_or_default())
        };
        let Some(field) = fields.iter().find(is_open).and_then(|field| field["vendorPath"].as_str()) else { continue };
        seen += 1;
        let mut contact = ada(&can);
        contact["customFields"] = json!({ field: "ultramarine" });
        let made = make(&hub, &can, contact).await;
        let id = made["id"].as_str().unwrap();
        assert_eq!(
            hub.get(element, &format!("/contacts/{id}")).await.expect(200).body["customFields"][field],
            "ultramarine",
            "{element}"
        );
        let filter = encoded(&format!("customFields.{field}='ultramarine'"));
        assert_eq!(
            hub.get(element, &format!("/contacts?where={filter}")).await.expect(200).list().len(),
            1,
            "{element}"
        );
    }
    assert!(seen > 1, "custom fields on {seen} elements only");
    // By its own name a provider's object is always its own.
    let own = hub.get("sfdc", "/hubs/crm/Contact?pageSize=1").await.expect(200);
    assert!(own.list()[0]["LastName"].is_string(), "{}", own.body);
    let made =
        hub.json("sfdc", Method::POST, "/hubs/crm/My_Object__c", &json!({"Name": "mine"})).await.expect(200).body;
    let id = made["Id"].as_str().unwrap_or_else(|| panic!("{made}"));
    assert_eq!(hub.get("sfdc", &format!("/My_Object__c/{id}")).await.expect(200).body["Name"], "mine");
    let found = hub.get("sfdc", &format!("/My_Object__c?where={}", encoded("Name='mine'"))).await.expect(200);
    assert_eq!(found.list().len(), 1);
    hub.delete("sfdc", &format!("/My_Object__c/{id}")).await.expect(200);
}

#[tokio::test]
async fn an_instance_can_ask_for_native_records() {
    let hub = Gateway::demo();
    let id = hub.instance_id("sfdc");
    let change = json!({"configuration": {"response.model": "native"}});
    super::support::send(hub.platform(Method::PATCH, &format!("/instances/{id}")).json(&change)).await.expect(200);
    let body = json!({"FirstName": "Grace", "LastName": "Hopper", "Email": "grace@example.test"});
    let made = hub.json("sfdc", Method::POST, "/hubs/crm/contacts", &body).await.expect(200).body;
    assert_eq!(made["LastName"], "Hopper", "{made}");
    let found = hub
        .get("sfdc", &format!("/contacts?where={}&pageSize=1", encoded("Email='grace@example.test'")))
        .await
        .expect(200);
    assert_eq!(found.list()[0]["FirstName"], "Grace");
    assert_eq!(found.header("elements-returned-count"), "1");
}

#[tokio::test]
async fn hubspot_answers_under_both_its_hubs() {
    let hub = Gateway::demo();
    let crm = hub.get("hubspot", "/hubs/crm/contacts?pageSize=2").await.expect(200).body;
    let marketing = hub.get("hubspot", "/hubs/marketing/contacts?pageSize=2").await.expect(200).body;
    assert_eq!(crm, marketing);
}

#[tokio::test]
async fn what_an_update_cannot_change_is_remarked() {
    let hub = Gateway::demo();
    let note = hub.get("sfdc", "/notes?pageSize=1").await.expect(200).list()[0].clone();
    let path = format!("/notes/{}", note["id"].as_str().unwrap());
    let change = json!({"title": "Another", "parentId": note["parentId"]});
    let changed = hub.json("sfdc", Method::PATCH, &path, &change).await.expect(200);
    assert_eq!(changed.body["title"], "Another");
    assert!(changed.header("elements-error").contains("parentId"), "{}", changed.header("elements-error"));
}

#[tokio::test]
async fn an_account_can_be_changed_and_taken_away() {
    let hub = Gateway::demo();
    let accounts = hub.get("hubspotcrm", "/accounts").await.expect(200);
    let other = accounts.list()[1]["id"].as_str().unwrap();
    for resource in ["contacts", "opportunities"] {
        let record = hub.get("hubspotcrm", &format!("/{resource}?pageSize=1")).await.expect(200).list()[0].clone();
        let path = format!("/{resource}/{}", record["id"].as_str().unwrap());
        assert_ne!(record["accountId"], other, "{resource}");
        let changed = hub.json("hubspotcrm", Method::PATCH, &path, &json!({"accountId": other})).await.expect(200);
        assert_eq!(changed.body["accountId"], other, "{resource}");
        assert_eq!(hub.get("hubspotcrm", &path).await.expect(200).body["accountId"], other, "{resource}");
        let without = hub.json("hubspotcrm", Method::PATCH, &path, &json!({"accountId": null})).await.expect(200);
        assert!(without.body["accountId"] != other, "{resource}: {}", without.body);
    }
    let found = hub.get("hubspotcrm", "/contacts-search?q=ekstr").await.expect(200);
    assert_eq!(found.list()[0]["firstName"], "Maya");
    assert_eq!(hub.get("hubspotcrm", "/owners").await.expect(200).list().len(), 2);
}
