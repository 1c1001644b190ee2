//! One budget for several nodes, counted in Redis.

use super::{
    cable::Cable,
    house::{CONTENTS, House, Node, redis},
    support::send,
};

/// The status of a call and what it tells of the instance's budget.
async fn call(node: &Node, token: &str) -> (u16, String) {
    let reply = send(node.client.get(format!("{}{CONTENTS}", node.base)).header("Authorization", token)).await;
    let told = reply.headers.get_all("ratelimit").iter().map(|value| value.to_str().unwrap().to_owned());
    let told: Vec<String> = told.filter(|value| value.contains("instance")).collect();
    (reply.status.as_u16(), told.join(";"))
}

async fn served(node: &Node, token: &str, calls: usize) -> usize {
    let mut served = 0;
    for _ in 0..calls {
        match call(node, token).await.0 {
            200 => served += 1,
            status => assert_eq!(status, 429),
        }
    }
    served
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_share_a_budget_and_each_has_its_own_without_redis() {
    let test = "two_nodes_share_a_budget_and_each_has_its_own_without_redis";
    let Some(address) = redis(test).await else { return };
    let Some(house) = House::build(test, false).await else { return };
    let cable = Cable::to(&address, "\u{1}").await;
    let url = format!("redis://{}/0", cable.address);
    let limits = [
        ("HUBGATE_CACHE__REDIS_URL", url.as_str()),
        ("HUBGATE_LIMITS__INSTANCE_PER_MINUTE", "12"),
        ("HUBGATE_LIMITS__ACCOUNT_PER_MINUTE", "1000"),
    ];
    let nodes = [house.node(&limits).await, house.node(&limits).await, house.node(&limits).await];
    let [one, other, third] = &nodes;
    // A Redis that is slow once, on a busy machine, is a Redis that is away: another instance, then.
    let tokens = [vec![house.token.clone()], house.expired_guests(3).await].concat();
    let mut seen = Vec::new();
    let mut shared = None;
    for token in &tokens {
        let began = tokio::time::Instant::now();
        let together = served(one, token, 9).await + served(other, token, 9).await;
        let (status, told) = call(third, token).await;
        // One call comes back in five seconds.
        let back = usize::try_from(began.elapsed().as_secs()).unwrap() / 5 + 1;
        seen.push((together, status, told.clone()));
        if (12..12 + back).contains(&together) && status == 429 && told.contains("r=0;t=") {
            shared = Some(token);
            break;
        }
    }
    let Some(token) = shared else { panic!("none of the budgets was shared: {seen:?}") };

    // Without Redis each goes by what it has counted itself: looser, and nobody waits. The third has counted one.
    cable.freeze();
    let began = tokio::time::Instant::now();
    let alone = served(third, token, 24).await;
    let back = usize::try_from(began.elapsed().as_secs()).unwrap() / 5 + 1;
    assert!((11..=12 + back).contains(&alone), "{alone}");
    cable.cut();
    assert!(served(third, token, 6).await <= 1 + back);
}
