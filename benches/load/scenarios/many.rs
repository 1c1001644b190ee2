//! Many instances in the store: start, memory, first and steady calls; and making them.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::{
    super::{
        Outcome,
        driver::{self, Load, quantile},
        report::{self, Target},
        rig::Rig,
        rounds::{Right, check, median},
        served::{Hubgate, Kind, Setting, requests},
        wire::Wire,
    },
    proxied::{same, uniform_contact},
};

#[path = "../../../tests/support/postgres.rs"]
#[expect(dead_code, reason = "only the database itself is used here")]
mod postgres;

use postgres::Database;

const PATH: &str = "/hubs/crm/contacts/512";

/// Fills the store of `setting` up to `count` instances by the library itself, and gives their tokens.
pub async fn fill(setting: &Setting, count: usize) -> Outcome<Vec<String>> {
    use hubgate::{
        clock::SystemClock,
        store::{self, NewGrant, NewInstance},
    };
    setting.account()?;
    // Nobody asks how long the filling takes.
    let synchronous = hubgate::config::Synchronous::Normal;
    let settings = store::Settings { synchronous, ..store::Settings::new(setting.data()) };
    let store = store::open(&settings, Arc::new(SystemClock)).await?;
    let mut tokens = Vec::with_capacity(count);
    let started = Instant::now();
    for n in 0..count {
        let grant = NewGrant {
            access: Some(super::super::provider::TOKEN.to_owned().into()),
            refresh: Some("refresh".to_owned().into()),
            expires_at: Some(chrono::Utc::now() + chrono::TimeDelta::days(30)),
            ..NewGrant::default()
        };
        let new = NewInstance {
            organization_id: 1,
            user_id: 1,
            element_id: 9901,
            element_key: "benchcrm".to_owned(),
            name: format!("customer {n}"),
            grant: Some(grant),
            external_authentication: "initial".to_owned(),
            ..NewInstance::default()
        };
        let record = store.insert_instance(new).await?;
        tokens.push(secrecy::ExposeSecret::expose_secret(&record.token).to_owned());
        if n > 0 && n % 100_000 == 0 {
            eprintln!("load: {n} instances after {:.0} s", started.elapsed().as_secs_f64());
        }
    }
    store.close().await;
    // Whoever needs the same store later need not fill it again.
    std::fs::write(setting.home.join("tokens"), tokens.join("\n"))?;
    Ok(tokens)
}

/// One call with each token of `load`, over so many connections.
async fn touch(load: &Load, connections: usize, right: Right) -> Outcome<Duration> {
    let right = Arc::new(right);
    let started = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..connections {
        let (load, right) = (load.clone(), Arc::clone(&right));
        tasks.spawn(async move {
            let mut wire = Wire::open(load.address).await?;
            for request in load.requests.iter().skip(number).step_by(connections) {
                let reply = wire.call(request).await?;
                check("hubgate", &wire, reply, load.status, &right)?;
            }
            Outcome::Ok(())
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    Ok(started.elapsed())
}

pub async fn run(rig: &Rig) -> Outcome<Vec<Target>> {
    let setting = rig.setting("many");
    std::fs::create_dir_all(&setting.home)?;
    let count = rig.options.instances;
    let tokens = fill(&setting, count).await?;
    let hubgate = setting.start().await?;
    let start = hubgate.process.settled().await as f64 / f64::from(1 << 20);
    // One connection and instances all over the store, each asked twice: the first call reads it, the second knows it.
    let mut wire = Wire::open(hubgate.address).await?;
    let (mut first, mut steady) = (Vec::new(), Vec::new());
    let (right, mut answer) = (uniform_contact(), Bytes::new());
    for n in 0..200 {
        let token = &tokens[n * 7_919 % tokens.len()];
        let call = requests(std::slice::from_ref(token), "GET", PATH, &[], &[]).remove(0);
        for times in [&mut first, &mut steady] {
            let sent = Instant::now();
            let reply = wire.call(&call).await?;
            times.push(sent.elapsed().as_secs_f64() * 1e6);
            check("hubgate", &wire, reply, 200, &right)?;
            answer = Bytes::copy_from_slice(wire.body(reply));
        }
    }
    first.sort_unstable_by(f64::total_cmp);
    steady.sort_unstable_by(f64::total_cmp);
    let all = Arc::new(requests(&tokens, "GET", PATH, &[], &[]));
    let load = Load { address: hubgate.address, requests: all, status: 200 };
    let touching = touch(&load, 64, same(&answer)).await?;
    let touched = hubgate.process.settled().await as f64 / f64::from(1 << 20);
    let random = driver::closed(&load, 64, rig.options.seconds, &hubgate.process).await?;
    report::heading(&format!("i: {count} instances in the store"));
    let added = (quantile(&first, 0.5) - quantile(&steady, 0.5)) / 1e3;
    let ready = hubgate.ready.as_secs_f64();
    println!(
        "Ready after {:.0} ms with {start:.1} MiB resident. First call of an instance {:.2} ms over the next (median of 200; \
         99 %: {:.2} ms). All touched once in {:.0} s ({:.0} a second): {touched:.1} MiB resident. Calls over all of them: \
         {:.1} µs of CPU each, {:.0} a second.",
        ready * 1e3,
        added,
        (quantile(&first, 0.99) - quantile(&steady, 0.99)) / 1e3,
        touching.as_secs_f64(),
        count as f64 / touching.as_secs_f64(),
        random.cpu_us,
        random.per_second,
    );
    Ok(vec![
        Target::most(format!("i: start with {count} instances"), ready * 1e3, 1000.0, 1000.0, "ms"),
        Target::most("i: resident at start", start, 150.0, 150.0, "MiB"),
        Target::most("i: resident with all touched", touched, 500.0, 500.0, "MiB"),
        Target::most("i: first call over a steady one", added, 2.0, 2.0, "ms"),
    ])
}

/// Making instances through the API.
pub async fn creation(rig: &Rig) -> Outcome<Vec<Target>> {
    let embedded = rig.setting("creation").start().await?;
    report::heading("j: making instances through the API");
    println!("| store | connections | a second | median ms |\n|---|---:|---:|---:|");
    creations(rig, &embedded, "SQLite, embedded").await?;
    drop(embedded);
    if let Some(database) = Database::new("j with PostgreSQL").await {
        let setting = Setting { database: Some(database.url(None)), ..rig.setting("creation-postgres") };
        creations(rig, &setting.start().await?, "PostgreSQL").await?;
    }
    Ok(Vec::new())
}

async fn creations(rig: &Rig, hubgate: &Hubgate, store: &str) -> Outcome<()> {
    for connections in [1_usize, 16] {
        let until = Instant::now() + rig.options.seconds;
        let started = Instant::now();
        let mut tasks = Vec::new();
        for number in 0..connections {
            tasks.push(async move {
                let mut wire = Wire::open(hubgate.address).await?;
                let mut times = Vec::new();
                while Instant::now() < until {
                    let sent = Instant::now();
                    let name = format!("made {number} {}", times.len());
                    hubgate.instance(&mut wire, "benchcrm", &name, Kind::default()).await?;
                    times.push(sent.elapsed().as_secs_f64() * 1e3);
                }
                Outcome::Ok(times)
            });
        }
        let times = futures_util::future::try_join_all(tasks).await?.concat();
        let rate = times.len() as f64 / started.elapsed().as_secs_f64();
        println!("| {store} | {connections} | {rate:.0} | {:.2} |", median(times));
    }
    Ok(())
}
