//! Sends a call, refreshes the grant once when the provider says so, and says what an error answer means.

use bytes::Bytes;
use http::{StatusCode, header};
use serde_json::Value;
use tokio::time::Instant;

use super::{
    Connection, Engine,
    request::{Prepared, attach, authorize, carries_file},
    scope::CallScope,
};
use crate::{
    catalog::{Authentication, Call, Element, ErrorRule, call::Then},
    error::{Error, Kind, ProviderFault, Result},
    mapping::codec::scalar_text,
    upstream::{Response, body::collect},
};

/// The longest provider message passed on.
const MESSAGE_CHARS: usize = 1_000;

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
        pass: Option<&header::HeaderMap>,
        deadline: Instant,
    ) -> Result<Option<Response>> {
        let oauth = matches!(element.authentication, Authentication::OAuth2(_));
        let mut token = if oauth { Some(connection.credentials.token(deadline).await?) } else { None };
        let mut renewed = false;
        loop {
            let mut request = self.request(element, connection, call, scope, deadline)?;
            attach(&mut request, call, scope, upload)?;
            authorize(&mut request, element, connection, token.as_ref())?;
            if let Some(pass) = pass {
                for (name, value) in pass {
                    request.headers.insert(name.clone(), value.clone());
                }
            }
            let response = self.transport.send(request).await?;
            if response.status.is_success() {
                return Ok(Some(response));
            }
            let status = response.status;
            let retry_after = retry_after(&response);
            let body = collect(response.body, 256 << 10, deadline).await.unwrap_or_default();
            let verdict = judge(element, call, rules, status, &body);
            let may_renew = !renewed && !matches!(upload, Some(Prepared::Large(_)) if carries_file(call));
            if verdict.then == Then::Refresh
                && let Some(seen) = &token
            {
                renewed = true;
                let fresh = connection.credentials.renew(seen.generation, deadline).await;
                if may_renew {
                    token = Some(fresh?);
                    continue;
                }
                if matches!(upload, Some(Prepared::Large(_))) && fresh.is_ok() && carries_file(call) {
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
            let mut error = Error::new(kind_of(verdict.status, status), verdict.message).with_provider(verdict.fault);
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
            Some(response) => self.decode(response, deadline).await,
        }
    }

    /// An answer's body as JSON; an empty one is null.
    pub(super) async fn decode(&self, response: Response, deadline: Instant) -> Result<Value> {
        let body =
            collect(response.body, self.limits.response_bytes, deadline).await.map_err(|error| match error.kind() {
                Kind::PayloadTooLarge => Error::new(
                    Kind::ProviderFailed,
                    format!("The provider's answer is longer than {} bytes", self.limits.response_bytes),
                ),
                _ => error,
            })?;
        if body.iter().all(u8::is_ascii_whitespace) {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&body)
            .map_err(|error| Error::new(Kind::ProviderFailed, "The provider's answer is not JSON").with_source(error))
    }
}

struct Verdict {
    status: u16,
    message: String,
    then: Then,
    fault: ProviderFault,
}

/// What an error answer means: the call's rules, the operation's, the element's, then the table of statuses.
fn judge(element: &Element, call: &Call, rules: &[ErrorRule], status: StatusCode, body: &Bytes) -> Verdict {
    let document: Value = serde_json::from_slice(body)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(body).chars().take(MESSAGE_CHARS).collect()));
    let first = |paths: &[crate::mapping::Path]| {
        paths.iter().find_map(|path| path.get(&document).and_then(scalar_text)).filter(|text| !text.is_empty())
    };
    let message = first(&element.error_message).or_else(|| match &document {
        Value::String(text) if !text.trim_start().starts_with('<') && !text.trim().is_empty() => Some(text.clone()),
        _ => None,
    });
    let fault = ProviderFault {
        status: status.as_u16(),
        code: first(&element.error_code),
        message: message.map(|text| text.chars().take(MESSAGE_CHARS).collect()),
    };
    let rule = call.errors.iter().chain(rules).chain(&element.errors).find(|rule| {
        (rule.statuses.is_empty() || rule.statuses.contains(&status.as_u16()))
            && rule.matches.as_ref().is_none_or(|test| test.holds(&document))
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
            let then = if status == StatusCode::UNAUTHORIZED { Then::Refresh } else { Then::Fail };
            Verdict { status: uniform, message: default_message(uniform).to_owned(), then, fault }
        }
    }
}

/// The uniform status of a provider's status that no rule explains.
fn uniform_status(status: StatusCode) -> u16 {
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

fn default_message(status: u16) -> &'static str {
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

fn kind_of(uniform: u16, provider: StatusCode) -> Kind {
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
fn retry_after(response: &Response) -> Option<std::time::Duration> {
    let text = response.headers.get(header::RETRY_AFTER)?.to_str().ok()?;
    text.trim().parse().ok().map(std::time::Duration::from_secs)
}

/// The kind of a uniform status that a mapping file names.
pub(super) fn kind_of_status(status: u16) -> Kind {
    kind_of(status, StatusCode::OK)
}
