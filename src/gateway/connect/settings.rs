//! What holds for an instance: element default, then the operator's setting, then the instance's own value; and the
//! OAuth settings that follow from it.

use std::{sync::Arc, time::Duration};

use secrecy::SecretString;
use serde_json::Value;

use super::{credentials::Client, template};
use crate::{
    catalog::{
        Authentication, ConfigurationEntry, Identity, OAuth2Spec,
        authentication::{
            self, CHOICE_KEY, ClientAuthentication, GrantKind, RevocationAuthorization, RevokeSpec, RevokedToken,
            SignatureMethod,
        },
    },
    config::Config,
    error::{Detail, Error, Kind, Result},
    grant::{ClientAuth, Grant, OAuth1, OAuth2, Revocation, Revoker, Signature, TokenPlace},
    instance::configuration::{GRANT_KEYS, Values, is_blank},
    store::InstanceRecord,
};

/// The element's defaults with the operator's settings over them.
pub fn inherited(element: &Identity, config: &Config) -> Values {
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
pub fn effective(element: &Identity, config: &Config, record: &InstanceRecord) -> Values {
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

/// The required entries without a value, of the authentication that is chosen.
pub fn missing<'a>(element: &'a Identity, effective: &Values, needs: Needs) -> Vec<&'a ConfigurationEntry> {
    let (word, _) = chosen(element, effective);
    element
        .configuration
        .iter()
        .filter(|entry| entry.required && !needs.spares(&entry.key) && !GRANT_KEYS.contains(&entry.key.as_str()))
        .filter(|entry| entry.choices.is_empty() || entry.choices.iter().any(|choice| choice == word))
        .filter(|entry| effective.text(&entry.key).is_none_or(|text| is_blank(&Value::String(text))))
        .collect()
}

/// The authentication that the configuration chooses, and its word.
pub fn chosen<'a>(element: &'a Identity, effective: &Values) -> (&'a str, &'a Authentication) {
    element.authentication.choose(effective.text(CHOICE_KEY).as_deref())
}

/// Values outside the list of a `COMBO` entry.
pub fn out_of_range(element: &Identity, own: &Values) -> Vec<Detail> {
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

/// The OAuth 2 description that the configuration chooses.
///
/// # Errors
/// [`Kind::BadRequest`] when it chooses another authentication.
pub fn oauth2_spec<'a>(element: &'a Identity, effective: &Values) -> Result<&'a OAuth2Spec> {
    let (_, chosen) = chosen(element, effective);
    chosen
        .oauth2()
        .ok_or_else(|| Error::new(Kind::BadRequest, format!("The element `{}` does not use OAuth 2 here", element.key)))
}

/// The OAuth 2 settings of an instance: the element's description, with the configuration's `oauth.*` keys over it.
///
/// # Errors
/// [`Kind::BadRequest`] naming the configuration key when the element does not use OAuth 2, or a URL needs a value that
/// is not there.
pub fn oauth2(element: &Identity, effective: &Values) -> Result<OAuth2> {
    let spec = oauth2_spec(element, effective)?;
    let wrong = |key: &str, problem: String| {
        Error::bad_request(format!("`{key}` {problem}"))
            .with_detail(super::configuration_pointer(key), format!("`{key}` {problem}"))
    };
    let url = |key: &str, described: Option<&str>| -> Result<Option<String>> {
        let set = effective.text(key).filter(|text| !text.trim().is_empty());
        let Some(text) = set.as_deref().or(described) else { return Ok(None) };
        template::fill(text, effective).map(Some).map_err(|problem| wrong(key, problem))
    };
    let required = |key: &str, described: &str| Ok::<_, Error>(url(key, Some(described))?.unwrap_or_default());
    let client_auth = match (effective.text("oauth.basic.header").as_deref(), spec.client_authentication) {
        (Some("true"), _) | (None, ClientAuthentication::Basic) => ClientAuth::Basic,
        (Some(other), ClientAuthentication::Basic) if other != "false" => ClientAuth::Basic,
        _ => ClientAuth::Body,
    };
    let text = |key: &str| effective.text(key).filter(|text| !text.is_empty());
    let filled =
        |key: &str, described: &str| template::fill_text(described, effective).map_err(|problem| wrong(key, problem));
    let all_filled = |described: &[(String, String)]| -> Result<Vec<(String, String)>> {
        described.iter().map(|(name, value)| Ok((name.clone(), filled(name, value)?))).collect()
    };
    let revoke_url = spec.revoke.as_ref().map(|revoke| revoke.url.as_str());
    Ok(OAuth2 {
        grant: match spec.grant {
            GrantKind::AuthorizationCode => Grant::Code,
            GrantKind::ClientCredentials => Grant::ClientCredentials,
            GrantKind::Password => Grant::Password {
                username: text(&spec.user.0).unwrap_or_default(),
                password: SecretString::from(text(&spec.user.1).unwrap_or_default()),
            },
        },
        authorize_url: if spec.grant == GrantKind::AuthorizationCode {
            required("oauth.authorization.url", &spec.authorize_url)?
        } else {
            String::new()
        },
        token_url: required("oauth.token.url", &spec.token_url)?,
        refresh_url: url("oauth.token.refresh_url", spec.refresh_url.as_deref())?,
        revocation: url("oauth.token.revoke_url", revoke_url)?.map(|url| revocation(spec, url)),
        client_auth,
        scope_separator: spec.scope_separator.clone(),
        authorize_params: all_filled(&spec.authorize_parameters)?,
        token_params: all_filled(&spec.token_parameters)?,
        client_id: text("oauth.api.key").unwrap_or_default(),
        client_secret: text("oauth.api.secret").map(SecretString::from),
        redirect_uri: text("oauth.callback.url"),
        scope: match (text("oauth.scope"), &spec.scope) {
            (Some(set), _) => Some(set),
            (None, Some(described)) => Some(filled("oauth.scope", described)?),
            (None, None) => None,
        },
        refresh_idle: spec.refresh_idle_days.map(|days| Duration::from_secs(days.saturating_mul(24 * 3600))),
        pkce: spec.pkce,
        dead_errors: spec.dead_errors.clone(),
        default_lifetime: spec.default_lifetime_s.map(Duration::from_secs),
        capture: spec.capture.clone(),
        hosts: Arc::clone(&element.egress),
    })
}

/// The OAuth 1 settings of an instance.
///
/// # Errors
/// As [`oauth2`].
pub fn oauth1(element: &Identity, effective: &Values) -> Result<OAuth1> {
    let (_, chosen) = chosen(element, effective);
    let Some(spec) = chosen.oauth1() else {
        return Err(Error::bad_request(format!("The element `{}` does not use OAuth 1 here", element.key)));
    };
    let wrong = |key: &str, problem: String| {
        Error::bad_request(format!("`{key}` {problem}"))
            .with_detail(super::configuration_pointer(key), format!("`{key}` {problem}"))
    };
    let text = |key: &str| effective.text(key).filter(|text| !text.trim().is_empty());
    let url = |key: &str, described: &str| {
        let set = text(key);
        template::fill(set.as_deref().unwrap_or(described), effective).map_err(|problem| wrong(key, problem))
    };
    let filled =
        |key: &str, described: &str| template::fill_text(described, effective).map_err(|problem| wrong(key, problem));
    let parameters = spec.authorize_parameters.iter();
    Ok(OAuth1 {
        request_token_url: url("oauth.request.url", &spec.request_token_url)?,
        authorize_url: url("oauth.authorization.url", &spec.authorize_url)?,
        access_token_url: url("oauth.token.url", &spec.access_token_url)?,
        signature: match spec.signature {
            SignatureMethod::HmacSha1 => Signature::HmacSha1,
            SignatureMethod::HmacSha256 => Signature::HmacSha256,
            SignatureMethod::Plaintext => Signature::Plaintext,
        },
        realm: spec.realm.as_deref().map(|realm| filled("realm", realm)).transpose()?,
        in_query: spec.in_query,
        consumer_key: text("oauth.api.key").unwrap_or_default(),
        consumer_secret: SecretString::from(text("oauth.api.secret").unwrap_or_default()),
        callback: text("oauth.callback.url"),
        authorize_params: parameters
            .map(|(name, value)| Ok((name.clone(), filled(name, value)?)))
            .collect::<Result<_>>()?,
        capture: spec.capture.clone(),
        hosts: Arc::clone(&element.egress),
    })
}

/// What the tokens of an instance are got with.
///
/// # Errors
/// As [`oauth2`].
pub(super) fn client(element: &Identity, effective: &Values) -> Result<Client> {
    if chosen(element, effective).1.oauth1().is_some() {
        return Ok(Client::One(Box::new(oauth1(element, effective)?)));
    }
    Ok(Client::Two(Box::new(oauth2(element, effective)?)))
}

fn revocation(spec: &OAuth2Spec, url: String) -> Revocation {
    let described = spec.revoke.clone().unwrap_or_else(|| RevokeSpec::standard(String::new()));
    Revocation {
        url,
        method: Some(described.method),
        place: match described.place {
            authentication::TokenPlace::Form => TokenPlace::Form,
            authentication::TokenPlace::Json => TokenPlace::Json,
            authentication::TokenPlace::Query => TokenPlace::Query,
            authentication::TokenPlace::Path => TokenPlace::Path,
            authentication::TokenPlace::Nowhere => TokenPlace::Nowhere,
        },
        by: match described.authorization {
            RevocationAuthorization::Client => Revoker::Client,
            RevocationAuthorization::Bearer => Revoker::Bearer,
            RevocationAuthorization::None => Revoker::Nobody,
        },
        access: described.token == RevokedToken::Access,
        parameters: described.parameters,
        scheme: spec.scheme.clone(),
    }
}
