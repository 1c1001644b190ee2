//! The account and its token.

use axum::http::HeaderMap;
use serde_json::{Value, json};

use super::{
    Api, Caller, args,
    authorization::account_id,
    failure::{Failure, Outcome},
    tree::ROOT_NAMESPACE,
};
use crate::{core::person, http::header_text};

/// What a Plus account holds.
pub(super) const ALLOCATED: u64 = 2 * 1024 * 1024 * 1024 * 1024;

/// `users/get_current_account`
pub(super) fn current_account(caller: &Caller) -> Value {
    let person = person(caller.account);
    let (given, surname, email) = match &caller.member {
        Some(member) => (member.given.as_str(), member.surname.as_str(), member.email.as_str()),
        None => (person.given, person.surname, person.email),
    };
    json!({
        "account_id": account_id(caller.account),
        "name": {
            "given_name": given,
            "surname": surname,
            "familiar_name": given,
            "display_name": format!("{given} {surname}"),
            "abbreviated_name": format!("{given:.1}{surname:.1}"),
        },
        "email": email,
        "email_verified": true,
        "disabled": false,
        "country": "SE",
        "locale": "en",
        "referral_link": "https://www.dropbox.com/referrals/sandbox",
        "is_paired": false,
        "account_type": { ".tag": if caller.member.is_some() { "business" } else { "pro" } },
        "root_info": {
            ".tag": "user",
            "root_namespace_id": ROOT_NAMESPACE,
            "home_namespace_id": ROOT_NAMESPACE,
        },
    })
}

/// `users/get_space_usage`
pub(super) fn space_usage(api: &Api, caller: &Caller) -> Value {
    let used = api.drive(caller.account, |drive| drive.used());
    match caller.member {
        None => json!({ "used": used, "allocation": { ".tag": "individual", "allocated": ALLOCATED } }),
        Some(_) => json!({ "used": used, "allocation": {
            ".tag": "team", "used": used, "allocated": ALLOCATED,
            "user_within_team_space_allocated": 0, "user_within_team_space_limit_type": { ".tag": "off" },
            "user_within_team_space_used_cached": used,
        } }),
    }
}

/// `auth/token/revoke`
pub(super) fn revoke_token(api: &Api, headers: &HeaderMap) -> Value {
    let token = header_text(headers, "authorization").and_then(|text| text.split_once(' ')).map(|(_, token)| token);
    api.core.oauth.revoke_grant(token.unwrap_or_default().trim());
    Value::Null
}

/// `check/user`
pub(super) fn check(echo: &args::Echo) -> Outcome {
    if echo.query.chars().count() > 500 {
        return Err(Failure::Bad("request body: query: must be at most 500 characters".to_owned()));
    }
    Ok(json!({ "result": echo.query }))
}
