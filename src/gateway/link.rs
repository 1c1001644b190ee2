//! Links that download a file without credentials, for a limited time.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::{
    Gateway,
    call::{Answer, Call, CallBody, Head, Resolved},
};
use crate::{
    catalog::hub::{AnswerKind, TargetKind},
    error::{Error, Kind, Result},
    provider::Invocation,
    store::InstanceRecord,
};

const PURPOSE: &str = "link";

/// What a link leads to.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Wanted {
    /// The instance.
    #[serde(rename = "i", default)]
    instance: i64,
    /// The file's id.
    #[serde(rename = "f", default, skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    /// The file's path.
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    /// When it ends, epoch seconds.
    #[serde(rename = "e", default)]
    ends: i64,
}

impl Wanted {
    /// What a link asked for by this call leads to, if it asks for one.
    pub(super) fn of(resolved: &Resolved, invocation: &Invocation) -> Option<Self> {
        let is_link = matches!(&resolved.operation.answer, AnswerKind::Record(model) if model == "link")
            // Only a file can be downloaded.
            && resolved.operation.target.as_ref().is_none_or(|target| target.kind != TargetKind::Folder);
        is_link.then(|| Self {
            instance: 0,
            id: invocation.path.iter().find(|(name, _)| name == "id").map(|(_, id)| id.clone()),
            path: invocation.query.get("path").and_then(Value::as_str).map(str::to_owned),
            ends: 0,
        })
    }
}

impl Gateway {
    /// Adds our own link to a link record.
    pub(super) fn add_links(
        &self,
        instance: &InstanceRecord,
        root: &str,
        mut wanted: Wanted,
        record: &mut Map<String, Value>,
    ) {
        let life = i64::try_from(self.config.links.ttl_s).unwrap_or(i64::MAX / 2_000);
        wanted.instance = instance.id;
        wanted.ends = self.clock.now().timestamp() + life;
        let token = self.store.sealer().seal_token(PURPOSE, &serde_json::to_vec(&wanted).unwrap_or_default());
        record.insert("cloudElementsLink".to_owned(), Value::String(format!("{root}/links/{token}")));
        record.insert("expires".to_owned(), Value::from(wanted.ends * 1_000));
    }

    /// Downloads what a link leads to.
    ///
    /// # Errors
    /// 404 for a token that is not ours or has ended, or whose instance is gone; what a download answers otherwise.
    pub async fn follow_link(&self, token: &str, headers: http::HeaderMap, deadline: Instant) -> Result<Answer> {
        let gone = || Error::not_found("This link does not exist or has expired");
        let wanted: Wanted = self
            .store
            .sealer()
            .open_token(PURPOSE, token)
            .and_then(|plain| serde_json::from_slice(&plain).ok())
            .filter(|wanted: &Wanted| wanted.ends > self.clock.now().timestamp())
            .ok_or_else(gone)?;
        let instance = self.directory.by_id(wanted.instance).await?.ok_or_else(gone)?;
        if instance.disabled {
            return Err(Error::new(Kind::Forbidden, "The instance of this link is disabled"));
        }
        let path = match &wanted.id {
            Some(id) => vec!["files".to_owned(), id.clone()],
            None => vec!["files".to_owned()],
        };
        let head = Head {
            instance,
            hub: None,
            method: "GET".to_owned(),
            uri: None,
            path,
            query: wanted.path.into_iter().map(|path| ("path".to_owned(), path)).collect(),
            headers,
            base: "",
            deadline,
        };
        Box::pin(self.call(Box::new(Call { head, body: CallBody::Json(Value::Null), resolved: None }))).await
    }
}
