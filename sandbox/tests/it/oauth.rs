//! The authorization servers' rules.

use reqwest::Method;
use sandbox::{CodeRequest, Refusal, Settings};
use serde_json::Value;

use crate::support::{Fixture, REDIRECT, client, json};

#[tokio::test]
async fn a_code_is_single_use_and_bound_to_its_redirect_address_and_client() {
    let fixture = Fixture::new("dropbox").await;
    let code = fixture.provider.code(&CodeRequest::new(REDIRECT)).unwrap();
    let form = [("grant_type", "authorization_code"), ("code", code.as_str())];
    let (status, body) = json(fixture.token(&form).await).await;
    assert_eq!((status, body["error"].as_str()), (400, Some("invalid_grant")), "no redirect address");
    let form = [form[0], form[1], ("redirect_uri", "https://example.com/")];
    assert_eq!(fixture.token(&form).await.status(), 400, "another redirect address");
    assert_eq!(fixture.exchange(&code).await.status(), 200);
    let (status, body) = json(fixture.exchange(&code).await).await;
    assert_eq!((status, body["error"].as_str()), (400, Some("invalid_grant")));

    let code = fixture.provider.code(&CodeRequest::new(REDIRECT)).unwrap();
    let form = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", REDIRECT),
        ("client_id", fixture.provider.client_id.as_str()),
        ("client_secret", "wrong"),
    ];
    let answer = fixture.client.post(fixture.provider.url("token")).form(&form).send().await.unwrap();
    let (status, body) = json(answer).await;
    assert_eq!((status, body["error"].as_str()), (400, Some("invalid_client")));
}

#[tokio::test]
async fn a_code_does_not_live_long() {
    let fixture = Fixture::new("box").await;
    let code = fixture.provider.code(&CodeRequest::new(REDIRECT)).unwrap();
    fixture.provider.advance(31);
    let (status, body) = json(fixture.exchange(&code).await).await;
    assert_eq!((status, body["error"].as_str()), (400, Some("invalid_grant")));
}

#[tokio::test]
async fn only_forms_are_taken() {
    let fixture = Fixture::new("box").await;
    let body = serde_json::json!({"grant_type": "refresh_token", "refresh_token": fixture.refresh});
    let answer = fixture.client.post(fixture.provider.url("token")).json(&body).send().await.unwrap();
    assert_eq!(answer.status(), 400);
    let basic = fixture
        .client
        .post(fixture.provider.url("token"))
        .basic_auth(&fixture.provider.client_id, Some(&fixture.provider.client_secret))
        .form(&[("grant_type", "refresh_token"), ("refresh_token", fixture.refresh.as_str())]);
    assert_eq!(basic.send().await.unwrap().status(), 400, "Box takes the client from the body only");
}

#[tokio::test]
async fn dropbox_refreshes_without_a_new_refresh_token() {
    let fixture = Fixture::new("dropbox").await;
    for _ in 0..2 {
        let (status, body) = json(fixture.renew(&fixture.refresh).await).await;
        assert_eq!(status, 200);
        assert_eq!(body.get("refresh_token"), None);
        assert_eq!(body["expires_in"], 14_400);
        assert_eq!(body["token_type"], "bearer");
    }
}

#[tokio::test]
async fn dropbox_gives_a_refresh_token_for_offline_access_only() {
    let fixture = Fixture::new("dropbox").await;
    let mut request = CodeRequest::new(REDIRECT);
    request.extra.clear();
    let (status, body) = json(fixture.exchange(&fixture.provider.code(&request).unwrap()).await).await;
    assert_eq!(status, 200);
    assert_eq!(body.get("refresh_token"), None);
    assert!(body["account_id"].as_str().unwrap().starts_with("dbid:"));
}

#[tokio::test]
async fn box_rotates_refresh_tokens_and_kills_the_old_one() {
    let fixture = Fixture::new("box").await;
    let (status, body) = json(fixture.renew(&fixture.refresh).await).await;
    assert_eq!(status, 200);
    let second = body["refresh_token"].as_str().unwrap();
    assert_ne!(second, fixture.refresh);
    let (status, body) = json(fixture.renew(&fixture.refresh).await).await;
    assert_eq!(status, 400);
    assert_eq!(body["error"], "invalid_grant");
    assert_eq!(body["error_description"], "Refresh token has expired");
    assert_eq!(fixture.renew(second).await.status(), 200, "the successor goes on");
    assert_eq!(fixture.provider.counters().spent_refresh_presentations, 1);

    let fixture = Fixture::new("box").await;
    fixture.provider.advance(60 * 24 * 3600 + 1);
    assert_eq!(fixture.renew(&fixture.refresh).await.status(), 400, "unused for 60 days");
}

#[tokio::test]
async fn box_revokes_by_form() {
    let fixture = Fixture::new("box").await;
    let form = [("token", fixture.access.as_str())];
    let answer = fixture.client.post(fixture.provider.url("revoke")).form(&form).send().await.unwrap();
    assert_eq!(answer.status(), 400, "no client");
    let form = [
        ("token", fixture.access.as_str()),
        ("client_id", fixture.provider.client_id.as_str()),
        ("client_secret", fixture.provider.client_secret.as_str()),
    ];
    let answer = fixture.client.post(fixture.provider.url("revoke")).form(&form).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(fixture.renew(&fixture.refresh).await.status(), 400, "the grant is gone");
}

#[tokio::test]
async fn the_consent_page_can_be_clicked_through() {
    let fixture = Fixture::new("dropbox").await;
    let query = [
        ("client_id", fixture.provider.client_id.as_str()),
        ("response_type", "code"),
        ("redirect_uri", REDIRECT),
        ("token_access_type", "offline"),
        ("state", "a b&c"),
    ];
    let url = fixture.provider.url("authorize");
    let page = fixture.client.get(url).query(&query).send().await.unwrap();
    assert_eq!(page.status(), 200);
    let html = page.text().await.unwrap();
    assert!(html.contains("value=\"allow\"") && html.contains("value=\"deny\"") && html.contains("a b&amp;c"));

    let mut form = query.to_vec();
    form.push(("_decision", "allow"));
    let answer = fixture.client.post(url).form(&form).send().await.unwrap();
    assert_eq!(answer.status(), 302);
    let back = url::Url::parse(answer.headers()["location"].to_str().unwrap()).unwrap();
    let pairs: std::collections::BTreeMap<_, _> = back.query_pairs().into_owned().collect();
    assert_eq!(pairs["state"], "a b&c");
    assert_eq!(fixture.exchange(&pairs["code"]).await.status(), 200);

    form.pop();
    form.push(("_decision", "deny"));
    let answer = fixture.client.post(url).form(&form).send().await.unwrap();
    let back = answer.headers()["location"].to_str().unwrap();
    assert!(back.contains("error=access_denied") && back.contains("state="), "{back}");
}

#[tokio::test]
async fn consent_can_be_automatic() {
    let fixture = Fixture::with("box", &Settings { auto_approve: true, ..Settings::default() }).await;
    let query =
        [("client_id", fixture.provider.client_id.as_str()), ("response_type", "code"), ("redirect_uri", REDIRECT)];
    let answer = fixture.client.get(fixture.provider.url("authorize")).query(&query).send().await.unwrap();
    assert_eq!(answer.status(), 302);
    let url = format!(
        "{}?client_id={}&response_type=code&redirect_uri={REDIRECT}&state=s",
        fixture.provider.url("authorize"),
        fixture.provider.client_id
    );
    let back = fixture.provider.approve(&url, 2).unwrap();
    assert!(back.as_str().starts_with(REDIRECT) && back.as_str().ends_with("&state=s"));
}

#[tokio::test]
async fn authorization_requests_are_examined() {
    let fixture = Fixture::new("box").await;
    let url = fixture.provider.url("authorize");
    let id = fixture.provider.client_id.as_str();
    for query in [
        vec![("client_id", "nobody"), ("response_type", "code")],
        vec![("response_type", "code")],
        vec![("client_id", id)],
        vec![("client_id", id), ("response_type", "code"), ("redirect_uri", "http://example.com/")],
        vec![("client_id", id), ("response_type", "code"), ("redirect_uri", "https://example.com/#f")],
    ] {
        let answer = fixture.client.get(url).query(&query).send().await.unwrap();
        assert_eq!(answer.status(), 400, "{query:?}");
    }
    let query = [("client_id", id), ("response_type", "token"), ("redirect_uri", REDIRECT)];
    let answer = fixture.client.get(url).query(&query).send().await.unwrap();
    assert!(answer.headers()["location"].to_str().unwrap().contains("error=unsupported_response_type"));
    assert_eq!(fixture.provider.code(&CodeRequest::new("ftp://127.0.0.1/")), Err(Refusal::BadRedirect));
}

#[tokio::test]
async fn a_proof_key_stands_in_for_the_secret() {
    let fixture = Fixture::new("dropbox").await;
    let mut request = CodeRequest::new(REDIRECT);
    // The pair of RFC 7636 appendix B.
    request.extra.push(("code_challenge".into(), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM".into()));
    request.extra.push(("code_challenge_method".into(), "S256".into()));
    let code = fixture.provider.code(&request).unwrap();
    let id = fixture.provider.client_id.as_str();
    let send = async |verifier: &str| -> (u16, Value) {
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code.as_str()),
            ("redirect_uri", REDIRECT),
            ("client_id", id),
            ("code_verifier", verifier),
        ];
        json(client().post(fixture.provider.url("token")).form(&form).send().await.unwrap()).await
    };
    assert_eq!(send("wrong").await.0, 400);
    let (status, body) = send("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk").await;
    assert_eq!(status, 200);
    let refresh = body["refresh_token"].as_str().unwrap();
    let form = [("grant_type", "refresh_token"), ("refresh_token", refresh), ("client_id", id)];
    let answer = fixture.client.post(fixture.provider.url("token")).form(&form).send().await.unwrap();
    assert_eq!(answer.status(), 200, "a public client refreshes without a secret");
    let form = [("grant_type", "refresh_token"), ("refresh_token", &fixture.refresh), ("client_id", id)];
    let answer = fixture.client.post(fixture.provider.url("token")).form(&form).send().await.unwrap();
    assert_eq!(answer.status(), 400, "a confidential one does not");
}

#[tokio::test]
async fn token_calls_are_counted() {
    let fixture = Fixture::new("dropbox").await;
    let (_, _) = json(fixture.renew(&fixture.refresh).await).await;
    fixture.provider.revoke_refresh_tokens();
    let (status, _) = json(fixture.renew(&fixture.refresh).await).await;
    assert_eq!(status, 400);
    let answer = fixture.bare(Method::GET, "/_control/counters").send().await.unwrap();
    let (_, body) = json(answer).await;
    assert_eq!(body["token_calls"]["authorization_code"], 1);
    assert_eq!(body["token_calls"]["refresh_token"], 2);
    assert_eq!(body["token_refusals"], 1);
    assert_eq!(body["spent_refresh_presentations"], 1);
    assert_eq!(body["max_concurrent_token_calls"], 1);
    assert_eq!(body["routes"]["POST /oauth2/token"], 3);
}
