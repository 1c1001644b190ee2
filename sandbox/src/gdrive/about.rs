//! The account.

use std::sync::Arc;

use axum::{
    extract::{RawQuery, State},
    http::{HeaderMap, Method},
    response::Response,
};
use serde_json::json;

use super::{Api, failure::answer, mask::Mask, store::QUOTA, view};
use crate::http;

/// `GET /about`, which insists on `fields`.
pub(super) async fn read(
    State(api): State<Arc<Api>>,
    method: Method,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    answer((|| {
        let call = api.admit(&method, &headers, query.as_deref())?;
        let mask = Mask::required(call.query.get("fields"), "About")?;
        let (used, trash) = api.drive(call.account, |drive| (drive.used(false), drive.used(true)));
        let about = json!({
            "kind": "drive#about",
            "user": view::user(call.account),
            "storageQuota": {
                "limit": QUOTA.to_string(), "usage": used.to_string(), "usageInDrive": used.to_string(),
                "usageInDriveTrash": trash.to_string(),
            },
            "maxUploadSize": (5_u64 << 40).to_string(),
            "appInstalled": true,
            "canCreateDrives": true,
            "canCreateTeamDrives": true,
        });
        Ok(http::json(200, &mask.apply(&about)))
    })())
}
