//! Records below the record they belong to: the same requests with the same expectations on every element and parent.

use reqwest::Method;
use serde_json::{Value, json};

use super::{
    capability::Element,
    support::{Gateway, encoded},
};

/// Hubs whose elements have contacts and their like.
const CRM: &[&str] = &["crm", "marketing"];
/// Resources whose records have children.
const PARENTS: &[&str] = &["accounts", "contacts", "leads", "opportunities"];

/// The children: resource, a new one's body as far as the element goes, and the field that tells it.
fn children(can: &Element, number: u32) -> [(&'static str, Value, &'static str); 3] {
    let name = format!("Child {number}");
    let mut note = json!({"body": name});
    if can.creates("notes", "title") {
        note["title"] = json!(name);
    }
    [
        ("activities", json!({"subject": name, "startDate": "2030-01-02T10:00:00Z"}), "subject"),
        ("tasks", json!({"subject": name}), "subject"),
        ("notes", note, "body"),
    ]
}

fn ids(list: &[Value]) -> Vec<&str> {
    list.iter().map(|record| record["id"].as_str().unwrap()).collect()
}

/// Two records of a resource, the one that children are made for and another; `None` where the element has none.
async fn two(hub: &Gateway, can: &Element, parent: &str) -> Option<[String; 2]> {
    if !can.does(&format!("{parent}.list")) {
        return None;
    }
    let list = hub.get(&can.key, &format!("/hubs/crm/{parent}?pageSize=2")).await.expect(200);
    assert_eq!(list.list().len(), 2, "{can}: {parent}");
    Some([list.list()[0]["id"].as_str().unwrap().to_owned(), list.list()[1]["id"].as_str().unwrap().to_owned()])
}

#[tokio::test]
async fn children_live_below_their_parent() {
    for can in Gateway::demo().elements_of(CRM).await {
        // Of one's own: two elements may be connectors to one account.
        let hub = Gateway::demo();
        let mut done = 0;
        for parent in PARENTS {
            let two = two(&hub, &can, parent).await;
            for (child, body, field) in children(&can, 1) {
                if !can.has_below(parent, child) {
                    let reply = hub.get(&can.key, &format!("/hubs/crm/{parent}/4711/{child}")).await.expect(400);
                    let reason = can.lacks_below(parent, child);
                    assert_eq!(reply.body["code"], "unsupported", "{can}: {parent}/{child}");
                    assert!(reply.body["message"].as_str().unwrap().ends_with(&reason), "{can}: {}", reply.body);
                    continue;
                }
                let [own, other] = two.as_ref().unwrap_or_else(|| panic!("{can}: no {parent} to have {child}"));
                if can.does(&format!("{child}.create")) {
                    live(&hub, &can, &[parent, own, other], (child, &body, field)).await;
                } else {
                    let list = hub.get(&can.key, &format!("/hubs/crm/{parent}/{own}/{child}")).await.expect(200);
                    assert!(list.body.is_array(), "{can}: {parent}/{child}");
                }
                done += 1;
            }
        }
        assert!(done > 0, "{can}: no children at all");
    }
}

/// A child's life below its parent; below another record it is not there.
async fn live(hub: &Gateway, can: &Element, parents: &[&str; 3], (child, body, field): (&str, &Value, &str)) {
    let element = can.key.as_str();
    let [parent, own, other] = parents;
    let (own, other) = (format!("/hubs/crm/{parent}/{own}/{child}"), format!("/{parent}/{other}/{child}"));
    let before = hub.get(element, &other).await.expect(200).list().len();
    let made = hub.json(element, Method::POST, &own, body).await.expect(200).body;
    assert_eq!(made[field], body[field], "{own}: {made}");
    let id = made["id"].as_str().unwrap();

    assert!(ids(hub.get(element, &own).await.expect(200).list()).contains(&id), "{element} {own}");
    assert_eq!(hub.get(element, &other).await.expect(200).list().len(), before, "{element} {other}");
    if can.filters(child, field, "=") {
        let found = |value: &str| format!("{own}?where={}", encoded(&format!("{field}='{value}'")));
        let same = hub.get(element, &found(body[field].as_str().unwrap())).await.expect(200);
        assert_eq!(ids(same.list()), [id], "{element} {own}");
        assert!(hub.get(element, &found("nothing like it")).await.expect(200).list().is_empty(), "{element} {own}");
    }

    assert_eq!(hub.get(element, &format!("{own}/{id}")).await.expect(200).body["id"], id, "{element} {own}");
    let narrow = hub.get(element, &format!("{own}/{id}?fields=id,{field}")).await.expect(200).body;
    assert_eq!(narrow, json!({"id": id, field: body[field]}), "{element} {own}");
    let change = json!({field: "Changed"});
    hub.get(element, &format!("{other}/{id}")).await.expect(404);
    hub.json(element, Method::PATCH, &format!("{other}/{id}"), &change).await.expect(404);
    hub.delete(element, &format!("{other}/{id}")).await.expect(404);
    let changed = hub.json(element, Method::PUT, &format!("{own}/{id}"), &change).await.expect(200).body;
    assert_eq!(changed[field], "Changed", "{element} {own}");
    assert_eq!(hub.get(element, &format!("/{child}/{id}")).await.expect(200).body[field], "Changed", "{element} {own}");
    if can.creates(child, "parentId") {
        let mut elsewhere = body.clone();
        elsewhere["parentId"] = json!("4711");
        hub.json(element, Method::POST, &own, &elsewhere).await.expect(400);
    }
    hub.delete(element, &format!("{own}/{id}")).await.expect(200);
    hub.get(element, &format!("{own}/{id}")).await.expect(404);
    hub.delete(element, &format!("{own}/{id}")).await.expect(404);
}

#[tokio::test]
async fn children_page_and_explain_like_any_list() {
    for can in Gateway::demo().elements_of(CRM).await {
        let hub = Gateway::demo();
        let element = can.key.as_str();
        let [own, _] = two(&hub, &can, "accounts").await.unwrap();
        for number in 0..5 {
            let note = children(&can, number)[2].1.clone();
            hub.json(element, Method::POST, &format!("/accounts/{own}/notes"), &note).await.expect(200);
        }
        let path = format!("/hubs/crm/accounts/{own}/notes");
        let all = hub.get(element, &format!("{path}?pageSize=100&returnTotalCount=true")).await.expect(200);
        assert!(all.list().len() >= 5, "{element}");
        assert_eq!(all.header("elements-total-count"), all.list().len().to_string(), "{element}");
        let (mut pages, mut token) = (Vec::new(), String::new());
        loop {
            let page = hub.get(element, &format!("{path}?pageSize=2&nextPage={}", encoded(&token))).await.expect(200);
            pages.extend(page.list().clone());
            token = page.header("elements-next-page-token").to_owned();
            if token.is_empty() {
                break;
            }
        }
        assert_eq!(&pages, all.list(), "{element}: pages of two are one page");

        let told = hub.get(element, &format!("{path}?explain=true")).await.expect(200).body;
        assert!(told["calls"].to_string().contains(&own), "{element}: {told}");
        let id = all.list()[0]["id"].as_str().unwrap();
        let told = hub.request(element, Method::DELETE, &format!("{path}/{id}?explain=true"));
        let told = super::support::send(told).await.expect(200).body;
        let calls = told["calls"].as_array().unwrap();
        assert_eq!(calls[0]["for"], "whether the record belongs to its parent", "{element}: {told}");
        assert_eq!(calls.last().unwrap()["method"], "DELETE", "{element}: {told}");
        hub.get(element, &format!("{path}/{id}")).await.expect(200);
    }
}

/// A contact as the providers write it themselves, which is what the family for any object passes.
const KINDRED: &[(&str, &str)] = &[
    ("closeio", r#"{"name": "Kindred"}"#),
    ("dynamicscrmadfs", r#"{"lastname": "Kindred"}"#),
    ("hubspot", r#"{"properties": {"lastname": "Kindred"}}"#),
    ("hubspotcrm", r#"{"properties": {"lastname": "Kindred"}}"#),
    ("pipedrive", r#"{"name": "Kindred"}"#),
    ("sfdc", r#"{"LastName": "Kindred"}"#),
    ("zohocrm", r#"{"Last_Name": "Kindred"}"#),
];

#[tokio::test]
async fn any_object_has_its_children() {
    for can in Gateway::demo().elements_of(CRM).await {
        let hub = Gateway::demo();
        let element = can.key.as_str();
        let [own, other] = two(&hub, &can, "accounts").await.unwrap();
        let (path, elsewhere) = (format!("/hubs/crm/accounts/{own}/contacts"), format!("/accounts/{other}/contacts"));
        let (_, body) = KINDRED.iter().find(|(key, _)| *key == element).unwrap();
        let body: Value = serde_json::from_str(body).unwrap();
        let made = hub.json(element, Method::POST, &path, &body).await;
        if can.does_any_child("create") {
            made.expect(200);
        } else {
            assert_eq!(made.expect(400).body["code"], "unsupported", "{element}");
            let contact = json!({"lastName": "Kindred", "accountId": own});
            hub.json(element, Method::POST, "/contacts", &contact).await.expect(200);
        }
        let found = hub.get(element, &format!("/contacts?where={}", encoded("lastName='Kindred'"))).await.expect(200);
        let id = found.list()[0]["id"].as_str().unwrap();

        let list = hub.get(element, &path).await.expect(200);
        assert!(list.list().iter().any(|record| record.to_string().contains(id)), "{element}: {}", list.body);
        let others = hub.get(element, &elsewhere).await.expect(200);
        assert!(!others.body.to_string().contains("Kindred"), "{element}: {}", others.body);
        let read = hub.get(element, &format!("{path}/{id}")).await.expect(200).body;
        assert!(read.to_string().contains("Kindred"), "{element}: {read}");
        hub.get(element, &format!("{elsewhere}/{id}")).await.expect(404);
        hub.json(element, Method::PATCH, &format!("{elsewhere}/{id}"), &body).await.expect(404);
        hub.delete(element, &format!("{elsewhere}/{id}")).await.expect(404);
        hub.json(element, Method::PATCH, &format!("{path}/{id}"), &body).await.expect(200);
        hub.delete(element, &format!("{path}/{id}")).await.expect(200);
        hub.get(element, &format!("/contacts/{id}")).await.expect(404);
        // What does not belong to accounts has no place below one.
        let unrelated = hub.get(element, &format!("/hubs/crm/accounts/{own}/NoSuchThing")).await;
        assert!([400, 404].contains(&unrelated.status.as_u16()), "{element}: {}", unrelated.body);
    }
}
