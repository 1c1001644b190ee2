//! Pages of lists that are whole in memory.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;

use crate::error::{Error, Result};

/// Opaque token of the next page; present only when there is one.
pub(super) const NEXT_PAGE: HeaderName = HeaderName::from_static("elements-next-page-token");
/// Rows in this page.
pub(super) const RETURNED_COUNT: HeaderName = HeaderName::from_static("elements-returned-count");
/// Rows in all.
pub(super) const TOTAL_COUNT: HeaderName = HeaderName::from_static("elements-total-count");
/// A warning beside a success.
pub(super) const WARNING: HeaderName = HeaderName::from_static("elements-error");

const DEFAULT_SIZE: usize = 200;
const LARGEST_SIZE: usize = 5000;

/// `pageSize`, `nextPage` and the older `page` of a list.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct PageQuery {
    page_size: Option<String>,
    next_page: Option<String>,
    page: Option<String>,
}

impl PageQuery {
    /// Cuts this page out of `rows`, with the headers that tell about it.
    pub(super) fn cut<T>(&self, rows: Vec<T>) -> Result<(HeaderMap, Vec<T>)> {
        let mut headers = HeaderMap::new();
        let mut size = number("pageSize", self.page_size.as_deref())?.unwrap_or(DEFAULT_SIZE);
        if size > LARGEST_SIZE {
            size = LARGEST_SIZE;
            headers.insert(WARNING, HeaderValue::from_static("pageSize was lowered to 5000"));
        }
        let start = match self.next_page.as_deref().filter(|token| !token.is_empty()) {
            Some(token) => open(token).ok_or_else(|| {
                Error::bad_request("nextPage is no token of ours")
                    .with_detail("nextPage", "send the header's value back")
            })?,
            // Counted from 1.
            None => number("page", self.page.as_deref())?.map_or(0, |page| page.saturating_sub(1).saturating_mul(size)),
        };
        let total = rows.len();
        let page: Vec<T> = rows.into_iter().skip(start).take(size).collect();
        let end = start.saturating_add(page.len());
        headers.insert(RETURNED_COUNT, HeaderValue::from(page.len()));
        headers.insert(TOTAL_COUNT, HeaderValue::from(total));
        if end < total
            && let Ok(token) = HeaderValue::from_str(&URL_SAFE_NO_PAD.encode(format!("after:{end}")))
        {
            headers.insert(NEXT_PAGE, token);
        }
        Ok((headers, page))
    }
}

fn open(token: &str) -> Option<usize> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
    text.strip_prefix("after:")?.parse().ok()
}

fn number(name: &str, text: Option<&str>) -> Result<Option<usize>> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    let wrong = |_| Error::bad_request(format!("{name} is no number")).with_detail(name, "must be a whole number");
    match text.parse().map_err(wrong)? {
        0 => Err(Error::bad_request(format!("{name} must be at least 1")).with_detail(name, "must be at least 1")),
        number => Ok(Some(number)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_each_other_without_gaps() {
        let mut seen = Vec::new();
        let mut query = PageQuery { page_size: Some("2".to_owned()), ..PageQuery::default() };
        loop {
            let (headers, rows) = query.cut((0..5).collect()).unwrap();
            assert_eq!(headers[TOTAL_COUNT], "5");
            assert_eq!(headers[RETURNED_COUNT], rows.len().to_string().as_str());
            seen.extend(rows);
            let Some(token) = headers.get(NEXT_PAGE) else { break };
            query.next_page = Some(token.to_str().unwrap().to_owned());
        }
        assert_eq!(seen, [0, 1, 2, 3, 4]);
        let second = PageQuery { page_size: Some("2".to_owned()), page: Some("2".to_owned()), next_page: None };
        assert_eq!(second.cut((0..5).collect::<Vec<_>>()).unwrap().1, [2, 3]);
    }

    #[test]
    fn nonsense_is_refused_and_too_much_is_clamped() {
        for (size, next) in [("0", ""), ("x", ""), ("-1", ""), ("2", "zzz")] {
            let query = PageQuery { page_size: Some(size.into()), next_page: Some(next.into()), page: None };
            assert!(query.cut(vec![1]).is_err(), "{size} {next}");
        }
        for page in ["0", "-1", "first"] {
            let query = PageQuery { page: Some(page.to_owned()), ..PageQuery::default() };
            assert!(query.cut(vec![1]).is_err(), "{page}");
        }
        let query = PageQuery { page_size: Some("99999".to_owned()), ..PageQuery::default() };
        assert!(query.cut(vec![1]).unwrap().0.contains_key(WARNING));
    }
}
