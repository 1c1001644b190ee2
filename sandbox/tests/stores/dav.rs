//! WebDAV: who may enter, what is where, what is locked.

use md5::{Digest, Md5};
use reqwest::{Client, Method, RequestBuilder, Response};
use sandbox::Running;
use sha2::Sha256;

struct Share {
    provider: Running,
    client: Client,
}

impl Share {
    async fn new() -> Self {
        Self { provider: sandbox::start("webdav", "127.0.0.1:0").await.unwrap(), client: crate::support::client() }
    }

    fn bare(&self, method: &str, path: &str) -> RequestBuilder {
        self.client.request(method.parse::<Method>().unwrap(), format!("{}{path}", self.provider.url("api")))
    }

    fn request(&self, method: &str, path: &str) -> RequestBuilder {
        self.bare(method, path)
            .basic_auth(&self.provider.credentials["username"], Some(&self.provider.credentials["password"]))
    }

    async fn status(&self, method: &str, path: &str) -> u16 {
        self.request(method, path).send().await.unwrap().status().as_u16()
    }

    async fn to(&self, method: &str, from: &str, to: &str, overwrite: &str) -> u16 {
        let destination = format!("{}{to}", self.provider.url("api"));
        let request = self.request(method, from).header("destination", destination).header("overwrite", overwrite);
        request.send().await.unwrap().status().as_u16()
    }

    async fn put(&self, path: &str, text: &'static str) -> u16 {
        self.request("PUT", path).body(text).send().await.unwrap().status().as_u16()
    }

    async fn text(&self, path: &str) -> String {
        self.request("GET", path).send().await.unwrap().text().await.unwrap()
    }

    async fn properties(&self, path: &str, depth: &str, names: &str) -> (u16, String) {
        let body = format!("<D:propfind xmlns:D='DAV:' xmlns:X='urn:x'><D:prop>{names}</D:prop></D:propfind>");
        let answer = self.request("PROPFIND", path).header("depth", depth).body(body).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }
}

/// The nonce of the challenge for this hash.
fn nonce(answer: &Response, algorithm: &str) -> String {
    let challenges = answer.headers().get_all("www-authenticate").iter().map(|value| value.to_str().unwrap());
    let challenge =
        challenges.into_iter().find(|challenge| challenge.contains(&format!("algorithm={algorithm},"))).unwrap();
    challenge.split("nonce=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_name_and_a_password_or_a_digest_of_them() {
    let share = Share::new().await;
    let asked = share.bare("GET", "/readme.md").send().await.unwrap();
    assert_eq!((asked.status().as_u16(), asked.headers().get_all("www-authenticate").iter().count()), (401, 3));
    assert_eq!(share.text("/readme.md").await, "# Sandbox\n\nNothing here leaves this machine.\n");
    let wrong = share.bare("GET", "/").basic_auth("ada", Some("wrong")).send().await.unwrap();
    assert_eq!(wrong.status(), 401);

    for algorithm in ["MD5", "SHA-256"] {
        let hash = |text: String| match algorithm {
            "MD5" => hex::encode(Md5::digest(text)),
            _ => hex::encode(Sha256::digest(text)),
        };
        let digest = async |nonce: &str, password: &str, uri: &str| {
            let response = hash(format!(
                "{}:{nonce}:00000001:own:auth:{}",
                hash(format!("ada:sandbox:{password}")),
                hash(format!("GET:{uri}"))
            ));
            let value = format!(
                "Digest username=\"ada\", realm=\"sandbox\", nonce=\"{nonce}\", uri=\"{uri}\", algorithm={algorithm}, response=\"{response}\", qop=auth, nc=00000001, cnonce=\"own\""
            );
            share.bare("GET", "/readme.md").header("authorization", value).send().await.unwrap()
        };
        let (password, uri) = (&share.provider.credentials["password"], "/dav/readme.md");
        let serves = nonce(&asked, algorithm);
        assert_eq!(digest(&serves, "wrong", uri).await.status(), 401);
        assert_eq!(digest(&serves, password, "/dav/other").await.status(), 401, "another call");
        // The nonce is one for both hashes, and each of its counts serves once.
        assert_eq!(digest(&serves, password, uri).await.status(), if algorithm == "MD5" { 200 } else { 401 });
        let again = digest(&serves, password, uri).await;
        assert!(again.status() == 401 && again.headers()["www-authenticate"].to_str().unwrap().contains("stale=true"));
        assert_eq!(digest(&nonce(&again, algorithm), password, uri).await.status(), 200);
    }
}

#[tokio::test]
async fn files_and_folders_come_and_go() {
    let share = Share::new().await;
    assert_eq!(share.put("/new.txt", "one").await, 201);
    assert_eq!(share.put("/new.txt", "two").await, 204);
    assert_eq!(share.put("/nowhere/new.txt", "x").await, 409);
    let refused = share.request("PUT", "/new.txt").header("if-none-match", "*").body("x").send().await.unwrap();
    assert_eq!((refused.status().as_u16(), share.text("/new.txt").await.as_str()), (412, "two"));
    let part = share.request("PUT", "/new.txt").header("content-range", "bytes 0-0/3").body("x").send().await.unwrap();
    assert_eq!(part.status(), 400, "a part of a file is no file");
    let range = share.request("GET", "/new.txt").header("range", "bytes=1-").send().await.unwrap();
    assert_eq!((range.status().as_u16(), range.text().await.unwrap().as_str()), (206, "wo"));

    assert_eq!(share.status("MKCOL", "/folder").await, 201);
    assert_eq!(share.status("MKCOL", "/folder").await, 405);
    assert_eq!(share.status("MKCOL", "/no/folder").await, 409);
    assert_eq!(share.to("MOVE", "/new.txt", "/folder/moved.txt", "F").await, 201);
    assert_eq!(share.put("/new.txt", "three").await, 201);
    assert_eq!(share.to("COPY", "/new.txt", "/folder/moved.txt", "F").await, 412);
    assert_eq!(share.to("COPY", "/new.txt", "/folder/moved.txt", "T").await, 204);
    assert_eq!(share.text("/folder/moved.txt").await, "three");
    assert_eq!(share.to("COPY", "/folder", "/copied", "F").await, 201);
    assert_eq!(share.text("/copied/moved.txt").await, "three");
    assert_eq!(share.status("DELETE", "/folder").await, 204);
    assert_eq!(share.status("GET", "/folder/moved.txt").await, 404);
    share.provider.reset();
    assert_eq!(share.status("GET", "/copied/moved.txt").await, 404);
}

#[tokio::test]
async fn properties_are_told_and_kept() {
    let share = Share::new().await;
    let (status, listed) = share.properties("/Documents/", "1", "<D:resourcetype/><D:getcontentlength/>").await;
    assert_eq!((status, listed.matches("<D:href>").count()), (207, 3), "{listed}");
    let (status, told) = share.properties("/", "infinity", "<D:resourcetype/>").await;
    assert!(status == 403 && told.contains("propfind-finite-depth"), "{told}");
    let (_, quota) = share.properties("/", "0", "<D:quota-used-bytes/><D:quota-available-bytes/>").await;
    assert!(quota.contains("<D:quota-used-bytes>1704</D:quota-used-bytes>"), "{quota}");

    let patch = async |body: &str| {
        let body = format!("<D:propertyupdate xmlns:D='DAV:' xmlns:X='urn:x'>{body}</D:propertyupdate>");
        share.request("PROPPATCH", "/readme.md").body(body).send().await.unwrap().text().await.unwrap()
    };
    let set = "<D:set><D:prop><X:own>kept</X:own></D:prop></D:set>";
    patch(set).await;
    share.to("MOVE", "/readme.md", "/moved.md", "F").await;
    share.to("MOVE", "/moved.md", "/readme.md", "F").await;
    let (_, told) = share.properties("/readme.md", "0", "<X:own/><X:none/>").await;
    assert_eq!(told.matches(">kept<").count(), 1, "{told}");
    assert!(told.contains("<P:none xmlns:P=\"urn:x\"/></D:prop><D:status>HTTP/1.1 404 Not Found</D:status>"), "{told}");
    let (_, other) = share.properties("/readme.md", "0", "<D:getetag/>").await;
    assert!(!other.contains("kept"), "what is not asked for is not told: {other}");
    // All or nothing: what the server itself tells cannot be set.
    let both = patch("<D:set><D:prop><X:own>other</X:own><D:getetag>x</D:getetag></D:prop></D:set>").await;
    assert!(both.contains("403") && both.contains("424"), "{both}");
    assert!(share.properties("/readme.md", "0", "<X:own/>").await.1.contains(">kept<"));
}

#[tokio::test]
async fn what_is_locked_takes_its_token() {
    let share = Share::new().await;
    let lock = "<D:lockinfo xmlns:D='DAV:'><D:lockscope><D:exclusive/></D:lockscope><D:locktype><D:write/></D:locktype></D:lockinfo>";
    let locked = share.request("LOCK", "/readme.md").body(lock).send().await.unwrap();
    assert_eq!(locked.status(), 200);
    let token = locked.headers()["lock-token"].to_str().unwrap().to_owned();
    assert_eq!(share.put("/readme.md", "x").await, 423);
    assert_eq!(share.request("LOCK", "/readme.md").body(lock).send().await.unwrap().status(), 423);
    let with = share.request("PUT", "/readme.md").header("if", format!("({token})")).body("mine").send().await.unwrap();
    assert_eq!(with.status(), 204);
    let unlocked = share.request("UNLOCK", "/readme.md").header("lock-token", &token).send().await.unwrap();
    assert_eq!(unlocked.status(), 204);
    assert_eq!(share.put("/readme.md", "x").await, 204);
}
