//! Conditions on what is there.

use axum::http::HeaderMap;
use chrono::SubsecRound;

use super::{
    failure::Failure,
    signature::http_moment,
    store::{Object, Version},
};
use crate::http;

/// What the conditions of a read come to.
pub(super) enum Read {
    /// It is as the caller wants it.
    Go,
    /// The caller has it already.
    NotModified,
}

/// Checks the conditions of a read, or, by other names, of the source of a copy.
pub(super) fn read(headers: &HeaderMap, prefix: &str, version: &Version, object: &Object) -> Result<Read, Failure> {
    let condition = |name: &str| http::header_text(headers, &format!("{prefix}{name}"));
    let modified = version.modified.trunc_subsecs(0);
    if let Some(wanted) = condition("if-match") {
        if !matches(wanted, &object.etag) {
            return Err(Failure::precondition("If-Match"));
        }
    } else if let Some(since) = condition("if-unmodified-since").and_then(http_moment)
        && modified > since
    {
        return Err(Failure::precondition("If-Unmodified-Since"));
    }
    if let Some(known) = condition("if-none-match") {
        return Ok(if matches(known, &object.etag) { Read::NotModified } else { Read::Go });
    }
    let since = condition("if-modified-since").and_then(http_moment);
    Ok(if since.is_some_and(|since| modified <= since) { Read::NotModified } else { Read::Go })
}

/// Checks the conditions of a write against what is there now.
pub(super) fn write(headers: &HeaderMap, key: &str, there: Option<&Object>) -> Result<(), Failure> {
    match http::header_text(headers, "if-none-match") {
        Some("*") if there.is_some() => return Err(Failure::precondition("If-None-Match")),
        Some("*") | None => {}
        Some(_) => return Err(Failure::not_implemented("If-None-Match")),
    }
    let Some(wanted) = http::header_text(headers, "if-match") else { return Ok(()) };
    match there {
        None => Err(Failure::no_key(key)),
        Some(object) if matches(wanted, &object.etag) => Ok(()),
        Some(_) => Err(Failure::precondition("If-Match")),
    }
}

fn matches(list: &str, etag: &str) -> bool {
    list.split(',').map(|one| one.trim().trim_matches('"')).any(|one| one == "*" || one == etag)
}
