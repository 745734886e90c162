//! The snapshot over HTTP, for a real `kubectl`.

use std::{io, sync::Arc};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    response::Response,
};
use tokio::net::TcpListener;

use super::{BODY_LIMIT, Snapshot, status::Refusal};

pub(super) async fn serve(snapshot: Arc<Snapshot>, listener: TcpListener) -> io::Result<()> {
    axum::serve(listener, Router::new().fallback(answer).with_state(snapshot)).await
}

async fn answer(State(snapshot): State<Arc<Snapshot>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, BODY_LIMIT).await else {
        return Refusal::bad_request("the request's body is too large").to_response().map(Body::from);
    };
    let request = http::Request::from_parts(parts, body);
    let answered = tokio::task::spawn_blocking(move || snapshot.respond(&request)).await;
    answered.unwrap_or_else(|error| Refusal::internal(error.to_string()).to_response()).map(Body::from)
}
