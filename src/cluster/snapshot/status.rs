//! Refusals, worded as the API server words them. Pure.

use bytes::Bytes;
use http::{Response, StatusCode, header};
use serde_json::{Value, json};

/// What is wrong with one field of an object.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Cause {
    pub(super) field: String,
    message: String,
}

impl Cause {
    /// `message` begins with what kind of fault it is: `Required value`, `Forbidden: …`, `Invalid value: …`.
    pub(super) fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into() }
    }

    fn reason(&self) -> &'static str {
        match self.message.split(':').next().unwrap_or_default() {
            "Required value" => "FieldValueRequired",
            "Forbidden" => "FieldValueForbidden",
            _ => "FieldValueInvalid",
        }
    }
}

impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

/// Why a request is not answered with what it asks for. Sent as a `Status` object.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Refusal {
    code: StatusCode,
    reason: &'static str,
    message: String,
    details: Option<Value>,
}

impl Refusal {
    fn new(code: StatusCode, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), details: None }
    }

    /// 400.
    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadRequest", message)
    }

    /// 404 for an object: `pods "x" not found`, `deployments.apps "x" not found`.
    pub(super) fn no_object(group: &str, plural: &str, name: &str) -> Self {
        let message = format!("{} {name:?} not found", qualified(group, plural));
        let refusal = Self::new(StatusCode::NOT_FOUND, "NotFound", message);
        Self { details: Some(details(group, plural, name)), ..refusal }
    }

    /// 404 for a path that nothing is served at.
    pub(super) fn no_resource() -> Self {
        Self::new(StatusCode::NOT_FOUND, "NotFound", "the server could not find the requested resource")
    }

    /// 404 for what a live cluster has and this recording lacks.
    pub(super) fn not_recorded(what: &str) -> Self {
        let message = format!("the server could not find the requested resource: {what} was not recorded");
        Self::new(StatusCode::NOT_FOUND, "NotFound", message)
    }

    /// 403 for an object of a kind, or for all of it where `name` is empty; without a kind for a path.
    pub(super) fn forbidden(group: &str, plural: &str, name: &str, why: &str) -> Self {
        let what = match (plural, name) {
            ("", _) => "forbidden".to_owned(),
            (_, "") => format!("{} is forbidden", qualified(group, plural)),
            _ => format!("{} {name:?} is forbidden", qualified(group, plural)),
        };
        let refusal = Self::new(StatusCode::FORBIDDEN, "Forbidden", format!("{what}: {why}"));
        Self { details: Some(details(group, plural, name)), ..refusal }
    }

    /// 403, in the words that another server used when this was recorded.
    pub(super) fn not_visible(message: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, "Forbidden", message)
    }

    /// 409 for an object that is there.
    pub(super) fn exists(group: &str, plural: &str, name: &str) -> Self {
        let message = format!("{} {name:?} already exists", qualified(group, plural));
        let refusal = Self::new(StatusCode::CONFLICT, "AlreadyExists", message);
        Self { details: Some(details(group, plural, name)), ..refusal }
    }

    /// 409 for an object that is not the one that the client has seen.
    pub(super) fn conflict(group: &str, plural: &str, name: &str, why: &str) -> Self {
        let message =
            format!("Operation cannot be fulfilled on {} {name:?}: {why}", qualified(group, plural));
        let refusal = Self::new(StatusCode::CONFLICT, "Conflict", message);
        Self { details: Some(details(group, plural, name)), ..refusal }
    }

    /// 422.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", message)
    }

    /// 422 for an object with faults.
    pub(super) fn invalid_object(group: &str, kind: &str, name: &str, causes: &[Cause]) -> Self {
        let said = causes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let said = if causes.len() == 1 { said } else { format!("[{said}]") };
        let refusal = Self::invalid(format!("{} {name:?} is invalid: {said}", qualified(group, kind)));
        let mut details = details(group, kind, name);
        let cause =
            |cause: &Cause| json!({"reason": cause.reason(), "message": cause.message, "field": cause.field});
        details["causes"] = causes.iter().map(cause).collect();
        Self { details: Some(details), ..refusal }
    }

    /// 404 for what could not be read when this was recorded.
    pub(super) fn not_recorded_because(why: &str) -> Self {
        let message = format!("the server could not find the requested resource: it was not recorded: {why}");
        Self::new(StatusCode::NOT_FOUND, "NotFound", message)
    }

    /// 405 for a write or a watch.
    pub(super) fn only_reads(message: impl Into<String>) -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", message)
    }

    /// 406.
    pub(super) fn not_acceptable() -> Self {
        let message = "only the following media types are accepted: application/json";
        Self::new(StatusCode::NOT_ACCEPTABLE, "NotAcceptable", message)
    }

    /// 415, naming the media types that would do.
    pub(super) fn unknown_format(accepted: &str) -> Self {
        let message = format!(
            "the body of the request was in an unknown format - accepted media types include: {accepted}"
        );
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType", message)
    }

    /// 415 for a body of a known media type that can't be read; says what to send instead.
    pub(super) fn unreadable_format(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType", message)
    }

    /// 410 for a token that leads nowhere.
    pub(super) fn expired() -> Self {
        let message = "The provided continue parameter is too old to display a consistent list result. You can start a \
                       new list without the continue parameter.";
        Self::new(StatusCode::GONE, "Expired", message)
    }

    /// 500: the recording is broken.
    pub(super) fn internal(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", message)
    }

    /// What is wrong, in one sentence.
    pub(super) fn message(&self) -> String {
        self.message.clone()
    }

    /// The refusal as it is sent.
    pub(super) fn to_response(&self) -> Response<Bytes> {
        let mut status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "reason": self.reason, "code": self.code.as_u16(),
        });
        if let Some(details) = &self.details {
            status["details"] = details.clone();
        }
        respond(self.code, "application/json", status.to_string())
    }
}

/// `pods`, `deployments.apps`.
fn qualified(group: &str, plural: &str) -> String {
    if group.is_empty() { plural.to_owned() } else { format!("{plural}.{group}") }
}

fn details(group: &str, plural: &str, name: &str) -> Value {
    let named = [("name", name), ("group", group), ("kind", plural)].into_iter();
    named.filter(|(_, value)| !value.is_empty()).map(|(key, value)| (key, Value::from(value))).collect()
}

/// A response with a body of one type.
pub(super) fn respond(code: StatusCode, media_type: &'static str, body: impl Into<Bytes>) -> Response<Bytes> {
    let mut response = Response::new(body.into());
    *response.status_mut() = code;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(media_type));
    response
}
