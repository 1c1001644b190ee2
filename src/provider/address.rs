//! adapter
use url::Url;
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Bad(&'static str);
pub(super) fn encode_segment(v: &str) -> Result<String, Bad> {
    if v.is_empty() || v == "." || v == ".." || v.chars().any(char::is_control) {
        return Err(Bad("cannot be a URL segment"));
    }
    Ok(percent_encoding::utf8_percent_encode(v, percent_encoding::NON_ALPHANUMERIC)
        .to_string()
        .replace("%2D", "-")
        .replace("%5F", "_")
        .replace("%2E", ".")
        .replace("%7E", "~"))
}
pub(super) fn below(base: &Url, path: &str) -> Result<Url, Bad> {
    let mut u = base.clone();
    let full = format!("{}{}", base.path().trim_end_matches('/'), path);
    u.set_path(&full);
    if u.origin() != base.origin() {
        return Err(Bad("leaves the host"));
    }
    Ok(u)
}
pub(super) fn given(base: &Url, given: &str) -> Result<Url, Bad> {
    let u = if given.starts_with('/') && !given.starts_with("//") {
        Url::parse(&format!("{}{given}", base.origin().ascii_serialization())).map_err(|_| Bad("no URL"))?
    } else {
        Url::parse(given).map_err(|_| Bad("no URL"))?
    };
    if u.origin() != base.origin() || !u.path().starts_with(base.path()) {
        return Err(Bad("leaves the host"));
    }
    Ok(u)
}
pub(super) async fn collect(mut body: crate::upstream::ByteStream, limit: usize) -> crate::error::Result<bytes::Bytes> {
    use futures_util::TryStreamExt;
    let mut all = Vec::new();
    while let Some(c) = body.try_next().await.map_err(|e| {
        crate::error::Error::new(crate::error::Kind::ProviderUnreachable, "The provider broke off").with_source(e)
    })? {
        if all.len() + c.len() > limit {
            return Err(crate::error::Error::new(crate::error::Kind::PayloadTooLarge, "too long"));
        }
        all.extend_from_slice(&c);
    }
    Ok(all.into())
}
