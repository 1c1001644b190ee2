//! Clients that do not wait for the refresh they caused.

use tokio::{io::AsyncWriteExt as _, net::TcpStream};

use crate::{
    Dice, beside_others,
    house::{CONTENTS, House, Node},
    size,
    support::send,
    tell,
};

/// Every one of them is served.
async fn all_are_served(node: &Node, guests: &[String]) {
    for chunk in guests.chunks(50) {
        let asked = chunk
            .iter()
            .map(|token| send(node.client.get(format!("{}{CONTENTS}", node.base)).header("Authorization", token)));
        for reply in futures_util::future::join_all(asked).await {
            reply.expect(200);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_hang_up_stop_no_refresh() {
    let _turn = beside_others().await;
    let check = "clients that hang up during a refresh";
    let mut dice = Dice::new(check);
    let clients = size(60, 500);
    let house = House::embedded(false).await;
    let guests = house.expired_guests(clients).await;
    let node = house.node(&[]).await;
    for some in guests.chunks(50) {
        house.provider.hold();
        let mut callers = Vec::new();
        for token in some {
            let mut caller = TcpStream::connect(node.address()).await.unwrap();
            let head = format!(
                "GET /elements/api-v2{CONTENTS} HTTP/1.1\r\nHost: {}\r\nAuthorization: {token}\r\n\r\n",
                node.address()
            );
            caller.write_all(head.as_bytes()).await.unwrap();
            callers.push(caller);
        }
        // The provider has done it, and said nothing yet.
        for _ in some {
            house.provider.held().await;
        }
        // Half of them go before it answers, half at any moment after.
        callers.truncate(some.len() / 2);
        tokio::time::sleep(dice.moment(20)).await;
        house.provider.release();
        for caller in callers {
            tokio::time::sleep(dice.moment(2)).await;
            drop(caller);
        }
        all_are_served(&node, some).await;
    }
    let seen = house.provider.counters();
    assert_eq!((seen.calls, seen.rotations, seen.spent), (clients, clients, 0));
    // What was served is stored, too.
    drop(node);
    let node = house.node(&[]).await;
    all_are_served(&node, &guests).await;
    let again = house.provider.counters();
    assert_eq!(again, seen);
    tell(
        check,
        format_args!("{clients} clients: {} rotations, all stored, 0 lost, 0 spent tokens presented", seen.rotations),
    );
}
