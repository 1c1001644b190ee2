//! An imitation of Amazon S3: buckets addressed by path, objects with and without versions, uploads in parts, and
//! signatures that are really checked.
//!
//! A call is signed by AWS Signature Version 4, in its headers or in its query, for the region the buckets are in; what
//! the payload's hash, its MD5 or its checksum says of the body has to be true. Lists are in the order of the keys' bytes.
//! What is not imitated is refused with `NotImplemented`, as S3 does for what it does not know.

mod api;
mod buckets;
mod conditions;
mod failure;
mod intake;
mod listing;
mod multipart;
mod objects;
mod signature;
mod store;
mod tagging;
mod versions;
mod xml;

use std::sync::{Arc, Mutex};

use axum::{Router, routing::any};

use crate::{
    core::{Core, Provider, hold},
    oauth::Rules,
};

/// The access key of the account.
const ACCESS_KEY: &str = "AKIASANDBOX0ACCESS01";
/// Its secret.
const SECRET_KEY: &str = "sandbox/Secret+Key/0123456789/OfNobodyAtAl";
/// Where the buckets are.
const REGION: &str = "us-east-1";
/// The bucket that is connected; it keeps versions.
const BUCKET: &str = "ada-files";
/// A bucket that keeps none.
const PLAIN_BUCKET: &str = "ada-plain";
/// Who owns everything.
const OWNER: &str = "75aa57f09aa0c8caeab4f8c24e99d10f8e7faeebf76c078efc7c6caea54ba06a";

/// What all calls share.
struct Service {
    core: Arc<Core>,
    state: Mutex<store::State>,
}

/// The provider's authorization rules.
pub(crate) fn rules() -> Rules {
    Rules::none("amazons3")
}

/// The provider on the shared parts.
pub(crate) fn build(core: &Arc<Core>) -> Provider {
    let service = Arc::new(Service { state: Mutex::new(store::State::seeded(core.now())), core: Arc::clone(core) });
    let root = format!("{}/{BUCKET}", core.origin);
    Provider {
        router: Router::new()
            .route("/", any(api::call))
            .route("/{bucket}", any(api::call))
            .route("/{bucket}/", any(api::call))
            .route("/{bucket}/{*key}", any(api::call))
            .with_state(Arc::clone(&service)),
        urls: vec![("api", core.origin.clone())],
        configuration: vec![("base.url", root)],
        credentials: vec![
            ("filemanagement.provider.access_key", ACCESS_KEY.to_owned()),
            ("filemanagement.provider.secret_key", SECRET_KEY.to_owned()),
            ("filemanagement.provider.bucket_name", BUCKET.to_owned()),
            ("filemanagement.provider.region_name", REGION.to_owned()),
        ],
        reset: Box::new(move || *hold(&service.state) = store::State::seeded(service.core.now())),
        failure: failure::by_status,
    }
}
