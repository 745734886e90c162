//! The REST side's door: reads a request, lets it go wrong if the test wants that, asks the world, answers.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, Request, State},
    response::Response,
};
use bytes::Bytes;
use http::request::Parts;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{
    Shared,
    clock::millis,
    faults::Effect,
    line::{Cut, Door},
    multipart,
    rates::Standing,
    record::{Check, Recorded, Shape},
    rest::{self, Answer, Call, Found, Refusal, Reply},
    world::World,
};

/// The longest body that is read, in bytes.
const LONGEST: usize = 32 << 20;

/// Serves for ever.
pub async fn serve(shared: Arc<Shared>, listener: TcpListener) {
    let app = Router::new().fallback(take).with_state(shared);
    let _ = axum::serve(Door(listener), app.into_make_service_with_connect_info::<Cut>()).await;
}

async fn take(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(cut): ConnectInfo<Cut>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, LONGEST).await else { return plain(413) };
    if let Some(file) = parts.uri.path().strip_prefix("/attachments/") {
        return shared.change(|world| attachment(world, file));
    }
    let Some(path) = parts.uri.path().strip_prefix("/api/v10/") else { return plain(404) };
    let mut asked = Asked::read(&parts, path, &body);
    let (latency, effect) = shared.change(|world| (world.faults.latency, world.faults.take(&asked.recorded)));
    tokio::time::sleep(latency + if let Some(Effect::Slow(by)) = effect { by } else { Duration::ZERO }).await;
    shared.change(|world| world.answer(&mut asked, effect)).unwrap_or_else(|| {
        cut.end();
        plain(500)
    })
}

fn plain(status: u16) -> Response {
    Response::builder().status(status).body(Body::from(format!("{status}"))).unwrap()
}

/// Serves the file of a message, as Discord's file server would.
fn attachment(world: &World, path: &str) -> Response {
    let id = path.split('/').nth(1).and_then(|id| id.parse().ok());
    let mut files = world.messages.values().flat_map(|message| &message.attachments);
    match id.and_then(|id: u64| files.find(|file| file.id == id)) {
        Some(file) => Response::builder()
            .header("content-type", &file.media)
            .body(Body::from(file.bytes.clone()))
            .unwrap(),
        None => plain(404),
    }
}

/// A request, read.
struct Asked {
    recorded: Recorded,
    found: Found,
    token: Option<String>,
    agent: String,
    bad_json: bool,
    has_body: bool,
    files: Vec<multipart::Upload>,
}

impl Asked {
    fn read(parts: &Parts, path: &str, body: &Bytes) -> Self {
        let header =
            |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let kind = header("content-type").unwrap_or_default();
        let form = multipart::boundary(&kind).map(|boundary| multipart::read(&boundary, body));
        let (text, files) = form.unwrap_or_else(|| (body.clone(), Vec::new()));
        let value = serde_json::from_slice(&text);
        let method = parts.method.as_str().to_owned();
        let path = format!("/{path}");
        let found = rest::find(&method, &path);
        let recorded = Recorded {
            at_ms: 0,
            pattern: found.route().map_or("", |route| route.pattern),
            query: parts.uri.query().unwrap_or_default().to_owned(),
            files: files.iter().map(|file| file.name.clone()).collect(),
            body: value.as_ref().cloned().unwrap_or(Value::Null),
            status: 0,
            method,
            path,
        };
        Self {
            recorded,
            found,
            token: header("authorization"),
            agent: header("user-agent").unwrap_or_default(),
            bad_json: !text.is_empty() && value.is_err(),
            has_body: !text.is_empty(),
            files,
        }
    }

    /// What the limits are counted by beside the route: channel, server or webhook.
    fn major(&self) -> String {
        let mut parts = self.recorded.path.split('/').skip(1);
        match parts.next() {
            Some("channels" | "guilds") => parts.next().unwrap_or_default().to_owned(),
            Some("webhooks" | "interactions") => parts.take(2).collect::<Vec<_>>().join("/"),
            _ => String::new(),
        }
    }
}

impl World {
    /// `None` to end the connection without an answer.
    fn answer(&mut self, asked: &mut Asked, effect: Option<Effect>) -> Option<Response> {
        asked.recorded.at_ms = self.clock.now_ms();
        self.check_request(asked);
        let standing = self.stand(asked);
        let (answer, shown) = self.act(asked, effect, &standing);
        asked.recorded.status = answer.as_ref().map_or(0, |reply| reply.status);
        self.record.requests.push(asked.recorded.clone());
        let mut reply = answer?;
        if let Some(body) = &mut reply.body {
            self.faults.mangle(&asked.recorded, body);
        }
        if shown {
            self.check_answer(&asked.recorded, &reply);
        }
        Some(respond(&reply, &standing))
    }

    /// Whether the request is counted against the limits, and how it stands.
    fn stand(&mut self, asked: &Asked) -> Standing {
        let open = asked.found.route().is_some_and(|route| route.open);
        let global = if open { None } else { self.settings.global_rate };
        let (route, now) = (asked.recorded.route(), self.clock.now_ms());
        self.rates.count(&self.settings.rates, global, &route, &asked.major(), now)
    }

    /// The answer, and whether it is one of those that the specification tells of.
    fn act(&mut self, asked: &Asked, effect: Option<Effect>, standing: &Standing) -> (Option<Reply>, bool) {
        match effect {
            Some(Effect::DropBefore) => return (None, false),
            Some(Effect::Status(status)) => return (Some(Reply::failing(status)), false),
            Some(Effect::RateLimited { retry_after, global }) => {
                let until = self.clock.now_ms() + millis(retry_after);
                self.rates.close(&asked.recorded.route(), &asked.major(), global, until);
                return (Some(Reply::too_many(retry_after.as_secs_f64(), global)), true);
            }
            _ => {}
        }
        if let Some(over) = standing.over {
            let wait = Duration::from_millis(over.retry_after_ms).as_secs_f64();
            return (Some(Reply::too_many(wait, over.global)), true);
        }
        let reply = self.route(asked).unwrap_or_else(|refusal| refusal.reply());
        match effect {
            Some(Effect::DropAfter) => (None, false),
            Some(Effect::StatusAfter(status)) => (Some(Reply::failing(status)), false),
            _ => (Some(reply), true),
        }
    }

    fn route(&mut self, asked: &Asked) -> Answer {
        let (route, ids) = match &asked.found {
            Found::Route(route, ids) => (route, ids),
            Found::OtherMethod => return Err(Refusal::new(405, 0, "405: Method Not Allowed")),
            Found::Nothing => return Err(Refusal::new(404, 0, "404: Not Found")),
        };
        let wanted = format!("Bot {}", self.settings.token);
        if !route.open && asked.token.as_deref() != Some(wanted.as_str()) {
            return Err(Refusal::new(401, 0, "401: Unauthorized"));
        }
        if asked.bad_json {
            return Err(Refusal::new(400, 50109, "The request body contains invalid JSON."));
        }
        let call = Call {
            ids: ids.clone(),
            query: rest::pairs(&asked.recorded.query),
            body: asked.recorded.body.clone(),
            files: asked.files.clone(),
        };
        (route.act)(self, &call)
    }

    fn check_request(&mut self, asked: &Asked) {
        let route = format!("{} {}", asked.recorded.method, asked.recorded.path);
        if !asked.agent.starts_with("DiscordBot (") {
            self.record.violation(format!(
                "{route}: the User-Agent is {:?}; Discord wants `DiscordBot (url, version)`",
                asked.agent
            ));
        }
        let Found::Route(known, _) = &asked.found else {
            self.record.violation(format!("{route}: no such route"));
            return;
        };
        let shape = Shape::Request {
            method: known.method.to_owned(),
            pattern: known.pattern,
            query: asked.recorded.query.clone(),
        };
        let value = asked.has_body.then(|| asked.recorded.body.clone());
        self.check_later(format!("{route}: request"), shape, value);
    }

    fn check_answer(&mut self, asked: &Recorded, reply: &Reply) {
        if asked.pattern.is_empty() {
            return;
        }
        let what = format!("{} {}: answer {}", asked.method, asked.path, reply.status);
        let shape =
            Shape::Answer { method: asked.method.clone(), pattern: asked.pattern, status: reply.status };
        self.check_later(what, shape, reply.body.clone());
    }

    fn check_later(&mut self, what: String, shape: Shape, value: Option<Value>) {
        if self.settings.checked {
            self.record.checks.push(Check { what, shape, value });
        }
    }
}

fn respond(reply: &Reply, standing: &Standing) -> Response {
    let seconds = |ms: u64| Duration::from_millis(ms).as_secs_f64();
    let mut response = Response::builder()
        .status(reply.status)
        .header("X-RateLimit-Limit", standing.limit)
        .header("X-RateLimit-Remaining", standing.remaining)
        .header("X-RateLimit-Reset", format!("{:.3}", seconds(standing.reset_ms)))
        .header("X-RateLimit-Reset-After", format!("{:.3}", seconds(standing.reset_after_ms)))
        .header("X-RateLimit-Bucket", &standing.bucket)
        .header("Via", "1.1 google");
    let body = reply.body.as_ref().unwrap_or(&Value::Null);
    if reply.status == 429 {
        let wait = body["retry_after"].as_f64().unwrap_or(1.0);
        let global = body["global"] == true;
        response = response
            .header("Retry-After", format!("{:.0}", wait.ceil()))
            .header("X-RateLimit-Scope", if global { "global" } else { "user" });
        if global {
            response = response.header("X-RateLimit-Global", "true");
        }
    }
    match &reply.body {
        // What stands before Discord answers in its own way.
        _ if (502..=504).contains(&reply.status) => {
            let page = format!("<html><body><h1>{}</h1></body></html>", reply.status);
            response.header("Content-Type", "text/html").body(Body::from(page))
        }
        Some(body) => response.header("Content-Type", "application/json").body(Body::from(body.to_string())),
        None => response.body(Body::empty()),
    }
    .unwrap()
}

impl Reply {
    /// A failure on Discord's side.
    fn failing(status: u16) -> Self {
        Self {
            status,
            body: Some(json!({ "message": format!("{status}: Internal Server Error"), "code": 0 })),
        }
    }

    fn too_many(retry_after: f64, global: bool) -> Self {
        let message = "You are being rate limited.";
        let body = json!({ "message": message, "retry_after": retry_after, "global": global, "code": 0 });
        Self { status: 429, body: Some(body) }
    }
}
