//! Teams: a token with team scopes is a whole team's, and each call of a member's files says whose they are.

use axum::http::HeaderMap;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Api, Caller,
    failure::{Failure, Outcome},
};
use crate::{
    core::{PEOPLE, hold, random_hex},
    http::header_text,
    oauth::Access,
};

/// The scope that only tokens of teams have.
const TEAM_SCOPE: &str = "team_data.member";
/// The header that says whose files a call is about.
const SELECT_USER: &str = "dropbox-api-select-user";

/// A member of a team.
#[derive(Clone, Debug)]
pub(super) struct Member {
    id: String,
    /// The member's number in the team.
    number: u32,
    pub(super) given: String,
    pub(super) surname: String,
    pub(super) email: String,
    admin: bool,
    suspended: bool,
}

/// The team of a grant as it is at first: its admin and one more.
pub(super) fn seeded() -> Vec<Member> {
    let member = |person: &crate::core::Person| Member {
        id: format!("dbmid:AAHhy7WsR0x-u4ZCqiDl5Fz5zvuL3km{:03}", person.number),
        number: person.number,
        given: person.given.to_owned(),
        surname: person.surname.to_owned(),
        email: person.email.to_owned(),
        admin: person.number == 1,
        suspended: false,
    };
    PEOPLE.iter().map(member).collect()
}

impl Member {
    fn show(&self) -> Value {
        json!({
            "profile": {
                "team_member_id": self.id,
                "email": self.email,
                "email_verified": true,
                "status": { ".tag": if self.suspended { "suspended" } else { "active" } },
                "name": {
                    "given_name": self.given,
                    "surname": self.surname,
                    "familiar_name": self.given,
                    "display_name": format!("{} {}", self.given, self.surname),
                    "abbreviated_name": format!("{:.1}{:.1}", self.given, self.surname),
                },
                "membership_type": { ".tag": "full" },
                "groups": [],
                "member_folder_id": "2001",
                "root_folder_id": "1001",
            },
            "roles": if self.admin { json!([{ "name": "Team", "description": "Manages the team" }]) } else { json!([]) },
        })
    }
}

/// Whether a token is a team's.
pub(super) fn is_team(access: &Access) -> bool {
    access.scope.as_deref().is_some_and(|scope| scope.split(' ').any(|scope| scope == TEAM_SCOPE))
}

impl Api {
    fn team<T>(&self, grant: u64, act: impl FnOnce(&mut Vec<Member>) -> T) -> T {
        act(hold(&self.teams).entry(grant).or_insert_with(seeded))
    }

    /// Who a call acts as: of a team the member whom it names. Each team's members have drives of their own.
    pub(super) fn caller(&self, access: &Access, headers: &HeaderMap) -> Result<Caller, Failure> {
        match (is_team(access), header_text(headers, SELECT_USER)) {
            (false, None) => Ok(Caller { account: access.account, member: None }),
            (false, Some(_)) => Err(Failure::Bad(
                "HTTP header \"Dropbox-API-Select-User\": the access token is not a team's".to_owned(),
            )),
            (true, None) => Err(Failure::Bad(
                "This API function operates on a single Dropbox account, but the OAuth 2 access token you provided is for \
                 an entire Dropbox Business team. Name a member in the HTTP header \"Dropbox-API-Select-User\"."
                    .to_owned(),
            )),
            (true, Some(id)) => {
                let member = self.team(access.grant, |team| team.iter().find(|member| member.id == id).cloned());
                let member = member.ok_or(Failure::Auth("invalid_select_user"))?;
                if member.suspended {
                    return Err(Failure::Auth("user_suspended"));
                }
                let grant = u32::try_from(access.grant).unwrap_or_default();
                let account = grant.saturating_mul(100).saturating_add(member.number);
                Ok(Caller { account, member: Some(member) })
            }
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    limit: Option<usize>,
    #[serde(default, rename = "include_removed")]
    _include_removed: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Continue {
    cursor: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Add {
    new_members: Vec<New>,
    #[serde(default, rename = "force_async")]
    _force_async: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct New {
    #[serde(rename = "member_email")]
    email: String,
    #[serde(rename = "member_given_name")]
    given_name: Option<String>,
    #[serde(rename = "member_surname")]
    surname: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct About {
    user: Selector,
    #[serde(default, rename = "wipe_data")]
    _wipe_data: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Selector {
    #[serde(rename = ".tag")]
    tag: String,
    team_member_id: String,
}

/// A route of the namespace `team`.
pub(super) fn call(api: &Api, route: &str, headers: &HeaderMap, body: &[u8]) -> Outcome {
    let scope = match route {
        "team/token/get_authenticated_admin" => "team_info.read",
        "team/members/list_v2" | "team/members/list/continue_v2" => "members.read",
        "team/members/add_v2" | "team/members/suspend" | "team/members/unsuspend" => "members.write",
        "team/members/remove" => "members.delete",
        _ => return Err(Failure::NoRoute),
    };
    let access = api.core.oauth.check(headers).map_err(Failure::Denied)?;
    if !is_team(&access) {
        return Err(Failure::Bad(
            "This API function operates on a Dropbox Business team, but the OAuth 2 access token you provided is for a \
             single Dropbox account."
                .to_owned(),
        ));
    }
    if headers.contains_key(SELECT_USER) {
        return Err(Failure::Bad(
            "HTTP header \"Dropbox-API-Select-User\": this function is about the team".to_owned(),
        ));
    }
    if !access.scope.as_deref().is_some_and(|granted| granted.split(' ').any(|one| one == scope)) {
        return Err(Failure::MissingScope(scope.to_owned()));
    }
    let page = |from: usize, limit: usize| {
        api.team(access.grant, |team| {
            let shown: Vec<Value> = team.iter().skip(from).take(limit).map(Member::show).collect();
            let next = from.saturating_add(shown.len());
            json!({ "members": shown, "cursor": format!("{next}-{limit}"), "has_more": next < team.len() })
        })
    };
    match route {
        "team/members/list_v2" => {
            let arg: List = super::argument(headers, body)?;
            match arg.limit.unwrap_or(1000) {
                limit @ 1..=1000 => Ok(page(0, limit)),
                _ => Err(Failure::Bad("request body: limit: must be from 1 to 1000".to_owned())),
            }
        }
        "team/members/list/continue_v2" => {
            let arg: Continue = super::argument(headers, body)?;
            let read =
                arg.cursor.split_once('-').and_then(|(from, limit)| Some((from.parse().ok()?, limit.parse().ok()?)));
            let (from, limit) = read.ok_or_else(|| Failure::tag("invalid_cursor"))?;
            Ok(page(from, limit))
        }
        "team/members/add_v2" => {
            let arg: Add = super::argument(headers, body)?;
            let made = api
                .team(access.grant, |team| arg.new_members.into_iter().map(|new| add(team, new)).collect::<Vec<_>>());
            Ok(json!({ ".tag": "complete", "complete": made }))
        }
        "team/members/remove" | "team/members/suspend" | "team/members/unsuspend" => {
            let arg: About = super::argument(headers, body)?;
            if arg.user.tag != "team_member_id" {
                return Err(Failure::Bad("request body: user: unknown tag".to_owned()));
            }
            api.team(access.grant, |team| change(team, route, &arg.user.team_member_id))
        }
        _ => {
            super::no_argument(headers, body)?;
            let admin = api.team(access.grant, |team| team.iter().find(|member| member.admin).map(Member::show));
            let profile = admin.and_then(|mut admin| admin.get_mut("profile").map(Value::take)).unwrap_or_default();
            Ok(json!({ "admin_profile": profile }))
        }
    }
}

fn add(team: &mut Vec<Member>, new: New) -> Value {
    let email = new.email;
    if !email.contains('@') {
        return json!({ ".tag": "user_creation_failed", "user_creation_failed": email });
    }
    if team.iter().any(|member| member.email.eq_ignore_ascii_case(&email)) {
        return json!({ ".tag": "user_already_on_team", "user_already_on_team": email });
    }
    let member = Member {
        id: format!("dbmid:{}", random_hex(16)),
        number: team.iter().map(|member| member.number).max().unwrap_or_default() + 1,
        given: new.given_name.unwrap_or_default(),
        surname: new.surname.unwrap_or_default(),
        email,
        admin: false,
        suspended: false,
    };
    let mut shown = member.show();
    team.push(member);
    if let Value::Object(shown) = &mut shown {
        shown.insert(".tag".to_owned(), json!("success"));
    }
    shown
}

fn change(team: &mut Vec<Member>, route: &str, id: &str) -> Outcome {
    let at = team.iter().position(|member| member.id == id).ok_or_else(|| Failure::tag("user_not_found"))?;
    let Some(member) = team.get_mut(at) else { return Err(Failure::tag("user_not_found")) };
    match (route, member.admin, member.suspended) {
        ("team/members/remove", true, _) => Err(Failure::tag("remove_last_admin")),
        ("team/members/remove", ..) => {
            team.remove(at);
            Ok(json!({ ".tag": "complete" }))
        }
        ("team/members/suspend", true, _) => Err(Failure::tag("suspend_last_admin")),
        ("team/members/suspend", _, true) => Err(Failure::tag("suspend_inactive_user")),
        ("team/members/suspend", ..) => {
            member.suspended = true;
            Ok(Value::Null)
        }
        (_, _, false) => Err(Failure::tag("unsuspend_non_suspended_member")),
        _ => {
            member.suspended = false;
            Ok(Value::Null)
        }
    }
}
