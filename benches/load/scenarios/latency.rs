//! What hubgate adds to a call at half of its load.

use std::{sync::Arc, time::Duration};

use super::super::{
    Outcome,
    documents::{self, CONTACT_ID},
    driver::{self, Load, quantile},
    provider,
    report::{self, Target},
    rig::Rig,
    rounds::median,
    served::{Kind, requests},
    wire::request,
};

const CONNECTIONS: usize = 16;

pub async fn run(rig: &Rig) -> Outcome<Vec<Target>> {
    let hubgate = rig.setting("latency").start().await?;
    let tokens = hubgate.instances("benchcrm", CONNECTIONS, Kind::default()).await?;
    let path = format!("/hubs/crm/contacts/{CONTACT_ID}");
    let through =
        Load { address: hubgate.address, requests: Arc::new(requests(&tokens, "GET", &path, &[], &[])), status: 200 };
    let bearer = format!("Bearer {}", provider::TOKEN);
    let path = format!("/crm/v3/objects/contacts/{CONTACT_ID}");
    let direct = Load {
        address: rig.provider.address,
        requests: Arc::new(vec![request("GET", &path, &[("Authorization", &bearer)], &[])]),
        status: 200,
    };
    // The documents are made on first use; that is nobody's latency.
    drop(documents::CONTACT.clone());
    let full = driver::closed(&through, CONNECTIONS, rig.options.seconds, &hubgate.process).await?.per_second;
    let (mut p50, mut p99) = (Vec::new(), Vec::new());
    let mut shown = Vec::new();
    for round in 0..rig.options.rounds {
        let mut times = [Vec::new(), Vec::new()];
        let order = if round % 2 == 0 { [0, 1] } else { [1, 0] };
        for which in order {
            let load = if which == 0 { &direct } else { &through };
            times[which] = driver::paced(load, CONNECTIONS, full / 2.0, rig.options.seconds).await?;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        p50.push(quantile(&times[1], 0.5) - quantile(&times[0], 0.5));
        p99.push(quantile(&times[1], 0.99) - quantile(&times[0], 0.99));
        shown.push([0, 1].map(|n| (quantile(&times[n], 0.5), quantile(&times[n], 0.99))));
    }
    report::heading(&format!("Latency at half load ({:.0} calls a second over {CONNECTIONS} connections)", full / 2.0));
    println!("| | p50 µs | p99 µs |\n|---|---:|---:|");
    for (n, name) in ["direct", "through hubgate"].iter().enumerate() {
        let of = |pick: fn(&(f64, f64)) -> f64| median(shown.iter().map(|round| pick(&round[n])).collect());
        println!("| {name} | {:.0} | {:.0} |", of(|times| times.0), of(|times| times.1));
    }
    Ok(vec![
        Target::most("latency added at half load, p50", median(p50), 150.0, 75.0, "µs"),
        Target::most("latency added at half load, p99", median(p99), 1500.0, 750.0, "µs"),
    ])
}
