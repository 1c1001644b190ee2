//! A thousand calls at once on a grant that has expired.

use tokio::task::JoinSet;

use super::{
    super::{
        Outcome,
        report::{self, Target},
        rig::Rig,
        served::{Kind, requests},
        wire::Wire,
    },
    proxied::uniform_contact,
};

const CALLS: usize = 1_000;

pub async fn run(rig: &Rig) -> Outcome<Vec<Target>> {
    let hubgate = rig.setting("grants").start().await?;
    let token = hubgate.instances("benchcrm", 1, Kind { expired: true, ..Kind::default() }).await?;
    let call = requests(&token, "GET", "/hubs/crm/contacts/512", &[], &[]).remove(0);
    // Its one second of life is over for certain.
    tokio::time::sleep(std::time::Duration::from_millis(1_200)).await;
    let (before, refused) = (rig.provider.token_calls(), rig.provider.refused());
    let mut wires = Vec::with_capacity(CALLS);
    for _ in 0..CALLS {
        wires.push(Wire::open(hubgate.address).await?);
    }
    let mut tasks = JoinSet::new();
    for mut wire in wires {
        let call = call.clone();
        tasks.spawn(async move { wire.call(&call).await.map(|reply| (reply.status, wire.body(reply).to_vec())) });
    }
    let (mut answered, right) = (0_usize, uniform_contact());
    while let Some(ended) = tasks.join_next().await {
        let (status, body) = ended??;
        answered += usize::from(status == 200 && right(&body));
    }
    let (tokens, refused) = (rig.provider.token_calls() - before, rig.provider.refused() - refused);
    report::heading(&format!("h: {CALLS} calls at once on an expired grant"));
    println!(
        "{tokens} token call(s); {answered} of {CALLS} calls answered with the record; the provider refused {refused}."
    );
    Ok(vec![
        Target::most("h: token calls", tokens as f64, 1.0, 1.0, ""),
        Target::least("h: calls answered of 1000", answered as f64, CALLS as f64, CALLS as f64, ""),
    ])
}
