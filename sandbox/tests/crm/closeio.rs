//! Close: keys and tokens, records, refusals, the search.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Fixture, json};

async fn organization() -> Fixture {
    Fixture::new("closeio").await
}

async fn get(organization: &Fixture, path: &str) -> (u16, Value) {
    json(organization.request(Method::GET, &format!("/api/v1{path}")).send().await.unwrap()).await
}

async fn send(organization: &Fixture, method: Method, path: &str, body: Value) -> (u16, Value) {
    json(organization.request(method, &format!("/api/v1{path}")).json(&body).send().await.unwrap()).await
}

#[tokio::test]
async fn a_key_is_a_user_without_password_and_a_refresh_token_serves_once() {
    let organization = organization().await;
    let key = &organization.provider.credentials["username"];
    let me =
        |user: &str, password: Option<&str>| organization.bare(Method::GET, "/api/v1/me/").basic_auth(user, password);
    assert_eq!(json(me(key, Some("")).send().await.unwrap()).await.1["email"], "ada@example.com");
    assert_eq!(me(key, Some("x")).send().await.unwrap().status(), 401);
    assert_eq!(me("other", Some("")).send().await.unwrap().status(), 401);
    let (status, body) = json(organization.renew(&organization.refresh).await).await;
    assert_eq!((status, &body["expires_in"]), (200, &json!(3600)));
    assert_ne!(body["refresh_token"], json!(organization.refresh));
    let (status, body) = json(organization.renew(&organization.refresh).await).await;
    assert_eq!((status, &body["error"]), (400, &json!("invalid_grant")));
}

#[tokio::test]
async fn every_address_ends_in_a_slash_and_every_answer_tells_the_budget() {
    let organization = organization().await;
    let answer = organization.request(Method::GET, "/api/v1/lead").send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.headers()["location"].to_str().unwrap()), (301, "/api/v1/lead/"));
    let answer = organization.request(Method::GET, "/api/v1/lead/").send().await.unwrap();
    let budget = answer.headers()["ratelimit"].to_str().unwrap();
    assert!(budget.starts_with("limit=240, remaining=") && budget.contains(", reset="), "{budget}");
}

#[tokio::test]
async fn records_come_and_go() {
    let organization = organization().await;
    let (status, lead) =
        send(&organization, Method::POST, "/lead/", json!({"name": "New", "contacts": [{"name": "Jo"}]})).await;
    assert_eq!((status, &lead["status_label"], &lead["contacts"][0]["name"]), (200, &json!("Potential"), &json!("Jo")));
    let id = lead["id"].as_str().unwrap();
    let path = format!("/lead/{id}/");
    let (_, changed) = send(&organization, Method::PUT, &path, json!({"description": "d"})).await;
    assert_eq!((&changed["name"], &changed["description"]), (&json!("New"), &json!("d")));
    let (status, _) = send(&organization, Method::PUT, &path, changed).await;
    assert_eq!(status, 200, "what was read can be sent back");
    assert_eq!(send(&organization, Method::DELETE, &path, json!({})).await, (200, json!({})));
    let (status, body) = get(&organization, &path).await;
    assert_eq!((status, &body["error"]), (404, &json!("Empty query: Lead does not exist.")));
    let contact = format!("/contact/{}/", lead["contacts"][0]["id"].as_str().unwrap());
    assert_eq!(get(&organization, &contact).await.0, 404, "its contacts go with it");
}

#[tokio::test]
async fn what_is_wrong_is_told_by_field() {
    let organization = organization().await;
    for (object, body, field) in [
        ("contact", json!({"name": "x"}), "lead_id"),
        ("contact", json!({"name": "x", "lead_id": "lead_1"}), "lead_id"),
        ("lead", json!({"nmae": "x"}), "nmae"),
        ("lead", json!({"name": 5}), "name"),
        ("lead", json!({"custom.cf_1": "x"}), "custom.cf_1"),
        ("lead", json!({"status_id": "stat_0"}), "status_id"),
        ("lead", json!({"date_created": "2024-01-01T00:00:00Z"}), "date_created"),
    ] {
        let (status, answer) = send(&organization, Method::POST, &format!("/{object}/"), body.clone()).await;
        assert_eq!((status, answer["field-errors"][field].is_string()), (400, true), "{body}: {answer}");
    }
    assert_eq!(send(&organization, Method::POST, "/lead/", json!({})).await.0, 400);
    assert_eq!(send(&organization, Method::POST, "/activity/meeting/", json!({"title": "x"})).await.0, 405);
    assert_eq!(get(&organization, "/contact/?_limit=101").await.0, 400);
    let (status, body) = get(&organization, "/contact/?_skip=10001").await;
    assert!(status == 400 && body["errors"][0].as_str().unwrap().contains("max skip"), "{body}");
}

#[tokio::test]
async fn lists_page_and_narrow() {
    let organization = organization().await;
    let (_, page) = get(&organization, "/contact/?_limit=3").await;
    assert_eq!(
        (page["data"].as_array().unwrap().len(), &page["has_more"], &page["total_results"]),
        (3, &json!(true), &json!(4))
    );
    let (_, rest) = get(&organization, "/contact/?_limit=3&_skip=3&_fields=id,name").await;
    assert_eq!((rest["data"][0].as_object().unwrap().len(), &rest["has_more"]), (2, &json!(false)));
    let (_, done) = get(&organization, "/task/?is_complete=true").await;
    assert_eq!(done["data"][0]["text"], "Send brochure");
    let (_, late) = get(&organization, "/activity/note/?date_created__gte=2030-01-01").await;
    assert_eq!(late["total_results"], 0);
    let (_, own) = get(&organization, "/custom_field/contact/").await;
    assert_eq!(own["data"][0]["name"], "Favorite color");
    assert_eq!(get(&organization, "/custom_field/user/").await.0, 404);
}

#[tokio::test]
async fn the_search_takes_a_tree() {
    let organization = organization().await;
    let of = |condition: Value| json!({"type": "and", "queries": [{"type": "object_type", "object_type": "contact"}, condition]});
    let on = |name: &str, condition: Value| {
        json!({"type": "field_condition", "condition": condition,
        "field": {"type": "regular_field", "object_type": "contact", "field_name": name}})
    };
    let text = |value: &str, mode: &str| json!({"type": "text", "mode": mode, "value": value});
    let related = |condition: Value| {
        json!({"type": "has_related", "this_object_type": "contact", "related_object_type": "contact_email",
        "related_query": {"type": "and", "queries": [condition]}})
    };
    for (query, expected) in [
        (on("name", text("rinaldi", "full_words")), 1),
        (on("name", text("rin", "full_words")), 0),
        (on("name", text("rin", "beginning_of_words")), 1),
        (related(on("email", text("example.com", "phrase"))), 4),
        (on("title", json!({"type": "exists"})), 2),
        (
            on(
                "date_created",
                json!({"type": "moment_range", "before": {"type": "fixed_utc", "value": "2023-01-01T00:00:00Z"}}),
            ),
            0,
        ),
    ] {
        let body = json!({"query": of(query.clone()), "_fields": {"contact": ["id", "name"]}, "include_counts": true});
        let (status, found) = send(&organization, Method::POST, "/data/search/", body).await;
        assert_eq!((status, &found["count"]["total"]), (200, &json!(expected)), "{query}");
    }
    let all = json!({"type": "object_type", "object_type": "contact"});
    let (_, first) = send(&organization, Method::POST, "/data/search/", json!({"query": all, "_limit": 3})).await;
    assert_eq!(first["data"][0].as_object().unwrap().len(), 2, "the identifier alone, and what it is");
    let next = json!({"query": all, "_limit": 3, "cursor": first["cursor"]});
    let (_, second) = send(&organization, Method::POST, "/data/search/", next).await;
    assert_eq!((second["data"].as_array().unwrap().len(), &second["cursor"]), (1, &json!(null)));
    for bad in [
        json!({"query": of(on("shoe", json!({"type": "exists"})))}),
        json!({"query": of(on("name", text("a", "exact")))}),
        json!({"query": {"type": "and", "queries": []}}),
        json!({"query": {"type": "object_type", "object_type": "task"}}),
        json!({"query": all, "_limit": 201}),
        json!({"query": all, "cursor": "!"}),
    ] {
        assert_eq!(send(&organization, Method::POST, "/data/search/", bad.clone()).await.0, 400, "{bad}");
    }
}
