//! The gateway's connections: WebSocket frames in and out, and the watch over heartbeats.

use std::{sync::Arc, time::Duration};

use futures::{SinkExt as _, StreamExt as _};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc::{self, UnboundedReceiver},
    time::{Instant, sleep_until},
};
use tokio_tungstenite::{
    WebSocketStream, accept_hdr_async,
    tungstenite::{
        Message,
        handshake::server::{Request, Response},
        protocol::{CloseFrame, frame::coding::CloseCode},
    },
};

use super::Out;
use crate::support::discord::Shared;

type Socket = WebSocketStream<TcpStream>;

/// Takes connections for ever.
pub(in crate::support::discord) async fn listen(shared: Arc<Shared>, listener: TcpListener) {
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(Arc::clone(&shared), stream));
        }
    }
}

async fn serve(shared: Arc<Shared>, stream: TcpStream) {
    let mut query = String::new();
    // The error type is the library's.
    #[allow(clippy::result_large_err)]
    let greet = |request: &Request, response: Response| {
        request.uri().query().unwrap_or_default().clone_into(&mut query);
        Ok(response)
    };
    let Ok(mut socket) = accept_hdr_async(stream, greet).await else { return };
    if !query.split('&').any(|pair| pair == "v=10") {
        close(&mut socket, 4012).await;
        return;
    }
    let (sender, outgoing) = mpsc::unbounded_channel();
    if let Some(conn) = shared.change(|world| world.connected(sender)) {
        let code = converse(&shared, conn, &mut socket, outgoing).await;
        shared.change(|world| world.disconnected(conn, code));
    }
}

/// Until the connection ends; the code that the client closed it with.
async fn converse(
    shared: &Shared,
    conn: u64,
    socket: &mut Socket,
    mut outgoing: UnboundedReceiver<Out>,
) -> Option<u16> {
    let patience = shared.change(|world| world.settings.heartbeat) * 2 + Duration::from_secs(2);
    let mut due = Instant::now() + patience;
    loop {
        tokio::select! {
            said = socket.next() => match said? {
                Ok(Message::Text(frame)) => {
                    due = Instant::now() + patience;
                    shared.change(|world| world.frame(conn, &frame));
                }
                Ok(Message::Close(frame)) => return Some(frame.map_or(1005, |frame| frame.code.into())),
                Ok(_) => {}
                Err(_) => return None,
            },
            out = outgoing.recv() => match out? {
                Out::Text(frame) => socket.send(Message::Text(frame)).await.ok()?,
                Out::Close(code) => {
                    close(socket, code).await;
                    return None;
                }
                Out::Cut => return None,
            },
            () = sleep_until(due) => {
                due = Instant::now() + patience;
                shared.change(|world| world.missed_beat(conn));
            }
        }
    }
}

/// Closes in form, and waits a moment for the client to do the same, so that it reads the code.
async fn close(socket: &mut Socket, code: u16) {
    let frame = CloseFrame { code: CloseCode::from(code), reason: "".into() };
    if socket.close(Some(frame)).await.is_ok() {
        let _ = tokio::time::timeout(Duration::from_secs(1), async {
            while let Some(Ok(_)) = socket.next().await {}
        })
        .await;
    }
}
