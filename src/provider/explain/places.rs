//! What would be looked up before the operation's own calls: where things are, and what a path or an id stands for.

use serde_json::{Value, json};

use super::{
    super::{
        lookup::wanted as lookups_in_use,
        request::unfilled,
        scope::{CallScope, Open, Place, single_name},
        tree::{missing_path, name_of, normal, place_of_path, root, wanted},
    },
    Account, Remark, decided,
};
use crate::{
    catalog::{Addressing, Call, Session, addressing::By, hub::TargetKind},
    error::{Error, Result},
    mapping::{
        Condition, Root,
        codec::{decode_path_id, parent},
    },
};

impl<'a> Account<'a> {
    /// The element's lookups that the operation uses.
    pub(super) fn look_up(&mut self, scope: &mut CallScope<'_>) -> Result<()> {
        let element = self.element;
        let wanted = lookups_in_use(element, &self.invocation.operation);
        for lookup in element.lookups.iter().filter(|lookup| wanted.contains(&lookup.name)) {
            let mut possible = false;
            for call in &lookup.calls {
                let decision = decided(call.when.as_ref(), scope);
                if decision == Some(false) {
                    continue;
                }
                possible = true;
                match &call.give {
                    Some(give) if decision.is_some() && !give.is_open(scope) => {
                        let value = give.render(scope).map_err(|error| unfilled(&error))?.unwrap_or_default();
                        scope.lookup.insert(lookup.name.clone(), value);
                    }
                    Some(_) => {}
                    None => {
                        let purpose = format!("lookup.{}", lookup.name);
                        let when = call.when.iter().filter(|_| decision.is_none()).map(Condition::source).collect();
                        let repeated = Some("unless its answer is still known from an earlier call".to_owned());
                        self.call(call, scope, Remark { purpose: &purpose, when, repeated, step: None })?;
                    }
                }
                if decision.is_some() {
                    break;
                }
            }
            if !possible {
                return Err(Error::bad_request(format!(
                    "The instance's configuration does not say where its {} is",
                    lookup.name
                )));
            }
        }
        Ok(())
    }

    /// Target and destination, as far as the request tells them.
    pub(super) fn locate(&mut self, scope: &mut CallScope<'_>) -> Result<()> {
        let invocation = self.invocation;
        let element = self.element;
        let Some(spec) = &invocation.operation.hub.target else { return Ok(()) };
        let addressing = element
            .addressing
            .as_ref()
            .ok_or_else(|| Error::internal(format!("element `{}` has no addressing", element.key)))?;
        let root = root(addressing, scope)?;
        let id = invocation.path.iter().find(|(name, _)| name == "id").map(|(_, id)| id.as_str());
        let named = if spec.in_body { invocation.body.get("path") } else { invocation.query.get("path") };
        let kind = match spec.kind {
            TargetKind::File => Some("file"),
            TargetKind::Folder => Some("folder"),
            TargetKind::Any => None,
        };
        let mut open = scope.open.unwrap_or_default();
        open.target = true;
        scope.open = Some(open);
        *scope.target = match (id, named.and_then(Value::as_str)) {
            (Some(id), _) => self.by_id(addressing, id, kind, &root, scope)?,
            (None, Some(path)) => {
                let folder = invocation.query.get("folderId").and_then(Value::as_str);
                self.by_path(addressing, &normal(path)?, kind, folder, &root, scope)?
            }
            (None, None) if spec.optional => {
                scope.open = Some(Open { target: false, ..open });
                Place::default()
            }
            (None, None) => return Err(missing_path()),
        };
        if invocation.operation.hub.destination {
            self.destination(addressing, &root, scope)?;
        }
        Ok(())
    }

    fn needs(&self, root: Root, keys: &[&str]) -> bool {
        keys.iter().any(|key| self.invocation.operation.needs(root, key))
    }

    fn by_id(
        &mut self,
        addressing: &Addressing,
        id: &str,
        kind: Option<&'static str>,
        root: &str,
        scope: &CallScope<'_>,
    ) -> Result<Place> {
        let known = Place { reference: Some(id.to_owned()), kind, ..Place::default() };
        let told = ["path", "name", "parentPath", "parentId"];
        match addressing.by {
            By::Path if addressing.reference.as_ref().is_some_and(|prefix| id.starts_with(prefix.as_str())) => {
                let moves = self.invocation.operation.hub.destination;
                if moves || self.needs(Root::Target, &told) || self.needs(Root::Target, &["id"]) {
                    self.identify(addressing, id, scope)?;
                }
                Ok(known)
            }
            By::Path => {
                let path = decode_path_id(id)
                    .ok_or_else(|| Error::not_found(format!("No file or folder has the id `{id}`")))?;
                Ok(place_of_path(&normal(&path)?, kind))
            }
            By::Id => {
                if let Some(path) = decode_path_id(id).filter(|_| addressing.path_ids) {
                    return self.walk(addressing, &normal(&path)?, kind, None, root, scope);
                }
                let kind_unknown = kind.is_none() && self.needs(Root::Target, &["kind"]);
                if kind_unknown || self.needs(Root::Target, &told) {
                    self.identify(addressing, id, scope)?;
                }
                Ok(Place { id: Some(id.to_owned()), ..known })
            }
        }
    }

    fn by_path(
        &mut self,
        addressing: &Addressing,
        path: &str,
        kind: Option<&'static str>,
        folder: Option<&str>,
        root: &str,
        scope: &CallScope<'_>,
    ) -> Result<Place> {
        let made = addressing.by == By::Path || addressing.path_ids;
        let Some(folder) = folder.filter(|_| made) else {
            return match addressing.by {
                By::Path => Ok(place_of_path(path, kind)),
                By::Id => self.walk(addressing, path, kind, folder, root, scope),
            };
        };
        let name = name_of(path).ok_or_else(missing_path)?;
        let Some(above) = decode_path_id(folder) else {
            if addressing.by == By::Id {
                return self.walk(addressing, path, kind, Some(folder), root, scope);
            }
            self.identify(addressing, folder, scope)?;
            return Ok(Place { name: Some(name), kind, ..Place::default() });
        };
        let path = normal(&format!("{}/{name}", normal(&above)?))?;
        match addressing.by {
            By::Path => Ok(place_of_path(&path, kind)),
            By::Id => self.walk(addressing, &path, kind, None, root, scope),
        }
    }

    /// What is known of a path that has to be walked, and the calls of the walk.
    fn walk(
        &mut self,
        addressing: &Addressing,
        path: &str,
        kind: Option<&'static str>,
        folder: Option<&str>,
        root: &str,
        scope: &CallScope<'_>,
    ) -> Result<Place> {
        let Some(name) = name_of(path) else {
            return Ok(Place {
                id: Some(root.to_owned()),
                reference: Some(root.to_owned()),
                path: Some("/".to_owned()),
                kind: Some("folder"),
                ..Place::default()
            });
        };
        let above = parent(path).unwrap_or("/");
        let finds = addressing.find.is_some();
        let mut parent_id = folder.map(str::to_owned);
        if parent_id.is_none() && (!finds || self.needs(Root::Target, &["parentId"])) {
            if above == "/" {
                parent_id = Some(root.to_owned());
            } else {
                self.walk_folders(addressing, above, root, scope)?;
            }
        }
        if self.needs(Root::Target, &["id", "ref", "kind"]) {
            let purpose = format!("what is at `{path}`");
            let below = if finds && parent_id.is_none() { path } else { &format!("/{name}") };
            let from = parent_id.as_deref().or_else(|| finds.then_some(root));
            self.child(addressing, from, &name, below, &purpose, None, scope)?;
        }
        Ok(Place {
            path: folder.is_none().then(|| path.to_owned()),
            parent_path: folder.is_none().then(|| above.to_owned()),
            parent_id,
            name: Some(name),
            kind,
            ..Place::default()
        })
    }

    /// The calls that find (and, where the operation says so, make) the folders of `path`.
    fn walk_folders(&mut self, addressing: &Addressing, path: &str, root: &str, scope: &CallScope<'_>) -> Result<()> {
        let purpose = format!("the folder `{path}`");
        let first = path.split('/').find(|segment| !segment.is_empty()).unwrap_or_default();
        let several = addressing.find.is_none() && parent(path).is_some_and(|above| above != "/");
        let repeated = several.then(|| "for each folder on the way, the first of them shown".to_owned());
        self.child(addressing, Some(root), first, path, &purpose, repeated, scope)?;
        if let Some(make) = addressing.create_folder.as_ref().filter(|_| self.invocation.operation.ensure_parents) {
            let scope = self.bare(scope);
            let when = vec![json!("a folder on the way is missing")];
            self.call(make, &scope, Remark { purpose: &purpose, when, ..Remark::default() })?;
        }
        Ok(())
    }

    /// The call that finds a child, by the way the element has for it.
    #[expect(clippy::too_many_arguments, reason = "a call and all that is told of it")]
    fn child(
        &mut self,
        addressing: &Addressing,
        folder: Option<&str>,
        name: &str,
        path: &str,
        purpose: &str,
        repeated: Option<String>,
        scope: &CallScope<'_>,
    ) -> Result<()> {
        let listed = addressing.child.as_ref().or(addressing.children.as_ref()).map(|(call, _)| call);
        let Some(call) = addressing.find.as_ref().or(listed) else { return Ok(()) };
        let mut scope = self.bare(scope);
        if let Some(folder) = folder {
            scope.folder.insert("id".to_owned(), json!(folder));
        }
        scope.folder.insert("name".to_owned(), json!(name));
        scope.folder.insert("path".to_owned(), json!(path));
        self.call(call, &scope, Remark { purpose, repeated, ..Remark::default() })
    }

    /// The calls that tell what a reference is.
    fn identify(&mut self, addressing: &Addressing, reference: &str, scope: &CallScope<'_>) -> Result<()> {
        let mut scope = self.bare(scope);
        scope.reference = Some(Box::new(json!(reference)));
        for (index, call) in addressing.identify.iter().enumerate() {
            let when = if index == 0 { Vec::new() } else { vec![json!("the call before found nothing")] };
            let purpose = format!("what `{reference}` is");
            self.call(call, &scope, Remark { purpose: &purpose, when, ..Remark::default() })?;
        }
        Ok(())
    }

    /// The scope of an addressing call.
    fn bare(&self, scope: &CallScope<'_>) -> CallScope<'a> {
        let mut bare = CallScope::bare(self.connection);
        bare.open = Some(Open::default());
        bare.lookup.clone_from(&scope.lookup);
        bare.page.insert("size".to_owned(), json!(1_000));
        bare.page.insert("offset".to_owned(), json!(0));
        bare.page.insert("number".to_owned(), json!(1));
        bare.page.insert("position".to_owned(), json!(1));
        bare
    }

    /// Where the body says that something goes, as far as it tells.
    fn destination(&mut self, addressing: &Addressing, root: &str, scope: &mut CallScope<'_>) -> Result<()> {
        let invocation = self.invocation;
        let text = |key: &str| invocation.body.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
        let path = text("path").map(normal).transpose()?;
        let name = single_name(text("name"))?;
        if path.is_none() && name.is_none() {
            return Ok(());
        }
        let copies = invocation.operation.hub.name == "copy";
        let mut open = scope.open.unwrap_or_default();
        open.destination = true;
        scope.open = Some(open);
        if addressing.by == By::Id && path.is_none() {
            *scope.destination = Place { name: name.map(str::to_owned), ..Place::default() };
            return Ok(());
        }
        if scope.target.path.is_none() && !copies {
            let reference = scope.target.reference.clone().unwrap_or_default();
            if addressing.by == By::Id && !self.needs(Root::Target, &["path", "name", "parentPath", "parentId"]) {
                self.identify(addressing, &reference, scope)?;
            }
            // Only what the target's path is could tell where a new name alone leads.
            *scope.destination = match path {
                Some(path) if addressing.by == By::Path => place_of_path(&path, scope.target.kind),
                Some(path) => Place {
                    name: name_of(&path),
                    parent_path: parent(&path).map(str::to_owned),
                    path: Some(path),
                    kind: scope.target.kind,
                    ..Place::default()
                },
                None => Place { name: name.map(str::to_owned), ..Place::default() },
            };
        } else {
            let current = scope.target.path.clone().unwrap_or_default();
            let Some(wanted) = wanted(&current, path, name, copies)? else {
                open.destination = false;
                scope.open = Some(open);
                return Ok(());
            };
            *scope.destination = if addressing.by == By::Path {
                place_of_path(&wanted, scope.target.kind)
            } else {
                Place {
                    name: name_of(&wanted),
                    parent_path: parent(&wanted).map(str::to_owned),
                    path: Some(wanted),
                    kind: scope.target.kind,
                    ..Place::default()
                }
            };
        }
        if addressing.by == By::Id
            && let Some(above) = scope.destination.parent_path.clone()
        {
            if above == "/" {
                scope.destination.parent_id = Some(root.to_owned());
            } else {
                self.walk_folders(addressing, &above, root, scope)?;
            }
        }
        Ok(())
    }

    /// The calls by which a large file goes in parts.
    pub(super) fn session(&mut self, session: &Session, step: &str, scope: &CallScope<'_>) -> Result<()> {
        let large = json!(format!("the file has more than {} bytes", session.above));
        let mut tell = |call: &Call, purpose: &str, repeated: Option<String>| {
            let decision = decided(call.when.as_ref(), scope);
            if decision == Some(false) {
                return Ok(());
            }
            let mut when = vec![large.clone()];
            when.extend(call.when.iter().filter(|_| decision.is_none()).map(Condition::source));
            self.call(call, scope, Remark { purpose, step: Some(step), when, repeated })
        };
        for call in &session.start {
            tell(call, "to open the upload", None)?;
        }
        tell(&session.part, "a part of the file", Some("for each part".to_owned()))?;
        for call in &session.finish {
            tell(call, "to close the upload", None)?;
        }
        Ok(())
    }
}
