//! Page tokens: sealed, bound to the instance and to the list they belong to.

use serde::{Deserialize, Serialize};

use super::invoke::Prepared;
use crate::{
    error::{Error, Result},
    provider::Position,
    store::seal::Sealer,
};

#[derive(Serialize, Deserialize)]
struct Token {
    #[serde(flatten)]
    position: Position,
    /// The caller's page size.
    n: u64,
}

/// Seals the positions of one list.
pub(super) struct Pages<'a> {
    sealer: &'a Sealer,
    instance: i64,
    identity: String,
}

impl<'a> Pages<'a> {
    /// The pages of the list that `prepared` reads for `instance`.
    pub(super) fn new(sealer: &'a Sealer, instance: i64, prepared: &mut Prepared) -> Self {
        Self { sealer, instance, identity: std::mem::take(&mut prepared.identity) }
    }

    /// The token of a position.
    pub(super) fn seal(&self, position: &Position, size: u64) -> String {
        let token = Token { position: position.clone(), n: size };
        // Numbers and texts always serialize.
        let purpose = purpose(self.sealer, self.instance, &self.identity);
        self.sealer.seal_token(&purpose, &serde_json::to_vec(&token).unwrap_or_default())
    }
}

fn purpose(sealer: &Sealer, instance: i64, identity: &str) -> String {
    format!("page|{instance}|{}", hex::encode(sealer.digest("page", identity)))
}

/// Opens a token: its position and the page size it was made with.
pub(super) fn open(sealer: &Sealer, instance: i64, identity: &str, token: &str) -> Result<(Position, u64)> {
    sealer
        .open_token(&purpose(sealer, instance, identity), token)
        .and_then(|plain| serde_json::from_slice::<Token>(&plain).ok())
        .map(|token| (token.position, token.n.max(1)))
        .ok_or_else(|| {
            Error::bad_request("nextPage is not a token of this list")
                .with_detail("nextPage", "should be the Elements-Next-Page-Token of the same request without it")
        })
}
