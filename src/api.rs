//! The HTTP surface: router, extractors, one file per area. The only module that knows axum and HTTP statuses.
//!
//! A request's way: [`server`] (connection, deadlines) ▸ [`front`] (request id, strictness, time limit, the last word
//! on every answer) ▸ [`router`] ▸ extractors ▸ handler.

mod audit;
pub mod auth;
mod catalog;
mod docs;
pub mod error;
pub mod extract;
mod front;
mod health;
mod hubs;
mod instances;
mod page;
pub mod server;
pub mod serving;

use axum::{
    Router,
    extract::{MatchedPath, Request},
    middleware::{self, Next},
    response::{Redirect, Response},
    routing::get,
};

pub use front::Front;
pub use serving::Serving;

use crate::{
    app::App,
    error::{Error, Kind},
};

/// Where the contract's paths begin.
pub const BASE: &str = "/elements/api-v2";

/// Reads bytes as an `Authorization` header and as the beginning of a form: for the fuzzer, which has no other way in.
#[doc(hidden)]
pub fn read_head(bytes: &[u8]) {
    auth::read(bytes);
    hubs::read_form(bytes);
}

/// The file in an upload of this type, whose body comes in pieces of so many bytes; `None` when it cannot be read whole. For
/// the fuzzer.
#[doc(hidden)]
pub fn read_upload(content_type: &[u8], piece: usize, body: &[u8]) -> Option<Vec<u8>> {
    hubs::read_upload(content_type, piece, body)
}

/// The API: the contract under [`BASE`], and the health checks.
pub fn router(app: App) -> Router {
    let to_docs = get(async || Redirect::temporary(&format!("{BASE}/docs")));
    finish(health::routes().route("/docs", to_docs).nest(BASE, contract()), app)
}

/// What the metrics listener answers.
pub fn operations_router(app: App, recorder: metrics_exporter_prometheus::PrometheusHandle) -> Router {
    finish(health::routes().merge(health::metrics(recorder)), app)
}

fn contract() -> Router<App> {
    Router::new()
        .merge(catalog::routes())
        .merge(instances::routes())
        .merge(audit::routes())
        .merge(docs::routes())
        .merge(hubs::routes())
}

fn finish(routes: Router<App>, app: App) -> Router {
    routes
        .fallback(unknown_path)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn(remember_route))
        .with_state(app)
}

async fn unknown_path() -> error::Failure {
    Error::not_found("No resource found under this path").into()
}

async fn wrong_method() -> error::Failure {
    Error::new(Kind::MethodNotAllowed, "This path exists, but not with this method").into()
}

/// The template of the route that answered, for logs and metrics.
#[derive(Debug, Clone)]
enum Route {
    Matched(MatchedPath),
    /// A hub call that did not need the router.
    Hub,
}

impl Route {
    fn as_str(&self) -> &str {
        match self {
            Self::Matched(path) => path.as_str(),
            // BASE and hubs::ROUTE.
            Self::Hub => "/elements/api-v2/hubs/{hub}/{*rest}",
        }
    }
}

async fn remember_route(request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().cloned();
    let mut response = next.run(request).await;
    if let Some(route) = route {
        response.extensions_mut().insert(Route::Matched(route));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hub_call_is_counted_under_the_route_it_would_have() {
        assert_eq!(Route::Hub.as_str(), format!("{BASE}{}", hubs::ROUTE));
    }
}
