//! Giving tokens back: RFC 7009, and the ways of those who have one of their own.

use bytes::Bytes;
use reqwest::{
    Method, StatusCode,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue},
};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value};
use tokio::time::{Instant, timeout_at};
use url::form_urlencoded;

use super::{Grants, OAuth2, oauth, token};
use crate::{
    error::{Error, Kind, Result},
    upstream::{Body, Request},
};

/// Where the token travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TokenPlace {
    /// As the member `token` of a form.
    #[default]
    Form,
    /// As the member `token` of a JSON body.
    Json,
    /// As the parameter `token` of the query.
    Query,
    /// As the last segment of the path.
    Path,
    /// Nowhere: the authorization tells.
    Nowhere,
}

/// Who revokes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Revoker {
    /// The client, as at the token endpoint.
    #[default]
    Client,
    /// The bearer of the access token.
    Bearer,
    /// Nobody in particular.
    Nobody,
}

/// How tokens are given back.
#[derive(Debug, Clone, Default)]
pub struct Revocation {
    /// Where.
    pub url: String,
    /// The verb; POST when absent.
    pub method: Option<Method>,
    /// Where the token travels.
    pub place: TokenPlace,
    /// Who revokes.
    pub by: Revoker,
    /// Whether it is the access token that is given back, also where there is a refresh token.
    pub access: bool,
    /// Further members or parameters.
    pub parameters: Vec<(String, String)>,
    /// What stands before a bearer's token; `Bearer` when empty.
    pub scheme: String,
}

impl Grants {
    /// Tells the provider that tokens are no longer needed; best effort, `false` when it did not help.
    ///
    /// A revocation by the bearer needs an access token that works: one that does not is refreshed first.
    pub async fn revoke(&self, oauth: &OAuth2, access: Option<&SecretString>, refresh: Option<&SecretString>) -> bool {
        let Some(revocation) = &oauth.revocation else { return false };
        let deadline = Instant::now() + self.0.settings.token_timeout;
        let mut outcome = self.tell(oauth, revocation, access, refresh, deadline).await;
        if revocation.by == Revoker::Bearer
            && outcome.as_ref().is_ok_and(|status| *status == StatusCode::UNAUTHORIZED)
            && let Some(old) = refresh
            && let Ok(answer) = self.redeem(oauth, old, deadline).await
        {
            let newer = answer.refresh.as_ref().unwrap_or(old);
            outcome = self.tell(oauth, revocation, Some(&answer.access), Some(newer), deadline).await;
        }
        match outcome {
            Ok(status) => status.is_success(),
            Err(error) => {
                tracing::debug!(?error, "a token could not be revoked");
                false
            }
        }
    }

    async fn tell(
        &self,
        oauth: &OAuth2,
        revocation: &Revocation,
        access: Option<&SecretString>,
        refresh: Option<&SecretString>,
        deadline: Instant,
    ) -> Result<StatusCode> {
        let request = request(oauth, revocation, access, refresh, deadline)?;
        let late = || Error::new(Kind::ProviderTimeout, "The provider did not answer in time");
        let sent = timeout_at(deadline, self.0.transport.send(request)).await.map_err(|_| late())?;
        Ok(sent?.status)
    }
}

fn request(
    oauth: &OAuth2,
    revocation: &Revocation,
    access: Option<&SecretString>,
    refresh: Option<&SecretString>,
    deadline: Instant,
) -> Result<Request> {
    let mut url = oauth::parse_url(&revocation.url, "revocation")?;
    let given = if revocation.access { access } else { refresh.or(access) };
    let token = given.ok_or_else(|| Error::internal("no token to revoke"))?.expose_secret();
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    let mut members: Vec<(&str, &str)> = Vec::new();
    if !matches!(revocation.place, TokenPlace::Path | TokenPlace::Nowhere) {
        members.push(("token", token));
    }
    members.extend(revocation.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    match revocation.by {
        Revoker::Client => members.extend(token::client(oauth, &mut headers)),
        Revoker::Bearer => {
            let bearer = access.ok_or_else(|| Error::internal("no access token to revoke with"))?.expose_secret();
            let scheme = if revocation.scheme.is_empty() { "Bearer" } else { &revocation.scheme };
            let mut value = HeaderValue::from_str(&format!("{scheme} {bearer}")).map_err(Error::internal)?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        Revoker::Nobody => {}
    }
    if revocation.place == TokenPlace::Path
        && let Ok(mut segments) = url.path_segments_mut()
    {
        segments.pop_if_empty().push(token);
    }
    let body = match revocation.place {
        TokenPlace::Query | TokenPlace::Path => {
            if !members.is_empty() {
                url.query_pairs_mut().extend_pairs(members);
            }
            Body::Empty
        }
        TokenPlace::Json => {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            let members: Map<String, Value> =
                members.into_iter().map(|(name, value)| (name.to_owned(), Value::from(value))).collect();
            Body::Bytes(Value::Object(members).to_string().into())
        }
        TokenPlace::Nowhere if members.is_empty() => Body::Empty,
        TokenPlace::Form | TokenPlace::Nowhere => {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
            let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(members).finish();
            Body::Bytes(Bytes::from(form))
        }
    };
    Ok(Request {
        method: revocation.method.clone().unwrap_or(Method::POST),
        url,
        headers,
        sensitive: Vec::new(),
        body,
        hosts: oauth.hosts.clone(),
        deadline,
        idle: token::IDLE,
        follow_redirects: false,
        retryable: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grant::ClientAuth;

    fn sent(revocation: Revocation, client_auth: ClientAuth) -> (String, String, String) {
        let oauth = OAuth2 {
            client_id: "c".to_owned(),
            client_secret: Some(SecretString::from("s")),
            client_auth,
            ..OAuth2::default()
        };
        let revocation = Revocation { url: "https://p.example/revoke".to_owned(), ..revocation };
        let (access, refresh) = (SecretString::from("a/1"), SecretString::from("r/1"));
        let request = request(&oauth, &revocation, Some(&access), Some(&refresh), Instant::now()).unwrap();
        let body = match request.body {
            Body::Bytes(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
            _ => String::new(),
        };
        let header = |name| request.headers.get(name).map_or("", |value| value.to_str().unwrap()).to_owned();
        (format!("{} {}", request.method, request.url), header(AUTHORIZATION), body)
    }

    #[test]
    fn every_way_carries_what_the_provider_asks_for() {
        use ClientAuth::{Basic, Body as InBody};
        let hint = vec![("token_type_hint".to_owned(), "refresh_token".to_owned())];
        for (revocation, auth, call, authorization, body) in [
            (
                Revocation::default(),
                InBody,
                "POST https://p.example/revoke",
                "",
                "token=r%2F1&client_id=c&client_secret=s",
            ),
            (
                Revocation { parameters: hint, ..Revocation::default() },
                Basic,
                "POST https://p.example/revoke",
                "Basic Yzpz",
                "token=r%2F1&token_type_hint=refresh_token",
            ),
            (
                Revocation { place: TokenPlace::Json, ..Revocation::default() },
                Basic,
                "POST https://p.example/revoke",
                "Basic Yzpz",
                r#"{"token":"r/1"}"#,
            ),
            (
                Revocation { place: TokenPlace::Query, by: Revoker::Nobody, ..Revocation::default() },
                InBody,
                "POST https://p.example/revoke?token=r%2F1",
                "",
                "",
            ),
            (
                Revocation {
                    place: TokenPlace::Path,
                    by: Revoker::Nobody,
                    method: Some(Method::DELETE),
                    ..Revocation::default()
                },
                InBody,
                "DELETE https://p.example/revoke/r%2F1",
                "",
                "",
            ),
            (
                Revocation { place: TokenPlace::Nowhere, by: Revoker::Bearer, ..Revocation::default() },
                InBody,
                "POST https://p.example/revoke",
                "Bearer a/1",
                "",
            ),
            (
                Revocation { access: true, by: Revoker::Nobody, ..Revocation::default() },
                InBody,
                "POST https://p.example/revoke",
                "",
                "token=a%2F1",
            ),
        ] {
            let told = format!("{revocation:?}");
            assert_eq!(sent(revocation, auth), (call.to_owned(), authorization.to_owned(), body.to_owned()), "{told}");
        }
    }
}
