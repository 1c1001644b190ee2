//! Finds what a `path` or an id points at, for elements whose records live in a tree.
//!
//! Only what the operation's templates use is looked up: an element addressed by paths needs no call for a path, one
//! addressed by ids none for an id.

use std::cmp::Reverse;

use serde_json::{Map, Value};
use tokio::time::Instant;

use super::{
    Connection, Engine, Invocation, Position, ancestors,
    list::{items, next_position, set_page},
    rare::Rare,
    request::unfilled,
    scope::{CallScope, Place, single_name},
};
use crate::{
    catalog::{Addressing, Call, Element, Operation, addressing::By, hub::TargetKind, operation::Paging},
    error::{Error, Kind, Result},
    mapping::{
        Root,
        codec::{decode_path_id, parent, path_id},
    },
};

mod folders;

/// Provider pages read to find one child, at most.
const MAX_PAGES: usize = 200;

/// What the lookups of one call share.
struct Finder<'a, 'c> {
    engine: &'a Engine,
    element: &'a Element,
    connection: &'c Connection,
    addressing: &'a Addressing,
    operation: &'a Operation,
    lookup: Rare<Map<String, Value>>,
    /// The id of the root folder that paths are walked from.
    root: String,
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
        let (lookup, deadline) = (scope.lookup.clone(), invocation.deadline);
        let mut root = root(addressing, scope)?;
        if operation.hub.destination {
            // Where something is and where it goes are compared, so the root has to have one name.
            let source = ancestors::Source { element, connection, addressing, root: &root, deadline };
            root = self.real_root(&source).await?;
        }
        let finder = Finder { engine: self, element, connection, addressing, operation, lookup, root, deadline };
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
        *scope.target = match (id, named.and_then(Value::as_str)) {
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
            *scope.destination = finder.destination(&invocation.body, &mut scope.target).await?;
        }
        if addressing.by == By::Path && operation.ensure_parents {
            let goes = if operation.hub.destination { &scope.destination } else { &scope.target };
            if let Some(parent) = &goes.parent_path {
                finder.make_folders(parent).await?;
            }
        }
        Ok(())
    }
}

/// The id of the root folder for this call.
pub(super) fn root(addressing: &Addressing, scope: &CallScope<'_>) -> Result<String> {
    Ok(addressing.root.render(scope).map_err(|error| unfilled(&error))?.unwrap_or_default())
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

pub(super) fn missing_path() -> Error {
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

pub(super) fn name_of(path: &str) -> Option<String> {
    path.rsplit('/').next().filter(|name| !name.is_empty()).map(str::to_owned)
}

/// The place of a path at an element addressed by paths.
pub(super) fn place_of_path(path: &str, kind: Option<&'static str>) -> Place {
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

impl<'c> Finder<'_, 'c> {
    /// Id, name and kind of a uniform record, the id being what the provider is told.
    fn identity(&self, record: &Map<String, Value>) -> Option<(String, String, &'static str)> {
        let name = record.get("name")?.as_str()?.to_owned();
        let folder = record.get("directory").and_then(Value::as_bool).unwrap_or(false);
        Some((self.native_id(record)?, name, if folder { "folder" } else { "file" }))
    }

    /// What the provider is told of a uniform record.
    fn native_id(&self, record: &Map<String, Value>) -> Option<String> {
        let key = if self.addressing.path_ids { "refId" } else { "id" };
        record.get(key)?.as_str().map(str::to_owned)
    }

    /// The scope of an addressing call.
    fn scope(&self) -> CallScope<'c> {
        let mut scope = CallScope::bare(self.connection);
        scope.lookup.clone_from(&self.lookup);
        scope
    }

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
                if let Some(path) = self.path_of(id)? {
                    return self.walk_to(&path, kind, None).await;
                }
                let known = Place { id: Some(id.to_owned()), reference: Some(id.to_owned()), kind, ..Place::default() };
                let kind_unknown = kind.is_none() && self.needs(Root::Target, &["kind"]);
                if kind_unknown || self.needs(Root::Target, &["path", "name", "parentPath", "parentId"]) {
                    return self.identify(id).await;
                }
                Ok(known)
            }
        }
    }

    /// The path that an id is made of, where ids are made of paths.
    fn path_of(&self, id: &str) -> Result<Option<String>> {
        decode_path_id(id).filter(|_| self.addressing.path_ids).map(|path| normal(&path)).transpose()
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
            By::Id => match folder.map(|folder| self.path_of(folder)).transpose()?.flatten() {
                Some(folder) => {
                    let name = name_of(path).ok_or_else(missing_path)?;
                    self.walk_to(&normal(&format!("{folder}/{name}"))?, kind, None).await
                }
                None => self.walk_to(path, kind, folder).await,
            },
        }
    }

    /// Walks from the root to `path`, making folders on the way where the operation says so.
    async fn walk_to(&self, path: &str, kind: Option<&'static str>, folder: Option<&str>) -> Result<Place> {
        let root = self.root.clone();
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
        let mut place = Place {
            path: folder.is_none().then(|| path.to_owned()),
            parent_path: folder.is_none().then(|| parent_path.to_owned()),
            parent_id: folder.map(str::to_owned),
            name: Some(name.clone()),
            kind,
            ..Place::default()
        };
        let finds = self.addressing.find.is_some();
        if place.parent_id.is_none() && (!finds || self.needs(Root::Target, &["parentId"])) {
            place.parent_id = Some(self.folder_id(parent_path, self.operation.ensure_parents).await?);
        }
        if self.needs(Root::Target, &["id", "ref", "kind"]) {
            let found = match &place.parent_id {
                Some(parent_id) => self.child(parent_id, &name, kind).await?,
                None => self.below(&root, path).await?,
            };
            match found {
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

    /// The child of a folder with this name: its id and kind. Names are compared exactly first, then without case.
    async fn child(
        &self,
        folder: &str,
        name: &str,
        kind: Option<&'static str>,
    ) -> Result<Option<(String, &'static str)>> {
        if self.addressing.find.is_some() {
            return self.below(folder, &format!("/{name}")).await;
        }
        if let Some((call, paging)) = &self.addressing.child {
            return self.named_child(call, paging.as_ref(), folder, name, kind).await;
        }
        let Some((call, paging)) = &self.addressing.children else {
            return Err(Error::internal(format!("element `{}` cannot list children", self.element.key)));
        };
        let mut scope = self.scope();
        scope.folder.insert("id".to_owned(), Value::String(folder.to_owned()));
        let mut at = Position { page: paging.as_ref().map_or(1_000, |paging| paging.max), ..Position::default() };
        let mut similar = None;
        for _ in 0..MAX_PAGES {
            set_page(&mut scope, &at);
            let answer = self.engine.json(self.element, self.connection, call, &scope, &[], self.deadline).await?;
            let found = items(call, &answer, &scope)?;
            for item in &found {
                let record = self.addressing.plan.read(item, false, false);
                let Some((id, known, is)) = self.identity(&record) else { continue };
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

    /// What the provider has at `path` below a folder: its id and kind.
    async fn below(&self, folder: &str, path: &str) -> Result<Option<(String, &'static str)>> {
        let Some(call) = &self.addressing.find else {
            return Err(Error::internal(format!("element `{}` cannot find by path", self.element.key)));
        };
        let mut scope = self.scope();
        scope.folder.insert("id".to_owned(), Value::String(folder.to_owned()));
        scope.folder.insert("path".to_owned(), Value::String(path.to_owned()));
        match self.engine.json(self.element, self.connection, call, &scope, &[], self.deadline).await {
            Ok(answer) => {
                let record = call.answer.record.get(&answer).cloned().unwrap_or_default();
                let record = self.addressing.plan.read(&record, false, false);
                let found = self.identity(&record).map(|(id, _, kind)| (id, kind));
                found.map(Some).ok_or_else(|| Error::new(Kind::ProviderFailed, "The provider's answer holds no record"))
            }
            Err(error) if error.kind() == Kind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// [`Self::child`] of a provider that looks names up, and may have several of one name: of those it is the one of the
    /// wanted kind, with exactly that name, changed last; among equals that with the smallest id.
    async fn named_child(
        &self,
        call: &Call,
        paging: Option<&Paging>,
        folder: &str,
        name: &str,
        kind: Option<&'static str>,
    ) -> Result<Option<(String, &'static str)>> {
        let mut scope = self.scope();
        scope.folder.insert("id".to_owned(), Value::String(folder.to_owned()));
        scope.folder.insert("name".to_owned(), Value::String(name.to_owned()));
        let mut at = Position { page: paging.map_or(1_000, |paging| paging.max), ..Position::default() };
        let mut best: Option<(Rank, &'static str)> = None;
        for _ in 0..MAX_PAGES {
            set_page(&mut scope, &at);
            let answer = self.engine.json(self.element, self.connection, call, &scope, &[], self.deadline).await?;
            let found = items(call, &answer, &scope)?;
            for item in &found {
                let record = self.addressing.plan.read(item, false, false);
                let Some((id, known, is)) = self.identity(&record) else { continue };
                let exact = known == name;
                let wanted = kind.is_none_or(|kind| kind == is);
                if !exact && (!wanted || known.to_lowercase() != name.to_lowercase()) {
                    continue;
                }
                let modified = record.get("modifiedDate").and_then(Value::as_i64).unwrap_or_default();
                let rank = (exact, wanted, modified, Reverse(id));
                if best.as_ref().is_none_or(|(known, _)| *known < rank) {
                    best = Some((rank, is));
                }
            }
            match paging.and_then(|paging| next_position(paging, &answer, found.len() as u64, &at)) {
                Some(next) => at = next,
                None => break,
            }
        }
        Ok(best.map(|((_, _, _, Reverse(id)), is)| (id, is)))
    }

    /// Asks the provider what a reference is.
    async fn identify(&self, reference: &str) -> Result<Place> {
        let mut scope = self.scope();
        scope.reference = Some(Box::new(Value::String(reference.to_owned())));
        let mut last = Error::not_found(format!("No file or folder has the id `{reference}`"));
        for call in &self.addressing.identify {
            match self.engine.json(self.element, self.connection, call, &scope, &[], self.deadline).await {
                Ok(answer) => {
                    let record = call.answer.record.get(&answer).cloned().unwrap_or_default();
                    let record = self.addressing.plan.read(&record, false, false);
                    let text = |key: &str| record.get(key).and_then(Value::as_str).map(str::to_owned);
                    let mut path = text("path");
                    if path.is_none()
                        && (self.operation.hub.destination || self.needs(Root::Target, &["path", "parentPath"]))
                    {
                        path = self.made_path(&record).await?;
                    }
                    let is_folder = record.get("directory").and_then(Value::as_bool).unwrap_or(false);
                    return Ok(Place {
                        parent_path: path.as_deref().and_then(parent).map(str::to_owned),
                        id: self.native_id(&record),
                        name: text("name"),
                        // Made of the path, it says nothing to the provider.
                        parent_id: text("parentFolderId").filter(|_| !self.addressing.path_ids),
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

    /// The destination of what only gets another name; what has that name there already is looked up where it matters.
    async fn renamed(&self, target: &mut Place, name: &str, copies: bool) -> Result<Place> {
        let mut place = Place { name: Some(name.to_owned()), ..Place::default() };
        if !self.needs(Root::Destination, &["id", "ref"]) {
            return Ok(place);
        }
        if target.parent_id.is_none() || target.name.is_none() {
            let reference = target.reference.clone().unwrap_or_default();
            *target = self.identify(&reference).await?;
        }
        if let Some(parent) = target.parent_id.clone().filter(|_| copies || target.name.as_deref() != Some(name))
            && let Some((id, _)) = self.child(&parent, name, target.kind).await?
            && (copies || target.id.as_ref() != Some(&id))
        {
            place.reference = Some(id.clone());
            place.id = Some(id);
        }
        Ok(place)
    }

    /// The path of a uniform record that has none, where it is made of the folders above.
    async fn made_path(&self, record: &Map<String, Value>) -> Result<Option<String>> {
        if ancestors::field(&self.addressing.plan).is_none() {
            return Ok(None);
        }
        let source = ancestors::Source {
            element: self.element,
            connection: self.connection,
            addressing: self.addressing,
            root: &self.root,
            deadline: self.deadline,
        };
        let (paths, _) = self.engine.paths(&source, std::slice::from_ref(record)).await?;
        Ok(paths.into_iter().next().flatten())
    }

    /// Where the body's `path` and `name` say that something goes; empty when that is where it is.
    async fn destination(&self, body: &Value, target: &mut Place) -> Result<Place> {
        let text = |key: &str| body.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
        let path = text("path").map(normal).transpose()?;
        let name = single_name(text("name"))?;
        if path.is_none() && name.is_none() {
            return Ok(Place::default());
        }
        let by_id = self.addressing.by == By::Id;
        let copies = self.operation.hub.name == "copy";
        if let (true, None, Some(name)) = (by_id, &path, name) {
            return self.renamed(target, name, copies).await;
        }
        if target.path.is_none() && !copies {
            let reference = target.reference.clone().unwrap_or_default();
            *target = self.identify(&reference).await?;
        }
        let current = target.path.clone().unwrap_or_default();
        let Some(wanted) = wanted(&current, path, name, copies)? else { return Ok(Place::default()) };
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
            && (copies || target.id.as_ref() != Some(&id))
        {
            place.reference = Some(id.clone());
            place.id = Some(id);
        }
        Ok(place)
    }
}

/// Where what is at `current` goes by a new path and a new name; `None` when it stays.
pub(super) fn wanted(current: &str, path: Option<String>, name: Option<&str>, copies: bool) -> Result<Option<String>> {
    let current_name = name_of(current);
    let moved = path.filter(|path| copies || *path != current);
    let wanted = match (moved, name) {
        (Some(path), Some(name))
            if name_of(&path).as_deref() != Some(name) && current_name.as_deref() != Some(name) =>
        {
            Some(format!("{}/{name}", parent(&path).unwrap_or("/").trim_end_matches('/')))
        }
        (Some(path), _) => Some(path),
        (None, Some(name)) if current_name.as_deref() != Some(name) => {
            Some(format!("{}/{name}", parent(current).unwrap_or("/").trim_end_matches('/')))
        }
        (None, _) => None,
    };
    if wanted.as_deref() == Some("/") {
        return Err(Error::bad_request("Nothing can become the root folder")
            .with_detail("/path", "should name a place below /"));
    }
    let below = format!("{}/", current.trim_end_matches('/'));
    if !current.is_empty() && wanted.as_ref().is_some_and(|wanted| wanted.starts_with(&below)) {
        return Err(Error::bad_request("A folder cannot go into itself")
            .with_detail("/path", "should name a place that is not below the folder"));
    }
    Ok(wanted)
}

/// Whether the name is exact, the kind the wanted one, when it was changed, its id.
type Rank = (bool, bool, i64, Reverse<String>);

#[cfg(test)]
mod tests;
