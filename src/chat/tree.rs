//! The findings of a scan as trees, each a root cause with what follows from it: as text, as Markdown and as a picture. Pure.

use std::fmt::Write as _;

use super::markdown::{block, inline, prose};
use crate::{
    finding::{Confidence, Finding, Severity},
    redact::Redacted,
    text::shorten,
};

/// Quotes that a cause shows.
const MOST_QUOTES: usize = 4;
/// Lines that one quote may take: a stack trace stays whole.
const MOST_LINES: usize = 12;

/// A finding and what follows from it.
struct Branch<'f> {
    finding: &'f Finding,
    /// Those of which it is the nearest cause.
    effects: Vec<Branch<'f>>,
}

/// The root causes in the order of the findings, each with its effects.
fn forest(findings: &[Finding]) -> Vec<Branch<'_>> {
    findings.iter().filter(|finding| finding.is_root()).map(|root| branch(root, findings, 0)).collect()
}

fn branch<'f>(finding: &'f Finding, findings: &'f [Finding], depth: usize) -> Branch<'f> {
    // Links make no circle; the depth is for what a damaged log may hold.
    let follows = findings.iter().filter(|other| depth < 32 && other.because_of.contains(&finding.id));
    Branch { finding, effects: follows.map(|effect| branch(effect, findings, depth + 1)).collect() }
}

/// How text is coloured: escape sequences of a terminal, or nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ink(pub bool);

impl Ink {
    fn paint(self, code: &str, text: &str) -> String {
        if self.0 { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    fn severity(self, severity: Severity) -> String {
        match severity {
            Severity::Critical => self.paint("1;31", "critical"),
            Severity::Warning => self.paint("1;33", "warning"),
            Severity::Notice => self.paint("36", "notice"),
        }
    }
}

/// Trees for a terminal, `unread` below them.
pub fn text(findings: &[Finding], unread: &[Redacted], ink: Ink) -> String {
    let mut out = String::new();
    for root in forest(findings) {
        root_text(&mut out, &root, ink);
        out.push('\n');
    }
    out.push_str(&summary(findings, unread));
    for what in unread {
        let _ = write!(out, "\nNot read: {what}");
    }
    out
}

fn root_text(out: &mut String, root: &Branch<'_>, ink: Ink) {
    let finding = root.finding;
    let container = finding.container.as_ref().map(|name| format!(", container {name}")).unwrap_or_default();
    let _ = writeln!(
        out,
        "{} {}{container}  {}",
        ink.severity(finding.severity),
        ink.paint("1", &finding.resource.to_string()),
        ink.paint("2", &format!("{} {}", finding.id, finding.code))
    );
    let sure = match finding.confidence {
        Confidence::Certain => "",
        Confidence::Likely => " (likely)",
        Confidence::Possible => " (one explanation of several)",
    };
    let _ = writeln!(out, "  {}{sure}", finding.summary);
    for quote in finding.evidence.iter().take(MOST_QUOTES) {
        let mut lines = quote.text.lines().take(MOST_LINES);
        let first = lines.next().unwrap_or_default();
        let source = ink.paint("2", &format!("({})", quote.source));
        let _ = writeln!(out, "  {} {} {source}", ink.paint("2", ">"), shorten(first, 240));
        for line in lines {
            let _ = writeln!(out, "  {} {}", ink.paint("2", ">"), shorten(line, 240));
        }
    }
    if let Some(fix) = &finding.fix {
        let _ = writeln!(out, "  {} {}", ink.paint("32", "fix:"), fix.summary);
        for line in fix.command.lines() {
            let _ = writeln!(out, "    {line}");
        }
        if let Some(risk) = &fix.risk {
            let _ = writeln!(out, "  {} {risk}", ink.paint("33", "mind:"));
        }
    }
    effects_text(out, &root.effects, "  ", ink);
}

fn effects_text(out: &mut String, effects: &[Branch<'_>], indent: &str, ink: Ink) {
    for (place, effect) in effects.iter().enumerate() {
        let last = place + 1 == effects.len();
        let (knee, below) = if last { ("└─", "   ") } else { ("├─", "│  ") };
        let also = effect.finding.because_of.len().saturating_sub(1);
        let also = if also > 0 { format!(" and {also} more") } else { String::new() };
        let _ = writeln!(
            out,
            "{indent}{knee} {}  {}",
            effect.finding.summary,
            ink.paint("2", &format!("{} {}{also}", effect.finding.id, effect.finding.code))
        );
        effects_text(out, &effect.effects, &format!("{indent}{below}"), ink);
    }
}

/// `2 critical causes, 1 warning, 1 notice; 5 symptoms follow from them.`
fn summary(findings: &[Finding], unread: &[Redacted]) -> String {
    if findings.is_empty() {
        let limit = if unread.is_empty() { "" } else { " in what could be read" };
        return format!("Nothing wrong was found{limit}.");
    }
    let roots = |severity| findings.iter().filter(|f| f.is_root() && f.severity == severity).count();
    let plural = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let parts: Vec<String> = [
        (roots(Severity::Critical), "critical cause"),
        (roots(Severity::Warning), "warning"),
        (roots(Severity::Notice), "notice"),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, what)| plural(count, what))
    .collect();
    let symptoms = findings.iter().filter(|finding| !finding.is_root()).count();
    let follow = if symptoms == 1 { "follows" } else { "follow" };
    let symptoms = if symptoms == 0 {
        String::new()
    } else {
        format!("; {} {follow} from them", plural(symptoms, "symptom"))
    };
    format!("{}{symptoms}.", parts.join(", "))
}

/// The same as Markdown, for a report or a ticket.
pub fn markdown(findings: &[Finding], unread: &[Redacted]) -> String {
    let mut out = format!("{}\n\n", summary(findings, unread));
    for (place, root) in forest(findings).iter().enumerate() {
        let finding = root.finding;
        let severity = match finding.severity {
            Severity::Critical => "critical",
            Severity::Warning => "warning",
            Severity::Notice => "notice",
        };
        let _ = writeln!(
            out,
            "{}. **{}** ({severity}, `{}`): {}\n",
            place + 1,
            prose(&finding.resource.to_string()),
            finding.code,
            prose(&finding.summary)
        );
        for quote in finding.evidence.iter().take(MOST_QUOTES) {
            let _ = writeln!(out, "   > {} ({})  ", inline(&shorten(&quote.text, 240)), prose(&quote.source));
        }
        if let Some(fix) = &finding.fix {
            let _ = writeln!(out, "\n   **Fix:** {}\n", prose(&fix.summary));
            if !fix.command.is_empty() {
                for line in block("sh", &fix.command).lines() {
                    let _ = writeln!(out, "   {line}");
                }
                out.push('\n');
            }
        }
        effects_markdown(&mut out, &root.effects, "   ");
        out.push('\n');
    }
    for what in unread {
        let _ = writeln!(out, "Not read: {}", prose(what));
    }
    out.trim_end().to_owned()
}

fn effects_markdown(out: &mut String, effects: &[Branch<'_>], indent: &str) {
    for effect in effects {
        let _ = writeln!(out, "{indent}- {}", prose(&effect.finding.summary));
        effects_markdown(out, &effect.effects, &format!("{indent}  "));
    }
}

/// Sizes of the picture, in pixels of its own.
const BOX_WIDTH: usize = 300;
const BOX_HEIGHT: usize = 46;
const GAP_X: usize = 56;
const GAP_Y: usize = 14;
const MARGIN: usize = 16;

/// One box of the picture.
struct Node<'f> {
    finding: &'f Finding,
    column: usize,
    row: usize,
}

/// A picture of the causes: roots on the left, what follows from them to the right, an arrow from each cause to its effect.
pub fn svg(findings: &[Finding]) -> String {
    let mut nodes: Vec<Node<'_>> = Vec::new();
    let mut rows = 0;
    for root in forest(findings) {
        place(&root, 0, &mut rows, &mut nodes);
    }
    let columns = nodes.iter().map(|node| node.column + 1).max().unwrap_or(1);
    let width = 2 * MARGIN + columns * BOX_WIDTH + (columns - 1) * GAP_X;
    let height =
        2 * MARGIN + rows.max(1) * (BOX_HEIGHT + GAP_Y) - GAP_Y + if nodes.is_empty() { 0 } else { 20 };
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
         font-family=\"system-ui, sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
         <defs><marker id=\"a\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" orient=\"auto\">\
         <path d=\"M0 0L8 4L0 8z\" fill=\"#777\"/></marker></defs>\n"
    );
    for node in &nodes {
        for cause in nodes.iter().filter(|other| node.finding.because_of.contains(&other.finding.id)) {
            let (x1, y1) = (left(cause.column) + BOX_WIDTH, top(cause.row) + BOX_HEIGHT / 2);
            let (x2, y2) = (left(node.column), top(node.row) + BOX_HEIGHT / 2);
            let middle = x1.midpoint(x2);
            let _ = writeln!(
                out,
                "<path d=\"M{x1} {y1}C{middle} {y1} {middle} {y2} {x2} {y2}\" fill=\"none\" stroke=\"#777\" marker-end=\"url(#a)\"/>"
            );
        }
    }
    for node in &nodes {
        draw(&mut out, node);
    }
    if nodes.is_empty() {
        let _ = writeln!(
            out,
            "<text x=\"{MARGIN}\" y=\"{}\" fill=\"#222\">Nothing wrong was found.</text>",
            MARGIN + 14
        );
    } else {
        let _ = writeln!(
            out,
            "<text x=\"{MARGIN}\" y=\"{}\" fill=\"#555\">{}</text>",
            height - MARGIN / 2,
            escape(&summary(findings, &[]))
        );
    }
    out.push_str("</svg>");
    out
}

/// Puts a branch into the rows from `rows` on: a cause stands beside its first effect. What has two causes is drawn once.
fn place<'f>(branch: &Branch<'f>, column: usize, rows: &mut usize, nodes: &mut Vec<Node<'f>>) {
    if let Some(known) = nodes.iter_mut().find(|node| node.finding.id == branch.finding.id) {
        known.column = known.column.max(column);
        return;
    }
    let row = *rows;
    nodes.push(Node { finding: branch.finding, column, row });
    for effect in &branch.effects {
        place(effect, column + 1, rows, nodes);
    }
    *rows = (*rows).max(row + 1);
}

fn left(column: usize) -> usize {
    MARGIN + column * (BOX_WIDTH + GAP_X)
}

fn top(row: usize) -> usize {
    MARGIN + row * (BOX_HEIGHT + GAP_Y)
}

fn draw(out: &mut String, node: &Node<'_>) {
    let finding = node.finding;
    let (fill, line) = match (finding.is_root(), finding.severity) {
        (true, Severity::Critical) => ("#fdecea", "#c62828"),
        (true, Severity::Warning) => ("#fff4e0", "#c77700"),
        (true, Severity::Notice) => ("#e8f1fb", "#2f6fb0"),
        (false, _) => ("#f5f5f5", "#999"),
    };
    let (x, y) = (left(node.column), top(node.row));
    let _ = writeln!(
        out,
        "<g><title>{}</title><rect x=\"{x}\" y=\"{y}\" width=\"{BOX_WIDTH}\" height=\"{BOX_HEIGHT}\" rx=\"6\" fill=\"{fill}\" stroke=\"{line}\"/>\
         <text x=\"{}\" y=\"{}\" font-weight=\"600\" fill=\"#222\">{}</text><text x=\"{}\" y=\"{}\" fill=\"#555\">{}</text></g>",
        escape(&finding.summary),
        x + 10,
        y + 19,
        escape(&shorten(&finding.resource.to_string(), 42)),
        x + 10,
        y + 36,
        escape(&shorten(&finding.code, 44)),
    );
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::{Evidence, FindingId, Fix, Resource};

    fn finding(id: &str, kind: &str, because_of: &[&str]) -> Finding {
        Finding {
            id: FindingId(id.into()),
            code: format!("{}_broken", kind.to_lowercase()),
            severity: Severity::Critical,
            confidence: Confidence::Certain,
            resource: Resource::namespaced(kind, "shop", "a<b"),
            container: None,
            seen_on: vec![],
            summary: Redacted::new(format!("{kind} is broken.")),
            evidence: vec![Evidence::new("event", "x & y")],
            fix: because_of.is_empty().then(|| Fix {
                summary: Redacted::new("Do it."),
                command: Redacted::new("kubectl x"),
                risk: None,
                patches: vec![],
            }),
            because_of: because_of.iter().map(|id| FindingId((*id).into())).collect(),
        }
    }

    fn chain() -> Vec<Finding> {
        vec![
            finding("f1", "Secret", &[]),
            finding("f2", "Deployment", &["f1"]),
            finding("f3", "Service", &["f2"]),
            finding("f4", "Ingress", &["f3"]),
        ]
    }

    #[test]
    fn a_chain_is_one_tree() {
        let expected = "\
critical Secret shop/a<b  f1 secret_broken
  Secret is broken.
  > x & y (event)
  fix: Do it.
    kubectl x
  └─ Deployment is broken.  f2 deployment_broken
     └─ Service is broken.  f3 service_broken
        └─ Ingress is broken.  f4 ingress_broken

1 critical cause; 3 symptoms follow from them.";
        assert_eq!(text(&chain(), &[], Ink(false)), expected);
    }

    #[test]
    fn nothing_wrong_says_so_in_every_form() {
        assert_eq!(text(&[], &[], Ink(true)), "Nothing wrong was found.");
        assert!(
            text(&[], &[Redacted::new("Secrets")], Ink(false))
                .starts_with("Nothing wrong was found in what could be read.")
        );
        assert_eq!(markdown(&[], &[]), "Nothing wrong was found.");
        assert!(svg(&[]).contains("Nothing wrong was found."));
    }

    #[test]
    fn the_picture_has_a_box_for_each_finding_and_an_arrow_for_each_link() {
        let mut all = chain();
        all.push(finding("f5", "Gateway", &["f2", "f3"]));
        let picture = svg(&all);
        assert_eq!(picture.matches("<title>").count(), 5);
        assert_eq!(picture.matches("marker-end").count(), 5);
        assert!(picture.contains("a&lt;b") && !picture.contains("a<b"));
    }

    #[test]
    fn what_a_cluster_wrote_acts_on_no_page() {
        let mut one = finding("f1", "Secret", &[]);
        one.summary = Redacted::new("</title><script>alert(1)</script>");
        assert!(!svg(&[one]).contains("<script"));
    }
}
