//! Keeping what a call carried, up to a bound, while it streams by.

use std::sync::{Arc, Mutex};

use axum::body::{Body, HttpBody};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use futures_util::StreamExt;
use serde::{Serialize, Serializer, ser::SerializeStruct};

use crate::core::hold;

/// The most that can be kept of one body.
pub(crate) const KEPT_LIMIT: usize = 256 * 1024;

/// The start of a body; as JSON `{"base64": …, "whole": …}`.
#[derive(Clone, Debug, Default)]
pub struct Kept(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    bytes: Vec<u8>,
    /// How many bytes have gone by, kept or not.
    seen: usize,
    whole: bool,
}

impl Kept {
    /// What has gone by so far.
    pub fn bytes(&self) -> Vec<u8> {
        hold(&self.0).bytes.clone()
    }

    /// Whether that is the body to its end.
    pub fn whole(&self) -> bool {
        hold(&self.0).whole
    }

    /// The same body, of which up to `limit` bytes are kept as they go by.
    pub(crate) fn of(body: Body, limit: usize) -> (Self, Body) {
        // A server asks no further once it has sent what was announced, so the end is known by the size where there is one.
        let announced = body.size_hint().exact().and_then(|size| usize::try_from(size).ok());
        let kept = Self(Arc::new(Mutex::new(State { whole: announced == Some(0), ..State::default() })));
        let passing = kept.clone();
        let end = futures_util::stream::once(async { None });
        let pieces = body.into_data_stream().map(Some).chain(end).filter_map(move |piece| {
            let state = &mut *hold(&passing.0);
            match &piece {
                Some(Ok(piece)) => {
                    state.seen = state.seen.saturating_add(piece.len());
                    let room = limit.saturating_sub(state.bytes.len());
                    state.bytes.extend(piece.iter().take(room));
                    state.whole = announced == Some(state.bytes.len());
                }
                Some(Err(_)) => state.whole = false,
                None => state.whole = state.seen == state.bytes.len(),
            }
            std::future::ready::<Option<Result<Bytes, axum::Error>>>(piece)
        });
        (kept, Body::from_stream(pieces))
    }
}

impl Serialize for Kept {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let state = hold(&self.0);
        let mut told = serializer.serialize_struct("Kept", 2)?;
        told.serialize_field("base64", &STANDARD.encode(&state.bytes))?;
        told.serialize_field("whole", &state.whole)?;
        told.end()
    }
}
