//! Which names tell of a secret: `POSTGRES_PASSWORD` does, `secretName` and `max_tokens` do not.

/// What a name says of its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    /// Nothing.
    Plain,
    /// It is a secret.
    Secret,
    /// `secret`: a secret, or in Kubernetes the name of one.
    BareSecret,
    /// `secretKey`: a key, or in Kubernetes the name of one within a Secret.
    InSecret,
    /// `pass`: a password, or the count of tests that did.
    Pass,
    /// `pwd`: a password, or the directory one is in.
    Pwd,
    /// `auth`: credentials in Base64 in a registry's configuration, else nearly anything.
    Auth,
    /// The header `Authorization`.
    Authorization,
    /// The headers `Cookie` and `Set-Cookie`.
    Cookie,
    /// The signature that makes a link a key.
    Signature,
}

/// Longer names are no names.
pub(super) const LONGEST: usize = 100;

/// Trailing words that leave a secret a secret.
const FORMS: [&str; 14] = [
    "data",
    "value",
    "base64",
    "b64",
    "plain",
    "plaintext",
    "raw",
    "string",
    "text",
    "hash",
    "old",
    "new",
    "current",
    "previous",
];

/// Words that make a `key` one to keep.
const KINDS_OF_KEY: [&str; 33] = [
    "admin",
    "aes",
    "application",
    "cipher",
    "cookie",
    "fernet",
    "functions",
    "hmac",
    "preshared",
    "stripe",
    "webhook",
    "access",
    "account",
    "api",
    "app",
    "auth",
    "client",
    "crypt",
    "deploy",
    "encryption",
    "jwt",
    "license",
    "master",
    "private",
    "secret",
    "service",
    "session",
    "shared",
    "signing",
    "ssh",
    "storage",
    "subscription",
    "tls",
];

/// Words that make a `token` a place in a list or a text.
const KINDS_OF_MARK: [&str; 10] =
    ["page", "next", "continue", "continuation", "sync", "eos", "bos", "pad", "unk", "stop"];

/// What `name` tells. Takes every spelling: `api_key`, `apiKey`, `API-KEY`, `x.api.key`.
pub(super) fn classify(name: &str) -> Key {
    if name.len() > LONGEST {
        return Key::Plain;
    }
    if name == "secretKey" {
        return Key::InSecret;
    }
    let words = words(name);
    let mut words: Vec<&str> = words.iter().map(String::as_str).collect();
    while words.len() > 1 && words.last().is_some_and(|word| is_form(word)) {
        words.pop();
    }
    let Some((last, before)) = words.split_last() else { return Key::Plain };
    let last = last.trim_end_matches(|c: char| c.is_ascii_digit());
    let previous = before.last().copied();
    match (last, previous) {
        ("secret", None) => Key::BareSecret,
        ("pass", None) => Key::Pass,
        ("pwd" | "oldpwd", None) => Key::Pwd,
        ("auth", None) => Key::Auth,
        ("authorization", _) => Key::Authorization,
        ("cookie", None | Some("set")) => Key::Cookie,
        ("sig", None) | ("signature", Some("amz" | "goog")) => Key::Signature,
        ("key", Some(kind)) if KINDS_OF_KEY.contains(&kind) => Key::Secret,
        ("token", Some(kind)) if KINDS_OF_MARK.contains(&kind) => Key::Plain,
        ("id", Some("secret")) => Key::Secret,
        _ if is_secret(last) => Key::Secret,
        _ => Key::Plain,
    }
}

/// Whether `name` belongs to somebody's domain, as the annotations of Kubernetes do: there a `…-secret` is a name.
pub(super) fn names_an_object(name: &str) -> bool {
    name.rsplit_once('/').is_some_and(|(domain, rest)| domain.contains('.') && rest.ends_with("secret"))
}

fn is_form(word: &str) -> bool {
    FORMS.contains(&word) || word.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_secret(word: &str) -> bool {
    const WHOLE: [&str; 8] =
        ["pass", "pwd", "psk", "cookie", "credential", "credentials", "accesskey", "masterkey"];
    const ENDS: [&str; 10] = [
        "password",
        "passwd",
        "passphrase",
        "passcode",
        "secret",
        "token",
        "apikey",
        "secretkey",
        "privatekey",
        "userpass",
    ];
    WHOLE.contains(&word)
        || matches!(word, "requirepass" | "masterauth")
        || ENDS.iter().any(|end| word.ends_with(end))
}

/// The words of a name, lower case.
pub(super) fn words(name: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let bytes = name.as_bytes();
    for (at, &byte) in bytes.iter().enumerate() {
        if !byte.is_ascii_alphanumeric() {
            close(&mut word, &mut words);
            continue;
        }
        let before = at.checked_sub(1).and_then(|at| bytes.get(at)).copied().unwrap_or_default();
        let after = bytes.get(at + 1).copied().unwrap_or_default();
        let hump = before.is_ascii_lowercase() || (before.is_ascii_uppercase() && after.is_ascii_lowercase());
        if byte.is_ascii_uppercase() && hump {
            close(&mut word, &mut words);
        }
        word.push(char::from(byte.to_ascii_lowercase()));
    }
    close(&mut word, &mut words);
    words
}

fn close(word: &mut String, words: &mut Vec<String>) {
    if !word.is_empty() {
        words.push(std::mem::take(word));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_tell() {
        for name in [
            "password",
            "Password",
            "PASSWORD",
            "POSTGRES_PASSWORD",
            "db.password",
            "dbPassword",
            "PGPASSWORD",
            "passwd",
            "MYSQL_PWD",
            "DB_PASS",
            "smtp-pass",
            "userpass",
            "requirepass",
            "passphrase",
            "keystorePassword",
            "password2",
            "PASSWORD_1",
            "password_hash",
            "client_secret",
            "clientSecret",
            "AWS_SECRET_ACCESS_KEY",
            "webhook-secret",
            "token",
            "accessToken",
            "access_token",
            "X-Auth-Token",
            "authtoken",
            "github.token",
            "api_key",
            "apiKey",
            "APIKey",
            "apikey",
            "x-api-key",
            "OPENAI_API_KEY",
            "private_key",
            "client-key-data",
            "tls.key",
            "SECRET_KEY_BASE64",
            "signing_key",
            "AccountKey",
            "secret_id",
            "stripe_credentials",
            "session_cookie",
            "tokenValue",
            "--password",
        ] {
            assert_eq!(classify(name), Key::Secret, "{name}");
        }
    }

    #[test]
    fn names_that_do_not() {
        for name in [
            "",
            "_",
            "secretName",
            "SECRET_NAME",
            "secretKeyRef",
            "passwordSecretRef",
            "tokenReview",
            "TokenRequest",
            "secrets",
            "imagePullSecrets",
            "tokens",
            "max_tokens",
            "prompt_tokens",
            "PASSWORD_FILE",
            "token_path",
            "tokenExpirationSeconds",
            "token_count",
            "password_length",
            "passwordPolicy",
            "key",
            "keys",
            "public_key",
            "primaryKey",
            "cache_key",
            "next_page_token",
            "continue-token",
            "eos_token",
            "monkey",
            "author",
            "authority",
            "compass",
            "bypass",
            "passed",
            "secretary",
            "serviceAccountName",
            "secret-controller",
            "ssh_key_path",
            "certificate-authority-data",
            "auth-mode",
            "keyFile",
            "AWS_ACCESS_KEY_ID",
        ] {
            assert_eq!(classify(name), Key::Plain, "{name}");
        }
    }

    #[test]
    fn names_that_tell_by_half() {
        for (name, expected) in [
            ("secret", Key::BareSecret),
            ("SECRET", Key::BareSecret),
            ("secretKey", Key::InSecret),
            ("pass", Key::Pass),
            ("PWD", Key::Pwd),
            ("auth", Key::Auth),
            ("Authorization", Key::Authorization),
            ("proxy-authorization", Key::Authorization),
            ("Cookie", Key::Cookie),
            ("Set-Cookie", Key::Cookie),
            ("sig", Key::Signature),
            ("X-Amz-Signature", Key::Signature),
        ] {
            assert_eq!(classify(name), expected, "{name}");
        }
        assert!(names_an_object("nginx.ingress.kubernetes.io/auth-secret"));
        assert!(!names_an_object("auth-secret"));
    }
}
