//! Zoho CRM: tokens, rows with outcomes of their own, lists, searches and the query language.

use reqwest::{Client, Method};
use sandbox::{CodeRequest, Running};
use serde_json::{Value, json};

use crate::support::{REDIRECT, client, json};

struct Organization {
    provider: Running,
    client: Client,
    access: String,
    refresh: String,
}

impl Organization {
    async fn new() -> Self {
        let provider = sandbox::start("zohocrm", "127.0.0.1:0").await.unwrap();
        let mut organization = Self { provider, client: client(), access: String::new(), refresh: String::new() };
        let code = organization.provider.code(&CodeRequest::new(REDIRECT)).unwrap();
        let grant = [("grant_type", "authorization_code"), ("code", &code), ("redirect_uri", REDIRECT)];
        let body = organization.token(&grant).await;
        assert_eq!(body["api_domain"], organization.provider.origin());
        organization.access = body["access_token"].as_str().unwrap().to_owned();
        organization.refresh = body["refresh_token"].as_str().unwrap().to_owned();
        organization
    }

    /// A token answer; all of them have a good status.
    async fn token(&self, form: &[(&str, &str)]) -> Value {
        let client =
            [("client_id", self.provider.client_id.as_str()), ("client_secret", self.provider.client_secret.as_str())];
        let request = self.client.post(self.provider.url("token")).form(&[form, &client].concat());
        let (status, body) = json(request.send().await.unwrap()).await;
        assert_eq!(status, 200, "{body}");
        body
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        self.send(Method::GET, path, Value::Null).await
    }

    async fn send(&self, method: Method, path: &str, body: Value) -> (u16, Value) {
        let url = format!("{}/crm/v8{path}", self.provider.origin());
        let request = self.client.request(method, url);
        let request = request.header("Authorization", format!("Zoho-oauthtoken {}", self.access));
        let request = if body.is_null() { request } else { request.json(&body) };
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let bytes = response.bytes().await.unwrap();
        (status, serde_json::from_slice(&bytes).unwrap_or_default())
    }

    async fn query(&self, query: &str) -> (u16, Value) {
        self.send(Method::POST, "/coql", json!({ "select_query": query })).await
    }
}

#[tokio::test]
async fn tokens_go_by_the_providers_own_rules() {
    let organization = Organization::new().await;
    let refresh = organization.refresh.as_str();
    let renew = [("grant_type", "refresh_token"), ("refresh_token", refresh)];
    let renewed = organization.token(&renew).await;
    assert!(renewed["access_token"].is_string() && renewed["refresh_token"].is_null(), "{renewed}");
    assert_eq!(
        organization.token(&[("grant_type", "refresh_token"), ("refresh_token", "x")]).await["error"],
        "invalid_code"
    );
    let url = format!("{}/crm/v8/org", organization.provider.origin());
    let (status, body) =
        json(organization.client.get(&url).bearer_auth(&organization.access).send().await.unwrap()).await;
    assert_eq!((status, &body["code"]), (401, &json!("INVALID_TOKEN")), "the scheme is the provider's own");
    assert_eq!(organization.get("/org").await.0, 200);
    let revoke = format!("{}?token={refresh}", organization.provider.url("revoke"));
    let (status, body) = json(organization.client.post(revoke).send().await.unwrap()).await;
    assert_eq!((status, &body["status"]), (200, &json!("success")));
    assert_eq!(organization.token(&renew).await["error"], "invalid_code");
    assert_eq!(organization.get("/org").await.0, 401);
}

#[tokio::test]
async fn every_row_has_its_own_outcome() {
    let organization = Organization::new().await;
    let rows =
        json!({"data": [{"Last_Name": "Jo"}, {"First_Name": "Jo"}, {"Last_Name": "X", "Account_Name": {"id": "1"}}]});
    let (status, told) = organization.send(Method::POST, "/Contacts", rows).await;
    let codes: Vec<&str> = told["data"].as_array().unwrap().iter().map(|row| row["code"].as_str().unwrap()).collect();
    assert_eq!((status, codes), (207, vec!["SUCCESS", "MANDATORY_NOT_FOUND", "INVALID_DATA"]));
    let path = format!("/Contacts/{}", told["data"][0]["details"]["id"].as_str().unwrap());
    let (_, read) = organization.get(&path).await;
    let (status, _) = organization.send(Method::PUT, &path, read.clone()).await;
    assert_eq!((status, &read["data"][0]["Full_Name"]), (200, &json!("Jo")), "what was read can be sent back");
    for (body, code) in [
        (json!({"Loyalty_Points": "many"}), "INVALID_DATA"),
        (json!({"Full_Name": "y"}), "INVALID_DATA"),
        (json!({"Last_Name": null}), "MANDATORY_NOT_FOUND"),
    ] {
        let (status, told) = organization.send(Method::PUT, &path, json!({"data": [body]})).await;
        assert_eq!((status, &told["data"][0]["code"]), (202, &json!(code)), "{told}");
    }
    assert_eq!(organization.send(Method::DELETE, &path, Value::Null).await.0, 200);
    assert_eq!(organization.get(&path).await.0, 204);
    assert_eq!(organization.send(Method::DELETE, &path, Value::Null).await.1["data"][0]["code"], "INVALID_DATA");
    let loose = json!({"data": [{"Note_Content": "x", "Parent_Id": {"id": "1"}}]});
    assert_eq!(organization.send(Method::POST, "/Notes", loose).await.1["data"][0]["code"], "MANDATORY_NOT_FOUND");
}

#[tokio::test]
async fn lists_want_fields_and_go_on_by_token() {
    let organization = Organization::new().await;
    assert_eq!(organization.get("/Contacts").await.1["code"], "REQUIRED_PARAM_MISSING");
    let (_, first) = organization.get("/Contacts?fields=Last_Name&per_page=3").await;
    assert_eq!((first["data"].as_array().unwrap().len(), &first["info"]["more_records"]), (3, &json!(true)));
    let token = first["info"]["next_page_token"].as_str().unwrap();
    let (_, second) = organization.get(&format!("/Contacts?fields=Last_Name&per_page=3&page_token={token}")).await;
    assert_eq!((second["data"].as_array().unwrap().len(), &second["info"]["more_records"]), (1, &json!(false)));
    assert_eq!(organization.get("/Contacts?fields=id&page=5").await.0, 204, "an empty list");
    assert_eq!(organization.get("/Contacts?fields=id&per_page=201").await.0, 400);
    assert_eq!(
        organization.get("/Contacts?fields=id&page=11&per_page=200").await.1["code"],
        "DISCRETE_PAGINATION_LIMIT_EXCEEDED"
    );
    assert_eq!(organization.get("/Looms?fields=id").await.1["code"], "INVALID_MODULE");
    let (_, found) =
        organization.get("/Contacts/search?criteria=((Last_Name:equals:Rinaldi)and(Title:starts_with:C))").await;
    assert_eq!(found["data"][0]["First_Name"], "Giulia");
    let (_, fields) = organization.get("/settings/fields?module=Contacts").await;
    assert!(fields["fields"].as_array().unwrap().iter().any(|field| field["custom_field"] == true), "{fields}");
}

#[tokio::test]
async fn the_query_language_is_as_strict_as_it_is() {
    let organization = Organization::new().await;
    let (status, found) = organization
        .query("select Last_Name, Account_Name from Contacts where ((Last_Name = 'O''Hara' or Title is not null) and Email like '%umbra%') order by Last_Name desc limit 0, 5")
        .await;
    assert_eq!((status, &found["data"][0]["Last_Name"]), (200, &json!("Rinaldi")), "{found}");
    assert!(found["data"][0]["Account_Name"]["name"].is_null() && found["data"].as_array().unwrap().len() == 1);
    assert_eq!(organization.query("select id from Contacts where Last_Name = 'Nobody'").await.0, 204);
    for (query, code) in [
        ("select id from Contacts", "SYNTAX_ERROR"),
        ("select id from Looms where id is not null", "INVALID_QUERY"),
        ("select Shoe from Contacts where id is not null", "INVALID_QUERY"),
        ("select id from Contacts where Last_Name = 'a' and Email = 'b' and Phone = 'c'", "SYNTAX_ERROR"),
        ("select id from Contacts where id is not null order by id, id", "DUPLICATE_DATA"),
        ("select id from Contacts where id is not null limit 0, 2001", "LIMIT_EXCEEDED"),
    ] {
        let (status, told) = organization.query(query).await;
        assert_eq!((status, &told["code"]), (400, &json!(code)), "{query}: {told}");
    }
}
