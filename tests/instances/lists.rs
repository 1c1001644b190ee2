//! Who sees which instances.

use serde_json::json;

use super::{
    acme, create, ledger, path, start,
    support::{Answer, pointers},
};

#[tokio::test]
async fn lists_are_filtered_paged_and_counted() {
    let (_provider, gateway) = start().await;
    let ann = gateway.user("ann@acme.example").await;
    assert_eq!(ann.get("/instances").await.refused(404)["message"], "No element instances found");
    for (name, tags) in [("First", json!(["a"])), ("Second", json!(["a", "b"])), ("Third", json!(["b"]))] {
        let mut body = ledger();
        (body["name"], body["tags"]) = (json!(name), tags);
        create(&ann, body).await;
    }
    let names = async |query: &str| {
        let list = ann.get(&format!("/instances{query}")).await.ok();
        list.as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names("").await, ["First", "Second", "Third"]);
    assert_eq!(names("?tags%5B%5D=a").await, ["First", "Second"]);
    assert_eq!(names("?tags[]=a&tags[]=b").await, ["Second"]);
    assert_eq!(names("?tags[]=a,b").await, ["Second"]);
    assert_eq!(names("?searchText=thIRD").await, ["Third"]);
    assert_eq!(names("?searchText=LEDG").await.len(), 3);
    ann.get("/instances?tags[]=nobody").await.refused(404);
    let list = ann.get("/instances?hydrate=false").await.ok();
    assert!(list[0].get("configuration").is_none() && list[0]["token"].is_string() && list[0]["user"].is_object());
    assert_eq!(ann.get("/instances/count").await.ok(), json!({"totalInstances": 3, "elementInstances": 3}));

    let first = ann.get("/instances?pageSize=2&nextPage=").await;
    assert_eq!((first.header("elements-returned-count"), first.header("elements-total-count")), (Some("2"), Some("3")));
    let cursor = first.header("elements-next-page-token").unwrap().to_owned();
    let second = ann.get(&format!("/instances?pageSize=2&nextPage={cursor}")).await;
    assert!(second.header("elements-next-page-token").is_none());
    assert_eq!(second.ok()[0]["name"], "Third");

    let bob = gateway.user("bob@other.example").await;
    create(&bob, ledger()).await;
    let stolen = bob.get(&format!("/instances?pageSize=2&nextPage={cursor}")).await.refused(400);
    assert_eq!(pointers(&stolen), ["nextPage"]);
    ann.get(&format!("/instances?searchText=x&nextPage={cursor}")).await.refused(400);
    assert_eq!(pointers(&ann.get("/instances?pageSize=0").await.refused(400)), ["pageSize"]);
    assert!(ann.get("/instances?pageSize=9999").await.header("elements-error").is_some());
}

#[tokio::test]
async fn nobody_sees_the_instances_of_another() {
    let (_provider, gateway) = start().await;
    let (ann, bob) = (gateway.user("ann@acme.example").await, gateway.user("bob@other.example").await);
    let made = create(&ann, ledger()).await;
    let at = path(&made);
    let before = ann.get(&at).await.ok();
    let answers: Vec<Answer> = vec![
        bob.get(&at).await,
        bob.put(&at, ledger()).await,
        bob.patch(&at, json!({"name": "mine now"})).await,
        bob.delete(&at).await,
        bob.get(&format!("{at}/configuration")).await,
        bob.get(&format!("{at}/configuration/username")).await,
        bob.patch(&format!("{at}/configuration/username"), json!({"propertyValue": "bob"})).await,
        bob.delete(&format!("{at}/enabled")).await,
        bob.call(reqwest::Method::PUT, &format!("{at}/enabled"), None).await,
        bob.get("/instances").await,
        bob.get(&format!("/elements/ledger{at}")).await,
        bob.get("/instances/0").await,
        bob.get("/instances/none").await,
    ];
    for answer in answers {
        let body = answer.refused(404);
        assert!(!body.to_string().contains("API Instance"));
    }
    assert_eq!(ann.get(&at).await.ok(), before);
}

#[tokio::test]
async fn an_element_lists_its_own_instances() {
    let (_provider, gateway) = start().await;
    let ann = gateway.user("ann@acme.example").await;
    let oauth = create(&ann, acme("good-1")).await;
    let mut body = ledger();
    body.as_object_mut().unwrap().remove("element");
    let made = ann.post("/elements/ledger/instances", body.clone()).await.ok();
    assert_eq!(ann.get("/elements/9002/instances").await.ok().as_array().unwrap().len(), 1);
    ann.post("/elements/nosuch/instances", body).await.refused(404);
    assert_eq!(pointers(&ann.post("/elements/acme/instances", ledger()).await.refused(400)), ["/element"]);
    let at = format!("/elements/ledger/instances/{}", made["id"]);
    assert_eq!(ann.put(&at, json!({"name": "renamed"})).await.ok()["name"], "renamed");
    ann.get(&format!("/elements/ledger/instances/{}", oauth["id"])).await.refused(404);
    assert_eq!(ann.delete(&at).await.status, 200);
    ann.get("/elements/ledger/instances").await.refused(404);
}
