//! The grades of a run as a table and as JSON. Judges nothing.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::Grade;

/// The grades of a run.
pub struct Report {
    /// One for each scenario, in order.
    pub grades: Vec<Grade>,
}

impl Report {
    /// Whether every scenario passed.
    pub fn passed(&self) -> bool {
        self.count(|grade| grade.passed) == self.grades.len()
    }

    /// `passed`, `total`, the measures and every grade.
    pub fn json(&self) -> Value {
        let faults = self.faults();
        json!({
            "passed": self.count(|grade| grade.passed),
            "total": self.grades.len(),
            "faults": faults,
            "cause_first": self.count(|grade| !grade.healthy && grade.causes_first),
            "facts": { "found": self.grades.iter().map(|grade| grade.facts.0).sum::<usize>(),
                "total": self.grades.iter().map(|grade| grade.facts.1).sum::<usize>() },
            "all_facts": self.count(|grade| grade.facts_missed.is_empty()),
            "forbidden": self.grades.iter().map(|grade| grade.forbidden.len()).sum::<usize>(),
            "healthy": self.count(|grade| grade.healthy),
            "healthy_with_alarm": self.count(|grade| !grade.false_alarms.is_empty()),
            "causes_per_true_one": self.precision(),
            "scenarios": self.grades,
        })
    }

    /// A line for each scenario, what went wrong below it, and the measures.
    pub fn table(&self) -> String {
        let width = self.grades.iter().map(|grade| grade.id.chars().count()).max().unwrap_or(0);
        let mut text = format!(
            "{:4}  {:width$}  {:5}  {:>5}  {:>8}  {:>7}\n",
            "", "SCENARIO", "CAUSE", "FACTS", "REPORTED", "TIME"
        );
        for grade in &self.grades {
            let _ = writeln!(
                text,
                "{:4}  {:width$}  {:5}  {:>5}  {:>8}  {:>7}",
                if grade.passed { "ok" } else { "FAIL" },
                grade.id,
                if grade.causes_first { "first" } else { "no" },
                format!("{}/{}", grade.facts.0, grade.facts.1),
                format!("{}/{}", grade.reported, grade.expected),
                format!("{} ms", grade.took_ms),
            );
            wrong(&mut text, grade);
        }
        text.push_str(&self.measures());
        text
    }

    fn measures(&self) -> String {
        let faults = self.faults();
        let all = self.grades.len();
        let healthy = all - faults;
        let forbidden: usize = self.grades.iter().map(|grade| grade.forbidden.len()).sum();
        format!(
            "\n{} of {all} passed\n\
             cause named first     {}\n\
             all facts in answer   {}\n\
             forbidden statements  {forbidden}\n\
             healthy with alarm    {} of {healthy}\n\
             causes per true one   {:.2}",
            self.count(|grade| grade.passed),
            share(self.count(|grade| !grade.healthy && grade.causes_first), faults),
            share(self.count(|grade| grade.facts_missed.is_empty()), all),
            self.count(|grade| !grade.false_alarms.is_empty()),
            self.precision(),
        )
    }

    fn faults(&self) -> usize {
        self.count(|grade| !grade.healthy)
    }

    /// Root causes reported for each that there is.
    fn precision(&self) -> f64 {
        let faults = self.grades.iter().filter(|grade| !grade.healthy);
        let (reported, expected) =
            faults.fold((0, 0), |(all, wanted), grade| (all + grade.reported, wanted + grade.expected));
        ratio(reported, expected)
    }

    fn count(&self, is: impl Fn(&Grade) -> bool) -> usize {
        self.grades.iter().filter(|grade| is(grade)).count()
    }
}

fn wrong(text: &mut String, grade: &Grade) {
    let mut say = |what: &str, items: &[String]| {
        for item in items {
            let _ = writeln!(text, "        {what} {item}");
        }
    };
    say("expected", &grade.missed);
    if !grade.causes_first {
        say("named   ", &grade.named);
    }
    say("no fact ", &grade.facts_missed);
    say("says    ", &grade.forbidden);
    say("alarm   ", &grade.false_alarms);
}

fn share(part: usize, whole: usize) -> String {
    format!("{part} of {whole} ({:.1} %)", 100.0 * ratio(part, whole))
}

fn ratio(part: usize, whole: usize) -> f64 {
    let number = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    if whole == 0 { 0.0 } else { number(part) / number(whole) }
}
