//! What the interface has for service besides records: an article's publication, data categories, a case's comments.

use serde_json::{Map, Value, json};

use super::{
    failure::Failure,
    org::{Caller, Org},
    record::Record,
    time,
};

/// The object that keeps versions of articles.
pub(super) const ARTICLE: &str = "Knowledge__kav";

/// Refuses to change a version of an article that is no draft.
pub(super) fn draft(object: &str, record: &Record) -> Result<(), Failure> {
    let status = record.get("PublishStatus").and_then(Value::as_str);
    if object == ARTICLE && status != Some("Draft") {
        let message = "Only draft versions of an article can be changed or deleted";
        return Err(Failure::bad("INSUFFICIENT_ACCESS_OR_READONLY", message));
    }
    Ok(())
}

/// What a new record has besides what the client sends: numbers that count up.
pub(super) fn number(object: &str, record: &mut Record, count: usize) {
    match object {
        "Case" => {
            record.insert("CaseNumber".to_owned(), format!("{:08}", count + 1001).into());
        }
        ARTICLE => {
            for (name, value) in [
                ("KnowledgeArticleId", json!(super::id::new("kA0", u64::try_from(count).unwrap_or_default()))),
                ("ArticleNumber", json!(format!("{:09}", count + 1001))),
                ("PublishStatus", json!("Draft")),
                ("VersionNumber", json!(0)),
                ("IsLatestVersion", json!(true)),
            ] {
                record.insert(name.to_owned(), value);
            }
        }
        _ => {}
    }
}

/// Publishes, takes back or archives a version of an article.
pub(super) fn publish(org: &Org, id: &str, body: &Map<String, Value>, caller: &Caller) -> Result<(), Failure> {
    let object = org.object(ARTICLE)?;
    let wanted = body.get("publishStatus").and_then(Value::as_str).unwrap_or_default().to_ascii_lowercase();
    if let Some(name) = body.keys().find(|name| !matches!(name.as_str(), "publishStatus" | "versionNumber")) {
        return Err(Failure::bad("JSON_PARSER_ERROR", format!("Unrecognized field \"{name}\"")));
    }
    let stamp = Value::from(time::written(caller.now));
    org.change(object, id, |record| {
        let now = record.get("PublishStatus").and_then(Value::as_str).unwrap_or_default().to_owned();
        let next = match (now.as_str(), wanted.as_str()) {
            ("Draft", "online") => "Online",
            ("Online" | "Archived", "draft") => "Draft",
            ("Online", "archived") => "Archived",
            _ => {
                let message = format!("An article that is {now} cannot become {wanted:?}");
                return Err(Failure::bad("INVALID_OPERATION", message));
            }
        };
        record.insert("PublishStatus".to_owned(), next.into());
        record.insert("LastModifiedDate".to_owned(), stamp.clone());
        if next == "Online" {
            let version = record.get("VersionNumber").and_then(Value::as_i64).unwrap_or_default();
            record.insert("VersionNumber".to_owned(), (version + 1).into());
            record.entry("FirstPublishedDate").or_insert_with(|| stamp.clone());
            record.insert("LastPublishedDate".to_owned(), stamp.clone());
        }
        Ok(())
    })
}

/// The groups of data categories; the interface wants to be told for which object.
pub(super) fn categories(object: Option<&str>) -> Result<Value, Failure> {
    if !object.is_some_and(|object| object.split(',').all(|one| one == "KnowledgeArticleVersion")) {
        return Err(Failure::bad("INVALID_INPUT", "Missing or invalid parameter: sObjectName"));
    }
    let leaf = |name: &str, label: &str| json!({"name": name, "label": label, "childCategories": null, "url": null});
    let top = |children: Value| json!({"name": "All", "label": "All", "childCategories": children, "url": null});
    Ok(json!({"categoryGroups": [
        {"name": "Products", "label": "Products", "objectUsage": "KnowledgeArticleVersion",
            "topCategories": [top(json!([leaf("Shelves", "Shelves"), leaf("Racks", "Racks")]))]},
        {"name": "Regions", "label": "Regions", "objectUsage": "KnowledgeArticleVersion",
            "topCategories": [top(json!([leaf("Europe", "Europe")]))]},
    ]}))
}

/// The comments of a case.
pub(super) fn comments(
    org: &Org,
    case: &str,
    fields: Option<&str>,
    page: usize,
    caller: &Caller,
) -> Result<Value, Failure> {
    let object = org.object("Case")?;
    let found = org.read(object, case, Some("Id"))?;
    let id = found.get("Id").and_then(Value::as_str).unwrap_or_default();
    let comments = org.object("CaseComment")?;
    let all: Vec<&str> = comments.fields.iter().map(|field| field.name).collect();
    let fields = fields.filter(|fields| !fields.trim().is_empty()).map_or_else(|| all.join(","), str::to_owned);
    let query = format!("SELECT {fields} FROM CaseComment WHERE ParentId = '{id}' ORDER BY Id");
    org.query(&query, false, page, caller)
}

/// What a case's status means.
pub(super) fn compute(record: &mut Record, now: &str) {
    let closed = record.get("Status").and_then(Value::as_str) == Some("Closed");
    record.insert("IsClosed".to_owned(), closed.into());
    if !closed {
        record.remove("ClosedDate");
    } else if !record.contains_key("ClosedDate") {
        record.insert("ClosedDate".to_owned(), now.into());
    }
}
