//! Makes the paths that a provider does not tell: the folders above a record are read, one call each, each once per call.
//!
//! A path is only told where it leads back to the record: what is not below the root that this call's paths are walked from
//! (shared by others, in another drive) has none.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt, stream};
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::{Connection, Engine, Invocation, request::unfilled, scope::CallScope, tree};
use crate::{
    catalog::{Addressing, Element},
    error::{Error, Kind, Result},
    mapping::{Codec, Plan},
};

/// Folders read for one call, at most.
const MAX_FOLDERS: usize = 500;
/// Folders above one record, at most.
const MAX_DEPTH: usize = 100;
/// Folders read at the same time.
const AT_ONCE: usize = 8;

/// A folder above a record.
#[derive(Debug, Clone)]
struct Folder {
    name: String,
    parent: Option<String>,
}

/// Where the folders are read from.
pub(super) struct Source<'a, 'c> {
    pub(super) element: &'a Element,
    pub(super) connection: &'c Connection,
    pub(super) addressing: &'a Addressing,
    /// What the root folder is called in this call.
    pub(super) root: &'a str,
    pub(super) deadline: Instant,
}

/// The field that holds the path made here, where there is one.
pub(super) fn field(plan: &Plan) -> Option<&str> {
    plan.lines.iter().find(|line| line.codec == Codec::Ancestors).map(|line| line.name.as_str())
}

/// What of a record its path is made of.
fn text(record: &Map<String, Value>, key: &str) -> Option<String> {
    record.get(key).and_then(Value::as_str).map(str::to_owned)
}

impl Engine {
    /// Puts paths into the uniform `records` of the provider's `items`, where the operation's records have such and the
    /// caller wants them. Gives a remark when some had to be left out.
    pub(super) async fn add_paths(
        &self,
        element: &Element,
        connection: &Connection,
        invocation: &Invocation,
        scope: &CallScope<'_>,
        items: &[Value],
        records: &mut [Map<String, Value>],
    ) -> Result<Option<String>> {
        let (Some(field), Some(addressing)) = (field(&invocation.operation.plan), &element.addressing) else {
            return Ok(None);
        };
        let unwanted = invocation.native
            || !invocation.paths
            || (!invocation.fields.is_empty()
                && !invocation.fields.iter().any(|name| name.eq_ignore_ascii_case(field)));
        if unwanted || records.is_empty() {
            return Ok(None);
        }
        let root = tree::root(addressing, scope)?;
        let source = Source { element, connection, addressing, root: &root, deadline: invocation.deadline };
        let seen: Vec<Map<String, Value>> = items.iter().map(|item| addressing.plan.read(item, false, false)).collect();
        let (paths, complete) = Box::pin(self.paths(&source, &seen)).await?;
        for (record, path) in records.iter_mut().zip(paths) {
            if let Some(path) = path {
                record.insert(field.to_owned(), Value::String(path));
            }
        }
        Ok((!complete)
            .then(|| format!("the paths of some records were left out: they are in more than {MAX_FOLDERS} folders")))
    }

    /// The provider's `items` that are somewhere below the folder that the operation names, if it names one.
    pub(super) async fn keep_below(
        &self,
        element: &Element,
        connection: &Connection,
        invocation: &Invocation,
        scope: &CallScope<'_>,
        items: Vec<Value>,
    ) -> Result<Vec<Value>> {
        let (Some(below), Some(addressing)) = (&invocation.operation.below, &element.addressing) else {
            return Ok(items);
        };
        let wanted = below.render(scope).map_err(|error| unfilled(&error))?;
        let root = tree::root(addressing, scope)?;
        let Some(wanted) = wanted.filter(|wanted| *wanted != root) else { return Ok(items) };
        let source = Source { element, connection, addressing, root: &root, deadline: invocation.deadline };
        let seen: Vec<Map<String, Value>> = items.iter().map(|item| addressing.plan.read(item, false, false)).collect();
        let (folders, complete) = self.climb(&source, &wanted, &seen).await?;
        if !complete {
            return Err(Error::bad_request(format!(
                "What was found is in more than {MAX_FOLDERS} folders, too many to tell which of it is below this one; \
                 narrow the search or leave `path` out"
            )));
        }
        let kept = items.into_iter().zip(&seen).filter(|(_, record)| is_below(record, &wanted, &folders));
        Ok(kept.map(|(item, _)| item).collect())
    }

    /// The id the root folder has in answers, where paths are made here; else what it is asked for by.
    pub(super) async fn real_root(&self, source: &Source<'_, '_>) -> Result<String> {
        if field(&source.addressing.plan).is_none() {
            return Ok(source.root.to_owned());
        }
        Ok(self.root_id(source).await?.unwrap_or_else(|| source.root.to_owned()))
    }

    /// The paths of uniform records, and whether all folders could be read that they need.
    pub(super) async fn paths(
        &self,
        source: &Source<'_, '_>,
        records: &[Map<String, Value>],
    ) -> Result<(Vec<Option<String>>, bool)> {
        let Some(root) = self.root_id(source).await? else { return Ok((vec![None; records.len()], true)) };
        let (folders, complete) = self.climb(source, &root, records).await?;
        Ok((records.iter().map(|record| join(record, &root, &folders)).collect(), complete))
    }

    /// Reads the folders above uniform records, up to the folder `top`; and whether all could be read.
    async fn climb(
        &self,
        source: &Source<'_, '_>,
        top: &str,
        records: &[Map<String, Value>],
    ) -> Result<(BTreeMap<String, Option<Folder>>, bool)> {
        let mut folders: BTreeMap<String, Option<Folder>> = BTreeMap::new();
        // A record that is a folder saves a call where others lie in it.
        for record in records {
            if let (Some(id), Some(name)) = (text(record, "id"), text(record, "name")) {
                folders.insert(id, Some(Folder { name, parent: text(record, "parentFolderId") }));
            }
        }
        let mut complete = true;
        let mut wanted: BTreeSet<String> = records.iter().filter_map(|record| text(record, "parentFolderId")).collect();
        for _ in 0..MAX_DEPTH {
            let known = folders.len();
            wanted.retain(|id| id != top && !folders.contains_key(id));
            if wanted.is_empty() {
                break;
            }
            if known + wanted.len() > MAX_FOLDERS + records.len() {
                complete = false;
                break;
            }
            let ids = std::mem::take(&mut wanted);
            let found: Vec<Result<(String, Option<Folder>)>> =
                stream::iter(ids.into_iter().map(|id| self.folder(source, id)))
                    .buffer_unordered(AT_ONCE)
                    .collect()
                    .await;
            for found in found {
                let (id, folder) = found?;
                wanted.extend(folder.iter().filter_map(|folder| folder.parent.clone()));
                folders.insert(id, folder);
            }
            // What was known before may lead on to something new.
            wanted.extend(folders.values().flatten().filter_map(|folder| folder.parent.clone()));
        }
        Ok((folders, complete))
    }

    /// One folder, or none when it is not there for this account.
    async fn folder(&self, source: &Source<'_, '_>, id: String) -> Result<(String, Option<Folder>)> {
        let record = self.identified(source, &id).await?;
        let folder = record
            .and_then(|record| Some(Folder { name: text(&record, "name")?, parent: text(&record, "parentFolderId") }));
        Ok((id, folder))
    }

    /// The id that the root folder has in answers, which may be another one than it is asked for by.
    async fn root_id(&self, source: &Source<'_, '_>) -> Result<Option<String>> {
        let key = (source.connection.instance_id, source.root.to_owned());
        if let Some(known) = self.roots.get(&key) {
            return Ok(Some(known));
        }
        let id = self.identified(source, source.root).await?.and_then(|record| text(&record, "id"));
        if let Some(id) = &id {
            self.roots.insert(key, id.clone());
        }
        Ok(id)
    }

    /// The uniform record of a reference, or none when there is nothing.
    async fn identified(&self, source: &Source<'_, '_>, reference: &str) -> Result<Option<Map<String, Value>>> {
        let mut scope = CallScope::bare(source.connection);
        scope.reference = Some(Box::new(Value::String(reference.to_owned())));
        for call in &source.addressing.identify {
            match self.json(source.element, source.connection, call, &scope, &[], source.deadline).await {
                Ok(answer) => {
                    let record = call.answer.record.get(&answer).cloned().unwrap_or_default();
                    return Ok(Some(source.addressing.plan.read(&record, false, false)));
                }
                Err(error) if matches!(error.kind(), Kind::NotFound | Kind::Forbidden) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }
}

/// Whether a record is somewhere below a folder.
fn is_below(record: &Map<String, Value>, folder: &str, folders: &BTreeMap<String, Option<Folder>>) -> bool {
    let mut at = text(record, "parentFolderId");
    for _ in 0..MAX_DEPTH {
        match at {
            Some(id) if id == folder => return true,
            Some(id) => at = folders.get(&id).and_then(Option::as_ref).and_then(|folder| folder.parent.clone()),
            None => return false,
        }
    }
    false
}

/// The path of a record, if the folders above it lead to the root.
fn join(record: &Map<String, Value>, root: &str, folders: &BTreeMap<String, Option<Folder>>) -> Option<String> {
    if text(record, "id").as_deref() == Some(root) {
        return Some("/".to_owned());
    }
    let mut names = vec![text(record, "name")?];
    let mut at = text(record, "parentFolderId")?;
    for _ in 0..MAX_DEPTH {
        if at == root {
            names.push(String::new());
            names.reverse();
            return Some(names.join("/"));
        }
        let folder = folders.get(&at)?.as_ref()?;
        names.push(folder.name.clone());
        at = folder.parent.clone()?;
    }
    None
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_path_leads_to_the_root_or_there_is_none() {
        let folder = |name: &str, parent: Option<&str>| {
            Some(Folder { name: name.to_owned(), parent: parent.map(str::to_owned) })
        };
        let folders = BTreeMap::from([
            ("a".to_owned(), folder("A", Some("r"))),
            ("b".to_owned(), folder("B", Some("a"))),
            ("shared".to_owned(), folder("Theirs", None)),
            ("hidden".to_owned(), None),
            ("x".to_owned(), folder("X", Some("y"))),
            ("y".to_owned(), folder("Y", Some("x"))),
        ]);
        let path = |id: &str, parent: Option<&str>| {
            let record = json!({"id": id, "name": "f.txt", "parentFolderId": parent});
            join(record.as_object().unwrap(), "r", &folders)
        };
        assert_eq!(path("1", Some("b")).as_deref(), Some("/A/B/f.txt"));
        assert_eq!(path("1", Some("r")).as_deref(), Some("/f.txt"));
        assert_eq!(path("r", None).as_deref(), Some("/"));
        for lost in [None, Some("shared"), Some("hidden"), Some("unread"), Some("x")] {
            assert_eq!(path("1", lost), None, "{lost:?}");
        }
        let below = |parent: Option<&str>| {
            let record = json!({"id": "1", "name": "f.txt", "parentFolderId": parent});
            is_below(record.as_object().unwrap(), "a", &folders)
        };
        assert!(below(Some("a")) && below(Some("b")));
        for elsewhere in [None, Some("r"), Some("shared"), Some("hidden"), Some("x")] {
            assert!(!below(elsewhere), "{elsewhere:?}");
        }
    }
}
