//! Captures a cluster into a snapshot: everything that can be listed, and the logs of its containers, read page by
//! page and masked before it is written.

mod discovery;
mod lists;
mod logs;
mod mask;
mod package;

use std::{
    path::{Path, PathBuf},
    sync::atomic::AtomicUsize,
    time::Duration,
};

use bytes::Bytes;
use futures::{StreamExt, stream};
use http::{Request, header};
use k8s_openapi::api::core::v1::Namespace;
use kube::Resource;
use serde::Serialize;
use serde_json::{Value, json, value::RawValue};
use tokio::time::Instant;

use self::{discovery::Documents, lists::List, logs::Run, package::Package};
use super::{discovery::Discovery, files::FILE_LIMIT, open::FORMAT};
use crate::{
    cluster::{
        Cluster,
        look::Named,
        read::{METADATA_ONLY, ReadError, Reader},
    },
    redact::Redacted,
};

/// How long a capture may take in all.
const LONGEST: Duration = Duration::from_secs(6 * 3600);
/// The most that one answer other than a list may hold, in bytes.
const DOCUMENT_BYTES: usize = 32 << 20;

/// What is captured, and how.
#[derive(Debug, Clone)]
pub struct CaptureOptions {
    /// The only namespaces that are read; none: all. What belongs to no namespace is read in any case.
    pub namespaces: Vec<String>,
    /// Whether the schemas of all kinds are read as well.
    pub openapi: bool,
    /// Whether the values of Secrets and whatever else looks like a credential are kept.
    pub with_secrets: bool,
    /// How many lines of each log, from its end.
    pub log_lines: usize,
    /// How many bytes of each log, from its end.
    pub log_bytes: usize,
}

impl Default for CaptureOptions {
    fn default() -> Self {
        Self {
            namespaces: Vec::new(),
            openapi: false,
            with_secrets: false,
            log_lines: 5_000,
            log_bytes: 1 << 20,
        }
    }
}

/// What a capture holds.
#[derive(Debug, Clone, Default)]
pub struct Captured {
    /// How many kinds of objects could be listed.
    pub kinds: usize,
    /// How many objects there are.
    pub objects: usize,
    /// How many logs there are.
    pub logs: usize,
    /// What could not be read: one sentence each.
    pub unread: Vec<Redacted>,
}

/// How far a capture is.
#[derive(Debug, Clone, Copy)]
pub struct Progress<'a> {
    /// What is being read: `kinds`, `logs` or `schemas`.
    pub what: &'a str,
    /// How many of them are read.
    pub done: usize,
    /// How many there are.
    pub total: usize,
}

/// Why there is no capture. Nothing is left of one that failed.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// The place for it can't be used.
    #[error("the capture can't be written to `{}`: {reason}", path.display())]
    Place {
        /// Where it was to be.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        reason: String,
    },
    /// A namespace that was asked for does not exist.
    #[error("there is no namespace `{namespace}` to capture")]
    NoNamespace {
        /// The first that is missing.
        namespace: String,
        /// Those that there are.
        known: Vec<String>,
    },
    /// The cluster can't be read.
    #[error("the cluster can't be captured: {0}")]
    Unreadable(Redacted),
}

/// What the server refused, as the snapshot's description has it.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Unlisted {
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<String>,
    code: u16,
    message: Redacted,
}

impl Unlisted {
    /// What a failure to read leaves out; the failure itself where nothing more can be read after it.
    fn of(path: &str, namespace: Option<&str>, error: &ReadError) -> Result<Self, CaptureError> {
        let code = match error {
            ReadError::Refused { code: 401, .. } | ReadError::Broken(_) | ReadError::NoTime => {
                return Err(unreadable(error));
            }
            ReadError::Refused { code, .. } => *code,
            ReadError::TimedOut(_) => 504,
            ReadError::TooLarge(_) | ReadError::NoBytes => 413,
            ReadError::Garbled(_) => 502,
        };
        let message = Redacted::new(error.to_string());
        Ok(Self { path: path.into(), namespace: namespace.map(Into::into), code, message })
    }

    fn sentence(&self) -> Redacted {
        let place = self.namespace.as_ref().map_or_else(String::new, |namespace| format!(" in {namespace}"));
        Redacted::new(format!("{}{place}: {}", self.path, self.message))
    }
}

fn unreadable(error: &dyn std::fmt::Display) -> CaptureError {
    CaptureError::Unreadable(Redacted::new(error.to_string()))
}

impl Cluster {
    /// Captures this cluster into `out`: a file if its name ends in `.tar.gz` or `.tgz`, else a folder. It appears
    /// there when it is whole; something that is there already is refused.
    pub async fn capture(
        &self,
        out: &Path,
        options: &CaptureOptions,
        told: &(dyn Fn(Progress<'_>) + Sync),
    ) -> Result<Captured, CaptureError> {
        let mut package = Package::begin(out)?;
        let reader = Reader {
            deadline: Instant::now() + LONGEST,
            max_objects: usize::MAX,
            bytes_left: AtomicUsize::new(usize::MAX),
            ..self.reader()
        };
        let mut options = options.clone();
        if let (true, Some(source)) = (options.namespaces.is_empty(), self.snapshot()) {
            options.namespaces = source.only_namespaces().to_vec();
        }
        let mut capture = Capture {
            reader: &reader,
            package: &mut package,
            options: &options,
            told,
            parallel: self.config().parallel_requests.clamp(1, 64),
            captured: Captured::default(),
            unread: Vec::new(),
        };
        let version = capture.version().await?;
        capture.namespaces().await?;
        let runs = capture.lists().await?;
        let taken_at = self.now();
        capture.logs(runs).await?;
        if options.openapi {
            capture.schemas().await?;
        }
        let Capture { captured, unread, .. } = capture;
        let mut description = json!({
            "format": FORMAT, "capturedAt": taken_at, "serverVersion": version, "namespaces": null,
            "capturedBy": concat!("kubertnetes ", env!("CARGO_PKG_VERSION")),
            "redacted": !options.with_secrets, "unread": unread,
        });
        if !options.namespaces.is_empty() {
            description["namespaces"] = json!(options.namespaces);
            description["onlyNamespaces"] = json!(options.namespaces);
        }
        package.add("snapshot.json", format!("{description:#}\n").as_bytes())?;
        package.finish()?;
        Ok(Captured { unread: unread.iter().map(Unlisted::sentence).collect(), ..captured })
    }
}

/// A capture under way.
struct Capture<'a> {
    reader: &'a Reader<'a>,
    package: &'a mut Package,
    options: &'a CaptureOptions,
    told: &'a (dyn Fn(Progress<'_>) + Sync),
    parallel: usize,
    captured: Captured,
    unread: Vec<Unlisted>,
}

impl Capture<'_> {
    fn tell(&self, what: &str, done: usize, total: usize) {
        (self.told)(Progress { what, done, total });
    }

    async fn version(&self) -> Result<Box<RawValue>, CaptureError> {
        let version =
            document(self.reader, "/version", "application/json").await.map_err(|e| unreadable(&e))?;
        serde_json::from_slice(&version)
            .map_err(|e| unreadable(&format!("its version can't be understood: {e}")))
    }

    /// Refuses a namespace that does not exist: a slip in its name would make a capture without the fault in it. Who
    /// may not list namespaces can't know.
    async fn namespaces(&self) -> Result<(), CaptureError> {
        if self.options.namespaces.is_empty() {
            return Ok(());
        }
        let listed = self.reader.list::<Named>(&Namespace::url_path(&(), None), METADATA_ONLY, |_| ()).await;
        let Some(listed) = listed.ok().filter(|listed| listed.missing.is_empty()) else { return Ok(()) };
        let known: Vec<String> = listed.items.into_iter().map(|item| item.metadata.name).collect();
        match self.options.namespaces.iter().find(|wanted| !known.contains(wanted)) {
            Some(missing) => Err(CaptureError::NoNamespace { namespace: missing.clone(), known }),
            None => Ok(()),
        }
    }

    async fn discovery(&mut self) -> Result<Discovery, CaptureError> {
        let Documents { core, apis, unread } = Documents::read(self.reader, self.parallel).await?;
        self.unread.extend(unread);
        self.package.add("discovery/api.json", &core)?;
        self.package.add("discovery/apis.json", &apis)?;
        Discovery::parse(core, apis).map_err(|refusal| unreadable(&refusal.message()))
    }

    /// Writes every list; gives the runs of containers that may have a log.
    async fn lists(&mut self) -> Result<Vec<Run>, CaptureError> {
        let discovery = self.discovery().await?;
        let lists: Vec<List> = discovery.all().filter_map(List::of).collect();
        let (total, reader, options) = (lists.len(), self.reader, self.options);
        self.tell("kinds", 0, total);
        let read = lists.into_iter().map(|list| async move { list.read(reader, options).await });
        let mut answers = stream::iter(read).buffer_unordered(self.parallel);
        let (mut runs, mut done) = (Vec::new(), 0);
        while let Some(read) = answers.next().await {
            let read = read?;
            done += 1;
            self.unread.extend(read.unread);
            if let Some(table) = read.table {
                if table.len() as u64 > FILE_LIMIT {
                    let error = ReadError::TooLarge(usize::try_from(FILE_LIMIT).unwrap_or_default());
                    self.unread.push(Unlisted::of(&read.path, None, &error)?);
                } else {
                    self.package.add(&read.path, &table)?;
                    self.captured.kinds += 1;
                    self.captured.objects += read.objects;
                    runs.extend(read.runs);
                }
            }
            self.tell("kinds", done, total);
        }
        drop(answers);
        // In the order in which they come in, they would differ from time to time.
        self.unread.sort_by(|a, b| (&a.path, &a.namespace).cmp(&(&b.path, &b.namespace)));
        Ok(runs)
    }

    async fn logs(&mut self, runs: Vec<Run>) -> Result<(), CaptureError> {
        let (total, reader, options) = (runs.len(), self.reader, self.options);
        let read = runs.into_iter().map(|run| async move { (logs::read(reader, &run, options).await, run) });
        let mut answers = stream::iter(read).buffer_unordered(self.parallel);
        let mut done = 0;
        while let Some((log, run)) = answers.next().await {
            done += 1;
            match log {
                Ok(log) => {
                    self.package.add(&run.file(), log.as_bytes())?;
                    self.captured.logs += 1;
                }
                Err(ReadError::Refused { code: 400 | 404, .. }) => {}
                Err(error) => {
                    let unlisted = Unlisted::of("logs", Some(run.namespace()), &error)?;
                    let known = |old: &&Unlisted| old.path == "logs" && old.namespace == unlisted.namespace;
                    if !self.unread.iter().any(|old| known(&old)) {
                        self.unread.push(unlisted);
                    }
                }
            }
            self.tell("logs", done, total);
        }
        Ok(())
    }

    async fn schemas(&mut self) -> Result<(), CaptureError> {
        let index = match document(self.reader, "/openapi/v3", "application/json").await {
            Ok(index) => index,
            Err(error) => {
                self.unread.push(Unlisted::of("openapi/v3.json", None, &error)?);
                return Ok(());
            }
        };
        let known: Value = serde_json::from_slice(&index).unwrap_or_default();
        let names: Vec<&String> =
            known["paths"].as_object().into_iter().flat_map(|paths| paths.keys()).collect();
        self.package.add("openapi/v3.json", &index)?;
        for (done, name) in names.iter().enumerate() {
            let path = format!("openapi/{name}.json");
            match document(self.reader, &format!("/openapi/v3/{name}"), "application/json").await {
                Ok(schema) => self.package.add(&path, &schema)?,
                Err(error) => self.unread.push(Unlisted::of(&path, None, &error)?),
            }
            self.tell("schemas", done + 1, names.len());
        }
        Ok(())
    }
}

async fn document(reader: &Reader<'_>, path: &str, accept: &str) -> Result<Bytes, ReadError> {
    let request = Request::get(path).header(header::ACCEPT, accept).body(Vec::new());
    let request = request.map_err(|error| ReadError::Garbled(error.to_string()))?;
    reader.read(request, DOCUMENT_BYTES).await
}
