//! Masks a text that is too long to be held, as a large log is, window by window.

use super::{Redacted, mask_part};

/// How many windows one line may fill.
const LONG: usize = 4;

/// Masks a text of any length in a memory of a few windows. Every byte is masked together with what stands near it,
/// so that neither the pieces in which the text comes nor the windows in which it is masked cut a secret in two: where
/// the whole masks something, so does this, unless what tells it is farther away than `reach`.
#[derive(Debug)]
pub struct Flow {
    /// What was given out last, as far as it may tell something of what follows, and then what was not given out yet.
    raw: String,
    /// Where in `raw` begins what was not given out yet.
    given: usize,
    /// The first bytes of a character of which the others did not come yet.
    begun: Vec<u8>,
    /// How far before and after it a byte is told by what stands there.
    reach: usize,
    /// How much is masked at once, at least.
    window: usize,
}

impl Default for Flow {
    fn default() -> Self {
        // Farther than the longest key and most manifests go.
        Self::with(64 << 10, 512 << 10)
    }
}

impl Flow {
    fn with(reach: usize, window: usize) -> Self {
        Self { raw: String::new(), given: 0, begun: Vec::new(), reach, window }
    }

    /// Takes in the next bytes and gives out what is settled: whole lines, or nothing. What is no UTF-8 becomes `\u{fffd}`.
    pub fn push(&mut self, bytes: &[u8]) -> Option<Redacted> {
        self.take(bytes);
        let settled = self.raw.len().checked_sub(self.reach)?;
        if settled < self.given + self.window {
            return None;
        }
        let settled = self.raw.floor_char_boundary(settled);
        let lines = self.raw.get(self.given..settled).and_then(|open| open.rfind('\n'));
        let until = match lines {
            Some(end) => self.given + end + 1,
            None if settled - self.given < LONG * self.window => return None,
            // A line that is longer than can be held comes in parts.
            None => settled,
        };
        Some(self.give(until))
    }

    /// The rest.
    pub fn finish(mut self) -> Redacted {
        if !self.begun.is_empty() {
            self.raw.push(char::REPLACEMENT_CHARACTER);
        }
        self.give(self.raw.len())
    }

    fn take(&mut self, bytes: &[u8]) {
        let joined;
        let mut rest = bytes;
        if !self.begun.is_empty() {
            joined = [std::mem::take(&mut self.begun).as_slice(), bytes].concat();
            rest = &joined;
        }
        for chunk in rest.utf8_chunks() {
            self.raw.push_str(chunk.valid());
            let strange = chunk.invalid();
            let is_last = strange.as_ptr_range().end == rest.as_ptr_range().end;
            if is_last && may_go_on(strange) {
                self.begun = strange.to_vec();
            } else if !strange.is_empty() {
                self.raw.push(char::REPLACEMENT_CHARACTER);
            }
        }
    }

    fn give(&mut self, until: usize) -> Redacted {
        let (masked, part) = mask_part(&self.raw, self.given..until);
        let out = Redacted(masked.get(part).unwrap_or_default().to_owned());
        let kept = self.raw.floor_char_boundary(until.saturating_sub(self.reach));
        self.raw.drain(..kept);
        self.given = until - kept;
        out
    }
}

/// Whether these bytes begin a character.
fn may_go_on(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*, sample::select};

    use super::*;

    /// What is given out of a text that comes in pieces of these sizes, masked in small windows.
    fn flown(text: &[u8], sizes: &[usize]) -> String {
        let mut flow = Flow::with(2 << 10, 1 << 10);
        let (mut out, mut rest) = (String::new(), text);
        for size in sizes.iter().cycle() {
            let (piece, after) = rest.split_at((*size).min(rest.len()));
            rest = after;
            out.extend(flow.push(piece).as_deref());
            assert!(flow.raw.len() < (9 << 10) + size, "it holds {}", flow.raw.len());
            if rest.is_empty() {
                break;
            }
        }
        out + &flow.finish()
    }

    fn key() -> String {
        let body = "MIIEpAIBAAKCAQEA7bq3x0Zr1u5Yq9cKpT2wVnHfJ4sLdG8mEoRiXyAzQtUvBkWl\n".repeat(18);
        format!("-----BEGIN RSA PRIVATE KEY-----\n{body}-----END RSA PRIVATE KEY-----\n")
    }

    const LINES: [&str; 8] = [
        "INFO order 4711 sent to host-3 in 12ms\n",
        "login user=bob password=hunter2 ok=true\n",
        "db postgres://app:s3cr3t-pass@db:5432/shop is up\n",
        "apiVersion: v1\ndata:\n  dsn: cG9zdGdyZXM6Ly9hcHA6cw==\nkind: Secret\nmetadata:\n  name: x\n---\n",
        "  - name: DB_PASSWORD\n    value: hunter2-hunter2\n",
        "token ghp_16C7e42F292c6912E7710c838347Ae178B4a refused\n",
        "password: |\n  line-one-of-it\n  line-two-of-it\nuser: bob\n",
        "ünïcödé ✓ 日本語\n",
    ];

    proptest! {
        #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

        /// Neither pieces nor windows show what the whole masks, wherever they cut.
        #[test]
        fn what_flows_is_masked_as_the_whole(
            lines in vec(prop_oneof![9 => select(&LINES[..]).prop_map(str::to_owned), 1 => Just(key())], 1..120),
            sizes in vec(1_usize..900, 1..6),
        ) {
            let text = lines.concat();
            prop_assert_eq!(flown(text.as_bytes(), &sizes), Redacted::new(&text).to_string());
        }

        /// Bytes that are no text are replaced as they are in the whole.
        #[test]
        fn strange_bytes_are_replaced(bytes in vec(any::<u8>(), 0..5000), size in 1_usize..9) {
            let plain: Vec<u8> = bytes.into_iter().filter(|byte| !byte.is_ascii_alphanumeric()).collect();
            prop_assert_eq!(flown(&plain, &[size]), Redacted::new(String::from_utf8_lossy(&plain)).to_string());
        }
    }

    #[test]
    fn a_line_without_an_end_comes_in_parts_and_keeps_its_secrets() {
        let token = "ghp_16C7e42F292c6912E7710c838347Ae178B4a";
        let text = format!("{{{}}}", format!("\"at\":\"{token}\",").repeat(2_000));
        let shown = flown(text.as_bytes(), &[700]);
        assert!(!shown.contains("16C7e42F") && !shown.contains("e178B4a"), "{}", &shown[..400]);
        assert_eq!(shown.matches("‹secret:").count(), 2_000);
    }
}
