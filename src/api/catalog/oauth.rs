//! `/elements/{element}/oauth/url`: where the end user is sent for consent; and `…/oauth/token`, the request token that
//! OAuth 1 wants before.

use axum::extract::State;
use serde_json::{Map, Value, json};

use super::{
    super::{
        error::Result,
        extract::{Deadline, OptionalJson, Path, Query, Reply},
    },
    find_element,
};
use crate::{
    app::App,
    catalog::Identity,
    error::Error,
    gateway::connect::{configuration_pointer, oauth2, settings},
    grant::Pkce,
    instance::configuration::{Values, text},
};

/// Names of the contract, and the configuration keys that they stand for.
const NAMES: [(&str, &str); 4] = [
    ("apiKey", "oauth.api.key"),
    ("apiSecret", "oauth.api.secret"),
    ("callbackUrl", "oauth.callback.url"),
    ("scope", "oauth.scope"),
];

type Parameters = Map<String, Value>;

pub(super) async fn read_url(
    State(app): State<App>,
    Path(key): Path<String>,
    Query(parameters): Query<Vec<(String, String)>>,
) -> Result<Reply<Value>> {
    let parameters = parameters.into_iter().map(|(name, value)| (name, Value::String(value))).collect();
    url(&app, &key, &parameters)
}

pub(super) async fn make_url(
    State(app): State<App>,
    Path(key): Path<String>,
    Query(query): Query<Vec<(String, String)>>,
    OptionalJson(body): OptionalJson<Parameters>,
) -> Result<Reply<Value>> {
    let mut parameters: Parameters = query.into_iter().map(|(name, value)| (name, Value::String(value))).collect();
    parameters.extend(body.unwrap_or_default().into_iter().filter(|(_, value)| !value.is_null()));
    url(&app, &key, &parameters)
}

fn url(app: &App, key: &str, parameters: &Parameters) -> Result<Reply<Value>> {
    let element = find_element(app, key)?;
    let mut values = settings::inherited(&element, &app.config);
    take(&element, parameters, &mut values);
    let (word, authentication) = settings::chosen(&element, &values);
    if !authentication.needs_consent() {
        let why = if authentication.uses_tokens() {
            "takes its tokens by the instance's configuration: nobody is sent for consent"
        } else {
            "does not use OAuth"
        };
        let text = if element.authentication.is_choice() {
            format!("The element {} with `authentication.type` {word} {why}", element.key)
        } else {
            format!("The element {} {why}", element.key)
        };
        return Err(Error::bad_request(text).into());
    }
    missing(&["oauth.api.key", "oauth.callback.url"], &values)?;
    if authentication.oauth1().is_some() {
        let token = parameters.get("requestToken").and_then(text).filter(|token| !token.trim().is_empty());
        let Some(token) = token else {
            let error = Error::bad_request("Missing parameters: requestToken")
                .with_detail("requestToken", "is the `token` of GET /elements/{key}/oauth/token");
            return Err(error.into());
        };
        let url = settings::oauth1(&element, &values)?.authorize_url(&token)?;
        return Ok(Reply(json!({"element": element.key, "oauthUrl": url.as_str()})));
    }
    let settings = oauth2(&element, &values)?;
    let state = parameters.get("state").and_then(text).filter(|state| !state.is_empty());
    let state = state.unwrap_or_else(|| element.key.clone());
    let pkce = if settings.pkce { Some(Pkce::new()?) } else { None };
    let extra = pkce.as_ref().map_or_else(Vec::new, |pkce| Vec::from(pkce.params()));
    let url = settings.authorize_url(&state, &extra)?;
    let mut answer = json!({"element": element.key, "oauthUrl": url.as_str()});
    if let (Some(pkce), Value::Object(answer)) = (pkce, &mut answer) {
        use secrecy::ExposeSecret;
        // The app sends it back as `providerData.code_verifier`.
        answer.insert("codeVerifier".to_owned(), json!(pkce.verifier.expose_secret()));
    }
    Ok(Reply(answer))
}

pub(super) async fn request_token(
    State(app): State<App>,
    deadline: Deadline,
    Path(key): Path<String>,
    Query(parameters): Query<Vec<(String, String)>>,
) -> Result<Reply<Value>> {
    use secrecy::ExposeSecret;
    let element = find_element(&app, &key)?;
    let parameters: Parameters = parameters.into_iter().map(|(name, value)| (name, Value::String(value))).collect();
    let mut values = settings::inherited(&element, &app.config);
    take(&element, &parameters, &mut values);
    let settings = settings::oauth1(&element, &values)?;
    missing(&["oauth.api.key", "oauth.api.secret", "oauth.callback.url"], &values)?;
    let mut settings = settings;
    // The provider sends `state` back as a part of the callback's address: OAuth 1 has no parameter for it.
    if let (Some(state), Some(callback)) = (parameters.get("state").and_then(text), &settings.callback)
        && let Ok(mut url) = url::Url::parse(callback)
    {
        url.query_pairs_mut().append_pair("state", &state);
        settings.callback = Some(url.into());
    }
    let (token, secret) = app.grants.request_token(&settings, deadline.0).await?;
    Ok(Reply(json!({"token": token.expose_secret(), "secret": secret.expose_secret()})))
}

fn missing(keys: &[&'static str], values: &Values) -> Result<(), Error> {
    let missing: Vec<&str> =
        keys.iter().copied().filter(|key| values.text(key).is_none_or(|value| value.trim().is_empty())).collect();
    if missing.is_empty() { Ok(()) } else { Err(needs(&missing)) }
}

/// Lays what the caller sent over the element's and the operator's configuration.
fn take(element: &Identity, parameters: &Parameters, values: &mut Values) {
    for (name, value) in parameters {
        let key = match NAMES.iter().find(|(alias, _)| alias == name) {
            Some((_, key)) => Some(*key),
            // Elements call it `site.address`, with or without their own name before it.
            None if name == "siteAddress" => element
                .configuration
                .iter()
                .map(|entry| entry.key.as_str())
                .find(|key| *key == "site.address" || key.ends_with(".site.address") || *key == "subdomain"),
            None => element.entry(name).map(|entry| entry.key.as_str()),
        };
        let Some(key) = key else { continue };
        if text(value).is_some_and(|text| !text.trim().is_empty()) {
            values.put(&element.configuration, key, value.clone());
        }
    }
}

fn needs(missing: &[&str]) -> Error {
    let named = |key: &str| NAMES.iter().find(|(_, of)| *of == key).map_or("", |(name, _)| *name);
    let names: Vec<&str> = missing.iter().map(|key| named(key)).collect();
    let error = Error::bad_request(format!("Missing parameters: {}", names.join(", ")));
    missing.iter().fold(error, |error, key| {
        error.with_detail(named(key), format!("is required, unless the operator sets {}", configuration_pointer(key)))
    })
}
