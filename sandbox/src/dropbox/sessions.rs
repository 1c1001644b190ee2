//! Upload sessions: contents that arrive in several requests.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};

use super::failure::nest;
use crate::{
    content::{Hash, Intake},
    core::{hold, random_hex},
};

/// The sessions that are open.
#[derive(Default)]
pub(super) struct Sessions(Mutex<HashMap<String, Arc<Session>>>);

/// One session; only one request at a time can append to it.
pub(super) struct Session {
    pub(super) account: u32,
    pub(super) state: tokio::sync::Mutex<State>,
}

pub(super) struct State {
    pub(super) intake: Intake,
    pub(super) closed: bool,
}

/// Why a session cannot be used.
#[derive(Clone, Copy, Debug)]
pub(super) enum SessionError {
    NotFound,
    IncorrectOffset(u64),
    Closed,
}

impl SessionError {
    pub(super) fn json(self) -> Value {
        match self {
            Self::NotFound => json!({ ".tag": "not_found" }),
            Self::IncorrectOffset(offset) => json!({ ".tag": "incorrect_offset", "correct_offset": offset }),
            Self::Closed => json!({ ".tag": "closed" }),
        }
    }

    /// The same inside `upload_session/finish`.
    pub(super) fn at_finish(self) -> Value {
        nest("lookup_failed", self.json())
    }
}

impl Sessions {
    pub(super) fn open(&self, account: u32) -> (String, Arc<Session>) {
        let id = format!("pid_upload_session:{}", random_hex(20));
        let state = State { intake: Intake::new(Hash::Blocks), closed: false };
        let session = Arc::new(Session { account, state: tokio::sync::Mutex::new(state) });
        hold(&self.0).insert(id.clone(), Arc::clone(&session));
        (id, session)
    }

    pub(super) fn find(&self, id: &str, account: u32) -> Result<Arc<Session>, SessionError> {
        let session = hold(&self.0).get(id).filter(|session| session.account == account).cloned();
        session.ok_or(SessionError::NotFound)
    }

    pub(super) fn remove(&self, id: &str) {
        hold(&self.0).remove(id);
    }

    pub(super) fn clear(&self) {
        hold(&self.0).clear();
    }
}
