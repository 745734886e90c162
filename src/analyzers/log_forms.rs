//! Errors that repeat in the log of a running container and that no rule knows by their words: told by their form, with how
//! often and since when. Knows no format of logs. Asked by `logs`.

use jiff::{SignedDuration, Timestamp};

use crate::{
    cluster::state::Pod,
    finding::{Confidence, Severity},
    text::forms::{Form, Tone, forms, standing_out},
};

use super::{
    complaints::{is_about_a_client, lines},
    draft::{Draft, Rank},
    index::{ContainerView, Index, name, namespace},
};

/// Errors that come less often are not told.
const LEAST: usize = 3;
/// How close to a change the first error has to be for the two to be told together.
const NEAR: SignedDuration = SignedDuration::from_mins(5);

/// Errors with which the log ends and that are at least half of its last lines: worth knowing. A notice, since an
/// application may log errors that it expects and handles.
pub(super) fn unrecognised(index: &Index<'_>, view: &ContainerView<'_>) -> Option<Draft> {
    let log = index.log(view, false)?;
    let all: Vec<_> = lines(&log.text).collect();
    let tail = all.get(all.len().saturating_sub(20)..).unwrap_or_default();
    let found = forms(all.iter().map(|line| line.text));
    let bad: Vec<&Form<'_>> = standing_out(&found, 8)
        .into_iter()
        .filter(|form| form.tone == Tone::Bad && !is_about_a_client(form.last))
        .collect();
    let recent = |text: &str| tail.iter().any(|line| std::ptr::eq(line.text, text));
    let in_tail = forms(tail.iter().map(|line| line.text));
    let failing: usize = in_tail
        .iter()
        .filter(|form| form.tone == Tone::Bad && !is_about_a_client(form.last))
        .map(|form| form.times)
        .sum();
    let worst = bad.iter().find(|form| form.times >= LEAST && recent(form.last))?;
    if failing < LEAST || failing * 2 < tail.len() {
        return None;
    }
    let time = |place: usize| all.get(place).and_then(|line| line.at);
    let since = time(worst.first_at);
    let mut sentence = format!("`{}` keeps logging errors", view.owner.name);
    if let Some(since) = since.filter(|_| worst.first_at > 0) {
        sentence.push_str(&format!(" since `{}`", since.strftime("%H:%M:%S")));
        if let Some(change) = change_before(index, view, since) {
            sentence.push_str(&format!(", {change}"));
        }
    }
    if let Some(siblings) = silent_siblings(index, view, worst) {
        sentence.push_str(&format!("; {siblings}"));
    }
    sentence.push('.');
    let draft = Draft::symptom(Rank::Complaint, "errors_in_log", Severity::Notice, &view.owner, sentence)
        .container(view.name())
        .confidence(Confidence::Possible)
        .seen_on(view.pod_resource());
    let pod = name(&view.pod.metadata);
    Some(bad.iter().take(3).fold(draft, |draft, form| {
        let span = match (time(form.first_at), time(form.last_at)) {
            (Some(first), Some(last)) if form.times > 1 => {
                format!(
                    " ({} times, {} to {})",
                    form.times,
                    first.strftime("%H:%M:%S"),
                    last.strftime("%H:%M:%S")
                )
            }
            _ => String::new(),
        };
        let whole: Vec<&str> = std::iter::once(form.last).chain(form.trace.iter().copied()).collect();
        draft.evidence(format!("log of {} in {pod}{span}", view.name()), whole.join("\n"))
    }))
}

/// What changed shortly before the errors began: a rollout of the workload.
fn change_before(index: &Index<'_>, view: &ContainerView<'_>, since: Timestamp) -> Option<String> {
    let sets = index.state.replica_sets.iter().filter(|set| {
        index.owner_of(namespace(&set.metadata), "ReplicaSet", name(&set.metadata)) == view.owner
    });
    let made = sets.filter_map(|set| set.metadata.creation_timestamp.as_ref()).map(|at| at.0).max()?;
    let gap = since.duration_since(made);
    (!gap.is_negative() && gap < NEAR).then(|| format!("{} s after its last rollout", gap.as_secs()))
}

/// Whether the other pods of the workload, of which the logs were read, log nothing of the kind.
fn silent_siblings(index: &Index<'_>, view: &ContainerView<'_>, form: &Form<'_>) -> Option<String> {
    let others =
        index.pods_of(&view.owner).iter().copied().filter(|pod| pod.metadata.name != view.pod.metadata.name);
    let read: Vec<&Pod> = others.filter(|pod| log_of(index, view, pod).is_some()).collect();
    let silent = read.iter().all(|pod| {
        let own = log_of(index, view, pod).unwrap_or_default();
        let both = forms(lines(own).map(|line| line.text).chain(std::iter::once(form.last)));
        // The line that was put at the end is the only one of its form.
        both.iter().any(|other| std::ptr::eq(other.last, form.last) && other.times == 1)
    });
    (silent && !read.is_empty())
        .then(|| format!("only pod `{}` does, the {} beside it do not", name(&view.pod.metadata), read.len()))
}

fn log_of<'a>(index: &Index<'a>, view: &ContainerView<'_>, pod: &Pod) -> Option<&'a str> {
    let its = |log: &&'a crate::cluster::state::ContainerLog| {
        !log.previous
            && log.container == view.name()
            && log.pod == name(&pod.metadata)
            && log.namespace == namespace(&pod.metadata)
    };
    index.state.logs.iter().find(its).map(|log| log.text.as_str())
}
