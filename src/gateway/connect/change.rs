//! How what was sent becomes an instance's own configuration.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::draft::{Draft, Mode};
use crate::{
    catalog::Identity,
    error::{Error, Result},
    instance::configuration::{EVENTS_ENABLED, GRANT_KEYS, STALE_IF_ERROR, Values, stale_if_error},
};

/// Refuses values that mean something to the gateway itself and cannot be understood.
pub(super) fn check_own_keys(sent: &Map<String, Value>) -> Result<()> {
    match stale_if_error(sent) {
        Ok(_) => Ok(()),
        Err(wanted) => Err(Error::bad_request("The configuration cannot be used")
            .with_detail(format!("/configuration/{STALE_IF_ERROR}"), wanted)),
    }
}

/// The sent configuration without what belongs to the grant.
pub(super) fn sent_for(element: &Identity, draft: &Draft) -> Map<String, Value> {
    let mut sent = draft.configuration.clone().unwrap_or_default().0;
    if element.authentication.all().any(|(_, one)| one.uses_tokens()) {
        sent.retain(|key, _| !GRANT_KEYS.contains(&key.as_str()));
    }
    sent
}

pub(super) fn apply(
    own: &mut Values,
    element: &Identity,
    inherited: &Values,
    captured: &BTreeSet<String>,
    sent: Option<&Map<String, Value>>,
    mode: Mode,
) {
    match (sent, mode) {
        (None, _) => {}
        (Some(sent), Mode::Merge) => own.merge(&element.configuration, inherited, sent),
        (Some(sent), Mode::Replace) => own.replace(&element.configuration, inherited, captured, sent),
    }
}

pub(super) fn put_all(own: &mut Values, element: &Identity, capture: &Map<String, Value>) {
    for (key, value) in capture {
        own.put(&element.configuration, key, value.clone());
    }
}

pub(super) fn captured_keys(element: &Identity) -> BTreeSet<String> {
    element.authentication.all().flat_map(|(_, one)| one.captured_keys()).map(str::to_owned).collect()
}

pub(super) fn events_enabled(effective: &Values) -> bool {
    effective.text(EVENTS_ENABLED).is_some_and(|text| text.eq_ignore_ascii_case("true"))
}
