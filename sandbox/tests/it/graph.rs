//! Microsoft Graph: what it does and what it refuses.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Fixture, json as read};

impl Fixture {
    async fn graph(&self, method: Method, path: &str, body: Value) -> (u16, Value) {
        let request = self.request(method, &format!("/v1.0{path}"));
        let request = if body.is_null() { request } else { request.json(&body) };
        read(request.send().await.unwrap()).await
    }

    async fn look(&self, path: &str) -> (u16, Value) {
        self.graph(Method::GET, path, Value::Null).await
    }

    async fn put_content(&self, path: &str, bytes: &'static str) -> (u16, Value) {
        read(self.request(Method::PUT, &format!("/v1.0{path}")).body(bytes).send().await.unwrap()).await
    }

    async fn graph_id(&self, path: &str) -> String {
        self.look(&format!("/me/drive/root:{path}")).await.1["id"].as_str().unwrap().to_owned()
    }
}

fn code(answer: &(u16, Value)) -> (u16, &str) {
    assert!(answer.1["error"]["innerError"]["request-id"].is_string(), "{answer:?}");
    (answer.0, answer.1["error"]["code"].as_str().unwrap_or_default())
}

#[tokio::test]
async fn addresses_by_id_and_by_path() {
    let fixture = Fixture::new("onedrive").await;
    let (status, item) = fixture.look("/me/drive/root:/Documents/Contracts/Lease%202026.txt").await;
    assert_eq!(status, 200, "{item}");
    assert_eq!(item["parentReference"]["path"], "/drive/root:/Documents/Contracts");
    let drive = item["parentReference"]["driveId"].as_str().unwrap();
    let id = item["id"].as_str().unwrap();
    let by_id = fixture.look(&format!("/drives/{drive}/items/{}", id.replace('!', "%21"))).await.1;
    assert_eq!(by_id["id"], item["id"]);
    let below = fixture.graph_id("/Documents").await;
    let below = fixture.look(&format!("/me/drive/items/{below}:/Contracts:/children")).await.1;
    assert_eq!(below["value"].as_array().unwrap().len(), 2, "{below}");
    // Characters that mean something in a URL, encoded.
    let made = fixture.put_content("/me/drive/root:/a%20%231/50%25.txt:/content", "x").await;
    assert_eq!((made.0, made.1["name"].as_str()), (201, Some("50%.txt")));
    assert_eq!(made.1["parentReference"]["path"], "/drive/root:/a%20%231");
    assert_eq!(code(&fixture.look("/me/drive/root:/gone.txt").await), (404, "itemNotFound"));
    assert_eq!(code(&fixture.look("/drives/nobody/root").await), (404, "itemNotFound"));
    assert_eq!(code(&fixture.look("/me/drive/items/root/children?$filter=x").await), (400, "invalidRequest"));
}

#[tokio::test]
async fn pages_with_absolute_links() {
    let fixture = Fixture::new("onedrive").await;
    let (_, first) = fixture.look("/me/drive/root/children?$top=3&$select=id,name").await;
    assert_eq!(first["value"].as_array().unwrap().len(), 3, "{first}");
    assert!(first["value"][0].get("size").is_none());
    let next = first["@odata.nextLink"].as_str().unwrap();
    assert!(next.starts_with(fixture.provider.origin()));
    let rest = read(fixture.client.get(next).bearer_auth(&fixture.access).send().await.unwrap()).await.1;
    assert_eq!(rest["value"].as_array().unwrap().len(), 1);
    assert!(rest.get("@odata.nextLink").is_none());
    assert_eq!(code(&fixture.look("/me/drive/root/children?$top=1000").await), (400, "invalidRequest"));
}

#[tokio::test]
async fn deals_with_conflicts_as_told() {
    let fixture = Fixture::new("onedrive").await;
    let at = |behaviour: &str| format!("/me/drive/root:/n.txt:/content?@microsoft.graph.conflictBehavior={behaviour}");
    assert_eq!(fixture.put_content(&at("fail"), "1").await.0, 201);
    assert_eq!(code(&fixture.put_content(&at("fail"), "2").await), (409, "nameAlreadyExists"));
    assert_eq!(fixture.put_content(&at("replace"), "2").await.0, 200);
    assert_eq!(fixture.put_content(&at("rename"), "3").await.1["name"], "n 1.txt");
    let folder = json!({"name": "Pictures", "folder": {}, "@microsoft.graph.conflictBehavior": "fail"});
    let taken = fixture.graph(Method::POST, "/me/drive/root/children", folder).await;
    assert_eq!(code(&taken), (409, "nameAlreadyExists"));
    let id = fixture.graph_id("/n.txt").await;
    let old = fixture.request(Method::DELETE, &format!("/v1.0/me/drive/items/{id}")).header("If-Match", "\"{x},1\"");
    assert_eq!(code(&read(old.send().await.unwrap()).await), (412, "resourceModified"));
    let root = json!({"parentReference": {"id": "root"}});
    assert_eq!(
        code(&fixture.graph(Method::PATCH, &format!("/me/drive/items/{id}"), root).await),
        (404, "itemNotFound")
    );
}

#[tokio::test]
async fn copies_are_monitored_without_a_token() {
    let fixture = Fixture::new("onedrive").await;
    let id = fixture.graph_id("/readme.md").await;
    let copy = fixture.request(Method::POST, &format!("/v1.0/me/drive/items/{id}/copy")).json(&json!({"name": "c.md"}));
    let accepted = copy.send().await.unwrap();
    assert_eq!(accepted.status(), 202);
    let monitor = accepted.headers()["location"].to_str().unwrap().to_owned();
    let with_token = fixture.client.get(&monitor).bearer_auth(&fixture.access).send().await.unwrap();
    assert_eq!(with_token.status(), 401);
    let (status, first) = read(fixture.client.get(&monitor).send().await.unwrap()).await;
    assert_eq!((status, first["status"].as_str()), (202, Some("inProgress")));
    let done = read(fixture.client.get(&monitor).send().await.unwrap()).await.1;
    assert_eq!(done["status"], "completed");
    let made = fixture.look(&format!("/me/drive/items/{}", done["resourceId"].as_str().unwrap())).await.1;
    assert_eq!(made["name"], "c.md");
}

#[tokio::test]
async fn sessions_take_pieces_in_order() {
    let fixture = Fixture::new("onedrive").await;
    let open = "/me/drive/root:/big.bin:/createUploadSession";
    let session = fixture.graph(Method::POST, open, json!({"item": {}})).await.1;
    let url = session["uploadUrl"].as_str().unwrap().to_owned();
    let send = |range: &str, bytes: usize| {
        fixture.client.put(&url).header("Content-Range", range.to_owned()).body(vec![7_u8; bytes])
    };
    let step = 327_680;
    assert_eq!(code(&read(send("bytes 0-99/1000", 100).send().await.unwrap()).await), (400, "invalidRequest"));
    let token = send("bytes 0-327679/327690", step).bearer_auth(&fixture.access).send().await.unwrap();
    assert_eq!(token.status(), StatusCode::UNAUTHORIZED);
    let early = read(send("bytes 327680-327689/327690", 10).send().await.unwrap()).await;
    assert_eq!(code(&early), (416, "invalidRange"));
    let part = read(send("bytes 0-327679/327690", step).send().await.unwrap()).await;
    assert_eq!((part.0, &part.1["nextExpectedRanges"]), (202, &json!(["327680-"])));
    let last = read(send("bytes 327680-327689/327690", 10).send().await.unwrap()).await;
    assert_eq!((last.0, last.1["size"].as_u64()), (201, Some(327_690)));
}

#[tokio::test]
async fn searches_and_deltas_do_not_tell_paths() {
    let fixture = Fixture::new("onedrive").await;
    let found = fixture.look("/me/drive/root/search(q='lease')").await.1;
    assert_eq!(found["value"][0]["name"], "Lease 2026.txt");
    assert!(found["value"][0]["parentReference"].get("path").is_none());
    assert_eq!(code(&fixture.look("/me/drive/root/search(q='')").await), (400, "invalidRequest"));
    assert_eq!(code(&fixture.look("/me/drive/root/search(q='a'b')").await), (400, "invalidRequest"));
    let all = fixture.look("/me/drive/root/delta").await.1;
    let link = all["@odata.deltaLink"].as_str().unwrap().to_owned();
    let id = fixture.graph_id("/readme.md").await;
    fixture.graph(Method::DELETE, &format!("/me/drive/items/{id}"), Value::Null).await;
    let changed = read(fixture.client.get(link).bearer_auth(&fixture.access).send().await.unwrap()).await.1;
    assert_eq!(changed["value"][0]["id"], json!(id));
    assert!(changed["value"][0]["deleted"].is_object());
}

#[tokio::test]
async fn sites_have_libraries_and_lists() {
    let fixture = Fixture::new("onedrive").await;
    let site = fixture.look("/sites/acme.sharepoint.com:/sites/team").await.1;
    let id = site["id"].as_str().unwrap();
    let lists = fixture.look(&format!("/sites/{id}/lists")).await.1;
    assert_eq!(lists["value"].as_array().unwrap().len(), 3);
    let archive = fixture.look(&format!("/sites/{id}/lists/Archive/drive/root")).await.1;
    let default = fixture.look(&format!("/sites/{id}/drive/root")).await.1;
    assert_ne!(archive["parentReference"]["driveId"], default["parentReference"]["driveId"]);
    assert_eq!(code(&fixture.look("/sites/acme.sharepoint.com:/sites/none").await), (404, "itemNotFound"));
    let field = json!({"fields": {"Colour": "red"}});
    let refused = fixture.graph(Method::POST, &format!("/sites/{id}/lists/Announcements/items"), field).await;
    assert_eq!(code(&refused), (400, "invalidRequest"));
}

#[tokio::test]
async fn every_refresh_gives_a_new_token_and_the_old_one_goes_on() {
    let fixture = Fixture::new("onedrive").await;
    let first = read(fixture.renew(&fixture.refresh).await).await.1;
    assert_ne!(first["refresh_token"], json!(fixture.refresh));
    assert_eq!(fixture.renew(&fixture.refresh).await.status(), 200);
    fixture.provider.revoke_refresh_tokens();
    let (status, dead) = read(fixture.renew(&fixture.refresh).await).await;
    assert_eq!((status, dead["error"].as_str()), (400, Some("invalid_grant")));
    assert!(dead["error_description"].as_str().unwrap().starts_with("AADSTS50173"));
    assert_eq!(dead["error_codes"], json!([50173]));
}
