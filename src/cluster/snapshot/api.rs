//! The paths of the API: what each asks for, and who answers it.

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::{
    Snapshot,
    accept::{Shape, negotiate},
    access::{self, Ask, User, reviews},
    discovery::Resource,
    dry_run::{self, Attempt},
    logs,
    objects::{self, Asked},
    parameters,
    status::{Refusal, respond},
    watch,
};

/// A path below a group's version, taken apart.
#[derive(Debug, PartialEq)]
pub(super) struct Target {
    pub(super) group: String,
    pub(super) version: String,
    /// `None` where the path names none: a cluster-scoped object, or all namespaces.
    pub(super) namespace: Option<String>,
    pub(super) plural: String,
    pub(super) name: Option<String>,
    /// What comes after the name, e.g. `log`.
    pub(super) part: Option<String>,
}

/// The parameters of a request.
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads what stands after the `?`.
    pub(super) fn parse(text: &str) -> Self {
        let decode = |part: &str| decode(&part.replace('+', " "));
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        Self(
            pairs
                .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
                .map(|(k, v)| (decode(k), decode(v)))
                .collect(),
        )
    }

    /// The first value of that name.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Whether a value of that name says yes.
    pub(super) fn flag(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| matches!(value, "" | "1" | "true" | "True" | "TRUE" | "t" | "T"))
    }

    /// The number of that name.
    pub(super) fn number(&self, name: &str) -> Result<Option<i64>, Refusal> {
        let value = self.get(name).filter(|value| !value.is_empty());
        let parse = |value: &str| {
            value.parse().map_err(|_| {
                Refusal::bad_request(format!("{name}: Invalid value: {value:?}: must be a number"))
            })
        };
        value.map(parse).transpose()
    }
}

fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// Answers one request.
pub(super) fn answer(snapshot: &Snapshot, request: &Request<Bytes>) -> Result<Response<Bytes>, Refusal> {
    let path: Vec<String> =
        request.uri().path().split('/').filter(|part| !part.is_empty()).map(decode).collect();
    let parts: Vec<&str> = path.iter().map(String::as_str).collect();
    let user = asker(snapshot, request.headers())?;
    if let Some(target) = Target::parse(&parts) {
        return resource(snapshot, request, &user, &target?);
    }
    let verb = request.method().as_str().to_lowercase();
    snapshot.authorise(&user, &Ask::Path { verb, path: request.uri().path().into() })?;
    if request.method() != Method::GET {
        return Err(refuse_write(snapshot, request.method()));
    }
    document(snapshot, &parts, request.headers())
}

/// Who asks: the snapshot's user, or whom they may ask for.
fn asker(snapshot: &Snapshot, headers: &HeaderMap) -> Result<User, Refusal> {
    let Some(other) = access::impersonated(headers)? else { return Ok(snapshot.user().clone()) };
    for ask in access::to_impersonate(headers, &other) {
        snapshot.authorise(snapshot.user(), &ask)?;
    }
    Ok(other)
}

/// Everything that is not a resource.
fn document(snapshot: &Snapshot, parts: &[&str], headers: &HeaderMap) -> Result<Response<Bytes>, Refusal> {
    let found =
        |body: Option<Value>| body.map(|body| json(body.to_string())).ok_or_else(Refusal::no_resource);
    match parts {
        ["version"] => Ok(json(snapshot.server_version.get().to_owned())),
        ["healthz" | "livez" | "readyz", ..] => Ok(respond(StatusCode::OK, "text/plain", "ok")),
        ["api" | "apis"] => discovery(snapshot, parts == ["api"], headers),
        ["apis", group] => found(snapshot.discovery()?.group(group)),
        ["api", version] => found(snapshot.discovery()?.resource_list("", version)),
        ["apis", group, version] => found(snapshot.discovery()?.resource_list(group, version)),
        ["openapi", "v2"] => {
            Ok(respond(StatusCode::OK, parameters::MEDIA_TYPE, parameters::document(snapshot.discovery()?)))
        }
        ["openapi", "v3", rest @ ..] => {
            let path = ["openapi"].iter().chain(if rest.is_empty() { &["v3"] } else { rest });
            let path = format!("{}.json", path.copied().collect::<Vec<_>>().join("/"));
            snapshot.read(&path)?.map(json).ok_or_else(|| Refusal::not_recorded("the API's schema"))
        }
        _ => Err(Refusal::no_resource()),
    }
}

fn discovery(snapshot: &Snapshot, core: bool, headers: &HeaderMap) -> Result<Response<Bytes>, Refusal> {
    let discovery = snapshot.discovery()?;
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("127.0.0.1");
    // kubectl goes by the type of the answer.
    match negotiate(headers)? {
        Shape::Discovery("v2") => Ok(respond(
            StatusCode::OK,
            "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
            discovery.aggregated(core, "v2"),
        )),
        Shape::Discovery(version) => Ok(respond(
            StatusCode::OK,
            "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList",
            discovery.aggregated(core, version),
        )),
        _ if core => Ok(json(discovery.versions(host).to_string())),
        _ => Ok(json(discovery.group_list().to_string())),
    }
}

fn json(body: impl Into<Bytes>) -> Response<Bytes> {
    respond(StatusCode::OK, "application/json", body)
}

/// Everything that is an object or a list of them.
fn resource(
    snapshot: &Snapshot,
    request: &Request<Bytes>,
    user: &User,
    target: &Target,
) -> Result<Response<Bytes>, Refusal> {
    let query = Query::parse(request.uri().query().unwrap_or_default());
    snapshot.authorise(user, &Ask::of_request(request.method(), target, &query))?;
    let resource = snapshot
        .discovery()?
        .resource(&target.group, &target.version, &target.plural)
        .ok_or_else(Refusal::no_resource)?;
    match *request.method() {
        Method::GET => read(snapshot, request, target, resource, &query),
        Method::POST if target.name.is_none() && !resource.can_list() => {
            reviews::review(snapshot.rbac()?, user, target, request.body())
                .unwrap_or_else(|| Err(refuse_write(snapshot, request.method())))
        }
        _ if resource.can_list() && dry_run::is_only_tried(request, &query)? => {
            let custom = is_custom(snapshot, target)?;
            dry_run::answer(&Attempt { snapshot, request, target, resource, query: &query, custom })
        }
        _ => Err(refuse_write(snapshot, request.method())),
    }
}

fn read(
    snapshot: &Snapshot,
    request: &Request<Bytes>,
    target: &Target,
    resource: &Resource,
    query: &Query,
) -> Result<Response<Bytes>, Refusal> {
    let all_namespaces = target.namespace.is_none() && target.name.is_none();
    if resource.is_namespaced() != target.namespace.is_some() && !all_namespaces {
        return Err(Refusal::no_resource());
    }
    if !resource.can_list() {
        return Err(Refusal::only_reads("the server does not allow this method on the requested resource"));
    }
    snapshot.unread.check(&target.file(), resource.is_namespaced(), target.namespace.as_deref())?;
    let recorded = snapshot.recorded(&target.file())?.ok_or_else(|| Refusal::not_recorded(&target.plural))?;
    if query.flag("watch") && target.part.is_none() {
        let asked = asked(snapshot, request, target, resource, query)?;
        return watch::answer(&recorded, target.name.as_deref(), &asked);
    }
    let Some(name) = &target.name else {
        let mut list = objects::list(&recorded, &asked(snapshot, request, target, resource, query)?)?;
        if target.namespace.is_none() && resource.is_namespaced() {
            warn(&mut list, snapshot.unread.warning(&target.file()));
        }
        return Ok(list);
    };
    let row = recorded
        .find(target.namespace.as_deref().unwrap_or_default(), name)
        .ok_or_else(|| Refusal::no_object(&target.group, &target.plural, name))?;
    match target.part.as_deref() {
        Some("log") if target.plural == "pods" && target.group.is_empty() => logs::read(snapshot, row, query),
        Some("status") if resource.has_part("status") => {
            objects::get(&recorded, row, &asked(snapshot, request, target, resource, query)?)
        }
        Some("scale") if resource.has_part("scale") => Ok(dry_run::scale_of(&row.parse())),
        Some(part) if resource.has_part(part) => {
            Err(Refusal::not_recorded(&format!("{}/{part}", target.plural)))
        }
        Some(_) => Err(Refusal::no_resource()),
        None => objects::get(&recorded, row, &asked(snapshot, request, target, resource, query)?),
    }
}

/// Tells the client something that it shows to whoever uses it.
pub(super) fn warn(response: &mut Response<Bytes>, warning: Option<String>) {
    let value = warning.and_then(|text| format!("299 - {text:?}").parse().ok());
    if let Some(value) = value {
        response.headers_mut().append(header::WARNING, value);
    }
}

fn asked<'a>(
    snapshot: &Snapshot,
    request: &Request<Bytes>,
    target: &'a Target,
    resource: &'a Resource,
    query: &'a Query,
) -> Result<Asked<'a>, Refusal> {
    let shape = negotiate(request.headers())?;
    Ok(Asked { target, resource, shape, query, custom: is_custom(snapshot, target)? })
}

/// Whether a recorded custom resource definition defines it.
fn is_custom(snapshot: &Snapshot, target: &Target) -> Result<bool, Refusal> {
    // Most groups have no dot or are Kubernetes' own, and need no look.
    if !target.group.contains('.') {
        return Ok(false);
    }
    let definitions =
        snapshot.recorded("resources/apiextensions.k8s.io/v1/customresourcedefinitions.json")?;
    let name = format!("{}.{}", target.plural, target.group);
    Ok(definitions.is_some_and(|definitions| definitions.find("", &name).is_some()))
}

fn refuse_write(snapshot: &Snapshot, method: &Method) -> Refusal {
    Refusal::only_reads(format!(
        "{method} is not possible: this is a recorded cluster ({}, captured {}), it can be read and not changed",
        snapshot.name, snapshot.captured_at
    ))
}

impl Target {
    /// Takes a path apart; `None` where it is not one of a resource.
    pub(super) fn parse(parts: &[&str]) -> Option<Result<Self, Refusal>> {
        let (group, version, rest) = match parts {
            ["api", version, rest @ ..] if !rest.is_empty() => ("", *version, rest),
            ["apis", group, version, rest @ ..] if !rest.is_empty() => (*group, *version, rest),
            _ => return None,
        };
        let made = |namespace: Option<&str>, plural: &str, name: Option<&str>, part: Option<&str>| {
            Some(Ok(Target {
                group: group.into(),
                version: version.into(),
                namespace: namespace.map(Into::into),
                plural: plural.into(),
                name: name.map(Into::into),
                part: part.map(Into::into),
            }))
        };
        match rest {
            ["watch", ..] => Some(Err(Refusal::only_reads(
                "paths below /watch/ are not served: a list with watch=true is the same",
            ))),
            ["namespaces", name, part @ ("status" | "finalize")] => {
                made(None, "namespaces", Some(name), Some(part))
            }
            ["namespaces", namespace, plural] => made(Some(namespace), plural, None, None),
            ["namespaces", namespace, plural, name] => made(Some(namespace), plural, Some(name), None),
            ["namespaces", namespace, plural, name, part, ..] => {
                made(Some(namespace), plural, Some(name), Some(part))
            }
            [plural] => made(None, plural, None, None),
            [plural, name] => made(None, plural, Some(name), None),
            [plural, name, part, ..] => made(None, plural, Some(name), Some(part)),
            [] => None,
        }
    }

    /// The file with the recorded objects.
    pub(super) fn file(&self) -> String {
        let group = if self.group.is_empty() { "core" } else { &self.group };
        format!("resources/{group}/{}/{}.json", self.version, self.plural)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `group/version namespace plural name part`, `-` for what is absent.
    fn target(path: &str) -> String {
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        match Target::parse(&parts) {
            None => "none".into(),
            Some(Err(_)) => "refused".into(),
            Some(Ok(t)) => {
                let or = |part: Option<String>| part.unwrap_or_else(|| "-".into());
                format!(
                    "{}/{} {} {} {} {}",
                    t.group,
                    t.version,
                    or(t.namespace),
                    t.plural,
                    or(t.name),
                    or(t.part)
                )
            }
        }
    }

    #[test]
    fn paths_are_taken_apart() {
        for (path, expected) in [
            ("/api/v1/pods", "/v1 - pods - -"),
            ("/api/v1/nodes/n1", "/v1 - nodes n1 -"),
            ("/api/v1/namespaces", "/v1 - namespaces - -"),
            ("/api/v1/namespaces/x", "/v1 - namespaces x -"),
            ("/api/v1/namespaces/x/status", "/v1 - namespaces x status"),
            ("/api/v1/namespaces/x/pods", "/v1 x pods - -"),
            ("/api/v1/namespaces/x/pods/p", "/v1 x pods p -"),
            ("/api/v1/namespaces/x/pods/p/log", "/v1 x pods p log"),
            ("/apis/apps/v1/deployments", "apps/v1 - deployments - -"),
            ("/apis/apps/v1/namespaces/x/deployments/d/scale", "apps/v1 x deployments d scale"),
            ("/api/v1/watch/pods", "refused"),
            ("/api/v1", "none"),
            ("/apis/apps/v1", "none"),
            ("/version", "none"),
        ] {
            assert_eq!(target(path), expected, "{path}");
        }
    }

    #[test]
    fn parameters_are_decoded() {
        let query = Query::parse("labelSelector=a%3Db%2Cc+in+(d)&watch=1&limit=5&x&bad=n");
        assert_eq!(query.get("labelSelector"), Some("a=b,c in (d)"));
        assert!(query.flag("watch") && query.flag("x") && !query.flag("y"));
        assert_eq!(query.number("limit"), Ok(Some(5)));
        assert_eq!(query.number("y"), Ok(None));
        assert!(query.number("bad").is_err());
    }
}
