//! Twenty thousand requests that no honest client would send: they are answered, and none of them by a fault of ours.
//!
//! They are made from the API's own description and lists of hostile values, by a generator with a fixed seed; the demo
//! answers them, with every built-in element behind it.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails loudly")]
#![allow(dead_code, reason = "shared with another test, which uses the rest")]

#[path = "malformed/generator.rs"]
mod generator;
#[path = "hub/support.rs"]
mod support;

use std::sync::Arc;

use generator::{Generator, Route};
use reqwest::Method;
use serde_json::Value;
use support::{Gateway, send};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
};

const REQUESTS: usize = 20_000;
const CONNECTIONS: usize = 8;

/// Status and body of one answer, and whether it is the connection's last; `None` when the other side closed instead.
async fn read(stream: &mut BufReader<TcpStream>, head: bool) -> Option<(u16, Vec<u8>, bool)> {
    loop {
        let (mut status, mut length, mut chunked, mut last) = (None, None, false, false);
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await.ok()? == 0 {
                return None;
            }
            let line = line.trim_end();
            if line.is_empty() {
                break;
            }
            match line.split_once(':') {
                Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                    length = Some(value.trim().parse::<usize>().unwrap());
                }
                Some((name, _)) if name.eq_ignore_ascii_case("transfer-encoding") => chunked = true,
                Some((name, value)) if name.eq_ignore_ascii_case("connection") => last = value.trim() == "close",
                _ if status.is_none() => status = Some(line.split(' ').nth(1)?.parse::<u16>().unwrap()),
                _ => {}
            }
        }
        let status = status?;
        if status < 200 {
            continue;
        }
        let mut body = Vec::new();
        if head || matches!(status, 204 | 304) {
            return Some((status, body, last));
        }
        if chunked {
            loop {
                let mut line = String::new();
                stream.read_line(&mut line).await.ok()?;
                let size = usize::from_str_radix(line.trim().split(';').next()?, 16).ok()?;
                let mut chunk = vec![0; size + 2];
                stream.read_exact(&mut chunk).await.ok()?;
                body.extend_from_slice(&chunk[..size]);
                if size == 0 {
                    return Some((status, body, last));
                }
            }
        }
        body.resize(length.unwrap_or_default(), 0);
        stream.read_exact(&mut body).await.ok()?;
        return Some((status, body, last));
    }
}

fn routes(document: &Value, callers: &Arc<[String]>) -> Vec<Route> {
    let mut found = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            if operation.get("responses").is_none() {
                continue;
            }
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            let query = parameters.filter(|parameter| parameter["in"] == "query");
            found.push(Route {
                method: method.to_uppercase(),
                path: path.clone(),
                callers: Arc::clone(callers),
                query: query.map(|parameter| parameter["name"].as_str().unwrap().to_owned()).collect(),
            });
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_thousand_malformed_requests_are_answered_and_nothing_breaks() {
    let gateway = Gateway::demo();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut known = Vec::new();
    for (document, elements) in [
        ("platform", &[][..]),
        ("hubs/documents", &["dropbox", "box", "googledrive", "onedrive", "sharepoint"]),
        ("hubs/crm", &["sfdc", "hubspotcrm", "closeio", "dynamicscrmadfs", "pipedrive", "zohocrm"]),
    ] {
        let of_elements = elements.iter().map(|element| format!("Element {}", gateway.token(element)));
        let mut callers: Vec<String> = of_elements.collect();
        if callers.is_empty() {
            callers.push(gateway.account.clone());
        }
        let described = send(gateway.platform(Method::GET, &format!("/docs/openapi/{document}"))).await;
        known.extend(routes(&described.expect(200).body, &Arc::from(callers)));
    }
    assert!(known.len() > 200, "{}", known.len());
    let secrets = [text(&gateway.told["userSecret"]), text(&gateway.told["organizationSecret"])];
    let host = gateway.base.strip_prefix("http://").unwrap().split('/').next().unwrap().to_owned();
    let prefix = gateway.base.split(&host).nth(1).unwrap().to_owned();

    let mut workers = tokio::task::JoinSet::new();
    for worker in 0..CONNECTIONS {
        let (known, secrets) = (known.clone(), secrets.clone());
        let (host, prefix) = (host.clone(), prefix.clone());
        workers.spawn(async move {
            let mut generator = Generator::new(worker as u64, &host, &prefix, known);
            let mut stream = None;
            let (mut answered, mut refused, mut closed) = (0_usize, 0_usize, 0_usize);
            for _ in 0..REQUESTS / CONNECTIONS {
                let request = generator.request();
                let connection = match &mut stream {
                    Some(open) => open,
                    none => none.insert(BufReader::new(TcpStream::connect(&host).await.unwrap())),
                };
                // It may be closed before it has all.
                drop(connection.write_all(&request.bytes).await);
                let answer = read(connection, request.head).await;
                if request.last || answer.as_ref().is_none_or(|(_, _, last)| *last) {
                    stream = None;
                }
                let Some((status, body, _)) = answer else {
                    closed += 1;
                    continue;
                };
                answered += 1;
                refused += usize::from(status >= 400);
                let shown = String::from_utf8_lossy(&request.bytes).chars().take(1_500).collect::<String>();
                let told = String::from_utf8_lossy(&body);
                assert!(status < 500 || matches!(status, 502..=504), "{status} {told}\n{shown}");
                if status >= 400 && !request.head && !body.is_empty() {
                    let error: Value = serde_json::from_slice(&body).unwrap_or_else(|_| panic!("{told}\n{shown}"));
                    assert!(error["requestId"].is_string() && error["message"].is_string(), "{told}\n{shown}");
                    for secret in &secrets {
                        assert!(!told.contains(secret.as_str()), "{told}\n{shown}");
                    }
                }
            }
            (answered, refused, closed)
        });
    }
    let mut sums = (0, 0, 0);
    while let Some(done) = workers.join_next().await {
        let (answered, refused, closed) = done.unwrap();
        sums = (sums.0 + answered, sums.1 + refused, sums.2 + closed);
    }
    let (answered, refused, closed) = sums;
    assert_eq!(answered + closed, REQUESTS);
    assert!(refused > REQUESTS / 4 && answered > refused + REQUESTS / 50, "both kinds occur: {sums:?}");
    // Broken framing alone may end a connection without an answer.
    assert!(closed * 20 < REQUESTS, "{sums:?}");
    for hub in ["documents/storage", "crm/contacts"] {
        let element = if hub.starts_with("crm") { "sfdc" } else { "dropbox" };
        gateway.get(element, &format!("/hubs/{hub}")).await.expect(200);
    }
    // That nothing panicked is seen when the gateway goes.
}
