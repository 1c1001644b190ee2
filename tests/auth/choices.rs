//! Elements with several authentications, and what the reader says of wrong ones.

use hubgate::catalog::{load, source::Files};
use serde_json::{Value, json};

use super::{
    SPACE, gateway, oauth2,
    server::{Rules, Server, client_entries, element},
    support::pointers,
};

fn entries() -> Value {
    let mut entries = client_entries(true);
    for entry in &mut entries {
        entry["for"] = json!(["oauth2"]);
    }
    entries.push(json!({"key": "acme.apikey", "name": "API key", "required": true, "secret": true, "for": "apiKey"}));
    entries.push(json!({"key": "filter.response.nulls", "default": "true"}));
    json!(entries)
}

fn choices(server: &Server, default: &str) -> Value {
    json!({"default": default, "choices": {
        "apiKey": {"type": "apiKey", "query": "k", "key": "acme.apikey"}, "oauth2": oauth2(server, json!({}))
    }})
}

fn instance(configuration: Value, data: Value) -> Value {
    json!({"name": "x", "element": {"key": "acme"}, "configuration": configuration, "providerData": data})
}

#[tokio::test]
async fn the_configuration_chooses_and_the_catalog_says_what_there_is() {
    let server = Server::start(Rules::default()).await;
    let gateway = gateway(&server, entries(), choices(&server, "oauth2")).await;
    let ann = gateway.user("ann@acme.example").await;

    let entry = ann.get("/elements/acme").await.ok();
    assert_eq!((&entry["typeOauth"], &entry["authentication"]["type"]), (&json!(true), &json!("oauth2")));
    assert_eq!(entry["configuration"][0]["key"], "authentication.type");
    assert_eq!(entry["configuration"][0]["defaultValue"], "oauth2");
    let types = ann.get("/elements/acme/authentication-types").await.ok();
    let words: Vec<&str> =
        types["options"].as_array().unwrap().iter().map(|option| option["value"].as_str().unwrap()).collect();
    assert_eq!((types["defaultValue"].as_str(), words), (Some("oauth2"), vec!["oauth2", "apiKey"]));
    let keys = |rows: Value| -> Vec<String> {
        rows.as_array().unwrap().iter().map(|row| row["key"].as_str().unwrap().to_owned()).collect()
    };
    let of_key = keys(ann.get("/elements/acme/authentication-types/apiKey/configurations").await.ok());
    assert_eq!(of_key, ["authentication.type", "acme.apikey", "filter.response.nulls"]);
    ann.get("/elements/acme/authentication-types/basic/configurations").await.refused(404);

    // Only what the choice needs is required.
    let body =
        ann.post("/instances", instance(json!({"authentication.type": "apiKey"}), Value::Null)).await.refused(400);
    assert_eq!(pointers(&body), ["/configuration/acme.apikey"]);
    let body = ann.post("/instances", instance(json!({}), Value::Null)).await.refused(400);
    assert_eq!(
        pointers(&body),
        [
            "/configuration/oauth.api.key",
            "/configuration/oauth.api.secret",
            "/configuration/oauth.callback.url",
            "/providerData/code"
        ]
    );
    let body =
        ann.post("/instances", instance(json!({"authentication.type": "magic"}), Value::Null)).await.refused(400);
    assert!(pointers(&body).contains(&"/configuration/authentication.type"), "{body}");

    let consent = ann.get("/elements/acme/oauth/url?apiKey=a&callbackUrl=https%3A%2F%2Fa.example").await.ok();
    assert!(consent["oauthUrl"].as_str().unwrap().contains("client_id=a"));
    ann.get("/elements/acme/oauth/url?apiKey=a&authentication.type=apiKey").await.refused(400);
}

#[tokio::test]
async fn an_instance_moves_from_one_authentication_to_the_other() {
    let server = Server::start(Rules::default()).await;
    let keyed = Server::start(Rules { wanted: vec![("query k", "k1".to_owned())], ..Rules::default() }).await;
    let gateway = gateway(&server, entries(), choices(&server, "apiKey")).await;
    let ann = gateway.user("ann@acme.example").await;
    let base = |server: &Server| format!("{}/v1", server.origin);
    let configuration = json!({"acme.apikey": "k1", "base.url": base(&keyed)});
    let made = ann.post("/instances", instance(configuration, Value::Null)).await.ok();
    assert_eq!(made["element"]["authentication"]["type"], "apiKey");
    assert!(made["configuration"].get("oauth.user.token").is_none());
    let (acme, path) = (gateway.element(&made["token"]), format!("/instances/{}", made["id"]));
    acme.get(SPACE).await.ok();

    let mut change = json!({"configuration": {
        "authentication.type": "oauth2", "base.url": base(&server), "oauth.api.key": "app-1",
        "oauth.api.secret": "app-secret", "oauth.callback.url": "https://app.example/cb"
    }});
    let body = ann.patch(&path, change.clone()).await.refused(400);
    assert_eq!(pointers(&body), ["/providerData/code"]);
    acme.get(SPACE).await.ok();
    change["providerData"] = json!({"code": "good-1"});
    let changed = ann.patch(&path, change).await.ok();
    assert_eq!(changed["element"]["authentication"]["type"], "oauth2");
    assert_eq!(changed["configuration"]["oauth.user.token"], "********");
    acme.get(SPACE).await.ok();
    assert_eq!(server.book().calls, ["/v1/me", "/v1/space"]);
}

#[test]
fn the_reader_says_what_is_wrong_and_what_would_be_right() {
    let urls = |further: Value| {
        let mut spec = json!({"type": "oauth2", "authorizeUrl": "https://a.example", "tokenUrl": "https://a.example"});
        spec.as_object_mut().unwrap().extend(further.as_object().unwrap().clone());
        spec
    };
    let key = json!({"type": "apiKey", "header": "X-Key", "key": "api.key"});
    for (authentication, pointer, words) in [
        (json!({"type": "magic"}), "/authentication/type", "unknown word `magic`"),
        (json!({"type": "apiKey", "key": "api.key"}), "/authentication", "add `header` or `query`"),
        (json!({"type": "apiKey", "header": "a", "query": "b", "key": "api.key"}), "/authentication", "leave one out"),
        (json!({"type": "apiKey", "header": "a b", "key": "api.key"}), "/authentication", "not the name of a header"),
        (json!({"type": "apiKey", "header": "X", "key": "other"}), "/authentication", "`other`, which is not under"),
        (json!({"type": "basic", "username": "nobody"}), "/authentication", "`nobody`, which is not under"),
        (
            json!({"type": "basic", "username": "{query.x}"}),
            "/authentication/username",
            "only {config.…} and {secret.…}",
        ),
        (json!({"type": "headers"}), "/authentication", "add `headers` (or `query`)"),
        (
            json!({"type": "headers", "headers": {"X": "{secret.other}"}}),
            "/authentication",
            "`other`, which is not under",
        ),
        (json!({"type": "headers", "headers": {"X": "{record.a}"}}), "/authentication/headers/X", "refers to a call"),
        (json!({"type": "oauth2", "tokenUrl": "https://a.example"}), "/authentication", "`authorizeUrl` is missing"),
        (urls(json!({"tokenUrl": "http://a.example"})), "/authentication/tokenUrl", "is not an https URL"),
        (urls(json!({"tokenUrl": "https://{a.example"})), "/authentication/tokenUrl", "a brace too many"),
        (urls(json!({"username": "a"})), "/authentication/username", "means nothing with this `grant`"),
        (
            urls(json!({"grant": "client_credentials"})),
            "/authentication/authorizeUrl",
            "means nothing with this `grant`",
        ),
        (urls(json!({"grant": "client-credentials"})), "/authentication/grant", "did you mean `client_credentials`"),
        (
            urls(json!({"revokeUrl": "https://a.example", "revoke": {"url": "https://a.example"}})),
            "/authentication/revoke",
            "leave one of the two out",
        ),
        (
            urls(json!({"revoke": {"url": "https://a.example", "in": "nowhere"}})),
            "/authentication/revoke",
            "set `authorization` to `bearer`",
        ),
        (json!({"choices": {"a": key}}), "/authentication/choices", "name at least two"),
        (
            json!({"choices": {"a": key, "b": {"type": "none"}}, "default": "c"}),
            "/authentication/default",
            "unknown word `c`",
        ),
    ] {
        let told = authentication.to_string();
        let entries = json!([{"key": "api.key", "secret": true}]);
        let problems = problems(element("https://api.acme.example", entries, authentication));
        let found = problems.iter().any(|(place, problem)| place == pointer && problem.contains(words));
        assert!(found, "{told}: {problems:?}");
    }
    let entries = json!([{"key": "api.key", "for": ["oauth"]}]);
    let both = json!({"choices": {"oauth2": urls(json!({})), "key": key}});
    let found = problems(element("https://api.acme.example", entries.clone(), both));
    assert!(
        found.iter().any(|(_, problem)| problem.contains("for `oauth`") && problem.contains("did you mean `oauth2`")),
        "{found:?}"
    );
    let found = problems(element("https://api.acme.example", entries, key));
    assert!(found.iter().any(|(_, problem)| problem.contains("leave `for` out")), "{found:?}");
}

fn problems(element: Value) -> Vec<(String, String)> {
    let mut files = Files::built_in();
    files.0.retain(|path, _| path.starts_with("hubs/"));
    files.0.insert("elements/acme/element.json".to_owned(), element.to_string());
    let (_, problems) = load::lenient(&files);
    problems.into_iter().map(|problem| (problem.pointer.clone(), problem.to_string())).collect()
}
