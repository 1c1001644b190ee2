//! Elements that need no consent: client credentials, user name and password, keys in headers and queries.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::{
    SPACE, gateway, oauth2,
    server::{Rotation, Rules, Server, client_entries},
    support::pointers,
};

const MASK: &str = "********";

fn instance(configuration: Value) -> Value {
    json!({"name": "x", "element": {"key": "acme"}, "configuration": configuration})
}

fn client(secret: &str) -> Value {
    json!({"oauth.api.key": "app-1", "oauth.api.secret": secret})
}

fn without_consent(server: &Server, further: Value) -> Value {
    let mut spec = oauth2(server, further);
    spec.as_object_mut().unwrap().remove("authorizeUrl");
    spec
}

#[tokio::test]
async fn client_credentials_connect_and_renew_without_anybody() {
    for rotation in [Rotation::None, Rotation::Kill] {
        let server = Server::start(Rules { rotation, basic: true, ..Rules::default() }).await;
        let authentication = without_consent(
            &server,
            json!({
                "grant": "client_credentials", "clientAuthentication": "basic", "scope": "a b", "scopeSeparator": ",",
                "tokenParameters": {"audience": "{base.audience}"}
            }),
        );
        let mut entries = client_entries(false);
        entries.push(json!({"key": "base.audience", "default": "https://api.acme.example/"}));
        let gateway = gateway(&server, json!(entries), authentication).await;
        let ann = gateway.user("ann@acme.example").await;

        let body = ann.post("/instances", instance(json!({"oauth.api.key": "app-1"}))).await.refused(400);
        assert_eq!(pointers(&body), ["/configuration/oauth.api.secret"]);
        let body = ann.post("/instances", instance(client("wrong"))).await.refused(400);
        assert_eq!(body["provider"]["code"], "invalid_client");
        let body = ann.get("/elements/acme/oauth/url?apiKey=a&callbackUrl=https%3A%2F%2Fa.example").await.refused(400);
        assert!(body["message"].as_str().unwrap().contains("nobody is sent for consent"), "{body}");
        assert_eq!(ann.get("/elements/acme").await.ok()["typeOauth"], false);

        let made = ann.post("/instances", instance(client("app-secret"))).await.ok();
        assert_eq!(made["configuration"]["oauth.user.token"], MASK);
        {
            let book = server.book();
            let form = book.forms.last().unwrap();
            assert_eq!((form["scope"].as_str(), form["audience"].as_str()), ("a,b", "https://api.acme.example/"));
            assert!(!form.contains_key("redirect_uri") && !form.contains_key("client_secret"));
        }
        let acme = gateway.element(&made["token"]);
        for _ in 0..3 {
            server.forget();
            acme.get(SPACE).await.ok();
        }
        assert_eq!(server.granted("client_credentials"), 4);
        // A change of name asks nobody; a wrong secret is refused and changes nothing.
        let path = format!("/instances/{}", made["id"]);
        ann.patch(&path, json!({"name": "y"})).await.ok();
        assert_eq!(server.granted("client_credentials"), 4);
        ann.patch(&path, json!({"configuration": client("wrong")})).await.refused(400);
        server.forget();
        acme.get(SPACE).await.ok();
    }
}

#[tokio::test]
async fn user_name_and_password_stand_in_for_a_dead_refresh_token() {
    let server = Server::start(Rules { rotation: Rotation::Kill, ..Rules::default() }).await;
    let authentication = without_consent(
        &server,
        json!({"grant": "password", "username": "user.username", "password": "user.password"}),
    );
    let mut entries = client_entries(false);
    entries.push(json!({"key": "user.username", "required": true}));
    entries.push(json!({"key": "user.password", "required": true, "type": "PASSWORD", "secret": true}));
    let gateway = gateway(&server, json!(entries), authentication).await;
    let ann = gateway.user("ann@acme.example").await;
    let with = |password: &str| {
        let mut configuration = client("app-secret");
        configuration["user.username"] = json!("ann");
        configuration["user.password"] = json!(password);
        instance(configuration)
    };
    let body = ann.post("/instances", with("guess")).await.refused(400);
    assert_eq!(body["providerMessage"], "that is over");
    let made = ann.post("/instances", with("s3cret")).await.ok();
    assert_eq!(made["element"]["authentication"]["type"], "oauth2Password");
    assert_eq!(made["configuration"]["user.password"], MASK);
    let (acme, path) = (gateway.element(&made["token"]), format!("/instances/{}", made["id"]));
    server.expire();
    acme.get(SPACE).await.ok();
    assert_eq!((server.granted("refresh_token"), server.granted("password")), (1, 1));
    server.forget();
    acme.get(SPACE).await.ok();
    assert_eq!((server.granted("refresh_token"), server.granted("password")), (1, 2));

    server.forget();
    "new-one".clone_into(&mut server.book().password);
    assert_eq!(acme.get(SPACE).await.refused(401)["code"], "reauth-required");
    assert_eq!(ann.get(&path).await.ok()["valid"], false);
    let healed = ann.patch(&path, json!({"configuration": {"user.password": "new-one"}})).await.ok();
    assert_eq!(healed["valid"], true);
    acme.get(SPACE).await.ok();
}

#[tokio::test]
async fn keys_travel_where_the_provider_looks_for_them() {
    let basic = |pair: &str| format!("Basic {}", STANDARD.encode(pair));
    let entries = json!([
        {"key": "api.key", "required": true, "secret": true},
        {"key": "email", "default": "ann@acme.example"}
    ]);
    for (authentication, wanted) in [
        (
            json!({"type": "apiKey", "header": "X-Api-Token", "key": "api.key"}),
            vec![("header x-api-token", "k/1".to_owned())],
        ),
        (
            json!({"type": "apiKey", "query": "api_token", "key": "api.key"}),
            vec![("query api_token", "k/1".to_owned())],
        ),
        (
            json!({"type": "apiKey", "header": "Authorization", "prefix": "Token ", "key": "api.key"}),
            vec![("header authorization", "Token k/1".to_owned())],
        ),
        (json!({"type": "basic", "username": "api.key"}), vec![("header authorization", basic("k/1:"))]),
        (
            json!({"type": "basic", "username": "{config.email}/token", "password": "{secret.api.key}"}),
            vec![("header authorization", basic("ann@acme.example/token:k/1"))],
        ),
        (
            json!({"type": "headers", "headers": {"X-User": "{config.email}", "X-Auth": "key={secret.api.key}"},
                   "query": {"tenant": "t-{config.email}"}}),
            vec![
                ("header x-user", "ann@acme.example".to_owned()),
                ("header x-auth", "key=k/1".to_owned()),
                ("query tenant", "t-ann@acme.example".to_owned()),
            ],
        ),
    ] {
        let told = authentication.to_string();
        let server = Server::start(Rules { wanted, ..Rules::default() }).await;
        let gateway = gateway(&server, entries.clone(), authentication).await;
        let ann = gateway.user("ann@acme.example").await;
        let body = ann.post("/instances", instance(json!({}))).await.refused(400);
        assert_eq!(pointers(&body), ["/configuration/api.key"], "{told}");
        let body = ann.post("/instances", instance(json!({"api.key": "wrong"}))).await.refused(400);
        assert_eq!(body["providerMessage"], "not you", "{told}");
        let answer = ann.post("/instances", instance(json!({"api.key": "k/1"}))).await;
        assert!(!answer.text.contains("k/1"), "{told}");
        let made = answer.ok();
        assert_eq!(made["configuration"]["api.key"], MASK, "{told}");
        assert_eq!(gateway.element(&made["token"]).get(SPACE).await.ok()["total"], 2, "{told}");
        let path = format!("/instances/{}", made["id"]);
        ann.patch(&path, json!({"configuration": {"api.key": "other"}})).await.refused(400);
        gateway.element(&made["token"]).get(SPACE).await.ok();
    }
}
