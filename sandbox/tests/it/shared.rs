//! Faults and the control API.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Fixture, json as read};

#[tokio::test]
async fn faults_come_as_often_as_asked() {
    let fixture = Fixture::new("box").await;
    fixture.control("/faults", json!({"path": "/oauth2", "times": 2, "status": 503, "retry_after": 7})).await;
    for _ in 0..2 {
        let answer = fixture.renew(&fixture.refresh).await;
        assert_eq!(answer.status(), 503);
        assert_eq!(answer.headers()["retry-after"], "7");
    }
    assert_eq!(fixture.renew(&fixture.refresh).await.status(), 200, "nothing was spent");
}

#[tokio::test]
async fn a_reset_before_leaves_no_trace_and_one_after_does() {
    let fixture = Fixture::new("box").await;
    fixture.control("/faults", json!([{"path": "/oauth2/token", "times": 1, "reset": "before"}])).await;
    let form = [
        ("client_id", fixture.provider.client_id.as_str()),
        ("client_secret", fixture.provider.client_secret.as_str()),
        ("grant_type", "refresh_token"),
        ("refresh_token", fixture.refresh.as_str()),
    ];
    let token = fixture.provider.url("token");
    assert!(fixture.client.post(token).form(&form).send().await.is_err());
    assert_eq!(fixture.provider.counters().token_calls.get("refresh_token"), None);

    fixture.control("/faults", json!({"path": "/oauth2/token", "times": 1, "reset": "after"})).await;
    assert!(fixture.client.post(token).form(&form).send().await.is_err());
    assert_eq!(fixture.client.post(token).form(&form).send().await.unwrap().status(), 400, "it was rotated");
    assert_eq!(fixture.provider.counters().statuses["reset"], 2);
}

#[tokio::test]
async fn bodies_can_be_spoiled() {
    let fixture = Fixture::new("dropbox").await;
    fixture.control("/faults", json!({"times": 1, "malformed": true})).await;
    let answer = fixture.renew(&fixture.refresh).await;
    assert_eq!(answer.status(), 200);
    assert!(answer.json::<Value>().await.is_err());
    fixture.control("/faults", json!({"times": 1, "cut_after": 10})).await;
    let answer = fixture.renew(&fixture.refresh).await;
    assert!(answer.bytes().await.is_err());
    fixture.control("/faults", json!({"times": 1, "slow_ms": 1, "latency_ms": 1})).await;
    let (status, body) = read(fixture.renew(&fixture.refresh).await).await;
    assert_eq!(status, 200);
    assert!(body["access_token"].is_string());
}

#[tokio::test]
async fn the_control_api_refuses_what_it_does_not_know() {
    let fixture = Fixture::new("dropbox").await;
    for (path, body) in [
        ("/faults", json!({"stats": 500})),
        ("/clock", json!({"advance_s": -1})),
        ("/settings", json!({"auto": true})),
        ("/code", json!({})),
        ("/log", json!({"bodies": 262_145})),
    ] {
        let answer = fixture.bare(Method::POST, &format!("/_control{path}")).json(&body).send().await.unwrap();
        assert_eq!(answer.status(), 400, "{path}");
    }
}

#[tokio::test]
async fn calls_are_logged_without_their_tokens() {
    let fixture = Fixture::new("dropbox").await;
    let answer = fixture.request(Method::GET, "/nowhere?a=b").header("x-test", "1").send().await.unwrap();
    assert_eq!(answer.status(), 404);
    let answer = fixture.bare(Method::GET, "/_control/log").send().await.unwrap();
    let (_, body) = read(answer).await;
    let call = &body["calls"][1];
    assert_eq!(call["path"], "/nowhere");
    assert_eq!(call["query"], "a=b");
    assert_eq!(call["headers"]["x-test"], "1");
    assert!(!body.to_string().contains(&fixture.access));
    fixture.control("/reset", json!(null)).await;
    assert_eq!(fixture.provider.counters().total, 0);
    assert_eq!(fixture.renew(&fixture.refresh).await.status(), 400, "tokens are gone too");
}

#[tokio::test]
async fn bodies_are_logged_when_asked_for_up_to_the_bound() {
    let fixture = Fixture::new("dropbox").await;
    let list = async || {
        let request = fixture.request(Method::POST, "/2/files/list_folder").json(&json!({"path": ""}));
        read(request.send().await.unwrap()).await
    };
    list().await;
    fixture.control("/log", json!({"bodies": 65_536})).await;
    let (_, answered) = list().await;
    fixture.control("/log", json!({"bodies": 4})).await;
    list().await;
    let log = fixture.provider.log();
    let [.., before, whole, cut] = log.as_slice() else { panic!("{log:?}") };
    assert!(before.request_body.is_none() && before.response_body.is_none());
    let (asked, said) = (whole.request_body.as_ref().unwrap(), whole.response_body.as_ref().unwrap());
    assert_eq!((asked.bytes().as_slice(), asked.whole()), (br#"{"path":""}"#.as_slice(), true));
    assert_eq!(serde_json::from_slice::<Value>(&said.bytes()).unwrap(), answered);
    assert!(said.whole());
    assert_eq!(whole.response_headers["content-type"], "application/json");
    let (asked, said) = (cut.request_body.as_ref().unwrap(), cut.response_body.as_ref().unwrap());
    assert_eq!((asked.bytes().as_slice(), asked.whole(), said.whole()), (br#"{"pa"#.as_slice(), false, false));
    let (_, told) = read(fixture.bare(Method::GET, "/_control/log").send().await.unwrap()).await;
    assert_eq!(
        told["calls"].as_array().unwrap().last().unwrap()["request_body"],
        json!({"base64": "eyJwYQ==", "whole": false})
    );
}

#[tokio::test]
async fn stopping_resets_what_is_open() {
    let fixture = Fixture::new("dropbox").await;
    let url = fixture.provider.url("token").to_owned();
    fixture.provider.stop().await;
    assert!(fixture.client.get(url).send().await.is_err());
}

#[tokio::test]
async fn an_unknown_provider_is_refused() {
    assert!(sandbox::start("nobody", "127.0.0.1:0").await.is_err());
    assert!(sandbox::all().contains(&"dropbox"));
}
