//! Starting and stopping.

use std::{collections::BTreeMap, io, sync::Arc};

use axum::{Router, extract::DefaultBodyLimit, middleware::from_fn_with_state};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::{CancellationToken, DropGuard};
use url::Url;

use crate::{
    calls::{self, Call, Counters},
    control::{self, Controlled},
    core::{Core, Provider, Settings},
    faults::Fault,
    http, oauth,
    oauth::{CodeRequest, Refusal},
    wire::{Line, Listener},
};

/// How a provider's module describes itself.
struct Module {
    /// Its key, that of the first of `elements`.
    key: &'static str,
    /// The elements that are connectors to this provider.
    elements: &'static [&'static str],
    /// Its authorization rules; [`oauth::Rules::none`] for a provider that asks nobody for consent.
    rules: fn() -> oauth::Rules,
    /// Its API, on the shared parts.
    build: fn(&Arc<Core>) -> Provider,
}

/// Every provider.
const MODULES: &[Module] = &[
    Module {
        key: "dropbox",
        elements: &["dropbox", "dropboxbusiness", "dropboxbusinessv2"],
        rules: crate::dropbox::rules,
        build: crate::dropbox::build,
    },
    Module { key: "box", elements: &["box"], rules: crate::boxcom::rules, build: crate::boxcom::build },
    Module { key: "googledrive", elements: &["googledrive"], rules: crate::gdrive::rules, build: crate::gdrive::build },
    Module {
        key: "sfdc",
        elements: &["sfdc", "sfdcservicecloud"],
        rules: crate::sfdc::rules,
        build: crate::sfdc::build,
    },
    Module {
        key: "hubspot",
        elements: &["hubspot", "hubspotcrm"],
        rules: crate::hubspot::rules,
        build: crate::hubspot::build,
    },
    Module {
        key: "onedrive",
        elements: &["onedrive", "onedrivev2", "onedrivebusiness", "sharepoint"],
        rules: crate::graph::rules,
        build: crate::graph::build,
    },
    Module {
        key: "dynamicscrmadfs",
        elements: &["dynamicscrmadfs"],
        rules: crate::dynamics::rules,
        build: crate::dynamics::build,
    },
    Module {
        key: "quickbooks",
        elements: &["quickbooks"],
        rules: crate::quickbooks::rules,
        build: crate::quickbooks::build,
    },
    Module { key: "closeio", elements: &["closeio"], rules: crate::closeio::rules, build: crate::closeio::build },
    Module {
        key: "pipedrive",
        elements: &["pipedrive"],
        rules: crate::pipedrive::rules,
        build: crate::pipedrive::build,
    },
    Module { key: "zohocrm", elements: &["zohocrm"], rules: crate::zohocrm::rules, build: crate::zohocrm::build },
    Module { key: "amazons3", elements: &["amazons3"], rules: crate::s3::rules, build: crate::s3::build },
    Module { key: "webdav", elements: &["webdav"], rules: crate::dav::rules, build: crate::dav::build },
];

/// A running imitation; it stops when this is dropped.
pub struct Running {
    /// The provider's key.
    pub key: &'static str,
    /// The elements that are connectors to this provider, at least one.
    pub elements: &'static [&'static str],
    /// Its addresses: `api`, `authorize`, `token`, `control`, and what else the provider has (`revoke`, `upload` …).
    pub urls: BTreeMap<String, String>,
    /// The element configuration that points an element at this imitation.
    pub configuration: BTreeMap<String, String>,
    /// The instance configuration that connects an account without anybody's consent (keys, passwords); empty for
    /// providers that ask for consent.
    pub credentials: BTreeMap<String, String>,
    /// The client that is registered.
    pub client_id: String,
    /// Its secret.
    pub client_secret: String,
    controlled: Arc<Controlled>,
    stop: DropGuard,
    server: JoinHandle<()>,
}

/// The keys of all providers.
pub fn all() -> Vec<&'static str> {
    MODULES.iter().map(|module| module.key).collect()
}

/// Starts the imitation of a provider on an address such as `127.0.0.1:0`.
///
/// # Errors
/// When the key is not one of [`all`], or the address cannot be bound.
pub async fn start(key: &str, address: &str) -> io::Result<Running> {
    start_with(key, address, &Settings::default()).await
}

/// [`start`] with settings that differ from the real provider's.
///
/// # Errors
/// As [`start`].
pub async fn start_with(key: &str, address: &str, settings: &Settings) -> io::Result<Running> {
    let unknown = || io::Error::new(io::ErrorKind::NotFound, format!("there is no sandbox for {key:?}"));
    let module = MODULES.iter().find(|module| module.key == key).ok_or_else(unknown)?;
    let inner = TcpListener::bind(address).await?;
    let origin = format!("http://{}", inner.local_addr()?);
    let core = Arc::new(Core::new(origin.clone(), (module.rules)(), settings));
    let provider = (module.build)(&core);

    let rules = &core.oauth.rules;
    let mut urls = BTreeMap::new();
    if !rules.authorize_path.is_empty() {
        urls.insert("authorize".to_owned(), format!("{origin}{}", rules.authorize_path));
    }
    if let Some(path) = rules.token_paths.first() {
        urls.insert("token".to_owned(), format!("{origin}{path}"));
    }
    if let Some(path) = rules.revoke_path {
        urls.insert("revoke".to_owned(), format!("{origin}{path}"));
    }
    urls.insert("control".to_owned(), format!("{origin}/_control"));
    urls.extend(provider.urls.iter().map(|(name, url)| ((*name).to_owned(), url.clone())));

    let mut configuration = BTreeMap::new();
    for (name, url) in
        [("oauth.authorization.url", "authorize"), ("oauth.token.url", "token"), ("oauth.token.revoke_url", "revoke")]
    {
        if let Some(url) = urls.get(url) {
            configuration.insert(name.to_owned(), url.clone());
        }
    }
    configuration.extend(provider.configuration.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));

    let credentials = provider.credentials.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    let (key, elements) = (module.key, module.elements);
    let (client_id, client_secret) = (core.oauth.client_id.clone(), core.oauth.client_secret.clone());
    let (api, controlled) = Controlled::new(Arc::clone(&core), provider);
    let controlled = Arc::new(controlled);
    let router = oauth::router(&core)
        .merge(api)
        .fallback(async || http::raw(404, "text/plain; charset=utf-8", "No such route in this sandbox"))
        .layer(from_fn_with_state(Arc::clone(&controlled), calls::observe))
        .layer(DefaultBodyLimit::disable());
    let router = Router::new().merge(control::router(&controlled)).fallback_service(router);

    let stop = CancellationToken::new();
    let listener = Listener { inner, stop: stop.clone() };
    let ended = stop.clone().cancelled_owned();
    let service = router.into_make_service_with_connect_info::<Line>();
    let server = tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, service).with_graceful_shutdown(ended).await {
            tracing::warn!(%error, "a sandbox stopped serving");
        }
    });
    Ok(Running {
        key,
        elements,
        urls,
        configuration,
        credentials,
        client_id,
        client_secret,
        controlled,
        stop: stop.drop_guard(),
        server,
    })
}

impl Running {
    /// One of [`Running::urls`], empty when the provider has none of that name.
    pub fn url(&self, name: &str) -> &str {
        self.urls.get(name).map_or("", String::as_str)
    }

    /// `http://host:port`.
    pub fn origin(&self) -> &str {
        &self.controlled.core.origin
    }

    /// An authorization code, as if an end user had approved.
    ///
    /// # Errors
    /// The [`Refusal`] with which the consent page would have been refused.
    pub fn code(&self, request: &CodeRequest) -> Result<String, Refusal> {
        self.controlled.core.oauth.code(request)
    }

    /// Approves an authorization address (as a client would open it in a browser) for an account, and returns the
    /// address the browser would be sent back to, with `code` and `state`.
    ///
    /// # Errors
    /// The [`Refusal`] with which the consent page would have been refused.
    pub fn approve(&self, authorize_url: &str, account: u32) -> Result<Url, Refusal> {
        self.controlled.core.oauth.approve_url(authorize_url, account)
    }

    /// Sets a fault.
    pub fn fault(&self, fault: Fault) {
        self.controlled.core.faults.add([fault]);
    }

    /// Clears all faults.
    pub fn clear_faults(&self) {
        self.controlled.core.faults.clear();
    }

    /// Expires every access token issued so far. Returns how many.
    pub fn expire_access_tokens(&self) -> usize {
        self.controlled.core.oauth.expire_access_tokens()
    }

    /// Revokes every access token issued so far. Returns how many.
    pub fn revoke_access_tokens(&self) -> usize {
        self.controlled.core.oauth.revoke_access_tokens()
    }

    /// Revokes every refresh token issued so far. Returns how many.
    pub fn revoke_refresh_tokens(&self) -> usize {
        self.controlled.core.oauth.revoke_refresh_tokens()
    }

    /// Sets the lifetime of the access tokens issued from now on; `None` is the provider's own.
    pub fn set_access_seconds(&self, seconds: Option<i64>) {
        self.controlled.core.oauth.set_access_seconds(seconds);
    }

    /// Moves the imitation's time ahead.
    pub fn advance(&self, seconds: i64) {
        self.controlled.core.clock().advance(seconds);
    }

    /// What has been counted so far.
    pub fn counters(&self) -> Counters {
        self.controlled.core.calls.counters(&self.controlled.core)
    }

    /// The calls recorded so far, oldest first.
    pub fn log(&self) -> Vec<Call> {
        self.controlled.core.calls.log()
    }

    /// Puts everything back to the start: data, tokens, faults, counters and log.
    pub fn reset(&self) {
        self.controlled.reset();
    }

    /// Stops, resetting the connections that are open.
    pub async fn stop(self) {
        self.stop.disarm().cancel();
        if let Err(error) = self.server.await {
            tracing::debug!(%error, "a sandbox ended badly");
        }
    }
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running").field("key", &self.key).field("urls", &self.urls).finish_non_exhaustive()
    }
}
