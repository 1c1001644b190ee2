//! How answers are read: words whose effect shows in the examples of a small element.

use hubgate::{catalog::source::Files, gateway::examples};
use serde_json::{Value, json};

/// The problems of an element whose only operation is `storage.get`.
pub(crate) fn problems(call: &Value, example: &Value) -> Vec<String> {
    let mut files = Files::built_in();
    files.0.retain(|path, _| path.starts_with("hubs/"));
    let mut example = example.clone();
    example["operation"] = json!("storage.get");
    example["name"] = json!("the space");
    let element = json!({
        "id": 9001, "key": "acmedrive", "name": "Acme Drive", "description": "Files of an Acme account", "hub": "documents", "unsupported": {"*": "Acme keeps only storage"},
        "authentication": {"type": "none"},
        "hosts": {"api": "https://api.acme.example"},
        "resources": {"storage": {
            "resource": "storage",
            "fields": {"used": {"path": "$.used", "codec": "integer"}, "total": {"path": "$.total", "codec": "integer"}},
            "unsupported": {"shared": "Acme tells nothing of it"},
            "operations": {"get": call}
        }},
        "examples": [example]
    });
    files.0.insert("elements/acmedrive.json".to_owned(), element.to_string());
    examples::check(&files).problems.iter().map(ToString::to_string).collect()
}

#[test]
fn headers_are_put_into_an_answer_without_a_body() {
    let call = json!({
        "method": "HEAD", "path": "/quota",
        "answer": {"format": "none", "include": {"used": "X-Used", "total": "x-total"}}
    });
    let example = |used: u64| {
        json!({
            "calls": [{
                "request": {"method": "HEAD", "url": "https://api.acme.example/quota"},
                "reply": {"headers": {"X-Used": "3", "X-Total": "10"}}
            }],
            "answer": {"body": {"used": used, "total": 10}}
        })
    };
    assert_eq!(problems(&call, &example(3)), Vec::<String>::new());
    assert_eq!(problems(&call, &example(4)).len(), 1);
}

#[test]
fn headers_are_put_beside_what_the_body_says() {
    let call = json!({"method": "GET", "path": "/quota", "answer": {"include": {"total": "X-Total"}}});
    let example = json!({
        "calls": [{
            "request": {"method": "GET", "url": "https://api.acme.example/quota"},
            "reply": {"headers": {"X-Total": "10"}, "body": {"used": 3}}
        }],
        "answer": {"body": {"used": 3, "total": 10}}
    });
    assert_eq!(problems(&call, &example), Vec::<String>::new());
}

#[test]
fn an_include_that_cannot_be_is_told() {
    let example = json!({"answer": {"status": 400}});
    let wrong = json!({"method": "GET", "path": "/quota", "answer": {"include": {"used": "X Used"}}});
    let told = problems(&wrong, &example).join("\n");
    assert!(told.contains("/include/used: `X Used` is not the name of a header"), "{told}");
    let streamed =
        json!({"method": "GET", "path": "/quota", "answer": {"format": "stream", "include": {"used": "X-Used"}}});
    let told = problems(&streamed, &example).join("\n");
    assert!(told.contains("/include: a streamed answer has no members"), "{told}");
}

fn replied(reply: &Value, answer: &Value) -> Value {
    json!({
        "calls": [{"request": {"method": "GET", "url": "https://api.acme.example/quota"}, "reply": reply}],
        "answer": answer
    })
}

#[test]
fn xml_reads_as_a_document() {
    let call = json!({"method": "GET", "path": "/quota", "answer": {"format": "xml", "record": "$.quota"}});
    let text = "<?xml version=\"1.0\"?><quota><used>3</used><total>10</total></quota>";
    let fine = replied(&json!({"text": text}), &json!({"body": {"used": 3, "total": 10}}));
    assert_eq!(problems(&call, &fine), Vec::<String>::new());
    let bomb = "<!DOCTYPE quota [<!ENTITY a \"1\"><!ENTITY b \"&a;&a;\">]><quota><used>&b;</used></quota>";
    let refused = replied(&json!({"text": bomb}), &json!({"status": 502}));
    assert_eq!(problems(&call, &refused), Vec::<String>::new());
}

#[test]
fn a_failure_may_come_with_a_status_of_success() {
    let mut call = json!({
        "method": "GET", "path": "/quota",
        "answer": {"failure": {"$.error": {"present": true}}},
        "errors": [{"status": 200, "match": {"$.error": "gone"}, "as": 404, "message": "There is no quota"}]
    });
    let gone =
        replied(&json!({"body": {"error": "gone"}}), &json!({"status": 404, "body": {"message": "There is no quota"}}));
    assert_eq!(problems(&call, &gone), Vec::<String>::new());
    let other = replied(&json!({"body": {"error": "broken"}}), &json!({"status": 502}));
    assert_eq!(problems(&call, &other), Vec::<String>::new(), "without a rule it is the provider's failure");
    call["answer"] = json!({});
    assert_eq!(problems(&call, &gone), Vec::<String>::new(), "a rule that names the status needs no word");
    assert_eq!(problems(&call, &other).len(), 1, "without the word it is no failure");
}

#[test]
fn a_part_that_failed_fails_a_change() {
    let answer = |inner: &str| {
        format!("<d:multistatus xmlns:d='DAV:'><d:response><d:href>/quota</d:href>{inner}</d:response></d:multistatus>")
    };
    let call = json!({
        "method": "GET", "path": "/quota",
        "answer": {"format": "multistatus", "record": "$.items[0].properties"}
    });
    let found = answer(
        "<d:propstat><d:prop><used xmlns=''>3</used></d:prop><d:status>HTTP/1.1 200 OK</d:status></d:propstat>\
         <d:propstat><d:prop><total xmlns=''/></d:prop><d:status>HTTP/1.1 404 Not Found</d:status></d:propstat>",
    );
    let fine = replied(&json!({"status": 207, "text": found}), &json!({"body": {"used": 3}}));
    assert_eq!(problems(&call, &fine), Vec::<String>::new());
    let locked = answer("<d:status>HTTP/1.1 423 Locked</d:status>");
    let failed = replied(&json!({"status": 207, "text": locked}), &json!({"status": 409}));
    assert_eq!(problems(&call, &failed), Vec::<String>::new());
}

#[test]
fn a_walk_stays_within_its_bounds_and_tells_how_far_it_came() {
    let call = |extra: &Value| {
        let mut walk = json!({
            "list": {
                "method": "GET", "path": "/below", "query": {"of": "{walk.folder}", "token": "{page.cursor?}"},
                "answer": {"items": "$.list"}, "paging": {"max": 2, "cursor": "$.token"}
            },
            "start": "/", "folders": {"match": {"$.folder": true}, "as": "$.name"}
        });
        for (key, value) in extra.as_object().unwrap() {
            walk[key] = value.clone();
        }
        json!({"steps": [{"name": "all", "walk": walk}, {"give": {"used": "{steps.all.count}", "total": 9}}]})
    };
    let page = |query: &str, list: &Value, token: &Value| {
        json!({
            "request": {"method": "GET", "url": format!("https://api.acme.example/below?of={query}")},
            "reply": {"body": {"list": list, "token": token}}
        })
    };
    let pages = [
        page("%2F", &json!([{"name": "a", "folder": true}, {"name": "f"}]), &json!("t2")),
        page("%2F&token=t2", &json!([{"name": "g"}]), &Value::Null),
        page("a", &json!([{"name": "h"}]), &Value::Null),
    ];
    let whole = json!({"calls": pages, "answer": {"body": {"used": 4, "total": 9}}});
    assert_eq!(problems(&call(&json!({})), &whole), Vec::<String>::new());
    let many = json!({"calls": [pages[0], pages[1]], "answer": {"status": 400}});
    assert_eq!(problems(&call(&json!({"max": 2})), &many), Vec::<String>::new());
    let deep = json!({"calls": [pages[0], pages[1]], "answer": {"status": 400}});
    assert_eq!(problems(&call(&json!({"depth": 0})), &deep), Vec::<String>::new());
    let each = json!({
        "rest": {"of": "$.name", "after": "f"}, "parallel": 1,
        "each": {"when": "!walk.item.folder", "method": "DELETE", "path": "/{walk.item.name}", "answer": {"format": "none"}}
    });
    let delete = |name: &str, status: u16| {
        json!({
            "request": {"method": "DELETE", "url": format!("https://api.acme.example/{name}")},
            "reply": {"status": status}
        })
    };
    let failing = json!({
        "calls": [pages[0], delete("f", 204), pages[1], delete("g", 403)],
        "answer": {"status": 403, "body": {"message":
            "Carried out for 2 items, then it failed at `g`: The provider does not allow this"}}
    });
    assert_eq!(problems(&call(&each), &failing), Vec::<String>::new());
}

#[test]
fn a_walk_enters_folders_and_what_was_begun_is_taken_back() {
    let call = json!({"steps": [
        {"name": "made", "method": "POST", "path": "/made", "json": {"name": "copy"},
         "undo": {"method": "DELETE", "path": "/made/{steps.made.id}", "answer": {"format": "none"}}},
        {"name": "filled", "walk": {
            "list": {"method": "GET", "path": "/below", "query": {"of": "{walk.folder}"}, "answer": {"items": "$.list"}},
            "start": "/", "entered": "{steps.made}",
            "folders": {"match": {"$.folder": true}, "as": "$.name"},
            "enter": {"method": "POST", "path": "/made", "json": {"name": "{walk.item.name}", "in": "{walk.entered.id}"}},
            "each": {"when": "!walk.item.folder", "method": "POST", "path": "/put",
                     "json": {"name": "{walk.item.name}", "in": "{walk.entered.id}"}}
        }},
        {"give": {"used": "{steps.filled.count}", "total": 9}}
    ]});
    let post = |path: &str, body: &Value, reply: &Value| {
        let url = format!("https://api.acme.example/{path}");
        json!({"request": {"method": "POST", "url": url, "body": body}, "reply": reply})
    };
    let below = |of: &str, list: &Value| {
        let url = format!("https://api.acme.example/below?of={of}");
        json!({"request": {"method": "GET", "url": url}, "reply": {"body": {"list": list}}})
    };
    let calls = |last: &Value| {
        vec![
            post("made", &json!({"name": "copy"}), &json!({"body": {"id": "m1"}})),
            below("%2F", &json!([{"name": "a", "folder": true}, {"name": "f"}])),
            post("put", &json!({"name": "f", "in": "m1"}), &json!({"body": {}})),
            post("made", &json!({"name": "a", "in": "m1"}), &json!({"body": {"id": "m2"}})),
            below("a", &json!([{"name": "b", "folder": true}])),
            post("made", &json!({"name": "b", "in": "m2"}), &json!({"body": {"id": "m3"}})),
            below("b", &json!([{"name": "g"}])),
            post("put", &json!({"name": "g", "in": "m3"}), last),
        ]
    };
    let whole = json!({"calls": calls(&json!({"body": {}})), "answer": {"body": {"used": 4, "total": 9}}});
    assert_eq!(problems(&call, &whole), Vec::<String>::new());
    for (status, undone) in [
        (204, "what had been done by then has been taken back"),
        (404, "what had been done by then has been taken back"),
        (403, "not all that had been done by then could be taken back"),
    ] {
        let mut failing = calls(&json!({"status": 403}));
        let delete = json!({"method": "DELETE", "url": "https://api.acme.example/made/m1"});
        failing.push(json!({"request": delete, "reply": {"status": status}}));
        let told = format!("Carried out for 3 items, then it failed: The provider does not allow this; {undone}");
        let failing = json!({"calls": failing, "answer": {"status": 403, "body": {"message": told}}});
        assert_eq!(problems(&call, &failing), Vec::<String>::new());
    }
    let wrong = |undo: &str| {
        let mut call = call.clone();
        call["steps"][0]["undo"]["path"] = json!(undo);
        problems(&call, &whole)
    };
    assert!(wrong("/made/{walk.item.id}")[0].contains("`undo` refers to what is gone"), "{:?}", wrong("/{walk.item}"));
}
