//! Where a capture is written: a folder or one compressed file, under another name until it is whole.

use std::{
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use flate2::{Compression, write::GzEncoder};

use super::{super::files::is_plain, CaptureError};

/// A capture that is being written. It leaves nothing behind unless it is finished.
pub(super) struct Package {
    out: PathBuf,
    unfinished: PathBuf,
    /// `None` for a folder.
    archive: Option<Archive>,
    whole: bool,
}

struct Archive {
    /// The folder in the archive.
    root: String,
    tar: tar::Builder<GzEncoder<File>>,
}

impl Package {
    /// Begins a capture at a place that is free.
    pub(super) fn begin(out: &Path) -> Result<Self, CaptureError> {
        let place = |reason: String| CaptureError::Place { path: out.into(), reason };
        let Some(name) = out.file_name().map(|name| name.to_string_lossy().into_owned()) else {
            return Err(place("it has no name; give a folder or a .tar.gz that is to be made".into()));
        };
        if out.symlink_metadata().is_ok() {
            return Err(place("it is there already; give another name or take it away first".into()));
        }
        let unfinished = out.with_file_name(format!(".{name}.{}.unfinished", std::process::id()));
        let root = name
            .strip_suffix(".tar.gz")
            .or_else(|| name.strip_suffix(".tgz"))
            .filter(|root| !root.is_empty());
        // Only for whoever captured it: masking does not find everything.
        let archive = match root {
            Some(root) => fs::OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&unfinished)
                .map(|file| Some(Archive::new(root, file))),
            None => fs::DirBuilder::new().mode(0o700).create(&unfinished).map(|()| None),
        };
        let archive = archive.map_err(|error| place(error.to_string()))?;
        Ok(Self { out: out.into(), unfinished, archive, whole: false })
    }

    /// Adds a file. One whose path would lead out of the capture is left out.
    pub(super) fn add(&mut self, path: &str, content: &[u8]) -> Result<(), CaptureError> {
        if !is_plain(path) {
            return Ok(());
        }
        let written = match &mut self.archive {
            Some(archive) => archive.add(path, content),
            None => write_below(&self.unfinished, path, content),
        };
        written.map_err(|error| self.place(&error))
    }

    /// Gives the capture its name.
    pub(super) fn finish(mut self) -> Result<(), CaptureError> {
        let closed = self.archive.take().map_or(Ok(()), Archive::close);
        closed.and_then(|()| fs::rename(&self.unfinished, &self.out)).map_err(|error| self.place(&error))?;
        self.whole = true;
        Ok(())
    }

    fn place(&self, error: &io::Error) -> CaptureError {
        CaptureError::Place { path: self.out.clone(), reason: error.to_string() }
    }
}

impl Drop for Package {
    fn drop(&mut self) {
        if !self.whole {
            // Nothing is left to tell anybody who could act on a failure of this.
            let _ = if self.unfinished.is_dir() {
                fs::remove_dir_all(&self.unfinished)
            } else {
                fs::remove_file(&self.unfinished)
            };
        }
    }
}

impl Archive {
    fn new(root: &str, file: File) -> Self {
        let tar = tar::Builder::new(GzEncoder::new(file, Compression::default()));
        Self { root: root.into(), tar }
    }

    fn add(&mut self, path: &str, content: &[u8]) -> io::Result<()> {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        self.tar.append_data(&mut header, format!("{}/{path}", self.root), content)
    }

    fn close(self) -> io::Result<()> {
        self.tar.into_inner()?.finish()?.flush()
    }
}

fn write_below(root: &Path, path: &str, content: &[u8]) -> io::Result<()> {
    let path = root.join(path);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_capture_appears_when_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let names = || {
            let mut names: Vec<String> = fs::read_dir(folder.path())
                .unwrap()
                .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
                .collect();
            names.sort();
            names
        };
        for name in ["a.tar.gz", "b.tgz", "c"] {
            let out = folder.path().join(name);
            let mut package = Package::begin(&out).unwrap();
            package.add("x/y.json", b"{}").unwrap();
            package.add("../z", b"no").unwrap();
            assert!(!out.exists() && names().len() == 1, "{:?}", names());
            drop(package);
            assert_eq!(names(), [""; 0], "{name}");
            let mut package = Package::begin(&out).unwrap();
            package.add("x/y.json", b"{}").unwrap();
            package.finish().unwrap();
            assert_eq!(names(), [name]);
            let again = Package::begin(&out).err().unwrap().to_string();
            assert!(again.contains("it is there already"), "{again}");
            if out.is_dir() { fs::remove_dir_all(&out).unwrap() } else { fs::remove_file(&out).unwrap() }
        }
        assert!(Package::begin(&folder.path().join("no/such")).is_err());
        assert!(Package::begin(Path::new("..")).is_err());
    }
}
