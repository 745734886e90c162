//! Opens a snapshot: finds its description and what it lies over, and says clearly what is wrong with a bad one.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Mutex, OnceLock},
};

use bytes::Bytes;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    Snapshot,
    access::User,
    files::{Files, Layer, is_plain, unpack},
    status::Refusal,
};

/// The file that makes a folder a snapshot.
const DESCRIPTION: &str = "snapshot.json";
/// The layout that this program reads.
pub(super) const FORMAT: u32 = 1;

/// Why a snapshot can't be served.
#[derive(Debug, thiserror::Error)]
#[error("the snapshot `{}` can't be served: {reason}", path.display())]
pub struct SnapshotError {
    /// The folder or archive.
    pub path: PathBuf,
    /// What is wrong with it.
    pub reason: String,
}

/// The content of `snapshot.json`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Description {
    format: u32,
    captured_at: Timestamp,
    server_version: Box<RawValue>,
    #[serde(default)]
    base: Option<String>,
    #[serde(flatten)]
    unread: Unread,
}

/// What a capture lacks because it was not asked for or not allowed.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Unread {
    /// The only namespaces that were read; none: all.
    #[serde(default)]
    only_namespaces: Vec<String>,
    #[serde(default)]
    unread: Vec<Unlisted>,
}

/// A list that the server refused when it was captured.
#[derive(Debug, Deserialize)]
struct Unlisted {
    /// The file that would hold it.
    path: String,
    /// `None`: in all namespaces.
    #[serde(default)]
    namespace: Option<String>,
    /// What the server answered.
    code: u16,
    message: String,
}

impl Unread {
    /// Refuses a list or an object that was not read, in the words of the server that refused it.
    pub(super) fn check(&self, path: &str, namespaced: bool, namespace: Option<&str>) -> Result<(), Refusal> {
        let mut here = self.unread.iter().filter(|unlisted| unlisted.path == path);
        let unlisted = here.find(|unlisted| {
            unlisted.namespace.is_none() || namespace.is_some() && unlisted.namespace.as_deref() == namespace
        });
        match (unlisted, namespace) {
            (Some(Unlisted { code: 403, message, .. }), _) => Err(Refusal::not_visible(message)),
            (Some(Unlisted { message, .. }), _) => Err(Refusal::not_recorded_because(message)),
            (None, Some(namespace)) if namespaced && !self.has(namespace) => {
                Err(Refusal::not_recorded(&format!("the namespace {namespace:?}")))
            }
            (None, _) => Ok(()),
        }
    }

    /// The only namespaces that were read; none: all.
    pub(super) fn only_namespaces(&self) -> &[String] {
        &self.only_namespaces
    }

    fn has(&self, namespace: &str) -> bool {
        self.only_namespaces.is_empty() || self.only_namespaces.iter().any(|known| known == namespace)
    }

    /// What a list over all namespaces lacks, as a warning to whoever reads it.
    pub(super) fn warning(&self, path: &str) -> Option<String> {
        let refused = self.unread.iter().filter(|unlisted| unlisted.path == path);
        let refused: Vec<&str> = refused.filter_map(|unlisted| unlisted.namespace.as_deref()).collect();
        match (refused.as_slice(), self.only_namespaces.as_slice()) {
            ([], []) => None,
            ([], only) => Some(format!("only these namespaces were recorded: {}", only.join(", "))),
            (refused, _) => Some(format!("not recorded in these namespaces: {}", refused.join(", "))),
        }
    }
}

impl Snapshot {
    /// Opens a captured cluster: a folder with a `snapshot.json` (or with `snapshot/snapshot.json`), or a `.tar.gz`
    /// of such a folder. A snapshot that names a `base` is laid over the folder of that name beside it.
    pub fn open(path: &Path) -> Result<Self, SnapshotError> {
        let opened = if path.is_dir() { open_folder(path) } else { open_archive(path) };
        opened.map_err(|reason| SnapshotError { path: path.into(), reason })
    }

    /// The practice cluster that lies in the binary.
    pub fn practice() -> Result<Self, SnapshotError> {
        Snapshot::assemble("practice cluster".into(), vec![Layer::Embedded])
            .map_err(|reason| SnapshotError { path: "practice cluster".into(), reason })
    }

    fn assemble(name: String, mut layers: Vec<Layer>) -> Result<Self, String> {
        let top = Files(vec![layers.swap_remove(0)]);
        let description = describe(&top)?;
        let files = Files(top.0.into_iter().chain(layers).collect());
        if files.read("discovery/api.json").map_err(|error| error.to_string())?.is_none() {
            return Err("it has no discovery/api.json, neither by itself nor in its base".into());
        }
        Ok(Snapshot {
            name,
            captured_at: description.captured_at,
            server_version: description.server_version,
            files,
            unread: description.unread,
            user: User::admin(),
            rbac: OnceLock::new(),
            discovery: OnceLock::new(),
            recorded: Mutex::default(),
            schemas: Mutex::default(),
        })
    }
}

fn describe(files: &Files) -> Result<Description, String> {
    let content = files
        .read(DESCRIPTION)
        .map_err(|error| format!("its {DESCRIPTION} can't be read: {error}"))?
        .ok_or_else(|| format!("it has no {DESCRIPTION}"))?;
    parse(&content)
}

fn parse(content: &[u8]) -> Result<Description, String> {
    let description: Description = serde_json::from_slice(content)
        .map_err(|error| format!("its {DESCRIPTION} is not valid: {error}"))?;
    match description {
        Description { format, .. } if format != FORMAT => {
            Err(format!("it has format {format}, and this program reads format {FORMAT}"))
        }
        Description { base: Some(base), .. } if !is_plain(&base) || base.contains('/') => {
            Err(format!("its base `{base}` is not the name of a folder beside it"))
        }
        good => Ok(good),
    }
}

fn open_folder(path: &Path) -> Result<Snapshot, String> {
    let nested = path.join("snapshot");
    let root = if path.join(DESCRIPTION).is_file() || !nested.join(DESCRIPTION).is_file() {
        path.to_owned()
    } else {
        nested
    };
    // `..` and `.` would leave it without a name and without a folder beside it.
    let root = root.canonicalize().map_err(|error| error.to_string())?;
    let own = Layer::Folder(root.clone());
    let base = describe(&Files(vec![Layer::Folder(root.clone())]))?.base;
    let below = base.map(|base| base_beside(&root, &base)).transpose()?;
    Snapshot::assemble(name_of(&root), std::iter::once(own).chain(below).collect())
}

/// The base lies beside the snapshot's folder, or beside the folder that holds it.
fn base_beside(root: &Path, base: &str) -> Result<Layer, String> {
    root.ancestors()
        .skip(1)
        .take(2)
        .map(|parent| parent.join(base))
        .find(|folder| folder.is_dir())
        .map(Layer::Folder)
        .ok_or_else(|| format!("it lies over `{base}`, and there is no such folder beside it"))
}

/// The folder's name, or that of the folder around it where its own says nothing.
fn name_of(root: &Path) -> String {
    let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
    match name(root) {
        Some(own) if own == "snapshot" => root.parent().and_then(name).unwrap_or(own),
        Some(own) => own,
        None => "snapshot".into(),
    }
}

fn open_archive(path: &Path) -> Result<Snapshot, String> {
    if !path.is_file() {
        return Err("there is no such folder or file".into());
    }
    let files =
        unpack(path).map_err(|error| format!("it is neither a folder nor a readable .tar.gz: {error}"))?;
    let (root, base) = find_root(&files)?;
    let below =
        base.map(|base| base_within(&files, &root, &base).map_or_else(|| base_beside(path, &base), Ok));
    let below = below.transpose()?;
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let name = name.trim_end_matches(".tgz").trim_end_matches(".tar.gz").to_owned();
    Snapshot::assemble(name, std::iter::once(Layer::Unpacked { root, files }).chain(below).collect())
}

/// Which of the archive's folders is the snapshot, and its base. Where several have a description, it is the one
/// that lies over another.
fn find_root(files: &HashMap<String, Bytes>) -> Result<(String, Option<String>), String> {
    let mut found = Vec::new();
    for (path, content) in files {
        if let Some(root) =
            path.strip_suffix(DESCRIPTION).filter(|root| root.is_empty() || root.ends_with('/'))
        {
            found.push((root.to_owned(), parse(content)?.base));
        }
    }
    if found.len() > 1 {
        found.retain(|(_, base)| base.is_some());
    }
    match (found.pop(), found.is_empty()) {
        (Some(one), true) => Ok(one),
        (Some(_), false) => Err("it holds several snapshots".into()),
        (None, _) => Err(format!("it has no {DESCRIPTION}")),
    }
}

fn base_within(files: &HashMap<String, Bytes>, root: &str, base: &str) -> Option<Layer> {
    let parents = Path::new(root).ancestors().skip(1).take(2);
    let mut candidates = parents.map(|parent| match parent.to_string_lossy().as_ref() {
        "" => format!("{base}/"),
        parent => format!("{parent}/{base}/"),
    });
    let base = candidates.find(|candidate| files.keys().any(|path| path.starts_with(candidate)))?;
    let files = files.iter().filter(|(path, _)| path.starts_with(&base));
    Some(Layer::Unpacked { files: files.map(|(k, v)| (k.clone(), v.clone())).collect(), root: base })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(paths: &[(&str, &str)]) -> HashMap<String, Bytes> {
        paths.iter().map(|(path, text)| ((*path).into(), Bytes::copy_from_slice(text.as_bytes()))).collect()
    }

    const PLAIN: &str = r#"{"format":1,"capturedAt":"2026-11-23T02:43:09+00:00","serverVersion":{}}"#;
    const OVER: &str =
        r#"{"format":1,"capturedAt":"2026-11-23T02:43:09+00:00","serverVersion":{},"base":"_base"}"#;

    #[test]
    fn a_description_must_be_whole_and_of_this_format() {
        let reason = |text: &str| parse(text.as_bytes()).err().unwrap_or_default();
        assert_eq!(reason(PLAIN), "");
        assert!(reason("{").starts_with("its snapshot.json is not valid: EOF"));
        assert!(reason("{\"format\":1}").contains("missing field `capturedAt`"));
        assert_eq!(reason(&PLAIN.replace("1,", "7,")), "it has format 7, and this program reads format 1");
        let outside = reason(&OVER.replace("_base", "../../etc"));
        assert_eq!(outside, "its base `../../etc` is not the name of a folder beside it");
    }

    #[test]
    fn what_was_not_read_is_refused_and_never_empty() {
        let text = PLAIN.replace(
            "\"serverVersion\":{}",
            r#""serverVersion":{},"onlyNamespaces":["a","b"],"unread":[
                {"path":"p","namespace":"b","code":403,"message":"no pods for you"},
                {"path":"s","code":403,"message":"no secrets for you"},
                {"path":"m","code":503,"message":"gone"}]"#,
        );
        let unread = parse(text.as_bytes()).unwrap().unread;
        let check = |path: &str, namespaced, namespace| {
            unread
                .check(path, namespaced, namespace)
                .err()
                .map(|refusal| refusal.message())
                .unwrap_or_default()
        };
        for (path, namespaced, namespace, expected) in [
            ("p", true, Some("a"), ""),
            ("p", true, Some("b"), "no pods for you"),
            ("p", true, None, ""),
            ("s", true, Some("a"), "no secrets for you"),
            ("s", true, None, "no secrets for you"),
            ("m", false, None, "the server could not find the requested resource: it was not recorded: gone"),
            ("n", false, None, ""),
        ] {
            assert_eq!(check(path, namespaced, namespace), expected, "{path} {namespace:?}");
        }
        assert!(check("p", true, Some("c")).ends_with("the namespace \"c\" was not recorded"));
        assert_eq!(unread.warning("p").unwrap(), "not recorded in these namespaces: b");
        assert_eq!(unread.warning("q").unwrap(), "only these namespaces were recorded: a, b");
        assert_eq!(parse(PLAIN.as_bytes()).unwrap().unread.warning("q"), None);
    }

    #[test]
    fn the_snapshot_is_found_wherever_it_lies_in_an_archive() {
        let root = |files| find_root(&archive(files)).map(|(root, _)| root);
        assert_eq!(root(&[("snapshot.json", PLAIN)]), Ok(String::new()));
        assert_eq!(root(&[("001/snapshot/snapshot.json", PLAIN)]), Ok("001/snapshot/".into()));
        let both = [("a/_base/snapshot.json", PLAIN), ("a/001/snapshot/snapshot.json", OVER)];
        assert_eq!(root(&both), Ok("a/001/snapshot/".into()));
        assert_eq!(root(&[("a/notsnapshot.json", PLAIN)]), Err("it has no snapshot.json".into()));
        let twice = [("a/snapshot.json", OVER), ("b/snapshot.json", OVER)];
        assert_eq!(root(&twice), Err("it holds several snapshots".into()));
    }

    #[test]
    fn the_base_of_an_archive_is_found_in_it() {
        for (root, base) in [("a/001/snapshot/", "a/_base/"), ("001/snapshot/", "_base/"), ("001/", "_base/")]
        {
            let path = format!("{base}discovery/api.json");
            let files = archive(&[(&path, "{}"), ("other/x", "")]);
            let layer = base_within(&files, root, "_base").unwrap();
            let read = Files(vec![layer]).read("discovery/api.json").unwrap();
            assert_eq!(read.unwrap(), "{}", "{root}");
        }
        assert!(base_within(&archive(&[("x/y", "")]), "001/", "_base").is_none());
    }
}
