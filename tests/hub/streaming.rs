//! Files pass through in constant memory, both ways.

use futures_util::{StreamExt, stream};
use reqwest::Method;
use serde_json::json;

use super::support::{Gateway, send};

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
/// What the process may grow by while a file of a GiB passes: buffers of two sockets on each side, and the sandbox's own.
const GROWTH: u64 = 64 * MIB;

#[tokio::test]
async fn a_gib_comes_down_in_constant_memory_and_in_ranges() {
    let hub = Gateway::demo();
    for element in ["dropbox", "box"] {
        hub.control(element, Method::POST, "/virtual", &json!({"path": "/big.bin", "size": GIB})).await;
        let before = hub.resident_bytes();
        let response = hub.request(element, Method::GET, "/files?path=/big.bin").send().await.unwrap();
        assert_eq!(response.status(), 200, "{element}");
        let mut peak = 0;
        let mut size = 0;
        let mut body = response.bytes_stream();
        let mut next = 0;
        while let Some(chunk) = body.next().await {
            size += chunk.unwrap().len() as u64;
            if size >= next {
                peak = peak.max(hub.resident_bytes());
                next += 64 * MIB;
            }
        }
        assert_eq!(size, GIB, "{element}");
        assert!(peak < before + GROWTH, "{element}: grew from {before} to {peak}");
        let part = send(hub.request(element, Method::GET, "/files?path=/big.bin").header("Range", "bytes=1000-1999"))
            .await
            .expect(206);
        assert_eq!(part.bytes.len(), 1000, "{element}");
        assert_eq!(part.header("content-range"), format!("bytes 1000-1999/{GIB}"), "{element}");
        let beyond = hub.request(element, Method::GET, "/files?path=/big.bin").header("Range", format!("bytes={GIB}-"));
        assert_eq!(send(beyond).await.status, 416, "{element}");
    }
}

#[tokio::test]
async fn a_gib_goes_up_in_constant_memory() {
    let hub = Gateway::demo();
    // Box takes a GiB in parts, Dropbox up to 150 MiB in one piece.
    for (element, size) in [("box", GIB), ("dropbox", 140 * MIB)] {
        let before = hub.resident_bytes();
        let head = "--b0und\r\nContent-Disposition: form-data; name=\"file\"; filename=\"x\"\r\n\r\n";
        let chunk = bytes::Bytes::from(vec![7_u8; 1 << 20]);
        let chunks = stream::iter((0..size / MIB).map(move |_| Ok::<_, std::io::Error>(chunk.clone())));
        let body = stream::iter([Ok(bytes::Bytes::from(head))])
            .chain(chunks)
            .chain(stream::iter([Ok("\r\n--b0und--\r\n".into())]));
        let request = hub
            .request(element, Method::POST, &format!("/files?path=/up/big.bin&size={size}"))
            .header("Content-Type", "multipart/form-data; boundary=b0und")
            .body(reqwest::Body::wrap_stream(body));
        let made = send(request).await.expect(200).body;
        assert_eq!(made["size"], size, "{element}");
        let after = hub.resident_bytes();
        assert!(after < before + GROWTH, "{element}: grew from {before} to {after}");
    }
}
