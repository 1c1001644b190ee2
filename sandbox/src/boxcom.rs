//! Box, API 2.0.

mod authorization;

use std::sync::Arc;

use axum::{Router, response::Response};

pub(crate) use self::authorization::rules;
use crate::{
    core::{Core, Provider},
    http,
};

/// The API on the shared parts.
pub(crate) fn build(core: &Arc<Core>) -> Provider {
    let origin = &core.origin;
    Provider {
        router: Router::new(),
        urls: vec![("api", format!("{origin}/2.0")), ("upload", format!("{origin}/api/2.0"))],
        configuration: vec![("base.url", format!("{origin}/2.0")), ("upload.url", format!("{origin}/api/2.0"))],
        reset: Box::new(|| {}),
        failure,
    }
}

/// What a fault's status looks like.
fn failure(status: u16, _retry_after: Option<u64>) -> Response {
    http::raw(status, "text/plain; charset=utf-8", "")
}
