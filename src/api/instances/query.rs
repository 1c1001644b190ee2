//! The query string of instance lists, and their cursors.

use sha2::{Digest, Sha256};

use crate::{
    error::{Error, Result},
    gateway::connect::Owner,
    store::{InstanceFilter, seal::Sealer},
};

/// Entries of a page when none are asked for.
const PAGE: u32 = 200;
/// The most entries of a page; more are clamped, as the contract has it.
const LARGEST_PAGE: u32 = 500;

/// What a list is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    tags: Vec<String>,
    search: Option<String>,
    limit: u32,
    /// Whether each entry carries its configuration.
    pub(super) hydrate: bool,
    /// Whether the page size was over the maximum.
    pub(super) clamped: bool,
    /// Where to go on.
    pub(super) next_page: Option<String>,
}

impl Wanted {
    /// The filter, its cursor aside.
    pub(super) fn filter(&self, owner: Owner, element_key: Option<String>) -> InstanceFilter {
        InstanceFilter {
            organization_id: owner.organization_id,
            user_id: Some(owner.user_id),
            element_key,
            tags: self.tags.clone(),
            search: self.search.clone(),
            after_id: None,
            limit: self.limit,
        }
    }
}

/// Reads `tags[]` (also `tags`; repeated or comma-separated; all must match), `searchText`, `hydrate`, `pageSize` and
/// `nextPage`. Unknown parameters are passed over.
///
/// # Errors
/// [`Kind::BadRequest`](crate::error::Kind::BadRequest) naming the parameter.
pub(super) fn read(query: &str) -> Result<Wanted> {
    let mut wanted =
        Wanted { tags: Vec::new(), search: None, limit: PAGE, hydrate: true, clamped: false, next_page: None };
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        let value = value.trim();
        match &*name {
            "tags[]" | "tags" => {
                wanted.tags.extend(value.split(',').map(str::trim).filter(|tag| !tag.is_empty()).map(str::to_owned));
            }
            "searchText" if !value.is_empty() => wanted.search = Some(value.to_owned()),
            "hydrate" => {
                wanted.hydrate = match value.to_ascii_lowercase().as_str() {
                    "" | "true" => true,
                    "false" => false,
                    _ => return Err(wrong("hydrate", "must be true or false")),
                }
            }
            "pageSize" if !value.is_empty() => {
                let size: u64 = value
                    .parse()
                    .ok()
                    .filter(|size| *size > 0)
                    .ok_or_else(|| wrong("pageSize", "must be a whole number greater than 0"))?;
                wanted.clamped = size > u64::from(LARGEST_PAGE);
                wanted.limit = u32::try_from(size).unwrap_or(LARGEST_PAGE).min(LARGEST_PAGE);
            }
            // An empty cursor is how clients ask for the first page.
            "nextPage" if !value.is_empty() => wanted.next_page = Some(value.to_owned()),
            _ => {}
        }
    }
    Ok(wanted)
}

fn wrong(parameter: &str, detail: &str) -> Error {
    Error::bad_request(format!("{parameter} {detail}")).with_detail(parameter, detail)
}

/// What a cursor of this list is good for: this caller, these conditions, nothing else.
pub(super) fn purpose(filter: &InstanceFilter) -> String {
    let conditions = format!("{:?}", (&filter.element_key, &filter.tags, &filter.search));
    let conditions = hex::encode(Sha256::digest(conditions));
    format!("instances|{}|{:?}|{conditions}", filter.organization_id, filter.user_id)
}

/// The id that a cursor stands at.
///
/// # Errors
/// [`Kind::BadRequest`](crate::error::Kind::BadRequest) when it was not made for this list.
pub(super) fn open(sealer: &Sealer, purpose: &str, cursor: &str) -> Result<i64> {
    sealer
        .open_token(purpose, cursor)
        .and_then(|plain| String::from_utf8(plain).ok()?.parse().ok())
        .ok_or_else(|| wrong("nextPage", "is no cursor of this list"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_tags_in_both_spellings() {
        let wanted = read("tags%5B%5D=a&tags[]=b,c&tags=d%20e&searchText=Box&hydrate=false&other=1").unwrap();
        assert_eq!(wanted.tags, ["a", "b", "c", "d e"]);
        assert_eq!(wanted.search.as_deref(), Some("Box"));
        assert!(!wanted.hydrate && !wanted.clamped && wanted.next_page.is_none());
        assert_eq!(read("nextPage=&pageSize=").unwrap(), read("").unwrap());
    }

    #[test]
    fn page_sizes_are_checked_and_clamped() {
        assert_eq!(read("pageSize=2").unwrap().limit, 2);
        let clamped = read("pageSize=99999999999").unwrap();
        assert!(clamped.clamped && clamped.limit == LARGEST_PAGE);
        for query in ["pageSize=0", "pageSize=-1", "pageSize=ten", "hydrate=perhaps"] {
            let error = read(query).unwrap_err();
            assert_eq!(error.details()[0].pointer, query.split('=').next().unwrap());
        }
    }

    #[test]
    fn cursors_are_bound_to_caller_and_conditions() {
        let sealer = Sealer::new(&[7; 32]);
        let wanted = read("searchText=a").unwrap();
        let of = |user_id, wanted: &Wanted| purpose(&wanted.filter(Owner { organization_id: 1, user_id }, None));
        let cursor = sealer.seal_token(&of(1, &wanted), b"42");
        assert_eq!(open(&sealer, &of(1, &wanted), &cursor).unwrap(), 42);
        assert!(open(&sealer, &of(2, &wanted), &cursor).is_err());
        assert!(open(&sealer, &of(1, &read("searchText=b").unwrap()), &cursor).is_err());
        assert!(open(&sealer, &of(1, &wanted), "garbage").is_err());
    }
}
