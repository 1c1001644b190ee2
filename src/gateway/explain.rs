//! `?explain=true`: what a hub call would ask of the provider, told without asking it.

use std::sync::Arc;

use http::HeaderMap;

use super::{
    Gateway,
    call::{Answer, Call, Head, Resolved, enabled, json},
    invoke,
    objects::{describe_of, object_of},
};
use crate::{
    catalog::Operation,
    error::{Error, Result},
    provider::Connection,
};

/// The parameter.
const NAME: &str = "explain";

/// Whether a call with this query is to be explained instead of carried out.
///
/// # Errors
/// When the parameter says neither yes nor no: a call that was only to be explained must not be carried out.
pub fn wants_explanation(query: &[(String, String)]) -> Result<bool> {
    let Some((_, value)) = query.iter().find(|(name, _)| name.eq_ignore_ascii_case(NAME)) else { return Ok(false) };
    invoke::read_flag(value).ok_or_else(|| {
        Error::bad_request(format!(
            "An invalid value was used for the parameter `{NAME}`: `{value}` is not true or false"
        ))
        .with_detail(NAME, "should be true or false")
    })
}

impl Gateway {
    /// Explains a call of the hub.
    pub(super) fn explain(
        &self,
        call: Call,
        resolved: &Resolved,
        operation: Arc<Operation>,
        connection: &Connection,
    ) -> Result<Answer> {
        let prepared = invoke::prepare(self.store.sealer(), call, resolved, operation)?;
        let told = self.engine.explain(&resolved.element, connection, &prepared.invocation)?;
        Ok(json(&told, HeaderMap::new()))
    }

    /// Explains what every element answers itself.
    pub(super) fn explain_built_in(&self, call: &Head) -> Result<Option<Answer>> {
        let path: Vec<&str> = call.path.iter().map(String::as_str).collect();
        let (element, connection) = match (call.method.as_str(), path.as_slice()) {
            ("GET", ["ping" | "objects"] | ["objects", _, "metadata"]) => self.connected(call)?,
            _ => return Ok(None),
        };
        let (asked, object) = match path.as_slice() {
            ["ping"] => (element.probe.as_ref(), None),
            ["objects"] => (describe_of(&element)?.objects.as_ref(), None),
            [_, name, _] => {
                let fields = describe_of(&element)?.fields.as_ref();
                (fields, Some(object_of(&element, name).0))
            }
            _ => return Ok(None),
        };
        enabled(&call.instance)?;
        let told = self.engine.explain_call(&element, &connection, asked, object.as_deref())?;
        Ok(Some(json(&told, HeaderMap::new())))
    }
}
