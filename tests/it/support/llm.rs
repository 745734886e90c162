//! A language model that plays a script: an HTTP server that speaks both wires and calls tools natively or in its text,
//! refuses prompts that a real provider would refuse, and remembers them.

use std::{
    net::{SocketAddr, TcpListener},
    sync::{Arc, Mutex},
    thread::JoinHandle,
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    http::{HeaderMap, HeaderName, StatusCode, Uri},
    response::Response,
};
use futures::{StreamExt, stream};
use kubertnetes::llm::{Config, ModelConfig, Provider, Tools};
use serde_json::{Value, json};
use tokio::sync::oneshot;

mod frames;
mod wellformed;

pub use wellformed::seal_of;

/// How a model is talked to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speech {
    OpenAi,
    Anthropic,
    /// Calls as JSON in the text, over chat completions.
    Text,
}

impl From<Provider> for Speech {
    fn from(provider: Provider) -> Self {
        match provider {
            Provider::OpenAi => Self::OpenAi,
            Provider::Anthropic => Self::Anthropic,
        }
    }
}

/// A request as the server got it.
#[derive(Debug, Clone)]
pub struct Request {
    pub provider: Provider,
    pub headers: HeaderMap,
    /// Path and query.
    pub path: String,
    pub body: Value,
}

/// How the instructions begin that tell of calls in the text.
const CALLS_IN_TEXT: &str = "How you call tools";

impl Request {
    fn messages(&self) -> impl DoubleEndedIterator<Item = &Value> {
        self.body["messages"].as_array().into_iter().flatten()
    }

    /// The instructions.
    pub fn system(&self) -> String {
        match self.provider {
            Provider::OpenAi => {
                self.messages().filter(|message| message["role"] == "system").map(text_of).collect()
            }
            Provider::Anthropic => text_of(&json!({ "content": self.body["system"] })),
        }
    }

    /// Whether calls are to be written as text.
    pub fn in_text(&self) -> bool {
        self.body.get("tools").is_none() && self.system().contains(CALLS_IN_TEXT)
    }

    /// What people and analyzers said, oldest first.
    pub fn said(&self) -> Vec<String> {
        let texts = self.messages().filter(|message| message["role"] == "user").map(text_of);
        texts.filter(|text| !text.is_empty()).collect()
    }

    /// The answers to calls: id, whether it was carried out, output; oldest first.
    pub fn results(&self) -> Vec<(String, bool, String)> {
        let owned = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        match self.provider {
            Provider::OpenAi if self.in_text() => {
                let said = self.said().join("\n\n");
                let results = said.split("Result of ").skip(1).filter_map(|result| result.split_once(":\n"));
                results
                    .map(|(head, output)| {
                        let (id, refused) = head.split_once(',').unwrap_or((head, ""));
                        (id.to_owned(), refused.is_empty(), output.trim_end().to_owned())
                    })
                    .collect()
            }
            Provider::OpenAi => self
                .messages()
                .filter(|message| message["role"] == "tool")
                .map(|message| {
                    let output = owned(&message["content"]);
                    (owned(&message["tool_call_id"]), !output.starts_with("Error: "), output)
                })
                .collect(),
            Provider::Anthropic => self
                .messages()
                .flat_map(|message| message["content"].as_array().into_iter().flatten())
                .filter(|block| block["type"] == "tool_result")
                .map(|block| {
                    (owned(&block["tool_use_id"]), block["is_error"] != true, owned(&block["content"]))
                })
                .collect(),
        }
    }

    /// The names of the tools on offer.
    pub fn tools(&self) -> Vec<String> {
        if self.in_text() {
            let system = self.system();
            let (_, described) = system.split_once("The tools,").unwrap();
            let blocks = described.split("\n\n").filter(|block| block.contains("\n{"));
            return blocks
                .filter_map(|block| block.trim().split_once(": "))
                .map(|(name, _)| name.to_owned())
                .collect();
        }
        let tools = self.body["tools"].as_array().into_iter().flatten();
        tools
            .map(|tool| tool["function"]["name"].as_str().or(tool["name"].as_str()).unwrap().to_owned())
            .collect()
    }
}

fn text_of(message: &Value) -> String {
    match &message["content"] {
        Value::String(text) => text.clone(),
        Value::Array(blocks) => {
            blocks.iter().filter_map(|block| block["text"].as_str()).collect::<Vec<_>>().join("\n")
        }
        _ => String::new(),
    }
}

/// One answer of the script.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    text: String,
    calls: Vec<(String, String, String)>,
    manner: Manner,
    pieces: usize,
    full: bool,
    /// What comes before all else: members of a message of OpenAI's, blocks of Anthropic's.
    thoughts: Vec<Value>,
    /// Gemini's signature of the first call.
    signature: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq)]
enum Manner {
    #[default]
    Stream,
    /// As a gateway that ignores `stream: true`.
    Whole,
    /// The stream ends, well-mannered, before the reply does.
    Truncated,
    /// The connection breaks in the middle.
    Cut,
    /// It begins and then is silent.
    Stalled,
    /// An error event in the middle.
    Failing(Value),
    Status(u16, Vec<(String, String)>, String),
    Garbage(String),
}

impl Answer {
    /// A reply of words alone.
    pub fn say(text: &str) -> Self {
        Self { text: text.into(), pieces: 3, ..Self::default() }
    }

    /// A reply that asks for a call.
    pub fn call(tool: &str, args: &Value) -> Self {
        Self::say("").and_call(tool, args)
    }

    /// One more call, in parallel. Ids count through the answer and are unique through the server.
    pub fn and_call(self, tool: &str, args: &Value) -> Self {
        self.and_raw_call("auto", tool, &args.to_string())
    }

    /// One more call as the model wrote it, e.g. without an id or with arguments that are no JSON.
    pub fn and_raw_call(mut self, id: &str, tool: &str, args: &str) -> Self {
        self.calls.push((id.into(), tool.into(), args.into()));
        self
    }

    /// Text and arguments come in so many pieces.
    pub fn in_pieces(mut self, pieces: usize) -> Self {
        self.pieces = pieces;
        self
    }

    /// Before anything else it thinks: members of a message of OpenAI's, or a block of Anthropic's.
    pub fn thinking(mut self, thought: Value) -> Self {
        self.thoughts.push(thought);
        self
    }

    /// Its first call is signed, as Gemini does.
    pub fn signed(self, signature: &str) -> Self {
        Self { signature: Some(signature.into()), ..self }
    }

    /// In one piece, though a stream was asked for.
    pub fn whole(self) -> Self {
        Self { manner: Manner::Whole, ..self }
    }

    /// The stream ends before the reply does.
    pub fn truncated(self) -> Self {
        Self { manner: Manner::Truncated, ..self }
    }

    /// The connection breaks before the reply ends.
    pub fn cut(self) -> Self {
        Self { manner: Manner::Cut, ..self }
    }

    /// After its text it is silent for ever.
    pub fn stalled(self) -> Self {
        Self { manner: Manner::Stalled, ..self }
    }

    /// After its text comes an error.
    pub fn failing(self, error: Value) -> Self {
        Self { manner: Manner::Failing(error), ..self }
    }

    /// It stops because `max_tokens` is reached.
    pub fn full(self) -> Self {
        Self { full: true, ..self }
    }

    /// No reply but a status and a body.
    pub fn status(code: u16, body: &str) -> Self {
        Self { manner: Manner::Status(code, vec![], body.into()), ..Self::default() }
    }

    /// A header of a `status` answer.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let Manner::Status(_, headers, _) = &mut self.manner {
            headers.push((name.into(), value.into()));
        }
        self
    }

    /// Bytes that are no reply, called a success.
    pub fn garbage(body: &str) -> Self {
        Self { manner: Manner::Garbage(body.into()), ..Self::default() }
    }
}

/// What the server answers: a list, one answer per request, or a function of the request.
pub struct Script(Play);

type Play = Box<dyn FnMut(&Request) -> Option<Answer> + Send>;

impl From<Vec<Answer>> for Script {
    fn from(answers: Vec<Answer>) -> Self {
        let mut answers = answers.into_iter();
        Self(Box::new(move |_| answers.next()))
    }
}

impl<const N: usize> From<[Answer; N]> for Script {
    fn from(answers: [Answer; N]) -> Self {
        Vec::from(answers).into()
    }
}

impl Script {
    /// Answers are computed, e.g. from the results that the transcript holds.
    pub fn of(mut answer: impl FnMut(&Request) -> Answer + Send + 'static) -> Self {
        Self(Box::new(move |request| Some(answer(request))))
    }
}

struct Stage {
    script: Script,
    requests: Vec<Request>,
    complaints: Vec<String>,
}

/// The running server. Dropping it fails the test if a prompt was ill-formed or the script ran out.
pub struct ScriptedServer {
    address: SocketAddr,
    stage: Arc<Mutex<Stage>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl ScriptedServer {
    /// Starts on a free port, on a thread of its own: it may be used from any test, with a runtime or without.
    pub fn start(script: impl Into<Script>) -> Self {
        let stage = Stage { script: script.into(), requests: vec![], complaints: vec![] };
        let stage = Arc::new(Mutex::new(stage));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let shown = Arc::clone(&stage);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                let app = Router::new().fallback(move |uri: Uri, headers: HeaderMap, body: Bytes| {
                    let stage = Arc::clone(&shown);
                    async move { respond(&stage, &uri, headers, &body) }
                });
                // Not a graceful end: a stalled answer would hold it up.
                tokio::select! {
                    served = axum::serve(listener, app) => served.unwrap(),
                    _ = stopped => {}
                }
            });
        });
        Self { address, stage, stop: Some(stop), thread: Some(thread) }
    }

    /// The address to configure, for either provider.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The requests so far, oldest first.
    pub fn requests(&self) -> Vec<Request> {
        self.stage.lock().unwrap().requests.clone()
    }

    /// What was wrong with them; looking at it takes it off the books.
    pub fn take_complaints(&self) -> Vec<String> {
        std::mem::take(&mut self.stage.lock().unwrap().complaints)
    }

    /// A configuration with one model, `scripted`, that this server answers.
    pub fn config(&self, speech: impl Into<Speech>) -> Config {
        let speech = speech.into();
        let model = ModelConfig {
            provider: Some(if speech == Speech::Anthropic { Provider::Anthropic } else { Provider::OpenAi }),
            tools: if speech == Speech::Text { Tools::Text } else { Tools::Native },
            url: self.url(),
            model: "script-1".into(),
            api_key: Some("key-of-the-script".into()),
            stall_seconds: 20,
            timeout_seconds: 60,
            ..ModelConfig::default()
        };
        Config {
            model: "scripted".into(),
            models: [("scripted".to_owned(), model)].into(),
            ..Config::default()
        }
    }
}

impl Drop for ScriptedServer {
    fn drop(&mut self) {
        drop(self.stop.take());
        let outcome = self.thread.take().map(JoinHandle::join);
        if !std::thread::panicking() {
            assert!(matches!(outcome, Some(Ok(()))), "the scripted server panicked");
            let complaints = self.take_complaints();
            assert!(complaints.is_empty(), "ill-formed prompts: {complaints:#?}");
        }
    }
}

fn respond(stage: &Mutex<Stage>, uri: &Uri, headers: HeaderMap, body: &Bytes) -> Response {
    let mut stage = stage.lock().unwrap();
    let provider = match uri.path() {
        path if path.ends_with("/chat/completions") => Provider::OpenAi,
        path if path.ends_with("/v1/messages") => Provider::Anthropic,
        path => {
            stage.complaints.push(format!("no such route: {path}"));
            return plain(404, "text/plain", "no such route");
        }
    };
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let request = Request { provider, headers, path: uri.to_string(), body };
    let faults = wellformed::faults(&request);
    stage.requests.push(request.clone());
    if !faults.is_empty() {
        let words = json!({ "error": { "type": "invalid_request_error", "message": faults.join("; ") } });
        stage.complaints.extend(faults);
        return plain(400, "application/json", &words.to_string());
    }
    let number = stage.requests.len();
    match (stage.script.0)(&request) {
        Some(answer) => play(&answer, &request, number),
        None => {
            stage.complaints.push(format!("the script has no answer to request {number}"));
            plain(400, "text/plain", "the script has run out")
        }
    }
}

fn plain(code: u16, kind: &str, body: &str) -> Response {
    let response =
        Response::builder().status(StatusCode::from_u16(code).unwrap()).header("content-type", kind);
    response.body(Body::from(body.to_owned())).unwrap()
}

fn play(answer: &Answer, request: &Request, number: usize) -> Response {
    let provider = request.provider;
    let mut answer = answer.clone();
    for (place, (id, _, _)) in answer.calls.iter_mut().enumerate() {
        if id == "auto" {
            *id = format!("call_{number}_{place}");
        }
    }
    if request.in_text() {
        answer = frames::in_text(answer);
    }
    match &answer.manner {
        Manner::Status(code, headers, body) => {
            let mut response = plain(*code, "application/json", body);
            for (name, value) in headers {
                response.headers_mut().insert(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
            }
            response
        }
        Manner::Garbage(body) => plain(200, "text/html", body),
        Manner::Whole => plain(200, "application/json", &frames::whole(&answer, provider).to_string()),
        _ => streamed(&answer, provider),
    }
}

/// The frames, each in two writes, so that no reader gets away with taking a read for a frame.
fn streamed(answer: &Answer, provider: Provider) -> Response {
    let (mut sent, end) = match provider {
        Provider::OpenAi => frames::openai_frames(answer),
        Provider::Anthropic => frames::anthropic_frames(answer),
    };
    match &answer.manner {
        Manner::Stream => sent.extend(end),
        Manner::Failing(error) => sent.push(frames::frame(None, error)),
        _ => {}
    }
    let writes: Vec<Bytes> = sent
        .iter()
        .flat_map(|frame| {
            let (head, tail) = frame.as_bytes().split_at(frame.len() / 2);
            [Bytes::copy_from_slice(head), Bytes::copy_from_slice(tail)]
        })
        .collect();
    let writes = stream::iter(writes).then(|write| async {
        tokio::task::yield_now().await;
        Ok::<_, std::io::Error>(write)
    });
    let body = match answer.manner {
        Manner::Stalled => Body::from_stream(writes.chain(stream::pending())),
        Manner::Cut => Body::from_stream(writes.chain(stream::once(async {
            // What was written must be on its way before the connection breaks.
            tokio::time::sleep(Duration::from_millis(20)).await;
            Err(std::io::Error::other("cut"))
        }))),
        _ => Body::from_stream(writes),
    };
    Response::builder().header("content-type", "text/event-stream; charset=utf-8").body(body).unwrap()
}
