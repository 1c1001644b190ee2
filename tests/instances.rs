//! `/instances` as an application meets it: over a socket, with a real store and a provider on a port of its own.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails loudly")]

#[path = "instances/audit.rs"]
mod audit;
#[path = "instances/lists.rs"]
mod lists;
#[path = "instances/provider.rs"]
mod provider;
#[path = "instances/support.rs"]
mod support;

use hubgate::store::InstanceFilter;
use provider::Provider;
use serde_json::{Value, json};
use support::{Caller, Gateway, pointers};

const MASK: &str = "********";

async fn start() -> (Provider, Gateway) {
    let provider = Provider::start().await;
    let gateway = Gateway::start(&provider.files(), |_| {}).await;
    (provider, gateway)
}

fn acme(code: &str) -> Value {
    json!({
        "name": "Acme for <b>tenant 7</b>", "element": {"key": "acme"}, "providerData": {"code": code},
        "configuration": {
            "oauth.api.key": "app-1", "oauth.api.secret": "app-secret", "oauth.callback.url": "https://app.example/cb",
            "event.notification.enabled": false, "pagination.max": 50
        },
        "tags": ["tenant-7", "<i>docs</i>", {"id": 1, "name": "x"}]
    })
}

fn ledger() -> Value {
    json!({
        "element": {"key": "ledger"}, "configuration": {"username": "ann", "password": "s3cret"},
        "tags": ["Docs"], "name": "API Instance"
    })
}

/// Counts the caller's own instances without asking the endpoint under test.
async fn stored(gateway: &Gateway) -> u64 {
    let organization_id = gateway.app.store.user_by_email("ann@acme.example").await.unwrap().unwrap().organization_id;
    let filter = InstanceFilter { organization_id, ..InstanceFilter::default() };
    gateway.app.store.count_instances(&filter).await.unwrap()
}

async fn create(caller: &Caller<'_>, body: Value) -> Value {
    caller.post("/instances", body).await.ok()
}

fn path(instance: &Value) -> String {
    format!("/instances/{}", instance["id"])
}

// --- creation ---

#[tokio::test]
async fn a_code_becomes_an_instance_in_the_contracts_shape() {
    let (provider, gateway) = start().await;
    let ann = gateway.user("ann@acme.example").await;
    let answer = ann.post("/instances", acme("good-1")).await;
    assert_eq!(answer.header("cache-control").map(|value| value.contains("no-store")), Some(true));
    let made = answer.ok();
    assert_eq!(made["name"], "Acme for tenant 7");
    assert_eq!(made["tags"], json!(["tenant-7", "docs", "x"]));
    assert_eq!(made["valid"], true);
    assert_eq!(made["disabled"], false);
    assert_eq!(made["externalAuthentication"], "none");
    assert_eq!(made["elementId"], 9001);
    assert_eq!(
        made["element"],
        json!({"id": 9001, "key": "acme", "name": "Acme Files", "hub": "documents", "authentication": {"type": "oauth2"}})
    );
    assert_eq!(made["user"]["emailAddress"], "ann@acme.example");
    assert!(made["token"].as_str().unwrap().len() > 30 && made["createdDate"].as_str().unwrap().ends_with('Z'));
    assert_eq!(
        made["configuration"],
        json!({
            "filter.response.nulls": "true", "region": "eu",
            "oauth.callback.url": "https://app.example/cb", "event.notification.enabled": false, "pagination.max": 50,
            "base.url": format!("{}/v1", provider.origin),
            "oauth.api.key": MASK, "oauth.api.secret": MASK, "oauth.user.token": MASK
        })
    );
    assert!(made.get("providerData").is_none());
    assert_eq!(provider.with(|journal| (journal.exchanges, journal.probes)), (1, 1));
    assert_eq!(ann.get(&path(&made)).await.ok(), made);
    assert_eq!(gateway.element(&made["token"]).get(&path(&made)).await.ok(), made);
    assert_eq!(gateway.element(&made["token"]).get("/instances").await.ok(), made);

    let data = std::fs::read_dir(gateway.home.path().join("data")).unwrap();
    let secrets = ["access-1", "refresh-1", "app-secret", made["token"].as_str().unwrap()];
    for file in data.map(|file| file.unwrap().path()).filter(|file| file.is_file()) {
        let bytes = std::fs::read(&file).unwrap();
        for secret in secrets {
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "{secret} stands in clear in {}", file.display());
        }
    }
}

#[tokio::test]
async fn user_name_and_password_work_as_the_contract_prints_them() {
    let (provider, gateway) = start().await;
    let ann = gateway.user("ann@acme.example").await;
    let made = create(&ann, ledger()).await;
    assert_eq!(made["configuration"], json!({"username": "ann", "password": MASK}));
    assert_eq!(made["element"]["authentication"]["type"], "basic");
    assert_eq!(provider.with(|journal| (journal.exchanges, journal.probes)), (0, 1));

    let mut wrong = ledger();
    wrong["configuration"]["password"] = json!("guess");
    let body = ann.post("/instances", wrong).await.refused(400);
    assert_eq!(body["providerMessage"], "these credentials do not work");
    assert_eq!(stored(&gateway).await, 1);
}

#[tokio::test]
async fn the_built_in_element_with_a_user_name_works_as_printed() {
    let provider = Provider::start().await;
    let gateway = Gateway::start(&[], |config| {
        let root = format!("{}/v1", provider.origin);
        config.elements.entry("closeio".to_owned()).or_default().configuration.insert("base.url".to_owned(), root);
    })
    .await;
    let ann = gateway.user("ann@acme.example").await;
    let body = json!({
        "element": {"key": "closeio"}, "configuration": {"username": "ann", "password": "s3cret"},
        "tags": ["<TAG>"], "name": "<NAME>"
    });
    let made = create(&ann, body).await;
    assert_eq!((&made["configuration"]["username"], &made["configuration"]["password"]), (&json!("ann"), &json!(MASK)));
    // Placeholders are markup, which names nothing.
    assert_eq!((&made["name"], &made["tags"]), (&json!("Close"), &json!([])));
    let changed = ann.put(&path(&made), made.clone()).await.ok();
    assert_eq!(without_dates(&changed), without_dates(&made));
}

#[tokio::test]
async fn what_the_provider_refuses_leaves_nothing_behind() {
    let (provider, gateway) = start().await;
    let ann = gateway.user("ann@acme.example").await;
    let body = ann.post("/instances", acme("spent")).await.refused(400);
    assert_eq!(body["providerMessage"], "code doesn't exist or has expired");
    let mut wrong_client = acme("good-1");
    wrong_client["configuration"]["oauth.api.secret"] = json!("other");
    assert_eq!(ann.post("/instances", wrong_client).await.refused(400)["provider"]["code"], "invalid_client");
    // The code is good, the probe finds the token useless.
    let body = ann.post("/instances", acme("good-but-useless")).await.refused(400);
    assert_eq!(body["providerMessage"], "these credentials do not work");
    provider.set_down(true);
    ann.post("/instances", acme("good-2")).await.refused(502);
    ann.post("/instances", ledger()).await.refused(502);
    let mut denied = acme("");
    denied["providerData"] = json!({"error": "access_denied"});
    assert_eq!(pointers(&ann.post("/instances", denied).await.refused(400)), ["/providerData/error"]);
    assert_eq!(stored(&gateway).await, 0);
    ann.get("/instances").await.refused(404);
}

#[tokio::test]
async fn every_missing_key_is_named() {
    let (provider, gateway) = start().await;
    let ann = gateway.user("ann@acme.example").await;
    let body = json!({"name": "x", "element": {"key": "acme"}, "configuration": {"oauth.api.secret": " "}});
    let body = ann.post("/instances", body).await.refused(400);
    let message = body["message"].as_str().unwrap();
    for key in ["oauth.api.key", "oauth.api.secret", "oauth.callback.url"] {
        assert!(message.contains(key), "{message}");
    }
    assert_eq!(
        pointers(&body),
        [
            "/configuration/oauth.api.key",
            "/configuration/oauth.api.secret",
            "/configuration/oauth.callback.url",
            "/providerData/code"
        ]
    );
    let mut no_code = acme("good");
    no_code.as_object_mut().unwrap().remove("providerData");
    assert_eq!(pointers(&ann.post("/instances", no_code).await.refused(400)), ["/providerData/code"]);
    let mut wrong_choice = acme("good");
    wrong_choice["configuration"]["region"] = json!("mars");
    assert_eq!(pointers(&ann.post("/instances", wrong_choice).await.refused(400)), ["/configuration/region"]);
    assert_eq!(provider.with(|journal| journal.exchanges), 0);
    assert_eq!(stored(&gateway).await, 0);
}

#[tokio::test]
async fn unknown_elements_and_malformed_bodies_are_refused_by_name() {
    let (_provider, gateway) = start().await;
    let ann = gateway.user("ann@acme.example").await;
    for element in [json!({"key": "nosuch"}), json!({"id": 123_456})] {
        let body = ann.post("/instances", json!({"name": "x", "element": element})).await.refused(404);
        assert_eq!(pointers(&body), ["/element"]);
    }
    assert_eq!(pointers(&ann.post("/instances", json!({"name": "x"})).await.refused(400)), ["/element"]);
    let body = json!({"element": {"key": "acme"}, "tags": "a", "cacheTimeToLive": -1, "maxCacheSize": "9"});
    let body = ann.post("/instances", body).await.refused(400);
    assert_eq!(pointers(&body), ["/tags", "/cacheTimeToLive", "/maxCacheSize"]);
    ann.post("/instances", json!([])).await.refused(400);
    let by_id = json!({"element": {"id": 9002}, "configuration": {"username": "ann", "password": "s3cret"}});
    assert_eq!(create(&ann, by_id).await["name"], "Ledger");
}

#[tokio::test]
async fn tokens_from_elsewhere_are_taken() {
    let (provider, gateway) = start().await;
    provider.admit("outside");
    let ann = gateway.user("ann@acme.example").await;
    let root = format!("{}/v1", provider.origin);
    let initial = |tokens: Value| {
        let mut configuration = json!({"oauth.api.key": "app-1", "oauth.api.secret": "app-secret", "base.url": root});
        configuration.as_object_mut().unwrap().extend(tokens.as_object().unwrap().clone());
        json!({"name": "x", "element": {"key": "acme"}, "externalAuthentication": "initial", "configuration": configuration})
    };
    let both = json!({"oauth.user.token": "outside", "oauth.user.refresh_token": "refresh-0"});
    let made = create(&ann, initial(both)).await;
    assert_eq!(made["externalAuthentication"], "initial");
    assert_eq!(made["configuration"]["oauth.user.token"], MASK);
    assert_eq!(provider.with(|journal| (journal.exchanges, journal.refreshes, journal.probes)), (0, 0, 1));

    // A refresh token alone is redeemed before anything is stored.
    let made = create(&ann, initial(json!({"oauth.user.refresh_token": "refresh-0"}))).await;
    assert_eq!(provider.with(|journal| (journal.refreshes, journal.probes)), (1, 2));
    assert_eq!(made["configuration"]["base.url"], root);
    let body = ann.post("/instances", initial(json!({"oauth.user.refresh_token": "nonsense"}))).await.refused(400);
    assert_eq!(body["providerMessage"], "refresh token is malformed");

    let body = ann.post("/instances", initial(json!({}))).await.refused(400);
    assert_eq!(pointers(&body), ["/configuration/oauth.callback.url", "/configuration/oauth.user.token"]);
    ann.post("/instances", initial(json!({"oauth.user.token": "stolen"}))).await.refused(400);

    let mut handed_over = acme("");
    handed_over["providerData"] =
        json!({"access_token": "outside", "refresh_token": "refresh-0", "expires_in": "1800"});
    handed_over["configuration"]["base.url"] = json!(root);
    create(&ann, handed_over).await;
    assert_eq!(stored(&gateway).await, 3);
}

#[tokio::test]
async fn only_allowed_hosts_may_be_named() {
    let provider = Provider::start().await;
    let gateway =
        Gateway::start(&provider.files(), |config| config.egress.allow.push("*.corp.example:8443".into())).await;
    let ann = gateway.user("ann@acme.example").await;
    for (key, value, allowed) in [
        ("base.url", "https://evil.example", false),
        ("base.url", "https://169.254.169.254/latest", false),
        ("base.url", "http://localhost:1", false),
        ("base.url", "http://api.ledger.example", false),
        ("base.url", "https://api.ledger.example:8443", false),
        ("base.url", "https://api.ledger.example@evil.example", false),
        ("base.url", "https://api.ledger.example.evil.example", false),
        ("base.url", "file:///etc/passwd", false),
        ("oauth.token.url", "https://evil.example/token", false),
        ("oauth.token.revoke_url", "https://evil.example/revoke", false),
        ("base.url", "https://deep.corp.example", false),
        ("oauth.callback.url", "https://anywhere.example/cb", true),
        ("base.url", &format!("{}/v1", provider.origin), true),
    ] {
        let mut body = ledger();
        body["configuration"][key] = json!(value);
        let answer = ann.post("/instances", body).await;
        if allowed {
            answer.ok();
        } else {
            assert_eq!(pointers(&answer.refused(400)), [format!("/configuration/{key}")], "{value}");
        }
    }
    // Listed by the operator, so it is called; nothing answers there.
    let mut body = ledger();
    body["configuration"]["base.url"] = json!("https://127.0.0.1:1");
    ann.post("/instances", body).await.refused(502);
    let made = create(&ann, ledger()).await;
    let body =
        ann.patch(&path(&made), json!({"configuration": {"base.url": "https://evil.example"}})).await.refused(400);
    assert_eq!(pointers(&body), ["/configuration/base.url"]);
}

#[tokio::test]
async fn a_caller_who_hangs_up_loses_nothing() {
    let (provider, gateway) = start().await;
    let ann = gateway.user("ann@acme.example").await;
    let all = u32::try_from(provider.gate.available_permits()).unwrap();
    let closed = provider.gate.acquire_many(all).await.unwrap();
    {
        let mut call = std::pin::pin!(ann.post("/instances", acme("good-1")));
        // Until the token call has arrived, then the caller is gone.
        loop {
            tokio::select! {
                _ = &mut call => panic!("the gate is closed"),
                () = tokio::task::yield_now() => {}
            }
            if provider.arrived() > 0 {
                break;
            }
        }
    }
    drop(closed);
    while stored(&gateway).await == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(ann.get("/instances").await.ok().as_array().unwrap().len(), 1);
    assert_eq!(provider.with(|journal| journal.exchanges), 1);
}

// --- change ---

#[tokio::test]
async fn patch_merges_put_replaces_and_a_mask_changes_nothing() {
    let (provider, gateway) = start().await;
    let ann = gateway.user("ann@acme.example").await;
    let made = create(&ann, acme("good-1")).await;
    let at = path(&made);

    let sent_back = ann.put(&at, made.clone()).await.ok();
    assert_eq!(without_dates(&sent_back), without_dates(&made));
    let sent_back = ann.patch(&at, made.clone()).await.ok();
    assert_eq!(without_dates(&sent_back), without_dates(&made));

    let change = json!({
        "name": "<script>x</script>Renamed", "tags": ["new"],
        "configuration": {"oauth.api.secret": MASK, "pagination.max": 10, "event.notification.enabled": true, "mine": {"a": 1}},
        "cachingEnabled": true, "cacheTimeToLive": 30, "maxCacheSize": 100
    });
    let changed = ann.patch(&at, change).await.ok();
    assert_eq!(changed["name"], "Renamed");
    assert_eq!(changed["tags"], json!(["new"]));
    assert_eq!(changed["configuration"]["pagination.max"], 10);
    assert_eq!(changed["configuration"]["mine"], json!({"a": 1}));
    assert_eq!(changed["configuration"]["oauth.callback.url"], "https://app.example/cb");
    assert_eq!((&changed["cachingEnabled"], &changed["cacheTimeToLive"]), (&json!(true), &json!(30)));
    assert_eq!((&changed["maxCacheSize"], &changed["eventsEnabled"]), (&json!(100), &json!(true)));
    assert_eq!((&changed["id"], &changed["token"]), (&made["id"], &made["token"]));

    let record = gateway.app.connector.read(made["id"].as_i64().unwrap()).await.unwrap();
    let secret = secrecy::ExposeSecret::expose_secret(&record.secrets["oauth.api.secret"]).to_owned();
    assert_eq!(secret, "app-secret");
    // What only was shown (an element's default) is not pinned by being sent back.
    assert!(!record.configuration.contains_key("region"));

    let replacement = json!({"configuration": {
        "oauth.api.key": MASK, "oauth.api.secret": MASK, "oauth.callback.url": "https://app.example/cb"
    }});
    let replaced = ann.put(&at, replacement).await.ok();
    assert_eq!(replaced["name"], "Renamed");
    assert!(replaced["configuration"].get("mine").is_none());
    assert_eq!(replaced["configuration"]["base.url"], format!("{}/v1", provider.origin));
    let body = ann.put(&at, json!({"configuration": {"oauth.api.key": MASK}})).await.refused(400);
    assert_eq!(pointers(&body), ["/configuration/oauth.api.secret", "/configuration/oauth.callback.url"]);
    let body = ann.patch(&at, json!({"configuration": {"oauth.api.key": null}})).await.refused(400);
    assert_eq!(pointers(&body), ["/configuration/oauth.api.key"]);
    let body = ann.patch(&at, json!({"element": {"key": "ledger"}})).await.refused(400);
    assert_eq!(pointers(&body), ["/element"]);
    assert_eq!(provider.with(|journal| (journal.exchanges, journal.probes)), (1, 1));
}

fn without_dates(instance: &Value) -> Value {
    let mut instance = instance.clone();
    instance.as_object_mut().unwrap().remove("updatedDate");
    instance
}

#[tokio::test]
async fn fresh_credentials_keep_id_and_token() {
    let (provider, gateway) = start().await;
    let ann = gateway.user("ann@acme.example").await;
    let made = create(&ann, acme("good-1")).await;
    let id = made["id"].as_i64().unwrap();
    let before = gateway.app.store.grant(id).await.unwrap().unwrap();
    let patched = ann.patch(&path(&made), json!({"providerData": {"code": "good-2"}})).await.ok();
    let put = ann.put(&path(&made), acme("good-3")).await.ok();
    for again in [patched, put] {
        assert_eq!((&again["id"], &again["token"], &again["valid"]), (&made["id"], &made["token"], &json!(true)));
    }
    assert_eq!(provider.with(|journal| journal.exchanges), 3);
    let after = gateway.app.store.grant(id).await.unwrap().unwrap();
    assert!(after.generation > before.generation);
    let body = ann.patch(&path(&made), json!({"providerData": {"code": "spent"}})).await.refused(400);
    assert_eq!(body["providerMessage"], "code doesn't exist or has expired");
    assert_eq!(gateway.app.store.grant(id).await.unwrap().unwrap().generation, after.generation);

    // Without OAuth, the configuration holds the credentials: a change of them is tried before it is stored.
    let made = create(&ann, ledger()).await;
    ann.patch(&path(&made), json!({"configuration": {"password": "guess"}})).await.refused(400);
    let probes = provider.with(|journal| journal.probes);
    ann.patch(&path(&made), json!({"name": "other", "configuration": {"password": MASK}})).await.ok();
    assert_eq!(provider.with(|journal| journal.probes), probes);
}

#[tokio::test]
async fn configuration_is_read_and_written_item_by_item() {
    let (_provider, gateway) = start().await;
    let ann = gateway.user("ann@acme.example").await;
    let made = create(&ann, acme("good-1")).await;
    let own = gateway.element(&made["token"]);
    let at = format!("{}/configuration", path(&made));
    let items = ann.get(&at).await.ok();
    assert_eq!(own.get("/instances/configuration").await.ok(), items);
    let item = |key: &str| items.as_array().unwrap().iter().find(|item| item["key"] == key).unwrap().clone();
    let region = item("region");
    assert_eq!(
        region,
        json!({
            "id": region["id"], "key": "region", "name": "Region", "description": "", "propertyValue": "eu",
            "type": "COMBO", "active": true, "required": false, "hideFromConsole": false
        })
    );
    assert_eq!(item("oauth.api.secret")["propertyValue"], MASK);
    assert_eq!(item("pagination.max")["propertyValue"], 50);

    let by_id = format!("{at}/{}", region["id"]);
    assert_eq!(ann.get(&by_id).await.ok(), region);
    assert_eq!(ann.patch(&by_id, json!({"propertyValue": "us"})).await.ok()["propertyValue"], "us");
    assert_eq!(own.get("/instances/configuration/region").await.ok()["propertyValue"], "us");
    let patched = own.patch("/instances/configuration/pagination.max", json!({"propertyValue": 7})).await.ok();
    assert_eq!(patched["propertyValue"], 7);
    let secret = own.patch("/instances/configuration/oauth.api.secret", json!({"propertyValue": MASK})).await.ok();
    assert_eq!(secret["propertyValue"], MASK);
    assert_eq!(ann.get(&path(&made)).await.ok()["configuration"]["region"], "us");

    ann.get(&format!("{at}/nothing")).await.refused(404);
    ann.patch(&format!("{at}/nothing"), json!({"propertyValue": 1})).await.refused(404);
    assert_eq!(pointers(&ann.patch(&by_id, json!({"value": 1})).await.refused(400)), ["/propertyValue"]);
    assert_eq!(
        pointers(&ann.patch(&by_id, json!({"propertyValue": "mars"})).await.refused(400)),
        ["/configuration/region"]
    );
    let merged = own.patch("/instances/configuration", json!({"region": "eu", "pagination.max": null})).await.ok();
    assert!(!merged.as_array().unwrap().iter().any(|item| item["key"] == "pagination.max"));
}

#[tokio::test]
async fn an_element_token_stands_for_its_instance() {
    let (_provider, gateway) = start().await;
    let ann = gateway.user("ann@acme.example").await;
    let (made, other) = (create(&ann, ledger()).await, create(&ann, ledger()).await);
    let own = gateway.element(&made["token"]);
    assert_eq!(own.patch("/instances", json!({"name": "mine"})).await.ok()["name"], "mine");
    assert_eq!(own.put("/instances", json!({"tags": ["t"]})).await.ok()["tags"], json!(["t"]));
    own.get(&path(&other)).await.refused(404);
    own.delete(&path(&other)).await.refused(404);
    own.post("/instances", ledger()).await.refused(401);
    ann.patch("/instances", json!({"name": "whose"})).await.refused(401);
    assert_eq!(own.delete("/instances").await.status, 200);
    own.get("/instances").await.refused(401);
    assert_eq!(stored(&gateway).await, 1);
}

#[tokio::test]
async fn instances_are_switched_off_and_on() {
    let (_provider, gateway) = start().await;
    let ann = gateway.user("ann@acme.example").await;
    let made = create(&ann, ledger()).await;
    let (at, own) = (format!("{}/enabled", path(&made)), gateway.element(&made["token"]));
    let off = ann.delete(&at).await;
    assert_eq!((off.status, off.text.as_str()), (200, ""));
    assert_eq!(ann.get(&path(&made)).await.ok()["disabled"], true);
    assert!(gateway.app.directory.by_id(made["id"].as_i64().unwrap()).await.unwrap().unwrap().disabled);
    assert_eq!(own.call(reqwest::Method::PUT, "/instances/enabled", None).await.ok()["disabled"], false);
    assert_eq!(own.delete("/instances/enabled").await.status, 200);
    assert_eq!(ann.call(reqwest::Method::PUT, &at, None).await.ok()["disabled"], false);
    assert!(!gateway.app.directory.by_id(made["id"].as_i64().unwrap()).await.unwrap().unwrap().disabled);
}

#[tokio::test]
async fn a_deleted_instance_is_gone_and_its_tokens_are_revoked() {
    let (provider, gateway) = start().await;
    let ann = gateway.user("ann@acme.example").await;
    let made = create(&ann, acme("good-1")).await;
    let own = gateway.element(&made["token"]);
    own.get("/instances").await.ok();
    let gone = ann.delete(&path(&made)).await;
    assert_eq!((gone.status, gone.text.as_str()), (200, ""));
    own.get("/instances").await.refused(401);
    ann.get(&path(&made)).await.refused(404);
    ann.delete(&path(&made)).await.refused(404);
    while provider.with(|journal| journal.revoked.is_empty()) {
        tokio::task::yield_now().await;
    }
    assert_eq!(provider.with(|journal| journal.revoked.clone()), ["refresh-1"]);
}

// --- the sandboxes ---

#[tokio::test]
async fn the_contracts_documents_examples_work_against_the_sandboxes() {
    let sandboxes =
        [sandbox::start("dropbox", "127.0.0.1:0").await.unwrap(), sandbox::start("box", "127.0.0.1:0").await.unwrap()];
    let gateway = Gateway::start(&[], |config| {
        for sandbox in &sandboxes {
            let settings = config.elements.entry(sandbox.key.to_owned()).or_default();
            settings.configuration.extend(sandbox.configuration.clone());
        }
    })
    .await;
    let ann = gateway.user("ann@acme.example").await;
    for sandbox in &sandboxes {
        let callback = "https://app.example/cb";
        let code = sandbox.code(&sandbox::CodeRequest::new(callback)).unwrap();
        let body = json!({
            "element": {"key": sandbox.key}, "providerData": {"code": code},
            "configuration": {
                "oauth.callback.url": callback, "oauth.api.key": sandbox.client_id,
                "oauth.api.secret": sandbox.client_secret
            },
            "tags": ["Docs"], "name": format!("{} instance", sandbox.key)
        });
        let made = create(&ann, body.clone()).await;
        assert_eq!(made["element"]["key"], sandbox.key);
        assert_eq!(made["tags"], json!(["Docs"]));
        // A code works once; the provider's own words come along.
        let refused = ann.post("/instances", body).await.refused(400);
        assert!(refused["providerMessage"].is_string(), "{refused}");
    }
    assert_eq!(ann.get("/instances?tags[]=Docs").await.ok().as_array().unwrap().len(), 2);
}
