//! Teams: whose files a call is about is said by a header, and members come, rest and go.

use reqwest::Method;
use serde_json::{Value, json};

use super::support::{Gateway, Reply, send};

const KEY: &str = "dropboxbusiness";

async fn members(hub: &Gateway) -> Vec<Value> {
    hub.get(KEY, "/hubs/documents/members").await.expect(200).list().clone()
}

fn id(member: &Value) -> &str {
    member["profile"]["team_member_id"].as_str().unwrap()
}

async fn as_member(hub: &Gateway, member: &str, path: &str) -> Reply {
    send(hub.request(KEY, Method::GET, path).header("Elements-As-Team-Member", member)).await
}

#[tokio::test]
async fn the_header_says_whose_files_they_are() {
    let hub = Gateway::demo();
    let team = members(&hub).await;
    assert_eq!(team.len(), 2, "{team:?}");
    // Without the header it is the admin who connected the team.
    hub.upload(KEY, "/files?path=/mine.txt", b"the admin's").await.expect(200);
    let (admin, other) = (id(&team[0]), id(&team[1]));
    assert_eq!(as_member(&hub, admin, "/files?path=/mine.txt").await.expect(200).bytes, b"the admin's");
    as_member(&hub, other, "/files/metadata?path=/mine.txt").await.expect(404);
    let me = as_member(&hub, other, "/hubs/documents/me").await.expect(200).body;
    assert_eq!(me["email"], team[1]["profile"]["email"]);
    let nobody = as_member(&hub, "dbmid:nobody", "/files/metadata?path=/mine.txt").await.expect(400);
    assert!(nobody.body["message"].as_str().unwrap().contains("Elements-As-Team-Member"), "{}", nobody.body);
    // The header is about members only where members are.
    hub.get("dropbox", "/hubs/documents/members").await.expect(400);
}

#[tokio::test]
async fn members_come_rest_and_go() {
    let hub = Gateway::demo();
    let new = json!({"member_email": "cleo@example.com", "member_given_name": "Cleo", "member_surname": "Nwosu"});
    let made = hub.json(KEY, Method::POST, "/hubs/documents/members", &new).await.expect(200).body;
    let cleo = id(&made).to_owned();
    hub.json(KEY, Method::POST, "/members", &new).await.expect(409);
    let first = hub.get(KEY, "/members?pageSize=2&nextPage=").await.expect(200);
    assert_eq!(first.list().len(), 2);
    let rest =
        hub.get(KEY, &format!("/members?pageSize=2&nextPage={}", first.header("elements-next-page-token"))).await;
    assert_eq!(id(&rest.expect(200).list()[0]), cleo);

    as_member(&hub, &cleo, "/folders/contents?path=/").await.expect(200);
    let patch = async |path: String| send(hub.request(KEY, Method::PATCH, &path)).await;
    patch(format!("/members/{cleo}/suspend/maybe")).await.expect(400);
    patch(format!("/members/{cleo}/suspend/false")).await.expect(200);
    as_member(&hub, &cleo, "/folders/contents?path=/").await.expect(403);
    patch(format!("/members/{cleo}/suspend/true")).await.expect(409);
    patch(format!("/members/{cleo}/unsuspend")).await.expect(200);
    as_member(&hub, &cleo, "/folders/contents?path=/").await.expect(200);
    hub.delete(KEY, &format!("/members/{cleo}")).await.expect(200);
    hub.delete(KEY, &format!("/members/{cleo}")).await.expect(404);
    assert_eq!(members(&hub).await.len(), 2);
    let admin = id(&members(&hub).await[0]).to_owned();
    hub.delete(KEY, &format!("/members/{admin}")).await.expect(409);
}
