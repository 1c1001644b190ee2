//! Who is calling: `Authorization: User <secret>, Organization <secret>, Element <token>`.
//!
//! Pairs stand in any order, parted by commas; scheme and value are parted by the first blank. Clients of the contract
//! write `Element: <token>` and `Token <token>`, too. An instance token suffices for calls through that instance;
//! whatever comes along with it must be right as well.

use std::sync::Arc;

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderValue, header::AUTHORIZATION, request::Parts},
};

use super::{error::Failure, extract::RequestId, front::Ledger};
use crate::{
    app::App,
    error::{Error, Kind, Result},
    store::{Actor, By, InstanceRecord, Organization, User},
};

const REFUSED: &str = "Invalid Organization or User secret, or invalid Element token provided.";

/// The caller, as far as credentials came along; every one of them has been checked.
#[derive(Debug, Clone, Default)]
pub struct Caller {
    /// The user.
    pub user: Option<Arc<User>>,
    /// The organization.
    pub organization: Option<Arc<Organization>>,
    /// The instance.
    pub instance: Option<Arc<InstanceRecord>>,
    /// The request's id.
    pub request: Option<Arc<str>>,
}

impl Caller {
    /// The instance whose token came along.
    ///
    /// # Errors
    /// [`Kind::Unauthorized`] when none did.
    pub fn require_instance(&self) -> Result<&Arc<InstanceRecord>> {
        self.instance.as_ref().ok_or_else(|| Error::unauthorized("This call needs `Authorization: Element <token>`"))
    }

    /// The instance whose token came along, if it is switched on.
    ///
    /// # Errors
    /// [`Kind::Unauthorized`] when none did, [`Kind::Forbidden`] when it is switched off.
    pub fn require_enabled_instance(&self) -> Result<&Arc<InstanceRecord>> {
        let instance = self.require_instance()?;
        if instance.disabled {
            return Err(Error::new(Kind::Forbidden, "The element instance is disabled"));
        }
        Ok(instance)
    }

    /// The user with the organization.
    ///
    /// # Errors
    /// [`Kind::Unauthorized`] when either is missing.
    pub fn require_account(&self) -> Result<(&Arc<User>, &Arc<Organization>)> {
        self.user
            .as_ref()
            .zip(self.organization.as_ref())
            .ok_or_else(|| Error::unauthorized("This call needs `Authorization: User <secret>, Organization <secret>`"))
    }

    /// The caller, for the audit log: his account, where he came with one, else the instance's token.
    pub fn actor(&self) -> Actor {
        let by = match (&self.user, &self.instance) {
            (Some(user), _) => By::User(user.id),
            (None, Some(instance)) => By::Instance(instance.id),
            // No route serves such a caller.
            (None, None) => By::Gateway,
        };
        Actor { by, request: self.request.clone() }
    }

    /// Looks up and checks what the request brings.
    ///
    /// # Errors
    /// [`Kind::Unauthorized`] when there is nothing, or anything of it is wrong; what the store says when it fails.
    pub async fn identify(app: &App, headers: &HeaderMap) -> Result<Self> {
        let credentials = Credentials::of(headers).ok_or_else(refused)?;
        let mut caller = Self::default();
        if let Some(secret) = credentials.organization {
            caller.organization = Some(app.accounts.organization(secret).await?.ok_or_else(refused)?);
        }
        if let Some(secret) = credentials.user {
            caller.user = Some(app.accounts.user(secret).await?.ok_or_else(refused)?);
        }
        if let Some(token) = credentials.element {
            caller.instance = Some(app.directory.by_token(token).await?.ok_or_else(refused)?);
        }
        if caller.is_of_one_house() { Ok(caller) } else { Err(refused()) }
    }

    /// Counts the call against the limits of its instance and account.
    async fn count(&self, app: &App, ledger: &Ledger) -> Result<()> {
        let instance = self.instance.as_ref().map(|instance| instance.id);
        let account = [
            self.instance.as_ref().map(|instance| instance.organization_id),
            self.organization.as_ref().map(|organization| organization.id),
            self.user.as_ref().map(|user| user.organization_id),
        ];
        match app.rates.take(instance, account.into_iter().flatten().next()).await {
            Ok(left) => ledger.note(left),
            Err(exceeded) => {
                ledger.note(vec![exceeded.allowance]);
                return Err(exceeded.error);
            }
        }
        Ok(())
    }

    /// Whether user, organization and instance belong together.
    fn is_of_one_house(&self) -> bool {
        let houses = [
            self.organization.as_ref().map(|organization| organization.id),
            self.user.as_ref().map(|user| user.organization_id),
            self.instance.as_ref().map(|instance| instance.organization_id),
        ];
        let mut houses = houses.into_iter().flatten();
        let first = houses.next();
        houses.all(|house| Some(house) == first)
    }
}

/// The instance token, where it came without anything else.
pub(super) fn only_token(headers: &HeaderMap) -> Option<&str> {
    match Credentials::of(headers)? {
        Credentials { user: None, organization: None, element } => element,
        _ => None,
    }
}

impl FromRequestParts<App> for Caller {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Failure> {
        let mut caller = Self::identify(app, &parts.headers).await?;
        caller.request = parts.extensions.get::<RequestId>().map(|id| Arc::clone(&id.0));
        if let Some(ledger) = parts.extensions.get::<Ledger>() {
            caller.count(app, ledger).await?;
        }
        Ok(caller)
    }
}

fn refused() -> Error {
    Error::unauthorized(REFUSED)
}

/// Reads `bytes` as the header, and forgets what it said.
pub(super) fn read(bytes: &[u8]) {
    if let Ok(value) = HeaderValue::from_bytes(bytes) {
        let headers: HeaderMap = [(AUTHORIZATION, value)].into_iter().collect();
        let _read = Credentials::of(&headers);
    }
}

/// The secrets of a header, unchecked.
#[derive(Default, PartialEq, Eq)]
struct Credentials<'a> {
    user: Option<&'a str>,
    organization: Option<&'a str>,
    element: Option<&'a str>,
}

impl<'a> Credentials<'a> {
    /// `None` when there is no header, or anything in it is malformed, doubled or unknown.
    fn of(headers: &'a HeaderMap) -> Option<Self> {
        let mut found = Self::default();
        for header in headers.get_all(AUTHORIZATION) {
            for pair in header.to_str().ok()?.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
                let (scheme, value) = split_pair(pair)?;
                let place = match () {
                    () if scheme.eq_ignore_ascii_case("user") => &mut found.user,
                    () if scheme.eq_ignore_ascii_case("organization") => &mut found.organization,
                    () if scheme.eq_ignore_ascii_case("element") || scheme.eq_ignore_ascii_case("token") => {
                        &mut found.element
                    }
                    () => return None,
                };
                if place.replace(value).is_some_and(|earlier| earlier != value) {
                    return None;
                }
            }
        }
        (found != Self::default()).then_some(found)
    }
}

/// Scheme and value; a colon may stand behind the scheme.
fn split_pair(pair: &str) -> Option<(&str, &str)> {
    // The text of a header is ASCII.
    let blank = pair.bytes().position(|byte| byte.is_ascii_whitespace());
    let (scheme, value) = blank.and_then(|at| pair.split_at_checked(at)).or_else(|| pair.split_once(':'))?;
    let (scheme, value) = (scheme.trim_end_matches(':'), value.trim());
    let value = value.strip_prefix(':').map_or(value, str::trim_start);
    (!value.is_empty() && !value.bytes().any(|byte| byte.is_ascii_whitespace())).then_some((scheme, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(lines: &[&str]) -> Option<(Option<String>, Option<String>, Option<String>)> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(AUTHORIZATION, HeaderValue::from_str(line).unwrap());
        }
        let owned = |value: Option<&str>| value.map(ToOwned::to_owned);
        Credentials::of(&headers).map(|c| (owned(c.user), owned(c.organization), owned(c.element)))
    }

    #[test]
    fn every_spelling_of_the_contract_is_read() {
        let all = Some((Some("u/+=".to_owned()), Some("o".to_owned()), Some("e+/=".to_owned())));
        for line in [
            "User u/+=, Organization o, Element e+/=",
            "Element e+/=,Organization o,User u/+=",
            "  user   u/+= ,ORGANIZATION o ,, element: e+/= ,",
            "User u/+=, Organization: o, Token e+/=",
            "User:u/+=, Organization :o, Element\te+/=",
        ] {
            assert_eq!(parsed(&[line]), all, "{line}");
        }
        assert_eq!(parsed(&["User u/+=", "Organization o, Element e+/="]), all);
        assert_eq!(parsed(&["Element e"]), Some((None, None, Some("e".to_owned()))));
        assert_eq!(parsed(&["Element e, Token e"]), Some((None, None, Some("e".to_owned()))));
    }

    #[test]
    fn anything_else_is_nothing() {
        for line in ["", ",", "User", "User ", "User:", "Bearer x", "User a b", "User a, User b", "User a, Basic x"] {
            assert_eq!(parsed(&[line]), None, "{line}");
        }
        assert_eq!(parsed(&[]), None);
    }
}
