//! Who asks, and what they may do by the recorded roles and bindings. Pure.

pub(super) mod reviews;
mod rules;

use http::{HeaderMap, Method};

use super::{
    api::{Query, Target},
    selector::parse_fields,
    status::Refusal,
};

use self::rules::Decision;
pub(super) use self::rules::{Rbac, Sources};

/// Who may do everything, whatever the roles say.
const MASTERS: &str = "system:masters";
const AUTHENTICATED: &str = "system:authenticated";
const UNAUTHENTICATED: &str = "system:unauthenticated";
const SERVICE_ACCOUNT: &str = "system:serviceaccount:";

/// Somebody who asks a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    name: String,
    groups: Vec<String>,
}

impl User {
    /// A user with these groups and those that the API server adds: `system:authenticated`, and, where no group is
    /// named, those of `system:serviceaccount:NAMESPACE:NAME`.
    pub fn new(name: &str, groups: &[String]) -> Self {
        let mut groups = groups.to_vec();
        if let (true, Some((namespace, _))) = (groups.is_empty(), service_account(name)) {
            groups = vec!["system:serviceaccounts".into(), format!("system:serviceaccounts:{namespace}")];
        }
        let of_all = if name == "system:anonymous" { UNAUTHENTICATED } else { AUTHENTICATED };
        if ![AUTHENTICATED, UNAUTHENTICATED].iter().any(|known| groups.iter().any(|group| group == known)) {
            groups.push(of_all.into());
        }
        Self { name: name.into(), groups }
    }

    /// The one who may do everything.
    pub fn admin() -> Self {
        Self::new("kubernetes-admin", &[MASTERS.into()])
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn is_master(&self) -> bool {
        self.groups.iter().any(|group| group == MASTERS)
    }
}

/// The namespace and name of a service account that goes by this user name.
fn service_account(user: &str) -> Option<(&str, &str)> {
    user.strip_prefix(SERVICE_ACCOUNT)?.split_once(':')
}

/// What somebody wants to do.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Ask {
    /// With objects.
    Object {
        verb: String,
        group: String,
        /// `pods`, or `pods/log`.
        resource: String,
        /// Empty: all, or none.
        namespace: String,
        /// Empty: any.
        name: String,
    },
    /// With anything else, by its path.
    Path { verb: String, path: String },
}

impl Ask {
    /// What a request for a resource wants to do.
    pub(super) fn of_request(method: &Method, target: &Target, query: &Query) -> Self {
        let named = target.name.is_some();
        let verb = match *method {
            Method::GET | Method::HEAD if query.flag("watch") => "watch",
            Method::GET | Method::HEAD if named => "get",
            Method::GET | Method::HEAD => "list",
            Method::POST => "create",
            Method::PUT => "update",
            Method::PATCH => "patch",
            Method::DELETE if named => "delete",
            Method::DELETE => "deletecollection",
            _ => "",
        };
        let mut name = target.name.clone().unwrap_or_default();
        if name.is_empty() && ["list", "watch", "deletecollection"].contains(&verb) {
            name = only_name(query).unwrap_or_default();
        }
        // The API server takes a namespace to lie in itself.
        let own = (target.group.is_empty() && target.plural == "namespaces").then(|| name.clone());
        Self::Object {
            verb: verb.into(),
            group: target.group.clone(),
            resource: target
                .part
                .as_ref()
                .map_or_else(|| target.plural.clone(), |part| format!("{}/{part}", target.plural)),
            namespace: target.namespace.clone().or(own).unwrap_or_default(),
            name,
        }
    }

    /// The API server's refusal of it.
    fn refused(&self, user: &str, why: &str) -> Refusal {
        let why = if why.is_empty() { String::new() } else { format!(": {why}") };
        match self {
            Self::Path { verb, path } => {
                Refusal::forbidden("", "", "", &format!("User {user:?} cannot {verb} path {path:?}{why}"))
            }
            Self::Object { verb, group, resource, namespace, name } => {
                let place = match namespace.as_str() {
                    "" => "at the cluster scope".to_owned(),
                    namespace => format!("in the namespace {namespace:?}"),
                };
                let what = format!(
                    "User {user:?} cannot {verb} resource {resource:?} in API group {group:?} {place}{why}"
                );
                let plural = resource.split_once('/').map_or(resource.as_str(), |(plural, _)| plural);
                Refusal::forbidden(group, plural, name, &what)
            }
        }
    }
}

/// The name that a field selector narrows a list to.
fn only_name(query: &Query) -> Option<String> {
    let tests = parse_fields(query.get("fieldSelector")?).ok()?;
    tests.into_iter().find(|test| test.label == "metadata.name" && test.wanted).map(|test| test.value)
}

/// Lets somebody do something, or refuses as the API server does.
pub(super) fn authorise(rbac: &Rbac, user: &User, ask: &Ask) -> Result<(), Refusal> {
    match rbac.decide(user, ask) {
        Decision::Allowed(_) => Ok(()),
        Decision::Denied(why) => Err(ask.refused(&user.name, &why)),
    }
}

/// Who is asked for in the place of the one who asks, by the headers of `kubectl --as`.
pub(super) fn impersonated(headers: &HeaderMap) -> Result<Option<User>, Refusal> {
    let text = |name: &str| {
        let values = headers.get_all(name).iter();
        values.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect::<Vec<_>>()
    };
    let (users, groups) = (text("impersonate-user"), text("impersonate-group"));
    match users.first().filter(|name| !name.is_empty()) {
        Some(name) => Ok(Some(User::new(name, &groups))),
        None if groups.is_empty() => Ok(None),
        None => Err(Refusal::internal(format!(
            "requested {groups:?} without impersonating a user name: name one with --as"
        ))),
    }
}

/// What somebody must be allowed to do to ask in another's place: one for the name, one for each group asked for.
pub(super) fn to_impersonate(headers: &HeaderMap, user: &User) -> Vec<Ask> {
    let ask = |resource: &str, namespace: &str, name: &str| Ask::Object {
        verb: "impersonate".into(),
        group: String::new(),
        resource: resource.into(),
        namespace: namespace.into(),
        name: name.into(),
    };
    let mut asks = vec![match service_account(&user.name) {
        Some((namespace, name)) => ask("serviceaccounts", namespace, name),
        None => ask("users", "", &user.name),
    }];
    let groups = headers.get_all("impersonate-group").iter();
    asks.extend(groups.map(|group| ask("groups", "", &String::from_utf8_lossy(group.as_bytes()))));
    asks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(method: &Method, path: &str, query: &str) -> Ask {
        let parts: Vec<&str> = path.split('/').collect();
        Ask::of_request(method, &Target::parse(&parts).unwrap().ok().unwrap(), &Query::parse(query))
    }

    #[test]
    fn users_get_the_groups_that_the_api_server_adds() {
        let groups = |name: &str, groups: &[&str]| {
            User::new(name, &groups.iter().map(|g| (*g).to_owned()).collect::<Vec<_>>()).groups.join(" ")
        };
        for (name, given, expected) in [
            ("ada", &[] as &[&str], "system:authenticated"),
            ("ada", &["dev"], "dev system:authenticated"),
            ("ada", &["system:authenticated"], "system:authenticated"),
            ("system:anonymous", &[], "system:unauthenticated"),
            (
                "system:serviceaccount:shop:cart",
                &[],
                "system:serviceaccounts system:serviceaccounts:shop system:authenticated",
            ),
            ("system:serviceaccount:shop:cart", &["x"], "x system:authenticated"),
        ] {
            assert_eq!(groups(name, given), expected, "{name} {given:?}");
        }
        assert!(User::admin().is_master() && !User::new("ada", &[]).is_master());
    }

    #[test]
    fn requests_are_refused_in_the_api_servers_words() {
        for (method, path, query, expected) in [
            (
                Method::GET,
                "api/v1/namespaces/y/pods",
                "",
                r#"pods is forbidden: User "x" cannot list resource "pods" in API group "" in the namespace "y""#,
            ),
            (
                Method::GET,
                "api/v1/namespaces/y/pods",
                "watch=true",
                r#"pods is forbidden: User "x" cannot watch resource "pods" in API group "" in the namespace "y""#,
            ),
            (
                Method::GET,
                "api/v1/namespaces/y/pods",
                "fieldSelector=metadata.name%3Dp",
                r#"pods "p" is forbidden: User "x" cannot list resource "pods" in API group "" in the namespace "y""#,
            ),
            (
                Method::GET,
                "api/v1/namespaces/y/pods/p/log",
                "",
                r#"pods "p" is forbidden: User "x" cannot get resource "pods/log" in API group "" in the namespace "y""#,
            ),
            (
                Method::GET,
                "apis/apps/v1/deployments",
                "",
                r#"deployments.apps is forbidden: User "x" cannot list resource "deployments" in API group "apps" at the cluster scope"#,
            ),
            (
                Method::DELETE,
                "apis/apps/v1/namespaces/y/deployments",
                "",
                r#"deployments.apps is forbidden: User "x" cannot deletecollection resource "deployments" in API group "apps" in the namespace "y""#,
            ),
            (
                Method::GET,
                "api/v1/namespaces/y",
                "",
                r#"namespaces "y" is forbidden: User "x" cannot get resource "namespaces" in API group "" in the namespace "y""#,
            ),
            (
                Method::PATCH,
                "api/v1/nodes/n",
                "",
                r#"nodes "n" is forbidden: User "x" cannot patch resource "nodes" in API group "" at the cluster scope"#,
            ),
        ] {
            assert_eq!(ask(&method, path, query).refused("x", "").message(), expected);
        }
        let path = Ask::Path { verb: "get".into(), path: "/metrics".into() };
        assert_eq!(
            path.refused("x", "RBAC: gone").message(),
            r#"forbidden: User "x" cannot get path "/metrics": RBAC: gone"#
        );
    }

    #[test]
    fn another_is_asked_for_by_headers() {
        let mut headers = HeaderMap::new();
        assert_eq!(impersonated(&headers).ok(), Some(None));
        headers.append("impersonate-group", "dev".parse().unwrap());
        assert!(impersonated(&headers).is_err());
        headers.insert("impersonate-user", "ada".parse().unwrap());
        headers.append("impersonate-group", "ops".parse().unwrap());
        let user = impersonated(&headers).ok().unwrap().unwrap();
        assert_eq!(user, User::new("ada", &["dev".into(), "ops".into()]));
        assert_eq!(to_impersonate(&headers, &user).len(), 3);
    }
}
