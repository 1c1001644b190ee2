//! Metadata and changes to the tree.

use serde_json::{Map, Value, json};

use super::{
    Api, Caller, args,
    failure::{Failure, Outcome},
    properties,
    tree::{Kind, LookupError, Node, WriteError, timestamp},
};

/// Checks a path against the pattern of its type: `/…`, `id:…`, `ns:…`, `rev:…` as far as the type allows.
pub(super) fn check_path(name: &str, path: &str, prefixes: &[&str]) -> Result<(), Failure> {
    let fits = path.starts_with('/') || prefixes.iter().any(|prefix| !prefix.is_empty() && path.starts_with(prefix));
    let rev = path.strip_prefix("rev:").is_none_or(args::is_rev);
    if (path.is_empty() && prefixes.contains(&"")) || (fits && rev && !path.is_empty()) {
        return Ok(());
    }
    Err(Failure::Bad(format!("request body: {name}: '{path}' did not match pattern")))
}

/// Refuses the root by its wrong name.
pub(super) fn refuse_slash(path: &str) -> Result<(), Failure> {
    if path == "/" {
        let text = "request body: path: Specify the root folder as an empty string rather than as \"/\".";
        return Err(Failure::Bad(text.to_owned()));
    }
    Ok(())
}

/// `files/get_metadata`
pub(super) fn get_metadata(api: &Api, caller: &Caller, arg: &args::GetMetadata) -> Outcome {
    check_path("path", &arg.path, &["id:", "rev:", "ns:"])?;
    if arg.path == "/" {
        return Err(Failure::Bad("request body: path: The root folder is unsupported.".to_owned()));
    }
    api.drive(caller.account, |drive| {
        if arg.path.starts_with("rev:") {
            let (key, node, _) = drive.file(&arg.path).map_err(|error| Failure::lookup("path", error))?;
            return Ok(node.tagged(&key));
        }
        let found = if arg.include_deleted { drive.any(&arg.path) } else { drive.live(&arg.path) };
        let (key, node) = found.map_err(|error| Failure::lookup("path", error))?;
        let mut shown = node.tagged(&key);
        if let (Some(filter), Some(members)) = (&arg.include_property_groups, shown.as_object_mut()) {
            let groups = properties::asked(api, caller, &node.id, filter);
            if !groups.is_empty() {
                members.insert("property_groups".to_owned(), Value::Array(groups));
            }
        }
        Ok(shown)
    })
}

/// `files/create_folder_v2`
pub(super) fn create_folder(api: &Api, caller: &Caller, arg: &args::CreateFolder) -> Outcome {
    check_path("path", &arg.path, &["ns:"])?;
    let made = api.drive(caller.account, |drive| drive.make_folder(&arg.path, arg.autorename));
    made.map(|metadata| json!({ "metadata": metadata })).map_err(|error| Failure::write("path", error))
}

/// `files/delete_v2`
pub(super) fn delete(api: &Api, caller: &Caller, arg: &args::Delete) -> Outcome {
    check_path("path", &arg.path, &["id:", "ns:"])?;
    if arg.parent_rev.as_deref().is_some_and(|rev| !args::is_rev(rev)) {
        return Err(Failure::Bad("request body: parent_rev: did not match pattern '[0-9a-f]+'".to_owned()));
    }
    api.drive(caller.account, |drive| {
        let (key, node) = drive.live(&arg.path).map_err(|error| Failure::lookup("path_lookup", error))?;
        match (&arg.parent_rev, &node.kind) {
            (None, _) => {}
            (Some(rev), Kind::File(version)) if *rev == version.rev => {}
            (Some(_), Kind::File(_)) => return Err(Failure::write("path_write", WriteError::FileConflict)),
            (Some(_), _) => return Err(Failure::lookup("path_lookup", LookupError::NotFile)),
        }
        let metadata = node.tagged(&key);
        drive.delete(&key);
        Ok(json!({ "metadata": metadata }))
    })
}

/// `files/move_v2` and `files/copy_v2`
pub(super) fn relocate(api: &Api, caller: &Caller, arg: &args::Relocate, copy: bool) -> Outcome {
    check_path("from_path", &arg.from_path, &["id:", "ns:"])?;
    check_path("to_path", &arg.to_path, &["id:", "ns:"])?;
    let now = api.core.now();
    api.drive(caller.account, |drive| {
        let (from, _) = drive.live(&arg.from_path).map_err(|error| Failure::lookup("from_lookup", error))?;
        if let Ok(to) = drive.key(&arg.to_path)
            && to.starts_with(&format!("{from}/"))
        {
            return Err(Failure::tag(if copy { "duplicated_or_nested_paths" } else { "cant_move_folder_into_itself" }));
        }
        let metadata = drive
            .relocate(&from, &arg.to_path, copy, arg.autorename, now)
            .map_err(|error| Failure::write("to", error))?;
        Ok(json!({ "metadata": metadata }))
    })
}

/// `files/list_revisions`
pub(super) fn list_revisions(api: &Api, caller: &Caller, arg: &args::ListRevisions) -> Outcome {
    check_path("path", &arg.path, &["id:", "ns:"])?;
    let limit = match arg.limit.unwrap_or(10) {
        limit @ 1..=100 => usize::try_from(limit).unwrap_or(10),
        limit => return Err(Failure::Bad(format!("request body: limit: {limit} is not within range [1, 100]"))),
    };
    api.drive(caller.account, |drive| {
        let (key, node) = drive.any(&arg.path).map_err(|error| Failure::lookup("path", error))?;
        if matches!(node.kind, Kind::Folder) {
            return Err(Failure::lookup("path", LookupError::NotFile));
        }
        let mut versions = drive.versions(&node.id);
        if versions.is_empty() {
            return Err(Failure::lookup("path", LookupError::NotFile));
        }
        if let Some(before) = &arg.before_rev {
            let at = versions.iter().position(|version| version.rev == *before);
            versions.drain(..=at.ok_or_else(|| Failure::tag("invalid_before_rev"))?);
        }
        let has_more = versions.len() > limit;
        let entries: Vec<Map<String, Value>> = versions
            .into_iter()
            .take(limit)
            .map(|version| Node { kind: Kind::File(version), ..node.clone() }.metadata(&key))
            .collect();
        let mut answer = Map::from_iter([("is_deleted".to_owned(), json!(node.deleted()))]);
        if node.deleted() {
            answer.insert("server_deleted".to_owned(), json!(timestamp(api.core.now())));
        }
        answer.insert("entries".to_owned(), json!(entries));
        answer.insert("has_more".to_owned(), json!(has_more));
        Ok(Value::Object(answer))
    })
}
