//! The catalog: `/hubs`, `/elements`, what they can do, and where to send a user for consent. Needs no credentials and
//! shows none.

mod entry;
mod filter;
mod oauth;

use std::sync::Arc;

use axum::{Router, extract::State, http::HeaderMap, routing::get};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    error::Result,
    extract::{Path, Query, Reply},
    page::PageQuery,
};
use crate::{
    app::App,
    catalog::{Catalog, Entry, Hub},
    error::Error,
};

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/hubs", get(list_hubs))
        .route("/hubs/keys", get(list_hub_keys))
        .route("/hubs/{hub}", get(read_hub))
        .route("/hubs/{hub}/elements", get(list_elements_of_hub))
        .route("/elements", get(list_elements))
        .route("/elements/keys", get(list_element_keys))
        .route("/elements/metadata", get(list_metadata))
        .route("/elements/{element}", get(read_element))
        .route("/elements/{element}/metadata", get(read_metadata))
        .route("/elements/{element}/authentication-types", get(list_authentication_types))
        .route("/elements/{element}/authentication-types/{type}/configurations", get(list_authentication_configuration))
        .route("/elements/{element}/oauth/url", get(oauth::read_url).post(oauth::make_url))
        .route("/elements/{element}/oauth/token", get(oauth::request_token))
}

/// What lists answer: headers about the page, and its rows.
type Page = (HeaderMap, Reply<Vec<Value>>);

fn page(query: &PageQuery, rows: Vec<Value>) -> Result<Page> {
    let (headers, rows) = query.cut(rows)?;
    Ok((headers, Reply(rows)))
}

#[derive(Debug, Deserialize)]
struct HubsQuery {
    hydrate: Option<String>,
    #[serde(flatten)]
    page: PageQuery,
}

#[derive(Debug, Deserialize)]
struct ElementsQuery {
    #[serde(rename = "where")]
    filter: Option<String>,
    #[serde(flatten)]
    page: PageQuery,
}

#[derive(Debug, Default, Deserialize)]
struct MetadataQuery {
    expand: Option<String>,
}

/// A switch in the query; absent is off.
fn is_true(name: &str, text: Option<&str>) -> Result<bool, Error> {
    match text {
        None | Some("") => Ok(false),
        Some(text) if text.eq_ignore_ascii_case("true") => Ok(true),
        Some(text) if text.eq_ignore_ascii_case("false") => Ok(false),
        Some(_) => {
            Err(Error::bad_request(format!("{name} is true or false")).with_detail(name, "must be true or false"))
        }
    }
}

async fn list_hubs(State(app): State<App>, Query(query): Query<HubsQuery>) -> Result<Page> {
    let catalog = app.catalog.load();
    let hydrate = is_true("hydrate", query.hydrate.as_deref())?;
    let rows = catalog.hubs().map(|hub| {
        let mut row = entry::hub(hub);
        if hydrate && let Value::Object(members) = &mut row {
            members.insert("elements".to_owned(), elements_of(&catalog, &hub.key).into());
        }
        row
    });
    page(&query.page, rows.collect())
}

async fn list_hub_keys(State(app): State<App>, Query(query): Query<PageQuery>) -> Result<Page> {
    page(&query, app.catalog.load().hubs().map(|hub| json!(hub.key)).collect())
}

async fn read_hub(State(app): State<App>, Path(key): Path<String>) -> Result<Reply<Value>> {
    Ok(Reply(entry::hub(&*find_hub(&app, &key)?)))
}

async fn list_elements_of_hub(
    State(app): State<App>,
    Path(key): Path<String>,
    Query(query): Query<PageQuery>,
) -> Result<Page> {
    let hub = find_hub(&app, &key)?;
    page(&query, elements_of(&app.catalog.load(), &hub.key))
}

async fn list_elements(State(app): State<App>, Query(query): Query<ElementsQuery>) -> Result<Page> {
    let catalog = app.catalog.load();
    let filter = query.filter.as_deref().filter(|filter| !filter.trim().is_empty());
    let rows = match filter {
        None => catalog.entries().map(|element| entry::full(element, &catalog)).collect::<Result<_, _>>()?,
        Some(filter) => filter::Filter::parse(filter)?.apply(&catalog)?,
    };
    page(&query.page, rows)
}

async fn list_element_keys(State(app): State<App>, Query(query): Query<PageQuery>) -> Result<Page> {
    page(&query, app.catalog.load().entries().map(|element| json!(element.key)).collect())
}

async fn read_element(State(app): State<App>, Path(key): Path<String>) -> Result<Reply<Value>> {
    let element = find_element(&app, &key)?;
    Ok(Reply(entry::full(&element, &app.catalog.load())?))
}

async fn list_metadata(State(app): State<App>, Query(query): Query<MetadataQuery>) -> Result<Reply<Vec<Value>>> {
    let (catalog, expand) = (app.catalog.load(), is_true("expand", query.expand.as_deref())?);
    let rows = catalog.entries().map(|element| entry::metadata(element, &catalog, expand));
    Ok(Reply(rows.collect::<Result<_, _>>()?))
}

async fn read_metadata(
    State(app): State<App>,
    Path(key): Path<String>,
    Query(query): Query<MetadataQuery>,
) -> Result<Reply<Value>> {
    let element = find_element(&app, &key)?;
    Ok(Reply(entry::metadata(&element, &app.catalog.load(), is_true("expand", query.expand.as_deref())?)?))
}

async fn list_authentication_types(State(app): State<App>, Path(key): Path<String>) -> Result<Reply<Value>> {
    let element = find_element(&app, &key)?;
    let options: Vec<Value> =
        element.authentication.all().map(|(word, _)| json!({"value": word, "description": word})).collect();
    Ok(Reply(json!({"defaultValue": element.authentication.usual_word(), "options": options})))
}

async fn list_authentication_configuration(
    State(app): State<App>,
    Path((key, word)): Path<(String, String)>,
) -> Result<Reply<Vec<Value>>> {
    let element = find_element(&app, &key)?;
    if !element.authentication.all().any(|(known, _)| known == word) {
        return Err(Error::not_found("No authentication type found").into());
    }
    Ok(Reply(entry::configuration_of(&element, &word)))
}

fn elements_of(catalog: &Catalog, hub: &str) -> Vec<Value> {
    let served = catalog.entries().filter(|element| element.hubs.iter().any(|served| served == hub));
    served.map(|element| entry::abridged(element)).collect()
}

fn find_hub(app: &App, key: &str) -> Result<Arc<Hub>, Error> {
    app.catalog.load().hub(key).cloned().ok_or_else(|| Error::not_found("No hub found"))
}

fn find_element(app: &App, key_or_id: &str) -> Result<Arc<Entry>, Error> {
    app.catalog.load().entry(key_or_id).cloned().ok_or_else(|| Error::not_found("No element found"))
}
