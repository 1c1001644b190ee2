//! S3: signatures, objects, lists, versions, uploads in parts.

use chrono::{TimeDelta, Utc};
use reqwest::Response;

use crate::signer::{Call, Caller};

const NOTHING: &Call<'static> = &Call { method: "GET", path: "/ada-files", query: &[], headers: &[], body: b"" };

async fn ask(caller: &Caller, method: &str, path: &str, query: &[(&str, &str)]) -> Response {
    caller.send(&Call { method, path, query, ..*NOTHING }).await
}

async fn put(caller: &Caller, path: &str, body: &[u8], headers: &[(&str, &str)]) -> Response {
    caller.send(&Call { method: "PUT", path, body, headers, ..*NOTHING }).await
}

/// Status and what stands between the tags of this name, each time.
async fn read(answer: Response, tag: &str) -> (u16, Vec<String>) {
    let status = answer.status().as_u16();
    let text = answer.text().await.unwrap();
    (status, all(&text, tag))
}

fn all(text: &str, tag: &str) -> Vec<String> {
    let (start, end) = (format!("<{tag}>"), format!("</{tag}>"));
    text.split(&start).skip(1).map(|rest| rest.split(&end).next().unwrap().to_owned()).collect()
}

fn one(status: u16, text: &str) -> (u16, Vec<String>) {
    (status, vec![text.to_owned()])
}

#[tokio::test]
async fn a_signature_has_to_hold() {
    let mut caller = Caller::new().await;
    assert_eq!(ask(&caller, "GET", "/ada-files", &[("list-type", "2")]).await.status(), 200);
    let unsigned = caller.client.get(format!("{}/ada-files", caller.provider.origin())).send().await.unwrap();
    assert_eq!(read(unsigned, "Code").await, one(403, "AccessDenied"));

    // What was signed is another call.
    let other = [("x-amz-content-sha256", "0000000000000000000000000000000000000000000000000000000000000000")];
    assert_eq!(
        read(put(&caller, "/ada-files/x", b"x", &other).await, "Code").await,
        one(400, "XAmzContentSHA256Mismatch")
    );
    let streaming = [("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD")];
    assert_eq!(read(put(&caller, "/ada-files/x", b"x", &streaming).await, "Code").await, one(501, "NotImplemented"));

    for (minutes, status) in [(-14, 200), (-16, 403), (14, 200), (16, 403)] {
        caller.now = Some(Utc::now() + TimeDelta::minutes(minutes));
        assert_eq!(ask(&caller, "GET", "/ada-files", &[]).await.status(), status, "{minutes}");
    }
    assert_eq!(read(ask(&caller, "GET", "/ada-files", &[]).await, "Code").await, one(403, "RequestTimeTooSkewed"));
    caller.now = None;

    for (what, code, status) in [
        ("secret", "SignatureDoesNotMatch", 403),
        ("access", "InvalidAccessKeyId", 403),
        ("region", "AuthorizationHeaderMalformed", 400),
    ] {
        let mut wrong = Caller::new().await;
        match what {
            "secret" => wrong.secret.push('x'),
            "access" => wrong.access.push('x'),
            _ => wrong.region = "eu-west-1".to_owned(),
        }
        assert_eq!(read(ask(&wrong, "GET", "/ada-files", &[]).await, "Code").await, one(status, code));
    }
}

#[tokio::test]
async fn a_signed_link_serves_until_it_ends() {
    let caller = Caller::new().await;
    let get = async |url: String| caller.client.get(url).send().await.unwrap();
    let link = caller.link("/ada-files/readme.md", 60);
    assert_eq!(get(link.clone()).await.text().await.unwrap(), "# Sandbox\n\nNothing here leaves this machine.\n");
    assert_eq!(read(get(link.replace("readme", "other")).await, "Code").await, one(403, "SignatureDoesNotMatch"));
    let refused = read(get(caller.link("/ada-files/x", 604_801)).await, "Code").await;
    assert_eq!(refused, one(400, "AuthorizationQueryParametersError"));
    caller.provider.advance(61);
    assert_eq!(read(get(link).await, "Message").await, one(403, "Request has expired"));
}

#[tokio::test]
async fn objects_come_and_go_under_conditions() {
    let caller = Caller::new().await;
    let path = "/ada-plain/Öff & Co/a+b (1) 100%.txt";
    let made = put(&caller, path, b"0123456789", &[("content-type", "text/x"), ("x-amz-meta-own", "kept")]).await;
    let etag = made.headers()["etag"].to_str().unwrap().to_owned();
    assert_eq!((made.status().as_u16(), etag.as_str()), (200, "\"781e5e245d69b566979b86e28d23f2c7\""));
    assert!(!made.headers().contains_key("x-amz-version-id"), "this bucket keeps no versions");
    let head = ask(&caller, "HEAD", path, &[]).await;
    for (name, value) in
        [("content-length", "10"), ("content-type", "text/x"), ("x-amz-meta-own", "kept"), ("etag", &etag)]
    {
        assert_eq!(head.headers()[name], value);
    }
    let get = async |headers: &[(&str, &str)]| caller.send(&Call { path, headers, ..*NOTHING }).await;
    let part = get(&[("range", "bytes=2-4")]).await;
    assert_eq!((part.status().as_u16(), part.headers()["content-range"].to_str().unwrap()), (206, "bytes 2-4/10"));
    assert_eq!(part.text().await.unwrap(), "234");
    assert_eq!(read(get(&[("range", "bytes=10-")]).await, "Code").await, one(416, "InvalidRange"));
    assert_eq!(get(&[("if-none-match", &etag)]).await.status(), 304);
    assert_eq!(get(&[("if-match", "\"0\"")]).await.status(), 412);

    let again = put(&caller, path, b"x", &[("if-none-match", "*")]).await;
    assert_eq!(read(again, "Code").await, one(412, "PreconditionFailed"));
    assert_eq!(put(&caller, path, b"x", &[("if-match", "\"0\"")]).await.status(), 412);
    let matched = [("if-match", etag.as_str()), ("x-amz-meta-own", "kept")];
    assert_eq!(put(&caller, path, b"x", &matched).await.status(), 200);
    let wrong = [("content-md5", "AAAAAAAAAAAAAAAAAAAAAA==")];
    assert_eq!(read(put(&caller, path, b"y", &wrong).await, "Code").await, one(400, "BadDigest"));
    assert_eq!(
        read(put(&caller, path, b"y", &[("x-amz-checksum-crc32", "AAAAAA==")]).await, "Code").await,
        one(400, "BadDigest")
    );
    assert_eq!(get(&[]).await.text().await.unwrap(), "x", "what is refused changes nothing");

    let source = [("x-amz-copy-source", "/ada-plain/%C3%96ff%20%26%20Co/a%2Bb%20%281%29%20100%25.txt")];
    assert_eq!(put(&caller, "/ada-files/copy.txt", b"", &source).await.status(), 200);
    assert_eq!(read(put(&caller, path, b"", &source).await, "Code").await, one(400, "InvalidRequest"));
    assert_eq!(ask(&caller, "GET", "/ada-files/copy.txt", &[]).await.headers()["x-amz-meta-own"], "kept");

    for _ in 0..2 {
        assert_eq!(ask(&caller, "DELETE", path, &[]).await.status(), 204, "that there is none is no failure");
    }
    assert_eq!(read(ask(&caller, "GET", path, &[]).await, "Code").await, one(404, "NoSuchKey"));
    assert_eq!(read(ask(&caller, "GET", "/nowhere/x", &[]).await, "Code").await, one(404, "NoSuchBucket"));
    assert_eq!(read(ask(&caller, "GET", "/ada-files", &[("acl", "")]).await, "Code").await, one(501, "NotImplemented"));
}

#[tokio::test]
async fn lists_are_paged_in_the_order_of_bytes() {
    let caller = Caller::new().await;
    for key in ["b/1", "a", "b/2", "B", "c", "b/deep/3"] {
        put(&caller, &format!("/ada-plain/{key}"), b"x", &[]).await;
    }
    let list = async |query: &[(&str, &str)]| {
        let all = [&[("list-type", "2")], query].concat();
        ask(&caller, "GET", "/ada-plain", &all).await.text().await.unwrap()
    };
    assert_eq!(all(&list(&[]).await, "Key"), ["B", "a", "b/1", "b/2", "b/deep/3", "c"]);
    let folder = list(&[("prefix", "b/"), ("delimiter", "/")]).await;
    assert_eq!(
        (all(&folder, "Key").join(" "), all(&folder, "KeyCount").join("")),
        ("b/1 b/2".to_owned(), "3".to_owned())
    );
    assert!(folder.contains("<CommonPrefixes><Prefix>b/deep/</Prefix></CommonPrefixes>"), "{folder}");

    let (mut seen, mut token) = (Vec::new(), None::<String>);
    loop {
        let mut query = vec![("delimiter", "/"), ("max-keys", "1")];
        query.extend(token.as_deref().map(|token| ("continuation-token", token)));
        let page = list(&query).await;
        seen.extend(all(&page, "Key"));
        seen.extend(page.contains("<CommonPrefixes>").then(|| "b/".to_owned()));
        token = all(&page, "NextContinuationToken").pop();
        assert_eq!(all(&page, "IsTruncated"), [token.is_some().to_string()]);
        if token.is_none() {
            break;
        }
    }
    assert_eq!(seen, ["B", "a", "b/", "c"], "each shared beginning stands for itself once");
    assert_eq!(
        read(ask(&caller, "GET", "/ada-plain", &[("max-keys", "x")]).await, "Code").await,
        one(400, "InvalidArgument")
    );
    put(&caller, "/ada-plain/z+ä", b"x", &[]).await;
    assert_eq!(all(&list(&[("start-after", "c"), ("encoding-type", "url")]).await, "Key"), ["z%2B%C3%A4"]);
}

#[tokio::test]
async fn versions_are_kept_and_many_are_deleted_at_once() {
    let caller = Caller::new().await;
    let path = "/ada-files/plan.txt";
    let first = put(&caller, path, b"1", &[]).await.headers()["x-amz-version-id"].to_str().unwrap().to_owned();
    put(&caller, path, b"22", &[]).await;
    let sizes = async || {
        let query = [("versions", ""), ("prefix", "plan.txt")];
        ask(&caller, "GET", "/ada-files", &query).await.text().await.unwrap()
    };
    assert_eq!(all(&sizes().await, "Size"), ["2", "1"]);
    let old = [("versionId", first.as_str())];
    assert_eq!(ask(&caller, "GET", path, &old).await.text().await.unwrap(), "1");
    assert_eq!(
        read(ask(&caller, "GET", path, &[("versionId", "nonsense")]).await, "Code").await,
        one(400, "InvalidArgument")
    );

    let document = b"<Delete><Object><Key>plan.txt</Key></Object><Object><Key>nowhere</Key></Object></Delete>";
    let delete = async |headers: &[(&str, &str)]| {
        caller.send(&Call { method: "POST", query: &[("delete", "")], headers, body: document, ..*NOTHING }).await
    };
    assert_eq!(read(delete(&[]).await, "Code").await, one(400, "InvalidRequest"));
    let sum = md5(document);
    assert_eq!(
        read(delete(&[("content-md5", &sum)]).await, "Key").await,
        (200, vec!["plan.txt".to_owned(), "nowhere".to_owned()])
    );
    let gone = ask(&caller, "GET", path, &[]).await;
    assert_eq!((gone.status().as_u16(), gone.headers()["x-amz-delete-marker"].to_str().unwrap()), (404, "true"));
    let listed = sizes().await;
    assert_eq!((all(&listed, "Size").len(), listed.matches("<DeleteMarker>").count()), (2, 1));
    let marker = all(&listed, "VersionId").remove(0);
    assert_eq!(ask(&caller, "DELETE", path, &[("versionId", &marker)]).await.status(), 204);
    assert_eq!(ask(&caller, "GET", path, &[]).await.text().await.unwrap(), "22", "without its marker it is back");
}

fn md5(bytes: &[u8]) -> String {
    use base64::{Engine, engine::general_purpose::STANDARD};
    use md5::{Digest, Md5};
    STANDARD.encode(Md5::digest(bytes))
}

#[tokio::test]
async fn parts_make_one_object() {
    let caller = Caller::new().await;
    let path = "/ada-plain/big.bin";
    let started = caller.send(&Call { method: "POST", path, query: &[("uploads", "")], ..*NOTHING }).await;
    let id = read(started, "UploadId").await.1.remove(0);
    let send = async |number: &str, body: &[u8]| {
        let query = [("partNumber", number), ("uploadId", id.as_str())];
        let answer = caller.send(&Call { method: "PUT", path, query: &query, body, ..*NOTHING }).await;
        let etag = answer.headers().get("etag").map(|etag| etag.to_str().unwrap().trim_matches('"').to_owned());
        (answer.status().as_u16(), etag.unwrap_or_default())
    };
    let complete = async |parts: &[(&str, &str)]| {
        let part = |(number, etag): &(&str, &str)| {
            format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>")
        };
        let body = format!(
            "<CompleteMultipartUpload>{}</CompleteMultipartUpload>",
            parts.iter().map(part).collect::<String>()
        );
        let query = [("uploadId", id.as_str())];
        caller.send(&Call { method: "POST", path, query: &query, body: body.as_bytes(), ..*NOTHING }).await
    };
    let large = vec![7_u8; 5 * 1024 * 1024];
    // In any order, and one again.
    let (_, last) = send("3", b"end").await;
    send("1", b"replaced").await;
    let (_, small) = send("2", b"small").await;
    let (_, first) = send("1", &large).await;
    assert_eq!(send("0", b"").await.0, 400);
    let parts = ask(&caller, "GET", path, &[("uploadId", &id)]).await;
    assert_eq!(read(parts, "PartNumber").await.1, ["1", "2", "3"]);
    for (parts, code) in [
        (vec![("3", last.as_str()), ("1", &first)], "InvalidPartOrder"),
        (vec![("1", &last)], "InvalidPart"),
        (vec![("1", &first), ("2", &small), ("3", &last)], "EntityTooSmall"),
        (vec![], "MalformedXML"),
    ] {
        assert_eq!(read(complete(&parts).await, "Code").await, one(400, code));
    }
    assert_eq!(ask(&caller, "GET", path, &[]).await.status(), 404);
    let made = read(complete(&[("1", &first), ("3", &last)]).await, "ETag").await;
    assert!(made.0 == 200 && made.1[0].ends_with("-2&quot;"), "{made:?}");
    assert_eq!(ask(&caller, "HEAD", path, &[]).await.headers()["content-length"], (large.len() + 3).to_string());
    assert_eq!(read(complete(&[("1", &first)]).await, "Code").await, one(404, "NoSuchUpload"));
    assert_eq!(ask(&caller, "DELETE", path, &[("uploadId", &id)]).await.status(), 404);
}

#[tokio::test]
async fn objects_have_tags() {
    let caller = Caller::new().await;
    let path = "/ada-files/tagged.txt";
    let tagging = [("tagging", "")];
    let told = async |path: &str| read(ask(&caller, "GET", path, &tagging).await, "Tag").await;
    let tag = |key: &str, value: &str| format!("<Key>{key}</Key><Value>{value}</Value>");
    let document = |tags: &str| format!("<Tagging><TagSet>{tags}</TagSet></Tagging>");
    let set = async |body: &str| {
        let sum = md5(body.as_bytes());
        let headers = [("content-md5", sum.as_str())];
        caller.send(&Call { method: "PUT", path, query: &tagging, headers: &headers, body: body.as_bytes() }).await
    };
    let count = async |path: &str| {
        let head = ask(&caller, "HEAD", path, &[]).await;
        head.headers().get("x-amz-tagging-count").map(|count| count.to_str().unwrap().to_owned())
    };
    assert_eq!(told(path).await.0, 404);
    let version = async || {
        let head = ask(&caller, "HEAD", path, &[]).await;
        ["x-amz-version-id", "last-modified", "etag"].map(|name| head.headers()[name].to_str().unwrap().to_owned())
    };
    let refused = put(&caller, path, b"1", &[("x-amz-tagging", "b=%26&a")]).await;
    assert_eq!(read(refused, "Code").await, one(400, "InvalidTag"), "a value may not have `&`");
    assert_eq!(told(path).await.0, 404, "and nothing was written");
    put(&caller, path, b"1", &[("x-amz-tagging", "b=%2B&a")]).await;
    let first = version().await;
    assert_eq!(told(path).await.1, [tag("a", ""), tag("b", "+")]);
    assert_eq!(count(path).await.as_deref(), Some("2"));
    // A copy has them, or its own.
    let source = ("x-amz-copy-source", "/ada-files/tagged.txt");
    let copy = "/ada-plain/copy.txt";
    put(&caller, copy, b"", &[source]).await;
    assert_eq!(told(copy).await.1.len(), 2);
    put(&caller, copy, b"", &[source, ("x-amz-tagging-directive", "REPLACE"), ("x-amz-tagging", "own=1")]).await;
    assert_eq!(told(copy).await.1, [tag("own", "1")]);
    let unknown = put(&caller, copy, b"", &[source, ("x-amz-tagging-directive", "MOVE")]).await;
    assert_eq!(read(unknown, "Code").await, one(400, "InvalidArgument"));
    // They are set without making another version of it, all at once.
    assert_eq!(set(&document(&format!("<Tag>{}</Tag>", tag("only", "1")))).await.status(), 200);
    assert_eq!((told(path).await.1, version().await), (vec![tag("only", "1")], first));
    for (wrong, code) in [
        ("<Tagging/>".to_owned(), "MalformedXML"),
        (document("<Tag><Key>a</Key></Tag>"), "MalformedXML"),
        (document(&format!("<Tag>{}</Tag>", tag("a", "1")).repeat(2)), "InvalidTag"),
        (document(&format!("<Tag>{}</Tag>", tag("", "1"))), "InvalidTag"),
    ] {
        assert_eq!(read(set(&wrong).await, "Code").await, one(400, code), "{wrong}");
    }
    let unsummed = caller.send(&Call { method: "PUT", path, query: &tagging, body: b"<Tagging/>", ..*NOTHING }).await;
    assert_eq!(read(unsummed, "Code").await, one(400, "InvalidRequest"));
    assert_eq!(told(path).await.1, [tag("only", "1")]);
    assert_eq!(set(&document("")).await.status(), 200);
    assert_eq!((told(path).await, count(path).await), ((200, vec![]), None));
    assert_eq!(ask(&caller, "DELETE", copy, &tagging).await.status(), 204);
    assert_eq!(told(copy).await, (200, vec![]));
    assert_eq!(ask(&caller, "GET", "/ada-files", &tagging).await.status(), 501, "those of buckets are not imitated");
}
