//! Secrets in addresses: the password of a URL, of a data source.

use super::{keys::Key, masking::Secret, values};

/// How far the authority of a URL is taken to reach at most.
const NEAR: usize = 512;

/// The password in `scheme://user:password@host`; `from` is where the authority begins.
pub(super) fn url(text: &str, from: usize, found: &mut Vec<Secret>) -> usize {
    let stops = |stops: &'static [u8]| {
        let rest = text.as_bytes().get(from..).unwrap_or_default();
        let near = rest.iter().take(NEAR);
        near.clone().position(|byte| *byte <= b' ' || stops.contains(byte)).unwrap_or(near.len())
    };
    let authority = text.get(from..from + stops(b"\"'<>\\`/?#")).unwrap_or_default();
    let colon = authority.find(':');
    let user_info = match (authority.rfind('@'), colon) {
        (Some(at), _) => authority.get(..at),
        // A password with a slash that nobody escaped, unless what follows the colon is a port.
        (None, Some(colon))
            if authority
                .get(colon + 1..)
                .is_some_and(|port| !port.bytes().all(|byte| byte.is_ascii_digit())) =>
        {
            let longer = text.get(from..from + stops(b"\"'<>\\`")).unwrap_or_default();
            longer.rfind('@').and_then(|at| longer.get(..at))
        }
        _ => None,
    };
    if let Some((user, password)) = user_info.and_then(|info| info.split_once(':'))
        && !values::is_harmless(password, Key::Secret, false)
    {
        let start = from + user.len() + 1;
        found.push(Secret::of("password", start..start + password.len()));
    }
    from
}

/// The password in `user:password@tcp(host)/database`; `at` is where the `@` stands.
pub(super) fn data_source(text: &str, at: usize, end: usize, found: &mut Vec<Secret>) -> usize {
    let before = text.get(..at).unwrap_or_default();
    let length =
        before.bytes().rev().take(256).take_while(|byte| *byte > b' ' && !b"\"'`".contains(byte)).count();
    let info = before.get(at - length..).unwrap_or_default();
    if let Some((user, password)) = info.split_once(':')
        && !values::is_harmless(password, Key::Secret, false)
    {
        found.push(Secret::of("password", at - length + user.len() + 1..at));
    }
    end
}

/// The password in `jdbc:oracle:thin:user/password@…`; `from` is where the user begins.
pub(super) fn oracle(text: &str, from: usize, found: &mut Vec<Secret>) -> usize {
    let rest = text.get(from..).unwrap_or_default();
    let info = rest.split(|c: char| c.is_whitespace() || "\"'`".contains(c)).next().unwrap_or_default();
    if let Some((user, password)) = info.split_once('@').and_then(|(info, _)| info.split_once('/'))
        && !values::is_harmless(password, Key::Secret, false)
    {
        let start = from + user.len() + 1;
        found.push(Secret::of("password", start..start + password.len()));
    }
    from
}
