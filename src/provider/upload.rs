//! The file of an upload before it is sent: held, streamed, or read in parts.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::{
    Upload,
    session::{InParts, PartBody, Reader, broken, wrong_size},
};
use crate::{
    catalog::{
        Element, Session,
        session::{PART_BYTES, PartSize},
    },
    error::{Error, Result},
    upstream::Body,
};

/// An upload, the small ones held so that they can be sent twice.
pub(super) enum Prepared {
    /// All of it.
    Small(Bytes),
    /// A stream, which can be taken once.
    Large(Option<Body>),
    /// A file that goes in parts, which can be taken once.
    Parts(Option<Box<InParts>>),
    /// One of those parts.
    Part(PartBody),
}

/// Up to this many bytes an upload is held in memory, so that a call can be repeated after a token refresh.
const SMALL_UPLOAD: usize = 1 << 20;

/// Tells whether a streamed file was cut off because it is too large to go without its size.
pub(super) struct CutOff(Option<(Arc<AtomicBool>, u64)>);

impl CutOff {
    /// The reason behind `error`, if that is it.
    pub(super) fn explain(&self, error: Error) -> Error {
        match &self.0 {
            Some((over, above)) if over.load(Ordering::Relaxed) => Error::bad_request(format!(
                "This element has to know the size of files of more than {above} bytes beforehand"
            ))
            .with_detail("size", "should be the file's size in bytes"),
            _ => error,
        }
    }
}

/// Reads the beginning of an upload, and decides which way it goes.
pub(super) async fn prepare(
    upload: Upload,
    session: Option<&Session>,
    element: &Arc<Element>,
) -> Result<(Prepared, CutOff)> {
    if let Some(session) = session {
        return for_session(upload, session, element).await;
    }
    Ok((at_once(upload).await?, CutOff(None)))
}

async fn for_session(upload: Upload, session: &Session, element: &Arc<Element>) -> Result<(Prepared, CutOff)> {
    let in_parts = |reader: Reader| {
        let file = InParts { element: Arc::clone(element), reader, part_size: upload.parts };
        Ok((Prepared::Parts(Some(Box::new(file))), CutOff(None)))
    };
    if upload.parts.is_some() || upload.size.is_some_and(|size| size > session.above) {
        return in_parts(Reader::new(upload.stream, upload.size));
    }
    if upload.size.is_some() {
        return Ok((at_once(upload).await?, CutOff(None)));
    }
    let likely = upload.likely_size;
    // How large it is shows when it ends; what has been read till then has to fit into memory.
    let first = match session.size {
        PartSize::Fixed(size) => size,
        PartSize::Given(_) => PART_BYTES,
    };
    let first = usize::try_from(first.min(session.above.max(1))).map_err(Error::internal)?;
    let mut reader = Reader::new(upload.stream, None);
    let chunk = reader.next(first).await?;
    if chunk.last {
        return Ok((Prepared::Small(chunk.bytes), CutOff(None)));
    }
    reader.put_back(chunk.bytes);
    if !session.needs_size() {
        return in_parts(reader);
    }
    if let Some(size) = likely.filter(|size| *size > session.above) {
        return in_parts(reader.expecting(size));
    }
    let (stream, over) = reader.capped(session.above);
    Ok((Prepared::Large(Some(Body::Stream { stream, length: None })), CutOff(Some((over, session.above)))))
}

async fn at_once(upload: Upload) -> Result<Prepared> {
    let mut stream = upload.stream;
    let mut head: Vec<Bytes> = Vec::new();
    let mut size = 0_usize;
    while size <= SMALL_UPLOAD {
        match stream.try_next().await {
            Ok(Some(chunk)) => {
                size += chunk.len();
                head.push(chunk);
            }
            Ok(None) => {
                if let Some(announced) = upload.size.filter(|announced| *announced != size as u64) {
                    return Err(wrong_size(announced));
                }
                return Ok(Prepared::Small(head.concat().into()));
            }
            Err(error) => return Err(broken(error)),
        }
    }
    let stream = stream::iter(head.into_iter().map(Ok)).chain(stream).boxed();
    Ok(Prepared::Large(Some(Body::Stream { stream, length: upload.size })))
}
