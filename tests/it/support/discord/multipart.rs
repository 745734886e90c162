//! Reads `multipart/form-data`: the JSON of `payload_json` and the files.

use bytes::Bytes;

/// A file in a form.
#[derive(Debug, Clone)]
pub struct Upload {
    /// The number in `files[n]`.
    pub number: String,
    pub name: String,
    pub media: String,
    pub bytes: Bytes,
}

/// The boundary, if the content type is that of a form.
pub fn boundary(content_type: &str) -> Option<String> {
    let rest = content_type.strip_prefix("multipart/form-data")?;
    let value = rest.split(';').find_map(|part| part.trim().strip_prefix("boundary="))?;
    Some(value.trim_matches('"').to_owned())
}

pub fn read(boundary: &str, body: &Bytes) -> (Bytes, Vec<Upload>) {
    let (mut json, mut files) = (Bytes::new(), Vec::new());
    for part in parts(boundary, body) {
        let Some(end) = find(&part, b"\r\n\r\n", 0) else { continue };
        let head = String::from_utf8_lossy(&part[..end]).into_owned();
        let content = part.slice(end + 4..);
        let name = quoted(&head, " name=").unwrap_or_default();
        if name == "payload_json" {
            json = content;
        } else if let Some(file) = quoted(&head, "filename=") {
            let number = name.trim_start_matches("files[").trim_end_matches(']').to_owned();
            let media =
                header(&head, "content-type:").unwrap_or_else(|| "text/plain; charset=utf-8".to_owned());
            files.push(Upload { number, name: file, media, bytes: content });
        }
    }
    (json, files)
}

/// What stands between the boundaries.
fn parts(boundary: &str, body: &Bytes) -> Vec<Bytes> {
    let mark = format!("--{boundary}");
    let mut parts = Vec::new();
    let mut at = find(body, mark.as_bytes(), 0);
    while let Some(start) = at {
        let start = start + mark.len();
        at = find(body, format!("\r\n{mark}").as_bytes(), start).map(|end| end + 2);
        if let Some(end) = at {
            parts.push(body.slice((start + 2).min(end - 2)..end - 2));
        }
    }
    parts
}

fn find(bytes: &[u8], what: &[u8], from: usize) -> Option<usize> {
    bytes.get(from..)?.windows(what.len()).position(|window| window == what).map(|at| at + from)
}

fn quoted(head: &str, key: &str) -> Option<String> {
    let (_, rest) = head.split_once(key)?;
    Some(rest.strip_prefix('"')?.split('"').next()?.to_owned())
}

fn header(head: &str, key: &str) -> Option<String> {
    let line = head.lines().find(|line| line.to_lowercase().starts_with(key))?;
    Some(line[key.len()..].trim().to_owned())
}
