//! PostgreSQL dies under load and comes back.

use std::{
    collections::BTreeMap,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    str::FromStr as _,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use sqlx::{ConnectOptions as _, Connection as _, postgres::PgConnectOptions};
use tokio::time::Instant;

use crate::{
    attempt, beside_others, eventually,
    house::{CONTENTS, House, Kept},
    size, tell,
    token_server::Policy,
};

/// Twice what the gateway promises.
const TOLERATED: Duration = Duration::from_secs(10);

/// A PostgreSQL of this test alone, killed on drop.
struct Cluster {
    programs: PathBuf,
    dir: tempfile::TempDir,
    port: u16,
    server: Option<Child>,
}

/// The newest server programs of this machine.
fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?;
    let mut found: Vec<_> = versions
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .filter(|bin| bin.join("initdb").exists() && bin.join("postgres").exists())
        .collect();
    found.sort();
    found.pop()
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n")
}

impl Cluster {
    /// `None`, with a loud word: there are no server programs, or they cannot be run.
    fn new(test: &str) -> Option<Self> {
        let skipped = |why: &str| drop(writeln!(std::io::stderr(), "!! SKIPPED: {test}: {why}"));
        let Some(programs) = programs() else {
            skipped("no initdb and postgres under /usr/lib/postgresql/*/bin");
            return None;
        };
        let dir = tempfile::Builder::new().prefix("hubgate-postgres-").tempdir().unwrap();
        if is_root() {
            let owned = Command::new("chown").arg("postgres").arg(dir.path()).status();
            if !owned.is_ok_and(|status| status.success()) {
                skipped("there is no user postgres, and the server does not run as root");
                return None;
            }
        }
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let cluster = Self { programs, dir, port, server: None };
        let data = cluster.data();
        let mut made = cluster.program("initdb");
        made.arg("-D").arg(&data).args(["-U", "postgres", "-A", "trust", "--no-sync"]).stdout(Stdio::null());
        assert!(made.status().unwrap().success(), "initdb");
        Some(cluster)
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// One of the programs, as a user whom the server allows to run it.
    fn program(&self, name: &str) -> Command {
        let program = self.programs.join(name);
        let mut command = if is_root() {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command.current_dir(self.dir.path()).stdin(Stdio::null());
        command
    }

    fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// Starts it, again and again while the remains of a killed one are in the way, until it accepts connections.
    async fn start(&mut self) {
        let until = Instant::now() + Duration::from_secs(60);
        let options = PgConnectOptions::from_str(&self.url()).unwrap();
        loop {
            assert!(Instant::now() < until, "PostgreSQL does not start");
            let gone = self.server.as_mut().is_none_or(|server| server.try_wait().unwrap().is_some());
            if gone {
                let mut server = self.program("postgres");
                server
                    .arg("-D")
                    .arg(self.data())
                    .args(["-p", &self.port.to_string(), "-c", "listen_addresses=127.0.0.1"])
                    .args(["-c", "unix_socket_directories="])
                    .stdout(Stdio::null())
                    .stderr(Stdio::null());
                self.server = Some(server.spawn().unwrap());
            }
            if let Ok(connection) = options.connect().await {
                drop(connection.close().await);
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// SIGKILL for the server and whatever serves its connections.
    fn kill(&mut self) {
        if let Some(mut server) = self.server.take() {
            let children = children(server.id());
            drop(server.kill());
            drop(server.wait());
            for child in children {
                drop(Command::new("kill").args(["-s", "KILL", &child]).stderr(Stdio::null()).status());
            }
        }
    }
}

/// The processes that this one started.
fn children(parent: u32) -> Vec<String> {
    let path = format!("/proc/{parent}/task/{parent}/children");
    fs::read_to_string(Path::new(&path)).unwrap_or_default().split_whitespace().map(str::to_owned).collect()
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What callers saw: answers by status, and what must not be.
#[derive(Debug, Default)]
struct Seen {
    statuses: BTreeMap<u16, usize>,
    wrong: Vec<String>,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_killed_under_load_is_waited_for() {
    let _turn = beside_others().await;
    let check = "PostgreSQL killed under load";
    let Some(mut cluster) = Cluster::new("a_database_that_is_killed_under_load_is_waited_for") else { return };
    cluster.start().await;
    let house = House::furnish(Kept::At(cluster.url()), Policy::default(), false).await;
    let mut node = house.node(&[]).await;
    let stop = Arc::new(AtomicBool::new(false));
    let callers: Vec<_> = (0..8)
        .map(|at| {
            let (client, base, stop) = (node.client.clone(), node.base.clone(), Arc::clone(&stop));
            // Some calls are known to the node's memory, some must ask the database.
            let (path, who) =
                if at < 4 { (CONTENTS, house.token.clone()) } else { ("/instances", house.account.clone()) };
            tokio::spawn(async move {
                let mut seen = Seen::default();
                while !stop.load(Ordering::SeqCst) {
                    let Some(reply) = attempt(client.get(format!("{base}{path}")).header("Authorization", &who)).await
                    else {
                        seen.wrong.push(format!("{path}: no answer"));
                        continue;
                    };
                    let status = reply.status.as_u16();
                    *seen.statuses.entry(status).or_default() += 1;
                    if status != 200 && (status != 503 || reply.header("retry-after").is_empty()) {
                        seen.wrong.push(format!("{path}: {status} {}", reply.body));
                    }
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                seen
            })
        })
        .collect();
    let kills = size(1, 3);
    let mut ready_after = Vec::new();
    for _ in 0..kills {
        eventually("it is ready", async || node.ready().await == 200).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        cluster.kill();
        eventually("it says that it is not ready", async || node.ready().await == 503).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        cluster.start().await;
        let accepts = Instant::now();
        eventually("it is ready again", async || node.ready().await == 200).await;
        eventually("calls are served again", async || {
            attempt(node.client.get(format!("{}{CONTENTS}", node.base)).header("Authorization", &house.token))
                .await
                .is_some_and(|reply| reply.status == 200)
        })
        .await;
        let after = accepts.elapsed();
        assert!(after < TOLERATED, "ready again {after:?} after the database");
        ready_after.push(format!("{:.2} s", after.as_secs_f64()));
    }
    stop.store(true, Ordering::SeqCst);
    let mut statuses: BTreeMap<u16, usize> = BTreeMap::new();
    for caller in callers {
        let seen = caller.await.unwrap();
        assert!(seen.wrong.is_empty(), "{} wrong, the first: {}", seen.wrong.len(), seen.wrong[0]);
        for (status, number) in seen.statuses {
            *statuses.entry(status).or_default() += number;
        }
    }
    assert!(node.runs(), "it has not been started anew");
    assert!(statuses.get(&200) > Some(&20) && statuses.contains_key(&503), "nothing is shown: {statuses:?}");
    tell(
        check,
        format_args!(
            "{kills} kills: answers by status {statuses:?}, each 503 with Retry-After, no other; serving again {} after the \
             database accepts connections, without a restart",
            ready_after.join(", ")
        ),
    );
}
