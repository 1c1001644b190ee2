//! The account and its token.

use axum::http::HeaderMap;
use serde_json::{Value, json};

use super::{
    Api, args,
    authorization::account_id,
    failure::{Failure, Outcome},
    tree::ROOT_NAMESPACE,
};
use crate::{core::person, http::header_text};

/// What a Plus account holds.
pub(super) const ALLOCATED: u64 = 2 * 1024 * 1024 * 1024 * 1024;

/// `users/get_current_account`
pub(super) fn current_account(account: u32) -> Value {
    let person = person(account);
    json!({
        "account_id": account_id(account),
        "name": {
            "given_name": person.given,
            "surname": person.surname,
            "familiar_name": person.given,
            "display_name": person.full(),
            "abbreviated_name": format!("{:.1}{:.1}", person.given, person.surname),
        },
        "email": person.email,
        "email_verified": true,
        "disabled": false,
        "country": "SE",
        "locale": "en",
        "referral_link": "https://www.dropbox.com/referrals/sandbox",
        "is_paired": false,
        "account_type": { ".tag": "pro" },
        "root_info": {
            ".tag": "user",
            "root_namespace_id": ROOT_NAMESPACE,
            "home_namespace_id": ROOT_NAMESPACE,
        },
    })
}

/// `users/get_space_usage`
pub(super) fn space_usage(api: &Api, account: u32) -> Value {
    let used = api.drive(account, |drive| drive.used());
    json!({ "used": used, "allocation": { ".tag": "individual", "allocated": ALLOCATED } })
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
