//! The headers that every answer carries, and CORS.

use axum::{
    body::Body,
    http::{
        HeaderMap, HeaderName, HeaderValue, Method, Request, Response,
        header::{
            ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
            ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
            ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY, X_CONTENT_TYPE_OPTIONS,
        },
    },
};

use crate::config::Server;

pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("elements-request-id");

/// The contract's list, then the cache's headers.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "Elements-Returned-Count, Elements-Total-Count, Elements-Request-Id, Elements-Next-Page-Token, Elements-Trace-Id, \
     Elements-Error, Content-Disposition, ETag, Age, Cache-Status, Retry-After, RateLimit, RateLimit-Policy",
);

/// Adds the request id, what scripts may read, and who may read it.
pub(super) fn add_contract(headers: &mut HeaderMap, id: &str, origin: Option<&HeaderValue>, server: &Server) {
    // Grown once, not in steps.
    headers.reserve(8);
    if let Ok(id) = HeaderValue::from_str(id) {
        headers.insert(REQUEST_ID, id);
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    if server.allowed_origins.iter().any(|allowed| allowed == "*") {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        return;
    }
    headers.append(VARY, HeaderValue::from_static("Origin"));
    let allowed = origin.filter(|origin| server.allowed_origins.iter().any(|allowed| *allowed == **origin));
    match allowed {
        Some(origin) => headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone()),
        None => headers.remove(ACCESS_CONTROL_ALLOW_ORIGIN),
    };
}

/// The answer to a browser that asks before it calls; `None` for any other request.
pub(super) fn preflight(request: &Request<Body>) -> Option<Response<Body>> {
    let headers = request.headers();
    let asks = request.method() == Method::OPTIONS && headers.contains_key(ORIGIN);
    headers.get(ACCESS_CONTROL_REQUEST_METHOD).filter(|_| asks)?;
    let mut response = Response::new(Body::empty());
    let answer = response.headers_mut();
    answer.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE"));
    answer.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    if let Some(wanted) = headers.get(ACCESS_CONTROL_REQUEST_HEADERS) {
        answer.insert(ACCESS_CONTROL_ALLOW_HEADERS, wanted.clone());
    }
    Some(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(origins: &[&str], origin: &'static str) -> Option<String> {
        let server = Server { allowed_origins: origins.iter().map(|&o| o.to_owned()).collect(), ..Server::default() };
        let mut headers = HeaderMap::new();
        add_contract(&mut headers, "0123", Some(&HeaderValue::from_static(origin)), &server);
        assert_eq!(headers[REQUEST_ID], "0123");
        headers.get(ACCESS_CONTROL_ALLOW_ORIGIN).map(|value| value.to_str().unwrap().to_owned())
    }

    #[test]
    fn only_listed_origins_may_read() {
        assert_eq!(allowed(&["*"], "https://a.example").as_deref(), Some("*"));
        assert_eq!(allowed(&["https://a.example"], "https://a.example").as_deref(), Some("https://a.example"));
        assert_eq!(allowed(&["https://a.example"], "https://b.example"), None);
        assert_eq!(allowed(&[], "https://b.example"), None);
    }
}
