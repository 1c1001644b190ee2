//! Dropbox, API v2.

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
    Provider {
        router: Router::new(),
        urls: vec![
            ("api", core.origin.clone()),
            ("content", core.origin.clone()),
            ("revoke", format!("{}/2/auth/token/revoke", core.origin)),
        ],
        configuration: vec![("base.url", core.origin.clone())],
        reset: Box::new(|| {}),
        failure,
    }
}

/// What a fault's status looks like.
fn failure(status: u16, _retry_after: Option<u64>) -> Response {
    http::raw(status, "text/plain; charset=utf-8", "")
}
