//! Resources that only some CRM providers have: the same life on each that has them.

use reqwest::Method;
use serde_json::{Value, json};

use super::support::{Gateway, encoded};

#[tokio::test]
async fn products_campaigns_and_cases_live_the_same_life() {
    let hub = Gateway::demo();
    let mut seen = 0;
    for can in hub.elements_of(&["crm"]).await {
        let element = can.key.as_str();
        for (resource, field) in [("products", "name"), ("campaigns", "name"), ("cases", "subject")] {
            if !can.has(resource) {
                let refused = hub.get(element, &format!("/hubs/crm/{resource}")).await.expect(400);
                assert_eq!(refused.body["code"], "unsupported", "{can}: {resource}");
                continue;
            }
            seen += 1;
            let path = format!("/hubs/crm/{resource}");
            let list = hub.get(element, &path).await.expect(200);
            assert!(list.list().iter().all(|record| record["id"].is_string()), "{can}: {}", list.body);
            if !can.does(&format!("{resource}.create")) {
                assert!(!list.list().is_empty(), "{can}: {resource}");
                continue;
            }
            let mut new = json!({field: "Enchantress"});
            if can.creates(resource, "accountId") {
                new["accountId"] = hub.get(element, "/accounts?pageSize=1").await.expect(200).list()[0]["id"].clone();
            }
            let made = hub.json(element, Method::POST, &path, &new).await.expect(200).body;
            let id = made["id"].as_str().unwrap();
            let found = format!("{path}?where={}", encoded(&format!("{field}='Enchantress'")));
            let found = hub.get(element, &found).await.expect(200);
            assert_eq!(found.list().iter().map(|record| &record["id"]).collect::<Vec<_>>(), [&json!(id)], "{can}");
            let change = json!({field: "Countess"});
            let changed = hub.json(element, Method::PATCH, &format!("{path}/{id}"), &change).await.expect(200).body;
            assert_eq!(changed[field], "Countess", "{can}: {changed}");
            let whole: Value = hub.get(element, &format!("{path}/{id}")).await.expect(200).body;
            hub.json(element, Method::PATCH, &format!("{path}/{id}"), &whole).await.expect(200);
            hub.delete(element, &format!("{path}/{id}")).await.expect(200);
            hub.get(element, &format!("{path}/{id}")).await.expect(404);
        }
    }
    assert!(seen > 5, "only {seen} of them");
}

#[tokio::test]
async fn choices_of_fields_have_one_shape() {
    let hub = Gateway::demo();
    for can in hub.elements_of(&["crm", "helpdesk"]).await {
        let element = can.key.as_str();
        let mut seen = 0;
        for resource in ["accounts", "contacts", "leads", "opportunities", "tasks", "incidents"] {
            if !can.has(resource) || !can.does(&format!("{resource}.list")) {
                continue;
            }
            let told = hub.get(element, &format!("/objects/{resource}/metadata")).await.expect(200).body;
            for field in told["fields"].as_array().unwrap() {
                let Some(choices) = field.get("picklistValues") else { continue };
                let choices = choices.as_array().unwrap_or_else(|| panic!("{can}: {field}"));
                assert!(!choices.is_empty(), "{can}: {field}");
                for choice in choices {
                    seen += 1;
                    let mut names: Vec<_> = choice.as_object().unwrap().keys().map(String::as_str).collect();
                    names.sort_unstable();
                    assert_eq!(names, ["active", "label", "value"], "{can}: {field}");
                    assert!(choice["label"].is_string() && choice["active"].is_boolean(), "{can}: {field}");
                    assert!(choice["value"].is_string() || choice["value"].is_number(), "{can}: {field}");
                }
            }
        }
        assert!(seen > 0, "{can}: no field has choices");
    }
}

/// The ids of a list of records.
fn ids(list: &[Value]) -> Vec<&str> {
    list.iter().map(|record| record["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn calls_events_and_emails_live_under_every_spelling() {
    let hub = Gateway::demo();
    let mut seen = 0;
    for can in hub.elements_of(&["crm"]).await {
        let element = can.key.as_str();
        for kind in ["Calls", "Events", "Emails"] {
            let (resource, other) = (format!("activity-{}", kind.to_lowercase()), format!("activities{kind}"));
            if !can.has(&resource) {
                let refused = hub.get(element, &format!("/hubs/crm/{other}")).await.expect(400);
                assert_eq!(refused.body["code"], "unsupported", "{can}: {resource}");
                continue;
            }
            seen += 1;
            let all = hub.get(element, &format!("/hubs/crm/activities-{}", kind.to_lowercase())).await.expect(200);
            assert!(!all.list().is_empty(), "{can}: {resource}");
            let names = ["subject", "description", "body"];
            let name = names.into_iter().find(|name| can.creates(&resource, name)).unwrap_or("subject");
            let new = if kind == "Emails" {
                json!({name: "Quote", "body": "Please find it attached"})
            } else {
                json!({name: "Quote", "startDate": "2030-01-02T10:00:00Z"})
            };
            let made = hub.json(element, Method::POST, &format!("/hubs/crm/{resource}"), &new).await;
            let Some(made) = can.answered(&format!("{resource}.create"), made, 200) else { continue };
            let id = made.body["id"].as_str().unwrap();
            let path = format!("/hubs/crm/{other}/{id}");
            let read = hub.get(element, &path).await.expect(200).body;
            for (member, value) in new.as_object().unwrap() {
                assert_eq!(&read[member], value, "{can}: {resource}");
            }
            let changed = hub.json(element, Method::PATCH, &path, &json!({name: "Price"})).await;
            let changed = can.answered(&format!("{resource}.update"), changed, 200);
            let word = if changed.is_some() { "Price" } else { "Quote" };
            assert!(changed.is_none_or(|changed| changed.body[name] == word), "{can}: {resource}");
            let found = encoded(&format!("{name}='{word}' AND id='{id}'"));
            let found = hub.get(element, &format!("/{resource}?where={found}")).await.expect(200);
            assert_eq!(ids(found.list()), [id], "{can}: {resource}");
            hub.delete(element, &path).await.expect(200);
            hub.get(element, &path).await.expect(404);
        }
    }
    assert!(seen > 10, "only {seen} of them");
}

#[tokio::test]
async fn who_connected_the_instance_is_one_of_the_users() {
    let hub = Gateway::demo();
    let mut seen = 0;
    for can in hub.elements_of(&["crm"]).await {
        let element = can.key.as_str();
        if !can.has("me") {
            assert_eq!(hub.get(element, "/hubs/crm/me").await.expect(400).body["code"], "unsupported", "{can}");
            continue;
        }
        seen += 1;
        let me = hub.get(element, "/hubs/crm/users/me").await.expect(200).body;
        assert_eq!(hub.get(element, "/hubs/crm/me").await.expect(200).body, me, "{can}");
        let user = hub.get(element, &format!("/hubs/crm/users/{}", me["id"].as_str().unwrap())).await.expect(200).body;
        assert_eq!(me["email"], user["email"], "{can}");
        let narrow = hub.get(element, "/me?fields=id,email").await.expect(200).body;
        assert_eq!(narrow, json!({"id": me["id"], "email": me["email"]}), "{can}");
    }
    assert!(seen > 4, "only {seen} of them");
}

#[tokio::test]
async fn lists_have_members_that_come_and_go() {
    let hub = Gateway::demo();
    let mut seen = 0;
    for can in hub.elements_of(&["crm"]).await {
        let element = can.key.as_str();
        if !can.has("lists") {
            let refused = hub.get(element, "/hubs/crm/lists/4711/contacts").await.expect(400);
            assert_eq!(refused.body["code"], "unsupported", "{can}");
            continue;
        }
        seen += 1;
        let kinds = [("contacts", "lastName"), ("leads", "lastName"), ("accounts", "name")];
        let kinds: Vec<_> = kinds.into_iter().filter(|(kind, _)| can.has_below("lists", kind)).collect();
        assert!(kinds.len() > 1, "{can}: {kinds:?}");
        for (kind, field) in kinds.iter().copied() {
            let new = json!({"name": format!("List of {kind}"), "memberType": kind});
            let list = hub.json(element, Method::POST, "/hubs/crm/lists", &new).await.expect(200).body;
            let path = format!("/hubs/crm/lists/{}", list["id"].as_str().unwrap());
            let below = format!("{path}/{kind}");
            assert!(hub.get(element, &below).await.expect(200).list().is_empty(), "{can}: {kind}");

            let known = hub.get(element, &format!("/{kind}?pageSize=1")).await.expect(200).list()[0].clone();
            let known = known["id"].as_str().unwrap();
            let put = hub.json(element, Method::POST, &below, &json!({"id": known})).await.expect(200).body;
            assert_eq!(put["id"], known, "{can}: {kind}");
            let made = hub.json(element, Method::POST, &below, &json!({field: "Member"})).await.expect(200).body;
            let id = made["id"].as_str().unwrap();
            assert_eq!(ids(hub.get(element, &below).await.expect(200).list()), [known, id], "{can}: {kind}");
            let first = hub.get(element, &format!("{below}?pageSize=1")).await.expect(200);
            let next = encoded(first.header("elements-next-page-token"));
            let second = hub.get(element, &format!("{below}?pageSize=1&nextPage={next}")).await.expect(200);
            assert_eq!([ids(first.list()), ids(second.list())], [[known], [id]], "{can}: {kind}");
            let found = hub.get(element, &format!("{below}?where={}", encoded(&format!("{field}='Member'")))).await;
            assert_eq!(ids(found.expect(200).list()), [id], "{can}: {kind}");
            assert_eq!(hub.get(element, &path).await.expect(200).body["memberCount"], 2, "{can}: {kind}");

            let own = format!("{below}/{id}");
            assert_eq!(hub.get(element, &own).await.expect(200).body[field], "Member", "{can}: {kind}");
            let changed = hub.json(element, Method::PATCH, &own, &json!({field: "Guest"})).await.expect(200).body;
            assert_eq!(changed[field], "Guest", "{can}: {kind}");
            hub.delete(element, &own).await.expect(200);
            hub.get(element, &own).await.expect(404);
            hub.json(element, Method::PATCH, &own, &json!({field: "Ghost"})).await.expect(404);
            hub.delete(element, &own).await.expect(404);
            // Off the list, and still there.
            assert_eq!(hub.get(element, &format!("/{kind}/{id}")).await.expect(200).body[field], "Guest", "{can}");
            let (wrong, of_wrong) = kinds.iter().find(|(other, _)| *other != kind).unwrap();
            let refused = hub.json(element, Method::POST, &format!("{path}/{wrong}"), &json!({*of_wrong: "X"})).await;
            assert!(refused.expect(400).body["message"].as_str().unwrap().contains("another kind"), "{can}: {kind}");
            hub.delete(element, &path).await.expect(200);
            hub.get(element, &path).await.expect(404);
        }
    }
    assert!(seen > 1, "only {seen} with lists");
}

#[tokio::test]
async fn a_list_is_only_of_what_it_was_made_for() {
    let hub = Gateway::demo();
    let dynamic = json!({"name": "By query", "memberType": "contacts", "dynamic": true});
    let list = hub.json("dynamicscrmadfs", Method::POST, "/lists", &dynamic).await.expect(200).body;
    assert_eq!(list["dynamic"], true);
    let below = format!("/lists/{}/contacts", list["id"].as_str().unwrap());
    let before = hub.get("dynamicscrmadfs", "/contacts?pageSize=100").await.expect(200).list().len();
    let refused = hub.json("dynamicscrmadfs", Method::POST, &below, &json!({"lastName": "X"})).await.expect(400);
    assert!(refused.body["message"].as_str().unwrap().contains("dynamic"), "{}", refused.body);
    let after = hub.get("dynamicscrmadfs", "/contacts?pageSize=100").await.expect(200).list().len();
    assert_eq!(before, after, "nothing was made");
}

#[tokio::test]
async fn mails_stand_below_their_records() {
    let hub = Gateway::demo();
    let mut seen = 0;
    for can in hub.elements_of(&["crm"]).await {
        let element = can.key.as_str();
        for parent in ["accounts", "contacts", "opportunities"] {
            if !can.has("mails") {
                let refused = hub.get(element, &format!("/hubs/crm/{parent}/4711/mails")).await.expect(400);
                assert_eq!(refused.body["code"], "unsupported", "{can}: {parent}");
                continue;
            }
            seen += 1;
            let two = hub.get(element, &format!("/{parent}?pageSize=2")).await.expect(200);
            let path = |index: usize| format!("/hubs/crm/{parent}/{}/mails", two.list()[index]["id"].as_str().unwrap());
            let mails = hub.get(element, &path(0)).await.expect(200);
            assert_eq!(mails.list().len(), 2, "{can}: {}", mails.body);
            assert!(mails.list()[0]["from"].as_str().unwrap().contains('@'), "{can}: {}", mails.body);
            let first = hub.get(element, &format!("{}?pageSize=1", path(0))).await.expect(200);
            assert_eq!(first.list()[..], mails.list()[..1], "{can}");
            assert!(!first.header("elements-next-page-token").is_empty(), "{can}");
            assert!(hub.get(element, &path(1)).await.expect(200).list().is_empty(), "{can}");
            hub.get(element, &format!("/{parent}/999999/mails")).await.expect(404);
        }
    }
    assert!(seen > 0, "no mails at all");
}

#[tokio::test]
async fn kinds_of_activities_are_kept_by_name() {
    let hub = Gateway::demo();
    let mut seen = 0;
    for can in hub.elements_of(&["crm"]).await {
        let element = can.key.as_str();
        let path = "/hubs/crm/activity-types";
        if !can.has("activity-types") {
            assert_eq!(hub.get(element, path).await.expect(400).body["code"], "unsupported", "{can}");
            continue;
        }
        seen += 1;
        let before = hub.get(element, path).await.expect(200).list().len();
        let mut made = Vec::new();
        for name in ["Visit", "Fair", "Lunch"] {
            let record = hub.json(element, Method::POST, path, &json!({"name": name})).await.expect(200).body;
            assert_eq!(record["name"], name, "{can}: {record}");
            made.push(record["id"].as_str().unwrap().to_owned());
        }
        let change = json!({"name": "Dinner"});
        let changed = hub.json(element, Method::PATCH, &format!("{path}/{}", made[2]), &change).await.expect(200).body;
        assert_eq!(changed["name"], "Dinner", "{can}");
        hub.delete(element, &format!("{path}/{}", made[0])).await.expect(200);
        hub.delete(element, &format!("{path}?ids={},{}", made[1], made[2])).await.expect(200);
        hub.delete(element, path).await.expect(400);
        assert_eq!(hub.get(element, path).await.expect(200).list().len(), before, "{can}");
    }
    assert!(seen > 0, "no kinds of activities at all");
}
