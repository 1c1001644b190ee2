//! The power fails: what was not written through to the disk is gone.
//!
//! The data directory is on a file system in a file. The process is stopped, the file copied with what has reached it, and
//! the process killed. What the kernel still held back is not in the copy, which is then mounted and served from.

use std::{fs, path::Path, time::Duration};

use crate::{
    Dice, beside_others,
    disk::{Disk, run},
    house::{House, Kept},
    kills::{WRITERS, integrity, set_to_work},
    ledger::{self, audit},
    size, tell,
    token_server::Policy,
};

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_when_the_power_fails() {
    let _turn = beside_others().await;
    let check = "power cut, embedded store";
    let mut dice = Dice::new(check);
    let dir = tempfile::tempdir().unwrap();
    let image = dir.path().join("disk 0");
    let test = "nothing_acknowledged_is_lost_when_the_power_fails";
    let Some(mut disk) = Disk::make(&image, dir.path().join("0"), test) else { return };
    let mut house = House::furnish(Kept::Files(disk.data()), Policy::default(), false).await;
    let mut writers = ledger::writers(WRITERS, &house, &mut dice);
    let cuts = size(3, 60);
    let mut forgotten = 0;
    let mut last = image;
    for cut in 1..=cuts {
        let node = house.node(&[]).await;
        let wrong = audit(&node, &house, &mut writers).await;
        assert!(wrong.is_empty(), "cut {cut}: {wrong:#?}");
        assert_eq!(integrity(&disk.data()).await, "ok", "cut {cut}");
        let work = set_to_work(&node, writers);
        tokio::time::sleep(dice.moment(800)).await;
        // The proof that a cut loses what is not written through: this is not.
        fs::write(disk.place.join("unsynced"), vec![b'x'; 64 << 10]).unwrap();
        node.signal("STOP");
        let image = dir.path().join(format!("disk {cut}"));
        assert!(run("cp", &[Path::new("--sparse=always"), &last, &image]), "a copy of the disk");
        drop(node);
        writers = work.await.unwrap();
        drop(disk);
        fs::remove_file(&last).unwrap();
        disk = Disk::mount(&image, dir.path().join(cut.to_string())).expect("what was mounted before");
        let kept = fs::read(disk.place.join("unsynced")).is_ok_and(|bytes| bytes == vec![b'x'; 64 << 10]);
        forgotten += usize::from(!kept);
        drop(fs::remove_file(disk.place.join("unsynced")));
        house.move_to(disk.data());
        last = image;
    }
    let node = house.node(&[]).await;
    let wrong = audit(&node, &house, &mut writers).await;
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(integrity(&disk.data()).await, "ok");
    drop(node);
    let acknowledged = ledger::acknowledged(&writers);
    assert!(acknowledged >= cuts, "only {acknowledged} writes: nothing is shown");
    assert!(
        2 * forgotten > cuts,
        "only {forgotten} of {cuts} cuts lost what was not written through: nothing is shown"
    );
    tell(
        check,
        format_args!(
            "{cuts} cuts: {acknowledged} writes acknowledged, 0 lost, integrity_check ok each time; a file that was not \
             written through was lost in {forgotten} of them"
        ),
    );
}

/// The proof that the check above can see a loss: here the database itself does not sync its commits.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_synced_is_seen_to_be_lost_when_the_power_fails() {
    let _turn = beside_others().await;
    let check = "power cut, embedded store with synchronous = normal";
    let test = "what_was_not_synced_is_seen_to_be_lost_when_the_power_fails";
    let mut dice = Dice::new(check);
    let (cuts, mut acknowledged, mut lost, mut lossy) = (size(2, 10), 0, 0, 0);
    for _ in 0..cuts {
        let dir = tempfile::tempdir().unwrap();
        let image = dir.path().join("disk");
        let Some(disk) = Disk::make(&image, dir.path().join("before"), test) else { return };
        let mut house = House::furnish(Kept::Files(disk.data()), Policy::default(), false).await;
        // What the house is furnished with is there in any case.
        assert!(run("sync", &[Path::new("-f"), &disk.place]));
        let mut writers = ledger::writers(WRITERS, &house, &mut dice);
        let node = house.node(&[("HUBGATE_STORE__SYNCHRONOUS", "normal")]).await;
        let work = set_to_work(&node, writers);
        tokio::time::sleep(Duration::from_millis(200) + dice.moment(400)).await;
        node.signal("STOP");
        let copy = dir.path().join("copy");
        assert!(run("cp", &[Path::new("--sparse=always"), &image, &copy]), "a copy of the disk");
        drop(node);
        writers = work.await.unwrap();
        drop(disk);
        let disk = Disk::mount(&copy, dir.path().join("after")).expect("what was mounted before");
        house.move_to(disk.data());
        let node = house.node(&[]).await;
        let missing = audit(&node, &house, &mut writers).await.len();
        // It loses, but breaks nothing.
        assert_eq!(integrity(&disk.data()).await, "ok");
        drop(node);
        lost += missing;
        lossy += usize::from(missing > 0);
        acknowledged += ledger::acknowledged(&writers);
    }
    assert!(lost > 0, "of {acknowledged} writes that were not synced none was lost: the check sees nothing");
    tell(
        check,
        format_args!(
            "{cuts} cuts: {acknowledged} writes acknowledged, {lost} found lost or undone, in {lossy} of the cuts"
        ),
    );
}
