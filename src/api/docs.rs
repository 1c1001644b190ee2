//! Documentation: a page that shows and tries the API, and the descriptions it reads.

use std::sync::Arc;

use axum::{
    Router,
    extract::{RawQuery, State},
    http::{
        HeaderMap,
        header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE},
    },
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::Value;

use super::{
    auth::Caller,
    error::Result,
    extract::{Deadline, Path, Reply},
    hubs::public_root,
    instances::{Which, target},
};
use crate::{
    app::App,
    catalog::{Element, Hub},
    error::Error,
    openapi,
    store::InstanceRecord,
};

/// What the page may do: nothing but itself and this server.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                      font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/docs", get(page))
        .route("/docs/assets/{file}", get(asset))
        .route("/docs/openapi/platform", get(describe_platform))
        .route("/docs/openapi/hubs/{hub}", get(describe_hub))
        .route("/docs/openapi/elements/{element}", get(describe_element))
        .route("/docs/openapi/instances/{id}", get(describe_instance))
        .route("/elements/{element}/docs", get(element_docs))
        .route("/instances/docs", get(own_docs))
        .route("/instances/{id}/docs", get(instance_docs))
        .route("/instances/{id}/docs/{operation}", get(operation_docs))
        .route("/instances/{id}/docs/{operation}/definitions", get(operation_definitions))
}

// --- the page ---

async fn page() -> Response {
    let headers =
        [(CONTENT_TYPE, "text/html; charset=utf-8"), (CONTENT_SECURITY_POLICY, POLICY), (CACHE_CONTROL, "no-cache")];
    (headers, include_str!("docs/page.html")).into_response()
}

/// A file of the viewer, or our own few lines beside it.
async fn asset(Path(file): Path<String>) -> Result<Response> {
    if file == "hubgate.js" {
        return Ok(([(CONTENT_TYPE, "text/javascript")], include_str!("docs/hubgate.js")).into_response());
    }
    let known = ["swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png"];
    let config = Arc::new(utoipa_swagger_ui::Config::from("/"));
    let found = known
        .contains(&file.as_str())
        .then(|| utoipa_swagger_ui::serve(&file, config))
        .transpose()
        .map_err(|error| Error::internal(error.to_string()))?
        .flatten();
    let found = found.ok_or_else(|| Error::not_found("The documentation has no such file"))?;
    let headers = [(CONTENT_TYPE, found.content_type), (CACHE_CONTROL, "public, max-age=86400".to_owned())];
    Ok((headers, found.bytes.into_owned()).into_response())
}

// --- OpenAPI 3.1 ---

async fn describe_platform(State(app): State<App>, headers: HeaderMap) -> Reply<Value> {
    Reply(openapi::platform(&public_root(&app, &headers)))
}

async fn describe_hub(State(app): State<App>, Path(key): Path<String>, headers: HeaderMap) -> Result<Reply<Value>> {
    let hub = app.catalog.load().hub(&key).cloned().ok_or_else(|| Error::not_found("No hub found"))?;
    Ok(Reply(openapi::hub(&hub, &public_root(&app, &headers))))
}

async fn describe_element(State(app): State<App>, Path(key): Path<String>, headers: HeaderMap) -> Result<Reply<Value>> {
    let (element, hub) = element(&app, &key)?;
    Ok(Reply(openapi::element(&element, &hub, &public_root(&app, &headers))))
}

async fn describe_instance(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    deadline: Deadline,
    headers: HeaderMap,
) -> Result<Reply<Value>> {
    let record = target(&app, &caller, Which::Id(&id)).await?;
    let wanted = Wanted::read(query.as_deref());
    Ok(Reply(describe(&app, &record, &wanted, deadline, &public_root(&app, &headers)).await?))
}

/// What an instance can do, with the objects of its account.
async fn describe(
    app: &App,
    record: &InstanceRecord,
    wanted: &Wanted,
    deadline: Deadline,
    server: &str,
) -> Result<Value, Error> {
    let (element, hub) = element(app, &record.element_key)?;
    let objects = app.gateway.described_objects(record, &wanted.objects, deadline.0).await?;
    let title = format!("{} ({})", record.name, element.name);
    Ok(openapi::instance(&element, &hub, &objects, &title, server))
}

fn element(app: &App, key: &str) -> Result<(Arc<Element>, Arc<Hub>), Error> {
    let catalog = app.catalog.load();
    let entry = catalog.entry(key).ok_or_else(|| Error::not_found("No element found"))?;
    let element = Arc::clone(entry.element()?);
    let hub = catalog.hub(&element.hub).cloned().ok_or_else(|| Error::not_found("No hub found"))?;
    Ok((element, hub))
}

// --- the contract's Swagger 2.0 ---

/// The query of a description.
#[derive(Debug, Default)]
struct Wanted {
    operation: Option<String>,
    objects: Vec<String>,
}

impl Wanted {
    fn read(query: Option<&str>) -> Self {
        let mut wanted = Self::default();
        for (name, value) in url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            match name.as_ref() {
                "operationId" if !value.is_empty() => wanted.operation = Some(value.into_owned()),
                "objects" => wanted
                    .objects
                    .extend(value.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned)),
                _ => {}
            }
        }
        wanted
    }
}

/// A description as Swagger 2.0, of one operation where one is asked for.
fn older(document: &Value, operation: Option<&str>, server: &str) -> Result<Value, Error> {
    let swagger = openapi::swagger(document, server);
    match operation {
        None => Ok(swagger),
        Some(id) => openapi::only(&swagger, id)
            .ok_or_else(|| Error::not_found(format!("No operation `{id}` found; they are named like GET-contacts"))),
    }
}

async fn element_docs(
    State(app): State<App>,
    Path(key): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Reply<Value>> {
    let (element, hub) = element(&app, &key)?;
    let server = public_root(&app, &headers);
    let document = openapi::element(&element, &hub, &server);
    Ok(Reply(older(&document, Wanted::read(query.as_deref()).operation.as_deref(), &server)?))
}

async fn own_docs(
    State(app): State<App>,
    caller: Caller,
    RawQuery(query): RawQuery,
    deadline: Deadline,
    headers: HeaderMap,
) -> Result<Reply<Value>> {
    let record = target(&app, &caller, Which::Own).await?;
    let (wanted, server) = (Wanted::read(query.as_deref()), public_root(&app, &headers));
    let document = describe(&app, &record, &wanted, deadline, &server).await?;
    Ok(Reply(older(&document, wanted.operation.as_deref(), &server)?))
}

async fn instance_docs(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    deadline: Deadline,
    headers: HeaderMap,
) -> Result<Reply<Value>> {
    let record = target(&app, &caller, Which::Id(&id)).await?;
    let (wanted, server) = (Wanted::read(query.as_deref()), public_root(&app, &headers));
    let document = describe(&app, &record, &wanted, deadline, &server).await?;
    Ok(Reply(older(&document, wanted.operation.as_deref(), &server)?))
}

async fn operation_docs(
    State(app): State<App>,
    caller: Caller,
    Path((id, operation)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    deadline: Deadline,
    headers: HeaderMap,
) -> Result<Reply<Value>> {
    let record = target(&app, &caller, Which::Id(&id)).await?;
    let (wanted, server) = (Wanted::read(query.as_deref()), public_root(&app, &headers));
    let document = describe(&app, &record, &wanted, deadline, &server).await?;
    Ok(Reply(older(&document, Some(&operation), &server)?))
}

async fn operation_definitions(
    State(app): State<App>,
    caller: Caller,
    Path((id, operation)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    deadline: Deadline,
    headers: HeaderMap,
) -> Result<Reply<Value>> {
    let record = target(&app, &caller, Which::Id(&id)).await?;
    let (wanted, server) = (Wanted::read(query.as_deref()), public_root(&app, &headers));
    let document = describe(&app, &record, &wanted, deadline, &server).await?;
    let mut swagger = older(&document, Some(&operation), &server)?;
    Ok(Reply(swagger.get_mut("definitions").map(Value::take).unwrap_or_default()))
}
