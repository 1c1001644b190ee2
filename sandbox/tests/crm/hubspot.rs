//! HubSpot: tokens, records, refusals.

use reqwest::Method;
use sandbox::{CodeRequest, Fault};
use serde_json::{Value, json};

use crate::support::{Fixture, REDIRECT, json};

async fn account() -> Fixture {
    Fixture::new("hubspot").await
}

async fn get(account: &Fixture, path: &str) -> (u16, Value) {
    json(account.request(Method::GET, path).send().await.unwrap()).await
}

async fn send(account: &Fixture, method: Method, path: &str, body: Value) -> (u16, Value) {
    json(account.request(method, path).json(&body).send().await.unwrap()).await
}

async fn create(account: &Fixture, object: &str, properties: Value) -> (u16, Value) {
    send(account, Method::POST, &format!("/crm/v3/objects/{object}"), json!({ "properties": properties })).await
}

/// The error code of a refused property value.
async fn refused(account: &Fixture, object: &str, properties: Value) -> String {
    let (status, body) = create(account, object, properties).await;
    assert_eq!((status, body["category"].as_str()), (400, Some("VALIDATION_ERROR")), "{body}");
    assert_eq!(body["status"], "error");
    assert_eq!(body["correlationId"].as_str().unwrap().len(), 36);
    let list = body["message"].as_str().unwrap().strip_prefix("Property values were not valid: ").unwrap();
    let list: Value = serde_json::from_str(list).unwrap();
    assert_eq!(list[0]["isValid"], false);
    assert_eq!(body["errors"][0]["code"], list[0]["error"]);
    list[0]["error"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn tokens_live_half_an_hour_and_the_refresh_token_stays() {
    let account = account().await;
    let (status, body) = json(account.renew(&account.refresh).await).await;
    assert_eq!(status, 200);
    assert_eq!((&body["expires_in"], &body["token_type"]), (&json!(1800), &json!("bearer")));
    assert_eq!(body["refresh_token"], account.refresh);
    assert_eq!(get(&account, "/crm/v3/owners").await.0, 200);
    account.provider.advance(1801);
    let (status, body) = get(&account, "/crm/v3/owners").await;
    assert_eq!((status, body["category"].as_str()), (401, Some("EXPIRED_AUTHENTICATION")));
    let (status, body) = json(account.bare(Method::GET, "/crm/v3/owners").send().await.unwrap()).await;
    assert_eq!((status, body["category"].as_str()), (401, Some("INVALID_AUTHENTICATION")));
}

#[tokio::test]
async fn token_refusals_have_their_own_shape() {
    let account = account().await;
    let (status, body) = json(account.renew("nonsense").await).await;
    assert_eq!((status, body["status"].as_str()), (400, Some("BAD_REFRESH_TOKEN")));
    assert_eq!(body["message"], "missing or invalid refresh token");
    let (status, body) = json(account.exchange("nonsense").await).await;
    assert_eq!((status, body["status"].as_str()), (400, Some("BAD_AUTH_CODE")));
    let body = json!({"grant_type": "refresh_token", "refresh_token": account.refresh});
    let answer = account.client.post(account.provider.url("token")).json(&body).send().await.unwrap();
    assert_eq!(answer.status(), 415, "a form only");
    let form = [("grant_type", "refresh_token"), ("refresh_token", account.refresh.as_str())];
    let basic = account.client.post(account.provider.url("token")).form(&form);
    let basic =
        basic.basic_auth(&account.provider.client_id, Some(&account.provider.client_secret)).send().await.unwrap();
    assert_eq!(basic.status(), 400, "credentials in the body only");
}

#[tokio::test]
async fn tokens_can_be_looked_at_and_revoked() {
    let account = account().await;
    let path = |kind: &str, token: &str| format!("/oauth/v1/{kind}-tokens/{token}");
    let (status, body) = json(account.bare(Method::GET, &path("access", &account.access)).send().await.unwrap()).await;
    assert_eq!((status, body["user"].as_str()), (200, Some("ada@example.com")));
    assert_eq!(body["token_type"], "access");
    assert!(body["scopes"].as_array().unwrap().contains(&json!("crm.objects.contacts.read")));
    let refresh = path("refresh", &account.refresh);
    let (status, body) = json(account.bare(Method::GET, &refresh).send().await.unwrap()).await;
    assert_eq!((status, body["client_id"].as_str()), (200, Some(account.provider.client_id.as_str())));
    assert_eq!(account.bare(Method::DELETE, &refresh).send().await.unwrap().status(), 204);
    assert_eq!(account.bare(Method::GET, &refresh).send().await.unwrap().status(), 404);
    assert_eq!(account.renew(&account.refresh).await.status(), 400);
    assert_eq!(get(&account, "/crm/v3/owners").await.0, 200, "the access token lives on");
    assert_eq!(account.bare(Method::GET, &path("access", "x")).send().await.unwrap().status(), 404);
}

#[tokio::test]
async fn a_token_does_what_its_scopes_say() {
    let mut account = account().await;
    let request = CodeRequest::new(REDIRECT).scope("oauth crm.objects.contacts.read");
    let (_, body) = json(account.exchange(&account.provider.code(&request).unwrap()).await).await;
    account.access = body["access_token"].as_str().unwrap().to_owned();
    assert_eq!(get(&account, "/crm/v3/objects/contacts").await.0, 200);
    assert_eq!(send(&account, Method::POST, "/crm/v3/objects/contacts/search", json!({})).await.0, 200);
    let (status, body) = create(&account, "contacts", json!({"lastname": "x"})).await;
    assert_eq!((status, body["category"].as_str()), (403, Some("MISSING_SCOPES")));
    assert_eq!(body["errors"][0]["context"]["requiredGranularScopes"], json!(["crm.objects.contacts.write"]));
    assert_eq!(get(&account, "/crm/v3/objects/deals").await.0, 403);
    assert!(
        account
            .provider
            .approve(
                &format!(
                    "{}?client_id=hubspot-sandbox-client&response_type=code&redirect_uri={REDIRECT}",
                    account.provider.url("authorize")
                ),
                1
            )
            .is_err(),
        "a scope is required"
    );
}

#[tokio::test]
async fn a_record_lives_and_is_archived() {
    let account = account().await;
    let sent =
        json!({"email": "New.Person@Example.com", "firstname": "New", "favorite_color": "red", "loyalty_points": "7"});
    let (status, made) = create(&account, "contacts", sent).await;
    assert_eq!(status, 201, "{made}");
    let id = made["id"].as_str().unwrap();
    assert_eq!(made["properties"]["email"], "new.person@example.com");
    assert_eq!(made["properties"]["hs_object_id"], id);
    assert_eq!(made["properties"]["hs_email_domain"], "example.com");
    assert_eq!(made["archived"], false);
    assert!(made["createdAt"].as_str().unwrap().ends_with('Z'));

    let path = format!("/crm/v3/objects/contacts/{id}");
    let (_, usual) = get(&account, &path).await;
    let names: Vec<_> = usual["properties"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(names, ["createdate", "email", "firstname", "hs_object_id", "lastmodifieddate", "lastname"]);
    assert_eq!(usual["properties"]["lastname"], Value::Null);
    let (_, asked) = get(&account, &format!("{path}?properties=phone,favorite_color&properties=nope")).await;
    let names: Vec<_> = asked["properties"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(names, ["createdate", "favorite_color", "hs_object_id", "lastmodifieddate", "phone"]);
    let (status, same) = get(&account, "/crm/v3/objects/contacts/new.person@example.com?idProperty=email").await;
    assert_eq!((status, same["id"].as_str()), (200, Some(id)));

    let (status, changed) =
        send(&account, Method::PATCH, &path, json!({"properties": {"phone": "1", "firstname": ""}})).await;
    assert_eq!(status, 200);
    assert_eq!(changed["properties"]["phone"], "1");
    assert_eq!(changed["properties"].get("email"), None, "only what was changed");
    assert_eq!(get(&account, &path).await.1["properties"]["firstname"], Value::Null);

    for _ in 0..2 {
        assert_eq!(account.request(Method::DELETE, &path).send().await.unwrap().status(), 204);
    }
    let (status, body) = get(&account, &path).await;
    assert_eq!((status, body["category"].as_str()), (404, Some("OBJECT_NOT_FOUND")));
    let (status, body) = get(&account, &format!("{path}?archived=true")).await;
    assert_eq!((status, &body["archived"], body["archivedAt"].is_string()), (200, &json!(true), true));
    assert_eq!(send(&account, Method::PATCH, &path, json!({"properties": {"phone": "2"}})).await.0, 404);
    assert_eq!(
        create(&account, "contacts", json!({"email": "new.person@example.com"})).await.0,
        201,
        "the address is free"
    );
}

#[tokio::test]
async fn values_are_checked() {
    let account = account().await;
    for (object, properties, code) in [
        ("contacts", json!({"nope": "x"}), "PROPERTY_DOESNT_EXIST"),
        ("contacts", json!({"email": "nobody"}), "INVALID_EMAIL"),
        ("contacts", json!({"lifecyclestage": "nope"}), "INVALID_OPTION"),
        ("contacts", json!({"loyalty_points": "many"}), "INVALID_DOUBLE"),
        ("contacts", json!({"createdate": "1704067200000"}), "READ_ONLY_VALUE"),
        ("contacts", json!({"hs_object_id": "5"}), "READ_ONLY_VALUE"),
        ("contacts", json!({"hubspot_owner_id": "5"}), "INVALID_OWNER_ID"),
        ("companies", json!({"name": "x", "industry": "Retail"}), "INVALID_OPTION"),
        ("deals", json!({"dealname": "x", "dealstage": "Closed Won"}), "INVALID_OPTION"),
        ("deals", json!({"dealname": "x", "dealstage": "closedwon", "closedate": "tomorrow"}), "INVALID_LONG"),
        ("my_object", json!({"name": "x", "due": "1704067200001"}), "INVALID_DATE"),
    ] {
        let shown = properties.to_string();
        assert_eq!(refused(&account, object, properties).await, code, "{object} {shown}");
    }
    for (object, properties) in [
        ("contacts", json!({"loyalty_points": 5})),
        ("contacts", json!({"firstname": null})),
        ("contacts", json!({"firstname": ["x"]})),
    ] {
        let (status, body) = create(&account, object, properties).await;
        assert_eq!(status, 400);
        assert!(body["message"].as_str().unwrap().starts_with("Invalid input JSON on line 1"), "{body}");
    }
    let (status, body) = create(&account, "contacts", json!({"nope": "x", "email": "y"})).await;
    assert_eq!((status, body["errors"].as_array().unwrap().len()), (400, 2), "every problem is told");
    let (status, body) =
        send(&account, Method::POST, "/crm/v3/objects/contacts", json!({"email": "a@example.com"})).await;
    assert_eq!(status, 400);
    assert!(body["message"].as_str().unwrap().contains("[properties]"), "{body}");
    let path = "/crm/v3/objects/contacts";
    let answer =
        account.request(Method::POST, path).header("content-type", "application/json").body("{").send().await.unwrap();
    assert_eq!(answer.status(), 400);
    assert_eq!(account.request(Method::PUT, path).send().await.unwrap().status(), 405);
    assert_eq!(get(&account, "/crm/v3/objects/nopes").await.0, 400);
}

#[tokio::test]
async fn what_an_object_needs_is_demanded() {
    let account = account().await;
    for (object, properties, missing) in [
        ("deals", json!({"amount": "5"}), json!(["dealname", "dealstage"])),
        ("tickets", json!({"subject": "x"}), json!(["hs_pipeline_stage"])),
        ("tasks", json!({"hs_task_subject": "x"}), json!(["hs_timestamp"])),
        ("notes", json!({"hs_note_body": "x"}), json!(["hs_timestamp"])),
        ("leads", json!({"hs_lead_label": "HOT"}), json!(["hs_lead_name"])),
    ] {
        let (status, body) = create(&account, object, properties).await;
        assert_eq!((status, body["category"].as_str()), (400, Some("VALIDATION_ERROR")));
        assert_eq!(body["errors"][0]["context"]["properties"], missing, "{object}");
    }
    let (status, _) = create(&account, "leads", json!({"hs_lead_name": "alone"})).await;
    assert_eq!(status, 400, "a lead belongs to a contact or a company");
    let (_, contacts) = get(&account, "/crm/v3/objects/contacts?limit=1").await;
    let contact = contacts["results"][0]["id"].as_str().unwrap();
    let with = |kind: u32| {
        json!({"properties": {"hs_lead_name": "together"}, "associations": [
            {"to": {"id": contact}, "types": [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": kind}]}]})
    };
    let (status, lead) = send(&account, Method::POST, "/crm/v3/objects/leads", with(578)).await;
    assert_eq!(status, 201, "{lead}");
    assert_eq!(send(&account, Method::POST, "/crm/v3/objects/leads", with(9999)).await.0, 400);
    let path = format!("/crm/v3/objects/leads/{}?associations=contacts", lead["id"].as_str().unwrap());
    let (_, lead) = get(&account, &path).await;
    // The primary contact is one without a label, too.
    let both = ["lead_to_contact", "lead_to_contact_unlabeled"].map(|kind| json!({"id": contact, "type": kind}));
    assert_eq!(lead["associations"]["contacts"]["results"], json!(both));
}

#[tokio::test]
async fn an_address_belongs_to_one_contact() {
    let account = account().await;
    let (_, first) = get(&account, "/crm/v3/objects/contacts/sean@ohara.example.com?idProperty=email").await;
    let (status, body) = create(&account, "contacts", json!({"email": "SEAN@ohara.example.com"})).await;
    assert_eq!((status, body["category"].as_str()), (409, Some("CONFLICT")));
    assert_eq!(body["message"], format!("Contact already exists. Existing ID: {}", first["id"].as_str().unwrap()));
    let (_, other) = get(&account, "/crm/v3/objects/contacts/nakamura@example.com?idProperty=email").await;
    let path = format!("/crm/v3/objects/contacts/{}", other["id"].as_str().unwrap());
    let body = json!({"properties": {"email": "sean@ohara.example.com"}});
    assert_eq!(send(&account, Method::PATCH, &path, body).await.0, 409);
    let own = json!({"properties": {"email": "nakamura@example.com"}});
    assert_eq!(send(&account, Method::PATCH, &path, own).await.0, 200);
}

#[tokio::test]
async fn lists_come_in_pages() {
    let account = account().await;
    let (_, first) = get(&account, "/crm/v3/objects/contacts?limit=3&properties=lastname").await;
    assert_eq!(first["results"].as_array().unwrap().len(), 3);
    let after = first["paging"]["next"]["after"].as_str().unwrap();
    assert!(first["paging"]["next"]["link"].as_str().unwrap().contains(after));
    let (_, second) = get(&account, &format!("/crm/v3/objects/contacts?limit=3&after={after}")).await;
    assert_eq!(second["results"].as_array().unwrap().len(), 1);
    assert_eq!(second.get("paging"), None);
    for bad in ["limit=101", "limit=0", "limit=two", "after=x", "archived=maybe"] {
        assert_eq!(get(&account, &format!("/crm/v3/objects/contacts?{bad}")).await.0, 400, "{bad}");
    }
    let (_, archived) = get(&account, "/crm/v3/objects/contacts?archived=true").await;
    assert_eq!(archived["results"], json!([]));
    for object in [
        "companies",
        "deals",
        "tasks",
        "notes",
        "calls",
        "meetings",
        "emails",
        "leads",
        "tickets",
        "p1000001_my_object",
        "2-1000101",
    ] {
        let (status, body) = get(&account, &format!("/crm/v3/objects/{object}")).await;
        assert_eq!((status, body["results"].as_array().unwrap().is_empty()), (200, false), "{object}");
    }
}

#[tokio::test]
async fn properties_describe_themselves_and_can_be_added() {
    let account = account().await;
    let (_, all) = get(&account, "/crm/v3/properties/contacts").await;
    let named = |name: &str| {
        all["results"].as_array().unwrap().iter().find(|property| property["name"] == name).unwrap().clone()
    };
    assert_eq!((&named("email")["hubspotDefined"], &named("email")["type"]), (&json!(true), &json!("string")));
    assert_eq!(named("favorite_color").get("hubspotDefined"), None);
    assert_eq!(
        (&named("loyalty_points")["type"], &named("loyalty_points")["fieldType"]),
        (&json!("number"), &json!("number"))
    );
    assert_eq!(named("createdate")["modificationMetadata"]["readOnlyValue"], true);
    assert_eq!(named("lifecyclestage")["options"][0]["value"], "subscriber");

    let path = "/crm/v3/properties/contacts";
    let body = json!({"name": "shoe_size", "label": "Shoe size", "type": "number", "fieldType": "number", "groupName": "contactinformation"});
    assert_eq!(send(&account, Method::POST, path, body.clone()).await.0, 201);
    assert_eq!(send(&account, Method::POST, path, body).await.0, 409);
    assert_eq!(get(&account, "/crm/v3/properties/contacts/shoe_size").await.1["label"], "Shoe size");
    assert_eq!(create(&account, "contacts", json!({"lastname": "x", "shoe_size": "44"})).await.0, 201);
    assert_eq!(refused(&account, "contacts", json!({"shoe_size": "big"})).await, "INVALID_DOUBLE");
    for bad in [
        json!({"name": "x"}),
        json!({"name": "Big", "label": "x", "type": "string", "fieldType": "text", "groupName": "contactinformation"}),
        json!({"name": "x", "label": "x", "type": "text", "fieldType": "text", "groupName": "contactinformation"}),
        json!({"name": "x", "label": "x", "type": "number", "fieldType": "select", "groupName": "contactinformation"}),
        json!({"name": "x", "label": "x", "type": "string", "fieldType": "text", "groupName": "nope"}),
        json!({"name": "x", "label": "x", "type": "enumeration", "fieldType": "select", "groupName": "contactinformation"}),
    ] {
        assert_eq!(send(&account, Method::POST, path, bad.clone()).await.0, 400, "{bad}");
    }
    assert_eq!(get(&account, "/crm/v3/properties/contacts/nope").await.0, 404);
}

#[tokio::test]
async fn owners_and_own_object_types_are_listed() {
    let account = account().await;
    let (_, owners) = get(&account, "/crm/v3/owners?limit=1").await;
    assert_eq!(owners["results"][0]["email"], "ada@example.com");
    assert_eq!(owners["paging"]["next"]["after"], "1");
    let id = owners["results"][0]["id"].as_str().unwrap();
    assert_eq!(get(&account, &format!("/crm/v3/owners/{id}")).await.1["firstName"], "Ada");
    assert_eq!(get(&account, "/crm/v3/owners/5").await.0, 404);
    assert_eq!(get(&account, "/crm/v3/owners?email=bo@example.com").await.1["results"].as_array().unwrap().len(), 1);
    let (_, schemas) = get(&account, "/crm/v3/schemas").await;
    assert_eq!(schemas["results"][0]["fullyQualifiedName"], "p1000001_my_object");
    assert_eq!(get(&account, "/crm/v3/schemas/2-1000101").await.1["name"], "my_object");
    assert_eq!(get(&account, "/crm-object-schemas/v3/schemas").await.1, schemas);
    assert_eq!(get(&account, "/crm/v3/schemas/contacts").await.0, 404);
}

#[tokio::test]
async fn limits_are_told_and_enforced_on_demand() {
    let account = account().await;
    let answer = account.request(Method::GET, "/crm/v3/owners").send().await.unwrap();
    assert_eq!(answer.headers()["x-hubspot-ratelimit-max"], "110");
    assert_eq!(answer.headers()["x-hubspot-ratelimit-daily-remaining"], "499999");
    account.provider.fault(Fault { path: "/crm".into(), times: Some(1), status: Some(429), ..Fault::default() });
    let (status, body) = get(&account, "/crm/v3/owners").await;
    assert_eq!((status, body["policyName"].as_str()), (429, Some("TEN_SECONDLY_ROLLING")));
    assert_eq!(get(&account, "/crm/v3/owners").await.0, 200);
}
