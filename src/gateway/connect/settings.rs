//! What holds for an instance: element default, then the operator's setting, then the instance's own value; and the
//! OAuth settings that follow from it.

use std::{sync::Arc, time::Duration};

use secrecy::SecretString;
use serde_json::Value;

use super::template;
use crate::{
    catalog::{Authentication, ClientAuthentication, ConfigurationEntry, Element, OAuth2Spec},
    config::Config,
    error::{Detail, Error, Kind, Result},
    grant::{ClientAuth, OAuth2},
    instance::configuration::{GRANT_KEYS, Values, is_blank},
    store::InstanceRecord,
};

/// The element's defaults with the operator's settings over them.
pub fn inherited(element: &Element, config: &Config) -> Values {
    let mut values = Values::default();
    for entry in &element.configuration {
        if let Some(default) = &entry.default {
            values.put(&element.configuration, &entry.key, Value::String(default.clone()));
        }
    }
    if let Some(settings) = config.elements.get(&element.key) {
        for (key, value) in &settings.configuration {
            values.put(&element.configuration, key, Value::String(value.clone()));
        }
    }
    values
}

/// The instance's own values.
pub fn own(record: &InstanceRecord) -> Values {
    Values { clear: record.configuration.clone(), secrets: record.secrets.clone() }
}

/// What holds for the instance.
pub fn effective(element: &Element, config: &Config, record: &InstanceRecord) -> Values {
    own(record).over(&inherited(element, config))
}

/// Keys of an OAuth client, and whether this way of getting tokens can do without them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// An authorization code will be or was exchanged: everything is needed.
    Everything,
    /// Tokens came from elsewhere and can be refreshed: no callback is needed.
    Refresh,
    /// Only an access token came: nothing of the client is needed.
    Token,
}

impl Needs {
    fn spares(self, key: &str) -> bool {
        match self {
            Self::Everything => false,
            Self::Refresh => key == "oauth.callback.url",
            Self::Token => matches!(key, "oauth.callback.url" | "oauth.api.key" | "oauth.api.secret"),
        }
    }
}

/// The required entries without a value.
pub fn missing<'a>(element: &'a Element, effective: &Values, needs: Needs) -> Vec<&'a ConfigurationEntry> {
    element
        .configuration
        .iter()
        .filter(|entry| entry.required && !needs.spares(&entry.key) && !GRANT_KEYS.contains(&entry.key.as_str()))
        .filter(|entry| effective.text(&entry.key).is_none_or(|text| is_blank(&Value::String(text))))
        .collect()
}

/// Values outside the list of a `COMBO` entry.
pub fn out_of_range(element: &Element, own: &Values) -> Vec<Detail> {
    element
        .configuration
        .iter()
        .filter(|entry| !entry.options.is_empty())
        .filter_map(|entry| {
            let value = own.text(&entry.key)?;
            let allowed: Vec<&str> = entry.options.iter().map(|(option, _)| option.as_str()).collect();
            (!allowed.iter().any(|option| option.eq_ignore_ascii_case(&value))).then(|| Detail {
                pointer: super::configuration_pointer(&entry.key),
                detail: format!("`{}` must be one of {}", entry.key, allowed.join(", ")),
            })
        })
        .collect()
}

/// The element's OAuth 2 description.
///
/// # Errors
/// [`Kind::BadRequest`] when it has none.
pub fn oauth2_spec(element: &Element) -> Result<&OAuth2Spec> {
    match &element.authentication {
        Authentication::OAuth2(spec) => Ok(spec),
        _ => Err(Error::new(Kind::BadRequest, format!("The element `{}` does not use OAuth 2", element.key))),
    }
}

/// The OAuth 2 settings of an instance: the element's description, with the configuration's `oauth.*` keys over it.
///
/// # Errors
/// [`Kind::BadRequest`] naming the configuration key when the element does not use OAuth 2, or a URL needs a value that
/// is not there.
pub fn oauth2(element: &Element, effective: &Values) -> Result<OAuth2> {
    let spec = oauth2_spec(element)?;
    let url = |key: &str, described: Option<&str>| -> Result<Option<String>> {
        let set = effective.text(key).filter(|text| !text.trim().is_empty());
        let Some(text) = set.as_deref().or(described) else { return Ok(None) };
        template::fill(text, effective).map(Some).map_err(|problem| {
            Error::bad_request(format!("`{key}` {problem}"))
                .with_detail(super::configuration_pointer(key), format!("`{key}` {problem}"))
        })
    };
    let required = |key: &str, described: &str| Ok::<_, Error>(url(key, Some(described))?.unwrap_or_default());
    let client_auth = match (effective.text("oauth.basic.header").as_deref(), spec.client_authentication) {
        (Some("true"), _) | (None, ClientAuthentication::Basic) => ClientAuth::Basic,
        (Some(other), ClientAuthentication::Basic) if other != "false" => ClientAuth::Basic,
        _ => ClientAuth::Body,
    };
    let text = |key: &str| effective.text(key).filter(|text| !text.is_empty());
    Ok(OAuth2 {
        authorize_url: required("oauth.authorization.url", &spec.authorize_url)?,
        token_url: required("oauth.token.url", &spec.token_url)?,
        refresh_url: url("oauth.token.refresh_url", spec.refresh_url.as_deref())?,
        revoke_url: url("oauth.token.revoke_url", spec.revoke_url.as_deref())?,
        client_auth,
        scope_separator: spec.scope_separator.clone(),
        authorize_params: spec.authorize_parameters.clone(),
        token_params: spec.token_parameters.clone(),
        client_id: text("oauth.api.key").unwrap_or_default(),
        client_secret: text("oauth.api.secret").map(SecretString::from),
        redirect_uri: text("oauth.callback.url"),
        scope: text("oauth.scope").or_else(|| spec.scope.clone()),
        pkce: spec.pkce,
        dead_errors: spec.dead_errors.clone(),
        default_lifetime: spec.default_lifetime_s.map(Duration::from_secs),
        capture: spec.capture.clone(),
        hosts: Arc::clone(&element.egress),
    })
}
