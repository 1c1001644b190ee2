//! Tags of files and folders.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    Api, Caller, args,
    failure::{Failure, Outcome},
    files::check_path,
};
use crate::core::hold;

/// The tags of everything, by account and id.
pub(super) type Tags = BTreeMap<(u32, String), Vec<String>>;

/// The most tags of one item, and characters of one tag.
const MOST: usize = 20;
const LONGEST: usize = 32;

/// Whose tags are meant.
fn target(api: &Api, caller: &Caller, name: &str, path: &str) -> Outcome<(u32, String)> {
    check_path(name, path, &[])?;
    let found = api.drive(caller.account, |drive| drive.live(path).map(|(_, node)| node.id.clone()));
    Ok((caller.account, found.map_err(|error| Failure::lookup("path", error))?))
}

/// A tag as it is kept.
fn tag(text: &str) -> Outcome<String> {
    let fits = |character: char| character.is_alphanumeric() || character == '_';
    if text.is_empty() || text.chars().count() > LONGEST || !text.chars().all(fits) {
        return Err(Failure::Bad(format!("request body: tag_text: '{text}' did not match pattern '[\\w]+'")));
    }
    Ok(text.to_lowercase())
}

/// `files/tags/add`
pub(super) fn add(api: &Api, caller: &Caller, arg: &args::Tag) -> Outcome {
    let tag = tag(&arg.tag_text)?;
    let item = target(api, caller, "path", &arg.path)?;
    let mut all = hold(&api.tags);
    let tags = all.entry(item).or_default();
    if !tags.contains(&tag) {
        if tags.len() >= MOST {
            return Err(Failure::tag("too_many_tags"));
        }
        tags.push(tag);
    }
    Ok(Value::Null)
}

/// `files/tags/remove`
pub(super) fn remove(api: &Api, caller: &Caller, arg: &args::Tag) -> Outcome {
    let tag = tag(&arg.tag_text)?;
    let item = target(api, caller, "path", &arg.path)?;
    let mut all = hold(&api.tags);
    let tags = all.entry(item).or_default();
    let at = tags.iter().position(|known| *known == tag).ok_or_else(|| Failure::tag("tag_not_present"))?;
    tags.remove(at);
    Ok(Value::Null)
}

/// `files/tags/get`
pub(super) fn get(api: &Api, caller: &Caller, arg: &args::GetTags) -> Outcome {
    let told = arg.paths.iter().map(|path| {
        let item = target(api, caller, "paths", path)?;
        let all = hold(&api.tags);
        let tags = all.get(&item).map(Vec::as_slice).unwrap_or_default();
        let tags: Vec<Value> =
            tags.iter().map(|tag| json!({ ".tag": "user_generated_tag", "tag_text": tag })).collect();
        Ok(json!({ "path": path, "tags": tags }))
    });
    Ok(json!({ "paths_to_tags": told.collect::<Outcome<Vec<Value>>>()? }))
}
