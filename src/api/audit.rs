//! `/audit-logs`: who did what with the instances of an account, for its user.

use axum::{
    Router,
    extract::{RawQuery, State},
    http::{HeaderMap, HeaderValue},
    response::{IntoResponse, Response},
    routing::get,
};
use chrono::{DateTime, NaiveDate, NaiveTime, SecondsFormat};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{
    auth::Caller,
    error::Result,
    extract::Reply,
    page::{NEXT_PAGE, RETURNED_COUNT, WARNING},
};
use crate::{
    app::App,
    error::Error,
    query::{self, CompareOp, Expr},
    store::{AuditFilter, AuditRecord},
};

const PAGE: u32 = 200;
const LARGEST_PAGE: u32 = 500;
const CONDITIONS: &str = "conditions are instanceId = 7, action = 'instance.deleted' and createdDate with >, >=, < or <=, \
                          joined by AND";

pub(super) fn routes() -> Router<App> {
    Router::new().route("/audit-logs", get(list))
}

async fn list(State(app): State<App>, caller: Caller, RawQuery(raw): RawQuery) -> Result<Response> {
    let (user, organization) = caller.require_account()?;
    let wanted = Wanted::read(raw.as_deref().unwrap_or_default())?;
    let mut filter = AuditFilter { organization_id: organization.id, user_id: user.id, ..wanted.filter };
    let sealer = app.store.sealer();
    let purpose = purpose(&filter);
    if let Some(cursor) = &wanted.next_page {
        let opened = sealer.open_token(&purpose, cursor).and_then(|plain| String::from_utf8(plain).ok()?.parse().ok());
        filter.before = Some(opened.ok_or_else(|| wrong("nextPage", "is no cursor of this list"))?);
    }
    let (records, next) = app.store.audit_records(&filter).await?;
    let mut headers = HeaderMap::new();
    headers.insert(RETURNED_COUNT, HeaderValue::from(records.len()));
    if let Some(before) = next {
        let cursor = sealer.seal_token(&purpose, before.to_string().as_bytes());
        headers.insert(NEXT_PAGE, HeaderValue::try_from(cursor).map_err(Error::internal)?);
    }
    if wanted.clamped {
        headers.insert(WARNING, HeaderValue::from_static("pageSize was reduced to the maximum of 500"));
    }
    let records: Vec<Value> = records.iter().map(shown).collect();
    Ok((headers, Reply(records)).into_response())
}

fn shown(record: &AuditRecord) -> Value {
    json!({
        "id": record.seq,
        "createdDate": record.at.to_rfc3339_opts(SecondsFormat::Millis, true),
        "action": record.action,
        "actor": {"type": record.actor, "id": record.actor_id},
        "instances": record.instances,
        "requestId": record.request_id,
        "details": record.details,
        "hash": hex::encode(&record.hash),
    })
}

/// What a cursor of this list is good for: this account, these conditions.
fn purpose(filter: &AuditFilter) -> String {
    let conditions = format!("{:?}", (filter.instance_id, &filter.action, filter.since_ms, filter.until_ms));
    let conditions = hex::encode(Sha256::digest(conditions));
    format!("audit|{}|{}|{conditions}", filter.organization_id, filter.user_id)
}

/// What the query string asks for; whose records is not in it.
#[derive(Debug, Default)]
struct Wanted {
    filter: AuditFilter,
    next_page: Option<String>,
    clamped: bool,
}

impl Wanted {
    fn read(query: &str) -> Result<Self, Error> {
        let mut wanted = Self::default();
        wanted.filter.limit = PAGE;
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let value = value.trim();
            match &*name {
                "where" if !value.is_empty() => {
                    let filter = query::parse(value).map_err(|error| wrong("where", &error.to_string()))?;
                    narrow(&mut wanted.filter, &filter)?;
                }
                "pageSize" if !value.is_empty() => {
                    let size: u64 = value
                        .parse()
                        .ok()
                        .filter(|size| *size > 0)
                        .ok_or_else(|| wrong("pageSize", "must be a whole number greater than 0"))?;
                    wanted.clamped = size > u64::from(LARGEST_PAGE);
                    wanted.filter.limit = u32::try_from(size).unwrap_or(LARGEST_PAGE).min(LARGEST_PAGE);
                }
                "nextPage" if !value.is_empty() => wanted.next_page = Some(value.to_owned()),
                _ => {}
            }
        }
        Ok(wanted)
    }
}

fn narrow(filter: &mut AuditFilter, expr: &Expr) -> Result<(), Error> {
    let (field, op, value) = match expr {
        Expr::And(all) => return all.iter().try_for_each(|one| narrow(filter, one)),
        Expr::Compare { field, op, value } => (field.as_str(), *op, value.as_text()),
        _ => return Err(wrong("where", CONDITIONS)),
    };
    let taken = || wrong("where", &format!("names {field} twice"));
    match (field, op) {
        ("instanceId", CompareOp::Eq) => {
            let id = value.parse().map_err(|_| wrong("where", "instanceId is a number"))?;
            if filter.instance_id.replace(id).is_some() {
                return Err(taken());
            }
        }
        ("action", CompareOp::Eq) => {
            if filter.action.replace(value.to_owned()).is_some() {
                return Err(taken());
            }
        }
        ("createdDate", CompareOp::Gt | CompareOp::Ge) => {
            let from = moment(value)?.saturating_add(i64::from(op == CompareOp::Gt));
            filter.since_ms = Some(filter.since_ms.map_or(from, |other| other.max(from)));
        }
        ("createdDate", CompareOp::Lt | CompareOp::Le) => {
            let to = moment(value)?.saturating_add(i64::from(op == CompareOp::Le));
            filter.until_ms = Some(filter.until_ms.map_or(to, |other| other.min(to)));
        }
        _ => return Err(wrong("where", CONDITIONS)),
    }
    Ok(())
}

/// A date-time, or the beginning of a day in UTC, in milliseconds since 1970.
fn moment(text: &str) -> Result<i64, Error> {
    let day = || Some(text.parse::<NaiveDate>().ok()?.and_time(NaiveTime::MIN).and_utc().timestamp_millis());
    let whole = DateTime::parse_from_rfc3339(text).ok().map(|at| at.timestamp_millis());
    whole.or_else(day).ok_or_else(|| wrong("where", "createdDate is a date such as 2026-01-31 or 2026-01-31T12:00:00Z"))
}

fn wrong(parameter: &str, detail: &str) -> Error {
    Error::bad_request(format!("{parameter}: {detail}")).with_detail(parameter, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(filter: &str) -> Result<AuditFilter, Error> {
        let query: String = url::form_urlencoded::Serializer::new(String::new()).append_pair("where", filter).finish();
        Wanted::read(&query).map(|wanted| wanted.filter)
    }

    #[test]
    fn conditions_are_read() {
        let filter = read("instanceId = 7 AND action = 'instance.deleted'").unwrap();
        assert_eq!((filter.instance_id, filter.action.as_deref()), (Some(7), Some("instance.deleted")));
        let filter = read("createdDate >= '1970-01-02' AND createdDate < '1970-01-02T00:00:01Z'").unwrap();
        assert_eq!((filter.since_ms, filter.until_ms), (Some(86_400_000), Some(86_401_000)));
        let filter =
            read("createdDate > '1970-01-02' AND createdDate > '1970-01-01' AND createdDate <= 1970-01-03").unwrap();
        assert_eq!((filter.since_ms, filter.until_ms), (Some(86_400_001), Some(172_800_001)));
        assert_eq!(Wanted::read("where=&pageSize=&nextPage=").unwrap().filter.limit, PAGE);
    }

    #[test]
    fn other_conditions_are_refused_by_name() {
        for filter in [
            "instanceId = 'x'",
            "instanceId > 7",
            "action = 'a' OR action = 'b'",
            "action = 'a' AND action = 'b'",
            "createdDate = '1970-01-02'",
            "createdDate > 'yesterday'",
            "userId = 1",
            "NOT (instanceId = 7)",
            "instanceId",
        ] {
            assert_eq!(read(filter).unwrap_err().details()[0].pointer, "where", "{filter}");
        }
        for query in ["pageSize=0", "pageSize=x"] {
            assert_eq!(Wanted::read(query).unwrap_err().details()[0].pointer, "pageSize", "{query}");
        }
        assert!(Wanted::read("pageSize=501").unwrap().clamped);
    }
}
