//! Tests of templates.

use serde_json::json;

use super::*;

struct Fixed;
impl Scope for Fixed {
    fn value(&self, root: Root, key: &str) -> Option<Cow<'_, Value>> {
        let value = match (root, key) {
            (Root::Config, "base.url") => json!("https://x"),
            (Root::Steps, "created") => json!({"id": 7, ".tag": "file"}),
            (Root::Query, "tags") => json!(["a", "b"]),
            (Root::Target, "path") => json!("/"),
            _ => return None,
        };
        Some(Cow::Owned(value))
    }
}

#[test]
fn spreads_and_parts_at_bars() {
    struct Body(Value);
    impl Scope for Body {
        fn value(&self, root: Root, _: &str) -> Option<Cow<'_, Value>> {
            matches!(root, Root::Body | Root::Path).then_some(Cow::Borrowed(&self.0))
        }
    }
    let template = ValueTemplate::compile(&json!({"...": "{body?}", "b": 2})).unwrap();
    let body = Body(json!({"a": 1, "b": 1}));
    assert_eq!(template.render(&body).unwrap(), Some(json!({"a": 1, "b": 2})));
    assert_eq!(template.render(&Body(Value::Null)).unwrap(), Some(json!({"b": 2})));
    let several = ValueTemplate::compile(&json!({"...": ["{body.x?}", "{body.y?}"]})).unwrap();
    let body_of = |x: Value, y: Value| Body(json!({"x": x, "y": y}));
    let both = body_of(json!({"a": 1, "b": 1}), json!({"b": 2}));
    assert_eq!(several.render(&both).unwrap(), Some(json!({"a": 1, "b": 2})));
    assert_eq!(several.render(&body_of(Value::Null, Value::Null)).unwrap(), None);
    let part =
        |source: &str, text: &str| Reference::compile(source).unwrap().value(&Body(json!(text))).map(Cow::into_owned);
    assert_eq!(part("path.id|upToBar", "22|33"), Some(json!("22")));
    assert_eq!(part("path.id|afterBar", "22|33"), Some(json!("33")));
    assert_eq!(part("path.id|upToBar", "22"), Some(json!("22")));
    assert_eq!(part("path.id|afterBar", "22"), None);
    assert_eq!(part("path.id|lastSegment", "https://a.example/id/7/"), Some(json!("7")));
    assert_eq!(part("path.id|lastSegment", "7"), Some(json!("7")));
}

#[test]
fn texts_become_pairs() {
    struct Tags(Value);
    impl Scope for Tags {
        fn value(&self, root: Root, _: &str) -> Option<Cow<'_, Value>> {
            (root == Root::Query).then_some(Cow::Borrowed(&self.0))
        }
    }
    let of = |filter: &str, tags: Value| {
        Reference::compile(&format!("query.tags|{filter}")).unwrap().value(&Tags(tags)).map(Cow::into_owned)
    };
    let tags = json!(["draft", "Für=Ada & Co=1"]);
    assert_eq!(of("formPairs", tags.clone()), Some(json!("draft=&F%C3%BCr=Ada%20%26%20Co%3D1")));
    let objects = json!([{"n": "draft", "v": ""}, {"n": "Für", "v": "Ada & Co=1"}]);
    assert_eq!(of("pairs:n, v", tags), Some(objects));
    assert_eq!((of("formPairs", json!([])), of("pairs:n,v", json!([]))), (None, Some(json!([]))));
    assert_eq!((of("formPairs", json!([{}])), of("pairs:n,v", json!([{}]))), (None, None));
    for wrong in ["query.tags|pairs:n", "query.tags|pairs:n,n", "query.tags|pairs:,v"] {
        assert!(Reference::compile(wrong).unwrap_err().to_string().contains("pairs"), "{wrong}");
    }
}

#[test]
fn renders_typed_values_and_leaves_out_what_is_absent() {
    let template = ValueTemplate::compile(&json!({
        "id": "{steps.created.id}", "tag": "{steps.created['.tag']}", "url": "{config.base.url}/v{{1}}",
        "tags": "{query.tags|csv}", "gone": "{query.limit?}", "five": "{query.limit|default:5}", "root": "{target.path|rootless}",
    }))
    .unwrap();
    assert_eq!(
        template.render(&Fixed).unwrap().unwrap(),
        json!({"id": 7, "tag": "file", "url": "https://x/v{1}", "tags": "a,b", "five": 5, "root": ""})
    );
    let clause = TextTemplate::compile("q{config.base.url|before: AT }{query.limit|before: LIMIT |default:}").unwrap();
    assert_eq!(clause.render(&Fixed).unwrap().unwrap(), "q AT https://x");
    let required = TextTemplate::compile("{query.limit}").unwrap();
    assert_eq!(required.render(&Fixed).unwrap_err().message, "`query.limit` is missing");
}

#[test]
fn parts_paths_and_addresses() {
    struct Places;
    impl Scope for Places {
        fn value(&self, root: Root, key: &str) -> Option<Cow<'_, Value>> {
            let value = match (root, key) {
                (Root::Target, "path") => json!("/a b/c#d"),
                (Root::Target, "name") => json!("it's"),
                (Root::Config, "long") => json!("https://acme.example/sites/team/"),
                _ => return None,
            };
            Some(Cow::Owned(value))
        }
    }
    let path = |source: &str| {
        let encode = |value: &str| Ok(value.replace(' ', "%20").replace('#', "%23").replace('/', "%2F"));
        TextTemplate::compile(source).unwrap().render_encoded(&Places, &encode).unwrap().unwrap_or_default()
    };
    assert_eq!(path("/root:{target.path|segments}:/x"), "/root:/a%20b/c%23d:/x");
    assert_eq!(path("/x(q='{target.name|quoted}')"), "/x(q='it''s')");
    assert_eq!(path("/one/{target.path}"), "/one/%2Fa%20b%2Fc%23d");
    assert_eq!(path("/{config.long|host}:{config.long|urlPath|segments}"), "/acme.example:/sites/team");
}

#[test]
fn says_what_is_wrong_and_where() {
    let error = ValueTemplate::compile(&json!({"a": ["{qery.x}"]})).unwrap_err();
    assert_eq!(error.pointer, "/a/0");
    assert!(error.hint.unwrap().contains("query"));
    assert!(TextTemplate::compile("{query.x").is_err());
    assert!(TextTemplate::compile("{query.x|nope}").is_err());
}
