//! The CRM hub: the same requests with the same expectations on every element, and the provider's own records beside.

use reqwest::Method;
use serde_json::{Value, json};

use super::support::{Gateway, encoded};

const ELEMENTS: [&str; 2] = ["sfdc", "hubspot"];

fn ada() -> Value {
    json!({
        "firstName": "Ada", "lastName": "Byron", "email": "ada.byron@example.test", "phone": "+44 20 7946 0001",
        "title": "Countess", "mailingAddress": {"street": "12 St James's Square", "city": "London", "country": "United Kingdom"}
    })
}

#[tokio::test]
async fn the_same_body_makes_the_same_contact_everywhere() {
    let hub = Gateway::demo();
    for element in ELEMENTS {
        let made = hub.json(element, Method::POST, "/hubs/crm/contacts", &ada()).await.expect(200).body;
        for (field, value) in ada().as_object().unwrap() {
            assert_eq!(&made[field], value, "{element}: {field} of {made}");
        }
        let id = made["id"].as_str().unwrap();
        assert!(made["createdDate"].as_str().unwrap().ends_with('Z'), "{element}: {made}");

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
    let hub = Gateway::demo();
    for element in ELEMENTS {
        for resource in ["accounts", "contacts", "leads", "opportunities", "activities", "tasks", "notes", "users"] {
            let page = hub.get(element, &format!("/hubs/crm/{resource}")).await.expect(200);
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
            hub.json(element, Method::POST, "/contacts", &contact).await.expect(200);
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
    let hub = Gateway::demo();
    for element in ELEMENTS {
        for (first, last, email) in [
            ("Zoë", "Filter", "zoe@filter.test"),
            ("Yan", "Filter", "yan@filter.test"),
            ("O'Neil", "Other", "o@filter.test"),
        ] {
            let contact = json!({"firstName": first, "lastName": last, "email": email});
            hub.json(element, Method::POST, "/contacts", &contact).await.expect(200);
        }
        for (filter, expected) in [
            ("lastName='Filter'", vec!["yan@filter.test", "zoe@filter.test"]),
            ("lastName='Filter' AND firstName='Yan'", vec!["yan@filter.test"]),
            ("firstName='O''Neil'", vec!["o@filter.test"]),
            ("email IN ('zoe@filter.test','o@filter.test')", vec!["o@filter.test", "zoe@filter.test"]),
            ("lastName='Filter' or email='o@filter.test'", vec!["o@filter.test", "yan@filter.test", "zoe@filter.test"]),
            ("lastName='Filter' AND firstName != 'Yan'", vec!["zoe@filter.test"]),
            (
                "lastName = 'Filter' and createdDate > '2001-01-01T00:00:00Z'",
                vec!["yan@filter.test", "zoe@filter.test"],
            ),
            ("lastName='Nobody'", vec![]),
        ] {
            let found =
                hub.get(element, &format!("/contacts?where={}&orderBy=email", encoded(filter))).await.expect(200);
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
    for element in ELEMENTS {
        let refused = hub
            .json(element, Method::POST, "/contacts", &json!({"fistName": "Ada", "lastName": 5, "shoeSize": 3}))
            .await
            .expect(400);
        let pointers: Vec<&str> =
            refused.body["errors"].as_array().unwrap().iter().map(|error| error["pointer"].as_str().unwrap()).collect();
        assert!(pointers.contains(&"/fistName") && pointers.contains(&"/shoeSize"), "{element}: {}", refused.body);
        assert!(refused.body["message"].as_str().unwrap().contains("firstName"), "{element}: {}", refused.body);
        hub.json(element, Method::POST, "/contacts", &json!([1])).await.expect(400);
        let provider =
            hub.json(element, Method::POST, "/opportunities", &json!({"name": "no stage"})).await.expect(400);
        assert!(provider.body["providerMessage"].is_string(), "{element}: {}", provider.body);
    }
}

#[tokio::test]
async fn custom_fields_and_the_providers_own_records_are_there() {
    let hub = Gateway::demo();
    for (element, field, object) in
        [("sfdc", "Favorite_Color__c", "Contact"), ("hubspot", "favorite_color", "contacts")]
    {
        let mut contact = ada();
        contact["email"] = json!("custom@example.test");
        contact["customFields"] = json!({ field: "ultramarine" });
        let made = hub.json(element, Method::POST, "/contacts", &contact).await.expect(200).body;
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

        let names = hub.get(element, "/objects").await.expect(200).body;
        let names: Vec<&str> = names.as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
        assert!(names.contains(&"contacts") && names.contains(&object), "{element}: {names:?}");
        let helium = hub.request(element, Method::GET, "/objects").header("Elements-Version", "Helium");
        assert!(super::support::send(helium).await.expect(200).list()[0]["name"].is_string(), "{element}");
        let metadata = hub.get(element, "/hubs/crm/objects/contacts/metadata").await.expect(200).body;
        let fields = metadata["fields"].as_array().unwrap();
        let email =
            fields.iter().find(|field| field["path"] == "email").unwrap_or_else(|| panic!("{element}: {metadata}"));
        assert!(email["vendorPath"].is_string() && email["filterable"].is_boolean(), "{element}: {email}");
        assert!(fields.iter().any(|one| one["vendorPath"] == field && one["custom"] == true), "{element}");
        hub.get(element, "/objects/NoSuchThing/metadata").await.expect(404);
    }
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
