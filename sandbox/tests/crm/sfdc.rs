//! Salesforce: tokens, records, refusals.

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, Mac};
use reqwest::Method;
use sandbox::{CodeRequest, Fault};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::support::{Fixture, REDIRECT, json};

const DATA: &str = "/services/data/v59.0";

async fn org() -> Fixture {
    Fixture::new("sfdc").await
}

async fn get(org: &Fixture, path: &str) -> (u16, Value) {
    json(org.request(Method::GET, &format!("{DATA}{path}")).send().await.unwrap()).await
}

async fn send(org: &Fixture, method: Method, path: &str, body: &Value) -> (u16, Value) {
    json(org.request(method, &format!("{DATA}{path}")).json(body).send().await.unwrap()).await
}

async fn create(org: &Fixture, object: &str, body: Value) -> String {
    let (status, answer) = send(org, Method::POST, &format!("/sobjects/{object}"), &body).await;
    assert_eq!((status, &answer["success"], &answer["errors"]), (201, &json!(true), &json!([])), "{answer}");
    answer["id"].as_str().unwrap().to_owned()
}

/// The code of a refused create call, and its fields.
async fn refused(org: &Fixture, object: &str, body: Value) -> (String, Value) {
    let (status, answer) = send(org, Method::POST, &format!("/sobjects/{object}"), &body).await;
    assert_eq!(status, 400, "{answer}");
    (answer[0]["errorCode"].as_str().unwrap().to_owned(), answer[0]["fields"].clone())
}

#[tokio::test]
async fn a_token_answer_tells_where_the_interface_is_and_not_how_long_it_lives() {
    let org = org().await;
    let code = org.provider.code(&CodeRequest::new(REDIRECT)).unwrap();
    let (status, first) = json(org.exchange(&code).await).await;
    assert_eq!(status, 200);
    assert_eq!(first["instance_url"], org.provider.origin());
    assert_eq!(first["token_type"], "Bearer");
    assert_eq!(first.get("expires_in"), None);
    assert!(first["issued_at"].as_str().unwrap().parse::<i64>().is_ok());
    let mut mac = Hmac::<Sha256>::new_from_slice(org.provider.client_secret.as_bytes()).unwrap();
    mac.update(format!("{}{}", first["id"].as_str().unwrap(), first["issued_at"].as_str().unwrap()).as_bytes());
    assert_eq!(first["signature"], STANDARD.encode(mac.finalize().into_bytes()));

    let (status, second) = json(org.renew(first["refresh_token"].as_str().unwrap()).await).await;
    assert_eq!(status, 200);
    assert_eq!(second.get("refresh_token"), None, "the old one goes on");
    assert_ne!(second["access_token"], first["access_token"]);

    let (status, again) = json(org.exchange(&code).await).await;
    assert_eq!((status, again["error"].as_str()), (400, Some("invalid_grant")));
    let without = CodeRequest::new(REDIRECT).scope("api");
    let (_, answer) = json(org.exchange(&org.provider.code(&without).unwrap()).await).await;
    assert_eq!(answer.get("refresh_token"), None, "the scope was not asked for");
}

#[tokio::test]
async fn refresh_and_revocation_refusals_have_their_names() {
    let org = org().await;
    let (status, body) = json(org.renew("nonsense").await).await;
    assert_eq!(
        (status, body),
        (400, json!({"error": "invalid_grant", "error_description": "expired access/refresh token"}))
    );
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", org.refresh.as_str()),
        ("client_id", "x"),
        ("client_secret", "y"),
    ];
    let answer = org.client.post(org.provider.url("token")).form(&form).send().await.unwrap();
    assert_eq!(json(answer).await.1["error"], "invalid_client_id");
    let revoke =
        org.client.post(org.provider.url("revoke")).form(&[("token", org.refresh.as_str())]).send().await.unwrap();
    assert_eq!(revoke.status(), 200);
    assert_eq!(org.renew(&org.refresh).await.status(), 400);
    let (status, body) = get(&org, "/sobjects").await;
    assert_eq!(status, 401);
    assert_eq!(body, json!([{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}]));
}

#[tokio::test]
async fn a_session_ends() {
    let org = org().await;
    assert_eq!(get(&org, "/limits").await.0, 200);
    org.provider.advance(2 * 3600 + 1);
    let (status, body) = get(&org, "/limits").await;
    assert_eq!((status, body[0]["errorCode"].as_str()), (401, Some("INVALID_SESSION_ID")));
    let bare = org.bare(Method::GET, &format!("{DATA}/sobjects")).send().await.unwrap();
    assert_eq!(bare.status(), 401);
}

#[tokio::test]
async fn the_identity_service_knows_the_user() {
    let org = org().await;
    let (status, info) = json(org.request(Method::GET, "/services/oauth2/userinfo").send().await.unwrap()).await;
    assert_eq!((status, info["email"].as_str()), (200, Some("ada@example.com")));
    let path = info["sub"].as_str().unwrap().strip_prefix(org.provider.origin()).unwrap().to_owned();
    let (status, id) = json(org.request(Method::GET, &path).send().await.unwrap()).await;
    assert_eq!((status, &id["user_id"]), (200, &info["user_id"]));
    let bad = org.bare(Method::GET, "/services/oauth2/userinfo").bearer_auth("x").send().await.unwrap();
    assert_eq!((bad.status().as_u16(), bad.text().await.unwrap()), (403, "Bad_OAuth_Token".to_owned()));
}

#[tokio::test]
async fn a_record_lives_and_dies() {
    let org = org().await;
    let body = json!({"FirstName": "Ada", "lastname": "Byron", "Email": "ada@byron.example.com", "Loyalty_Points__c": 5,
        "Birthdate": "1815-12-10", "Description": ""});
    let id = create(&org, "Contact", body).await;
    assert_eq!((id.len(), &id[..3]), (18, "003"));
    let (status, record) = get(&org, &format!("/sobjects/Contact/{id}")).await;
    assert_eq!(status, 200);
    assert_eq!(record["attributes"], json!({"type": "Contact", "url": format!("{DATA}/sobjects/Contact/{id}")}));
    assert_eq!(record["Name"], "Ada Byron");
    assert_eq!(record["Loyalty_Points__c"], json!(5.0));
    assert_eq!(record["Description"], Value::Null);
    assert_eq!(record["HasOptedOutOfEmail"], false);
    assert!(record["CreatedDate"].as_str().unwrap().ends_with(".000+0000"));
    assert_eq!(&record["OwnerId"].as_str().unwrap()[..3], "005");
    let short = &id[..15];
    let (_, part) = get(&org, &format!("/sobjects/contact/{short}?fields=email,MailingAddress")).await;
    let members: Vec<_> = part.as_object().unwrap().keys().cloned().collect();
    assert_eq!(members, ["attributes", "Email", "MailingAddress", "Id"]);

    let path = format!("/sobjects/Contact/{id}");
    let (status, body) = send(&org, Method::PATCH, &path, &json!({"LastName": "King", "MailingCity": "London"})).await;
    assert_eq!((status, body), (204, json!("")));
    let (_, record) = get(&org, &path).await;
    assert_eq!(
        (record["Name"].as_str(), record["MailingAddress"]["city"].as_str()),
        (Some("Ada King"), Some("London"))
    );

    let deleted = org.request(Method::DELETE, &format!("{DATA}{path}")).send().await.unwrap();
    assert_eq!(deleted.status(), 204);
    for method in [Method::GET, Method::DELETE] {
        let (status, body) = json(org.request(method, &format!("{DATA}{path}")).send().await.unwrap()).await;
        assert_eq!((status, body), (404, json!([{"message": "entity is deleted", "errorCode": "ENTITY_IS_DELETED"}])));
    }
}

#[tokio::test]
async fn unknown_records_objects_and_paths_are_not_found() {
    let org = org().await;
    for path in ["/sobjects/Nope", "/sobjects/Nope/describe", "/nope", "/sobjects/Contact/0035e000009ZZZZ"] {
        let (status, body) = get(&org, path).await;
        assert_eq!((status, body[0]["errorCode"].as_str()), (404, Some("NOT_FOUND")), "{path}");
    }
    let (status, body) = get(&org, "/sobjects/Contact/5").await;
    assert_eq!(status, 404);
    assert_eq!(body[0]["message"], "Provided external ID field does not exist or is not accessible: 5");
    let (status, body) = get(&org, "/sobjects/Contact/0035e000000000zAA2").await;
    assert_eq!((status, body[0]["errorCode"].as_str()), (400, Some("MALFORMED_ID")));
    let (status, body) =
        json(org.request(Method::PUT, &format!("{DATA}/sobjects/Contact")).send().await.unwrap()).await;
    assert_eq!((status, body[0]["errorCode"].as_str()), (405, Some("METHOD_NOT_ALLOWED")));
    assert_eq!(org.request(Method::GET, "/services/data/v12.0/sobjects").send().await.unwrap().status(), 404);
}

#[tokio::test]
async fn bodies_are_checked_before_anything_is_kept() {
    let org = org().await;
    let cases = [
        ("Contact", json!({"FirstName": "x"}), "REQUIRED_FIELD_MISSING", json!(["LastName"])),
        ("Lead", json!({"Email": "a@example.com"}), "REQUIRED_FIELD_MISSING", json!(["LastName", "Company"])),
        ("Opportunity", json!({"Name": "x"}), "REQUIRED_FIELD_MISSING", json!(["StageName", "CloseDate"])),
        ("Contact", json!({"LastName": ""}), "REQUIRED_FIELD_MISSING", json!(["LastName"])),
        ("Contact", json!({"LastName": "x", "Nope": 1}), "INVALID_FIELD", Value::Null),
        ("Contact", json!({"LastName": "x", "Id": "0035e000001"}), "INVALID_FIELD", Value::Null),
        (
            "Contact",
            json!({"LastName": "x", "CreatedDate": "2024-01-01T00:00:00Z"}),
            "INVALID_FIELD_FOR_INSERT_UPDATE",
            json!(["CreatedDate"]),
        ),
        ("Contact", json!({"LastName": "x", "Name": "y"}), "INVALID_FIELD_FOR_INSERT_UPDATE", json!(["Name"])),
        ("Contact", json!({"LastName": "x", "FirstName": "y".repeat(41)}), "STRING_TOO_LONG", json!(["FirstName"])),
        ("Contact", json!({"LastName": "x", "Email": "nobody"}), "INVALID_EMAIL_ADDRESS", json!(["Email"])),
        ("Contact", json!({"LastName": "x", "AccountId": "nope"}), "MALFORMED_ID", json!(["AccountId"])),
        (
            "Contact",
            json!({"LastName": "x", "AccountId": "0035e000000XNXO"}),
            "FIELD_INTEGRITY_EXCEPTION",
            json!(["AccountId"]),
        ),
        (
            "Contact",
            json!({"LastName": "x", "AccountId": "0015e000009ZZZZ"}),
            "INVALID_CROSS_REFERENCE_KEY",
            json!(["AccountId"]),
        ),
        ("Contact", json!({"LastName": 5}), "JSON_PARSER_ERROR", Value::Null),
        ("Contact", json!({"LastName": "x", "Birthdate": "01/02/2000"}), "JSON_PARSER_ERROR", Value::Null),
        ("Contact", json!({"LastName": "x", "Loyalty_Points__c": "many"}), "JSON_PARSER_ERROR", Value::Null),
        ("Contact", json!({"LastName": "x", "DoNotCall": "maybe"}), "JSON_PARSER_ERROR", Value::Null),
        (
            "Contact",
            json!({"LastName": "x", "DoNotCall": null}),
            "INVALID_TYPE_ON_FIELD_IN_RECORD",
            json!(["DoNotCall"]),
        ),
        ("Account", json!({"Name": "x", "NumberOfEmployees": 1.5}), "JSON_PARSER_ERROR", Value::Null),
        (
            "Account",
            json!({"Name": "x", "AnnualRevenue": 1e17}),
            "NUMBER_OUTSIDE_VALID_RANGE",
            json!(["AnnualRevenue"]),
        ),
        ("Task", json!({"ReminderDateTime": "2024-01-01 10:00:00"}), "JSON_PARSER_ERROR", Value::Null),
        ("Event", json!({"Subject": "x"}), "REQUIRED_FIELD_MISSING", json!(["ActivityDateTime", "DurationInMinutes"])),
        ("Note", json!({"Title": "x"}), "REQUIRED_FIELD_MISSING", json!(["ParentId"])),
        ("My_Object__c", json!({"Stage__c": "Nope"}), "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", json!(["Stage__c"])),
        ("My_Object__c", json!({"External_Key__c": "K-1"}), "DUPLICATE_VALUE", json!([])),
    ];
    for (object, body, code, fields) in cases {
        let shown = body.to_string();
        assert_eq!(refused(&org, object, body).await, (code.to_owned(), fields), "{object} {shown}");
    }
    let path = format!("{DATA}/sobjects/Contact");
    let text =
        org.request(Method::POST, &path).body("{").header("content-type", "application/json").send().await.unwrap();
    let (status, body) = json(text).await;
    assert_eq!((status, body[0]["errorCode"].as_str()), (400, Some("JSON_PARSER_ERROR")));
    let form = org.request(Method::POST, &path).form(&[("LastName", "x")]).send().await.unwrap();
    assert_eq!(form.status(), 415);
    let (_, count) = get(&org, "/query?q=SELECT+COUNT()+FROM+Contact").await;
    assert_eq!(count["totalSize"], 4);
}

#[tokio::test]
async fn updates_are_checked_like_creations() {
    let org = org().await;
    let id = create(&org, "Task", json!({"Subject": "Call"})).await;
    let path = format!("/sobjects/Task/{id}");
    for (body, code) in [
        (json!({"Status": null}), "REQUIRED_FIELD_MISSING"),
        (json!({"TaskSubtype": "Call"}), "INVALID_FIELD_FOR_INSERT_UPDATE"),
        (json!({"Id": id}), "INVALID_FIELD"),
        (json!({"WhoId": "001"}), "MALFORMED_ID"),
    ] {
        let (status, answer) = send(&org, Method::PATCH, &path, &body).await;
        assert_eq!((status, answer[0]["errorCode"].as_str()), (400, Some(code)), "{body}");
    }
    assert_eq!(send(&org, Method::PATCH, &path, &json!({"Status": "Completed", "Priority": "High"})).await.0, 204);
    let (_, task) = get(&org, &path).await;
    assert_eq!((&task["IsClosed"], &task["IsHighPriority"]), (&json!(true), &json!(true)));
    assert!(task["CompletedDateTime"].is_string());
}

#[tokio::test]
async fn computed_fields_follow() {
    let org = org().await;
    let deal = json!({"Name": "x", "StageName": "Closed Won", "Amount": 100, "CloseDate": "2024-05-01"});
    let id = create(&org, "Opportunity", deal).await;
    let (_, deal) = get(&org, &format!("/sobjects/Opportunity/{id}")).await;
    assert_eq!(
        (&deal["IsWon"], &deal["Probability"], &deal["ExpectedRevenue"]),
        (&json!(true), &json!(100.0), &json!(100.0))
    );
    assert_eq!((&deal["FiscalYear"], &deal["FiscalQuarter"]), (&json!(2024), &json!(2)));
    let event = json!({"Subject": "x", "StartDateTime": "2024-01-01T10:00:00Z", "EndDateTime": "2024-01-01T11:30:00Z"});
    let id = create(&org, "Event", event).await;
    let (_, event) = get(&org, &format!("/sobjects/Event/{id}")).await;
    assert_eq!((&event["DurationInMinutes"], event["ActivityDate"].as_str()), (&json!(90), Some("2024-01-01")));
}

#[tokio::test]
async fn records_are_upserted_by_an_external_key() {
    let org = org().await;
    let path = "/sobjects/My_Object__c/External_Key__c/K-9";
    let (status, made) = send(&org, Method::PATCH, path, &json!({"Name": "Ninth"})).await;
    assert_eq!((status, &made["created"]), (201, &json!(true)));
    let (status, changed) = send(&org, Method::PATCH, path, &json!({"Name": "Ninth again"})).await;
    assert_eq!((status, &changed["created"], &changed["id"]), (200, &json!(false), &made["id"]));
    assert_eq!(get(&org, path).await.1["Name"], "Ninth again");
    assert_eq!(send(&org, Method::PATCH, "/sobjects/Contact/Email/x", &json!({"LastName": "x"})).await.0, 404);
}

#[tokio::test]
async fn objects_describe_themselves() {
    let org = org().await;
    let (_, all) = get(&org, "/sobjects").await;
    let names: Vec<_> =
        all["sobjects"].as_array().unwrap().iter().map(|object| object["name"].as_str().unwrap()).collect();
    for name in
        ["Account", "Contact", "Lead", "Opportunity", "Task", "Event", "Note", "User", "Campaign", "My_Object__c"]
    {
        assert!(names.contains(&name), "{name}");
    }
    let (_, contact) = get(&org, "/sobjects/Contact/describe").await;
    let field = |name: &str| {
        let fields = contact["fields"].as_array().unwrap();
        fields.iter().find(|field| field["name"] == name).unwrap_or_else(|| panic!("{name}")).clone()
    };
    assert_eq!(contact["keyPrefix"], "003");
    assert_eq!((&field("LastName")["nillable"], &field("LastName")["length"]), (&json!(false), &json!(80)));
    assert_eq!((&field("Id")["createable"], &field("Id")["type"]), (&json!(false), &json!("id")));
    assert_eq!(
        (&field("Description")["filterable"], &field("Description")["type"]),
        (&json!(false), &json!("textarea"))
    );
    assert_eq!(field("AccountId")["referenceTo"], json!(["Account"]));
    assert_eq!(field("LeadSource")["picklistValues"][0]["value"], "Web");
    assert_eq!(
        (&field("Favorite_Color__c")["custom"], &field("Loyalty_Points__c")["type"]),
        (&json!(true), &json!("double"))
    );
    assert_eq!(field("OwnerId")["defaultedOnCreate"], true);
    let (_, root) = get(&org, "/sobjects/Contact").await;
    assert_eq!(root["objectDescribe"]["label"], "Contact");
    assert_eq!(root["recentItems"].as_array().unwrap().len(), 4);
}

#[tokio::test]
async fn limits_are_told_and_enforced_on_demand() {
    let org = org().await;
    let answer = org.request(Method::GET, &format!("{DATA}/limits")).send().await.unwrap();
    assert_eq!(answer.headers()["sforce-limit-info"], "api-usage=1/15000");
    assert_eq!(json(answer).await.1["DailyApiRequests"]["Max"], 15_000);
    org.provider.fault(Fault { path: DATA.to_owned(), times: Some(1), status: Some(403), ..Fault::default() });
    let (status, body) = get(&org, "/limits").await;
    assert_eq!(
        (status, body),
        (403, json!([{"message": "TotalRequests Limit exceeded.", "errorCode": "REQUEST_LIMIT_EXCEEDED"}]))
    );
    assert_eq!(get(&org, "/limits").await.0, 200);
}

#[tokio::test]
async fn a_reset_brings_the_first_records_back() {
    let org = org().await;
    create(&org, "Contact", json!({"LastName": "x"})).await;
    org.provider.reset();
    let mut org = org;
    org.connect(2).await;
    let (_, count) = get(&org, "/query?q=SELECT+COUNT()+FROM+Contact").await;
    assert_eq!(count["totalSize"], 4);
}

#[tokio::test]
async fn an_inactive_user_owns_nothing_new() {
    let org = org().await;
    let (_, body) = get(&org, "/query?q=SELECT+Id+FROM+User+WHERE+IsActive=false").await;
    let owner = body["records"][0]["Id"].clone();
    assert_eq!(refused(&org, "Contact", json!({"LastName": "x", "OwnerId": owner})).await.0, "INACTIVE_OWNER_OR_USER");
}

#[tokio::test]
async fn changes_are_told_by_the_minute() {
    let org = org().await;
    let window = "start=2024-01-01T00:00:00%2B00:00&end=2024-01-02T00:00:00%2B00:00";
    let (status, body) = get(&org, &format!("/sobjects/Contact/updated/?{window}")).await;
    assert_eq!((status, body["ids"].as_array().unwrap().len()), (200, 4));
    let (_, body) = get(&org, &format!("/sobjects/Contact/deleted/?{window}")).await;
    assert_eq!(body["deletedRecords"], json!([]));
    for bad in ["start=2024-01-02T00:00:00Z&end=2024-01-01T00:00:00Z", "start=2024-01-02T00:00:00Z", "start=x&end=y"] {
        assert_eq!(get(&org, &format!("/sobjects/Contact/updated/?{bad}")).await.0, 400, "{bad}");
    }
}

#[tokio::test]
async fn an_end_user_consents_or_does_not() {
    for key in ["sfdc", "hubspot"] {
        let fixture = Fixture::new(key).await;
        let ask = |decision: &str| {
            let query = [
                ("client_id", fixture.provider.client_id.as_str()),
                ("response_type", "code"),
                ("redirect_uri", REDIRECT),
                ("scope", "api oauth"),
                ("state", "s t"),
                ("_decision", decision),
            ];
            fixture.client.get(fixture.provider.url("authorize")).query(&query).send()
        };
        let answer = ask("allow").await.unwrap();
        assert_eq!(answer.status(), 302, "{key}");
        let back = answer.headers()["location"].to_str().unwrap().to_owned();
        assert!(back.starts_with(REDIRECT) && back.contains("code=") && back.contains("state=s+t"), "{back}");
        let back = ask("deny").await.unwrap().headers()["location"].to_str().unwrap().to_owned();
        assert!(back.contains("error=access_denied"), "{back}");
    }
}
