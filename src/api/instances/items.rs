//! `/instances/{id}/configuration`: the configuration of an instance, item by item.

use axum::{
    Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::{Map, Value};

use super::{
    super::{
        auth::Caller,
        error::Result,
        extract::{Deadline, Json, Path, Reply},
    },
    Shown, Which, answer, body, shown, target,
};
use crate::{
    app::App,
    error::Error,
    gateway::connect::{Draft, Mode, Sent},
    instance::configuration::{self, Item},
    store::InstanceRecord,
};

/// The routes of configuration items.
pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/instances/configuration", get(list_own_items).patch(patch_own_items))
        .route("/instances/configuration/{item}", get(read_own_item).patch(patch_own_item))
        .route("/instances/{id}/configuration", get(list_items).patch(patch_items))
        .route("/instances/{id}/configuration/{item}", get(read_item).patch(patch_item))
}

fn items_of(app: &App, record: &InstanceRecord) -> Vec<Item> {
    let Shown { element, effective } = shown(app, record);
    let entries = element.as_ref().map_or(&[][..], |element| &element.configuration);
    configuration::items(record.id, entries, &effective)
}

fn items_answer(app: &App, record: &InstanceRecord) -> Response {
    let items: Vec<Value> = items_of(app, record).iter().map(answer::item).collect();
    Reply(items).into_response()
}

fn item_answer(app: &App, record: &InstanceRecord, wanted: &str) -> Result<(Item, Response)> {
    let item = configuration::find_item(items_of(app, record), wanted)
        .ok_or_else(|| Error::not_found("No configuration item found"))?;
    let response = Reply(answer::item(&item)).into_response();
    Ok((item, response))
}

async fn merge_items(
    app: &App,
    caller: &Caller,
    deadline: Deadline,
    which: Which<'_>,
    body: &Value,
) -> Result<Response> {
    let record = target(app, caller, which).await?;
    let Value::Object(sent) = body else {
        return Err(Error::bad_request("The body must be an object of configuration keys and values").into());
    };
    let record = merge(app, caller, record.id, sent.clone(), deadline).await?;
    Ok(items_answer(app, &record))
}

async fn merge_item(
    app: &App,
    caller: &Caller,
    deadline: Deadline,
    which: Which<'_>,
    item: &str,
    body: &Value,
) -> Result<Response> {
    let record = target(app, caller, which).await?;
    let (item, _) = item_answer(app, &record, item)?;
    let value = body::read_property(body)?;
    let sent = Map::from_iter([(item.key.clone(), value)]);
    let record = merge(app, caller, record.id, sent, deadline).await?;
    // Taken away, an item that no element entry describes is gone; it is answered once more as it was, empty.
    Ok(match item_answer(app, &record, &item.key) {
        Ok((_, response)) => response,
        Err(_) => Reply(answer::item(&Item { value: Value::Null, ..item })).into_response(),
    })
}

async fn merge(
    app: &App,
    caller: &Caller,
    id: i64,
    sent: Map<String, Value>,
    deadline: Deadline,
) -> Result<InstanceRecord> {
    let draft = Draft { configuration: Some(Sent(sent)), actor: caller.actor(), ..Draft::default() };
    Ok(app.connector.update(id, draft, Mode::Merge, deadline.0).await?)
}

async fn list_items(State(app): State<App>, caller: Caller, Path(id): Path<String>) -> Result<Response> {
    let record = target(&app, &caller, Which::Id(&id)).await?;
    Ok(items_answer(&app, &record))
}

async fn list_own_items(State(app): State<App>, caller: Caller) -> Result<Response> {
    let record = target(&app, &caller, Which::Own).await?;
    Ok(items_answer(&app, &record))
}

async fn patch_items(
    State(app): State<App>,
    caller: Caller,
    deadline: Deadline,
    Path(id): Path<String>,
    Json(body): Json<Value>,
) -> Result<Response> {
    merge_items(&app, &caller, deadline, Which::Id(&id), &body).await
}

async fn patch_own_items(
    State(app): State<App>,
    caller: Caller,
    deadline: Deadline,
    Json(body): Json<Value>,
) -> Result<Response> {
    merge_items(&app, &caller, deadline, Which::Own, &body).await
}

async fn read_item(
    State(app): State<App>,
    caller: Caller,
    Path((id, item)): Path<(String, String)>,
) -> Result<Response> {
    let record = target(&app, &caller, Which::Id(&id)).await?;
    item_answer(&app, &record, &item).map(|(_, response)| response)
}

async fn read_own_item(State(app): State<App>, caller: Caller, Path(item): Path<String>) -> Result<Response> {
    let record = target(&app, &caller, Which::Own).await?;
    item_answer(&app, &record, &item).map(|(_, response)| response)
}

async fn patch_item(
    State(app): State<App>,
    caller: Caller,
    deadline: Deadline,
    Path((id, item)): Path<(String, String)>,
    Json(body): Json<Value>,
) -> Result<Response> {
    merge_item(&app, &caller, deadline, Which::Id(&id), &item, &body).await
}

async fn patch_own_item(
    State(app): State<App>,
    caller: Caller,
    deadline: Deadline,
    Path(item): Path<String>,
    Json(body): Json<Value>,
) -> Result<Response> {
    merge_item(&app, &caller, deadline, Which::Own, &item, &body).await
}
