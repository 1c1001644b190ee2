//! Hub calls: `/hubs/{hub}/…` and the short form `/…`, both with an instance's token; and the links we give out.

use std::sync::Arc;

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{FromRequestParts, OriginalUri, Path, Request, State},
    http::{HeaderMap, HeaderValue, Method, Uri, header},
    response::{IntoResponse, Response},
    routing::{any, get},
};
use futures_util::{FutureExt, StreamExt, TryStreamExt, future::BoxFuture};
use percent_encoding::percent_decode_str;
use serde_json::Value;
use tokio::time::{Duration, Instant};

mod form;

use super::{BASE, Route, auth::Caller, error::Failure, extract::Deadline, front::Repeatable};
use crate::{
    app::App,
    catalog::hub::RequestKind,
    error::{Error, Kind, Result},
    gateway::{self, Answer, AnswerBody, Call, CallBody, Head, ROOM},
    provider::Upload,
    upstream::ByteStream,
};

/// An upload may take as long as its sender keeps sending; this only ends what was forgotten.
const UPLOAD_TIME: Duration = Duration::from_secs(12 * 3600);

/// Routes of hub calls: everything below a hub, and everything that no platform route takes.
pub(super) fn routes() -> Router<App> {
    Router::new().route("/links/{token}", get(follow_link)).route(ROUTE, any(call_hub)).fallback(call_hub)
}

/// Reads `bytes` as the beginning of a form.
pub(super) fn read_form(bytes: &[u8]) {
    let head = form::Head::default();
    head.record(bytes);
    for index in 0..3 {
        head.file_size("b", index, bytes.len() as u64);
    }
}

/// The file in an upload of this type, whose body comes in pieces of so many bytes; `None` when it cannot be read whole.
pub(super) fn read_upload(content_type: &[u8], piece: usize, body: &[u8]) -> Option<Vec<u8>> {
    let content_type = HeaderValue::from_bytes(content_type).ok()?;
    let pieces: Vec<_> =
        body.chunks(piece.max(1)).map(|piece| Ok::<_, std::io::Error>(Bytes::copy_from_slice(piece))).collect();
    let request = Request::builder()
        .header(header::CONTENT_TYPE, content_type)
        .header(header::CONTENT_LENGTH, body.len())
        .body(Body::from_stream(futures_util::stream::iter(pieces)))
        .ok()?;
    let read = async {
        let file = upload(request, "file", None).await.ok()?;
        let pieces: Vec<Bytes> = file.stream.try_collect().await.ok()?;
        Some(pieces.concat())
    };
    // All of it is there: nothing is waited for.
    read.now_or_never().flatten()
}

async fn follow_link(
    State(app): State<App>,
    Path(token): Path<String>,
    Deadline(deadline): Deadline,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    Ok(respond(Box::pin(app.gateway.follow_link(&token, headers, deadline)).await?))
}

/// The route of calls that name their hub.
pub(super) const ROUTE: &str = "/hubs/{hub}/{*rest}";

/// Whether the general router would lead this path to [`call_hub`] by [`ROUTE`].
pub(super) fn is_call(path: &str) -> bool {
    let below = path.strip_prefix(BASE).and_then(|path| path.strip_prefix("/hubs/"));
    // The catalog has one path here.
    below
        .and_then(|below| below.split_once('/'))
        .is_some_and(|(hub, rest)| !hub.is_empty() && !rest.is_empty() && rest != "elements")
}

/// [`call_hub`] without the router: nearly all calls are such, and the router costs much of what an answer from the
/// cache does.
pub(super) fn call_directly(app: App, request: Request) -> BoxFuture<'static, Response> {
    let (mut parts, body) = request.into_parts();
    Box::pin(async move {
        let answered = async {
            let caller = Caller::from_request_parts(&mut parts, &app).await?;
            let Ok(deadline) = Deadline::from_request_parts(&mut parts, &app).await;
            let uri = parts.uri.clone();
            answer(&app, caller, uri, deadline, &mut Request::from_parts(parts, body)).await
        };
        let mut response = answered.await.unwrap_or_else(IntoResponse::into_response);
        response.extensions_mut().insert(Route::Hub);
        response
    })
}

async fn call_hub(
    State(app): State<App>,
    caller: Caller,
    OriginalUri(uri): OriginalUri,
    deadline: Deadline,
    mut request: Request,
) -> Result<Response, Failure> {
    answer(&app, caller, uri, deadline, &mut request).await
}

/// Answers a call however it came here; of `request` is taken what is read of it.
async fn answer(
    app: &App,
    caller: Caller,
    uri: Uri,
    Deadline(deadline): Deadline,
    request: &mut Request,
) -> Result<Response, Failure> {
    if let (Some(instance), &Method::GET) = (&caller.instance, request.method())
        && let Some(recalled) = app.gateway.recalled(instance, &uri, request.headers())
    {
        let (answer, again) = recalled?;
        let mut response = respond(answer);
        if let Some(repeatable) = Repeatable::of(app, request, again) {
            response.extensions_mut().insert(repeatable);
        }
        return Ok(response);
    }
    let segments = segments(uri.path())?;
    let (hub, path) = match segments.split_first() {
        Some((first, rest)) if first == "hubs" && rest.len() > 1 => {
            let (hub, path) =
                rest.split_first().ok_or_else(|| Error::not_found("No resource found under this path"))?;
            (Some(hub.clone()), path.to_vec())
        }
        _ => (None, segments),
    };
    let Some(instance) = caller.instance else {
        // Without an instance's token there is nothing under these paths.
        return Err(match (&hub, caller.user.is_some()) {
            (None, true) => Error::not_found("No resource found under this path"),
            _ => Error::unauthorized("This call needs an instance's token: Authorization: Element <token>"),
        }
        .into());
    };
    let method = request.method().as_str().to_owned();
    let query: Vec<(String, String)> = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes())
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect();
    let explained = gateway::wants_explanation(&query)?;
    // Where it leads nowhere, the call says why.
    let resolved = app.gateway.resolve(&instance, hub.as_deref(), &method, &path).ok();
    let bodiless = resolved.as_ref().is_some_and(|resolved| matches!(resolved.operation.request, RequestKind::None));
    // A body is read by its headers.
    let headers = if bodiless { std::mem::take(request.headers_mut()) } else { request.headers().clone() };
    let (body, deadline) = match resolved.as_ref().map(|resolved| &resolved.operation.request) {
        // To explain an upload its file is not read.
        Some(RequestKind::Upload { part }) if !explained => {
            let request = std::mem::take(request);
            let upload = Box::pin(upload(request, part, app.config.server.upload_limit_bytes)).await?;
            (CallBody::Upload(upload), Instant::now() + UPLOAD_TIME)
        }
        Some(RequestKind::Record | RequestKind::Object(_)) => {
            (CallBody::Json(Box::pin(read_json(std::mem::take(request), app)).await?), deadline)
        }
        Some(RequestKind::None | RequestKind::Upload { .. }) | None => (CallBody::Json(Value::Null), deadline),
    };
    let instance_id = instance.id;
    let head = Head { instance, hub, method, uri: Some(uri), path, query, headers, base: BASE, deadline };
    match Box::pin(app.gateway.call(Box::new(Call { head, body, resolved }))).await {
        Ok(answer) => Ok(respond(answer)),
        Err(error) => {
            let mut response = Failure(error).into_response();
            app.gateway.put_budgets(instance_id, response.headers_mut());
            Ok(response)
        }
    }
}

/// The decoded segments below the base path; each is decoded once, after splitting, so `%2F` stays inside its segment.
fn segments(path: &str) -> Result<Vec<String>> {
    path.strip_prefix(BASE)
        .unwrap_or(path)
        .split('/')
        .filter(|segment| !segment.is_empty())
        .map(|segment| {
            if !segment.contains('%') {
                return Ok(segment.to_owned());
            }
            percent_decode_str(segment)
                .decode_utf8()
                .map(std::borrow::Cow::into_owned)
                .map_err(|_| Error::bad_request("The path holds bytes that are not UTF-8"))
        })
        .collect()
}

/// The root of our own links: as configured, or as the caller addressed us.
pub(super) fn public_root(app: &App, headers: &HeaderMap) -> String {
    app.gateway.public_root(headers.get(header::HOST)) + BASE
}

async fn read_json(request: Request, app: &App) -> Result<Value> {
    use axum::extract::FromRequest;
    let super::extract::OptionalJson(body) =
        super::extract::OptionalJson::<Value>::from_request(request, app).await.map_err(|Failure(error)| error)?;
    Ok(body.unwrap_or(Value::Null))
}

/// The part of a multipart body that holds the file, as a stream; parts before it are passed over.
async fn upload(request: Request, part: &str, limit: Option<u64>) -> Result<Upload> {
    let content_type =
        request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let boundary = multer::parse_boundary(content_type).map_err(|_| {
        Error::new(
            Kind::UnsupportedMediaType,
            format!("An upload needs a multipart/form-data body with a part `{part}`"),
        )
        .with_detail("Content-Type", "should be multipart/form-data with a boundary")
    })?;
    let length = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    let head = form::Head::default();
    let seen = head.clone();
    let mut left = limit;
    let body = request.into_body().into_data_stream().map(move |chunk| {
        let chunk = chunk.map_err(std::io::Error::other)?;
        if let Some(left) = &mut left {
            *left = left.checked_sub(chunk.len() as u64).ok_or_else(|| std::io::Error::other(TooLarge))?;
        }
        seen.record(&chunk);
        Ok::<Bytes, std::io::Error>(chunk)
    });
    let mut form = multer::Multipart::new(body, boundary.as_str());
    loop {
        let field = form.next_field().await.map_err(|error| broken(&error))?;
        let Some(field) = field else {
            return Err(Error::bad_request(format!("The multipart body has no part `{part}`"))
                .with_detail(part, "should be the part that holds the file"));
        };
        if field.name() != Some(part) {
            continue;
        }
        let content_type = field.content_type().map(ToString::to_string);
        let likely_size = length.and_then(|length| head.file_size(&boundary, field.index(), length));
        // The form goes along with its field: dropping it would end the stream.
        let form = Arc::new(std::sync::Mutex::new(form));
        let stream: ByteStream = field
            .map_err(std::io::Error::other)
            .map(move |chunk| {
                let _held = &form;
                chunk
            })
            .boxed();
        return Ok(Upload { stream, size: None, likely_size, content_type, parts: None });
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the upload is larger than server.upload_limit_bytes")]
struct TooLarge;

fn broken(error: &multer::Error) -> Error {
    Error::bad_request(format!("The multipart body is not well-formed: {error}"))
}

/// An answer as HTTP.
fn respond(answer: Answer) -> Response {
    let mut headers = answer.headers;
    // Room for what every answer carries besides.
    headers.reserve(ROOM.saturating_sub(headers.len()));
    let body = match answer.body {
        AnswerBody::Json(bytes) => {
            headers.entry(header::CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
            Body::from(bytes)
        }
        AnswerBody::Stream(stream) => Body::from_stream(stream),
        AnswerBody::Empty => Body::empty(),
    };
    let mut response = Response::new(body);
    *response.status_mut() = answer.status;
    *response.headers_mut() = headers;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalogs_paths_are_no_calls() {
        let calls =
            ["/hubs/crm/contacts", "/hubs/crm/contacts/7", "/hubs/crm/elements/7", "/hubs/documents/folders/contents"];
        assert!(calls.iter().all(|path| is_call(&format!("{BASE}{path}"))));
        let others = ["/hubs", "/hubs/keys", "/hubs/crm", "/hubs/crm/elements", "/contacts", "/elements/1/hubs/a/b"];
        assert!(!others.iter().any(|path| is_call(&format!("{BASE}{path}"))));
        assert!(!is_call("/hubs/crm/contacts"));
    }
}
