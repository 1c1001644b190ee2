//! One redirect: where to, with which verb, and without which headers.

use ::url::Url;
use reqwest::{
    Method, StatusCode,
    header::{
        AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HeaderMap, HeaderName, LOCATION,
        PROXY_AUTHORIZATION,
    },
};

use super::url::same_origin;
use crate::error::{Error, Kind, Result};

/// What happens to the body at a redirect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Sent again as it is.
    Same,
    /// The call goes on as a GET without a body.
    Get,
}

/// The redirect an answer asks for: its target, and what becomes of the call; `None` when it asks for none.
///
/// # Errors
/// [`Kind::ProviderFailed`] for a target that is no URL.
pub(super) fn target(
    method: &Method,
    from: &Url,
    status: StatusCode,
    headers: &HeaderMap,
) -> Result<Option<(Url, Step)>> {
    let step = match status.as_u16() {
        303 if *method == Method::HEAD => Step::Same,
        303 => Step::Get,
        301 | 302 if *method == Method::POST => Step::Get,
        301 | 302 | 307 | 308 => Step::Same,
        _ => return Ok(None),
    };
    let Some(location) = headers.get(LOCATION) else { return Ok(None) };
    let failed = || Error::new(Kind::ProviderFailed, "The provider redirects to something that is no URL");
    let text = std::str::from_utf8(location.as_bytes()).map_err(|error| failed().with_source(error))?;
    // Joining is right here: a Location is relative to the URL it answers, and the guard looks at the result.
    let url = from.join(text).map_err(|error| failed().with_source(error))?;
    Ok(Some((url, step)))
}

/// Takes off `headers` what must not go to `to`, another origin, and what speaks of a body that is no longer sent.
pub(super) fn strip(headers: &mut HeaderMap, sensitive: &[HeaderName], from: &Url, to: &Url, step: Step) {
    if step == Step::Get {
        for name in [CONTENT_TYPE, CONTENT_LENGTH, CONTENT_ENCODING] {
            headers.remove(name);
        }
    }
    if !same_origin(from, to) {
        for name in [AUTHORIZATION, PROXY_AUTHORIZATION, COOKIE] {
            headers.remove(name);
        }
        for name in sensitive {
            headers.remove(name);
        }
    }
}
