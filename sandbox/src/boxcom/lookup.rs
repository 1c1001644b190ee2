//! Search, and the user.

use std::sync::Arc;

use axum::{
    extract::{RawQuery, State},
    http::HeaderMap,
    response::Response,
};
use serde_json::{Value, json};

use super::{
    Api,
    body::parse_time,
    failure::{Failure, Outcome, answer},
    folders::OFFSET_LIMIT,
    store::Item,
    view,
};
use crate::http::{Form, json as json_response};

/// `GET /search`
pub(super) async fn search(State(api): State<Arc<Api>>, RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    answer((|| {
        let call = api.admit(&headers, query.as_deref())?;
        let limit = call.number("limit", 30, 200)?;
        let offset = call.number("offset", 0, OFFSET_LIMIT)?;
        let kind = call.word("type", &["file", "folder", "web_link"])?;
        call.word("scope", &["user_content", "enterprise_content"])?;
        let trash = call.word("trash_content", &["non_trashed_only", "trashed_only", "all_items"])?;
        let sort = call.word("sort", &["modified_at", "relevance"])?;
        let ascending = call.word("direction", &["DESC", "ASC"])? == Some("ASC");
        let words = call.query.get("query").map(|text| text.to_lowercase()).unwrap_or_default();
        if words.trim().is_empty() {
            return Err(Failure::missing("query"));
        }
        let ancestors: Vec<&str> = list(&call.query, "ancestor_folder_ids");
        let extensions: Vec<&str> = list(&call.query, "file_extensions");
        let updated = times(&call.query, "updated_at_range")?;
        let created = times(&call.query, "created_at_range")?;
        api.drive(call.account, |drive| {
            for ancestor in &ancestors {
                drive.folder_id(ancestor)?;
            }
            let fits = |item: &&Item| {
                let name = item.name.to_lowercase();
                let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
                let inside = |ancestor: &&str| {
                    *ancestor == "0" || drive.above(item).iter().any(|folder| folder.id.to_string() == **ancestor)
                };
                words.split_whitespace().all(|word| name.contains(word.trim_matches('"')))
                    && kind.is_none_or(|kind| kind == item.kind())
                    && trash != Some("trashed_only")
                    && (ancestors.is_empty() || ancestors.iter().any(inside))
                    && (extensions.is_empty() || extensions.iter().any(|wanted| wanted.eq_ignore_ascii_case(extension)))
                    && within(item.modified, updated)
                    && within(item.created, created)
            };
            let mut found: Vec<&Item> = drive.all().filter(fits).collect();
            if sort == Some("modified_at") {
                found.sort_by_key(|item| item.modified);
                if !ascending {
                    found.reverse();
                }
            }
            let shown = found.iter().skip(offset).take(limit);
            let entry = |item: &&Item| Value::Object(view::item(drive, item, &call.fields, &api.core.origin));
            let entries: Vec<Value> = shown.map(entry).collect();
            let body = json!({
                "total_count": found.len(),
                "entries": entries,
                "limit": limit,
                "offset": offset,
                "type": "search_results_items",
            });
            Ok(json_response(200, &body))
        })
    })())
}

type Range = (Option<chrono::DateTime<chrono::Utc>>, Option<chrono::DateTime<chrono::Utc>>);

fn within(at: chrono::DateTime<chrono::Utc>, (from, to): Range) -> bool {
    from.is_none_or(|from| at >= from) && to.is_none_or(|to| at <= to)
}

/// `FROM,TO`, either of which may be empty.
fn times(query: &Form, name: &str) -> Outcome<Range> {
    let Some(text) = query.get(name) else { return Ok((None, None)) };
    let (from, to) = text.split_once(',').ok_or_else(|| Failure::invalid(name, format!("Invalid value '{text}'.")))?;
    let read = |text: &str| if text.is_empty() { Ok(None) } else { parse_time(name, text).map(Some) };
    Ok((read(from)?, read(to)?))
}

fn list<'a>(query: &'a Form, name: &str) -> Vec<&'a str> {
    let text = query.get(name).map_or("", String::as_str);
    text.split(',').map(str::trim).filter(|part| !part.is_empty()).collect()
}

/// `GET /users/me`
pub(super) async fn me(State(api): State<Arc<Api>>, RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    answer((|| {
        let call = api.admit(&headers, query.as_deref())?;
        let user = api.drive(call.account, |drive| call.fields.user(drive));
        Ok(json_response(200, &Value::Object(user)))
    })())
}
