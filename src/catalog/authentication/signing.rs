//! Authentication that signs each call with the instance's keys.

use super::{Credential, credential, text};
use crate::{catalog::read::Node, mapping::TextTemplate};

/// AWS Signature Version 4.
#[derive(Debug, Clone, PartialEq)]
pub struct AwsSignature4Spec {
    /// The access key.
    pub access_key: Credential,
    /// The secret key.
    pub secret_key: Credential,
    /// The session token; may be absent in the instance.
    pub session_token: Option<Credential>,
    /// The region.
    pub region: TextTemplate,
    /// The service.
    pub service: String,
}

impl AwsSignature4Spec {
    pub(super) fn read(node: &Node<'_>) -> Option<Self> {
        node.object(&["type", "accessKey", "secretKey", "sessionToken", "region", "service"])?;
        let region = node.require("region")?;
        node.require("accessKey")?;
        node.require("secretKey")?;
        Some(Self {
            access_key: credential(node, "accessKey")?,
            secret_key: credential(node, "secretKey")?,
            session_token: node.get("sessionToken").and_then(|_| credential(node, "sessionToken")),
            region: text(&region, region.text()?)?,
            service: node.require_text("service")?,
        })
    }

    /// The configuration keys that prove who calls.
    pub(super) fn keys(&self) -> Vec<&str> {
        [&self.access_key, &self.secret_key].into_iter().chain(&self.session_token).flat_map(Credential::keys).collect()
    }
}
