//! The stand-in for Discord, by itself: a small client of our own, and the library's.

mod faults;
mod gateway;
mod interactions;
mod library;
mod limits;
mod messages;

use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message as Frame, protocol::CloseFrame},
};

use crate::support::discord::Discord;

/// A bot as careful as Discord wants it.
struct Client {
    http: reqwest::Client,
    base: String,
    token: String,
}

impl Client {
    fn new(discord: &Discord) -> Self {
        // Another test may have done so.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let agent = "DiscordBot (https://example.org, 1.0)";
        let http = reqwest::Client::builder().no_proxy().user_agent(agent).build().unwrap();
        Self { http, base: format!("{}/api/v10", discord.api()), token: discord.token() }
    }

    fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        self.http
            .request(method, format!("{}{path}", self.base))
            .header("authorization", format!("Bot {}", self.token))
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> (u16, Value) {
        let response = request.send().await.unwrap();
        assert!(response.headers().contains_key("x-ratelimit-bucket"), "every answer tells of its bucket");
        let status = response.status().as_u16();
        let body = response.bytes().await.unwrap();
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    async fn call(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        self.send(self.request(method, path).json(&body)).await
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        self.send(self.request("GET", path)).await
    }

    async fn ok(&self, method: &str, path: &str, body: Value) -> Value {
        let (status, answer) = self.call(method, path, body).await;
        assert!(StatusCode::from_u16(status).unwrap().is_success(), "{method} {path}: {status} {answer}");
        answer
    }
}

/// Whether there is a specification to hold things against.
fn has_spec() -> bool {
    crate::support::shared("discord/openapi.json").is_some()
}

/// A message as a careful bot makes it.
fn post(content: &str, nonce: &str) -> Value {
    json!({ "content": content, "nonce": nonce, "enforce_nonce": true, "allowed_mentions": { "parse": [] } })
}

fn edit(content: &str) -> Value {
    json!({ "content": content, "allowed_mentions": { "parse": [] } })
}

/// Intents GUILDS, GUILD_MESSAGES and MESSAGE_CONTENT.
const INTENTS: u64 = 33281;

struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    async fn open(discord: &Discord) -> Self {
        let url = discord.read(|world| world.gateway_url.clone());
        let mut socket = Self(connect_async(format!("{url}/?v=10&encoding=json")).await.unwrap().0);
        let hello = socket.next().await;
        assert_eq!(hello["op"], 10);
        assert!(hello["d"]["heartbeat_interval"].as_u64().unwrap() > 0);
        socket
    }

    /// Connected and identified; the READY event.
    async fn ready(discord: &Discord, intents: u64) -> (Self, Value) {
        let mut socket = Self::open(discord).await;
        socket.identify(&discord.token(), intents).await;
        let ready = socket.event("READY").await;
        (socket, ready)
    }

    async fn say(&mut self, frame: Value) {
        self.0.send(Frame::Text(frame.to_string())).await.unwrap();
    }

    async fn identify(&mut self, token: &str, intents: u64) {
        let properties = json!({ "os": "linux", "browser": "test", "device": "test" });
        self.say(json!({ "op": 2, "d": { "token": token, "intents": intents, "properties": properties } }))
            .await;
    }

    async fn frame(&mut self) -> Option<Frame> {
        let next = tokio::time::timeout(Duration::from_secs(20), self.0.next()).await;
        next.expect("nothing came").and_then(Result::ok)
    }

    async fn next(&mut self) -> Value {
        match self.frame().await {
            Some(Frame::Text(text)) => serde_json::from_str(&text).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    /// The next event, which must be this one.
    async fn event(&mut self, name: &str) -> Value {
        let frame = self.next().await;
        assert_eq!(frame["t"], name, "{frame}");
        assert_eq!(frame["op"], 0);
        frame
    }

    /// The code that the connection is closed with.
    async fn closed(&mut self) -> u16 {
        loop {
            match self.frame().await {
                Some(Frame::Close(Some(CloseFrame { code, .. }))) => return code.into(),
                Some(Frame::Text(_)) => {}
                other => panic!("{other:?}"),
            }
        }
    }
}
