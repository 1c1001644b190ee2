//! Sends a call, refreshes the grant once when the provider says so, and says what an error answer means.

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{HeaderMap, Method, StatusCode, header};
use serde_json::Value;
use tokio::time::Instant;

use super::{
    Connection, Engine, decode::document, quota, request::attach, scope::CallScope, sign::Handshake, upload::Prepared,
};
use crate::{
    catalog::{Call, Element, ErrorRule, call::Then},
    error::{Error, Kind, ProviderFault, Result},
    mapping::codec::scalar_text,
    upstream::{Body, Request, Response, body::collect},
};

/// The longest provider message passed on.
pub(super) const MESSAGE_CHARS: usize = 1_000;

impl Engine {
    /// Sends `call` and gives back its successful answer, or `None` for a failure that `tolerate` lists.
    #[expect(clippy::too_many_arguments, reason = "everything one call may use; a struct would only rename them")]
    pub(super) async fn send(
        &self,
        element: &Element,
        connection: &Connection,
        call: &Call,
        scope: &CallScope<'_>,
        rules: &[ErrorRule],
        upload: &mut Option<Prepared>,
        pass: Option<&HeaderMap>,
        deadline: Instant,
    ) -> Result<Option<Response>> {
        let mut handshake = Handshake::new(element, connection, &self.challenges);
        let tokens = call.authenticated && handshake.uses_tokens();
        let mut token = if tokens { Some(connection.credentials.token(deadline).await?) } else { None };
        let mut renewed = false;
        let mut waits = 0;
        loop {
            let mut request = self.request(element, connection, call, scope, deadline)?;
            attach(&mut request, call, scope, upload)?;
            // What goes only once, and so cannot be sent again with an answer to a challenge.
            let once = matches!(request.body, Body::Stream { .. });
            let mut origin = None;
            if call.authenticated {
                if once && handshake.wants_probe(&request) {
                    let question = question(&request);
                    Box::pin(self.ask_for_challenge(&mut handshake, question)).await?;
                }
                handshake.authorize(&mut request, token.as_ref())?;
                origin = handshake.request_key(&request);
            }
            if let Some(pass) = pass {
                for (name, value) in pass {
                    request.headers.insert(name.clone(), value.clone());
                }
            }
            let response = self.transport.send(request).await?;
            self.note_budgets(element, connection.instance_id, &response.headers);
            if response.status.is_success() {
                return Ok(Some(response));
            }
            let Response { status, headers, body } = response;
            let mut retry_after = retry_after(&headers);
            if status == StatusCode::UNAUTHORIZED && origin.is_some_and(|origin| handshake.learn(&origin, &headers)) {
                if !once {
                    continue;
                }
                return Err(Error::new(
                    Kind::Unavailable,
                    "The provider wants to be answered anew before it takes the file; please send it once more",
                )
                .with_retry_after(std::time::Duration::from_secs(1)));
            }
            let body = Box::pin(collect(body, 256 << 10, deadline)).await.unwrap_or_default();
            if accepted(element, call, status, &body) {
                return Ok(Some(Response { status, headers, body: stream::iter([Ok(body)]).boxed() }));
            }
            let verdict = judge(element, call, rules, status, &document(element, &body));
            let may_repeat = !matches!(upload, Some(Prepared::Large(_)) if call.carries_file());
            let may_renew = !renewed && may_repeat;
            if verdict.then == Then::RateLimit {
                // What was refused for the quota was not carried out: it may be repeated, whatever it does.
                let wait = quota::wait(element.quota.as_ref(), &headers, &body, waits);
                let in_time = wait <= quota::LONGEST_WAIT && Instant::now() + wait < deadline;
                if may_repeat && in_time && waits < self.limits.quota_waits {
                    waits += 1;
                    tracing::debug!(
                        instance.id = connection.instance_id,
                        waits,
                        ?wait,
                        "the provider's quota is used up"
                    );
                    tokio::time::sleep(wait).await;
                    continue;
                }
                retry_after = Some(wait);
            }
            if verdict.then == Then::Refresh
                && let Some(seen) = &token
            {
                renewed = true;
                let fresh = connection.credentials.renew(seen.generation, deadline).await;
                if may_renew {
                    token = Some(fresh?);
                    continue;
                }
                if matches!(upload, Some(Prepared::Large(_))) && fresh.is_ok() && call.carries_file() {
                    return Err(Error::new(
                        Kind::Unavailable,
                        "The access token had expired and has been refreshed; please send the file once more",
                    )
                    .with_retry_after(std::time::Duration::from_secs(1)));
                }
            }
            if call.tolerate.contains(&verdict.status) {
                return Ok(None);
            }
            let mut error = verdict.into_error(status);
            if let Some(after) = retry_after {
                error = error.with_retry_after(after);
            }
            return Err(error);
        }
    }

    /// [`Engine::send`], its answer read as JSON; an empty or tolerated answer is null.
    pub(super) async fn json(
        &self,
        element: &Element,
        connection: &Connection,
        call: &Call,
        scope: &CallScope<'_>,
        rules: &[ErrorRule],
        deadline: Instant,
    ) -> Result<Value> {
        let response = self.send(element, connection, call, scope, rules, &mut None, None, deadline).await?;
        match response {
            None => Ok(Value::Null),
            Some(response) => self.decode(element, connection, call, scope, rules, response, deadline).await,
        }
    }

    /// Asks what authentication a server wants, by a call that changes nothing.
    async fn ask_for_challenge(&self, handshake: &mut Handshake<'_>, question: Request) -> Result<()> {
        let key = handshake.request_key(&question);
        let response = self.transport.send(question).await?;
        if let (Some(key), StatusCode::UNAUTHORIZED) = (key, response.status) {
            handshake.prepare(&key, &response.headers);
        }
        Ok(())
    }
}

/// A call to the place of `request` that changes nothing and carries no credentials.
fn question(request: &Request) -> Request {
    Request {
        method: Method::HEAD,
        url: request.url.clone(),
        headers: HeaderMap::new(),
        sensitive: Vec::new(),
        body: Body::Empty,
        hosts: std::sync::Arc::clone(&request.hosts),
        deadline: request.deadline,
        idle: request.idle,
        follow_redirects: false,
        retryable: true,
    }
}

/// Whether `call` reads an answer with this status like a success.
fn accepted(element: &Element, call: &Call, status: StatusCode, body: &Bytes) -> bool {
    let mut rules = call.accept.iter().filter(|accept| accept.status == status.as_u16());
    rules.any(|accept| accept.matches.as_ref().is_none_or(|test| test.holds(&document(element, body))))
}

pub(super) struct Verdict {
    pub(super) status: u16,
    message: String,
    then: Then,
    fault: ProviderFault,
}

impl Verdict {
    /// The error the caller gets.
    pub(super) fn into_error(self, status: StatusCode) -> Error {
        Error::new(kind_of(self.status, status), self.message).with_provider(self.fault)
    }
}

/// What an error answer means: the call's rules, the operation's, the element's, then the table of statuses.
pub(super) fn judge(
    element: &Element,
    call: &Call,
    rules: &[ErrorRule],
    status: StatusCode,
    document: &Value,
) -> Verdict {
    let fault = fault(element, status, document);
    let rule = call.errors.iter().chain(rules).chain(&element.errors).find(|rule| {
        (rule.statuses.is_empty() || rule.statuses.contains(&status.as_u16()))
            && rule.matches.as_ref().is_none_or(|test| test.holds(document))
    });
    match rule {
        Some(rule) => Verdict {
            status: rule.status,
            message: rule.message.clone().unwrap_or_else(|| default_message(rule.status).to_owned()),
            then: rule.then,
            fault,
        },
        None => {
            let uniform = uniform_status(status);
            let then = match status {
                StatusCode::UNAUTHORIZED => Then::Refresh,
                StatusCode::TOO_MANY_REQUESTS => Then::RateLimit,
                _ => Then::Fail,
            };
            Verdict { status: uniform, message: default_message(uniform).to_owned(), then, fault }
        }
    }
}

/// What a successful answer means that a rule knows as a failure; only rules that name its status are asked.
pub(super) fn denied(
    element: &Element,
    call: &Call,
    rules: &[ErrorRule],
    status: StatusCode,
    document: &Value,
) -> Option<Verdict> {
    let rule = call.errors.iter().chain(rules).chain(&element.errors).find(|rule| {
        rule.statuses.contains(&status.as_u16()) && rule.matches.as_ref().is_some_and(|test| test.holds(document))
    })?;
    Some(Verdict {
        status: rule.status,
        message: rule.message.clone().unwrap_or_else(|| default_message(rule.status).to_owned()),
        then: rule.then,
        fault: fault(element, status, document),
    })
}

/// What the provider said of a failure.
fn fault(element: &Element, status: StatusCode, document: &Value) -> ProviderFault {
    let first = |paths: &[crate::mapping::Path]| {
        paths.iter().find_map(|path| path.get(document).and_then(scalar_text)).filter(|text| !text.is_empty())
    };
    let message = first(&element.error_message).or_else(|| match document {
        Value::String(text) if !text.trim_start().starts_with('<') && !text.trim().is_empty() => Some(text.clone()),
        _ => None,
    });
    ProviderFault {
        status: status.as_u16(),
        code: first(&element.error_code),
        message: message.map(|text| text.chars().take(MESSAGE_CHARS).collect()),
    }
}

/// The uniform status of a provider's status that no rule explains.
pub(super) fn uniform_status(status: StatusCode) -> u16 {
    match status.as_u16() {
        400 | 405 | 406 | 422 => 400,
        401 => 401,
        403 => 403,
        404 | 410 => 404,
        409 | 412 | 423 => 409,
        413 => 413,
        415 => 415,
        416 => 416,
        429 => 429,
        _ => 502,
    }
}

pub(super) fn default_message(status: u16) -> &'static str {
    match status {
        400 => "The provider refused the request as invalid",
        401 => "The provider refused the instance's credentials",
        403 => "The provider does not allow this",
        404 => "The provider has nothing under this name",
        409 => "The provider refused the request because of a conflict",
        413 => "The provider refused the body as too large",
        415 => "The provider does not take this media type",
        416 => "The file has none of the bytes asked for",
        429 => "The provider's request limit is used up",
        _ => "The provider failed to answer the request",
    }
}

pub(super) fn kind_of(uniform: u16, provider: StatusCode) -> Kind {
    match uniform {
        400 => Kind::BadRequest,
        401 => Kind::Unauthorized,
        403 => Kind::Forbidden,
        404 => Kind::NotFound,
        409 => Kind::Conflict,
        413 => Kind::PayloadTooLarge,
        415 => Kind::UnsupportedMediaType,
        416 => Kind::RangeNotSatisfiable,
        429 => Kind::TooManyRequests,
        503 if provider == StatusCode::SERVICE_UNAVAILABLE => Kind::ProviderUnreachable,
        _ => Kind::ProviderFailed,
    }
}

/// `Retry-After` in seconds (the date form is rare among providers' APIs and reads as absent).
pub(super) fn retry_after(headers: &HeaderMap) -> Option<std::time::Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?;
    text.trim().parse().ok().map(std::time::Duration::from_secs)
}

/// The kind of a uniform status that a mapping file names.
pub(super) fn kind_of_status(status: u16) -> Kind {
    kind_of(status, StatusCode::OK)
}
