//! Large files go in parts: whole, in constant memory, and on where a connection broke.

use std::time::Duration;

use futures_util::{Stream, StreamExt, stream};
use reqwest::Method;
use serde_json::{Value, json};
use sha1::{Digest, Sha1};

use super::support::{Gateway, Reply, send};

const MIB: u64 = 1 << 20;
const LARGE: u64 = 200 * MIB;
/// What the process may grow by while a large file passes: one part, buffers of two sockets on each side, and the
/// sandbox's own.
const GROWTH: u64 = 64 * MIB;
/// A file that goes in parts everywhere, the size told where the provider has to know it.
const SIZE: u64 = 56 * MIB;

/// How an element takes large files.
struct Sender {
    key: &'static str,
    /// The largest file it takes in one piece; without a size, where it has to know it.
    limit: u64,
    /// The method, the path and what is in the query of the call that sends a part, and how large parts are.
    method: &'static str,
    path: &'static str,
    query: &'static str,
    part: u64,
    /// Whether the size has to be told before the end.
    told: bool,
    /// Whether a session can be given up; a DELETE of a path like that of the parts.
    abort: bool,
}

const DROPBOX: Sender = Sender {
    key: "dropbox",
    limit: 150 * MIB,
    method: "POST",
    path: "/2/files/upload_session/append_v2",
    query: "",
    part: 8 * MIB,
    told: false,
    abort: false,
};
const BOX: Sender = Sender {
    key: "box",
    limit: 50_000_000,
    method: "PUT",
    path: "/api/2.0/files/upload_sessions/",
    query: "",
    part: 8 * MIB,
    told: true,
    abort: true,
};
const GOOGLE: Sender = Sender {
    key: "googledrive",
    limit: 5 * MIB,
    method: "PUT",
    path: "/upload/drive/v3/files",
    query: "",
    part: 8 * MIB,
    told: false,
    abort: true,
};
const ONEDRIVE: Sender = Sender {
    key: "onedrive",
    limit: 20 * MIB,
    method: "PUT",
    path: "/upload/",
    query: "",
    part: 10 * MIB,
    told: true,
    abort: true,
};
const AMAZON: Sender = Sender {
    key: "amazons3",
    limit: 100 * MIB,
    method: "PUT",
    path: "/ada-files/",
    query: "partNumber=",
    part: 16 * MIB,
    told: false,
    abort: true,
};
/// One of each way.
const WAYS: [Sender; 5] = [DROPBOX, BOX, GOOGLE, ONEDRIVE, AMAZON];
/// All; the last three extend one of the others, so what takes long is not asked of them again.
const SENDERS: [Sender; 8] = [
    DROPBOX,
    BOX,
    GOOGLE,
    ONEDRIVE,
    AMAZON,
    Sender { key: "onedrivev2", ..ONEDRIVE },
    Sender { key: "onedrivebusiness", ..ONEDRIVE },
    Sender { key: "sharepoint", ..ONEDRIVE },
];

impl Sender {
    /// The query of an upload of [`SIZE`] bytes in parts: without its size any file goes so where the provider allows it.
    fn in_parts(&self, path: &str) -> String {
        if self.told { format!("path={path}&size={SIZE}") } else { format!("path={path}") }
    }

    /// The calls that have sent parts since the log was cleared.
    async fn sent(&self, hub: &Gateway) -> Vec<Value> {
        let mut calls = calls(hub, self.key, self.method, self.path).await;
        calls.retain(|call| call["query"].as_str().unwrap_or_default().contains(self.query));
        calls
    }

    /// The sessions given up since the log was cleared.
    async fn aborted(&self, hub: &Gateway) -> usize {
        calls(hub, self.key, "DELETE", self.path).await.len()
    }

    /// Forgets the calls so far; several elements may be served by one sandbox.
    async fn clear(&self, hub: &Gateway) {
        hub.control(self.key, Method::DELETE, "/log", &json!(null)).await;
    }

    /// A fault of the calls that send parts.
    fn fault(&self, what: Value) -> Value {
        let mut fault = json!({"path": self.path, "query": self.query, "method": self.method});
        fault.as_object_mut().unwrap().extend(what.as_object().unwrap().clone());
        fault
    }
}

/// `size` bytes of which no two MiB are the same.
fn content(size: u64) -> impl Iterator<Item = bytes::Bytes> + Send {
    let block: Vec<u8> = (0..=250).cycle().take(1 << 20).collect();
    (0..size.div_ceil(MIB)).map(move |index| {
        let mut piece = block.clone();
        piece[..8].copy_from_slice(&index.to_le_bytes());
        piece.truncate(usize::try_from(MIB.min(size - index * MIB)).unwrap());
        piece.into()
    })
}

fn hash(size: u64) -> String {
    let mut hash = Sha1::new();
    content(size).for_each(|piece| hash.update(&piece));
    hex::encode(hash.finalize())
}

/// A form with the file, as a stream.
fn form(size: u64) -> impl Stream<Item = Result<bytes::Bytes, std::io::Error>> + Send {
    let head = "--b0und\r\nContent-Disposition: form-data; name=\"file\"; filename=\"x\"\r\n\r\n";
    stream::iter([Ok(bytes::Bytes::from(head))])
        .chain(stream::iter(content(size).map(Ok)))
        .chain(stream::iter([Ok("\r\n--b0und--\r\n".into())]))
}

async fn upload(hub: &Gateway, element: &str, query: &str, size: u64) -> Reply {
    let request = hub
        .request(element, Method::POST, &format!("/files?{query}"))
        .header("Content-Type", "multipart/form-data; boundary=b0und")
        .body(reqwest::Body::wrap_stream(form(size)));
    send(request).await
}

async fn downloaded_hash(hub: &Gateway, element: &str, path: &str) -> String {
    let response = hub.request(element, Method::GET, &format!("/files?path={path}")).send().await.unwrap();
    assert_eq!(response.status(), 200, "{element}");
    let mut hash = Sha1::new();
    let mut body = response.bytes_stream();
    while let Some(piece) = body.next().await {
        hash.update(piece.unwrap());
    }
    hex::encode(hash.finalize())
}

/// The calls the element's sandbox has had whose path begins so.
async fn calls(hub: &Gateway, element: &str, method: &str, path: &str) -> Vec<Value> {
    let log = hub.control(element, Method::GET, "/log", &json!(null)).await;
    let calls = log["calls"].as_array().unwrap().iter();
    let text = |call: &Value, member: &str| call[member].as_str().unwrap().to_owned();
    calls.filter(|call| text(call, "method") == method && text(call, "path").starts_with(path)).cloned().collect()
}

async fn fault(hub: &Gateway, element: &str, fault: Value) {
    hub.control(element, Method::POST, "/faults", &fault).await;
}

#[tokio::test]
async fn a_large_file_goes_in_parts_in_constant_memory() {
    let hub = Gateway::demo();
    let wanted = hash(LARGE);
    for sender in WAYS {
        let element = sender.key;
        let before = hub.resident_bytes();
        let watched = async {
            let mut peak = 0;
            loop {
                peak = peak.max(hub.resident_bytes());
                // Only how often memory is looked at hangs on this.
                tokio::time::sleep(Duration::from_millis(20)).await;
                if peak > before + GROWTH {
                    return peak;
                }
            }
        };
        let query = format!("path=/new/deep/big.bin&size={LARGE}");
        let made = tokio::select! {
            peak = watched => panic!("{element}: grew from {before} to {peak}"),
            made = upload(&hub, element, &query, LARGE) => made.expect(200).body,
        };
        assert_eq!((&made["size"], &made["path"]), (&json!(LARGE), &json!("/new/deep/big.bin")), "{element}");
        let parts = usize::try_from(LARGE.div_ceil(sender.part)).unwrap();
        assert_eq!(sender.sent(&hub).await.len(), parts, "{element}");
        assert_eq!(downloaded_hash(&hub, element, "/new/deep/big.bin").await, wanted, "{element}");
    }
}

#[tokio::test]
async fn what_is_there_stays_unless_it_is_to_be_replaced() {
    let hub = Gateway::demo();
    for sender in SENDERS {
        let element = sender.key;
        hub.upload(element, "/files?path=/there.bin", b"first").await.expect(200);
        upload(&hub, element, &sender.in_parts("/there.bin"), SIZE).await.expect(409);
        assert_eq!(hub.get(element, "/files?path=/there.bin").await.expect(200).bytes, b"first", "{element}");
        let query = format!("{}&overwrite=true", sender.in_parts("/there.bin"));
        assert_eq!(upload(&hub, element, &query, SIZE).await.expect(200).body["size"], SIZE, "{element}");
        let now = hub.get(element, "/files/metadata?path=/there.bin").await.expect(200).body;
        assert_eq!(now["size"], SIZE, "{element}");
    }
}

#[tokio::test]
async fn the_limit_decides() {
    let hub = Gateway::demo();
    for sender in SENDERS {
        let element = sender.key;
        for (size, in_parts) in [(sender.limit - 1, false), (sender.limit, false), (sender.limit + 1, true)] {
            sender.clear(&hub).await;
            let path = format!("/limit/{size}.bin");
            let made = upload(&hub, element, &format!("path={path}&size={size}"), size).await.expect(200).body;
            assert_eq!(made["size"], size, "{element}");
            assert_eq!(!sender.sent(&hub).await.is_empty(), in_parts, "{element}: {size}");
        }
    }
}

#[tokio::test]
async fn a_broken_connection_is_resumed() {
    let hub = Gateway::demo();
    let wanted = hash(SIZE);
    for sender in WAYS {
        let element = sender.key;
        // In the middle of a part, before one, and after one that arrived; then a busy provider.
        for broken in [
            json!({"skip": 2, "times": 1, "reset_within": 3_000_000}),
            json!({"skip": 1, "times": 2, "reset": "before"}),
            json!({"skip": 3, "times": 1, "reset": "after"}),
            json!({"skip": 3, "times": 2, "status": 503}),
            json!({"skip": 3, "times": 1, "status": 429, "retry_after": 1}),
        ] {
            fault(&hub, element, sender.fault(broken.clone())).await;
            let query = format!("{}&overwrite=true", sender.in_parts("/again/big.bin"));
            let made = upload(&hub, element, &query, SIZE).await;
            assert_eq!(made.status, 200, "{element}: {broken}: {}", made.body);
            assert_eq!(made.body["size"], SIZE, "{element}: {broken}");
            assert_eq!(downloaded_hash(&hub, element, "/again/big.bin").await, wanted, "{element}: {broken}");
            let left = hub.control(element, Method::GET, "/faults", &json!(null)).await;
            assert_eq!(left["faults"], json!([]), "{element}: the fault has met no part");
        }
    }
}

#[tokio::test]
async fn an_expired_token_is_refreshed_between_parts() {
    let hub = Gateway::demo();
    for sender in SENDERS {
        let element = sender.key;
        sender.clear(&hub).await;
        fault(&hub, element, sender.fault(json!({"skip": 2, "times": 1, "latency_ms": 200}))).await;
        let expire = async {
            while sender.sent(&hub).await.is_empty() {
                tokio::task::yield_now().await;
            }
            hub.control(element, Method::POST, "/tokens/expire", &json!(null)).await;
        };
        let query = sender.in_parts("/fresh/big.bin");
        let (made, ()) = tokio::join!(upload(&hub, element, &query, SIZE), expire);
        assert_eq!(made.expect(200).body["size"], SIZE, "{element}");
        assert_eq!(downloaded_hash(&hub, element, "/fresh/big.bin").await, hash(SIZE), "{element}");
    }
}

#[tokio::test]
async fn what_cannot_be_finished_is_given_up() {
    let hub = Gateway::demo();
    for sender in WAYS {
        let element = sender.key;
        sender.clear(&hub).await;
        fault(&hub, element, sender.fault(json!({"skip": 2, "status": 500}))).await;
        let refused = upload(&hub, element, &sender.in_parts("/never.bin"), SIZE).await.expect(502);
        // The last attempt may have ended with the answer, or with its connection closed for want of a reader.
        let code = refused.body["code"].as_str().unwrap();
        assert!(matches!(code, "provider-failed" | "provider-unreachable"), "{element}: {}", refused.body);
        hub.control(element, Method::DELETE, "/faults", &json!(null)).await;
        hub.get(element, "/files/metadata?path=/never.bin").await.expect(404);
        // A file that is not of the announced size is the caller's mistake, told before the provider makes a file of it.
        let query = format!("path=/never.bin&size={}", 2 * LARGE);
        let refused = upload(&hub, element, &query, SIZE).await.expect(400);
        assert!(refused.body["message"].as_str().unwrap().contains("announced size"), "{element}: {}", refused.body);
        hub.get(element, "/files/metadata?path=/never.bin").await.expect(404);
        assert_eq!(sender.aborted(&hub).await, if sender.abort { 2 } else { 0 }, "{element}");
    }
}

#[tokio::test]
async fn a_caller_that_hangs_up_leaves_nothing() {
    let hub = Gateway::demo();
    for sender in SENDERS.into_iter().filter(|sender| sender.abort) {
        let element = sender.key;
        sender.clear(&hub).await;
        let (started, mut begun) = tokio::sync::mpsc::channel::<()>(1);
        // Half a file, and then nothing more.
        let body = form(SIZE).take(30).chain(stream::once(async move {
            started.send(()).await.unwrap();
            std::future::pending().await
        }));
        let request = hub
            .request(element, Method::POST, &format!("/files?{}", sender.in_parts("/half.bin")))
            .header("Content-Type", "multipart/form-data; boundary=b0und")
            .body(reqwest::Body::wrap_stream(body));
        let sending = tokio::spawn(async move { request.send().await.map(|_| ()) });
        begun.recv().await.unwrap();
        sending.abort();
        assert!(sending.await.unwrap_err().is_cancelled(), "{element}");
        let aborted = async {
            while sender.aborted(&hub).await == 0 {
                tokio::task::yield_now().await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(60), aborted).await;
        assert!(waited.is_ok(), "{element}: the session is given up");
        hub.get(element, "/files/metadata?path=/half.bin").await.expect(404);
    }
}

#[tokio::test]
async fn without_a_size_it_goes_as_the_provider_allows() {
    let hub = Gateway::demo();
    for sender in SENDERS {
        let element = sender.key;
        if !sender.told {
            // It takes parts without knowing how many come.
            let made = upload(&hub, element, "path=/unknown.bin", SIZE + 1).await.expect(200).body;
            assert_eq!(made["size"], SIZE + 1, "{element}");
            assert_eq!(downloaded_hash(&hub, element, "/unknown.bin").await, hash(SIZE + 1), "{element}");
            continue;
        }
        // It has to be told; what it takes in one piece goes all the same.
        let made = upload(&hub, element, "path=/unknown.bin", sender.limit - 1).await.expect(200).body;
        assert_eq!(made["size"], sender.limit - 1, "{element}");
        // Of a form with a length the size is known.
        sender.clear(&hub).await;
        let (content_type, mut body) = super::support::form("x", &[]);
        let end = body.len() - "\r\n--b0und--\r\n".len();
        let tail = body.split_off(end);
        content(SIZE).for_each(|piece| body.extend_from_slice(&piece));
        body.extend_from_slice(&tail);
        let request = hub.request(element, Method::POST, "/files?path=/told.bin");
        let made = send(request.header("Content-Type", content_type).body(body)).await.expect(200).body;
        assert_eq!(made["size"], SIZE, "{element}");
        assert!(!sender.sent(&hub).await.is_empty(), "{element}");
        let refused = upload(&hub, element, "path=/unknown2.bin", SIZE).await.expect(400);
        assert_eq!(refused.body["errors"][0]["pointer"], "size", "{element}: {}", refused.body);
        hub.get(element, "/files/metadata?path=/unknown2.bin").await.expect(404);
    }
}

#[tokio::test]
async fn what_belongs_to_a_file_comes_along() {
    let hub = Gateway::demo();
    let query = format!("path=/with/more.bin&size={}&tags=a,b&description=Large", 60 * MIB);
    let made = upload(&hub, "box", &query, 60 * MIB).await.expect(200).body;
    assert_eq!((&made["description"], &made["tags"]), (&json!("Large"), &json!(["a", "b"])), "{made}");
    for element in ["googledrive", "onedrive"] {
        let query = format!("path=/with/more.bin&size={SIZE}&description=Large");
        let made = upload(&hub, element, &query, SIZE).await.expect(200).body;
        assert_eq!(made["description"], "Large", "{element}: {made}");
    }
}
