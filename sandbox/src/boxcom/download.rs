//! Downloads: a redirect to an address that is signed for a while and needs no token.

use std::sync::Arc;

use axum::{
    extract::{Path, RawQuery, State},
    http::{HeaderMap, header},
    response::Response,
};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::{
    Api,
    failure::{Failure, Outcome, answer},
    store::Item,
};
use crate::{
    content::{self, Content},
    core::{hold, random_hex},
    http::{self, empty, header_text, with_header},
};

/// How long a signed address is good for, in milliseconds.
const SIGNED_MS: i64 = 15 * 60 * 1000;

/// What a signed address leads to.
#[derive(Clone)]
pub(super) struct Signed {
    name: String,
    content: Content,
    expires_ms: i64,
}

/// `GET /files/{id}/content`
pub(super) async fn content(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    answer((|| {
        let call = api.admit(&headers, query.as_deref())?;
        let signed = api.drive(call.account, |drive| {
            let item = drive.file(&id)?;
            let version = match call.query.get("version") {
                None => item.versions.last(),
                Some(wanted) => item.versions.iter().find(|version| version.id.to_string() == *wanted),
            };
            let version = version.ok_or_else(|| Failure::NotFound { kind: "file", id: id.clone() })?;
            let expires_ms = api.core.clock().now_ms() + SIGNED_MS;
            Ok::<_, Failure>(Signed { name: item.name.clone(), content: version.content.clone(), expires_ms })
        })?;
        let secret = random_hex(32);
        hold(&api.signed).insert(secret.clone(), signed);
        let location = format!("{}/d/1/{secret}/download", api.core.origin);
        Ok(with_header(empty(302), header::LOCATION, &location))
    })())
}

/// The signed address.
pub(super) async fn signed(State(api): State<Arc<Api>>, Path(secret): Path<String>, headers: HeaderMap) -> Response {
    let signed = hold(&api.signed).get(&secret).cloned();
    match signed.filter(|signed| signed.expires_ms > api.core.clock().now_ms()) {
        Some(signed) => answer(send(&signed.name, &signed.content, &headers).await),
        None => http::raw(403, "text/plain; charset=utf-8", "This link has expired"),
    }
}

/// A content, or the range of it that is asked for.
async fn send(name: &str, content: &Content, headers: &HeaderMap) -> Outcome {
    let size = content.size;
    let (status, start, end) = match content::range(header_text(headers, "range"), size) {
        None => (200, 0, size),
        Some(Ok((start, end))) => (206, start, end),
        Some(Err(content::Unsatisfiable)) => return Err(Failure::Range(size)),
    };
    let answer = http::raw(status, "application/octet-stream", content.body(start, end).await?);
    let answer = with_header(answer, header::CONTENT_LENGTH, &(end - start).to_string());
    let answer = with_header(answer, header::ACCEPT_RANGES, "bytes");
    let ascii: String =
        name.chars().map(|letter| if letter.is_ascii_graphic() && letter != '"' { letter } else { '_' }).collect();
    let encoded = utf8_percent_encode(name, NON_ALPHANUMERIC);
    let disposition = format!("attachment;filename=\"{ascii}\";filename*=UTF-8''{encoded}");
    let answer = with_header(answer, header::CONTENT_DISPOSITION, &disposition);
    Ok(if status == 206 {
        with_header(answer, header::CONTENT_RANGE, &format!("bytes {start}-{}/{size}", end - 1))
    } else {
        answer
    })
}

/// `GET /shared/static/{secret}.{extension}`: the download address of a shared link.
pub(super) async fn shared(State(api): State<Arc<Api>>, Path(name): Path<String>, headers: HeaderMap) -> Response {
    let secret = name.split('.').next().unwrap_or_default();
    let found = linked(&api, secret, |item| {
        let version = item.versions.last()?;
        let open = item.link.as_ref().is_some_and(|link| link.can_download && !link.password && link.access == "open");
        open.then(|| (item.name.clone(), version.content.clone()))
    });
    match found {
        Some((name, content)) => answer(send(&name, &content, &headers).await),
        None => empty(404),
    }
}

/// `GET /s/{secret}`: the page of a shared link.
pub(super) async fn page(State(api): State<Arc<Api>>, Path(secret): Path<String>) -> Response {
    match linked(&api, &secret, |item| Some(item.name.clone())) {
        Some(name) => http::raw(200, "text/plain; charset=utf-8", name),
        None => empty(404),
    }
}

fn linked<T>(api: &Api, secret: &str, act: impl Fn(&Item) -> Option<T>) -> Option<T> {
    let now = api.core.now();
    let drives = hold(&api.drives);
    let item = drives.values().find_map(|drive| drive.linked(secret))?;
    let live = item.link.as_ref().is_some_and(|link| link.unshared_at.is_none_or(|at| at > now));
    if live { act(item) } else { None }
}
