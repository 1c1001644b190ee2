//! The arguments of the routes. Dropbox is strict: an unknown or missing field or a wrong type is refused.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDateTime, Utc};
use serde::{Deserialize, Deserializer, de::Error};
use serde_json::Value;

use super::tree::Mode;

macro_rules! args {
    ($($(#[$meta:meta])* $name:ident { $($(#[$field_meta:meta])* $field:ident: $kind:ty),* $(,)? })*) => {
        $(
            $(#[$meta])*
            #[derive(Debug, Deserialize)]
            #[serde(deny_unknown_fields)]
            #[allow(dead_code, reason = "some members are only checked")]
            pub(super) struct $name { $($(#[$field_meta])* pub(super) $field: $kind),* }
        )*
    };
}

args! {
    /// `files.ListFolderArg`
    ListFolder {
        path: String,
        #[serde(default)] recursive: bool,
        #[serde(default)] include_media_info: bool,
        #[serde(default)] include_deleted: bool,
        #[serde(default)] include_has_explicit_shared_members: bool,
        #[serde(default = "yes")] include_mounted_folders: bool,
        limit: Option<u32>,
        shared_link: Option<Value>,
        include_property_groups: Option<Value>,
        #[serde(default = "yes")] include_non_downloadable_files: bool,
        #[serde(default)] include_restorable_info: bool,
    }
    /// `files.ListFolderContinueArg` and `files.SearchV2ContinueArg`
    Cursor { cursor: String }
    /// `files.GetMetadataArg`
    GetMetadata {
        path: String,
        #[serde(default)] include_media_info: bool,
        #[serde(default)] include_deleted: bool,
        #[serde(default)] include_has_explicit_shared_members: bool,
        include_property_groups: Option<Value>,
    }
    /// `files.CreateFolderArg`
    CreateFolder { path: String, #[serde(default)] autorename: bool }
    /// `files.DeleteArg`
    Delete { path: String, parent_rev: Option<String> }
    /// `files.RelocationArg`
    Relocate {
        from_path: String,
        to_path: String,
        #[serde(default)] allow_shared_folder: bool,
        #[serde(default)] autorename: bool,
        #[serde(default)] allow_ownership_transfer: bool,
    }
    /// `files.CommitInfo`
    Commit {
        path: String,
        #[serde(default = "add", deserialize_with = "mode")] mode: Mode,
        #[serde(default)] autorename: bool,
        #[serde(default, deserialize_with = "time")] client_modified: Option<DateTime<Utc>>,
        #[serde(default)] mute: bool,
        property_groups: Option<Vec<Value>>,
        #[serde(default)] strict_conflict: bool,
    }
    /// `files.UploadArg`
    Upload {
        path: String,
        #[serde(default = "add", deserialize_with = "mode")] mode: Mode,
        #[serde(default)] autorename: bool,
        #[serde(default, deserialize_with = "time")] client_modified: Option<DateTime<Utc>>,
        #[serde(default)] mute: bool,
        property_groups: Option<Vec<Value>>,
        #[serde(default)] strict_conflict: bool,
        content_hash: Option<String>,
    }
    /// `files.DownloadArg`
    Download { path: String, rev: Option<String> }
    /// `files.GetTemporaryLinkArg`
    TemporaryLink { path: String }
    /// `files.UploadSessionStartArg`
    SessionStart {
        #[serde(default)] close: bool,
        #[serde(default, deserialize_with = "session_type")] session_type: Option<String>,
        content_hash: Option<String>,
    }
    /// `files.UploadSessionCursor`
    SessionCursor { session_id: String, offset: u64 }
    /// `files.UploadSessionAppendArg`
    SessionAppend { cursor: SessionCursor, #[serde(default)] close: bool, content_hash: Option<String> }
    /// `files.UploadSessionFinishArg`
    SessionFinish { cursor: SessionCursor, commit: Commit, content_hash: Option<String> }
    /// `files.SearchV2Arg`
    Search {
        query: String,
        options: Option<SearchOptions>,
        match_field_options: Option<MatchFieldOptions>,
        include_highlights: Option<bool>,
    }
    /// `files.SearchMatchFieldOptions`
    MatchFieldOptions { #[serde(default)] include_highlights: bool }
    /// `files.SearchOptions`
    SearchOptions {
        path: Option<String>,
        max_results: Option<u64>,
        #[serde(default, deserialize_with = "order_by")] order_by: Option<String>,
        #[serde(default, deserialize_with = "file_status")] file_status: Option<String>,
        #[serde(default)] filename_only: bool,
        file_extensions: Option<Vec<String>>,
        file_categories: Option<Vec<Value>>,
        account_id: Option<String>,
    }
    /// `files.ListRevisionsArg`
    ListRevisions {
        path: String,
        #[serde(default, deserialize_with = "revisions_mode")] mode: Option<String>,
        limit: Option<u64>,
        before_rev: Option<String>,
        #[serde(default)] include_restorable_info: bool,
    }
    /// `files.AddTagArg` and `files.RemoveTagArg`
    Tag { path: String, tag_text: String }
    /// `files.GetTagsArg`
    GetTags { paths: Vec<String> }
    /// `sharing.CreateSharedLinkWithSettingsArg`
    CreateSharedLink { path: String, settings: Option<LinkSettings> }
    /// `sharing.SharedLinkSettings`
    LinkSettings {
        require_password: Option<bool>,
        link_password: Option<String>,
        #[serde(default, deserialize_with = "time")] expires: Option<DateTime<Utc>>,
        #[serde(default, deserialize_with = "audience")] audience: Option<String>,
        #[serde(default, deserialize_with = "access")] access: Option<String>,
        #[serde(default, deserialize_with = "visibility")] requested_visibility: Option<String>,
        allow_download: Option<bool>,
    }
    /// `sharing.ListSharedLinksArg`
    ListSharedLinks { path: Option<String>, cursor: Option<String>, direct_only: Option<bool> }
    /// `sharing.RevokeSharedLinkArg`
    RevokeSharedLink { url: String }
    /// `file_properties.PropertyField`
    #[derive(Clone)]
    Field { name: String, value: String }
    /// `file_properties.PropertyGroup`
    PropertyGroup { template_id: String, fields: Vec<Field> }
    /// `file_properties.PropertyFieldTemplate`
    TemplateField {
        name: String,
        description: String,
        #[serde(rename = "type", deserialize_with = "property_type")] kind: Option<String>,
    }
    /// `file_properties.AddTemplateArg`
    AddTemplate { name: String, description: String, fields: Vec<TemplateField> }
    /// `file_properties.GetTemplateArg` and `file_properties.RemoveTemplateArg`
    Template { template_id: String }
    /// `file_properties.UpdateTemplateArg`
    UpdateTemplate {
        template_id: String,
        name: Option<String>,
        description: Option<String>,
        add_fields: Option<Vec<TemplateField>>,
    }
    /// `file_properties.AddPropertiesArg`
    AddProperties { path: String, property_groups: Vec<PropertyGroup> }
    /// `file_properties.PropertyGroupUpdate`
    GroupUpdate {
        template_id: String,
        add_or_update_fields: Option<Vec<Field>>,
        remove_fields: Option<Vec<String>>,
    }
    /// `file_properties.UpdatePropertiesArg`
    UpdateProperties { path: String, update_property_groups: Vec<GroupUpdate> }
    /// `file_properties.RemovePropertiesArg`
    RemoveProperties { path: String, property_template_ids: Vec<String> }
    /// `check.EchoArg`
    Echo { #[serde(default)] query: String }
}

impl From<Upload> for Commit {
    fn from(upload: Upload) -> Self {
        Self {
            path: upload.path,
            mode: upload.mode,
            autorename: upload.autorename,
            client_modified: upload.client_modified,
            mute: upload.mute,
            property_groups: upload.property_groups,
            strict_conflict: upload.strict_conflict,
        }
    }
}

fn yes() -> bool {
    true
}

fn add() -> Mode {
    Mode::Add
}

/// The tag of a union that has only tags: `"tag"` or `{".tag": "tag"}`.
fn tag<'de, D: Deserializer<'de>>(deserializer: D, known: &[&str]) -> Result<Option<String>, D::Error> {
    let tag = match Value::deserialize(deserializer)? {
        Value::Null => return Ok(None),
        Value::String(tag) => tag,
        Value::Object(map) if map.len() == 1 => {
            map.get(".tag").and_then(Value::as_str).ok_or_else(|| D::Error::custom("missing '.tag' key"))?.to_owned()
        }
        Value::Object(_) => return Err(D::Error::custom("unknown field")),
        _ => return Err(D::Error::custom("expected string or object")),
    };
    if known.contains(&tag.as_str()) { Ok(Some(tag)) } else { Err(D::Error::custom(format!("unknown tag '{tag}'"))) }
}

macro_rules! tags {
    ($($name:ident: [$($tag:literal),*];)*) => {
        $(fn $name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
            tag(deserializer, &[$($tag),*])
        })*
    };
}

tags! {
    session_type: ["sequential", "concurrent"];
    order_by: ["relevance", "last_modified_time"];
    file_status: ["active", "deleted"];
    revisions_mode: ["path", "id"];
    audience: ["public", "team", "no_one", "password", "members"];
    access: ["viewer", "editor", "max", "default"];
    property_type: ["string"];
    visibility: ["public", "team_only", "password"];
}

fn mode<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Mode, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Given {
        Tag(String),
        Tagged(BTreeMap<String, String>),
    }
    let (tag, mut members) = match Given::deserialize(deserializer).map_err(|_| D::Error::custom("mode: bad union"))? {
        Given::Tag(tag) => (tag, BTreeMap::new()),
        Given::Tagged(mut members) => {
            (members.remove(".tag").ok_or_else(|| D::Error::custom("mode: missing '.tag' key"))?, members)
        }
    };
    let mode = match tag.as_str() {
        "add" => Mode::Add,
        "overwrite" => Mode::Overwrite,
        "update" => {
            let rev =
                members.remove("update").ok_or_else(|| D::Error::custom("mode: missing required field 'update'"))?;
            if !is_rev(&rev) {
                return Err(D::Error::custom(format!("mode: update: '{rev}' did not match pattern '[0-9a-f]+'")));
            }
            Mode::Update(rev)
        }
        _ => return Err(D::Error::custom(format!("mode: unknown tag '{tag}'"))),
    };
    match members.keys().next() {
        Some(name) => Err(D::Error::custom(format!("mode: unknown field '{name}'"))),
        None => Ok(mode),
    }
}

/// Whether a text is a revision.
pub(super) fn is_rev(text: &str) -> bool {
    text.len() >= 9 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<DateTime<Utc>>, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
    let time = NaiveDateTime::parse_from_str(&text, "%Y-%m-%dT%H:%M:%SZ");
    let wrong = |_| D::Error::custom(format!("time data '{text}' does not match format '%Y-%m-%dT%H:%M:%SZ'"));
    time.map(|time| Some(time.and_utc())).map_err(wrong)
}
