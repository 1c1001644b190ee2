//! One instance with an OAuth grant, in a real SQLite file or PostgreSQL database, at a real token endpoint.

use std::{path::PathBuf, sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{StreamExt as _, TryStreamExt as _, future::BoxFuture};
use hubgate::{
    clock::{Clock as _, ShiftedClock},
    error::{Error, Kind, Result},
    grant::{self, Access, Grants, OAuth2, Revocation},
    store::{self, GrantRecord, NewAccount, NewGrant, NewInstance, Settings, Store},
    upstream::{Body, Request, Response, Transport},
};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use crate::{
    database::Database,
    token_server::{Policy, TokenServer},
};

/// Plain HTTP over a socket, nothing more.
pub(crate) struct Network(reqwest::Client);

impl Network {
    #[expect(clippy::disallowed_methods, reason = "a test's own client, to loopback")]
    pub(crate) fn new() -> Self {
        // Whoever installed one before is as good.
        drop(rustls::crypto::ring::default_provider().install_default());
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy();
        Self(client.build().unwrap())
    }
}

impl Transport for Network {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response>> {
        assert!(!request.follow_redirects && !request.retryable);
        let Body::Bytes(body) = request.body else { panic!("a form") };
        let call = self.0.request(request.method, request.url).headers(request.headers).body(body);
        let unreachable = |error| Error::new(Kind::ProviderUnreachable, "unreachable").with_source(error);
        Box::pin(async move {
            let response = call.send().await.map_err(unreachable)?;
            Ok(Response {
                status: response.status(),
                headers: response.headers().clone(),
                body: response.bytes_stream().map_err(std::io::Error::other).boxed(),
            })
        })
    }
}

pub(crate) fn secret(text: &str) -> SecretString {
    SecretString::from(text.to_owned())
}

pub(crate) fn soon() -> Instant {
    Instant::now() + Duration::from_secs(30)
}

pub(crate) struct World {
    pub(crate) dir: PathBuf,
    pub(crate) clock: Arc<ShiftedClock>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) provider: Arc<TokenServer>,
    pub(crate) oauth: Arc<OAuth2>,
    pub(crate) id: i64,
    /// The first refresh token.
    pub(crate) refresh: String,
    /// Where the store is, if not in a file.
    database: Option<Database>,
    _temp: tempfile::TempDir,
}

pub(crate) async fn open(dir: &std::path::Path, clock: &Arc<ShiftedClock>) -> Arc<dyn Store> {
    store::open(&Settings::new(dir), clock.clone()).await.unwrap()
}

async fn open_in(dir: &std::path::Path, database: Option<&Database>, clock: &Arc<ShiftedClock>) -> Arc<dyn Store> {
    let Some(database) = database else { return open(dir, clock).await };
    let (database_url, master_key_file) = (Some(secret(&database.url(None))), Some(dir.join("key")));
    store::open(&Settings { database_url, master_key_file, ..Settings::new(dir) }, clock.clone()).await.unwrap()
}

impl World {
    /// A fresh token that lives for an hour, in a file.
    pub(crate) async fn new(policy: Policy) -> Self {
        Self::on(None, policy).await
    }

    /// A fresh token that lives for an hour.
    pub(crate) async fn on(database: Option<Database>, policy: Policy) -> Self {
        let basic = policy.basic;
        let provider = Arc::new(TokenServer::start(policy).await);
        let temp = tempfile::TempDir::new().unwrap();
        let dir = temp.path().to_owned();
        let clock = Arc::new(ShiftedClock::default());
        let store = open_in(&dir, database.as_ref(), &clock).await;
        let oauth = Arc::new(OAuth2 {
            authorize_url: provider.url("/authorize"),
            token_url: provider.url("/token"),
            revocation: Some(Revocation { url: provider.url("/revoke"), ..Revocation::default() }),
            client_auth: if basic { grant::ClientAuth::Basic } else { grant::ClientAuth::Body },
            client_id: "client".to_owned(),
            client_secret: Some(secret("canary-client-secret")),
            redirect_uri: Some("https://app.example/cb".to_owned()),
            capture: vec![("instance.url".to_owned(), "instance_url".to_owned())],
            ..OAuth2::default()
        });
        let account = NewAccount { email: "a@example.com".to_owned(), ..NewAccount::default() };
        let user = store.create_account(account).await.unwrap().user;
        let (access, refresh) = provider.first();
        let new = NewInstance {
            organization_id: user.organization_id,
            user_id: user.id,
            element_key: "acmedocs".to_owned(),
            grant: Some(NewGrant {
                access: Some(secret(&access)),
                refresh: Some(secret(&refresh)),
                expires_at: Some(clock.now() + TimeDelta::hours(1)),
                secret: None,
                keep_alive_in: None,
            }),
            ..NewInstance::default()
        };
        let id = store.insert_instance(new).await.unwrap().id;
        Self { dir, clock, store, provider, oauth, id, refresh, database, _temp: temp }
    }

    pub(crate) fn grants(&self) -> Grants {
        self.node(grant::Settings::default()).0
    }

    pub(crate) fn node(&self, settings: grant::Settings) -> (Grants, TaskTracker) {
        Self::over(self.store.clone(), &self.clock, settings)
    }

    pub(crate) fn over(
        store: Arc<dyn Store>,
        clock: &Arc<ShiftedClock>,
        settings: grant::Settings,
    ) -> (Grants, TaskTracker) {
        let tracker = TaskTracker::new();
        (Grants::new(store, Arc::new(Network::new()), clock.clone(), settings, tracker.clone()), tracker)
    }

    /// As after a crash: the store is closed and opened again. Whoever had a lease is known to be dead, or has had it for long
    /// enough.
    pub(crate) async fn reopen(&mut self) {
        self.store.close().await;
        if let Some(database) = &self.database {
            let passed = "UPDATE instance_grant SET lease_until = lease_until - 3600000 WHERE lease_until IS NOT NULL";
            database.raw(passed).await;
        }
        self.store = open_in(&self.dir, self.database.as_ref(), &self.clock).await;
    }

    /// [`World::expire`], with pauses over that are in the time of a database.
    pub(crate) async fn expire_all(&self) {
        self.expire();
        if let Some(database) = &self.database {
            let passed = "UPDATE instance_grant SET next_attempt_at = next_attempt_at - 3660000";
            database.raw(passed).await;
        }
    }

    pub(crate) async fn row(&self) -> GrantRecord {
        self.store.grant(self.id).await.unwrap().unwrap()
    }

    pub(crate) async fn access(&self, grants: &Grants) -> Result<Access> {
        grants.access(self.id, &self.oauth, soon()).await
    }

    pub(crate) fn pass(&self, time: TimeDelta) {
        self.clock.shift(time);
    }

    /// Past the end of a token that lives for an hour.
    pub(crate) fn expire(&self) {
        self.pass(TimeDelta::minutes(61));
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// Whether the provider's API takes this token.
    pub(crate) fn works(&self, access: &Access) -> bool {
        self.provider.api(access.token.expose_secret())
    }

    /// Whether the provider would still honour what is stored.
    pub(crate) async fn honoured(&self) -> bool {
        self.provider.honours(self.row().await.refresh.unwrap().expose_secret())
    }
}
