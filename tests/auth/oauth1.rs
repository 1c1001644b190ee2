//! OAuth 1.0a end to end, against a provider that checks every signature, nonce and time with a hand of its own.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, Mac};
use serde_json::{Value, json};
use sha1::Sha1;
use sha2::Sha256;
use tokio::net::TcpListener;
use url::form_urlencoded;

use super::{
    SPACE,
    server::{client_entries, element},
    support::{Gateway, pointers},
};

#[derive(Default)]
struct Book {
    /// Secrets of tokens by token, with what the token is: `request`, `approved` or `access`.
    tokens: BTreeMap<String, (String, &'static str)>,
    nonces: BTreeSet<String>,
    callbacks: Vec<String>,
    refusals: Vec<String>,
    calls: u32,
}

#[derive(Clone)]
struct Server {
    origin: String,
    method: &'static str,
    book: Arc<Mutex<Book>>,
}

impl Server {
    async fn start(method: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let server = Self { origin, method, book: Arc::default() };
        let router = Router::new().fallback(answer).with_state(server.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        server
    }

    /// The end user approves at the authorize URL; gives what the callback gets.
    fn approve(&self, authorize_url: &str) -> (String, String) {
        let url = url::Url::parse(authorize_url).unwrap();
        let token = url.query_pairs().find(|(name, _)| name == "oauth_token").unwrap().1.into_owned();
        let mut book = self.book.lock().unwrap();
        let entry = book.tokens.get_mut(&token).unwrap();
        assert_eq!(entry.1, "request");
        entry.1 = "approved";
        (token, "v-1".to_owned())
    }

    fn check(
        &self,
        method: &str,
        uri: &Uri,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<BTreeMap<String, String>, String> {
        let mut all: Vec<(String, String)> =
            form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
        let header = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
        if let Some(parameters) = header.strip_prefix("OAuth ") {
            for parameter in parameters.split(", ") {
                let (name, value) = parameter.split_once('=').ok_or("malformed")?;
                let value = value.trim_matches('"');
                if name != "realm" {
                    let value = percent_encoding::percent_decode_str(value).decode_utf8().unwrap().into_owned();
                    all.push((name.to_owned(), value));
                }
            }
        }
        let form = headers.get("content-type").is_some_and(|kind| kind == "application/x-www-form-urlencoded");
        if form {
            all.extend(form_urlencoded::parse(body).into_owned());
        }
        let given: BTreeMap<String, String> = all.iter().cloned().collect();
        let field = |name: &str| given.get(name).cloned().unwrap_or_default();
        if field("oauth_consumer_key") != "ck" || field("oauth_signature_method") != self.method {
            return Err("consumer_key_unknown".to_owned());
        }
        let now = chrono::Utc::now().timestamp();
        if field("oauth_timestamp").parse::<i64>().map_or(true, |at| (now - at).abs() > 60) {
            return Err("timestamp_refused".to_owned());
        }
        let mut book = self.book.lock().unwrap();
        if field("oauth_nonce").len() < 16 || !book.nonces.insert(field("oauth_nonce")) {
            return Err("nonce_used".to_owned());
        }
        let secret = match given.get("oauth_token") {
            Some(token) => book.tokens.get(token).ok_or("token_rejected")?.0.clone(),
            None => String::new(),
        };
        drop(book);
        let encode = |text: &str| {
            text.bytes()
                .map(|byte| match byte {
                    b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
                    byte => format!("%{byte:02X}"),
                })
                .collect::<String>()
        };
        let mut pairs: Vec<String> = all
            .iter()
            .filter(|(name, _)| name != "oauth_signature")
            .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
            .collect();
        pairs.sort();
        let address = format!("{}{}", self.origin, uri.path());
        let base = format!("{method}&{}&{}", encode(&address), encode(&pairs.join("&")));
        let key = format!("{}&{}", encode("c/s"), encode(&secret));
        let right = match self.method {
            "HMAC-SHA1" => {
                let mut mac = Hmac::<Sha1>::new_from_slice(key.as_bytes()).unwrap();
                mac.update(base.as_bytes());
                STANDARD.encode(mac.finalize().into_bytes())
            }
            "HMAC-SHA256" => {
                let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap();
                mac.update(base.as_bytes());
                STANDARD.encode(mac.finalize().into_bytes())
            }
            _ => key,
        };
        if field("oauth_signature") == right { Ok(given) } else { Err("signature_invalid".to_owned()) }
    }
}

async fn answer(State(server): State<Server>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let checked = server.check(method.as_str(), &uri, &headers, &body);
    let mut book = server.book.lock().unwrap();
    let given = match checked {
        Ok(given) => given,
        Err(problem) => {
            book.refusals.push(problem.clone());
            let words = format!("oauth_problem={problem}");
            let kind = [("content-type", "application/x-www-form-urlencoded")];
            return (StatusCode::UNAUTHORIZED, kind, words).into_response();
        }
    };
    let token = given.get("oauth_token").cloned().unwrap_or_default();
    let kind = book.tokens.get(&token).map(|(_, kind)| *kind);
    match uri.path() {
        "/request_token" => {
            book.callbacks.push(given["oauth_callback"].clone());
            book.tokens.insert("rt-1".to_owned(), ("rs/1".to_owned(), "request"));
            "oauth_token=rt-1&oauth_token_secret=rs%2F1&oauth_callback_confirmed=true".into_response()
        }
        "/access_token" if kind == Some("approved") && given.get("oauth_verifier").is_some_and(|one| one == "v-1") => {
            book.tokens.remove(&token);
            book.tokens.insert("at-1".to_owned(), ("as&1".to_owned(), "access"));
            "oauth_token=at-1&oauth_token_secret=as%261&org=o7".into_response()
        }
        path if path.starts_with("/v1/") && kind == Some("access") => {
            book.calls += 1;
            Json(json!({"used": 1, "total": 2, "shared": 0})).into_response()
        }
        _ => (StatusCode::UNAUTHORIZED, "oauth_problem=permission_denied").into_response(),
    }
}

async fn start(server: &Server, further: Value) -> Gateway {
    let origin = &server.origin;
    let mut authentication = json!({
        "type": "oauth1", "requestTokenUrl": format!("{origin}/request_token"), "authorizeUrl": format!("{origin}/authorize"),
        "accessTokenUrl": format!("{origin}/access_token"), "signature": server.method,
        "capture": {"acme.org": "org"}, "callback": {"acme.realm": "realmId"}
    });
    authentication.as_object_mut().unwrap().extend(further.as_object().unwrap().clone());
    let mut acme = element(origin, json!(client_entries(true)), authentication);
    let get = json!({"method": "GET", "path": "/space", "query": {"q": "a b&c=d/é", "Z": "1"}});
    acme["resources"]["storage"]["operations"]["get"] = get;
    Gateway::start(&[("acme", acme)], |_| {}).await
}

fn instance(data: Value) -> Value {
    json!({
        "name": "x", "element": {"key": "acme"}, "providerData": data,
        "configuration": {"oauth.api.key": "ck", "oauth.api.secret": "c/s", "oauth.callback.url": "https://app.example/cb"}
    })
}

const CLIENT: &str = "apiKey=ck&apiSecret=c%2Fs&callbackUrl=https%3A%2F%2Fapp.example%2Fcb";

#[tokio::test]
async fn a_request_token_becomes_an_instance_whose_calls_are_signed() {
    for (method, further) in
        [("HMAC-SHA1", json!({"realm": "acme/1"})), ("HMAC-SHA256", json!({"in": "query"})), ("PLAINTEXT", json!({}))]
    {
        let server = Server::start(method).await;
        let gateway = start(&server, further).await;
        let ann = gateway.user("ann@acme.example").await;
        let given = ann.get(&format!("/elements/acme/oauth/token?{CLIENT}&state=s1")).await.ok();
        assert_eq!(given, json!({"token": "rt-1", "secret": "rs/1"}), "{method}");
        assert_eq!(server.book.lock().unwrap().callbacks, ["https://app.example/cb?state=s1"]);
        let consent = ann.get(&format!("/elements/acme/oauth/url?{CLIENT}&requestToken=rt-1")).await.ok();
        assert_eq!(consent["oauthUrl"], format!("{}/authorize?oauth_token=rt-1", server.origin));
        let (token, verifier) = server.approve(consent["oauthUrl"].as_str().unwrap());

        let wrong = json!({"oauth_token": token, "oauth_verifier": "v-9", "secret": given["secret"]});
        let body = ann.post("/instances", instance(wrong)).await.refused(400);
        assert!(body["message"].as_str().unwrap().contains("verifier"), "{body}");
        let data =
            json!({"oauth_token": token, "oauth_verifier": verifier, "secret": given["secret"], "realmId": "r7"});
        let answer = ann.post("/instances", instance(data)).await;
        for secret in ["as&1", "rs/1", "at-1"] {
            assert!(!answer.text.contains(secret), "{method}");
        }
        let made = answer.ok();
        assert_eq!(made["element"]["authentication"]["type"], "oauth1");
        assert_eq!(
            (&made["configuration"]["acme.org"], &made["configuration"]["acme.realm"]),
            (&json!("o7"), &json!("r7"))
        );
        let acme = gateway.element(&made["token"]);
        for _ in 0..3 {
            assert_eq!(acme.get(SPACE).await.ok()["total"], 2, "{method}");
        }
        assert_eq!(server.book.lock().unwrap().calls, 4, "the probe and three calls");
        assert_eq!(server.book.lock().unwrap().refusals, Vec::<String>::new(), "{method}");
        // The end user takes the connection back.
        server.book.lock().unwrap().tokens.clear();
        assert_eq!(acme.get(SPACE).await.refused(401)["code"], "reauth-required", "{method}");
    }
}

#[tokio::test]
async fn what_is_missing_is_named() {
    let server = Server::start("HMAC-SHA1").await;
    let gateway = start(&server, json!({})).await;
    let ann = gateway.user("ann@acme.example").await;
    assert_eq!(ann.get("/elements/acme").await.ok()["typeOauth"], true);
    let body = ann.post("/instances", instance(Value::Null)).await.refused(400);
    assert_eq!(pointers(&body), ["/providerData/oauth_token", "/providerData/oauth_verifier", "/providerData/secret"]);
    let body = ann.post("/instances", instance(json!({"oauth_token": "t", "oauth_verifier": "v"}))).await.refused(400);
    assert_eq!(pointers(&body), ["/providerData/secret"]);
    let body = ann.get("/elements/acme/oauth/token?apiKey=ck").await.refused(400);
    assert_eq!(pointers(&body), ["apiSecret", "callbackUrl"]);
    let body = ann.get(&format!("/elements/acme/oauth/url?{CLIENT}")).await.refused(400);
    assert_eq!(pointers(&body), ["requestToken"]);
    let body = ann
        .get(&format!("/elements/acme/oauth/token?{}", CLIENT.replace("apiKey=ck", "apiKey=other")))
        .await
        .refused(400);
    assert_eq!(body["provider"]["code"], "consumer_key_unknown");
    // An element of another kind has no request tokens.
    ann.get("/elements/dropbox/oauth/token?apiKey=a").await.refused(400);
    ann.get("/elements/nosuch/oauth/token").await.refused(404);
}

#[tokio::test]
async fn an_access_token_from_elsewhere_comes_with_its_secret() {
    let server = Server::start("HMAC-SHA1").await;
    let gateway = start(&server, json!({"realm": "acme"})).await;
    let ann = gateway.user("ann@acme.example").await;
    server.book.lock().unwrap().tokens.insert("at-9".to_owned(), ("as-9".to_owned(), "access"));
    let mut body = instance(Value::Null);
    body["externalAuthentication"] = json!("initial");
    body["configuration"]["oauth.user.token"] = json!("at-9");
    body["configuration"]["oauth.user.token.secret"] = json!("as-9");
    let made = ann.post("/instances", body).await.ok();
    gateway.element(&made["token"]).get(SPACE).await.ok();
    assert_eq!(server.book.lock().unwrap().refusals, Vec::<String>::new());
}
