//! The bodies of answers: most are whole at once, that of a watch stays open after its events.

use std::{convert::Infallible, time::Duration};

use axum::body::Body;
use bytes::Bytes;
use futures::{StreamExt, stream};
use http::Response;

/// Put beside an answer that stays open for so long after everything in it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct HeldOpen(pub(super) Duration);

/// The answer as it goes out. Needs a Tokio runtime around it where it stays open.
pub(super) fn sent(response: Response<Bytes>) -> Response<Body> {
    let held = response.extensions().get::<HeldOpen>().copied();
    response.map(|content| match held {
        None => Body::from(content),
        Some(HeldOpen(time)) => {
            let events = stream::iter((!content.is_empty()).then_some(Ok::<_, Infallible>(content)));
            let silence = stream::once(tokio::time::sleep(time)).filter_map(|()| async { None });
            Body::from_stream(events.chain(silence))
        }
    })
}
