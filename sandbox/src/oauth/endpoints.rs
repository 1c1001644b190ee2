//! The authorization server's HTTP endpoints.

use std::sync::Arc;

use axum::{
    Router,
    body::Bytes,
    extract::{RawQuery, State},
    http::{HeaderMap, header},
    response::Response,
    routing::{get, post},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Value};
use url::Url;

use super::{ClientAuth, Refusal, Server, page};
use crate::{
    core::{Core, PEOPLE, person},
    http::{Form, empty, form, header_text, json, media_type, raw, with_header},
};

/// The authorize, token and revocation routes.
pub(crate) fn router(core: &Arc<Core>) -> Router {
    let rules = &core.oauth.rules;
    let mut router = Router::new();
    if !rules.authorize_path.is_empty() {
        router = router.route(rules.authorize_path, get(authorize).post(decide));
    }
    for path in rules.token_paths {
        router = router.route(path, post(token));
    }
    if let Some(path) = rules.revoke_path {
        router = router.route(path, post(revoke));
    }
    router.with_state(Arc::clone(core))
}

async fn authorize(State(core): State<Arc<Core>>, RawQuery(query): RawQuery) -> Response {
    let mut query = form(query.unwrap_or_default().as_bytes());
    let decision = query.remove("_decision");
    let account = query.remove("_account");
    let automatic = core.oauth.auto_approve().then(|| "allow".to_owned());
    match (core.oauth.examine(&query), decision.or(automatic)) {
        (Ok(redirect), Some(decision)) => answer(&core.oauth, redirect, &query, &decision, account.as_deref()),
        (Ok(_), None) => {
            let html = page::consent(core.oauth.rules.name, core.oauth.rules.authorize_path, &query);
            raw(200, "text/html; charset=utf-8", html)
        }
        (Err(refusal), _) => refuse_page(&query, refusal),
    }
}

async fn decide(State(core): State<Arc<Core>>, body: Bytes) -> Response {
    let mut query = form(&body);
    let decision = query.remove("_decision").unwrap_or_default();
    let account = query.remove("_account");
    match core.oauth.examine(&query) {
        Ok(redirect) => answer(&core.oauth, redirect, &query, &decision, account.as_deref()),
        Err(refusal) => refuse_page(&query, refusal),
    }
}

fn answer(server: &Server, redirect: Option<Url>, query: &Form, decision: &str, account: Option<&str>) -> Response {
    let account = person(account.and_then(|number| number.parse().ok()).unwrap_or(1)).number;
    let allowed = decision == "allow";
    match redirect {
        Some(mut redirect) => {
            if allowed {
                redirect
                    .query_pairs_mut()
                    .append_pair("code", &server.approve(query, account))
                    .extend_pairs(server.told());
            } else {
                redirect
                    .query_pairs_mut()
                    .append_pair("error", "access_denied")
                    .append_pair("error_description", "The user denied access to your application");
            }
            send_back(redirect, query)
        }
        None if allowed => raw(200, "text/html; charset=utf-8", page::code(&server.approve(query, account))),
        None => raw(200, "text/html; charset=utf-8", page::problem("You denied access.")),
    }
}

/// Shows what is wrong, or sends it to the client where that is safe (RFC 6749 section 4.1.2.1).
fn refuse_page(query: &Form, refusal: Refusal) -> Response {
    let redirect = query.get("redirect_uri").and_then(|uri| super::acceptable(uri));
    match (refusal, redirect) {
        (Refusal::UnsupportedResponseType | Refusal::BadChallenge | Refusal::Missing("scope"), Some(mut redirect)) => {
            redirect
                .query_pairs_mut()
                .append_pair("error", refusal.code())
                .append_pair("error_description", &refusal.describe());
            send_back(redirect, query)
        }
        _ => raw(400, "text/html; charset=utf-8", page::problem(&refusal.describe())),
    }
}

fn send_back(mut redirect: Url, query: &Form) -> Response {
    if let Some(state) = query.get("state") {
        redirect.query_pairs_mut().append_pair("state", state);
    }
    with_header(empty(302), header::LOCATION, redirect.as_str())
}

/// The providers whose users may sign in with name and password at the token endpoint.
const WITH_PASSWORDS: &[&str] = &["dynamicscrmadfs"];
/// Everybody's password.
const PASSWORD: &str = "sandbox-password";

async fn token(State(core): State<Arc<Core>>, headers: HeaderMap, body: Bytes) -> Response {
    let server = &core.oauth;
    let answer = read_form(&headers, &body).and_then(|form| {
        core.calls.token_call(form.get("grant_type").map_or("none", String::as_str));
        grant(server, &headers, &form)
    });
    match answer {
        Ok(members) => {
            let answer = json(200, &Value::Object(members));
            with_header(answer, header::CACHE_CONTROL, "no-store")
        }
        Err(refusal) => {
            core.calls.token_refused();
            (server.rules.refusal)(refusal)
        }
    }
}

fn grant(server: &Server, headers: &HeaderMap, form: &Form) -> Result<Map<String, Value>, Refusal> {
    let grant_type = form.get("grant_type").filter(|text| !text.is_empty()).ok_or(Refusal::Missing("grant_type"))?;
    match grant_type.as_str() {
        "authorization_code" => {
            let given = authenticate(server, headers, form, form.contains_key("code_verifier"))?;
            let code = form.get("code").filter(|text| !text.is_empty()).ok_or(Refusal::Missing("code"))?;
            let redirect = form.get("redirect_uri").map(String::as_str);
            server.exchange(code, redirect, form.get("code_verifier").map(String::as_str), given)
        }
        "refresh_token" => {
            let given = authenticate(server, headers, form, server.rules.pkce)?;
            let token = form.get("refresh_token").filter(|text| !text.is_empty());
            server.refresh(token.ok_or(Refusal::Missing("refresh_token"))?, given)
        }
        "password" if WITH_PASSWORDS.contains(&server.rules.name) => {
            authenticate(server, headers, form, server.rules.pkce)?;
            let given = |name| form.get(name).map_or("", String::as_str);
            let person = PEOPLE.iter().find(|person| person.email == given("username"));
            let person = person.filter(|_| given("password") == PASSWORD).ok_or(Refusal::UnknownCode)?;
            let code = server.approve(form, person.number);
            server.exchange(&code, None, None, true)
        }
        _ => Err(Refusal::UnsupportedGrantType),
    }
}

async fn revoke(State(core): State<Arc<Core>>, headers: HeaderMap, body: Bytes) -> Response {
    let server = &core.oauth;
    let answer = read_form(&headers, &body).and_then(|form| {
        if server.rules.revoke_wants_client {
            authenticate(server, &headers, &form, false)?;
        }
        let token = form.get("token").filter(|text| !text.is_empty()).ok_or(Refusal::Missing("token"))?;
        if server.revoke_grant(token) { Ok(()) } else { Err(Refusal::UnknownToken) }
    });
    match answer {
        Ok(()) => empty(200),
        Err(refusal) => (server.rules.refusal)(refusal),
    }
}

fn read_form(headers: &HeaderMap, body: &[u8]) -> Result<Form, Refusal> {
    if media_type(headers).as_deref() != Some("application/x-www-form-urlencoded") {
        return Err(Refusal::NotForm);
    }
    Ok(form(body))
}

/// Checks the client's id and secret; true when the secret was given, which it need not be with a proof key.
fn authenticate(server: &Server, headers: &HeaderMap, form: &Form, without_secret: bool) -> Result<bool, Refusal> {
    let basic = header_text(headers, "authorization").and_then(|text| text.strip_prefix("Basic "));
    let (id, secret) = match (basic, server.rules.client_auth) {
        (Some(_), ClientAuth::Body) | (None, ClientAuth::Basic) => return Err(Refusal::WrongClientAuth),
        (Some(encoded), ClientAuth::Either | ClientAuth::Basic) => {
            let decoded = STANDARD.decode(encoded.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            let (id, secret) = decoded
                .as_deref()
                .and_then(|text| text.split_once(':'))
                .map(|(id, secret)| (id.to_owned(), secret.to_owned()))
                .ok_or(Refusal::UnknownClient)?;
            (id, Some(secret))
        }
        (None, _) => {
            let id = form.get("client_id").filter(|text| !text.is_empty()).ok_or(Refusal::Missing("client_id"))?;
            (id.clone(), form.get("client_secret").filter(|text| !text.is_empty()).cloned())
        }
    };
    if id != server.client_id {
        return Err(Refusal::UnknownClient);
    }
    match secret {
        Some(secret) if secret == server.client_secret => Ok(true),
        None if without_secret && server.rules.pkce => Ok(false),
        _ => Err(Refusal::WrongSecret),
    }
}
