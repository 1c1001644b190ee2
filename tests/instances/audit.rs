//! `/audit-logs`: an account's records, and nobody else's.

use serde_json::{Value, json};

use super::{create, ledger, path, start, support::pointers};

fn actions(records: &Value) -> Vec<&str> {
    records.as_array().unwrap().iter().map(|record| record["action"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn an_account_sees_who_did_what_with_its_instances() {
    let (_provider, gateway) = start().await;
    let (ann, ben) = (gateway.user("ann@acme.example").await, gateway.user("ben@bolt.example").await);
    let (made, other) = (create(&ann, ledger()).await, create(&ann, ledger()).await);
    let own = gateway.element(&made["token"]);
    // Who comes with the token learns nothing by reading it; who comes with the account does.
    own.get("/instances").await.ok();
    own.get(&path(&made)).await.ok();
    own.patch("/instances", json!({"name": "mine"})).await.ok();
    ann.get(&path(&made)).await.ok();
    ann.get("/instances").await.ok();
    ann.get(&format!("{}/configuration", path(&made))).await.ok();
    ann.get("/instances/count").await.ok();
    ann.post("/instances", json!({"element": {"key": "ledger"}})).await.refused(400);
    assert_eq!(ann.delete(&path(&made)).await.status, 200);

    let answer = ann.get("/audit-logs").await;
    assert_eq!(answer.header("elements-returned-count"), Some("7"));
    let records = answer.ok();
    assert_eq!(
        actions(&records),
        [
            "instance.deleted",
            "instance.read",
            "instance.read",
            "instance.changed",
            "instance.created",
            "instance.created",
            "account.created"
        ]
    );
    let (listed, changed, first) = (&records[1], &records[3], &records[5]);
    assert_eq!(listed["instances"], json!([made["id"], other["id"]]));
    assert_eq!(changed["actor"], json!({"type": "instance", "id": made["id"]}));
    assert_eq!(changed["details"], json!({"element": "ledger", "changed": ["name"]}));
    assert_eq!((first["actor"]["type"].as_str(), first["instances"][0].as_i64()), (Some("user"), made["id"].as_i64()));
    assert_eq!(first["requestId"].as_str().unwrap().len(), 24);
    assert_eq!(first["hash"].as_str().unwrap().len(), 64);
    assert_eq!(records[6]["actor"]["type"], "operator");

    let of = async |filter: &str| {
        let query: String = url::form_urlencoded::Serializer::new(String::new()).append_pair("where", filter).finish();
        ann.get(&format!("/audit-logs?{query}")).await
    };
    let about = format!("instanceId = {} AND action = 'instance.read'", other["id"]);
    assert_eq!(actions(&of(&about).await.ok()), ["instance.read"]);
    assert_eq!(of("createdDate < '2020-01-01'").await.ok(), json!([]));
    assert_eq!(pointers(&of("hash = 'x'").await.refused(400)), ["where"]);

    let first = ann.get("/audit-logs?pageSize=5").await;
    let cursor = first.header("elements-next-page-token").unwrap().to_owned();
    assert_eq!(first.ok().as_array().unwrap().len(), 5);
    let second = ann.get(&format!("/audit-logs?pageSize=5&nextPage={cursor}")).await;
    assert_eq!(second.header("elements-next-page-token"), None);
    assert_eq!(actions(&second.ok()), ["instance.created", "account.created"]);

    assert_eq!(actions(&ben.get("/audit-logs").await.ok()), ["account.created"]);
    ben.get(&format!("/audit-logs?nextPage={cursor}")).await.refused(400);
    gateway.element(&other["token"]).get("/audit-logs").await.refused(401);
}
