//! Idle connections: what each costs in memory.

use super::super::{
    Outcome,
    process::Process,
    report::{self, Target},
    rig::Rig,
    served::{Kind, requests},
    wire::{Wire, request},
};

/// Connections that have made one call and then keep silent.
const IDLE: usize = 10_000;

async fn cost(process: &Process, address: std::net::SocketAddr, call: &[u8]) -> Outcome<f64> {
    let mut first = Wire::open(address).await?;
    first.call(call).await?;
    let before = process.settled().await;
    let mut wires = Vec::with_capacity(IDLE);
    for _ in 0..IDLE {
        let mut wire = Wire::open(address).await?;
        wire.call(call).await?;
        wires.push(wire);
    }
    let after = process.settled().await;
    Ok(after.saturating_sub(before) as f64 / 1024.0 / IDLE as f64)
}

pub async fn run(rig: &Rig) -> Outcome<Vec<Target>> {
    let fixed = rig.program("static")?;
    let hubgate = rig.setting("idle").start().await?;
    let token = hubgate.instances("benchcrm", 1, Kind { cached_s: 86_400, ..Kind::default() }).await?;
    let cached = requests(&token, "GET", "/hubs/crm/contacts/512", &[], &[]).remove(0);
    report::heading(&format!("g: {IDLE} idle connections, each after one call"));
    println!("| program | KiB each |\n|---|---:|");
    let plain = cost(&fixed.process, fixed.address, &request("GET", "/small", &[], &[])).await?;
    println!("| static axum | {plain:.1} |");
    let own = cost(&hubgate.process, hubgate.address, &cached).await?;
    println!("| hubgate | {own:.1} |");
    Ok(vec![Target::most("g: an idle connection", own, 20.0, 12.0, "KiB")])
}
