//! The main job: one request's way from operation to uniform answer.

pub mod connect;
