//! Holds an outcome against the recorded uniform answer.

use bytes::Bytes;
use futures_util::TryStreamExt;
use serde_json::{Value, json};

use super::{
    compare::{Comparison, Difference, step},
    format::Answer,
};
use crate::{
    error::{Error, Kind, Result},
    gateway::call::{self, AnswerBody},
    provider::Outcome,
};

/// Everything in which `outcome` differs from `answer`.
pub(super) async fn differences(
    answer: &Answer,
    outcome: Result<Outcome>,
    comparison: &mut Comparison,
) -> Vec<Difference> {
    let one = |pointer: &str, message: String| vec![Difference { pointer: pointer.to_owned(), message }];
    match outcome {
        Err(error) => of_error(answer, &error, comparison),
        Ok(outcome) if answer.status >= 400 => {
            let is = match outcome {
                Outcome::Record(_) => "a record",
                Outcome::List { .. } => "a list",
                Outcome::File { .. } => "a file",
                Outcome::Empty => "success",
            };
            one("/status", format!("recorded as {}, but the answer is {is}", answer.status))
        }
        Ok(Outcome::Record(record)) => of_body(answer, &Value::Object(record), comparison),
        Ok(Outcome::List { items, next, total, .. }) => {
            let items = Value::Array(items.into_iter().map(Value::Object).collect());
            let mut found = of_body(answer, &items, comparison);
            if next.is_some() != answer.next {
                found.extend(one(
                    "/next",
                    if answer.next {
                        "recorded as true, but no page follows"
                    } else {
                        "recorded as false, but a page follows"
                    }
                    .to_owned(),
                ));
            }
            if total != answer.total {
                let text = |total: Option<u64>| total.map_or_else(|| "unknown".to_owned(), |total| total.to_string());
                found.extend(one("/total", format!("recorded as {}, but it is {}", text(answer.total), text(total))));
            }
            found
        }
        Ok(Outcome::File { status, headers, body, name }) => {
            let shown = call::file(status, headers, body, name.as_deref());
            let AnswerBody::Stream(body) = shown.body else { return one("", "the answer is no file".to_owned()) };
            let (status, headers) = (shown.status, shown.headers);
            let chunks: Result<Vec<Bytes>, _> = body.try_collect().await;
            let bytes = chunks.map(|chunks| chunks.concat()).unwrap_or_default();
            let mut found = Vec::new();
            if status.as_u16() != answer.status {
                found.extend(one("/status", format!("recorded as {}, but it is {status}", answer.status)));
            }
            if answer.text.as_ref().is_none_or(|text| text.as_bytes() != bytes) {
                found.extend(one(
                    "/text",
                    format!("recorded otherwise, but it is `{}`", String::from_utf8_lossy(&bytes)),
                ));
            }
            for (name, wanted) in &answer.headers {
                let is = headers.get(name).and_then(|value| value.to_str().ok());
                if is != wanted.as_str() {
                    found.extend(one(
                        &step("/headers", name),
                        format!("recorded as {wanted}, but it is {}", is.unwrap_or("absent")),
                    ));
                }
            }
            found
        }
        Ok(Outcome::Empty) => match (&answer.body, answer.status) {
            (Some(_), _) => one("/body", "recorded, but the operation answers nothing".to_owned()),
            (None, 200) => Vec::new(),
            (None, status) => one("/status", format!("recorded as {status}, but it is 200")),
        },
    }
}

fn of_body(answer: &Answer, is: &Value, comparison: &mut Comparison) -> Vec<Difference> {
    let mut found = Vec::new();
    if answer.status != 200 {
        found.push(Difference {
            pointer: "/status".into(),
            message: format!("recorded as {}, but it is 200", answer.status),
        });
    }
    match &answer.body {
        None => found.push(Difference { pointer: "/body".into(), message: format!("not recorded, but it is {is}") }),
        Some(wanted) => found.extend(
            comparison
                .value(wanted, is)
                .into_iter()
                .map(|one| Difference { pointer: format!("/body{}", one.pointer), ..one }),
        ),
    }
    found
}

fn of_error(answer: &Answer, error: &Error, comparison: &mut Comparison) -> Vec<Difference> {
    let is = status(error.kind());
    if is != answer.status {
        let message = format!("recorded as {}, but the operation fails with {is}: {}", answer.status, told(error));
        return vec![Difference { pointer: "/status".into(), message }];
    }
    let provider = error.provider();
    let body = json!({
        "message": error.public(),
        "providerMessage": provider.and_then(|fault| fault.message.as_deref()),
        "code": error.kind().code(),
        "provider": {"status": provider.map(|fault| fault.status), "code": provider.and_then(|fault| fault.code.as_deref())},
        "errors": error.details().iter().map(|detail| json!({"pointer": detail.pointer, "detail": detail.detail})).collect::<Vec<_>>(),
    });
    let Some(Value::Object(wanted)) = &answer.body else { return Vec::new() };
    comparison
        .part(wanted, &body)
        .into_iter()
        .map(|one| Difference { pointer: format!("/body{}", one.pointer), ..one })
        .collect()
}

/// An error in one line.
pub(super) fn told(error: &Error) -> String {
    let details: Vec<String> =
        error.details().iter().map(|detail| format!("{}: {}", detail.pointer, detail.detail)).collect();
    let cause = std::error::Error::source(error).map(|cause| format!(" ({cause})")).unwrap_or_default();
    format!("{} {}{cause}", error.public(), details.join("; ")).trim().to_owned()
}

/// The uniform status of a kind; the API's own table is held against it in a test.
fn status(kind: Kind) -> u16 {
    match kind {
        Kind::BadRequest | Kind::Unsupported => 400,
        Kind::Unauthorized | Kind::ReauthRequired => 401,
        Kind::Forbidden => 403,
        Kind::NotFound => 404,
        Kind::MethodNotAllowed => 405,
        Kind::NotAcceptable => 406,
        Kind::RequestTimeout => 408,
        Kind::Conflict => 409,
        Kind::PayloadTooLarge => 413,
        Kind::UnsupportedMediaType => 415,
        Kind::RangeNotSatisfiable => 416,
        Kind::TooManyRequests => 429,
        Kind::ProviderFailed | Kind::ProviderUnreachable => 502,
        Kind::ProviderTimeout => 504,
        Kind::ProviderDown | Kind::Overloaded | Kind::Unavailable => 503,
        Kind::Internal => 500,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::error::status as of_api;

    #[test]
    fn statuses_are_those_of_the_api() {
        for kind in [
            Kind::BadRequest,
            Kind::Unauthorized,
            Kind::ReauthRequired,
            Kind::Forbidden,
            Kind::NotFound,
            Kind::MethodNotAllowed,
            Kind::NotAcceptable,
            Kind::RequestTimeout,
            Kind::Conflict,
            Kind::PayloadTooLarge,
            Kind::UnsupportedMediaType,
            Kind::RangeNotSatisfiable,
            Kind::TooManyRequests,
            Kind::Unsupported,
            Kind::ProviderFailed,
            Kind::ProviderUnreachable,
            Kind::ProviderTimeout,
            Kind::ProviderDown,
            Kind::Overloaded,
            Kind::Unavailable,
            Kind::Internal,
        ] {
            assert_eq!(status(kind), of_api(kind).as_u16(), "{kind:?}");
        }
    }
}
