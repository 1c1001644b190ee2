//! `/instances`: create, list, read, change, switch and delete instances, and their configuration.
//!
//! Every path with an id also exists without it: it then means the instance whose token came along. With an id, the
//! caller is a user with an organization and sees his own instances only (others answer 404), or the instance itself.

mod answer;
mod body;
mod items;
mod query;

use std::sync::Arc;

use axum::{
    Router,
    extract::{RawQuery, State},
    http::{HeaderMap, HeaderValue, StatusCode, header::CACHE_CONTROL},
    response::{IntoResponse, Response},
    routing::{get, put},
};
use serde_json::Value;

use super::{
    auth::Caller,
    error::Result,
    extract::{Deadline, Json, Path, Reply},
    page::{NEXT_PAGE, RETURNED_COUNT, TOTAL_COUNT, WARNING},
};
use crate::{
    app::App,
    catalog::Entry,
    error::Error,
    gateway::connect::{Draft, Mode, Owner},
    instance::configuration::Values,
    store::{InstanceRecord, User},
};

/// The routes of this area.
pub(super) fn routes() -> Router<App> {
    let own = get(list).post(create).put(put_own).patch(patch_own).delete(delete_own);
    let one = get(read).put(replace).patch(patch).delete(delete);
    Router::new()
        .route("/instances", own)
        .route("/instances/count", get(count))
        .route("/instances/enabled", put(enable_own).delete(disable_own))
        .route("/instances/{id}", one)
        .route("/instances/{id}/enabled", put(enable).delete(disable))
        .route("/elements/{element}/instances", get(list_of_element).post(create_of_element))
        .route(
            "/elements/{element}/instances/{id}",
            get(read_of_element).put(replace_of_element).patch(patch_of_element).delete(delete_of_element),
        )
        .merge(items::routes())
}

// --- who asks, and for which instance ---

/// Which instance a path means.
#[derive(Clone, Copy)]
pub(super) enum Which<'a> {
    /// The one with this id.
    Id(&'a str),
    /// The one with this id, which must be of this element.
    OfElement(&'a str, &'a str),
    /// The one whose token came along.
    Own,
}

fn owner(caller: &Caller) -> Result<Owner, Error> {
    match (&caller.organization, &caller.user) {
        (Some(organization), Some(user)) => Ok(Owner { organization_id: organization.id, user_id: user.id }),
        _ => Err(Error::unauthorized("This call needs `Authorization: User <secret>, Organization <secret>`")),
    }
}

/// The instance that is meant, as it is stored now, if the caller may see it.
pub(super) async fn target(app: &App, caller: &Caller, which: Which<'_>) -> Result<InstanceRecord, Error> {
    let (id, element) = match which {
        Which::Own => {
            let instance = caller.instance.as_ref().ok_or_else(|| {
                Error::unauthorized("A call without an instance id needs `Authorization: Element <instance token>`")
            })?;
            return app.connector.read(instance.id).await;
        }
        Which::Id(id) => (id, None),
        Which::OfElement(element, id) => (id, Some(app.connector.entry(element)?)),
    };
    if caller.instance.is_none() {
        owner(caller)?;
    }
    let not_found = || Error::not_found("No element instance found");
    let id: i64 = id.parse().map_err(|_| not_found())?;
    let record = app.connector.read(id).await?;
    let itself = caller.instance.as_ref().is_some_and(|instance| instance.id == id);
    let owned = owner(caller)
        .is_ok_and(|owner| owner.organization_id == record.organization_id && owner.user_id == record.user_id);
    let fits = element.is_none_or(|element| element.key == record.element_key);
    if (itself || owned) && fits { Ok(record) } else { Err(not_found()) }
}

// --- answers ---

struct Shown {
    element: Option<Arc<Entry>>,
    effective: Values,
}

fn shown(app: &App, record: &InstanceRecord) -> Shown {
    let element = app.connector.entry(&record.element_key).ok();
    let effective = match &element {
        Some(element) => app.connector.effective(element, record),
        None => Values { clear: record.configuration.clone(), secrets: record.secrets.clone() },
    };
    Shown { element, effective }
}

async fn user_of(app: &App, caller: &Caller, record: &InstanceRecord) -> Result<Option<Arc<User>>, Error> {
    match &caller.user {
        Some(user) if user.id == record.user_id => Ok(Some(Arc::clone(user))),
        _ => Ok(app.store.user(record.user_id).await?.map(Arc::new)),
    }
}

async fn answer(app: &App, caller: &Caller, record: &InstanceRecord) -> Result<Response> {
    let user = user_of(app, caller, record).await?;
    let Shown { element, effective } = shown(app, record);
    Ok(private(Reply(answer::instance(record, element.as_deref(), user.as_deref(), Some(&effective)))))
}

/// Answers that hold instance tokens are kept by nobody on the way.
fn private(answer: impl IntoResponse) -> Response {
    ([(CACHE_CONTROL, "no-store")], answer).into_response()
}

// --- create and list ---

async fn create(
    State(app): State<App>,
    caller: Caller,
    deadline: Deadline,
    Json(body): Json<Value>,
) -> Result<Response> {
    let owner = owner(&caller)?;
    let draft = Draft { actor: caller.actor(), ..body::read(&body)? };
    let record = app.connector.create(owner, draft, deadline.0).await?;
    answer(&app, &caller, &record).await
}

async fn create_of_element(
    State(app): State<App>,
    caller: Caller,
    deadline: Deadline,
    Path(element): Path<String>,
    Json(body): Json<Value>,
) -> Result<Response> {
    let owner = owner(&caller)?;
    let element = Some(element_of(&app, &element, &body)?);
    let draft = Draft { element, actor: caller.actor(), ..body::read(&body)? };
    let record = app.connector.create(owner, draft, deadline.0).await?;
    answer(&app, &caller, &record).await
}

/// The element of the path; a body that names another one is wrong.
fn element_of(app: &App, path: &str, body: &Value) -> Result<String, Error> {
    let element = app.connector.entry(path)?;
    match body::read(body)?.element {
        Some(other) if app.connector.entry(&other)?.key != element.key => {
            Err(Error::bad_request("The path and the body name different elements")
                .with_detail("/element", format!("the path names `{}`", element.key)))
        }
        _ => Ok(element.key.clone()),
    }
}

/// The caller's instances; with an Element token and no Organization, the instance itself.
async fn list(State(app): State<App>, caller: Caller, RawQuery(raw): RawQuery) -> Result<Response> {
    if caller.organization.is_none()
        && let Some(instance) = &caller.instance
    {
        let record = app.connector.read(instance.id).await?;
        return answer(&app, &caller, &record).await;
    }
    list_page(&app, &caller, raw.as_deref(), None).await
}

async fn list_of_element(
    State(app): State<App>,
    caller: Caller,
    Path(element): Path<String>,
    RawQuery(raw): RawQuery,
) -> Result<Response> {
    owner(&caller)?;
    let element = app.connector.entry(&element)?;
    list_page(&app, &caller, raw.as_deref(), Some(element.key.clone())).await
}

async fn list_page(app: &App, caller: &Caller, raw: Option<&str>, element: Option<String>) -> Result<Response> {
    let owner = owner(caller)?;
    let wanted = query::read(raw.unwrap_or_default())?;
    let mut filter = wanted.filter(owner, element);
    let sealer = app.store.sealer();
    let purpose = query::purpose(&filter);
    filter.after_id = match &wanted.next_page {
        Some(cursor) => Some(query::open(sealer, &purpose, cursor)?),
        None => None,
    };
    let (page, next, total) = app.connector.list(&filter).await?;
    if total == 0 {
        return Err(Error::not_found("No element instances found").into());
    }
    note_read(app, caller, &page.iter().collect::<Vec<_>>()).await?;
    let mut list = Vec::with_capacity(page.len());
    for record in &page {
        let user = user_of(app, caller, record).await?;
        let Shown { element, effective } = shown(app, record);
        let effective = wanted.hydrate.then_some(&effective);
        list.push(answer::instance(record, element.as_deref(), user.as_deref(), effective));
    }
    let mut headers = HeaderMap::new();
    headers.insert(RETURNED_COUNT, HeaderValue::from(list.len()));
    headers.insert(TOTAL_COUNT, HeaderValue::from(total));
    if let Some(after) = next {
        let cursor = sealer.seal_token(&purpose, after.to_string().as_bytes());
        headers.insert(NEXT_PAGE, HeaderValue::try_from(cursor).map_err(Error::internal)?);
    }
    if wanted.clamped {
        headers.insert(WARNING, HeaderValue::from_static("pageSize was reduced to the maximum of 500"));
    }
    Ok(private((headers, Reply(list))))
}

async fn count(State(app): State<App>, caller: Caller, RawQuery(raw): RawQuery) -> Result<Response> {
    let owner = owner(&caller)?;
    let filter = query::read(raw.as_deref().unwrap_or_default())?.filter(owner, None);
    let count = app.connector.count(&filter).await?;
    Ok(Reply(serde_json::json!({"totalInstances": count, "elementInstances": count})).into_response())
}

// --- one instance ---

async fn show(app: &App, caller: &Caller, which: Which<'_>) -> Result<Response> {
    let record = target(app, caller, which).await?;
    note_read(app, caller, &[&record]).await?;
    answer(app, caller, &record).await
}

/// Records that a caller is about to be told tokens that he did not come with.
async fn note_read(app: &App, caller: &Caller, records: &[&InstanceRecord]) -> Result<(), Error> {
    let known = caller.instance.as_ref().map(|instance| instance.id);
    let told: Vec<i64> = records.iter().map(|record| record.id).filter(|id| Some(*id) != known).collect();
    match records.first() {
        Some(first) if !told.is_empty() => {
            app.store.note_read(&caller.actor(), (first.organization_id, first.user_id), &told).await
        }
        _ => Ok(()),
    }
}

async fn change(
    app: &App,
    caller: &Caller,
    deadline: Deadline,
    which: Which<'_>,
    body: &Value,
    mode: Mode,
) -> Result<Response> {
    let record = target(app, caller, which).await?;
    let draft = Draft { actor: caller.actor(), ..body::read(body)? };
    let record = app.connector.update(record.id, draft, mode, deadline.0).await?;
    answer(app, caller, &record).await
}

async fn remove(app: &App, caller: &Caller, which: Which<'_>) -> Result<StatusCode> {
    let record = target(app, caller, which).await?;
    app.connector.delete(record.id, &caller.actor()).await?;
    Ok(StatusCode::OK)
}

async fn read(State(app): State<App>, caller: Caller, Path(id): Path<String>) -> Result<Response> {
    show(&app, &caller, Which::Id(&id)).await
}

async fn replace(
    State(app): State<App>,
    caller: Caller,
    deadline: Deadline,
    Path(id): Path<String>,
    Json(body): Json<Value>,
) -> Result<Response> {
    change(&app, &caller, deadline, Which::Id(&id), &body, Mode::Replace).await
}

async fn patch(
    State(app): State<App>,
    caller: Caller,
    deadline: Deadline,
    Path(id): Path<String>,
    Json(body): Json<Value>,
) -> Result<Response> {
    change(&app, &caller, deadline, Which::Id(&id), &body, Mode::Merge).await
}

async fn delete(State(app): State<App>, caller: Caller, Path(id): Path<String>) -> Result<StatusCode> {
    remove(&app, &caller, Which::Id(&id)).await
}

async fn put_own(
    State(app): State<App>,
    caller: Caller,
    deadline: Deadline,
    Json(body): Json<Value>,
) -> Result<Response> {
    change(&app, &caller, deadline, Which::Own, &body, Mode::Replace).await
}

async fn patch_own(
    State(app): State<App>,
    caller: Caller,
    deadline: Deadline,
    Json(body): Json<Value>,
) -> Result<Response> {
    change(&app, &caller, deadline, Which::Own, &body, Mode::Merge).await
}

async fn delete_own(State(app): State<App>, caller: Caller) -> Result<StatusCode> {
    remove(&app, &caller, Which::Own).await
}

type ElementAndId = Path<(String, String)>;

async fn read_of_element(
    State(app): State<App>,
    caller: Caller,
    Path((element, id)): ElementAndId,
) -> Result<Response> {
    show(&app, &caller, Which::OfElement(&element, &id)).await
}

async fn replace_of_element(
    State(app): State<App>,
    caller: Caller,
    deadline: Deadline,
    Path((element, id)): ElementAndId,
    Json(body): Json<Value>,
) -> Result<Response> {
    change(&app, &caller, deadline, Which::OfElement(&element, &id), &body, Mode::Replace).await
}

async fn patch_of_element(
    State(app): State<App>,
    caller: Caller,
    deadline: Deadline,
    Path((element, id)): ElementAndId,
    Json(body): Json<Value>,
) -> Result<Response> {
    change(&app, &caller, deadline, Which::OfElement(&element, &id), &body, Mode::Merge).await
}

async fn delete_of_element(
    State(app): State<App>,
    caller: Caller,
    Path((element, id)): ElementAndId,
) -> Result<StatusCode> {
    remove(&app, &caller, Which::OfElement(&element, &id)).await
}

// --- on and off ---

async fn switch(app: &App, caller: &Caller, which: Which<'_>, enabled: bool) -> Result<InstanceRecord> {
    let record = target(app, caller, which).await?;
    Ok(app.connector.set_enabled(record.id, enabled, &caller.actor()).await?)
}

async fn enable(State(app): State<App>, caller: Caller, Path(id): Path<String>) -> Result<Response> {
    let record = switch(&app, &caller, Which::Id(&id), true).await?;
    note_read(&app, &caller, &[&record]).await?;
    answer(&app, &caller, &record).await
}

async fn disable(State(app): State<App>, caller: Caller, Path(id): Path<String>) -> Result<StatusCode> {
    switch(&app, &caller, Which::Id(&id), false).await.map(|_| StatusCode::OK)
}

async fn enable_own(State(app): State<App>, caller: Caller) -> Result<Response> {
    let record = switch(&app, &caller, Which::Own, true).await?;
    answer(&app, &caller, &record).await
}

async fn disable_own(State(app): State<App>, caller: Caller) -> Result<StatusCode> {
    switch(&app, &caller, Which::Own, false).await.map(|_| StatusCode::OK)
}
