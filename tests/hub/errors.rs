//! One error shape everywhere, whoever is at fault, and never a secret in it.

use reqwest::Method;
use serde_json::json;

use super::support::{Gateway, Reply, form, send};

#[track_caller]
fn check(reply: Reply, status: u16) -> Reply {
    let reply = reply.expect(status);
    let id = reply.body["requestId"].as_str().unwrap_or_else(|| panic!("{}", reply.body));
    assert!(id.len() == 24 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
    assert_eq!(id, reply.header("elements-request-id"));
    assert!(!reply.body["message"].as_str().unwrap().is_empty());
    reply
}

#[tokio::test]
async fn callers_faults() {
    let hub = Gateway::demo();
    check(hub.get("dropbox", "/no/such/resource/here/at/all").await, 404);
    check(hub.get("dropbox", "/hubs/documents/nothing/at/all").await, 404);
    check(hub.json("dropbox", Method::PUT, "/hubs/documents/storage", &json!({})).await, 405);
    check(send(hub.bare(Method::GET, "/hubs/documents/storage")).await, 401);
    check(
        send(hub.bare(Method::GET, "/hubs/documents/storage").header("Authorization", "Element nonsense")).await,
        401,
    );
    let mixed = format!("User wrong, Organization wrong, Element {}", hub.token("dropbox"));
    check(send(hub.bare(Method::GET, "/hubs/documents/storage").header("Authorization", mixed)).await, 401);
    for spelled in [
        format!("element {}", hub.token("dropbox")),
        format!("Element: {}", hub.token("dropbox")),
        format!("Token   {}", hub.token("dropbox")),
        format!("Element {},{}", hub.token("dropbox"), hub.account),
        format!("{} , ELEMENT  {}", hub.account, hub.token("dropbox")),
    ] {
        send(hub.bare(Method::GET, "/hubs/documents/storage").header("Authorization", &spelled)).await.expect(200);
    }
    let broken =
        hub.request("sfdc", Method::POST, "/contacts").header("Content-Type", "application/json").body("{\"a\":");
    check(send(broken).await, 400);
    let big = hub
        .request("sfdc", Method::POST, "/contacts")
        .header("Content-Type", "application/json")
        .body(vec![b' '; 3 << 20]);
    check(send(big).await, 413);
    let plain =
        hub.request("dropbox", Method::POST, "/files?path=/a.txt").header("Content-Type", "text/plain").body("x");
    check(send(plain).await, 415);
    let (content_type, _) = form("x", b"");
    let no_file = "--b0und\r\nContent-Disposition: form-data; name=\"other\"\r\n\r\nx\r\n--b0und--\r\n";
    let empty =
        hub.request("dropbox", Method::POST, "/files?path=/a.txt").header("Content-Type", content_type).body(no_file);
    check(send(empty).await, 400);
    let missing = check(hub.upload("dropbox", "/files", b"x").await, 400);
    assert!(missing.body["message"].as_str().unwrap().contains("`path`"), "{}", missing.body);
    check(hub.upload("box", "/files?path=relative.txt", b"x").await, 400);
    check(hub.upload("box", "/files?path=/../up.txt", b"x").await, 400);
    check(hub.get("box", "/folders/contents?path=/&pageSize=lots").await, 400);
    check(hub.get("box", "/folders/contents?path=/&pageSize=0").await, 400);
    check(hub.get("box", "/folders/contents?path=/&nextPage=forged").await, 400);
    check(hub.get("box", "/files?path=/No%20such.txt").await, 404);
    check(hub.get("box", "/files/404404/metadata").await, 404);
    check(hub.get("dropbox", "/files/not-an-id/metadata").await, 404);
}

#[tokio::test]
async fn a_folder_is_no_file() {
    let hub = Gateway::demo();
    for element in ["dropbox", "box"] {
        hub.json(element, Method::POST, "/folders", &json!({"path": "/Only a folder"})).await.expect(200);
        let reply = hub.get(element, "/files?path=/Only%20a%20folder").await;
        assert!(matches!(reply.status.as_u16(), 400 | 404), "{element}: {}", reply.body);
    }
}

#[tokio::test]
async fn providers_faults_are_told_in_uniform_terms() {
    let hub = Gateway::demo();
    let cases = [
        ("dropbox", "/hubs/documents/folders/contents?path=/", "/2/files/list_folder"),
        ("box", "/hubs/documents/folders/contents?path=/", "/2.0/folders"),
        ("sfdc", "/hubs/crm/contacts", "/services/data"),
        ("hubspot", "/hubs/crm/contacts?pageSize=5", "/crm/v3/objects"),
    ];
    for (element, path, route) in cases {
        // Whatever a list needs to know first is known from now on.
        hub.get(element, path).await.expect(200);
        // Salesforce says with a 403 that its request limit is used up.
        let forbidden = if element == "sfdc" { 429 } else { 403 };
        for (status, uniform) in [(500, 502), (403, forbidden), (400, 400)] {
            hub.control(element, Method::POST, "/faults", &json!({"path": route, "status": status})).await;
            let reply = check(hub.get(element, path).await, uniform);
            assert_eq!(reply.body["provider"]["status"], status, "{element}: {}", reply.body);
            hub.control(element, Method::DELETE, "/faults", &json!(null)).await;
        }
        hub.control(element, Method::POST, "/faults", &json!({"path": route, "status": 429, "retry_after": 30})).await;
        let limited = check(hub.get(element, path).await, 429);
        assert_eq!(limited.header("retry-after"), "30", "{element}");
        hub.control(element, Method::DELETE, "/faults", &json!(null)).await;
        hub.control(element, Method::POST, "/faults", &json!({"path": route, "malformed": true})).await;
        check(hub.get(element, path).await, 502);
        hub.control(element, Method::DELETE, "/faults", &json!(null)).await;
        hub.control(element, Method::POST, "/faults", &json!({"path": route, "reset": "before"})).await;
        check(hub.get(element, path).await, 502);
        hub.control(element, Method::DELETE, "/faults", &json!(null)).await;
        hub.get(element, path).await.expect(200);
    }
}

#[tokio::test]
async fn a_disabled_instance_is_refused_and_an_enabled_one_is_not() {
    let hub = Gateway::demo();
    let id = hub.instance_id("box");
    send(hub.platform(Method::DELETE, &format!("/instances/{id}/enabled"))).await.expect(200);
    check(hub.get("box", "/hubs/documents/storage").await, 403);
    send(hub.platform(Method::PUT, &format!("/instances/{id}/enabled"))).await.expect(200);
    hub.get("box", "/hubs/documents/storage").await.expect(200);
    send(hub.platform(Method::DELETE, &format!("/instances/{id}"))).await.expect(200);
    check(hub.get("box", "/hubs/documents/storage").await, 401);
}
