//! The scenarios, one room each kind.

mod connections;
mod grants;
mod growth;
mod latency;
mod many;
mod process;
mod proxied;
mod streams;

use super::{
    Outcome, machine,
    options::Options,
    report::{self, Target},
    rig::Rig,
};

/// Runs what is wanted, in turn, and prints the tables.
pub async fn run(options: Options) -> Outcome<()> {
    let rig = Rig::new(options)?;
    let mut targets = Vec::new();
    println!("{}; nginx {}.", machine::describe(), machine::nginx_version());
    println!("{} rounds of {:?} per program.", rig.options.rounds, rig.options.seconds);
    // A scenario that cannot be run is told and does not take the others with it.
    let mut failed = Vec::new();
    let mut note = |name: &str, ended: Outcome<Vec<Target>>| match ended {
        Ok(found) => targets.extend(found),
        Err(error) => {
            println!("\n**{name} could not be measured: {error}**");
            failed.push(name.to_owned());
        }
    };
    let wants = |name: &str| rig.options.wants(name);
    if ["a", "b", "c", "d", "e", "shipped"].into_iter().any(wants) {
        note("a to e", Box::pin(proxied::run(&rig)).await);
    }
    if wants("latency") {
        note("latency", Box::pin(latency::run(&rig)).await);
    }
    if wants("f") {
        note("f", Box::pin(streams::files(&rig)).await);
    }
    if wants("stalled") {
        note("stalled", Box::pin(streams::stalled(&rig)).await);
    }
    if wants("g") {
        note("g", Box::pin(connections::run(&rig)).await);
    }
    if wants("h") {
        note("h", Box::pin(grants::run(&rig)).await);
    }
    if wants("i") {
        note("i", Box::pin(many::run(&rig)).await);
    }
    if wants("j") {
        note("j", Box::pin(many::creation(&rig)).await);
    }
    if wants("process") {
        note("process", Box::pin(process::idle(&rig)).await);
    }
    if wants("syscalls") {
        note("syscalls", Box::pin(process::system_calls(&rig)).await);
    }
    if wants("growth") {
        note("growth", Box::pin(growth::run(&rig)).await);
    }
    report::targets(&targets);
    if failed.is_empty() { Ok(()) } else { Err(format!("not measured: {}", failed.join(", ")).into()) }
}
