//! Splits a stream of server-sent events into the data of each. Pure; knows nothing of what the data means.

/// More than this in one event is no reply of a language model.
const LONGEST_EVENT: usize = 8 << 20;

/// The events of a stream, fed piece by piece in whatever sizes the network delivers.
#[derive(Default)]
pub(super) struct Events {
    line: Vec<u8>,
    data: String,
}

/// An event is longer than anything that a model sends.
#[derive(Debug, PartialEq)]
pub(super) struct TooLong;

impl Events {
    /// The data of the events that `bytes` completes.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<Vec<String>, TooLong> {
        let mut complete = Vec::new();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            if self.line.len() + self.data.len() + piece.len() > LONGEST_EVENT {
                return Err(TooLong);
            }
            self.line.extend_from_slice(piece);
            if piece.ends_with(b"\n") {
                complete.extend(self.end_line());
            }
        }
        Ok(complete)
    }

    /// The data of an event that the end of the stream cut off before its blank line: some servers never send the last one.
    pub(super) fn finish(mut self) -> Option<String> {
        self.end_line().or_else(|| self.dispatch())
    }

    fn end_line(&mut self) -> Option<String> {
        let line = std::mem::take(&mut self.line);
        let line = String::from_utf8_lossy(&line);
        let line = line.trim_end_matches(['\n', '\r']).trim_start_matches('\u{feff}');
        if line.is_empty() {
            return self.dispatch();
        }
        if let Some(data) = line.strip_prefix("data:") {
            if !self.data.is_empty() {
                self.data.push('\n');
            }
            self.data.push_str(data.strip_prefix(' ').unwrap_or(data));
        }
        None
    }

    fn dispatch(&mut self) -> Option<String> {
        (!self.data.is_empty()).then(|| std::mem::take(&mut self.data))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(stream: &str, size: usize) -> Vec<String> {
        let mut events = Events::default();
        let mut heard = Vec::new();
        for piece in stream.as_bytes().chunks(size) {
            heard.extend(events.push(piece).unwrap());
        }
        heard.extend(events.finish());
        heard
    }

    #[test]
    fn events_are_the_same_however_the_bytes_arrive() {
        for (stream, expected) in [
            ("data: a\n\ndata: b\n\n", vec!["a", "b"]),
            ("data:a\r\n\r\ndata:  b\r\n\r\n", vec!["a", " b"]),
            ("event: ping\ndata: {}\nid: 7\n\n: a comment\n\nretry: 5\n\n", vec!["{}"]),
            ("data: one\ndata: two\n\n", vec!["one\ntwo"]),
            ("\u{feff}data: ümläut 🦀\n\n", vec!["ümläut 🦀"]),
            ("data: a\n\n\n\n\ndata: unfinished", vec!["a", "unfinished"]),
            ("data: a\n\ndata: no blank line\n", vec!["a", "no blank line"]),
            ("", vec![]),
            ("no field at all\n\n", vec![]),
        ] {
            for size in 1..=stream.len().max(1) {
                assert_eq!(all(stream, size), expected, "{stream:?} in pieces of {size}");
            }
        }
    }

    #[test]
    fn an_endless_event_is_given_up() {
        let mut events = Events::default();
        let piece = vec![b'x'; 1 << 20];
        let outcome = (0..9).map(|_| events.push(&piece)).find(Result::is_err);
        assert_eq!(outcome, Some(Err(TooLong)));
    }
}
