//! What a configuration must satisfy, and the proof that its credentials work.

use std::sync::Arc;

use serde_json::{Map, Value};
use tokio::time::Instant;

use super::{
    change::put_all,
    connector::Connector,
    credentials::{Fresh, Obtained, Source, obtain},
    draft::{Draft, External},
    egress,
    settings::{self, Needs, oauth2},
};
use crate::{
    catalog::{Authentication, ConfigurationEntry, Element},
    error::{Detail, Error, Kind, Result},
    instance::configuration::Values,
    provider::Connection,
    upstream::guard::Guard,
};

impl Connector {
    /// Checks the configuration, gets the tokens and tries them; `own` takes up what the token answer gave.
    pub(super) async fn prove(
        &self,
        element: &Element,
        inherited: &Values,
        own: &mut Values,
        draft: &Draft,
        external: External,
        deadline: Instant,
    ) -> Result<Option<Obtained>> {
        let source = Source::of(element, draft, external)?;
        let missing = settings::missing(element, &own.over(inherited), Source::needs(source.as_ref()));
        let oauth = matches!(element.authentication, Authentication::OAuth2(_));
        let absent = if oauth && source.is_none() { Source::absent(external) } else { Vec::new() };
        self.report(element, inherited, own, &missing, None, absent)?;
        let obtained = match source {
            Some(source) => {
                let settings = oauth2(element, &own.over(inherited))?;
                Some(obtain(&self.0.grants, &self.0.clock, &settings, source, deadline).await?)
            }
            None => None,
        };
        if let Some(obtained) = &obtained {
            put_all(own, element, &obtained.capture);
            self.check_capture(element, &own.over(inherited), &obtained.capture)?;
        }
        let effective = own.over(inherited);
        let connection = Connection {
            instance_id: 0,
            configuration: effective.clear,
            secrets: effective.secrets,
            credentials: Arc::new(Fresh(obtained.as_ref().and_then(|obtained| obtained.grant.access.clone()))),
        };
        self.0.probe.probe(element, &connection, deadline).await.map_err(refused)?;
        Ok(obtained)
    }

    /// Checks a change that brings no credentials: it may not take away what is required, nor name a foreign host.
    pub(super) fn check_change(
        &self,
        element: &Element,
        inherited: &Values,
        before: &Values,
        after: &Values,
        sent: Option<&Map<String, Value>>,
    ) -> Result<()> {
        let lacking = settings::missing(element, &before.over(inherited), Needs::Everything);
        let mut missing = settings::missing(element, &after.over(inherited), Needs::Everything);
        missing.retain(|entry| !lacking.contains(entry));
        self.report(element, inherited, after, &missing, sent, Vec::new())
    }

    /// Every finding about the configuration at once. With `sent`, only the hosts of what was sent are looked at.
    fn report(
        &self,
        element: &Element,
        inherited: &Values,
        own: &Values,
        missing: &[&ConfigurationEntry],
        sent: Option<&Map<String, Value>>,
        absent: Vec<Detail>,
    ) -> Result<()> {
        let effective = own.over(inherited);
        let keys: Vec<&str> = missing.iter().map(|entry| entry.key.as_str()).collect();
        let mut details: Vec<Detail> = missing
            .iter()
            .map(|entry| Detail {
                pointer: super::configuration_pointer(&entry.key),
                detail: format!("`{}` ({}) is required", entry.key, entry.name),
            })
            .collect();
        details.extend(settings::out_of_range(element, own));
        let own_keys = own.clear.keys().chain(own.secrets.keys()).map(String::as_str);
        let looked_at = own_keys.filter(|key| sent.is_none_or(|sent| sent.contains_key(*key)));
        let guard = Guard::new(&self.0.config.egress.allow)?;
        details.extend(egress::check(element, &guard, &effective, looked_at));
        let message = match (keys.is_empty(), details.first(), absent.first()) {
            (true, None, None) => return Ok(()),
            (false, _, _) => format!("Missing required configuration: {}", keys.join(", ")),
            (true, Some(first), _) => format!("Invalid configuration: {}", first.detail),
            (true, None, Some(first)) => format!("Missing credentials: {} {}", first.pointer, first.detail),
        };
        details.extend(absent);
        Err(details
            .into_iter()
            .fold(Error::bad_request(message), |error, detail| error.with_detail(detail.pointer, detail.detail)))
    }

    /// The provider's own word for where an account lives is still no leave to call any host.
    fn check_capture(&self, element: &Element, effective: &Values, capture: &Map<String, Value>) -> Result<()> {
        let keys = capture.keys().map(String::as_str);
        let guard = Guard::new(&self.0.config.egress.allow)?;
        match egress::check(element, &guard, effective, keys).into_iter().next() {
            None => Ok(()),
            Some(finding) => Err(Error::new(
                Kind::ProviderFailed,
                format!("The provider's token answer cannot be used: {}", finding.detail),
            )),
        }
    }

    /// Whether a change touches what an element without OAuth is called with.
    pub(super) fn credentials_changed(element: &Element, inherited: &Values, before: &Values, after: &Values) -> bool {
        let keys: Vec<&str> = match &element.authentication {
            Authentication::OAuth2(_) => return false,
            Authentication::Basic(basic) => vec![&basic.username, &basic.password],
            Authentication::ApiKey { key, .. } => vec![key],
            Authentication::None => Vec::new(),
        };
        let (before, after) = (before.over(inherited), after.over(inherited));
        let roots = element.hosts.iter().map(|host| host.configuration.as_str());
        keys.into_iter().chain(roots).any(|key| before.text(key) != after.text(key))
    }
}

/// A provider that refuses fresh credentials refuses what the caller sent; its outages stay outages.
fn refused(error: Error) -> Error {
    let public = match error.kind() {
        Kind::Unauthorized | Kind::ReauthRequired | Kind::Forbidden if error.provider().is_some() => {
            "The provider refused the credentials"
        }
        Kind::BadRequest | Kind::NotFound if error.provider().is_some() => {
            "The provider refused the call that checks the credentials"
        }
        _ => return error,
    };
    let refusal = Error::bad_request(public);
    match error.provider().cloned() {
        Some(fault) => refusal.with_provider(fault),
        None => refusal,
    }
    .with_source(error)
}
