//! SIGKILL at each sync: while instances are made, while a grant is refreshed, while a store is made.

use std::{
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
    sync::mpsc,
    time::Duration,
};

use crate::{
    Dice, attempt, beside_others,
    disk::skip,
    house::{CONTENTS, House, Kept},
    kills::{integrity, set_to_work},
    ledger::{Writer, audit},
    size,
    support::send,
    tell,
    token_server::{Policy, Rotation},
    tracer::{Tracer, ended, killed_at, signal},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_at_any_sync_of_a_writer_loses_nothing_acknowledged() {
    let _turn = beside_others().await;
    let check = "SIGKILL at each sync of writers";
    let test = "a_kill_at_any_sync_of_a_writer_loses_nothing_acknowledged";
    let mut dice = Dice::new(check);
    let house = House::embedded(false).await;
    let told = tempfile::tempdir().unwrap();
    let mut writers = vec![Writer::new(&house, 0, dice.below(1 << 40))];
    let points = size(8, 60);
    for point in 1..=points {
        let node = house.node(&[]).await;
        let fault = format!("signal=KILL:when={point}");
        let Some(tracer) = Tracer::attach(node.pid(), &fault, told.path().join("trace"), test) else { return };
        writers = set_to_work(&node, writers).await.unwrap();
        drop(tracer);
        drop(node);
        let node = house.node(&[]).await;
        let wrong = audit(&node, &house, &mut writers).await;
        assert!(wrong.is_empty(), "sync {point}: {wrong:#?}");
        assert_eq!(integrity(&house.data()).await, "ok", "sync {point}");
    }
    let (acknowledged, cut_off) = (writers[0].acknowledged, writers[0].unanswered);
    assert_eq!(cut_off, points, "each kill cuts one write off");
    assert!(acknowledged >= points, "only {acknowledged} writes: nothing is shown");
    tell(
        check,
        format_args!("{points} kills: {acknowledged} writes acknowledged, 0 lost, integrity_check ok each time"),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_at_any_sync_of_a_refresh_loses_no_grant_that_is_honoured() {
    let _turn = beside_others().await;
    let check = "SIGKILL at each sync of a refresh";
    let test = "a_kill_at_any_sync_of_a_refresh_loses_no_grant_that_is_honoured";
    let mut seen = Vec::new();
    for rotation in [Rotation::Strict, Rotation::Grace] {
        let dir = tempfile::tempdir().unwrap();
        let policy = Policy { rotation, ..Policy::default() };
        let house = House::furnish(Kept::Files(dir.path().join("data")), policy, false).await;
        let mut points = 0;
        loop {
            let guest = house.expired_guests(1).await.remove(0);
            let before = house.provider.counters();
            let node = house.node(&[]).await;
            let fault = format!("signal=KILL:when={}", points + 1);
            let Some(tracer) = Tracer::attach(node.pid(), &fault, dir.path().join("trace"), test) else { return };
            let request = node.client.get(format!("{}{CONTENTS}", node.base)).header("Authorization", &guest);
            let answered = attempt(request).await;
            drop(tracer);
            drop(node);
            let node = house.node(&[]).await;
            let reply = send(node.client.get(format!("{}{CONTENTS}", node.base)).header("Authorization", &guest)).await;
            let after = house.provider.counters();
            let dead = after.spent > before.spent && rotation == Rotation::Strict;
            assert_eq!(reply.status, if dead { 401 } else { 200 }, "sync {}: {}", points + 1, reply.body);
            assert!(!dead || reply.body["code"] == "reauth-required", "{}", reply.body);
            drop(node);
            assert_eq!(integrity(&house.data()).await, "ok");
            if let Some(answered) = answered {
                answered.expect(200);
                break;
            }
            points += 1;
        }
        // The announcement and the result, at least.
        assert!(points >= 2, "a refresh has {points} syncs: nothing is shown");
        seen.push(format!("{rotation:?} {points}"));
    }
    tell(check, format_args!("kills at all syncs ({}): every grant that the provider honours works", seen.join(", ")));
}

/// Whether it came to listen; it is ended in any case.
fn starts(mut command: Command) -> bool {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        if lines.any(|line| line.contains("\"listening\"")) {
            // Somebody listens, for a minute.
            tell.send(()).unwrap_or_default();
        }
        lines.for_each(drop);
    });
    let listens = told.recv_timeout(Duration::from_secs(60)).is_ok();
    // The program that is traced, if it is.
    let pid = child.id();
    let below = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let programs: Vec<u32> = below.split_whitespace().filter_map(|pid| pid.parse().ok()).collect();
    for name in ["TERM", "KILL"] {
        for &program in &programs {
            signal(program, name);
        }
        if programs.is_empty() || name == "KILL" {
            signal(pid, name);
        }
        if ended(&mut child, 10) {
            return listens;
        }
    }
    panic!("it does not end");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_start_that_is_killed_at_any_sync_is_made_good_by_the_next() {
    let _turn = beside_others().await;
    let check = "SIGKILL at each sync of a first start";
    if Command::new("strace").arg("-V").stdout(Stdio::null()).status().is_err() {
        return skip("a_first_start_that_is_killed_at_any_sync_is_made_good_by_the_next", "there is no strace");
    }
    let mut house = House::embedded(false).await;
    let dir = tempfile::tempdir().unwrap();
    // A key made elsewhere would spare the start one of its files.
    let (mut points, step) = (0, size(3, 1));
    for nth in (1..).step_by(step) {
        let data = dir.path().join(nth.to_string());
        house.move_to(data.clone());
        let serve = || {
            let mut command = house.command(&["serve", "--listen", "127.0.0.1:0"]);
            command.env("HUBGATE_STORE__MASTER_KEY_FILE", data.join("master.key"));
            command
        };
        if starts(killed_at(&serve(), nth)) {
            break;
        }
        points += 1;
        assert!(starts(serve()), "after a kill at sync {nth}");
        assert_eq!(integrity(&data).await, "ok", "after a kill at sync {nth}");
        assert!(points < 200, "a start does not end");
    }
    assert!(points >= 2, "a first start has {points} syncs: nothing is shown");
    tell(check, format_args!("{points} kills, every one made good by the next start"));
}
