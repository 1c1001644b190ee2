//! The kinds of authentication as an element's author and an application meet them: over sockets, against a provider
//! whose rules are settings.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails loudly")]
#![allow(dead_code, reason = "shared with another test, which uses the rest")]

#[path = "auth/choices.rs"]
mod choices;
#[path = "auth/keys.rs"]
mod keys;
#[path = "auth/oauth1.rs"]
mod oauth1;
#[path = "auth/server.rs"]
mod server;
#[path = "instances/support.rs"]
mod support;

use serde_json::{Value, json};
use server::{Rotation, Rules, Server, client_entries, element};
use support::{Gateway, pointers};

const SPACE: &str = "/hubs/documents/storage";

/// A gateway whose element `acme` authenticates so.
async fn gateway(server: &Server, configuration: Value, authentication: Value) -> Gateway {
    Gateway::start(&[("acme", element(&server.origin, configuration, authentication))], |_| {}).await
}

fn oauth2(server: &Server, further: Value) -> Value {
    let origin = &server.origin;
    let mut spec = json!({
        "type": "oauth2", "authorizeUrl": format!("{origin}/authorize"), "tokenUrl": format!("{origin}/token")
    });
    spec.as_object_mut().unwrap().extend(further.as_object().unwrap().clone());
    spec
}

fn instance(data: Value) -> Value {
    json!({
        "name": "x", "element": {"key": "acme"}, "providerData": data,
        "configuration": {
            "oauth.api.key": "app-1", "oauth.api.secret": "app-secret", "oauth.callback.url": "https://app.example/cb"
        }
    })
}

#[tokio::test]
async fn whatever_a_provider_does_to_refresh_tokens_the_grant_lives_on() {
    for rotation in [Rotation::Silent, Rotation::Same, Rotation::Kill, Rotation::Keep, Rotation::Sometimes] {
        for (expires_in, basic) in [(Some(3600), false), (None, true)] {
            let told = format!("{rotation:?} {expires_in:?}");
            let server = Server::start(Rules { rotation, basic, expires_in, ..Rules::default() }).await;
            let client = if basic { "basic" } else { "body" };
            let authentication = oauth2(&server, json!({"clientAuthentication": client}));
            let gateway = gateway(&server, json!(client_entries(true)), authentication).await;
            let ann = gateway.user("ann@acme.example").await;
            let made = ann.post("/instances", instance(json!({"code": "good-1"}))).await.ok();
            let acme = gateway.element(&made["token"]);
            for round in 1..=5 {
                server.expire();
                assert_eq!(acme.get(SPACE).await.ok()["used"], 1, "{told}");
                assert_eq!(server.granted("refresh_token"), round, "{told}");
            }
            assert_eq!(server.book().spent, 0, "{told}");
            server.forget();
            assert_eq!(acme.get(SPACE).await.refused(401)["code"], "reauth-required", "{told}");
            let shown = ann.get(&format!("/instances/{}", made["id"])).await.ok();
            assert_eq!(shown["valid"], false, "{told}");
            ann.patch(&format!("/instances/{}", made["id"]), json!({"providerData": {"code": "good-2"}})).await.ok();
            acme.get(SPACE).await.ok();
        }
    }
}

#[tokio::test]
async fn callback_and_answer_tell_where_an_account_lives() {
    let server = Server::start(Rules { scheme: "Acme-oauthtoken", ..Rules::default() }).await;
    let mut entries = client_entries(true);
    entries.push(json!({"key": "acme.realm", "name": "Realm", "required": true}));
    entries.push(json!({"key": "accounts.server", "name": "Accounts", "default": format!("{}/home", server.origin)}));
    let authentication = oauth2(
        &server,
        json!({
            "tokenUrl": "{accounts.server}/token", "scope": "{acme.realm}.read {acme.realm}.write", "scopeSeparator": ",",
            "authorizeParameters": {"prompt": "consent"}, "scheme": "Acme-oauthtoken",
            "callback": {"accounts.server": "accounts-server", "acme.realm": "realmId"},
            "capture": {"base.url": "api_domain"}
        }),
    );
    let gateway = gateway(&server, json!(entries), authentication).await;
    let ann = gateway.user("ann@acme.example").await;

    let body = ann.post("/instances", instance(json!({"code": "good-1"}))).await.refused(400);
    assert_eq!(pointers(&body), ["/configuration/acme.realm", "/providerData/realmId"]);
    let foreign = json!({"code": "good-1", "realmId": "r7", "accounts-server": "https://evil.example"});
    let body = ann.post("/instances", instance(foreign)).await.refused(400);
    assert_eq!(pointers(&body), ["/configuration/accounts.server"]);
    assert_eq!(server.book().forms.len(), 0, "nothing was sent anywhere");

    let region = format!("{}/eu", server.origin);
    let data = json!({"code": "good-1", "realmId": 77, "accounts-server": region, "location": "eu", "state": "x"});
    let made = ann.post("/instances", instance(data)).await.ok();
    assert_eq!(made["configuration"]["acme.realm"], "77");
    assert_eq!(made["configuration"]["accounts.server"], region.as_str());
    assert_eq!(made["configuration"]["base.url"], format!("{}/moved", server.origin));
    assert!(made["configuration"].get("location").is_none());
    assert_eq!(server.book().forms[0]["path"], "/eu/token");
    let acme = gateway.element(&made["token"]);
    acme.get(SPACE).await.ok();
    assert_eq!(server.book().calls, ["/moved/me", "/moved/space"]);
    server.expire();
    acme.get(SPACE).await.ok();
    assert_eq!(server.book().forms[1]["path"], "/eu/token", "refreshed where the account lives");
    // What the provider said stays when the whole instance is written back.
    let changed = ann.put(&format!("/instances/{}", made["id"]), instance(Value::Null)).await.ok();
    assert_eq!(changed["configuration"]["acme.realm"], "77");

    let query = "apiKey=app-1&callbackUrl=https%3A%2F%2Fapp.example%2Fcb&acme.realm=r7";
    let consent = ann.get(&format!("/elements/acme/oauth/url?{query}")).await.ok();
    let url = url::Url::parse(consent["oauthUrl"].as_str().unwrap()).unwrap();
    let scope = url.query_pairs().find(|(name, _)| name == "scope").unwrap().1.into_owned();
    assert_eq!(scope, "r7.read,r7.write");
}

#[tokio::test]
async fn a_refusal_with_status_200_is_a_refusal() {
    let rules = Rules { polite: true, dead: "invalid_code", rotation: Rotation::Kill, ..Rules::default() };
    let server = Server::start(rules).await;
    let authentication = oauth2(&server, json!({"deadErrors": ["invalid_code"]}));
    let gateway = gateway(&server, json!(client_entries(true)), authentication).await;
    let ann = gateway.user("ann@acme.example").await;
    let body = ann.post("/instances", instance(json!({"code": "spent"}))).await.refused(400);
    assert_eq!((&body["provider"]["code"], &body["providerMessage"]), (&json!("invalid_code"), &json!("that is over")));
    let made = ann.post("/instances", instance(json!({"code": "good-1"}))).await.ok();
    server.forget();
    let body = gateway.element(&made["token"]).get(SPACE).await.refused(401);
    assert_eq!(body["code"], "reauth-required");
}

#[tokio::test]
async fn tokens_are_given_back_as_the_provider_has_it() {
    let client = "client_id=app-1&client_secret=app-secret";
    for (revoke, basic, told) in [
        (json!({}), false, format!("POST /revoke |  | token=refresh-1&{client}")),
        (
            json!({"in": "json"}),
            true,
            "POST /revoke | Basic YXBwLTE6YXBwLXNlY3JldA== | {\"token\":\"refresh-1\"}".to_owned(),
        ),
        (
            json!({"in": "query", "authorization": "none", "parameters": {"hint": "refresh"}}),
            false,
            "POST /revoke?token=refresh-1&hint=refresh |  | ".to_owned(),
        ),
        (
            json!({"in": "path", "method": "DELETE", "authorization": "none"}),
            false,
            "DELETE /revoke/refresh-1 |  | ".to_owned(),
        ),
        // The access token has expired: the bearer gets a fresh one first.
        (json!({"in": "nowhere", "authorization": "bearer"}), false, "POST /revoke | Bearer access-2 | ".to_owned()),
        (json!({"token": "access", "authorization": "none"}), false, "POST /revoke |  | token=access-1".to_owned()),
    ] {
        let server = Server::start(Rules { basic, ..Rules::default() }).await;
        let mut revoke = revoke;
        revoke["url"] = json!(format!("{}/revoke", server.origin));
        let client = if basic { "basic" } else { "body" };
        let authentication = oauth2(&server, json!({"revoke": revoke, "clientAuthentication": client}));
        let gateway = gateway(&server, json!(client_entries(true)), authentication).await;
        let ann = gateway.user("ann@acme.example").await;
        let made = ann.post("/instances", instance(json!({"code": "good-1"}))).await.ok();
        server.expire();
        assert_eq!(ann.delete(&format!("/instances/{}", made["id"])).await.status, 200);
        while server.book().revoked.is_empty() {
            tokio::task::yield_now().await;
        }
        assert_eq!(server.book().revoked, [told]);
    }
}
