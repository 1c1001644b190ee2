//! Finds what a `path` or an id points at, for elements whose records live in a tree.
//!
//! Only what the operation's templates use is looked up: an element addressed by paths needs no call for a path, one
//! addressed by ids none for an id.

use serde_json::Value;
use tokio::time::Instant;

use super::{
    Connection, Engine, Invocation, Position,
    list::{items, next_position, set_page},
    scope::{CallScope, Place},
};
use crate::{
    catalog::{Addressing, Element, Operation, addressing::By, hub::TargetKind},
    error::{Error, Kind, Result},
    mapping::{
        Root,
        codec::{decode_path_id, parent, path_id},
    },
};

/// Provider pages read to find one child, at most.
const MAX_PAGES: usize = 200;

/// What the lookups of one call share.
struct Finder<'a, 'c> {
    engine: &'a Engine,
    element: &'a Element,
    connection: &'c Connection,
    addressing: &'a Addressing,
    operation: &'a Operation,
    deadline: Instant,
}

impl Engine {
    /// Fills `target` and `destination` of the scope.
    pub(super) async fn locate(
        &self,
        element: &Element,
        connection: &Connection,
        invocation: &Invocation,
        scope: &mut CallScope<'_>,
    ) -> Result<()> {
        let operation = &invocation.operation;
        let Some(spec) = &operation.hub.target else { return Ok(()) };
        let addressing = element
            .addressing
            .as_ref()
            .ok_or_else(|| Error::internal(format!("element `{}` has no addressing", element.key)))?;
        let finder = Finder { engine: self, element, connection, addressing, operation, deadline: invocation.deadline };
        let id = invocation.path.iter().find(|(name, _)| name == "id").map(|(_, id)| id.as_str());
        let named = if spec.in_body { invocation.body.get("path") } else { invocation.query.get("path") };
        let kind = match spec.kind {
            TargetKind::File => Some("file"),
            TargetKind::Folder => Some("folder"),
            TargetKind::Any => None,
        };
        if let (true, Some(path), Some(name)) =
            (spec.in_body, named.and_then(Value::as_str), invocation.body.get("name").and_then(Value::as_str))
            && name_of(&normal(path)?).is_some_and(|last| last != name)
        {
            return Err(Error::bad_request("Folder name provided and folder name in path do not match")
                .with_detail("/name", "should be the last segment of `path`"));
        }
        scope.target = match (id, named.and_then(Value::as_str)) {
            (Some(id), _) => finder.by_id(id, kind).await?,
            (None, Some(path)) => {
                let folder = invocation.query.get("folderId").and_then(Value::as_str);
                finder
                    .by_path(&normal(path)?, kind, folder)
                    .await
                    .map_err(|error| unknown_start(error, spec.optional))?
            }
            (None, None) if spec.optional => Place::default(),
            (None, None) => return Err(missing_path()),
        };
        if operation.hub.destination {
            scope.destination = finder.destination(&invocation.body, &mut scope.target).await?;
        }
        Ok(())
    }
}

/// A place to start from that is not there is a wrong parameter, not a missing resource.
fn unknown_start(error: Error, optional: bool) -> Error {
    if optional && error.kind() == Kind::NotFound {
        return Error::bad_request(error.public().to_owned())
            .with_detail("path", "should be a folder that exists")
            .with_source(error);
    }
    error
}

fn missing_path() -> Error {
    Error::bad_request("The parameter `path` is required")
        .with_detail("path", "should be an absolute path, like /folder/file.txt")
}

/// An absolute path without a slash at its end; refuses what could climb.
pub(super) fn normal(path: &str) -> Result<String> {
    let wrong = |detail: &str| {
        Error::bad_request(format!("`{path}` is not a usable path: {detail}")).with_detail("path", detail.to_owned())
    };
    if !path.starts_with('/') {
        return Err(wrong("it should begin with /"));
    }
    if path.chars().any(char::is_control) {
        return Err(wrong("it should hold no control characters"));
    }
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    if segments.iter().any(|segment| matches!(*segment, "." | "..")) {
        return Err(wrong("it should hold no . or .. segments"));
    }
    Ok(format!("/{}", segments.join("/")))
}

fn name_of(path: &str) -> Option<String> {
    path.rsplit('/').next().filter(|name| !name.is_empty()).map(str::to_owned)
}

/// The place of a path at an element addressed by paths.
fn place_of_path(path: &str, kind: Option<&'static str>) -> Place {
    Place {
        id: Some(path_id(path)),
        name: name_of(path),
        parent_path: parent(path).map(str::to_owned),
        parent_id: parent(path).map(path_id),
        reference: Some(if path == "/" { String::new() } else { path.to_owned() }),
        path: Some(path.to_owned()),
        kind,
    }
}

impl Finder<'_, '_> {
    fn needs(&self, root: Root, keys: &[&str]) -> bool {
        keys.iter().any(|key| self.operation.needs(root, key))
    }

    /// Whether the target is where the operation starts from, and may be left out.
    fn starts(&self) -> bool {
        self.operation.hub.target.as_ref().is_some_and(|target| target.optional)
    }

    /// Whether the operation cannot do without one of these.
    fn insists(&self, root: Root, keys: &[&str]) -> bool {
        self.operation
            .needs
            .iter()
            .any(|(needed, key, optional)| *needed == root && !optional && keys.contains(&key.as_str()))
    }

    async fn by_id(&self, id: &str, kind: Option<&'static str>) -> Result<Place> {
        match self.addressing.by {
            By::Path => {
                if self.addressing.reference.as_ref().is_some_and(|prefix| id.starts_with(prefix.as_str())) {
                    if self.needs(Root::Target, &["path", "name", "parentPath", "parentId", "id"])
                        || self.operation.hub.destination
                    {
                        return self.identify(id).await;
                    }
                    return Ok(Place { reference: Some(id.to_owned()), kind, ..Place::default() });
                }
                let path = decode_path_id(id)
                    .ok_or_else(|| Error::not_found(format!("No file or folder has the id `{id}`")))?;
                Ok(place_of_path(&normal(&path)?, kind))
            }
            By::Id => {
                let known = Place { id: Some(id.to_owned()), reference: Some(id.to_owned()), kind, ..Place::default() };
                let kind_unknown = kind.is_none() && self.needs(Root::Target, &["kind"]);
                if kind_unknown || self.needs(Root::Target, &["path", "name", "parentPath", "parentId"]) {
                    return self.identify(id).await;
                }
                Ok(known)
            }
        }
    }

    async fn by_path(&self, path: &str, kind: Option<&'static str>, folder: Option<&str>) -> Result<Place> {
        match self.addressing.by {
            By::Path => {
                let Some(folder) = folder else { return Ok(place_of_path(path, kind)) };
                let folder = match decode_path_id(folder) {
                    Some(path) => normal(&path)?,
                    None => self
                        .identify(folder)
                        .await?
                        .path
                        .ok_or_else(|| Error::not_found("The folder of `folderId` has no path"))?,
                };
                let name = name_of(path).ok_or_else(missing_path)?;
                Ok(place_of_path(&normal(&format!("{folder}/{name}"))?, kind))
            }
            By::Id => self.walk_to(path, kind, folder).await,
        }
    }

    /// Walks from the root to `path`, making folders on the way where the operation says so.
    async fn walk_to(&self, path: &str, kind: Option<&'static str>, folder: Option<&str>) -> Result<Place> {
        let root = self.addressing.root.clone();
        let Some(name) = name_of(path) else {
            return Ok(Place {
                id: Some(root.clone()),
                reference: Some(root),
                path: Some("/".to_owned()),
                kind: Some("folder"),
                ..Place::default()
            });
        };
        let parent_path = parent(path).unwrap_or("/");
        let parent_id = match folder {
            Some(folder) => folder.to_owned(),
            None => self.folder_id(parent_path, self.operation.ensure_parents).await?,
        };
        let mut place = Place {
            path: folder.is_none().then(|| path.to_owned()),
            parent_path: folder.is_none().then(|| parent_path.to_owned()),
            parent_id: Some(parent_id.clone()),
            name: Some(name.clone()),
            kind,
            ..Place::default()
        };
        if self.needs(Root::Target, &["id", "ref", "kind"]) {
            match self.child(&parent_id, &name, kind).await? {
                Some((id, found)) => {
                    place.reference = Some(id.clone());
                    place.id = Some(id);
                    place.kind = Some(found);
                }
                // A start that is given has to be there, also where it need not be given.
                None if self.insists(Root::Target, &["id", "ref"]) || self.starts() => {
                    return Err(Error::not_found(format!("No file or folder is at `{path}`")));
                }
                None => {}
            }
        }
        Ok(place)
    }

    async fn folder_id(&self, path: &str, make: bool) -> Result<String> {
        let mut at = self.addressing.root.clone();
        for segment in path.split('/').filter(|segment| !segment.is_empty()) {
            at = match self.child(&at, segment, Some("folder")).await? {
                Some((id, "folder")) => id,
                Some(_) => {
                    return Err(Error::new(Kind::Conflict, format!("`{segment}` in `{path}` is a file, not a folder")));
                }
                None if make => self.make_folder(&at, segment).await?,
                None => return Err(Error::not_found(format!("No folder is at `{path}`"))),
            };
        }
        Ok(at)
    }

    /// Makes a folder; when somebody else just made it, theirs is taken.
    async fn make_folder(&self, parent: &str, name: &str) -> Result<String> {
        let call = self.addressing.create_folder.as_ref().ok_or_else(|| {
            Error::not_found(format!("No folder `{name}` is there, and this element cannot make one"))
        })?;
        let mut scope = CallScope::bare(self.connection);
        scope.folder.insert("id".to_owned(), Value::String(parent.to_owned()));
        scope.folder.insert("name".to_owned(), Value::String(name.to_owned()));
        match self.engine.json(self.element, self.connection, call, &scope, &[], self.deadline).await {
            Ok(answer) => {
                let record =
                    call.answer.record.get(&answer).map(|record| self.addressing.plan.read(record, false, false));
                let id = record.as_ref().and_then(|record| record.get("id")).and_then(Value::as_str);
                id.map(str::to_owned)
                    .ok_or_else(|| Error::new(Kind::ProviderFailed, "The provider made a folder without an id"))
            }
            Err(error) if error.kind() == Kind::Conflict => match self.child(parent, name, Some("folder")).await? {
                Some((id, "folder")) => Ok(id),
                _ => Err(error),
            },
            Err(error) => Err(error),
        }
    }

    /// The child of a folder with this name: its id and kind. Names are compared exactly first, then without case.
    async fn child(
        &self,
        folder: &str,
        name: &str,
        kind: Option<&'static str>,
    ) -> Result<Option<(String, &'static str)>> {
        let Some((call, paging)) = &self.addressing.children else {
            return Err(Error::internal(format!("element `{}` cannot list children", self.element.key)));
        };
        let mut scope = CallScope::bare(self.connection);
        scope.folder.insert("id".to_owned(), Value::String(folder.to_owned()));
        let mut at = Position { page: paging.as_ref().map_or(1_000, |paging| paging.max), ..Position::default() };
        let mut similar = None;
        for _ in 0..MAX_PAGES {
            set_page(&mut scope, &at);
            let answer = self.engine.json(self.element, self.connection, call, &scope, &[], self.deadline).await?;
            let found = items(call, &answer)?;
            for item in &found {
                let record = self.addressing.plan.read(item, false, false);
                let Some((id, known, is)) = identity(&record) else { continue };
                if kind.is_some_and(|kind| kind != is) && known != name {
                    continue;
                }
                if known == name {
                    return Ok(Some((id, is)));
                }
                if similar.is_none() && known.to_lowercase() == name.to_lowercase() {
                    similar = Some((id, is));
                }
            }
            match paging.as_ref().and_then(|paging| next_position(paging, &answer, found.len() as u64, &at)) {
                Some(next) => at = next,
                None => return Ok(similar),
            }
        }
        Err(Error::bad_request(format!(
            "The folder of `{name}` is too large to look through; address the item by its id"
        )))
    }

    /// Asks the provider what a reference is.
    async fn identify(&self, reference: &str) -> Result<Place> {
        let mut scope = CallScope::bare(self.connection);
        scope.reference = Some(Value::String(reference.to_owned()));
        let mut last = Error::not_found(format!("No file or folder has the id `{reference}`"));
        for call in &self.addressing.identify {
            match self.engine.json(self.element, self.connection, call, &scope, &[], self.deadline).await {
                Ok(answer) => {
                    let record = call.answer.record.get(&answer).cloned().unwrap_or_default();
                    let record = self.addressing.plan.read(&record, false, false);
                    let text = |key: &str| record.get(key).and_then(Value::as_str).map(str::to_owned);
                    let path = text("path");
                    let is_folder = record.get("directory").and_then(Value::as_bool).unwrap_or(false);
                    return Ok(Place {
                        parent_path: path.as_deref().and_then(parent).map(str::to_owned),
                        id: text("id"),
                        name: text("name"),
                        parent_id: text("parentFolderId"),
                        kind: Some(if is_folder { "folder" } else { "file" }),
                        reference: Some(reference.to_owned()),
                        path,
                    });
                }
                Err(error) if error.kind() == Kind::NotFound => last = error,
                Err(error) => return Err(error),
            }
        }
        Err(last)
    }

    /// Where the body's `path` and `name` say that something goes; empty when that is where it is.
    async fn destination(&self, body: &Value, target: &mut Place) -> Result<Place> {
        let text = |key: &str| body.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
        let path = text("path").map(normal).transpose()?;
        let name = text("name");
        if let Some(name) = name.filter(|name| name.contains('/')) {
            return Err(Error::bad_request(format!("`{name}` is not a name: it holds a /"))
                .with_detail("/name", "should be a single name; use `path` to move"));
        }
        if path.is_none() && name.is_none() {
            return Ok(Place::default());
        }
        let by_id = self.addressing.by == By::Id;
        if by_id && path.is_none() {
            return Ok(Place { name: name.map(str::to_owned), ..Place::default() });
        }
        let copies = self.operation.hub.name == "copy";
        if target.path.is_none() && !copies {
            let reference = target.reference.clone().unwrap_or_default();
            *target = self.identify(&reference).await?;
        }
        let current = target.path.clone().unwrap_or_default();
        let current_name = name_of(&current);
        let moved = path.filter(|path| copies || *path != current);
        let wanted = match (moved, name) {
            (Some(path), Some(name))
                if name_of(&path).as_deref() != Some(name) && current_name.as_deref() != Some(name) =>
            {
                Some(format!("{}/{name}", parent(&path).unwrap_or("/").trim_end_matches('/')))
            }
            (Some(path), _) => Some(path),
            (None, Some(name)) if current_name.as_deref() != Some(name) => {
                Some(format!("{}/{name}", parent(&current).unwrap_or("/").trim_end_matches('/')))
            }
            (None, _) => None,
        };
        let Some(wanted) = wanted else { return Ok(Place::default()) };
        if wanted == "/" {
            return Err(Error::bad_request("Nothing can become the root folder")
                .with_detail("/path", "should name a place below /"));
        }
        if !by_id {
            return Ok(place_of_path(&wanted, target.kind));
        }
        let parent_path = parent(&wanted).unwrap_or("/").to_owned();
        let parent_id = self.folder_id(&parent_path, self.operation.ensure_parents).await?;
        let name = name_of(&wanted);
        let mut place = Place {
            name: name.clone(),
            parent_path: Some(parent_path),
            parent_id: Some(parent_id.clone()),
            path: Some(wanted),
            kind: target.kind,
            ..Place::default()
        };
        if self.needs(Root::Destination, &["id", "ref"])
            && let Some((id, _)) = self.child(&parent_id, &name.unwrap_or_default(), target.kind).await?
        {
            place.reference = Some(id.clone());
            place.id = Some(id);
        }
        Ok(place)
    }
}

/// Id, name and kind of a uniform record.
fn identity(record: &serde_json::Map<String, Value>) -> Option<(String, String, &'static str)> {
    let id = record.get("id")?.as_str()?.to_owned();
    let name = record.get("name")?.as_str()?.to_owned();
    let folder = record.get("directory").and_then(Value::as_bool).unwrap_or(false);
    Some((id, name, if folder { "folder" } else { "file" }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_cannot_climb() {
        assert_eq!(normal("/a//b/").unwrap(), "/a/b");
        assert_eq!(normal("/").unwrap(), "/");
        for bad in ["a", "/../a", "/a/./b", "/a\u{0}", ""] {
            assert!(normal(bad).is_err(), "{bad:?}");
        }
    }
}
