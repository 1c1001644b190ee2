//! Makes the call of an example's uniform request, through the same door as calls of the API.

use std::{collections::BTreeMap, sync::Arc};

use chrono::DateTime;
use futures_util::{StreamExt, stream};
use http::{HeaderMap, HeaderName, HeaderValue};
use secrecy::SecretString;
use serde_json::Value;
use tokio::time::Instant;

use super::format::Request;
use crate::{
    catalog::{Element, Hub, Operation},
    error::{Error, Result},
    gateway::{
        call::{Call, CallBody, Head, Resolved},
        invoke::{self, Prepared},
    },
    mapping::codec::{plain, scalar_text},
    provider::{Connection, Upload},
    store::{InstanceRecord, seal::Sealer},
};

/// The invocation of `request`, and how its answer is shown.
pub(super) fn prepared(
    element: &Arc<Element>,
    hub: &Arc<Hub>,
    operation: &Arc<Operation>,
    connection: &Connection,
    request: &Request,
    deadline: Instant,
) -> Result<Prepared> {
    let mut query = Vec::new();
    for (name, value) in &request.query {
        match value {
            Value::Array(items) => {
                query.extend(items.iter().filter_map(scalar_text).map(|text| (name.clone(), text)));
            }
            other => query.push((name.clone(), plain(other).into_owned())),
        }
    }
    let mut headers = HeaderMap::new();
    for (name, value) in &request.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(Error::internal)?;
        let value = HeaderValue::from_str(&scalar_text(value).unwrap_or_default()).map_err(Error::internal)?;
        headers.insert(name, value);
    }
    let body = match &request.file {
        None => CallBody::Json(request.body.clone()),
        Some(text) => CallBody::Upload(Upload {
            size: Some(text.len() as u64),
            likely_size: None,
            content_type: None,
            parts: request.parts,
            stream: stream::iter([Ok(text.clone().into_bytes().into())]).boxed(),
        }),
    };
    let resolved = Resolved {
        element: Arc::clone(element),
        hub: Arc::clone(hub),
        operation: Arc::clone(&operation.hub),
        names: request.path.clone(),
    };
    let head = Head {
        instance: Arc::new(instance(element, connection)),
        hub: Some(hub.key.clone()),
        method: operation.hub.method.clone(),
        uri: None,
        path: Vec::new(),
        query,
        headers,
        base: "",
        deadline,
    };
    // No page token of an example ever leaves the process.
    let sealer = Sealer::new(&[0; 32]);
    invoke::prepare(&sealer, Call { head, body, resolved: None }, &resolved, Arc::clone(operation))
}

fn instance(element: &Element, connection: &Connection) -> InstanceRecord {
    InstanceRecord {
        id: connection.instance_id,
        organization_id: 1,
        user_id: 1,
        element_id: element.id,
        element_key: element.key.clone(),
        name: "example".to_owned(),
        tags: Vec::new(),
        configuration: connection.configuration.clone(),
        secrets: BTreeMap::new(),
        token: SecretString::from(String::new()),
        disabled: false,
        valid: true,
        caching_enabled: false,
        cache_ttl_s: 0,
        max_cache_size: 0,
        external_authentication: "none".to_owned(),
        events_enabled: false,
        trace_logging: false,
        created_at: DateTime::UNIX_EPOCH,
        updated_at: DateTime::UNIX_EPOCH,
        version: 1,
    }
}
