//! What hubgate adds to a call at half of its load, and what nginx adds at the same rate.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use super::super::{
    Outcome,
    documents::{self, CONTACT_ID},
    driver::{self, Load, quantile},
    provider,
    report::{self, Target},
    rig::Rig,
    rounds::{median, order},
    served::{Kind, requests},
    wire::request,
};

const CONNECTIONS: usize = 16;

pub async fn run(rig: &Rig) -> Outcome<Vec<Target>> {
    let (nginx, hubgate) = (rig.nginx().await?, rig.setting("latency").start().await?);
    let tokens = hubgate.instances("benchcrm", CONNECTIONS, Kind::default()).await?;
    let path = format!("/hubs/crm/contacts/{CONTACT_ID}");
    let through =
        Load { address: hubgate.address, requests: Arc::new(requests(&tokens, "GET", &path, &[], &[])), status: 200 };
    let bearer = format!("Bearer {}", provider::TOKEN);
    let path = format!("/crm/v3/objects/contacts/{CONTACT_ID}");
    let plain = Arc::new(vec![request("GET", &path, &[("Authorization", &bearer)], &[])]);
    let plain = |address: SocketAddr| Load { address, requests: Arc::clone(&plain), status: 200 };
    let loads = [plain(rig.provider.address), plain(nginx.plain), through];
    // The documents are made on first use; that is nobody's latency.
    drop(documents::CONTACT.clone());
    // By the same driver, which takes its share of the processors: half of what a cheaper one gets through is more than half
    // of what this one leaves room for.
    let time = rig.options.seconds;
    let full = driver::threads(&loads[2], CONNECTIONS, None, time).await?.len() as f64 / time.as_secs_f64();
    // The p50 and p99 of each, a round each.
    let mut rounds: Vec<[(f64, f64); 3]> = Vec::new();
    for round in 0..rig.options.rounds {
        let mut times = [(0.0, 0.0); 3];
        for which in order(round, loads.len()) {
            let sorted = driver::threads(&loads[which], CONNECTIONS, Some(full / 2.0), time).await?;
            times[which] = (quantile(&sorted, 0.5), quantile(&sorted, 0.99));
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        rounds.push(times);
    }
    report::heading(&format!("Latency at half load ({:.0} calls a second over {CONNECTIONS} connections)", full / 2.0));
    println!("| | p50 µs | p99 µs |\n|---|---:|---:|");
    for (n, name) in ["direct", "through nginx", "through hubgate"].iter().enumerate() {
        let of = |pick: fn(&(f64, f64)) -> f64| median(rounds.iter().map(|round| pick(&round[n])).collect());
        println!("| {name} | {:.0} | {:.0} |", of(|times| times.0), of(|times| times.1));
    }
    let added = |pick: fn(&(f64, f64)) -> f64| {
        median(rounds.iter().map(|[direct, _, through]| pick(through) - pick(direct)).collect())
    };
    Ok(vec![
        Target::most("latency added at half load, p50", added(|times| times.0), 150.0, 75.0, "µs"),
        Target::most("latency added at half load, p99", added(|times| times.1), 1500.0, 750.0, "µs"),
    ])
}
