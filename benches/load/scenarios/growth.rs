//! Whether a request costs more when there is more: instances in the store, elements in the catalog.

use std::{fs, path::Path, sync::Arc};

use super::{
    super::{
        Outcome,
        driver::Load,
        report::{self, Target},
        rig::{Rig, mappings},
        rounds::{self, Contender},
        served::{Kind, Setting, requests},
    },
    proxied::uniform_contact,
};

/// Instances that are called, however many there are.
const CALLED: usize = 1_000;
const FEW_INSTANCES: usize = 1_000;
const MANY_ELEMENTS: usize = 200;
const PATH: &str = "/hubs/crm/contacts/512";
const FEW: &str = "few";
const MANY: &str = "many";
const CROWDED: &str = "crowded";

/// The bench's mapping files, and its element again under other names.
fn multiplied(to: &Path) -> Outcome<()> {
    let from = mappings().join("elements");
    for entry in fs::read_dir(&from)? {
        copy(&entry?.path(), &to.join("elements"))?;
    }
    for n in 0..MANY_ELEMENTS {
        let dir = to.join("elements").join(format!("bench{n:03}"));
        fs::create_dir_all(&dir)?;
        for name in ["element.json", "contacts.json"] {
            let text = fs::read_to_string(from.join("benchcrm").join(name))?;
            let text = text.replace("\"id\": 9901", &format!("\"id\": {}", 20_000 + n));
            fs::write(dir.join(name), text.replace("\"key\": \"benchcrm\"", &format!("\"key\": \"bench{n:03}\"")))?;
        }
    }
    Ok(())
}

fn copy(folder: &Path, to: &Path) -> Outcome<()> {
    let to = to.join(folder.file_name().ok_or("a folder without a name")?);
    fs::create_dir_all(&to)?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.path().is_file() {
            fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
    }
    Ok(())
}

pub async fn run(rig: &Rig) -> Outcome<Vec<Target>> {
    let few = rig.setting(FEW);
    fs::create_dir_all(&few.home)?;
    let few_tokens = super::many::fill(&few, FEW_INSTANCES).await?;
    let many = rig.setting(MANY);
    let many_tokens = if many.home.join("tokens").exists() {
        fs::read_to_string(many.home.join("tokens"))?.lines().map(str::to_owned).collect()
    } else {
        fs::create_dir_all(&many.home)?;
        super::many::fill(&many, rig.options.instances).await?
    };
    let spread: Vec<String> =
        (0..CALLED).map(|n| many_tokens[n * (many_tokens.len() / CALLED).max(1) % many_tokens.len()].clone()).collect();
    let crowded = Setting { mappings: rig.home.path().join("many-elements"), ..rig.setting(CROWDED) };
    multiplied(&crowded.mappings)?;
    let crowded_tokens = {
        let hubgate = crowded.start().await?;
        hubgate.instances("benchcrm", CALLED, Kind::default()).await?
    };
    let started = [
        (FEW, few.start().await?, few_tokens),
        (MANY, many.start().await?, spread),
        (CROWDED, crowded.start().await?, crowded_tokens),
    ];
    let contenders: Vec<_> = started
        .iter()
        .map(|(name, hubgate, tokens)| {
            let requests = Arc::new(requests(tokens, "GET", PATH, &[], &[]));
            let load = Load { address: hubgate.address, requests, status: 200 };
            Contender { name, process: &hubgate.process, load, right: uniform_contact() }
        })
        .collect();
    rounds::verify(&contenders).await?;
    // By turns, and compared within a round: what else the machine does changes in the meantime.
    let rows = rounds::run(&contenders, 64, rig.options.rounds, rig.options.seconds).await?;
    report::heading("Growth: CPU per request, 64 connections over 1000 instances");
    println!("| | CPU µs/request |\n|---|---:|");
    let names = [
        format!("{FEW_INSTANCES} instances, the shipped elements and two"),
        format!("{} instances", many_tokens.len()),
        format!("{MANY_ELEMENTS} elements more"),
    ];
    for (name, row) in names.iter().zip(&rows) {
        println!("| {name} | {:.1} |", row.cpu_us);
    }
    Ok(vec![
        Target::most(format!("growth to {} instances", many_tokens.len()), rows[1].ratio[FEW], 1.1, 1.1, "×"),
        Target::most(format!("growth by {MANY_ELEMENTS} elements"), rows[2].ratio[FEW], 1.1, 1.1, "×"),
    ])
}
