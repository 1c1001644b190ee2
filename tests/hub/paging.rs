//! Two pages of n are one page of 2n, in order, whatever the page size, the filter and the order: on every element of the
//! documents hub that the demo serves.

use proptest::{
    prelude::*,
    test_runner::{TestCaseError, TestRunner},
};
use reqwest::Method;
use serde_json::{Value, json};

use super::support::{Gateway, Reply, encoded};

const ITEMS: usize = 11;

const FILTERS: &[&str] = &["", "extension='txt'", "name like 'f%'", "size > 3", "directory='false' and size < 9"];
const ORDERS: &[&str] = &["", "name", "size desc", "extension,name desc"];

/// What is paged: the operation, its path, and whether files are in it, which filters and orders are about.
const LISTS: &[(&str, &str, bool)] = &[
    ("folders.listContents", "/folders/contents?path=/Paging", true),
    ("search.search", "/search?path=/Paging&text=f", true),
    ("revisions.list", "/files/revisions?path=/Paging/f0.txt", false),
    ("comments.list", "/files/comments?path=/Paging/f0.txt", false),
];

async fn furnish(hub: &Gateway, element: &str, comments: bool) {
    for index in 0..ITEMS {
        let ending = if index % 3 == 0 { "csv" } else { "txt" };
        let path = format!("/files?path=/Paging/f{index}.{}", if index == 0 { "txt" } else { ending });
        hub.upload(element, &path, &vec![b'x'; index + 1]).await.expect(200);
    }
    hub.json(element, Method::POST, "/folders", &json!({"path": "/Paging/folder"})).await.expect(200);
    for index in 0..5 {
        hub.upload(element, "/files?path=/Paging/f0.txt&overwrite=true", &vec![b'y'; index + 1]).await.expect(200);
        if comments {
            let path = "/files/comments?path=/Paging/f0.txt";
            hub.json(element, Method::POST, path, &json!({"comment": index.to_string()})).await.expect(200);
        }
    }
}

async fn page(hub: &Gateway, element: &str, path: &str, size: usize, token: &str) -> Reply {
    hub.get(element, &format!("{path}&pageSize={size}&nextPage={}", encoded(token))).await.expect(200)
}

/// The law itself, at every place of the list.
async fn holds(hub: &Gateway, element: &str, path: &str, size: usize) -> Result<(), String> {
    let mut token = String::new();
    // More pages than there can be would be pages without an end.
    for _ in 0..40 {
        let first = page(hub, element, path, size, &token).await;
        let both = page(hub, element, path, size * 2, &token).await;
        let next = first.header("elements-next-page-token").to_owned();
        let mut seen: Vec<Value> = first.list().clone();
        if !next.is_empty() {
            let second = page(hub, element, path, size, &next).await;
            seen.extend(second.list().iter().cloned());
        }
        if seen.len() > size * 2 || &seen != both.list() {
            return Err(format!(
                "{element}: {path}: two pages of {size} are {seen:?}, one of {} {}",
                size * 2,
                both.body
            ));
        }
        if next.is_empty() {
            return Ok(());
        }
        token = next;
    }
    Err(format!("{element}: {path}: pages of {size} do not end"))
}

#[test]
fn two_pages_of_n_are_one_page_of_2n() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let hub = Gateway::demo();
    for can in runtime.block_on(hub.elements_of(&["documents"])) {
        runtime.block_on(furnish(&hub, &can.key, can.does("comments.create")));
        for (operation, path, files) in LISTS.iter().filter(|(operation, ..)| can.does(operation)) {
            let whole = runtime.block_on(page(&hub, &can.key, path, 200, ""));
            assert!(whole.list().len() > 2, "{can}: {operation}: there is nothing to page: {}", whole.body);
            let strategy = (1..8_usize, prop::sample::select(FILTERS), prop::sample::select(ORDERS));
            let config = ProptestConfig { cases: 8, failure_persistence: None, ..ProptestConfig::default() };
            let law = TestRunner::new(config).run(&strategy, |(size, filter, order)| {
                let path = if *files {
                    format!("{path}&where={}&orderBy={}", encoded(filter), encoded(order))
                } else {
                    (*path).to_owned()
                };
                runtime.block_on(holds(&hub, &can.key, &path, size)).map_err(TestCaseError::fail)
            });
            if let Err(error) = law {
                panic!("{can}: {operation}: {error}");
            }
        }
    }
}
