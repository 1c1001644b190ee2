//! The share as the methods see it: big contents pass through, and a file is what it was until a new one is whole.

use std::{
    io::SeekFrom,
    sync::{Arc, Mutex},
    time::SystemTime,
};

use axum::{body::to_bytes, http::StatusCode};
use bytes::{Buf, Bytes};
use chrono::{DateTime, Utc};
use dav_server::{
    davpath::DavPath,
    fs::{
        DavDirEntry, DavFile, DavFileSystem, DavMetaData, DavProp, FsError, FsFuture, FsResult, FsStream, OpenOptions,
        ReadDirMeta,
    },
};
use futures_util::future::BoxFuture;

use super::tree::{Node, ROOM, Tree};
use crate::{
    content::{Content, Hash, Intake},
    core::{Core, hold},
};

/// How much of a file is read at a time.
pub(super) const PIECE: usize = 1024 * 1024;

/// A handle on the share.
#[derive(Clone)]
pub(super) struct Share {
    core: Arc<Core>,
    tree: Arc<Mutex<Tree>>,
}

impl Share {
    pub(super) fn new(core: Arc<Core>) -> Self {
        Self { tree: Arc::new(Mutex::new(Tree::seeded(core.now()))), core }
    }

    fn on<T>(&self, action: impl FnOnce(&mut Tree, DateTime<Utc>) -> FsResult<T>) -> FsResult<T> {
        action(&mut hold(&self.tree), self.core.now())
    }

    fn opened(&self, path: &DavPath, options: &OpenOptions) -> FsResult<Box<dyn DavFile>> {
        let path = place(path)?;
        let there = self.on(|tree, now| {
            let there = match tree.node(&path) {
                Ok(node) => Some(node.clone()),
                Err(_) if options.create => None,
                Err(error) => return Err(error),
            };
            if options.create_new && there.is_some() {
                return Err(FsError::Exists);
            }
            tree.place(&path)?;
            // To lock what is not there makes an empty file of it.
            if there.is_none() && !options.truncate {
                tree.write(&path, Content::of(Hash::Md5, Bytes::new()), now)?;
            }
            Ok(there)
        })?;
        if there.as_ref().is_some_and(|node| node.content.is_none()) {
            return Err(FsError::Forbidden);
        }
        let intake = (options.write && options.truncate).then(|| Intake::new(Hash::Md5));
        let content = there.and_then(|node| node.content);
        Ok(Box::new(File { share: self.clone(), path, content, at: 0, intake }))
    }
}

/// A path without a slash at its end; the root's is empty.
fn place(path: &DavPath) -> FsResult<String> {
    let text = String::from_utf8(path.as_bytes().to_vec()).map_err(|_| FsError::Forbidden)?;
    Ok(text.trim_end_matches('/').to_owned())
}

fn ready<'a, T: Send + 'a>(outcome: FsResult<T>) -> FsFuture<'a, T> {
    Box::pin(std::future::ready(outcome))
}

impl DavFileSystem for Share {
    fn open<'a>(&'a self, path: &'a DavPath, options: OpenOptions) -> FsFuture<'a, Box<dyn DavFile>> {
        ready(self.opened(path, &options))
    }

    fn read_dir<'a>(&'a self, path: &'a DavPath, _: ReadDirMeta) -> FsFuture<'a, FsStream<Box<dyn DavDirEntry>>> {
        let children = place(path).and_then(|path| self.on(|tree, _| tree.children(&path)));
        ready(children.map(|children| {
            let entries =
                children.into_iter().map(|(name, node)| Ok(Box::new(Entry { name, node }) as Box<dyn DavDirEntry>));
            Box::pin(futures_util::stream::iter(entries.collect::<Vec<_>>())) as FsStream<_>
        }))
    }

    fn metadata<'a>(&'a self, path: &'a DavPath) -> FsFuture<'a, Box<dyn DavMetaData>> {
        let node = place(path).and_then(|path| self.on(|tree, _| tree.node(&path).cloned()));
        ready(node.map(|node| Box::new(node) as Box<dyn DavMetaData>))
    }

    fn create_dir<'a>(&'a self, path: &'a DavPath) -> FsFuture<'a, ()> {
        ready(place(path).and_then(|path| self.on(|tree, now| tree.create_folder(&path, now))))
    }

    fn remove_dir<'a>(&'a self, path: &'a DavPath) -> FsFuture<'a, ()> {
        self.remove_file(path)
    }

    fn remove_file<'a>(&'a self, path: &'a DavPath) -> FsFuture<'a, ()> {
        ready(place(path).and_then(|path| self.on(|tree, now| tree.remove(&path, now))))
    }

    fn rename<'a>(&'a self, from: &'a DavPath, to: &'a DavPath) -> FsFuture<'a, ()> {
        let paths = place(from).and_then(|from| Ok((from, place(to)?)));
        ready(paths.and_then(|(from, to)| self.on(|tree, now| tree.rename(&from, &to, now))))
    }

    fn copy<'a>(&'a self, from: &'a DavPath, to: &'a DavPath) -> FsFuture<'a, ()> {
        let paths = place(from).and_then(|from| Ok((from, place(to)?)));
        ready(paths.and_then(|(from, to)| self.on(|tree, now| tree.copy(&from, &to, now))))
    }

    fn have_props<'a>(&'a self, _: &'a DavPath) -> BoxFuture<'a, bool> {
        Box::pin(std::future::ready(true))
    }

    fn patch_props<'a>(
        &'a self,
        path: &'a DavPath,
        patch: Vec<(bool, DavProp)>,
    ) -> FsFuture<'a, Vec<(StatusCode, DavProp)>> {
        let patched = place(path).and_then(|path| {
            self.on(|tree, _| {
                let properties = &mut tree.node_mut(&path)?.properties;
                let told = |property: &DavProp| DavProp { xml: None, ..property.clone() };
                let outcomes = patch.into_iter().map(|(set, property)| {
                    let (key, told) = (key(&property), told(&property));
                    if set {
                        properties.insert(key, property);
                    } else {
                        // To remove what is not there is no failure.
                        properties.remove(&key);
                    }
                    (StatusCode::OK, told)
                });
                Ok(outcomes.collect())
            })
        });
        ready(patched)
    }

    fn get_props<'a>(&'a self, path: &'a DavPath, content: bool) -> FsFuture<'a, Vec<DavProp>> {
        let node = place(path).and_then(|path| self.on(|tree, _| tree.node(&path).cloned()));
        ready(node.map(|node| {
            let told = |property: DavProp| if content { property } else { DavProp { xml: None, ..property } };
            node.properties.into_values().map(told).collect()
        }))
    }

    fn get_prop<'a>(&'a self, path: &'a DavPath, property: DavProp) -> FsFuture<'a, Vec<u8>> {
        let node = place(path).and_then(|path| self.on(|tree, _| tree.node(&path).cloned()));
        ready(node.and_then(|node| {
            node.properties.get(&key(&property)).and_then(|found| found.xml.clone()).ok_or(FsError::NotFound)
        }))
    }

    fn get_quota(&'_ self) -> FsFuture<'_, (u64, Option<u64>)> {
        ready(self.on(|tree, _| Ok((tree.used(), Some(ROOM)))))
    }
}

fn key(property: &DavProp) -> (String, String) {
    (property.namespace.clone().unwrap_or_default(), property.name.clone())
}

/// An entry of a folder.
struct Entry {
    name: String,
    node: Node,
}

impl DavDirEntry for Entry {
    fn name(&self) -> Vec<u8> {
        self.name.clone().into_bytes()
    }

    fn metadata(&'_ self) -> FsFuture<'_, Box<dyn DavMetaData>> {
        ready(Ok(Box::new(self.node.clone())))
    }
}

impl DavMetaData for Node {
    fn len(&self) -> u64 {
        self.content.as_ref().map_or(0, |content| content.size)
    }

    fn modified(&self) -> FsResult<SystemTime> {
        Ok(self.modified.into())
    }

    fn created(&self) -> FsResult<SystemTime> {
        Ok(self.created.into())
    }

    fn is_dir(&self) -> bool {
        self.content.is_none()
    }

    fn etag(&self) -> Option<String> {
        // A folder has none: what is in it may change while it does not.
        self.content.as_ref().map(|content| format!("{:x}-{}", self.tag, content.hash))
    }
}

/// An open file.
struct File {
    share: Share,
    path: String,
    /// What is read.
    content: Option<Content>,
    at: u64,
    /// What is written, until it is whole.
    intake: Option<Intake>,
}

impl std::fmt::Debug for File {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("File").field("path", &self.path).finish_non_exhaustive()
    }
}

impl DavFile for File {
    fn metadata(&'_ mut self) -> FsFuture<'_, Box<dyn DavMetaData>> {
        let node = self.share.on(|tree, _| tree.node(&self.path).cloned());
        ready(node.map(|node| Box::new(node) as Box<dyn DavMetaData>))
    }

    fn write_buf(&'_ mut self, mut piece: Box<dyn Buf + Send>) -> FsFuture<'_, ()> {
        let bytes = piece.copy_to_bytes(piece.remaining());
        self.write_bytes(bytes)
    }

    fn write_bytes(&'_ mut self, piece: Bytes) -> FsFuture<'_, ()> {
        Box::pin(async move {
            let used = self.share.on(|tree, _| Ok(tree.used()))?;
            let intake = self.intake.as_mut().ok_or(FsError::Forbidden)?;
            if used + intake.size + piece.len() as u64 > ROOM {
                return Err(FsError::InsufficientStorage);
            }
            intake.push(&self.share.core.spool, &piece).await.map_err(|_| FsError::GeneralFailure)
        })
    }

    fn read_bytes(&'_ mut self, count: usize) -> FsFuture<'_, Bytes> {
        Box::pin(async move {
            let content = self.content.as_ref().ok_or(FsError::NotFound)?;
            let end = self.at.saturating_add(count as u64);
            let body = content.body(self.at, end).await.map_err(|_| FsError::GeneralFailure)?;
            let bytes = to_bytes(body, count).await.map_err(|_| FsError::GeneralFailure)?;
            self.at += bytes.len() as u64;
            Ok(bytes)
        })
    }

    fn seek(&'_ mut self, to: SeekFrom) -> FsFuture<'_, u64> {
        let size = self.content.as_ref().map_or(0, |content| content.size);
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => size.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.unwrap_or(self.at);
        ready(at.ok_or(FsError::Forbidden))
    }

    /// The end of what is written: now it takes the place of what was there.
    fn flush(&'_ mut self) -> FsFuture<'_, ()> {
        Box::pin(async move {
            let Some(intake) = self.intake.take() else { return Ok(()) };
            let content = intake.finish().await.map_err(|_| FsError::GeneralFailure)?;
            self.share.on(|tree, now| tree.write(&self.path, content, now))
        })
    }
}
