//! HubSpot: searches.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Fixture, json};

async fn search(account: &Fixture, object: &str, body: &Value) -> (u16, Value) {
    let request = account.request(Method::POST, &format!("/crm/v3/objects/{object}/search")).json(body);
    json(request.send().await.unwrap()).await
}

fn filtered(filters: Value) -> Value {
    json!({"filterGroups": [{"filters": filters}], "properties": ["lastname"], "limit": 200})
}

/// The last names of the contacts that pass the filters.
async fn names(account: &Fixture, filters: Value) -> Vec<String> {
    let (status, body) = search(account, "contacts", &filtered(filters.clone())).await;
    assert_eq!(status, 200, "{filters}: {body}");
    let results = body["results"].as_array().unwrap();
    assert_eq!(body["total"], results.len());
    results.iter().map(|record| record["properties"]["lastname"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn operators_do_what_they_say() {
    let account = Fixture::new("hubspot").await;
    let all = ["Ekström", "O'Hara", "Rinaldi", "Nakamura"];
    for (filter, expected) in [
        (json!({"propertyName": "lastname", "operator": "EQ", "value": "rinaldi"}), vec![2]),
        (json!({"propertyName": "lastname", "operator": "NEQ", "value": "Rinaldi"}), vec![0, 1, 3]),
        (json!({"propertyName": "loyalty_points", "operator": "GT", "value": "75"}), vec![0]),
        (json!({"propertyName": "loyalty_points", "operator": "GTE", "value": "75"}), vec![0, 2]),
        (json!({"propertyName": "loyalty_points", "operator": "LT", "value": "100"}), vec![2]),
        (json!({"propertyName": "loyalty_points", "operator": "LTE", "value": "420"}), vec![0, 2]),
        (json!({"propertyName": "loyalty_points", "operator": "BETWEEN", "value": "70", "highValue": "80"}), vec![2]),
        (json!({"propertyName": "lastname", "operator": "IN", "values": ["rinaldi", "nakamura"]}), vec![2, 3]),
        (json!({"propertyName": "lastname", "operator": "IN", "values": ["Rinaldi"]}), vec![]),
        (json!({"propertyName": "lastname", "operator": "NOT_IN", "values": ["rinaldi"]}), vec![0, 1, 3]),
        (json!({"propertyName": "lifecyclestage", "operator": "IN", "values": ["customer"]}), vec![0]),
        (json!({"propertyName": "firstname", "operator": "HAS_PROPERTY"}), vec![0, 1, 2]),
        (json!({"propertyName": "firstname", "operator": "NOT_HAS_PROPERTY"}), vec![3]),
        (json!({"propertyName": "email", "operator": "CONTAINS_TOKEN", "value": "*@umbra.example.com"}), vec![2]),
        (json!({"propertyName": "jobtitle", "operator": "CONTAINS_TOKEN", "value": "head"}), vec![0]),
        (json!({"propertyName": "jobtitle", "operator": "NOT_CONTAINS_TOKEN", "value": "head"}), vec![1, 2, 3]),
        (json!({"propertyName": "createdate", "operator": "GTE", "value": "1704078000000"}), vec![1, 2, 3]),
        (json!({"propertyName": "lastmodifieddate", "operator": "LT", "value": "2024-01-01T03:00:00Z"}), vec![0]),
        (json!({"propertyName": "hs_lastmodifieddate", "operator": "GTE", "value": "0"}), vec![]),
    ] {
        let expected: Vec<_> = expected.into_iter().map(|at: usize| all[at].to_owned()).collect();
        assert_eq!(names(&account, json!([filter])).await, expected, "{filter}");
    }
    let both = json!([
        {"propertyName": "loyalty_points", "operator": "HAS_PROPERTY"},
        {"propertyName": "jobtitle", "operator": "EQ", "value": "CTO"},
    ]);
    assert_eq!(names(&account, both).await, ["Rinaldi"], "filters of a group go together");
    let either = json!({"filterGroups": [
        {"filters": [{"propertyName": "lastname", "operator": "EQ", "value": "Rinaldi"}]},
        {"filters": [{"propertyName": "lastname", "operator": "EQ", "value": "Nakamura"}]},
    ]});
    assert_eq!(search(&account, "contacts", &either).await.1["total"], 2, "groups are alternatives");
}

#[tokio::test]
async fn queries_sorts_and_pages() {
    let account = Fixture::new("hubspot").await;
    let (_, body) = search(&account, "contacts", &json!({"query": "gIul"})).await;
    assert_eq!(body["results"][0]["properties"]["lastname"], "Rinaldi");
    assert_eq!(body["total"], 1);
    let sorted = json!({"sorts": [{"propertyName": "lastname", "direction": "DESCENDING"}], "limit": 3});
    let (_, first) = search(&account, "contacts", &sorted).await;
    assert_eq!(first["total"], 4);
    assert_eq!(first["results"][0]["properties"]["lastname"], "Rinaldi");
    let after = first["paging"]["next"]["after"].as_str().unwrap();
    let next = json!({"sorts": [{"propertyName": "lastname", "direction": "DESCENDING"}], "limit": 3, "after": after});
    let (_, second) = search(&account, "contacts", &next).await;
    assert_eq!(second["results"][0]["properties"]["lastname"], "Ekström");
    assert_eq!(second.get("paging"), None);
    let (_, empty) = search(&account, "contacts", &json!({})).await;
    assert_eq!(empty["total"], 4);
    let (_, deals) = search(&account, "deals", &json!({"sorts": ["amount"], "properties": ["amount"]})).await;
    assert_eq!(deals["results"][0]["properties"]["amount"], "48000");
}

#[tokio::test]
async fn bounds_and_mistakes_are_refused() {
    let account = Fixture::new("hubspot").await;
    let one = json!({"propertyName": "lastname", "operator": "EQ", "value": "x"});
    let group = |count: usize| json!({"filters": vec![one.clone(); count]});
    let groups =
        |counts: &[usize]| json!({"filterGroups": counts.iter().map(|count| group(*count)).collect::<Vec<_>>()});
    assert_eq!(search(&account, "contacts", &groups(&[6, 6, 6])).await.0, 200);
    let filter = |filter: Value| json!({"filterGroups": [{"filters": [filter]}]});
    for body in [
        groups(&[1, 1, 1, 1, 1, 1]),
        groups(&[7]),
        groups(&[6, 6, 6, 1]),
        json!({"limit": 201}),
        json!({"limit": 0}),
        json!({"limit": 200, "after": 9900}),
        json!({"after": "x"}),
        json!({"sorts": ["lastname", "firstname"]}),
        json!({"sorts": [{"propertyName": "lastname", "direction": "DESC"}]}),
        json!({"sorts": ["nope"]}),
        json!({"query": "x".repeat(3001)}),
        json!({"query": 5}),
        json!({"filterGroups": [{}]}),
        json!({"filterGroups": {}}),
        filter(json!({"propertyName": "nope", "operator": "EQ", "value": "x"})),
        filter(json!({"propertyName": "lastname", "operator": "GREATER", "value": "x"})),
        filter(json!({"propertyName": "lastname", "operator": "EQ"})),
        filter(json!({"propertyName": "lastname", "operator": "EQ", "value": 5})),
        filter(json!({"propertyName": "lastname", "operator": "IN", "value": "x"})),
        filter(json!({"propertyName": "lastname", "operator": "HAS_PROPERTY", "value": ""})),
        filter(json!({"propertyName": "loyalty_points", "operator": "BETWEEN", "value": "1"})),
        filter(json!({"propertyName": "loyalty_points", "operator": "GT", "value": "many"})),
        filter(json!({"propertyName": "createdate", "operator": "GT", "value": "soon"})),
        filter(json!({"operator": "EQ", "value": "x"})),
        json!([]),
    ] {
        let (status, answer) = search(&account, "contacts", &body).await;
        assert_eq!((status, answer["status"].as_str()), (400, Some("error")), "{body}");
    }
    let get = account.request(Method::GET, "/crm/v3/objects/contacts/search").send().await.unwrap();
    assert_eq!(get.status(), 405);
}
