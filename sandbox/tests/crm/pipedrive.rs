//! Pipedrive: tokens, records of both versions, refusals, pages, the search.

use reqwest::{Client, Method};
use sandbox::{CodeRequest, Running};
use serde_json::{Value, json};

use crate::support::{REDIRECT, client, json};

struct Company {
    provider: Running,
    client: Client,
    access: String,
}

impl Company {
    async fn new() -> Self {
        let provider = sandbox::start("pipedrive", "127.0.0.1:0").await.unwrap();
        let mut company = Self { provider, client: client(), access: String::new() };
        let code = company.provider.code(&CodeRequest::new(REDIRECT)).unwrap();
        let (status, body) = company
            .token(&[("grant_type", "authorization_code"), ("code", &code), ("redirect_uri", REDIRECT)], true)
            .await;
        assert_eq!((status, &body["api_domain"]), (200, &json!(company.provider.origin())));
        company.access = body["access_token"].as_str().unwrap().to_owned();
        company
    }

    /// A token request with the client's credentials in a Basic header, or in the form.
    async fn token(&self, form: &[(&str, &str)], basic: bool) -> (u16, Value) {
        let (id, secret) = (self.provider.client_id.as_str(), self.provider.client_secret.as_str());
        let request = self.client.post(self.provider.url("token"));
        let request = if basic {
            request.basic_auth(id, Some(secret)).form(form)
        } else {
            request.form(&[form, &[("client_id", id), ("client_secret", secret)]].concat())
        };
        json(request.send().await.unwrap()).await
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        self.send(Method::GET, path, Value::Null).await
    }

    async fn send(&self, method: Method, path: &str, body: Value) -> (u16, Value) {
        let request =
            self.client.request(method, format!("{}/api{path}", self.provider.origin())).bearer_auth(&self.access);
        let request = if body.is_null() { request } else { request.json(&body) };
        json(request.send().await.unwrap()).await
    }
}

#[tokio::test]
async fn the_client_shows_itself_in_a_basic_header_only_and_users_have_tokens() {
    let company = Company::new().await;
    let code = company.provider.code(&CodeRequest::new(REDIRECT)).unwrap();
    let form = [("grant_type", "authorization_code"), ("code", code.as_str()), ("redirect_uri", REDIRECT)];
    assert_eq!(company.token(&form, false).await.0, 400);
    let (status, body) = company.token(&form, true).await;
    let refresh = body["refresh_token"].as_str().unwrap().to_owned();
    let (again, renewed) = company.token(&[("grant_type", "refresh_token"), ("refresh_token", &refresh)], true).await;
    assert_eq!((status, again, &renewed["refresh_token"]), (200, 200, &json!(refresh)));
    let url = format!("{}/api/v1/users/me", company.provider.origin());
    let with = |token: &str| company.client.get(&url).header("x-api-token", token);
    assert_eq!(with("5e0b1f7c2d9a4e63b8f10c7d2a9e4b6f1c3d5e7a").send().await.unwrap().status(), 200);
    assert_eq!(with("other").send().await.unwrap().status(), 401);
    assert_eq!(company.client.get(&url).send().await.unwrap().status(), 401);
}

#[tokio::test]
async fn records_come_and_go() {
    let company = Company::new().await;
    let (status, made) = company
        .send(Method::POST, "/v2/persons", json!({"name": "Jo Doe", "emails": [{"value": "jo@doe.test"}]}))
        .await;
    let person = &made["data"];
    assert_eq!((status, &person["first_name"], &person["emails"][0]["primary"]), (201, &json!("Jo"), &json!(true)));
    let path = format!("/v2/persons/{}", person["id"]);
    let (status, changed) = company.send(Method::PATCH, &path, json!({"job_title": "CTO"})).await;
    assert_eq!(
        (status, &changed["data"]["job_title"], &changed["data"]["name"]),
        (200, &json!("CTO"), &json!("Jo Doe"))
    );
    let (status, _) = company.send(Method::PATCH, &path, changed["data"].clone()).await;
    assert_eq!(status, 200, "what was read can be sent back");
    assert_eq!(company.send(Method::PUT, &path, json!({"name": "x"})).await.0, 404, "version 2 knows no PUT");
    assert_eq!(company.send(Method::DELETE, &path, Value::Null).await.0, 200);
    let (status, gone) = company.get(&path).await;
    assert_eq!((status, &gone["error"], &gone["success"]), (404, &json!("Person not found"), &json!(false)));

    let (_, anyone) = company.get("/v2/persons?limit=1").await;
    let (status, note) =
        company.send(Method::POST, "/v1/notes", json!({"content": "c", "person_id": anyone["data"][0]["id"]})).await;
    let path = format!("/v1/notes/{}", note["data"]["id"]);
    assert_eq!(
        (status, company.send(Method::PUT, &path, json!({"content": "d"})).await.1["data"]["content"].clone()),
        (201, json!("d"))
    );
    assert_eq!(company.send(Method::DELETE, &path, Value::Null).await.1["data"], true);
}

#[tokio::test]
async fn what_is_wrong_is_told() {
    let company = Company::new().await;
    for (path, body, part) in [
        ("/v2/deals", json!({"value": 1}), "title: is required"),
        ("/v2/deals", json!({"title": "x", "value": "1"}), "value: must be a number"),
        ("/v2/deals", json!({"title": "x", "org_id": 999}), "org_id: is not one of the organizations"),
        ("/v2/deals", json!({"title": "x", "status": "odd"}), "status: is not one of"),
        ("/v2/deals", json!({"title": "x", "stage_id": 9}), "stage not found"),
        ("/v2/persons", json!({"name": "x", "shoe": 1}), "shoe: is not allowed"),
        ("/v2/persons", json!({"name": "x", "first_name": "y"}), "first_name: cannot be changed"),
        ("/v2/persons", json!({"name": "x", "emails": [{"label": "work"}]}), "emails: value: is required"),
        ("/v2/persons", json!({"name": "x", "custom_fields": {"abc": 1}}), "custom_fields: abc"),
        ("/v1/notes", json!({"content": "x"}), "One of deal_id"),
        ("/v1/leads", json!({"title": "x"}), "linked to a person or an organization"),
    ] {
        let (status, answer) = company.send(Method::POST, path, body.clone()).await;
        assert!(status == 400 && answer["error"].as_str().unwrap().contains(part), "{body}: {answer}");
    }
    for path in [
        "/v2/persons?limit=501",
        "/v2/persons?cursor=x",
        "/v2/persons?name=x",
        "/v2/persons?updated_since=now",
        "/v2/persons?sort_by=name",
        "/v2/persons/search?term=a",
    ] {
        assert_eq!(company.get(path).await.0, 400, "{path}");
    }
    assert_eq!(company.get("/v2/notes").await.0, 404, "notes are of version 1");
}

#[tokio::test]
async fn lists_page_by_cursor_or_start() {
    let company = Company::new().await;
    let (_, first) = company.get("/v2/persons?limit=3&sort_by=add_time&sort_direction=desc").await;
    assert_eq!(first["data"][0]["name"], "Nakamura");
    let cursor = first["additional_data"]["next_cursor"].as_str().unwrap();
    let (_, second) =
        company.get(&format!("/v2/persons?limit=3&sort_by=add_time&sort_direction=desc&cursor={cursor}")).await;
    assert_eq!(
        (second["data"].as_array().unwrap().len(), &second["additional_data"]["next_cursor"]),
        (1, &json!(null))
    );
    let (_, own) = company.get("/v2/deals?owner_id=2").await;
    assert_eq!(own["data"].as_array().unwrap().len(), 1);
    let (_, late) = company.get("/v2/deals?updated_since=2030-01-01T00:00:00Z").await;
    assert_eq!(late["data"], json!([]));
    let (_, notes) = company.get("/v1/notes?limit=1").await;
    assert_eq!(notes["additional_data"]["pagination"]["next_start"], 1);
    assert_eq!(company.get("/v1/notes?person_id=999").await.1["data"], json!(null), "an empty list of version 1");
    let (_, found) = company.get("/v2/persons/search?term=rinaldi").await;
    assert_eq!(found["data"]["items"][0]["item"]["emails"][0], "giulia.rinaldi@umbra.example.com");
    let (_, fields) = company.get("/v2/personFields").await;
    assert!(
        fields["data"]
            .as_array()
            .unwrap()
            .iter()
            .any(|field| field["is_custom_field"] == true && field["field_name"] == "Favorite color")
    );
}
