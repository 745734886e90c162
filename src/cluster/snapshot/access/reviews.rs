//! Answers the reviews by which a client asks what somebody may do. Pure.

use bytes::Bytes;
use http::{Response, StatusCode};
use k8s_openapi::api::rbac::v1::PolicyRule;
use serde_json::{Value, json};

use super::{
    super::{
        api::Target,
        protobuf,
        status::{Refusal, respond},
    },
    Ask, Decision, Rbac, User,
};

/// Answers a review; `None` where the kind is none.
pub(in super::super) fn review(
    rbac: &Rbac,
    user: &User,
    target: &Target,
    body: &[u8],
) -> Option<Result<Response<Bytes>, Refusal>> {
    let answer = match (target.group.as_str(), target.plural.as_str()) {
        ("authorization.k8s.io", "selfsubjectaccessreviews") => {
            |rbac: &Rbac, user: &User, spec: &Value, _: &Target| access(rbac, user, spec)
        }
        ("authorization.k8s.io", "selfsubjectrulesreviews") => {
            |rbac: &Rbac, user: &User, spec: &Value, _: &Target| rules(rbac, user, spec)
        }
        ("authorization.k8s.io", "subjectaccessreviews" | "localsubjectaccessreviews") => {
            |rbac: &Rbac, _: &User, spec: &Value, target: &Target| of_another(rbac, spec, target)
        }
        ("authentication.k8s.io", "selfsubjectreviews") => |_: &Rbac, user: &User, _: &Value, _: &Target| {
            Ok(json!({"userInfo": {"username": user.name, "groups": user.groups}}))
        },
        _ => return None,
    };
    let read = if protobuf::is_protobuf(body) {
        protobuf::read(body).map_err(Refusal::unreadable_format)
    } else {
        let review = serde_json::from_slice(body).ok().filter(Value::is_object);
        review.ok_or_else(|| Refusal::unknown_format("application/json"))
    };
    Some(read.and_then(|mut review| {
        let status = answer(rbac, user, &review["spec"], target)?;
        review["status"] = status;
        Ok(respond(StatusCode::CREATED, "application/json", review.to_string()))
    }))
}

fn access(rbac: &Rbac, user: &User, spec: &Value) -> Result<Value, Refusal> {
    let ask = read_ask(spec).ok_or_else(|| {
        Refusal::bad_request("exactly one of resourceAttributes and nonResourceAttributes must be set")
    })?;
    Ok(match rbac.decide(user, &ask) {
        Decision::Allowed(reason) if reason.is_empty() => json!({"allowed": true}),
        Decision::Allowed(reason) => json!({"allowed": true, "reason": reason}),
        Decision::Denied(why) if why.is_empty() => json!({"allowed": false}),
        Decision::Denied(why) => json!({"allowed": false, "reason": why, "evaluationError": why}),
    })
}

fn read_ask(spec: &Value) -> Option<Ask> {
    let text = |of: &Value, name: &str| of[name].as_str().unwrap_or_default().to_owned();
    match (&spec["resourceAttributes"], &spec["nonResourceAttributes"]) {
        (object @ Value::Object(_), Value::Null) => {
            let (resource, part) = (text(object, "resource"), text(object, "subresource"));
            Some(Ask::Object {
                verb: text(object, "verb"),
                group: text(object, "group"),
                resource: if part.is_empty() { resource } else { format!("{resource}/{part}") },
                namespace: text(object, "namespace"),
                name: text(object, "name"),
            })
        }
        (Value::Null, path @ Value::Object(_)) => {
            Some(Ask::Path { verb: text(path, "verb"), path: text(path, "path") })
        }
        _ => None,
    }
}

fn of_another(rbac: &Rbac, spec: &Value, target: &Target) -> Result<Value, Refusal> {
    let own = spec["resourceAttributes"]["namespace"].as_str().unwrap_or_default();
    if target.namespace.as_deref().is_some_and(|namespace| namespace != own) {
        return Err(Refusal::bad_request(
            "spec.resourceAttributes.namespace must match the path's namespace",
        ));
    }
    let groups = spec["groups"].as_array().into_iter().flatten();
    let groups = groups.filter_map(Value::as_str).map(str::to_owned).collect();
    let name = spec["user"].as_str().unwrap_or_default().to_owned();
    // Exactly the groups that are named: none is added here.
    access(rbac, &User { name, groups }, spec)
}

fn rules(rbac: &Rbac, user: &User, spec: &Value) -> Result<Value, Refusal> {
    let namespace = spec["namespace"].as_str().filter(|namespace| !namespace.is_empty());
    let namespace = namespace.ok_or_else(|| Refusal::bad_request("no namespace on request"))?;
    let everything = PolicyRule {
        api_groups: Some(vec!["*".into()]),
        resources: Some(vec!["*".into()]),
        verbs: vec!["*".into()],
        ..PolicyRule::default()
    };
    let every_path = PolicyRule {
        non_resource_urls: Some(vec!["*".into()]),
        verbs: vec!["*".into()],
        ..PolicyRule::default()
    };
    let mut held = rbac.rules_for(user, namespace);
    if user.is_master() && !held.contains(&&everything) {
        held.splice(0..0, [&everything, &every_path]);
    }
    let list = |list: &Option<Vec<String>>| list.clone().filter(|list| !list.is_empty());
    let (mut resources, mut paths) = (Vec::new(), Vec::new());
    for rule in held {
        if let Some(urls) = list(&rule.non_resource_urls) {
            paths.push(json!({"verbs": rule.verbs, "nonResourceURLs": urls}));
        }
        if let Some(names) = list(&rule.resources) {
            let mut entry = json!({"verbs": rule.verbs, "apiGroups": rule.api_groups, "resources": names});
            if let Some(names) = list(&rule.resource_names) {
                entry["resourceNames"] = json!(names);
            }
            resources.push(entry);
        }
    }
    Ok(json!({"resourceRules": resources, "nonResourceRules": paths, "incomplete": false}))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(user: &User, path: &str, body: &Value) -> Result<Value, Refusal> {
        let parts: Vec<&str> = path.split('/').collect();
        let target = Target::parse(&parts).unwrap()?;
        let response = review(&Rbac::default(), user, &target, body.to_string().as_bytes()).unwrap()?;
        assert_eq!(response.status(), 201);
        Ok(serde_json::from_slice::<Value>(response.body()).unwrap()["status"].take())
    }

    #[test]
    fn the_admin_may_do_everything_and_others_what_is_bound() {
        let path = "apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
        let spec = json!({"spec": {"resourceAttributes": {"verb": "delete", "resource": "pods"}}});
        assert_eq!(answer(&User::admin(), path, &spec), Ok(json!({"allowed": true})));
        assert_eq!(answer(&User::new("ada", &[]), path, &spec), Ok(json!({"allowed": false})));
        assert!(answer(&User::admin(), path, &json!({"spec": {}})).is_err());
    }

    #[test]
    fn the_admins_rules_are_everything() {
        let path = "apis/authorization.k8s.io/v1/selfsubjectrulesreviews";
        let spec = json!({"spec": {"namespace": "default"}});
        let rules = answer(&User::admin(), path, &spec).unwrap();
        assert_eq!(rules["resourceRules"], json!([{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]));
        assert_eq!(answer(&User::new("ada", &[]), path, &spec).unwrap()["resourceRules"], json!([]));
        assert!(answer(&User::admin(), path, &json!({"spec": {}})).is_err());
    }

    #[test]
    fn another_is_reviewed_with_the_groups_that_are_named() {
        let attributes = json!({"verb": "get", "resource": "pods", "namespace": "x"});
        let spec = |groups: Value| json!({"spec": {"user": "ada", "groups": groups, "resourceAttributes": attributes}});
        let path = "apis/authorization.k8s.io/v1/subjectaccessreviews";
        assert_eq!(answer(&User::admin(), path, &spec(json!([]))).unwrap()["allowed"], false);
        assert_eq!(answer(&User::admin(), path, &spec(json!(["system:masters"]))).unwrap()["allowed"], true);
        let local = "apis/authorization.k8s.io/v1/namespaces/y/localsubjectaccessreviews";
        assert!(answer(&User::admin(), local, &spec(json!([]))).is_err());
        assert!(answer(&User::admin(), &local.replace("/y/", "/x/"), &spec(json!([]))).is_ok());
    }

    #[test]
    fn one_is_told_who_one_is() {
        let user = User::new("ada", &["dev".into()]);
        let status = answer(&user, "apis/authentication.k8s.io/v1/selfsubjectreviews", &json!({})).unwrap();
        assert_eq!(status["userInfo"], json!({"username": "ada", "groups": ["dev", "system:authenticated"]}));
    }
}
