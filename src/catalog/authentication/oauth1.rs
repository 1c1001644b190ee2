//! OAuth 1.0a, and what is particular about a provider's way of it.

use super::{super::read::Node, oauth2::check_url};

/// How requests are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignatureMethod {
    /// `HMAC-SHA1`.
    HmacSha1,
    /// `HMAC-SHA256`.
    HmacSha256,
    /// `PLAINTEXT`.
    Plaintext,
}

/// OAuth 1.0a at one provider. URLs may hold `{configuration.key}` placeholders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OAuth1Spec {
    /// Where a request token is got.
    pub request_token_url: String,
    /// Where the end user is sent with it.
    pub authorize_url: String,
    /// Where it is exchanged.
    pub access_token_url: String,
    /// How requests are signed.
    pub signature: SignatureMethod,
    /// The realm named in the header; may hold placeholders.
    pub realm: Option<String>,
    /// Whether the parameters travel in the query instead of the header.
    pub in_query: bool,
    /// Further parameters of the authorize URL.
    pub authorize_parameters: Vec<(String, String)>,
    /// Members of the token answer that become instance configuration: (configuration key, member).
    pub capture: Vec<(String, String)>,
    /// Parameters of the callback that become instance configuration: (configuration key, parameter).
    pub callback: Vec<(String, String)>,
}

impl OAuth1Spec {
    pub(super) fn urls(&self) -> Vec<&str> {
        vec![&self.request_token_url, &self.authorize_url, &self.access_token_url]
    }

    pub(super) fn read(node: &Node<'_>) -> Option<Self> {
        node.object(&[
            "type",
            "requestTokenUrl",
            "authorizeUrl",
            "accessTokenUrl",
            "signature",
            "realm",
            "in",
            "authorizeParameters",
            "capture",
            "callback",
        ])?;
        let url = |key: &str| {
            let place = node.require(key)?;
            let url = place.text()?.to_owned();
            check_url(&place, &url);
            Some(url)
        };
        let signature = match node.get("signature") {
            None => SignatureMethod::HmacSha1,
            Some(word) => word.word(&[
                ("HMAC-SHA1", SignatureMethod::HmacSha1),
                ("HMAC-SHA256", SignatureMethod::HmacSha256),
                ("PLAINTEXT", SignatureMethod::Plaintext),
            ])?,
        };
        let in_query = match node.get("in") {
            None => false,
            Some(word) => word.word(&[("header", false), ("query", true)])?,
        };
        Some(Self {
            request_token_url: url("requestTokenUrl")?,
            authorize_url: url("authorizeUrl")?,
            access_token_url: url("accessTokenUrl")?,
            signature,
            realm: node.opt_text("realm"),
            in_query,
            authorize_parameters: node.text_map("authorizeParameters"),
            capture: node.text_map("capture"),
            callback: node.text_map("callback"),
        })
    }
}
