//! Listing folders, following their changes, and searching.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    Api, Caller, args,
    failure::{Failure, Outcome},
    files::{check_path, refuse_slash},
    tree::{Drive, Node},
};

/// How many entries a page has when nobody says.
const PAGE: u32 = 500;

/// What a listing's cursor says; it holds no state of the server's.
#[derive(Serialize, Deserialize)]
struct Listing {
    account: u32,
    folder: String,
    recursive: bool,
    deleted: bool,
    limit: u32,
    /// The last key that was listed; absent once everything has been.
    after: Option<String>,
    /// All pages have been given; what follows are changes.
    complete: bool,
    /// The change journal's position.
    position: usize,
}

/// What a search's cursor says.
#[derive(Serialize, Deserialize)]
struct Search {
    account: u32,
    query: String,
    folder: String,
    deleted: bool,
    extensions: Option<Vec<String>>,
    limit: usize,
    from: usize,
}

fn seal(cursor: &impl Serialize) -> String {
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(cursor).unwrap_or_default())
}

fn open<T: for<'de> Deserialize<'de>>(cursor: &str) -> Result<T, Failure> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok();
    let cursor = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    cursor.ok_or_else(|| Failure::Bad("Invalid \"cursor\" parameter: the cursor could not be decoded".to_owned()))
}

/// `files/list_folder`
pub(super) fn list_folder(api: &Api, caller: &Caller, arg: args::ListFolder) -> Outcome {
    let listing = begin(api, caller, arg)?;
    api.drive(caller.account, |drive| Ok(page(drive, listing)))
}

/// `files/list_folder/get_latest_cursor`
pub(super) fn latest_cursor(api: &Api, caller: &Caller, arg: args::ListFolder) -> Outcome {
    let mut listing = begin(api, caller, arg)?;
    listing.complete = true;
    Ok(json!({ "cursor": seal(&listing) }))
}

/// `files/list_folder/continue`
pub(super) fn list_folder_continue(api: &Api, caller: &Caller, arg: &args::Cursor) -> Outcome {
    let listing: Listing = open(&arg.cursor)?;
    if listing.account != caller.account {
        return Err(Failure::Bad("Invalid \"cursor\" parameter: it belongs to another account".to_owned()));
    }
    api.drive(caller.account, |drive| {
        if listing.position > drive.position() {
            return Err(Failure::tag("reset"));
        }
        if drive.folder(&listing.folder).is_err() {
            return Err(Failure::lookup("path", super::tree::LookupError::NotFound));
        }
        Ok(page(drive, listing))
    })
}

fn begin(api: &Api, caller: &Caller, arg: args::ListFolder) -> Outcome<Listing> {
    refuse_slash(&arg.path)?;
    check_path("path", &arg.path, &["", "id:", "ns:"])?;
    if arg.limit.is_some_and(|limit| !(1..=2000).contains(&limit)) {
        return Err(Failure::Bad("request body: limit: not within range [1, 2000]".to_owned()));
    }
    if arg.recursive && arg.shared_link.is_some() {
        return Err(Failure::Bad("request body: recursive listing of a shared link is not supported".to_owned()));
    }
    api.drive(caller.account, |drive| {
        let folder = drive.folder(&arg.path).map_err(|error| Failure::lookup("path", error))?;
        Ok(Listing {
            account: caller.account,
            folder,
            recursive: arg.recursive,
            deleted: arg.include_deleted,
            limit: arg.limit.unwrap_or(PAGE),
            after: None,
            complete: false,
            position: drive.position(),
        })
    })
}

/// The next page of entries, or the changes since.
fn page(drive: &Drive, mut listing: Listing) -> Value {
    let limit = usize::try_from(listing.limit).unwrap_or(usize::MAX);
    let within = |key: &str| {
        let rest = key.strip_prefix(&listing.folder).and_then(|rest| rest.strip_prefix('/'));
        rest.is_some_and(|rest| listing.recursive || !rest.contains('/'))
    };
    let mut entries: Vec<Value> = Vec::new();
    let has_more;
    if listing.complete {
        let mut from = listing.position;
        for (key, entry) in drive.changes(from) {
            if entries.len() == limit {
                break;
            }
            from += 1;
            if within(key) {
                entries.push(entry.clone());
            }
        }
        listing.position = from;
        has_more = from < drive.position();
    } else {
        // A recursive listing begins with the folder itself.
        if listing.recursive
            && listing.after.is_none()
            && let Ok((key, node)) = drive.live(&listing.folder)
        {
            entries.push(node.tagged(&key));
        }
        let shown = |entry: &(&String, &Node)| within(entry.0) && (listing.deleted || !entry.1.deleted());
        let mut left = drive.below(&listing.folder, listing.after.as_deref()).filter(shown);
        let mut last = None;
        while entries.len() < limit
            && let Some((key, node)) = left.next()
        {
            entries.push(node.tagged(key));
            last = Some(key.clone());
        }
        has_more = left.next().is_some();
        drop(left);
        listing.after = last.or_else(|| listing.after.take()).or_else(|| Some(format!("{}/", listing.folder)));
        listing.complete = !has_more;
    }
    json!({ "entries": entries, "cursor": seal(&listing), "has_more": has_more })
}

/// `files/search_v2`
pub(super) fn search(api: &Api, caller: &Caller, arg: args::Search) -> Outcome {
    if arg.query.chars().count() > 1000 {
        return Err(Failure::Bad("request body: query: must be at most 1000 characters".to_owned()));
    }
    let (mut folder, mut limit, mut deleted, mut extensions) = (String::new(), 100, false, None);
    if let Some(options) = arg.options {
        if let Some(path) = options.path {
            refuse_slash(&path)?;
            check_path("options: path", &path, &["", "id:", "ns:"])?;
            let found = api.drive(caller.account, |drive| drive.folder(&path));
            folder = found.map_err(|error| Failure::lookup("path", error))?;
        }
        limit = match options.max_results {
            None => limit,
            Some(max @ 1..=1000) => usize::try_from(max).unwrap_or(limit),
            Some(_) => {
                return Err(Failure::Bad("request body: options: max_results: not within range [1, 1000]".into()));
            }
        };
        deleted = options.file_status.as_deref() == Some("deleted");
        extensions = options.file_extensions;
    }
    if arg.query.trim().is_empty() {
        return Err(Failure::nested("invalid_argument", json!("query must not be empty")));
    }
    let query = arg.query.to_lowercase();
    Ok(results(api, Search { account: caller.account, query, folder, deleted, extensions, limit, from: 0 }))
}

/// `files/search/continue_v2`
pub(super) fn search_continue(api: &Api, caller: &Caller, arg: &args::Cursor) -> Outcome {
    let search: Search = open(&arg.cursor)?;
    if search.account != caller.account {
        return Err(Failure::Bad("Invalid \"cursor\" parameter: it belongs to another account".to_owned()));
    }
    Ok(results(api, search))
}

/// Matches every word of the query against the names.
fn results(api: &Api, mut search: Search) -> Value {
    let fits = |node: &Node| {
        let name = node.name.to_lowercase();
        let extension = name.rsplit_once('.').map(|(_, extension)| extension);
        let wanted = search.extensions.as_ref().filter(|wanted| !wanted.is_empty()).is_none_or(|wanted| {
            wanted.iter().any(|wanted| extension == Some(wanted.trim_start_matches('.').to_lowercase().as_str()))
        });
        node.deleted() == search.deleted && wanted && search.query.split_whitespace().all(|word| name.contains(word))
    };
    let (matches, has_more) = api.drive(search.account, |drive| {
        let mut left = drive.below(&search.folder, None).filter(|(_, node)| fits(node)).skip(search.from);
        let matches: Vec<Value> = left
            .by_ref()
            .take(search.limit)
            .map(|(key, node)| {
                json!({
                    "metadata": { ".tag": "metadata", "metadata": node.tagged(key) },
                    "match_type": { ".tag": "filename" },
                })
            })
            .collect();
        (matches, left.next().is_some())
    });
    search.from += matches.len();
    let mut answer = json!({ "matches": matches, "has_more": has_more });
    if has_more && let Some(answer) = answer.as_object_mut() {
        answer.insert("cursor".to_owned(), json!(seal(&search)));
    }
    answer
}
