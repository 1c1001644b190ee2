//! Salesforce: queries and their pages.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Fixture, json};

const DATA: &str = "/services/data/v59.0";

async fn query(org: &Fixture, text: &str) -> (u16, Value) {
    let request = org.request(Method::GET, &format!("{DATA}/query")).query(&[("q", text)]);
    json(request.send().await.unwrap()).await
}

#[tokio::test]
async fn a_query_answers_rows() {
    let org = Fixture::new("sfdc").await;
    let (status, body) = query(&org, "SELECT Id, name, Account.Name FROM Contact WHERE LastName = 'O\\'Hara'").await;
    assert_eq!(status, 200);
    assert_eq!((&body["totalSize"], &body["done"]), (&json!(1), &json!(true)));
    let row = &body["records"][0];
    assert_eq!(row["Name"], "Seán O'Hara");
    assert_eq!(row["Account"]["Name"], "O'Hara & Sons");
    assert_eq!(row["attributes"]["type"], "Contact");
    assert_eq!(body.get("nextRecordsUrl"), None);
}

#[tokio::test]
async fn a_query_is_refused_with_its_place() {
    let org = Fixture::new("sfdc").await;
    let (status, body) = query(&org, "SELECT Id FROM Contact WHERE CreatedDate > '2024-01-01T00:00:00Z'").await;
    assert_eq!((status, body[0]["errorCode"].as_str()), (400, Some("INVALID_FIELD")));
    let message = body[0]["message"].as_str().unwrap();
    assert!(
        message.contains("ERROR at Row:1:Column:30\nvalue of filter criterion for field 'CreatedDate'"),
        "{message}"
    );
    let (status, body) = query(&org, "SELECT Id FRM Contact").await;
    assert_eq!((status, body[0]["errorCode"].as_str()), (400, Some("MALFORMED_QUERY")));
    let (status, body) = query(&org, "SELECT Id FROM Nope").await;
    assert_eq!((status, body[0]["errorCode"].as_str()), (400, Some("INVALID_TYPE")));
    let (status, _) = json(org.request(Method::GET, &format!("{DATA}/query")).send().await.unwrap()).await;
    assert_eq!(status, 400);
    // A plus sign that was not encoded arrives as a blank.
    let raw = "SELECT+Id+FROM+Contact+WHERE+CreatedDate+>+2024-01-01T00:00:00+00:00";
    let (status, _) = json(org.request(Method::GET, &format!("{DATA}/query?q={raw}")).send().await.unwrap()).await;
    assert_eq!(status, 400);
}

#[tokio::test]
async fn long_answers_come_in_pages() {
    let org = Fixture::new("sfdc").await;
    for number in 0..450 {
        let body = json!({"Name": format!("Bulk {number:03}")});
        let answer = org.request(Method::POST, &format!("{DATA}/sobjects/Account")).json(&body).send().await.unwrap();
        assert_eq!(answer.status(), 201);
    }
    let page = |path: String| {
        let request = org.request(Method::GET, &path).header("Sforce-Query-Options", "batchSize=100");
        async { json(request.send().await.unwrap()).await }
    };
    let (status, first) =
        page(format!("{DATA}/query?q=SELECT+Name+FROM+Account+WHERE+Name+LIKE+'Bulk+%25'+ORDER+BY+Name")).await;
    assert_eq!(status, 200, "{first}");
    assert_eq!((&first["totalSize"], &first["done"]), (&json!(450), &json!(false)));
    assert_eq!(first["records"].as_array().unwrap().len(), 200, "a page has at least 200 rows");
    let next = first["nextRecordsUrl"].as_str().unwrap();
    assert!(next.starts_with("/services/data/v59.0/query/01g") && next.ends_with("-200"), "{next}");
    let (_, second) = page(next.to_owned()).await;
    assert_eq!(second["records"][0]["Name"], "Bulk 200");
    let (status, last) = page(second["nextRecordsUrl"].as_str().unwrap().to_owned()).await;
    assert_eq!((status, &last["done"], last["records"].as_array().unwrap().len()), (200, &json!(true), 50));
    assert_eq!(last.get("nextRecordsUrl"), None);
    let (status, body) = page(format!("{DATA}/query/01g5e0000000000AAA-200")).await;
    assert_eq!((status, body[0]["errorCode"].as_str()), (400, Some("INVALID_QUERY_LOCATOR")));
    let (_, whole) = query(&org, "SELECT Id FROM Account").await;
    assert_eq!((&whole["totalSize"], &whole["done"]), (&json!(453), &json!(true)), "2000 rows fit by default");
}

#[tokio::test]
async fn deleted_records_are_found_by_the_other_call_only() {
    let org = Fixture::new("sfdc").await;
    let (_, body) = query(&org, "SELECT Id FROM Contact WHERE LastName = 'Nakamura'").await;
    let id = body["records"][0]["Id"].as_str().unwrap();
    org.request(Method::DELETE, &format!("{DATA}/sobjects/Contact/{id}")).send().await.unwrap();
    let (_, body) = query(&org, "SELECT COUNT() FROM Contact").await;
    assert_eq!(body, json!({"totalSize": 3, "done": true, "records": []}));
    let text = "SELECT Id, IsDeleted FROM Contact WHERE IsDeleted = true";
    let request = org.request(Method::GET, &format!("{DATA}/queryAll")).query(&[("q", text)]);
    let (_, body) = json(request.send().await.unwrap()).await;
    assert_eq!(body["records"][0]["Id"], id);
}
