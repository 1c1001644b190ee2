//! Searches and changes; neither tells the paths of what it finds.

use serde_json::{Value, json};

use super::{
    Api, Call,
    failure::{Failure, Outcome},
    store::Item,
    view::Tell,
};
use crate::http::json as json_response;

/// `GET …/search(q='…')`
pub(super) fn search(api: &Api, call: &Call, drive: &str, id: &str, segment: &str) -> Outcome {
    let query = call.query(&["$top", "$skiptoken", "$select"])?;
    let inside = segment.strip_prefix("search(q='").and_then(|rest| rest.strip_suffix("')"));
    let inside = inside.ok_or_else(|| Failure::invalid("Syntax error in the search function."))?;
    // Two quotes are one; a single one would end the text.
    if inside.replace("''", "").contains('\'') {
        return Err(Failure::invalid("Syntax error: unescaped quote in the search function."));
    }
    let words = inside.replace("''", "'").to_lowercase();
    if words.trim().is_empty() {
        return Err(Failure::invalid("Search Query cannot be empty"));
    }
    let items = api.drive(call, drive, |drive| {
        let fits = |item: &&Item| {
            item.parent.is_some()
                && item.id != id
                && drive.is_below(item, id)
                && words.split_whitespace().all(|word| item.name.to_lowercase().contains(word))
        };
        Ok(drive.all().filter(fits).map(|item| api.show(drive, item, Tell::Parent)).collect())
    })?;
    Ok(json_response(200, &query.page(&api.core.origin, &call.path, items)?))
}

/// `GET …/root/delta`: everything, or what has changed since a token.
pub(super) fn delta(api: &Api, call: &Call, drive: &str, id: &str) -> Outcome {
    let query = call.query(&["$top", "$skiptoken", "$select"])?;
    let since: u64 = match call.form.get("token").map(String::as_str) {
        None => 0,
        Some("latest") => u64::MAX,
        Some(token) => token.parse().map_err(|_| {
            Failure::Said(410, "resyncRequired", "The token is no longer good; start again.".to_owned())
        })?,
    };
    let (clock, items) = api.drive(call, drive, |drive| {
        if id != drive.root {
            return Err(Failure::invalid("Delta is for the root only."));
        }
        let mut changed: Vec<&Item> = drive.all().filter(|item| item.changed > since).collect();
        changed.sort_by_key(|item| item.changed);
        let gone = drive.gone.iter().filter(|(at, _)| since > 0 && *at > since);
        let gone = gone.map(|(_, id)| json!({ "id": id, "deleted": { "state": "deleted" }, "parentReference": { "driveId": drive.id } }));
        let items: Vec<Value> = changed.into_iter().map(|item| api.show(drive, item, Tell::Parent)).chain(gone).collect();
        Ok((drive.clock, items))
    })?;
    let mut page = query.page(&api.core.origin, &call.path, items)?;
    if page.get("@odata.nextLink").is_none()
        && let Value::Object(page) = &mut page
    {
        page.insert("@odata.deltaLink".to_owned(), json!(format!("{}{}?token={clock}", api.core.origin, call.path)));
    }
    Ok(json_response(200, &page))
}
