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
    settings::{self, Needs},
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
        let (_, authentication) = settings::chosen(element, &own.over(inherited));
        let source = Source::of(authentication, draft, external)?;
        let source = source.or_else(|| authentication.gets_tokens_by_keys().then_some(Source::Keys));
        let brought = brought(authentication, draft);
        put_all(own, element, &brought);
        let missing = settings::missing(element, &own.over(inherited), Source::needs(source.as_ref()));
        let mut absent = if authentication.uses_tokens() && source.is_none() {
            Source::absent(authentication, external)
        } else {
            Vec::new()
        };
        if matches!(source, Some(Source::Code { .. } | Source::Verifier { .. })) {
            absent.extend(not_brought(authentication, &missing));
        }
        self.report(element, inherited, own, &missing, None, absent)?;
        let obtained = match source {
            Some(source) => {
                if let Some(finding) = self.foreign(element, &own.over(inherited), &brought)? {
                    return Err(Error::bad_request(format!("Invalid providerData: {}", finding.detail))
                        .with_detail(finding.pointer, finding.detail));
                }
                let client = settings::client(element, &own.over(inherited))?;
                let mut obtained = obtain(&self.0.grants, &self.0.clock, &client, source, deadline).await?;
                for (key, value) in brought {
                    obtained.capture.entry(key).or_insert(value);
                }
                Some((obtained, client))
            }
            None => None,
        };
        if let Some((obtained, _)) = &obtained {
            put_all(own, element, &obtained.capture);
            if let Some(finding) = self.foreign(element, &own.over(inherited), &obtained.capture)? {
                return Err(Error::new(
                    Kind::ProviderFailed,
                    format!("The provider's token answer cannot be used: {}", finding.detail),
                ));
            }
        }
        let effective = own.over(inherited);
        let (obtained, credentials) = match obtained {
            Some((obtained, client)) => {
                let credentials = Fresh::of(&obtained, client);
                (Some(obtained), credentials)
            }
            None => (None, Fresh::none()),
        };
        let connection = Connection {
            instance_id: 0,
            configuration: effective.clear,
            secrets: effective.secrets,
            credentials: Arc::new(credentials),
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
    fn foreign(&self, element: &Element, effective: &Values, said: &Map<String, Value>) -> Result<Option<Detail>> {
        let guard = Guard::new(&self.0.config.egress.allow)?;
        Ok(egress::check(element, &guard, effective, said.keys().map(String::as_str)).into_iter().next())
    }

    /// Whether a change touches what an element is called with, other than tokens that an end user consented to.
    pub(super) fn credentials_changed(element: &Element, inherited: &Values, before: &Values, after: &Values) -> bool {
        let (before, after) = (before.over(inherited), after.over(inherited));
        let ((old, _), (new, authentication)) = (settings::chosen(element, &before), settings::chosen(element, &after));
        if authentication.needs_consent() {
            return old != new;
        }
        let roots = element.hosts.iter().map(|host| host.configuration.as_str());
        old != new || authentication.keys().into_iter().chain(roots).any(|key| before.text(key) != after.text(key))
    }
}

/// The parameters of the provider's callback that the element keeps.
fn brought(authentication: &Authentication, draft: &Draft) -> Map<String, Value> {
    let Some(data) = &draft.provider_data else { return Map::new() };
    authentication
        .callback()
        .iter()
        .filter_map(|(key, parameter)| Some((key.clone(), data.parameters.0.get(parameter)?.clone())))
        .collect()
}

/// What is missing because the caller did not pass on what the provider's callback brought.
fn not_brought(authentication: &Authentication, missing: &[&ConfigurationEntry]) -> Vec<Detail> {
    authentication
        .callback()
        .iter()
        .filter(|(key, _)| missing.iter().any(|entry| entry.key == *key))
        .map(|(_, parameter)| Detail {
            pointer: format!("/providerData/{}", parameter.replace('~', "~0").replace('/', "~1")),
            detail: format!("is missing: send the `{parameter}` that the provider gave to the callback URL"),
        })
        .collect()
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
