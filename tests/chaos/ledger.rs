//! Writers that keep a ledger of what was acknowledged, to be held against what is there later.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    Dice, attempt,
    house::{CONTENTS, House, Node},
    support::send,
    token_server::TokenServer,
};

/// Live instances of one writer.
const MOST: usize = 8;

#[derive(Debug, Clone)]
struct Entry {
    name: String,
    /// How it calls; unknown when its creation was never answered.
    token: Option<String>,
}

/// What was asked and not answered: it may have happened.
#[derive(Debug, Clone)]
enum Doubt {
    Created(String),
    Renamed(i64, String),
    Deleted(i64),
}

/// One writer and what it knows.
pub(crate) struct Writer {
    number: usize,
    serial: usize,
    dice: Dice,
    account: String,
    provider: Arc<TokenServer>,
    there: BTreeMap<i64, Entry>,
    gone: BTreeSet<i64>,
    doubt: Option<Doubt>,
    /// Writes that were acknowledged.
    pub(crate) acknowledged: usize,
    /// Writes that were not answered.
    pub(crate) unanswered: usize,
    /// Whether a write may be answered that it cannot be done just now; the writer stops then, too.
    pub(crate) may_be_refused: bool,
    /// What it was told then.
    pub(crate) refusal: Option<String>,
}

/// So many writers, each with dice of its own.
pub(crate) fn writers(number: usize, house: &House, dice: &mut Dice) -> Vec<Writer> {
    (0..number).map(|number| Writer::new(house, number, dice.below(1 << 40))).collect()
}

/// The writes of all of them that were acknowledged.
pub(crate) fn acknowledged(writers: &[Writer]) -> usize {
    writers.iter().map(|writer| writer.acknowledged).sum()
}

impl Writer {
    pub(crate) fn new(house: &House, number: usize, seed: u64) -> Self {
        Self {
            number,
            serial: 0,
            dice: Dice::seeded(seed + 1),
            account: house.account.clone(),
            provider: Arc::clone(&house.provider),
            there: BTreeMap::new(),
            gone: BTreeSet::new(),
            doubt: None,
            acknowledged: 0,
            unanswered: 0,
            may_be_refused: false,
            refusal: None,
        }
    }

    /// Writes until the first write that is not acknowledged.
    pub(crate) async fn write(mut self, base: String, client: reqwest::Client) -> Self {
        loop {
            self.serial += 1;
            let name = format!("writer {} write {}", self.number, self.serial);
            let some = self.there.keys().copied().nth(usize::try_from(self.dice.below(MOST as u64)).unwrap());
            let (method, path, body, doubt) = match (some, self.dice.below(3)) {
                (Some(id), 0 | 1) => {
                    (Method::PATCH, format!("/instances/{id}"), json!({"name": name}), Doubt::Renamed(id, name))
                }
                (Some(id), _) => (Method::DELETE, format!("/instances/{id}"), Value::Null, Doubt::Deleted(id)),
                (None, _) => {
                    let code = self.provider.code(None);
                    let body = json!({"name": name, "element": {"key": "shelf"}, "providerData": {"code": code}});
                    (Method::POST, "/instances".to_owned(), body, Doubt::Created(name))
                }
            };
            let request = client.request(method, format!("{base}{path}")).header("Authorization", &self.account);
            let request = if body.is_null() { request } else { request.json(&body) };
            self.doubt = Some(doubt.clone());
            let Some(reply) = attempt(request).await else {
                self.unanswered += 1;
                return self;
            };
            if self.may_be_refused && reply.status == 503 {
                assert_eq!(reply.body["code"], "unavailable", "{}", reply.body);
                self.refusal = Some(reply.body["message"].as_str().unwrap().to_owned());
                return self;
            }
            assert_eq!(reply.status, 200, "{doubt:?}: {}", reply.body);
            self.doubt = None;
            self.acknowledged += 1;
            match doubt {
                Doubt::Created(name) => {
                    let token = Some(format!("Element {}", reply.body["token"].as_str().unwrap()));
                    self.there.insert(reply.body["id"].as_i64().unwrap(), Entry { name, token });
                }
                Doubt::Renamed(id, name) => self.there.get_mut(&id).unwrap().name = name,
                Doubt::Deleted(id) => {
                    self.there.remove(&id);
                    self.gone.insert(id);
                }
            }
        }
    }

    /// Takes what it knows out of `stored`, and learns what became of the write in doubt. `lost` gets what is missing.
    fn settle(&mut self, stored: &mut BTreeMap<i64, String>, lost: &mut Vec<String>) {
        match self.doubt.take() {
            Some(Doubt::Created(name)) => {
                if let Some((&id, _)) = stored.iter().find(|(_, stored)| **stored == name) {
                    self.there.insert(id, Entry { name, token: None });
                }
            }
            Some(Doubt::Renamed(id, name)) if stored.get(&id) == Some(&name) => {
                self.there.get_mut(&id).unwrap().name = name;
            }
            Some(Doubt::Deleted(id)) if !stored.contains_key(&id) => {
                self.there.remove(&id);
                self.gone.insert(id);
            }
            // It has not happened.
            Some(_) | None => {}
        }
        for (id, entry) in &self.there {
            match stored.remove(id) {
                Some(name) if name == entry.name => {}
                other => lost.push(format!("instance {id} was {:?} and is {other:?}", entry.name)),
            }
        }
        let again = stored.keys().filter(|id| self.gone.contains(id)).copied().collect::<Vec<_>>();
        for id in again {
            stored.remove(&id);
            lost.push(format!("instance {id} was deleted and is there"));
        }
    }
}

/// Holds what a node has against what the writers know; what is wrong, if anything.
pub(crate) async fn audit(node: &Node, house: &House, writers: &mut [Writer]) -> Vec<String> {
    let listed = node.platform(Method::GET, "/instances?hydrate=false&pageSize=500").await.expect(200);
    let mut stored: BTreeMap<i64, String> = listed
        .list()
        .iter()
        .map(|one| (one["id"].as_i64().unwrap(), one["name"].as_str().unwrap().to_owned()))
        .collect();
    assert_eq!(stored.remove(&house.instance).as_deref(), Some("mine"));
    // So are the guests'.
    stored.retain(|_, name| name != "mine");
    let mut wrong = Vec::new();
    for writer in writers.iter_mut() {
        writer.settle(&mut stored, &mut wrong);
        // Its sealed secrets are there, too: it calls its provider.
        let Some(token) = writer.there.values().rev().find_map(|entry| entry.token.clone()) else { continue };
        let reply = send(node.client.get(format!("{}{CONTENTS}", node.base)).header("Authorization", token)).await;
        if reply.status != 200 {
            wrong.push(format!("a call through an instance that is there: {} {}", reply.status, reply.body));
        }
    }
    wrong.extend(stored.into_iter().map(|(id, name)| format!("instance {id} ({name}) is there, and nobody made it")));
    wrong
}
