//! The HTTP surface: router, extractors, one file per area. The only module that knows axum and HTTP statuses.

pub mod error;
