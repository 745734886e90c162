//! `rollout status` and `rollout history`: how far a workload's last change has come, and the changes before it. The
//! status is the one of now; nothing is waited for, so a rollout that goes on ends as one that was waited for too long.

use serde_json::Value;

use super::{
    Session,
    command::{Filter, Rollout},
    describe::template_text,
    output::Draft,
    pods,
    print::tab::{self, DESCRIPTION},
    wire::{failure::Failure, kinds::Kind, lists},
};

const CHANGE_CAUSE: &str = "kubernetes.io/change-cause";
const TIMED_OUT: &str = "timed out waiting for the condition";
const REVISION: &str = "deployment.kubernetes.io/revision";

/// How far a rollout is.
#[derive(Debug, PartialEq)]
enum Status {
    /// What it waits for.
    Waiting(String),
    Done(String),
}

use Status::{Done, Waiting};

pub(super) async fn run(session: &Session<'_>, rollout: &Rollout) -> Draft {
    match answer(session, rollout).await {
        Ok(Done(text)) => Draft::of(text),
        Ok(Waiting(text)) => {
            let mut draft = Draft::of(text);
            if rollout.waits {
                draft.fail(&Failure::error(TIMED_OUT));
            }
            draft
        }
        Err(failure) => failure.into(),
    }
}

async fn answer(session: &Session<'_>, rollout: &Rollout) -> Result<Status, Failure> {
    let kind = &session.wire.among_kinds(|kinds| kinds.resolve(&rollout.kind).cloned()).await?;
    let namespace = rollout.place.namespace(session.default_namespace);
    let object = lists::object(&session.wire, kind, namespace, &rollout.name).await?;
    match (rollout.history, kind.kind.as_str()) {
        (false, "Deployment") => deployment_status(&object, rollout.revision),
        (false, "DaemonSet") => daemon_set_status(&object),
        (false, "StatefulSet") => stateful_set_status(&object),
        (true, "Deployment") => {
            let sets = owned(session, &object, "replicasets").await?;
            let revisions = sets.iter().filter_map(|set| {
                let revision = set["metadata"]["annotations"][REVISION].as_str()?.parse().ok()?;
                Some((revision, set["metadata"].clone(), set["spec"]["template"].clone()))
            });
            history(kind, rollout, revisions.collect()).map(Done)
        }
        (true, "DaemonSet" | "StatefulSet") => {
            let revisions = owned(session, &object, "controllerrevisions").await?;
            let revisions = revisions.iter().filter_map(|revision| {
                let number = revision["revision"].as_i64()?;
                Some((number, revision["metadata"].clone(), revision["data"]["spec"]["template"].clone()))
            });
            history(kind, rollout, revisions.collect()).map(Done)
        }
        (true, other) => Err(Failure::error(format!("no history viewer has been implemented for {other:?}"))),
        (false, other) => Err(Failure::error(format!("no status viewer has been implemented for {other}"))),
    }
}

/// The objects that the workload made to remember its changes.
async fn owned(session: &Session<'_>, owner: &Value, plural: &str) -> Result<Vec<Value>, Failure> {
    let kind = Kind {
        group: "apps".into(),
        version: "v1".into(),
        plural: plural.into(),
        namespaced: true,
        ..Kind::default()
    };
    let filter = Filter { labels: pods::selector(owner), fields: None };
    let mut found =
        lists::objects(&session.wire, &kind, Some(&pods::namespace(owner)), &filter, lists::As::Objects)
            .await?;
    found.retain(|object| pods::is_controlled_by(object, owner));
    Ok(found)
}

fn history(
    kind: &Kind,
    rollout: &Rollout,
    mut revisions: Vec<(i64, Value, Value)>,
) -> Result<String, Failure> {
    let subject = format!("{}/{}", kind.qualified(), rollout.name);
    revisions.sort_by_key(|(revision, ..)| *revision);
    if let Some(wanted) = rollout.revision.filter(|revision| *revision > 0) {
        let found = revisions.iter().find(|(revision, ..)| *revision == wanted);
        let Some((_, _, template)) = found else {
            return Err(Failure::error("unable to find the specified revision"));
        };
        return Ok(format!("{subject} with revision #{wanted}\n{}", template_text(template)));
    }
    let mut text = String::from("REVISION\tCHANGE-CAUSE\n");
    for (revision, metadata, _) in &revisions {
        let cause = metadata["annotations"][CHANGE_CAUSE].as_str().unwrap_or("<none>");
        text.push_str(&format!("{revision}\t{cause}\n"));
    }
    Ok(format!("{subject} \n{}\n", tab::align(&text, DESCRIPTION)))
}

/// The generation that the controller has not seen yet.
fn is_behind(object: &Value) -> bool {
    number(&object["metadata"]["generation"]) > number(&object["status"]["observedGeneration"])
}

fn number(value: &Value) -> i64 {
    value.as_i64().unwrap_or(0)
}

fn deployment_status(object: &Value, revision: Option<i64>) -> Result<Status, Failure> {
    let (name, status) = (pods::name(object), &object["status"]);
    if let Some(wanted) = revision.filter(|revision| *revision > 0) {
        let running = object["metadata"]["annotations"][REVISION].as_str().and_then(|text| text.parse().ok());
        let running: i64 = running.unwrap_or(0);
        if wanted != running {
            return Err(Failure::error(format!(
                "desired revision ({wanted}) is different from the running revision ({running})"
            )));
        }
    }
    if is_behind(object) {
        return Ok(Waiting("Waiting for deployment spec update to be observed...\n".into()));
    }
    let progress = pods::condition(object, "Progressing");
    if progress.is_some_and(|condition| condition["reason"] == "ProgressDeadlineExceeded") {
        return Err(Failure::error(format!("deployment {name:?} exceeded its progress deadline")));
    }
    let count = |key: &str| number(&status[key]);
    let (wanted, updated) = (object["spec"]["replicas"].as_i64().unwrap_or(1), count("updatedReplicas"));
    let (all, available) = (count("replicas"), count("availableReplicas"));
    let waiting = format!("Waiting for deployment {name:?} rollout to finish:");
    Ok(if updated < wanted {
        Waiting(format!("{waiting} {updated} out of {wanted} new replicas have been updated...\n"))
    } else if all > updated {
        Waiting(format!("{waiting} {} old replicas are pending termination...\n", all - updated))
    } else if available < updated {
        Waiting(format!("{waiting} {available} of {updated} updated replicas are available...\n"))
    } else {
        Done(format!("deployment {name:?} successfully rolled out\n"))
    })
}

/// Rolling updates alone have a status.
fn check_rolling(object: &Value) -> Result<(), Failure> {
    if object["spec"]["updateStrategy"]["type"] == "RollingUpdate" {
        return Ok(());
    }
    Err(Failure::error("rollout status is only available for RollingUpdate strategy type"))
}

fn daemon_set_status(object: &Value) -> Result<Status, Failure> {
    check_rolling(object)?;
    if is_behind(object) {
        return Ok(Waiting("Waiting for daemon set spec update to be observed...\n".into()));
    }
    let (name, status) = (pods::name(object), &object["status"]);
    let count = |key: &str| number(&status[key]);
    let wanted = count("desiredNumberScheduled");
    let (updated, available) = (count("updatedNumberScheduled"), count("numberAvailable"));
    let waiting = format!("Waiting for daemon set {name:?} rollout to finish:");
    Ok(if updated < wanted {
        Waiting(format!("{waiting} {updated} out of {wanted} new pods have been updated...\n"))
    } else if available < wanted {
        Waiting(format!("{waiting} {available} of {wanted} updated pods are available...\n"))
    } else {
        Done(format!("daemon set {name:?} successfully rolled out\n"))
    })
}

fn stateful_set_status(object: &Value) -> Result<Status, Failure> {
    check_rolling(object)?;
    let (spec, status) = (&object["spec"], &object["status"]);
    if number(&status["observedGeneration"]) == 0 || is_behind(object) {
        return Ok(Waiting("Waiting for statefulset spec update to be observed...\n".into()));
    }
    let wanted = spec["replicas"].as_i64().unwrap_or(1);
    let count = |key: &str| number(&status[key]);
    let (ready, updated) = (count("readyReplicas"), count("updatedReplicas"));
    if ready < wanted {
        return Ok(Waiting(format!("Waiting for {} pods to be ready...\n", wanted - ready)));
    }
    let rolling = &spec["updateStrategy"]["rollingUpdate"];
    if !rolling.is_null() {
        let wanted = wanted - number(&rolling["partition"]);
        return Ok(if updated < wanted {
            Waiting(format!(
                "Waiting for partitioned roll out to finish: {updated} out of {wanted} new pods have been updated...\n"
            ))
        } else {
            Done(format!("partitioned roll out complete: {updated} new pods have been updated...\n"))
        });
    }
    let revision = |key: &str| status[key].as_str().unwrap_or_default();
    let (old, new) = (revision("currentRevision"), revision("updateRevision"));
    if old != new {
        return Ok(Waiting(format!(
            "waiting for statefulset rolling update to complete {updated} pods at revision {new}...\n"
        )));
    }
    Ok(Done(format!(
        "statefulset rolling update complete {} pods at revision {old}...\n",
        count("currentReplicas")
    )))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Done, Waiting, deployment_status};

    #[test]
    fn a_deployment_tells_how_far_it_has_come() {
        let deployment = |observed: i64, status: [i64; 3], reason: &str| {
            json!({
                "metadata": {"name": "web", "generation": 2}, "spec": {"replicas": 3},
                "status": {
                    "observedGeneration": observed, "updatedReplicas": status[0], "replicas": status[1],
                    "availableReplicas": status[2], "conditions": [{"type": "Progressing", "reason": reason}],
                },
            })
        };
        for (object, expected) in [
            (deployment(1, [3, 3, 3], ""), "Waiting for deployment spec update to be observed...\n"),
            (
                deployment(2, [1, 4, 3], ""),
                "Waiting for deployment \"web\" rollout to finish: 1 out of 3 new replicas have been updated...\n",
            ),
            (
                deployment(2, [3, 4, 3], ""),
                "Waiting for deployment \"web\" rollout to finish: 1 old replicas are pending termination...\n",
            ),
            (
                deployment(2, [3, 3, 1], ""),
                "Waiting for deployment \"web\" rollout to finish: 1 of 3 updated replicas are available...\n",
            ),
            (deployment(2, [3, 3, 3], ""), "deployment \"web\" successfully rolled out\n"),
        ] {
            let status = if expected.starts_with("Waiting") { Waiting } else { Done };
            assert_eq!(deployment_status(&object, None), Ok(status(expected.into())));
        }
        let late =
            deployment_status(&deployment(2, [1, 4, 3], "ProgressDeadlineExceeded"), None).unwrap_err();
        assert_eq!(late.message, "error: deployment \"web\" exceeded its progress deadline");
    }
}
