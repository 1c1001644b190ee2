//! Marketing lists: who is on them, and the actions that put rows on and take them off.

use axum::{http::Method, response::Response};
use serde_json::{Value, json};

use super::{API, Call, Failure, no_segment, not_allowed};
use crate::{core::hold, http};

/// What lists are of: the code, the property that leads to members, and their set.
const KINDS: [(i64, &str, &str); 3] = [
    (1, "listaccount_association", "accounts"),
    (2, "listcontact_association", "contacts"),
    (4, "listlead_association", "leads"),
];

impl Call<'_> {
    /// What is below a list: its members, or an action on it.
    pub(super) fn of_list(&self, id: &str, below: &str) -> Result<Response, Failure> {
        if let Some(action) = below.strip_prefix("Microsoft.Dynamics.CRM.") {
            return self.change_members(id, action);
        }
        let (.., set) = KINDS.iter().find(|(_, name, _)| *name == below).ok_or_else(|| no_segment(below))?;
        if self.method != Method::GET {
            return Err(not_allowed());
        }
        let (index, members) = {
            let store = hold(&self.org.store);
            let known = store.named("list").and_then(|lists| store.row(lists, id));
            known.ok_or_else(|| Failure::missing("list", id))?;
            (store.of_set(set).ok_or_else(|| no_segment(set))?, store.members(id).to_vec())
        };
        self.list(index, Some(&members))
    }

    fn change_members(&self, id: &str, action: &str) -> Result<Response, Failure> {
        if self.method != Method::POST {
            return Err(not_allowed());
        }
        let body = self.json()?;
        let member = body.get("EntityId").and_then(Value::as_str).map(str::to_lowercase);
        let member = member.ok_or_else(|| Failure::payload("lists", "the parameter 'EntityId' is missing"))?;
        let mut store = hold(&self.org.store);
        let (code, dynamic) = {
            let list = store.named("list").and_then(|lists| store.row(lists, id));
            let (_, list) = list.ok_or_else(|| Failure::missing("list", id))?;
            (list.get("createdfromcode").and_then(Value::as_i64), list.get("type") == Some(&json!(true)))
        };
        if dynamic {
            return Err(Failure::new(400, "0x8004f701", "Cannot change the members of a dynamic list."));
        }
        let kind = KINDS.iter().find(|(known, ..)| Some(*known) == code);
        let table = kind.and_then(|(.., set)| store.of_set(set)).and_then(|index| store.table(index));
        let table = table.ok_or_else(|| no_segment(action))?;
        if store.row(table, &member).is_none() {
            return Err(Failure::missing(table.name, &member));
        }
        match action {
            "AddMemberList" => {
                store.put_on(id, &member);
                let kind =
                    format!("{}{API}/$metadata#Microsoft.Dynamics.CRM.AddMemberListResponse", self.org.core.origin);
                Ok(http::json(200, &json!({"@odata.context": kind, "Id": member})))
            }
            "RemoveMemberList" if store.take_off(id, &member) => Ok(http::empty(204)),
            "RemoveMemberList" => Err(Failure::missing("listmember", &member)),
            other => Err(no_segment(other)),
        }
    }
}
