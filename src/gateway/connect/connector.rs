//! The service that makes, changes and deletes instances.

use std::{fmt, sync::Arc};

use serde_json::Map;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use super::{
    Owner,
    change::{apply, captured_keys, check_own_keys, events_enabled, put_all, sent_for},
    connections::Connections,
    credentials::{Fresh, Obtained, Source, Stored},
    draft::{Draft, External, Mode},
    settings::{self, oauth2},
};
use crate::{
    catalog::{self, Authentication, Element, Entry, Identity},
    clock::SharedClock,
    config::Config,
    error::{Error, Kind, Result},
    grant::{Grants, OAuth2},
    instance::{Directory, configuration::Values},
    provider::{Connection, Credentials},
    store::{Actor, GrantRecord, InstanceChange, InstanceFilter, InstanceRecord, NewInstance, Store},
};

/// Tries of an update that loses against another one.
const UPDATE_TRIES: usize = 5;

/// Proves new credentials by the element's own cheap call.
#[async_trait::async_trait]
pub trait Probe: Send + Sync {
    /// Makes the element's probe call through `connection`.
    ///
    /// # Errors
    /// What the call ended with; the provider's refusal carries its [`ProviderFault`](crate::error::ProviderFault).
    async fn probe(&self, element: &Element, connection: &Connection, deadline: Instant) -> Result<()>;

    /// Forgets what is remembered of an instance, which has changed.
    fn forget(&self, instance_id: i64);
}

/// What a [`Connector`] works with.
#[derive(Clone)]
pub struct Parts {
    /// The settings.
    pub config: Arc<Config>,
    /// The time.
    pub clock: SharedClock,
    /// The store.
    pub store: Arc<dyn Store>,
    /// Hubs and elements.
    pub catalog: catalog::Shared,
    /// OAuth.
    pub grants: Grants,
    /// The token directory.
    pub directory: Arc<Directory>,
    /// The prover of new credentials.
    pub probe: Arc<dyn Probe>,
    /// Where work goes on that must outlive its caller.
    pub tracker: TaskTracker,
}

/// Makes, changes and deletes instances. Cheap to clone.
#[derive(Clone)]
pub struct Connector(pub(super) Arc<Parts>, Arc<Connections>);

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connector")
    }
}

impl Connector {
    /// A connector over `parts`.
    ///
    /// It listens to `parts.grants`: what a refresh changes of an instance is forgotten in the directory.
    pub fn new(parts: Parts) -> Self {
        let (directory, tracker) = (Arc::clone(&parts.directory), parts.tracker.clone());
        parts.grants.on_change(move |id| {
            let directory = Arc::clone(&directory);
            tracker.spawn(async move { directory.forget(id).await });
        });
        Self(Arc::new(parts), Arc::new(Connections::new()))
    }

    /// What the catalog lists under this key or number.
    ///
    /// # Errors
    /// [`Kind::NotFound`] when there is none.
    pub fn entry(&self, key_or_id: &str) -> Result<Arc<Entry>> {
        self.0.catalog.load().entry(key_or_id).cloned().ok_or_else(|| {
            Error::not_found("No element found")
                .with_detail("/element", format!("`{key_or_id}` is neither the key nor the id of an element"))
        })
    }

    /// The element with this key or number, ready to be called.
    ///
    /// # Errors
    /// As [`Connector::entry`]; [`Kind::Internal`] when its mapping files have a fault.
    pub fn element(&self, key_or_id: &str) -> Result<Arc<Element>> {
        Ok(Arc::clone(self.entry(key_or_id)?.element()?))
    }

    /// What holds for `record`: element default, then operator, then instance.
    pub fn effective(&self, element: &Identity, record: &InstanceRecord) -> Values {
        settings::effective(element, &self.0.config, record)
    }

    /// The element's defaults and the operator's settings for it.
    pub fn inherited(&self, element: &Identity) -> Values {
        settings::inherited(element, &self.0.config)
    }

    /// All that a call through `record` needs; the same one as long as element and record are the same.
    ///
    /// # Errors
    /// Those of [`settings::oauth2`].
    pub fn connection(&self, element: &Arc<Element>, record: &Arc<InstanceRecord>) -> Result<Arc<Connection>> {
        self.1.of(element, record, || self.connect(element, record))
    }

    /// [`Connector::connection`], made anew.
    ///
    /// # Errors
    /// As there.
    pub fn connect(&self, element: &Identity, record: &InstanceRecord) -> Result<Connection> {
        let effective = self.effective(element, record);
        let credentials: Arc<dyn Credentials> = match settings::chosen(element, &effective).1 {
            Authentication::OAuth2(_) => Arc::new(Stored {
                grants: self.0.grants.clone(),
                instance_id: record.id,
                settings: Arc::new(oauth2(element, &effective)?),
                oauth1: None,
            }),
            // Such tokens neither expire nor are refreshed; they are kept and handed out like the others.
            Authentication::OAuth1(_) => Arc::new(Stored {
                grants: self.0.grants.clone(),
                instance_id: record.id,
                settings: Arc::default(),
                oauth1: Some(settings::oauth1(element, &effective)?),
            }),
            _ => Arc::new(Fresh::none()),
        };
        Ok(Connection {
            instance_id: record.id,
            configuration: effective.clear,
            secrets: effective.secrets,
            credentials,
        })
    }

    /// Makes an instance.
    ///
    /// # Errors
    /// [`Kind::NotFound`] for an unknown element; [`Kind::BadRequest`] naming every key that is missing or wrong, or
    /// with the provider's words when it refuses code or credentials; the provider's failures as they are.
    pub async fn create(&self, owner: Owner, draft: Draft, deadline: Instant) -> Result<InstanceRecord> {
        let Some(wanted) = draft.element.as_deref() else {
            return Err(Error::bad_request("The element is missing")
                .with_detail("/element", "send {\"key\": …} or {\"id\": …} of an element"));
        };
        let element = self.element(wanted)?;
        let this = self.clone();
        self.detached(async move { this.create_now(owner, &element, draft, deadline).await }).await
    }

    async fn create_now(
        &self,
        owner: Owner,
        element: &Element,
        draft: Draft,
        deadline: Instant,
    ) -> Result<InstanceRecord> {
        let external = draft.external.unwrap_or_default();
        let inherited = self.inherited(element);
        let mut own = Values::default();
        let sent = sent_for(element, &draft);
        check_own_keys(&sent)?;
        own.merge(&element.configuration, &Values::default(), &sent);
        let proof = self.prove(element, &inherited, &mut own, &draft, external, deadline).await?;
        let new = NewInstance {
            organization_id: owner.organization_id,
            user_id: owner.user_id,
            element_id: element.id,
            element_key: element.key.clone(),
            name: draft.name.unwrap_or_else(|| element.name.clone()),
            tags: draft.tags.unwrap_or_default(),
            events_enabled: events_enabled(&own.over(&inherited)),
            configuration: own.clear,
            secrets: own.secrets,
            caching_enabled: draft.caching_enabled.unwrap_or_default(),
            cache_ttl_s: draft.cache_ttl_s.unwrap_or_default(),
            max_cache_size: draft.max_cache_size.unwrap_or_default(),
            external_authentication: external.word().to_owned(),
            grant: proof.map(|obtained| obtained.grant),
            actor: draft.actor,
            ..NewInstance::default()
        };
        let record = self.0.store.insert_instance(new).await?;
        self.0.directory.admit(&record).await;
        tracing::info!(instance.id = record.id, element.key = %element.key, user.id = owner.user_id, "instance created");
        Ok(record)
    }

    /// Changes an instance; fresh credentials in `draft` replace its grant. Id and token stay.
    ///
    /// # Errors
    /// Those of [`Connector::create`], and [`Kind::Conflict`] when other changes come in faster than this one.
    pub async fn update(&self, id: i64, draft: Draft, mode: Mode, deadline: Instant) -> Result<InstanceRecord> {
        let this = self.clone();
        self.detached(async move { this.update_now(id, draft, mode, deadline).await }).await
    }

    async fn update_now(&self, id: i64, draft: Draft, mode: Mode, deadline: Instant) -> Result<InstanceRecord> {
        let mut record = self.read(id).await?;
        let element = self.element(&record.element_key)?;
        if let Some(wanted) = draft.element.as_deref()
            && self.entry(wanted)?.key != element.key
        {
            return Err(Error::bad_request("An instance stays with its element")
                .with_detail("/element", format!("this is an instance of `{}`", element.key)));
        }
        let inherited = self.inherited(&element);
        let sent = draft.configuration.is_some().then(|| sent_for(&element, &draft));
        sent.as_ref().map_or(Ok(()), check_own_keys)?;
        let external = draft.external.unwrap_or_else(|| external_of(&record));
        let captured = captured_keys(&element);
        // The proof comes first and once: a code cannot be exchanged again when another change gets in between.
        let before = settings::own(&record);
        let mut own = before.clone();
        apply(&mut own, &element, &inherited, &captured, sent.as_ref(), mode);
        let (_, authentication) = settings::chosen(&element, &own.over(&inherited));
        let offered = Source::of(authentication, &draft, external)?.is_some();
        // Keys sent again heal an instance whose tokens they could not renew.
        let retried = !record.valid && sent.is_some() && authentication.gets_tokens_by_keys();
        let proven = if offered || retried || Self::credentials_changed(&element, &inherited, &before, &own) {
            Some(self.prove(&element, &inherited, &mut own, &draft, external, deadline).await?)
        } else {
            self.check_change(&element, &inherited, &before, &own, sent.as_ref())?;
            None
        };
        let reauthenticated = proven.is_some();
        let (grant, capture) = match proven.flatten() {
            Some(Obtained { grant, capture }) => (Some(grant), capture),
            None => (None, Map::new()),
        };
        for _ in 0..UPDATE_TRIES {
            let mut own = settings::own(&record);
            apply(&mut own, &element, &inherited, &captured, sent.as_ref(), mode);
            put_all(&mut own, &element, &capture);
            let change = InstanceChange {
                name: draft.name.clone(),
                tags: draft.tags.clone(),
                events_enabled: Some(events_enabled(&own.over(&inherited))),
                configuration: Some(own.clear),
                secrets: Some(own.secrets),
                caching_enabled: draft.caching_enabled,
                cache_ttl_s: draft.cache_ttl_s,
                max_cache_size: draft.max_cache_size,
                external_authentication: draft.external.map(|external| external.word().to_owned()),
                valid: reauthenticated.then_some(true),
                grant: grant.clone(),
                actor: draft.actor.clone(),
                ..InstanceChange::default()
            };
            match self.0.store.update_instance(id, record.version, change).await {
                Ok(changed) => {
                    self.changed(id).await;
                    tracing::info!(instance.id = id, element.key = %element.key, reauthenticated, "instance changed");
                    return Ok(changed);
                }
                Err(error) if error.kind() == Kind::Conflict => record = self.read(id).await?,
                Err(error) => return Err(error),
            }
        }
        Err(Error::new(Kind::Conflict, "The instance is being changed by others; try again"))
    }

    /// Switches an instance on or off.
    ///
    /// # Errors
    /// [`Kind::NotFound`]; [`Kind::Conflict`] as for [`Connector::update`].
    pub async fn set_enabled(&self, id: i64, enabled: bool, actor: &Actor) -> Result<InstanceRecord> {
        for _ in 0..UPDATE_TRIES {
            let record = self.read(id).await?;
            if record.disabled != enabled {
                return Ok(record);
            }
            let actor = actor.clone();
            let change = InstanceChange { disabled: Some(!enabled), actor, ..InstanceChange::default() };
            match self.0.store.update_instance(id, record.version, change).await {
                Ok(changed) => {
                    self.changed(id).await;
                    tracing::info!(instance.id = id, enabled, "instance switched");
                    return Ok(changed);
                }
                Err(error) if error.kind() == Kind::Conflict => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::new(Kind::Conflict, "The instance is being changed by others; try again"))
    }

    /// Deletes an instance. Its tokens are revoked at the provider afterwards, as far as that works.
    ///
    /// # Errors
    /// [`Kind::NotFound`]; the store's.
    pub async fn delete(&self, id: i64, actor: &Actor) -> Result<()> {
        let record = self.read(id).await?;
        // Tokens that were acquired elsewhere are still used there: they are not ours to revoke.
        let revocable = if external_of(&record) == External::None { self.revocable(&record).await } else { None };
        let there = self.0.store.delete_instance(id, actor).await?;
        self.changed(id).await;
        if !there {
            return Err(not_found());
        }
        tracing::info!(instance.id = id, element.key = %record.element_key, "instance deleted");
        if let Some((settings, grant)) = revocable {
            let grants = self.0.grants.clone();
            self.0.tracker.spawn(async move {
                let revoked = grants.revoke(&settings, grant.access.as_ref(), grant.refresh.as_ref()).await;
                tracing::debug!(instance.id = id, revoked, "tokens of a deleted instance");
            });
        }
        Ok(())
    }

    async fn revocable(&self, record: &InstanceRecord) -> Option<(OAuth2, GrantRecord)> {
        let element = self.entry(&record.element_key).ok()?;
        let settings = oauth2(&element, &self.effective(&element, record)).ok()?;
        settings.revocation.as_ref()?;
        let grant = self.0.store.grant(record.id).await.ok()??;
        Some((settings, grant))
    }

    /// The instance with this id, as it is stored now.
    ///
    /// # Errors
    /// [`Kind::NotFound`]; the store's.
    pub async fn read(&self, id: i64) -> Result<InstanceRecord> {
        self.0.store.instance(id).await?.ok_or_else(not_found)
    }

    /// One page of instances, the `after_id` of the next, and how many there are in all.
    ///
    /// # Errors
    /// The store's.
    pub async fn list(&self, filter: &InstanceFilter) -> Result<(Vec<InstanceRecord>, Option<i64>, u64)> {
        let (page, next) = self.0.store.list_instances(filter).await?;
        let total = match (filter.after_id, next) {
            (None, None) => page.len() as u64,
            _ => self.0.store.count_instances(filter).await?,
        };
        Ok((page, next, total))
    }

    /// How many instances `filter` admits.
    ///
    /// # Errors
    /// The store's.
    pub async fn count(&self, filter: &InstanceFilter) -> Result<u64> {
        self.0.store.count_instances(filter).await
    }

    async fn changed(&self, id: i64) {
        self.0.directory.forget(id).await;
        self.0.grants.forget(id);
        self.1.forget(id);
        self.0.probe.forget(id);
    }

    /// Runs `work` to its end even when the caller hangs up.
    async fn detached<T: Send + 'static>(&self, work: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
        let span = tracing::Span::current();
        match self.0.tracker.spawn(tracing::Instrument::instrument(work, span)).await {
            Ok(result) => result,
            Err(error) => Err(Error::internal(error)),
        }
    }
}

fn not_found() -> Error {
    Error::not_found("No element instance found")
}

fn external_of(record: &InstanceRecord) -> External {
    if record.external_authentication == External::Initial.word() { External::Initial } else { External::None }
}
