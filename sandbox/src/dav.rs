//! An imitation of a WebDAV server of classes 1 and 2: a share with dead properties, locks and a quota, behind Basic or
//! Digest.
//!
//! The methods of RFC 4918 are `dav-server`'s; the share, who may enter it, and what is refused before are written here.

mod authentication;
mod properties;
mod share;
mod tree;

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{OriginalUri, Request, State},
    http::{HeaderName, Method, StatusCode, header},
    response::Response,
    routing::any,
};
use dav_server::{DavHandler, memls::MemLs};

use crate::{
    core::{Core, Provider, hold},
    http,
    oauth::Rules,
};

/// The one who may enter.
const USER: &str = "ada";
const PASSWORD: &str = "sandbox-l0velace";
/// What the server calls the share.
const REALM: &str = "sandbox";
/// Where the share is.
const ROOT: &str = "/dav";
/// The largest document of a call, and of an answer.
const LARGEST_DOCUMENT: usize = 16 * 1024 * 1024;

/// What all calls share.
struct Server {
    core: Arc<Core>,
    gate: authentication::Gate,
    handler: Mutex<DavHandler>,
}

impl Server {
    /// The share as it is at the start, with nothing locked.
    fn handler(core: &Arc<Core>) -> DavHandler {
        DavHandler::builder()
            .filesystem(Box::new(share::Share::new(Arc::clone(core))))
            .locksystem(MemLs::new())
            .strip_prefix(ROOT)
            .read_buf_size(share::PIECE)
            .build_handler()
    }
}

/// The provider's authorization rules.
pub(crate) fn rules() -> Rules {
    Rules::none("webdav")
}

/// The provider on the shared parts.
pub(crate) fn build(core: &Arc<Core>) -> Provider {
    let server = Arc::new(Server {
        gate: authentication::Gate::default(),
        handler: Mutex::new(Server::handler(core)),
        core: Arc::clone(core),
    });
    let root = format!("{}{ROOT}", core.origin);
    Provider {
        router: Router::new()
            .route(ROOT, any(call))
            .route("/dav/", any(call))
            .route("/dav/{*path}", any(call))
            .with_state(Arc::clone(&server)),
        urls: vec![("api", root.clone())],
        configuration: vec![("base.url", root)],
        credentials: vec![("username", USER.to_owned()), ("password", PASSWORD.to_owned())],
        reset: Box::new(move || *hold(&server.handler) = Server::handler(&server.core)),
        failure: by_status,
    }
}

/// Every call.
async fn call(State(server): State<Arc<Server>>, OriginalUri(uri): OriginalUri, mut request: Request) -> Response {
    *request.uri_mut() = uri;
    if let Err(refused) = server.gate.check(&request, server.core.now()) {
        return *refused;
    }
    if let Some(refused) = refused(&request) {
        return refused;
    }
    let handler = hold(&server.handler).clone();
    if request.method().as_str() == "PROPFIND" {
        return find(handler, request).await;
    }
    handler.handle(request).await.map(Body::new)
}

/// PROPFIND.
async fn find(handler: DavHandler, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let Ok(body) = to_bytes(body, LARGEST_DOCUMENT).await else { return http::empty(413) };
    let asked = std::str::from_utf8(&body).ok().and_then(properties::Asked::read);
    let answer = handler.handle(Request::from_parts(head, Body::from(body))).await.map(Body::new);
    let Some(asked) = asked.filter(|_| answer.status() == StatusCode::MULTI_STATUS) else { return answer };
    let (mut head, body) = answer.into_parts();
    let body = to_bytes(body, LARGEST_DOCUMENT).await.unwrap_or_default();
    let Some(mended) = std::str::from_utf8(&body).ok().and_then(|text| asked.mended(text)) else {
        return http::empty(500);
    };
    head.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(head, Body::from(mended))
}

/// The answer to what is not even begun.
fn refused(request: &Request) -> Option<Response> {
    let headers = request.headers();
    if request.method().as_str() == "PROPFIND" {
        // Without a depth it is infinite.
        let depth = http::header_text(headers, "depth").unwrap_or("infinity");
        return depth.eq_ignore_ascii_case("infinity").then(|| error(403, "<D:propfind-finite-depth/>"));
    }
    if request.method() == Method::PUT && headers.contains_key("content-range") {
        // A part of a file is no file.
        return Some(http::empty(400));
    }
    (request.method() == Method::PATCH).then(|| http::empty(405))
}

/// An error with the condition that did not hold.
fn error(status: u16, condition: &str) -> Response {
    let body = format!("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<D:error xmlns:D=\"DAV:\">{condition}</D:error>");
    http::raw(status, "application/xml; charset=utf-8", body)
}

/// The provider's answer for a fault's status.
fn by_status(status: u16, retry_after: Option<u64>) -> Response {
    let mut answer = match status {
        401 => authentication::ask(None),
        403 => error(403, "<D:need-privileges/>"),
        423 => error(423, "<D:lock-token-submitted/>"),
        507 => error(507, "<D:quota-not-exceeded/>"),
        other => http::raw(other, "text/plain; charset=utf-8", format!("The server says {other}\n")),
    };
    if let Some(seconds) = retry_after {
        answer = http::with_header(answer, HeaderName::from_static("retry-after"), &seconds.to_string());
    }
    answer
}
