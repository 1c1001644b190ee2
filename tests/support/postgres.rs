//! A PostgreSQL database for one test, dropped at its end.
//!
//! `TEST_DATABASE_URL` names a server (a URL with a database that may be connected to) and makes it a must; otherwise one
//! on 127.0.0.1:5432 is used if it lets us in, and without it the tests are skipped, loudly.

use std::{io::Write as _, str::FromStr as _};

use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection,
    postgres::{PgConnectOptions, PgSslMode},
};

const USUAL: &str = "postgres://postgres@127.0.0.1:5432/postgres";

pub(crate) struct Database {
    server: PgConnectOptions,
    pub(crate) name: String,
}

impl Database {
    /// A fresh, empty database; `None`: there is no server, and the test called `test` is skipped.
    pub(crate) async fn new(test: &str) -> Option<Self> {
        let given = std::env::var_os("TEST_DATABASE_URL").map(|url| url.into_string().unwrap());
        let server = PgConnectOptions::from_str(given.as_deref().unwrap_or(USUAL)).unwrap();
        let mut connection = match server.connect().await {
            Ok(connection) => connection,
            Err(error) if given.is_some() => panic!("TEST_DATABASE_URL cannot be used: {error}"),
            Err(error) => {
                // Straight to the terminal: the test harness keeps what is printed by macros to itself.
                drop(writeln!(std::io::stderr(), "!! SKIPPED: {test}: no PostgreSQL ({error}); set TEST_DATABASE_URL"));
                return None;
            }
        };
        let mut random = [0_u8; 8];
        getrandom::fill(&mut random).unwrap();
        let name = format!("hubgate_test_{}", hex::encode(random));
        sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        Some(Self { server, name })
    }

    pub(crate) fn options(&self) -> PgConnectOptions {
        self.server.clone().database(&self.name)
    }

    /// Its URL; by way of `address` in clear, so that a cable can tell connections apart.
    pub(crate) fn url(&self, address: Option<std::net::SocketAddr>) -> String {
        let mode = if address.is_some() { PgSslMode::Disable } else { PgSslMode::Prefer };
        let mut url = self.options().ssl_mode(mode).to_url_lossy();
        if let Some(address) = address {
            url.set_ip_host(address.ip()).unwrap();
            url.set_port(Some(address.port())).unwrap();
        }
        url.to_string()
    }

    pub(crate) fn address(&self) -> String {
        format!("{}:{}", self.server.get_host(), self.server.get_port())
    }

    pub(crate) async fn connect(&self) -> PgConnection {
        self.options().connect().await.unwrap()
    }

    /// Runs one statement beside the store.
    pub(crate) async fn raw(&self, sql: &str) -> u64 {
        let mut connection = self.connect().await;
        let done = sqlx::query(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        done.rows_affected()
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let (server, name) = (self.server.clone(), self.name.clone());
        // A thread of its own: a test's runtime cannot wait in a drop.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mut connection = server.connect().await?;
                let drop = format!("DROP DATABASE {name} WITH (FORCE)");
                sqlx::query(AssertSqlSafe(drop)).execute(&mut connection).await
            })
        });
        drop(dropped.join());
    }
}
