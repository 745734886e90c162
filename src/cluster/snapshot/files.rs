//! Where the files of a snapshot lie: in folders, in an archive or in the binary. Knows nothing of what is in them.

use std::{
    collections::HashMap,
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

use bytes::Bytes;
use flate2::read::GzDecoder;

/// The most that one recorded file may hold, in bytes.
pub(super) const FILE_LIMIT: u64 = 64 << 20;
/// The most that is read of a file in a folder, in bytes: it lies there unpacked, so it is no surprise.
const UNPACKED_LIMIT: u64 = 1 << 30;
/// The most that an archive may hold when it is unpacked, in bytes.
const ARCHIVE_LIMIT: u64 = 256 << 20;

/// The practice cluster, as it lies in the binary.
#[derive(rust_embed::Embed)]
#[folder = "k3d-cluster/snapshot/"]
struct Practice;

/// One place with the files of a snapshot, by their path below its root, parts joined by `/`.
pub(super) enum Layer {
    Folder(PathBuf),
    Unpacked { root: String, files: HashMap<String, Bytes> },
    Embedded,
}

impl Layer {
    /// The file's content, or `None` where this layer does not have it.
    fn read(&self, path: &str) -> io::Result<Option<Bytes>> {
        match self {
            Layer::Folder(root) => read_file(&root.join(path)),
            Layer::Unpacked { root, files } => Ok(files.get(&format!("{root}{path}")).cloned()),
            Layer::Embedded => Ok(Practice::get(path).map(|file| match file.data {
                std::borrow::Cow::Borrowed(bytes) => Bytes::from_static(bytes),
                std::borrow::Cow::Owned(bytes) => Bytes::from(bytes),
            })),
        }
    }
}

/// The files of one snapshot: what differs first, what it lies over after it.
pub(super) struct Files(pub(super) Vec<Layer>);

impl Files {
    /// The file's content from the first layer that has it: a file replaces the one below it as a whole.
    pub(super) fn read(&self, path: &str) -> io::Result<Option<Bytes>> {
        if !is_plain(path) {
            return Ok(None);
        }
        for layer in &self.0 {
            if let Some(content) = layer.read(path)? {
                return Ok(Some(content));
            }
        }
        Ok(None)
    }
}

/// Whether every part of the path is a plain name, so that it cannot lead out of the snapshot.
pub(super) fn is_plain(path: &str) -> bool {
    path.split('/').all(|part| !matches!(part, "" | "." | "..") && !part.contains(['\\', '\0']))
}

fn read_file(path: &Path) -> io::Result<Option<Bytes>> {
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    read_limited(file, UNPACKED_LIMIT).map(Some)
}

fn read_limited(from: impl Read, limit: u64) -> io::Result<Bytes> {
    let mut content = Vec::new();
    from.take(limit + 1).read_to_end(&mut content)?;
    if content.len() as u64 > limit {
        return Err(io::Error::other(format!("it is larger than {} MiB", limit >> 20)));
    }
    Ok(content.into())
}

/// Unpacks a `.tar.gz` into memory: every plain file by its path in the archive.
pub(super) fn unpack(path: &Path) -> io::Result<HashMap<String, Bytes>> {
    let mut files = HashMap::new();
    let mut left = ARCHIVE_LIMIT;
    let unzipped = GzDecoder::new(io::BufReader::new(fs::File::open(path)?)).take(ARCHIVE_LIMIT + (64 << 20));
    for entry in tar::Archive::new(unzipped).entries()? {
        let entry = entry?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let name = String::from_utf8_lossy(&entry.path_bytes()).trim_start_matches("./").to_owned();
        let content = read_limited(entry, left.min(FILE_LIMIT))?;
        left -= content.len() as u64;
        files.insert(name, content);
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_leads_out_is_not_plain() {
        for path in ["resources/core/v1/pods.json", "logs/a/b/c.previous.log"] {
            assert!(is_plain(path), "{path}");
        }
        for path in
            ["../x", "logs/../../etc/passwd", "/etc/passwd", "logs//x", "logs/.", "a\\..\\b", "a\0b", ""]
        {
            assert!(!is_plain(path), "{path}");
        }
    }

    #[test]
    fn what_is_larger_than_the_limit_is_refused() {
        assert_eq!(read_limited(&b"abcd"[..], 4).unwrap(), "abcd");
        assert!(read_limited(&b"abcde"[..], 4).is_err());
    }
}
