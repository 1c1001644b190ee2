use std::os::unix::fs::PermissionsExt as _;

use chrono::TimeDelta;
use serde_json::json;
use tempfile::TempDir;

use super::*;

fn sealer() -> Sealer {
    Sealer::new(&[1; 32])
}

fn journal(dir: &TempDir) -> Journal {
    Journal::open(dir.path(), sealer()).unwrap()
}

fn spilled(instance_id: i64, generation: i64) -> Spilled {
    let secret = |kind: &str| Some(SecretString::from(format!("canary-{kind}-{instance_id}-{generation}")));
    Spilled {
        instance_id,
        epoch: generation + 7,
        generation,
        spent: Some([7; 32]),
        grant: NewGrant {
            access: secret("access"),
            refresh: secret("refresh"),
            expires_at: Some(Utc::now() + TimeDelta::hours(1)),
            ..NewGrant::default()
        },
        configuration: json!({"instance.url": "https://x.example"}).as_object().cloned().unwrap(),
    }
}

fn known(records: &[Spilled]) -> Vec<(i64, i64)> {
    records.iter().map(|record| (record.instance_id, record.generation)).collect()
}

fn names(dir: &TempDir) -> Vec<String> {
    let entries = fs::read_dir(dir.path()).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn only_file(dir: &TempDir) -> PathBuf {
    let [name] = names(dir).try_into().unwrap();
    dir.path().join(name)
}

#[test]
fn what_was_written_is_found_by_the_next_process_and_gone_once_settled() {
    let dir = TempDir::new().unwrap();
    let living = journal(&dir);
    assert!(names(&dir).is_empty(), "nothing is made before it is needed");
    for record in [spilled(8, 3), spilled(7, 2), spilled(7, 1)] {
        living.append(&record).unwrap();
    }
    let file = only_file(&dir);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let text = fs::read(&file).unwrap();
    assert!(!String::from_utf8_lossy(&text).contains("canary"), "a secret in clear");
    assert!(known(&journal(&dir).take_over()).is_empty(), "its process lives");

    drop(living);
    let next = journal(&dir);
    let found = next.take_over();
    assert_eq!(known(&found), [(7, 1), (7, 2), (8, 3)], "the oldest generation first");
    let (record, first) = (spilled(7, 1), &found[0]);
    assert_eq!((first.epoch, first.spent, &first.configuration), (8, Some([7; 32]), &record.configuration));
    assert_eq!(first.grant.access.as_ref().unwrap().expose_secret(), "canary-access-7-1");
    assert_eq!(first.grant.refresh.as_ref().unwrap().expose_secret(), "canary-refresh-7-1");
    assert!(first.grant.secret.is_none() && first.grant.expires_at.is_some());
    assert!(next.take_over().is_empty(), "once");
    // A record of its own goes to a file of its own.
    next.append(&spilled(9, 1)).unwrap();
    assert_eq!(names(&dir).len(), 2);
    for (instance_id, generation) in known(&found) {
        assert!(file.exists());
        next.settle(instance_id, generation);
    }
    assert!(!file.exists());
    next.settle(9, 1);
    assert!(names(&dir).is_empty());
}

#[test]
fn a_record_that_was_cut_off_anywhere_leaves_those_before_it() {
    let dir = TempDir::new().unwrap();
    let writing = journal(&dir);
    writing.append(&spilled(1, 1)).unwrap();
    let file = only_file(&dir);
    let first = fs::read(&file).unwrap().len();
    writing.append(&spilled(2, 1)).unwrap();
    let whole = fs::read(&file).unwrap();
    drop(writing);
    for cut in (0..whole.len()).step_by(7).chain([first - 1, first, first + 1, whole.len() - 1, whole.len()]) {
        fs::write(&file, &whole[..cut]).unwrap();
        let reading = journal(&dir);
        let found = known(&reading.take_over());
        let expected: &[(i64, i64)] = match cut {
            cut if cut < first => &[],
            cut if cut < whole.len() => &[(1, 1)],
            _ => &[(1, 1), (2, 1)],
        };
        assert_eq!(found, expected, "cut at {cut}");
        assert_eq!(file.exists(), !expected.is_empty(), "cut at {cut}");
        for (instance_id, generation) in found {
            reading.settle(instance_id, generation);
        }
        assert!(names(&dir).is_empty(), "cut at {cut}");
    }
}

#[test]
fn damage_in_the_midst_loses_one_record_and_the_file_is_kept() {
    let dir = TempDir::new().unwrap();
    let writing = journal(&dir);
    for id in 1..=3 {
        writing.append(&spilled(id, 1)).unwrap();
    }
    let file = only_file(&dir);
    let mut bytes = fs::read(&file).unwrap();
    drop(writing);
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&file, bytes).unwrap();
    let reading = journal(&dir);
    assert_eq!(known(&reading.take_over()), [(1, 1), (3, 1)]);
    reading.settle(1, 1);
    assert!(file.exists());
    reading.settle(3, 1);
    let kept = only_file(&dir);
    assert!(kept.to_str().unwrap().ends_with(".journal.damaged"), "{kept:?}");
    assert!(journal(&dir).take_over().is_empty(), "it is not read again");
}

#[test]
fn a_record_opens_under_its_key_and_for_its_grant_only() {
    let dir = TempDir::new().unwrap();
    let writing = journal(&dir);
    writing.append(&spilled(1, 1)).unwrap();
    let file = only_file(&dir);
    drop(writing);
    assert_eq!(locked_out(dir.path(), &sealer()).unwrap(), 0);
    assert_eq!(locked_out(dir.path(), &Sealer::new(&[2; 32])).unwrap(), 1);
    assert_eq!(locked_out(&dir.path().join("none"), &sealer()).unwrap(), 0);

    let bytes = fs::read(&file).unwrap();
    let (_, body) = format::parse(&bytes).records[0].clone();
    for at in 0..NUMBERS {
        let mut moved = body.to_vec();
        moved[at] ^= 1;
        let mut forged = format::HEAD.to_vec();
        forged.extend(format::record(&moved).unwrap());
        fs::write(&file, forged).unwrap();
        assert!(journal(&dir).take_over().is_empty(), "byte {at}");
        fs::rename(only_file(&dir), &file).unwrap();
    }
}

#[test]
fn it_has_an_end() {
    let dir = TempDir::new().unwrap();
    let full = Journal { max_bytes: 1000, ..journal(&dir) };
    let written = (1..100).take_while(|id| full.append(&spilled(*id, 1)).is_ok()).count();
    assert!((1..10).contains(&written), "{written}");
    let error = full.append(&spilled(100, 1)).unwrap_err();
    assert!(error.to_string().contains("full"), "{error}");
    drop(full);
    assert_eq!(journal(&dir).take_over().len(), written, "what was taken is there");
}

#[test]
fn a_place_that_cannot_be_written_to_is_refused() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let error = Journal::open(&file.join("below"), sealer()).unwrap_err();
    assert!(error.to_string().contains("No journal") && error.to_string().contains("below"), "{error}");
}
