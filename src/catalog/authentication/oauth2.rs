//! OAuth 2, and what is particular about a provider's way of it.

use http::{HeaderName, header};

use super::super::read::Node;

/// How the token endpoint wants the client's credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAuthentication {
    /// `client_id` and `client_secret` in the form.
    Body,
    /// HTTP Basic.
    Basic,
}

/// How the first tokens are got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GrantKind {
    /// An end user consents, and a code is exchanged.
    AuthorizationCode,
    /// The client's own id and secret are enough.
    ClientCredentials,
    /// User name and password of the configuration.
    Password,
}

/// Where a token to revoke travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenPlace {
    /// As the member `token` of a form (RFC 7009).
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RevocationAuthorization {
    /// The client, as at the token endpoint.
    Client,
    /// The bearer of the access token.
    Bearer,
    /// Nobody in particular.
    None,
}

/// Which token is revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RevokedToken {
    /// The refresh token, or the access token where there is none.
    Refresh,
    /// The access token.
    Access,
}

/// How tokens are given back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevokeSpec {
    /// Where.
    pub url: String,
    /// The verb.
    pub method: http::Method,
    /// Where the token travels.
    pub place: TokenPlace,
    /// Who revokes.
    pub authorization: RevocationAuthorization,
    /// Which token.
    pub token: RevokedToken,
    /// Further members or parameters beside the token.
    pub parameters: Vec<(String, String)>,
}

impl RevokeSpec {
    /// The way of RFC 7009.
    pub fn standard(url: String) -> Self {
        Self {
            url,
            method: http::Method::POST,
            place: TokenPlace::Form,
            authorization: RevocationAuthorization::Client,
            token: RevokedToken::Refresh,
            parameters: Vec::new(),
        }
    }

    fn read(node: &Node<'_>) -> Option<Self> {
        node.object(&["url", "method", "in", "authorization", "token", "parameters"])?;
        let url = node.require_text("url")?;
        check_url(node, &url);
        let place = match node.get("in") {
            None => TokenPlace::Form,
            Some(word) => word.word(&[
                ("form", TokenPlace::Form),
                ("json", TokenPlace::Json),
                ("query", TokenPlace::Query),
                ("path", TokenPlace::Path),
                ("nowhere", TokenPlace::Nowhere),
            ])?,
        };
        let authorization = match node.get("authorization") {
            None => RevocationAuthorization::Client,
            Some(word) => word.word(&[
                ("client", RevocationAuthorization::Client),
                ("bearer", RevocationAuthorization::Bearer),
                ("none", RevocationAuthorization::None),
            ])?,
        };
        let token = match node.get("token") {
            None => RevokedToken::Refresh,
            Some(word) => word.word(&[("refresh", RevokedToken::Refresh), ("access", RevokedToken::Access)])?,
        };
        let method = match node.get("method") {
            None => http::Method::POST,
            Some(word) => {
                word.word(&[("POST", 0), ("DELETE", 1), ("GET", 2), ("PUT", 3)]).map(|index| match index {
                    1 => http::Method::DELETE,
                    2 => http::Method::GET,
                    3 => http::Method::PUT,
                    _ => http::Method::POST,
                })?
            }
        };
        if place == TokenPlace::Nowhere && authorization != RevocationAuthorization::Bearer {
            node.problem_hint(
                "names no token anywhere",
                "set `authorization` to `bearer`, or `in` to where the token goes",
            );
        }
        Some(Self { url, method, place, authorization, token, parameters: node.text_map("parameters") })
    }
}

/// OAuth 2 at one provider.
#[derive(Debug, Clone, PartialEq)]
pub struct OAuth2Spec {
    /// How the first tokens are got.
    pub grant: GrantKind,
    /// The configuration keys of user name and password, for the password grant.
    pub user: (String, String),
    /// Where the end user is sent; may hold `{configuration.key}` placeholders, as all URLs here. Empty without consent.
    pub authorize_url: String,
    /// Where codes and refresh tokens are exchanged.
    pub token_url: String,
    /// Where refresh tokens are exchanged, when elsewhere.
    pub refresh_url: Option<String>,
    /// How tokens are revoked.
    pub revoke: Option<RevokeSpec>,
    /// How the client authenticates.
    pub client_authentication: ClientAuthentication,
    /// What separates scopes.
    pub scope_separator: String,
    /// The scope asked for when neither caller nor configuration names one.
    pub scope: Option<String>,
    /// Further parameters of the authorize URL.
    pub authorize_parameters: Vec<(String, String)>,
    /// Further parameters of the calls that get the first tokens.
    pub token_parameters: Vec<(String, String)>,
    /// Whether PKCE (S256) is used.
    pub pkce: bool,
    /// OAuth error codes that mean a dead grant, besides `invalid_grant`.
    pub dead_errors: Vec<String>,
    /// The access token's life in seconds when the token answer does not say.
    pub default_lifetime_s: Option<u64>,
    /// How many days a refresh token lives that nobody uses; `None` is for ever.
    pub refresh_idle_days: Option<u64>,
    /// Members of the token answer that become instance configuration: (configuration key, member).
    pub capture: Vec<(String, String)>,
    /// Parameters of the callback that become instance configuration: (configuration key, parameter).
    pub callback: Vec<(String, String)>,
    /// The header that carries the access token.
    pub header: HeaderName,
    /// What stands before it, without the blank; empty for nothing.
    pub scheme: String,
}

impl OAuth2Spec {
    pub(super) fn keys(&self) -> Vec<&str> {
        match self.grant {
            GrantKind::AuthorizationCode => Vec::new(),
            GrantKind::ClientCredentials => CLIENT_KEYS.to_vec(),
            GrantKind::Password => {
                CLIENT_KEYS.into_iter().chain([self.user.0.as_str(), self.user.1.as_str()]).collect()
            }
        }
    }

    pub(super) fn urls(&self) -> Vec<&str> {
        let revoke = self.revoke.as_ref().map(|revoke| revoke.url.as_str());
        [Some(self.authorize_url.as_str()), Some(&self.token_url), self.refresh_url.as_deref(), revoke]
            .into_iter()
            .flatten()
            .collect()
    }

    pub(super) fn read(node: &Node<'_>) -> Option<Self> {
        node.object(&[
            "type",
            "grant",
            "username",
            "password",
            "authorizeUrl",
            "tokenUrl",
            "refreshUrl",
            "revokeUrl",
            "revoke",
            "clientAuthentication",
            "scopeSeparator",
            "scope",
            "authorizeParameters",
            "tokenParameters",
            "pkce",
            "deadErrors",
            "defaultLifetimeSeconds",
            "refreshTokenIdleDays",
            "capture",
            "callback",
            "header",
            "scheme",
        ])?;
        let grant = match node.get("grant") {
            None => GrantKind::AuthorizationCode,
            Some(word) => word.word(&[
                ("authorization_code", GrantKind::AuthorizationCode),
                ("client_credentials", GrantKind::ClientCredentials),
                ("password", GrantKind::Password),
            ])?,
        };
        let consent = grant == GrantKind::AuthorizationCode;
        let foreign: &[&str] = match grant {
            GrantKind::AuthorizationCode => &["username", "password"],
            GrantKind::ClientCredentials => {
                &["username", "password", "authorizeUrl", "authorizeParameters", "pkce", "callback", IDLE]
            }
            // Such grants are got anew when the refresh token is refused.
            GrantKind::Password => &["authorizeUrl", "authorizeParameters", "pkce", "callback", IDLE],
        };
        for place in foreign.iter().filter_map(|key| node.get(key)) {
            place.problem_hint("means nothing with this `grant`", "leave it out");
        }
        let url = |key: &str| {
            let url = node.opt_text(key);
            if let (Some(url), Some(place)) = (&url, node.get(key)) {
                check_url(&place, url);
            }
            url
        };
        let revoke = match (node.get("revoke"), url("revokeUrl")) {
            (Some(place), None) => RevokeSpec::read(&place),
            (None, url) => url.map(RevokeSpec::standard),
            (Some(place), Some(_)) => {
                place.problem_hint("stands beside `revokeUrl`", "leave one of the two out");
                None
            }
        };
        let header = node.opt_text("header");
        let header = header.map_or(Some(header::AUTHORIZATION), |name| node.header_name(&name))?;
        if consent {
            node.require("authorizeUrl")?;
        }
        node.require("tokenUrl")?;
        Some(Self {
            grant,
            user: (
                node.opt_text("username").unwrap_or_else(|| "username".to_owned()),
                node.opt_text("password").unwrap_or_else(|| "password".to_owned()),
            ),
            authorize_url: url("authorizeUrl").unwrap_or_default(),
            token_url: url("tokenUrl")?,
            refresh_url: url("refreshUrl"),
            revoke,
            client_authentication: node
                .get("clientAuthentication")
                .and_then(|word| {
                    word.word(&[("body", ClientAuthentication::Body), ("basic", ClientAuthentication::Basic)])
                })
                .unwrap_or(ClientAuthentication::Body),
            scope_separator: node.opt_text("scopeSeparator").unwrap_or_else(|| " ".to_owned()),
            scope: node.opt_text("scope"),
            authorize_parameters: node.text_map("authorizeParameters"),
            token_parameters: node.text_map("tokenParameters"),
            pkce: node.flag("pkce", false),
            dead_errors: node.texts("deadErrors"),
            default_lifetime_s: node.opt_number("defaultLifetimeSeconds"),
            refresh_idle_days: idle_days(node),
            capture: node.text_map("capture"),
            callback: node.text_map("callback"),
            header,
            scheme: node.opt_text("scheme").unwrap_or_else(|| "Bearer".to_owned()),
        })
    }
}

const IDLE: &str = "refreshTokenIdleDays";

/// How many days a refresh token lives that nobody uses.
fn idle_days(node: &Node<'_>) -> Option<u64> {
    let days: u64 = node.opt_number(IDLE)?;
    if let Some(place) = node.get(IDLE).filter(|_| !(1..=3650).contains(&days)) {
        place.problem_hint(format!("{days} is no number of days a token lives"), "write 1 to 3650, or leave it out");
    }
    Some(days)
}

/// What a token got without an end user depends on.
const CLIENT_KEYS: [&str; 4] = ["oauth.api.key", "oauth.api.secret", "oauth.scope", "oauth.token.url"];

/// Notes a URL that is neither https nor taken from the configuration, or whose braces are not closed.
pub(super) fn check_url(node: &Node<'_>, url: &str) {
    let allowed = ["https://", "{", "http://127.0.0.1", "http://localhost", "http://[::1]"];
    if !allowed.iter().any(|start| url.starts_with(start)) {
        node.problem_hint(
            format!("`{url}` is not an https URL"),
            "begin with https:// or a {configuration} placeholder",
        );
    }
    if url.matches('{').count() != url.matches('}').count() {
        node.problem_hint(format!("`{url}` has a brace too many"), "write placeholders like {site.address}");
    }
}
