//! What is particular to Pipedrive: numbers behind the ids, names in one piece, parameters instead of a query language.

use reqwest::Method;
use serde_json::{Value, json};

use super::support::{Gateway, encoded};

#[tokio::test]
async fn one_part_of_a_name_can_change_alone() {
    let hub = Gateway::demo();
    let person = json!({"firstName": "Ada Augusta", "lastName": "Byron", "email": "ada@name.test"});
    let made = hub.json("pipedrive", Method::POST, "/contacts", &person).await.expect(200).body;
    let path = format!("/contacts/{}", made["id"].as_str().unwrap());
    let king = hub.json("pipedrive", Method::PATCH, &path, &json!({"lastName": "King"})).await.expect(200).body;
    assert_eq!((&king["firstName"], &king["lastName"]), (&json!("Ada Augusta"), &json!("King")));
    let ada = hub
        .json("pipedrive", Method::PATCH, &path, &json!({"firstName": "Ada", "title": "Countess"}))
        .await
        .expect(200)
        .body;
    assert_eq!(
        (&ada["firstName"], &ada["lastName"], &ada["title"]),
        (&json!("Ada"), &json!("King"), &json!("Countess"))
    );
    hub.delete("pipedrive", &path).await.expect(200);
    hub.json("pipedrive", Method::PATCH, &path, &json!({"lastName": "X"})).await.expect(404);
}

#[tokio::test]
async fn what_has_a_parameter_is_handed_on_and_the_rest_is_filtered_here() {
    let hub = Gateway::demo();
    let list = async |filter: &str| {
        let found =
            hub.get("pipedrive", &format!("/contacts?orderBy=email&where={}", encoded(filter))).await.expect(200);
        found.list().iter().map(|contact| contact["email"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(list("ownerId = '2' AND lastName = 'Rinaldi'").await, ["giulia.rinaldi@umbra.example.com"]);
    assert_eq!(
        list("modifiedDate >= '2024-01-01T00:00:00Z' AND title = 'CTO'").await,
        ["giulia.rinaldi@umbra.example.com"]
    );
    assert_eq!(
        list("ownerId = '2' OR lastName = 'Nakamura'").await,
        ["giulia.rinaldi@umbra.example.com", "nakamura@example.com"]
    );
    let log = hub.control("pipedrive", Method::GET, "/log", &Value::Null).await;
    let queries: Vec<String> = log["calls"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|call| call["path"] == "/api/v2/persons")
        .map(|call| call["query"].to_string())
        .collect();
    assert!(queries.iter().any(|query| query.contains("owner_id=2")), "{queries:?}");
    assert!(queries.iter().any(|query| query.contains("updated_since=2024-01-01T00")), "{queries:?}");
    let stage = hub.get("pipedrive", &format!("/opportunities?where={}", encoded("stage = '3'"))).await.expect(200);
    assert_eq!(stage.list()[0]["name"], "Northwind - 200 shelves");
    hub.json("pipedrive", Method::POST, "/opportunities", &json!({"name": "x", "stage": "won"})).await.expect(400);
}

#[tokio::test]
async fn objects_have_their_own_names() {
    let hub = Gateway::demo();
    let names = hub.get("pipedrive", "/objects").await.expect(200).body;
    assert!(names.as_array().unwrap().contains(&json!("product")), "{names}");
    let made =
        hub.json("pipedrive", Method::POST, "/hubs/crm/product", &json!({"name": "Loom"})).await.expect(200).body;
    assert_eq!(made["name"], "Loom");
    assert_eq!(hub.get("pipedrive", &format!("/product/{}", made["id"])).await.expect(200).body["id"], made["id"]);
    hub.get("pipedrive", "/activity").await.expect(200);
    let fields = hub.get("pipedrive", "/objects/contacts/metadata?customFieldsOnly=true").await.expect(200).body;
    assert!(
        fields["fields"].as_array().unwrap().iter().any(|field| field["displayName"] == "Favorite color"),
        "{fields}"
    );
}
