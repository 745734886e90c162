//! What went wrong, in kubectl's own words.

use std::{error::Error, io};

use http::StatusCode;
use serde::Deserialize;

/// What went wrong: what kubectl writes to standard error, without the line break.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub message: String,
    /// The HTTP status, where the server answered.
    pub status: Option<u16>,
    /// Whether the words are not the server's: it answered with no account of what went wrong.
    pub unspoken: bool,
}

const NO_SUCH_KIND: &str = "the server doesn't have a resource type";

/// The API server's own account of what went wrong.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Status {
    kind: String,
    message: String,
    reason: String,
    details: Option<Details>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Details {
    kind: String,
    name: String,
    causes: Vec<Cause>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Cause {
    field: String,
    message: String,
}

impl Failure {
    /// `error: …`
    pub fn error(message: impl AsRef<str>) -> Self {
        Self { message: format!("error: {}", message.as_ref()), status: None, unspoken: false }
    }

    /// Nothing came in time.
    pub fn late() -> Self {
        Self {
            message: "Unable to connect to the server: no answer in time".into(),
            status: None,
            unspoken: false,
        }
    }

    /// Nothing came at all.
    pub fn unreachable(error: &(dyn Error + 'static)) -> Self {
        let mut reason = error;
        while let Some(source) = reason.source() {
            reason = source;
        }
        let refused =
            reason.downcast_ref::<io::Error>().map(io::Error::kind) == Some(io::ErrorKind::ConnectionRefused);
        // kubectl names the address, which is not known here.
        let message = match refused {
            true => {
                "The connection to the server was refused - did you specify the right host or port?".into()
            }
            false => format!("Unable to connect to the server: {reason}"),
        };
        Self { message, status: None, unspoken: false }
    }

    /// The server answered, and said no.
    pub fn answered(code: StatusCode, body: &[u8]) -> Self {
        let status = serde_json::from_slice::<Status>(body).ok().filter(|status| status.kind == "Status");
        let unspoken = status.is_none();
        let status = status.unwrap_or_else(|| account_of(code, body));
        let message = match status.reason.as_str() {
            "Unauthorized" => format!("error: You must be logged in to the server ({})", status.message),
            "Invalid" => invalid(&status),
            "" => format!("Error from server: {}", status.message),
            reason => format!("Error from server ({reason}): {}", status.message),
        };
        Self { message, status: Some(code.as_u16()), unspoken }
    }

    /// A word that none of the server's kinds is called.
    pub fn unknown_kind(word: &str) -> Self {
        Self::error(format!("{NO_SUCH_KIND} {word:?}"))
    }

    pub fn is_unknown_kind(&self) -> bool {
        self.message.starts_with("error: ") && self.message.contains(NO_SUCH_KIND)
    }

    /// Says what was asked for, as kubectl does where the server did not say what went wrong: `get pods web`.
    #[must_use]
    pub fn of(self, group_resource: &str, name: Option<&str>) -> Self {
        if !self.unspoken {
            return self;
        }
        let name = name.map(|name| format!(" {name}")).unwrap_or_default();
        let asked = format!(" (get {group_resource}{name})");
        let message = match (self.status, self.message.strip_suffix(')')) {
            (Some(401), Some(inside)) => format!("{inside}{asked})"),
            _ => self.message + &asked,
        };
        Self { message, unspoken: false, ..self }
    }

    /// The same of discovery, of whose failures kubectl does not read what the server says of credentials.
    #[must_use]
    pub fn of_discovery(self) -> Self {
        match self.status {
            Some(401) => Self::answered(StatusCode::UNAUTHORIZED, b""),
            _ => self,
        }
    }

    pub fn is_not_found(&self) -> bool {
        self.status == Some(404)
    }

    /// Whether a page of a list is asked for that the server no longer has.
    pub fn is_expired(&self) -> bool {
        self.status == Some(410)
    }

    /// Says of a list that could not be read which one it was, as kubectl does.
    pub fn of_list(self, subject: &str, labels: Option<&str>, fields: Option<&str>) -> Self {
        if !matches!(self.status, Some(400 | 404)) {
            return self;
        }
        let what = if labels.is_none() && fields.is_none() {
            format!("Unable to list {subject:?}: ")
        } else {
            let (labels, fields) = (labels.unwrap_or_default(), fields.unwrap_or_default());
            format!(
                "Unable to find {subject:?} that match label selector {labels:?}, field selector {fields:?}: "
            )
        };
        match self.message.split_once("): ") {
            Some((reason, message)) => Self { message: format!("{reason}): {what}{message}"), ..self },
            None => self,
        }
    }
}

/// What an answer means that is no [`Status`], from a proxy for example.
fn account_of(code: StatusCode, body: &[u8]) -> Status {
    let text = String::from_utf8_lossy(body);
    let text = text.trim().chars().take(500).collect::<String>();
    let (reason, message) = match code.as_u16() {
        401 => ("Unauthorized", "the server has asked for the client to provide credentials".into()),
        403 => ("Forbidden", if text.is_empty() { "the server does not allow this".into() } else { text }),
        404 => ("NotFound", "the server could not find the requested resource".into()),
        405 => ("MethodNotAllowed", "the server does not allow this method on the requested resource".into()),
        406 => ("NotAcceptable", text),
        410 => ("Expired", text),
        429 => (
            "TooManyRequests",
            "the server has received too many requests and has asked us to try again later".into(),
        ),
        503 => ("ServiceUnavailable", "the server is currently unable to handle the request".into()),
        504 => (
            "Timeout",
            "the server was unable to return a response in the time allotted, but may still be processing the request"
                .into(),
        ),
        500.. => (
            "InternalError",
            format!("an error on the server ({text:?}) has prevented the request from succeeding"),
        ),
        _ => ("BadRequest", text),
    };
    Status { message, reason: reason.into(), ..Status::default() }
}

fn invalid(status: &Status) -> String {
    let Some(details) = &status.details else { return format!("The request is invalid: {}", status.message) };
    let subject = format!("The {} {:?} is invalid", details.kind, details.name);
    match details.causes.as_slice() {
        [] => subject,
        [cause] => format!("{subject}: {}: {}", cause.field, cause.message),
        causes => {
            let causes: Vec<String> =
                causes.iter().map(|cause| format!("* {}: {}", cause.field, cause.message)).collect();
            format!("{subject}: \n{}", causes.join("\n"))
        }
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::Failure;

    #[test]
    fn the_server_is_quoted_as_kubectl_does() {
        let status = |reason: &str, message: &str| {
            serde_json::json!({"kind": "Status", "reason": reason, "message": message}).to_string()
        };
        for (code, body, expected) in [
            (
                404,
                status("NotFound", "pods \"x\" not found"),
                "Error from server (NotFound): pods \"x\" not found",
            ),
            (400, status("", "odd"), "Error from server: odd"),
            (
                401,
                status("Unauthorized", "Unauthorized"),
                "error: You must be logged in to the server (Unauthorized)",
            ),
            (
                502,
                "bad gateway".into(),
                "Error from server (InternalError): an error on the server (\"bad gateway\") has \
              prevented the request from succeeding",
            ),
            (
                404,
                "404 page not found".into(),
                "Error from server (NotFound): the server could not find the requested resource",
            ),
        ] {
            let failure = Failure::answered(StatusCode::from_u16(code).unwrap(), body.as_bytes());
            assert_eq!(failure.message, expected);
            assert_eq!(failure.status, Some(code));
        }
    }

    #[test]
    fn a_list_that_is_refused_is_named() {
        let body = r#"{"kind":"Status","reason":"BadRequest","message":"unable to parse"}"#;
        let failure = Failure::answered(StatusCode::BAD_REQUEST, body.as_bytes());
        assert_eq!(
            failure.of_list("/v1, Resource=pods", Some("a=="), None).message,
            "Error from server (BadRequest): Unable to find \"/v1, Resource=pods\" that match label selector \"a==\", \
             field selector \"\": unable to parse"
        );
    }
}
