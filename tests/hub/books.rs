//! The finance hub, and what is particular to a provider that speaks OData.

use reqwest::Method;
use serde_json::{Value, json};

use super::support::{Gateway, encoded, send};

#[tokio::test]
async fn an_invoice_is_written_changed_and_deleted() {
    let hub = Gateway::demo();
    let books = "quickbooks";
    let customer =
        json!({"displayName": "Difference Ltd", "billingAddress": {"street": "1 Dorset Street", "city": "London"}});
    let customer = hub.json(books, Method::POST, "/hubs/finance/customers", &customer).await.expect(200).body;
    let id = customer["id"].as_str().unwrap();
    let moved = json!({"billingAddress": {"city": "Ockham"}});
    let moved = hub.json(books, Method::PATCH, &format!("/customers/{id}"), &moved).await.expect(200).body;
    assert_eq!(moved["billingAddress"], json!({"street": "1 Dorset Street", "city": "Ockham"}), "{moved}");

    let lines = json!([{"Amount": 100, "DetailType": "SalesItemLineDetail"}]);
    let invoice = json!({"customerId": id, "number": "2001", "date": "2024-05-01", "lines": lines});
    let invoice = hub.json(books, Method::POST, "/invoices", &invoice).await.expect(200).body;
    assert_eq!(invoice["customerName"], "Difference Ltd", "{invoice}");
    assert_eq!(invoice["total"].as_f64(), Some(100.0), "{invoice}");
    let path = format!("/invoices/{}", invoice["id"].as_str().unwrap());
    let changed = hub.json(books, Method::PATCH, &path, &json!({"memo": "Sent by post"})).await.expect(200).body;
    assert_eq!((&changed["version"], &changed["number"]), (&json!("1"), &json!("2001")), "{changed}");
    // The token may come with the id; an old one is a conflict.
    hub.json(books, Method::PATCH, &format!("{path}%7C0"), &json!({"memo": "x"})).await.expect(409);
    hub.json(books, Method::PATCH, &format!("{path}%7C1"), &json!({"memo": "y"})).await.expect(200);

    let found =
        hub.get(books, &format!("/invoices?where={}", encoded(&format!("customerId='{id}'")))).await.expect(200);
    assert_eq!(found.list().len(), 1);
    let or = encoded("number='1001' OR number='1002'");
    let refused = hub.get(books, &format!("/invoices?where={or}")).await.expect(400);
    assert!(refused.body["message"].as_str().unwrap().contains("OR"), "{}", refused.body);
    hub.delete(books, &path).await.expect(200);
    hub.get(books, &path).await.expect(404);
    // Names are made inactive.
    hub.delete(books, &format!("/customers/{id}")).await.expect(200);
    assert_eq!(hub.get(books, &format!("/customers/{id}")).await.expect(200).body["active"], false);
    let active = hub.get(books, "/customers").await.expect(200);
    assert!(active.list().iter().all(|customer| customer["id"] != id), "{}", active.body);
}

#[tokio::test]
async fn ways_to_pay_and_rates_of_tax_are_kept() {
    let hub = Gateway::demo();
    let books = "quickbooks";
    let method = json!({"name": "Gift card", "type": "NON_CREDIT_CARD"});
    let method = hub.json(books, Method::POST, "/hubs/finance/payment-methods", &method).await.expect(200).body;
    let path = format!("/payment-methods/{}", method["id"].as_str().unwrap());
    // The provider clears what a change leaves out, so all of it is sent.
    let changed = hub.json(books, Method::PATCH, &path, &json!({"name": "Voucher"})).await.expect(200).body;
    assert_eq!((&changed["name"], &changed["type"]), (&json!("Voucher"), &json!("NON_CREDIT_CARD")), "{changed}");
    hub.json(books, Method::PATCH, &format!("{path}%7C0"), &json!({"name": "x"})).await.expect(409);
    let cards = hub.get(books, &format!("/payment-methods?where={}", encoded("type='CREDIT_CARD'"))).await.expect(200);
    assert_eq!(cards.names(), ["Visa"]);
    hub.delete(books, &path).await.expect(200);
    assert_eq!(hub.get(books, &path).await.expect(200).body["active"], false);
    let names = hub.get(books, "/payment-methods?orderBy=name").await.expect(200).names();
    assert_eq!(names, ["Cash", "Visa"], "an inactive one is not listed");

    let rates = hub.get(books, &format!("/tax-rates?where={}", encoded("rate > 10"))).await.expect(200);
    assert_eq!(rates.names(), ["Moms 25"]);
    let rate = json!({"name": "Moms 12", "rate": 12, "agencyId": rates.list()[0]["agencyId"]});
    let rate = hub.json(books, Method::POST, "/tax-rates", &rate).await.expect(200).body;
    assert_eq!((rate["rate"].as_f64(), &rate["agencyName"]), (Some(12.0), &rates.list()[0]["agencyName"]), "{rate}");
    let path = format!("/tax-rates/{}", rate["id"].as_str().unwrap());
    assert_eq!(hub.get(books, &path).await.expect(200).body, rate);
    let refused = hub.json(books, Method::PATCH, &path, &json!({"rate": 13})).await.expect(400);
    assert!(refused.body["message"].as_str().unwrap().contains("no tax rate"), "{}", refused.body);
}

#[tokio::test]
async fn a_token_is_given_back_in_json_by_the_client() {
    let hub = Gateway::demo();
    let books = "quickbooks";
    hub.control(books, Method::POST, "/log", &json!({"bodies": 4096})).await;
    send(hub.platform(Method::DELETE, &format!("/instances/{}", hub.instance_id(books)))).await.expect(200);
    // The caller need not wait for it.
    let until = std::time::Instant::now() + std::time::Duration::from_secs(60);
    let told = loop {
        assert!(std::time::Instant::now() < until, "the token is not given back");
        let log = hub.control(books, Method::GET, "/log", &Value::Null).await;
        let calls = log["calls"].as_array().unwrap();
        if let Some(call) = calls.iter().find(|call| call["path"] == "/v2/oauth2/tokens/revoke") {
            break call.clone();
        }
    };
    // The provider's imitation takes a known token, in JSON, from its client in a Basic header, and nothing else.
    assert_eq!((&told["method"], &told["status"]), (&json!("POST"), &json!(200)), "{told}");
    assert_eq!(told["headers"]["content-type"], "application/json", "{told}");
    assert_eq!(told["headers"]["authorization"], "Basic …", "{told}");
    let body = base64::Engine::decode(
        &base64::engine::general_purpose::STANDARD,
        told["request_body"]["base64"].as_str().unwrap(),
    );
    let body: Value = serde_json::from_slice(&body.unwrap()).unwrap();
    let members = body.as_object().unwrap();
    assert!(members.len() == 1 && members["token"].as_str().unwrap().starts_with("RT1-"), "only the refresh token");
}

#[tokio::test]
async fn metadata_tells_the_choices_of_fields() {
    let hub = Gateway::demo();
    for (object, field, value, label) in [
        ("leads", "leadsourcecode", 8, "Web"),
        ("accounts", "industrycode", 7, "Consulting"),
        ("tasks", "statuscode", 5, "Completed"),
        ("tasks", "statecode", 0, "Open"),
    ] {
        let told = hub.get("dynamicscrmadfs", &format!("/hubs/crm/objects/{object}/metadata")).await.expect(200).body;
        let fields = told["fields"].as_array().unwrap();
        let field = fields.iter().find(|known| known["vendorPath"] == field).unwrap();
        let choices = field["picklistValues"].as_array().unwrap_or_else(|| panic!("no choices: {field}"));
        assert!(choices.contains(&json!({"label": label, "value": value, "active": true})), "{object}: {field}");
    }
}

#[tokio::test]
async fn the_envelope_of_native_records_may_be_sent_or_left_out() {
    let hub = Gateway::demo();
    let org = "dynamicscrmadfs";
    // A change never makes a record.
    let nobody = "/contacts/00000000-0000-0000-0000-000000000001";
    hub.json(org, Method::PATCH, nobody, &json!({"lastName": "X"})).await.expect(404);
    let id = hub.instance_id(org);
    let change = json!({"configuration": {"response.model": "native"}});
    send(hub.platform(Method::PATCH, &format!("/instances/{id}")).json(&change)).await.expect(200);
    for body in [json!({"name": "Flat", "address1_city": "Turin"}), json!({"attributes": {"name": "In attributes"}})] {
        let made = hub.json(org, Method::POST, "/hubs/crm/accounts", &body).await.expect(200).body;
        let own = &made["attributes"];
        let name = body.get("name").unwrap_or_else(|| &body["attributes"]["name"]);
        assert_eq!(&own["name"], name, "{made}");
        let id = own["accountid"].as_str().unwrap();
        let filter = encoded(&format!("attributes.accountid=\"{id}\""));
        let found = hub.get(org, &format!("/accounts?where={filter}&pageSize=1")).await.expect(200);
        assert_eq!(&found.list()[0]["attributes"]["name"], name);
        let cleared = json!({"attributes": {"name": ""}});
        let cleared = hub.json(org, Method::PATCH, &format!("/accounts/{id}"), &cleared).await.expect(200).body;
        assert!(cleared["attributes"]["name"].is_null(), "{cleared}");
    }
}
