//! Folders found by their path, and made where they are missing.

use serde_json::Value;

use super::Finder;
use crate::error::{Error, Kind, Result};

impl Finder<'_, '_> {
    /// The id of the folder at `path`, made where it is missing and `make` says so.
    pub(super) async fn folder_id(&self, path: &str, make: bool) -> Result<String> {
        let mut at = self.root.clone();
        if self.addressing.find.is_some() && path != "/" {
            match self.below(&at, path).await? {
                Some((id, "folder")) => return Ok(id),
                Some(_) => {
                    return Err(Error::new(Kind::Conflict, format!("`{path}` is a file, not a folder")));
                }
                None if !make => return Err(Error::not_found(format!("No folder is at `{path}`"))),
                None => {}
            }
        }
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

    /// Makes the folder at `path` and those above it, as far as they are missing (for elements addressed by paths).
    pub(super) async fn make_folders(&self, path: &str) -> Result<()> {
        let Some(call) = self.addressing.create_folder.as_ref().filter(|_| path != "/") else { return Ok(()) };
        match self.identify(path).await {
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == Kind::NotFound => {}
            Err(error) => return Err(error),
        }
        let mut made = String::new();
        for name in path.split('/').filter(|name| !name.is_empty()) {
            made = format!("{made}/{name}");
            let mut scope = self.scope();
            scope.folder.insert("path".to_owned(), Value::String(made.clone()));
            scope.folder.insert("name".to_owned(), Value::String(name.to_owned()));
            match self.engine.json(self.element, self.connection, call, &scope, &[], self.deadline).await {
                // It was there, or somebody else just made it.
                Err(error) if error.kind() == Kind::Conflict => {}
                Err(error) => return Err(error),
                Ok(_) => {}
            }
        }
        Ok(())
    }

    /// Makes a folder; when somebody else just made it, theirs is taken.
    async fn make_folder(&self, parent: &str, name: &str) -> Result<String> {
        let call = self.addressing.create_folder.as_ref().ok_or_else(|| {
            Error::not_found(format!("No folder `{name}` is there, and this element cannot make one"))
        })?;
        let mut scope = self.scope();
        scope.folder.insert("id".to_owned(), Value::String(parent.to_owned()));
        scope.folder.insert("name".to_owned(), Value::String(name.to_owned()));
        match self.engine.json(self.element, self.connection, call, &scope, &[], self.deadline).await {
            Ok(answer) => {
                let record =
                    call.answer.record.get(&answer).map(|record| self.addressing.plan.read(record, false, false));
                let id = record.as_ref().and_then(|record| self.native_id(record));
                id.ok_or_else(|| Error::new(Kind::ProviderFailed, "The provider made a folder without an id"))
            }
            Err(error) if error.kind() == Kind::Conflict => match self.child(parent, name, Some("folder")).await? {
                Some((id, "folder")) => Ok(id),
                _ => Err(error),
            },
            Err(error) => Err(error),
        }
    }
}
