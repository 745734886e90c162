//! How a look grows, as an SVG with two logarithmic axes.

use std::fmt::Write;

/// What was measured at one size: milliseconds, and megabytes.
pub struct Point {
    pub pods: f64,
    pub look: f64,
    pub analyzers: f64,
    pub memory: f64,
    pub namespace: f64,
}

/// Its name, its colour and its values.
type Series<'a> = (&'a str, &'a str, fn(&Point) -> f64);

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 400.0;
/// Left, right, top and bottom of the plot within the picture.
const FRAME: (f64, f64, f64, f64) = (64.0, 500.0, 24.0, 340.0);
/// The decades of the axes: pods, and milliseconds or megabytes.
const ACROSS: (f64, f64) = (2.5, 5.0);
const UP: (f64, f64) = (0.0, 5.0);

fn x(pods: f64) -> f64 {
    FRAME.0 + (pods.log10() - ACROSS.0) / (ACROSS.1 - ACROSS.0) * (FRAME.1 - FRAME.0)
}

fn y(value: f64) -> f64 {
    FRAME.3 - (value.max(1.0).log10() - UP.0) / (UP.1 - UP.0) * (FRAME.3 - FRAME.2)
}

/// The picture.
pub fn svg(points: &[Point]) -> String {
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
         font-size=\"13\">\n<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#fff\"/>\n"
    );
    for (value, label) in
        [(1.0, "1"), (10.0, "10"), (100.0, "100"), (1e3, "1,000"), (1e4, "10,000"), (1e5, "100,000")]
    {
        let at = y(value);
        let _ = writeln!(out, "<path d=\"M{} {at:.1}H{}\" stroke=\"#ddd\"/>", FRAME.0, FRAME.1);
        let _ = writeln!(
            out,
            "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"#555\">{label}</text>",
            FRAME.0 - 8.0,
            at + 4.0
        );
    }
    for point in points {
        let at = x(point.pods);
        let _ = writeln!(out, "<path d=\"M{at:.1} {}V{}\" stroke=\"#eee\"/>", FRAME.2, FRAME.3);
        let _ = writeln!(
            out,
            "<text x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\" fill=\"#555\">{}</text>",
            FRAME.3 + 20.0,
            point.pods
        );
    }
    let middle = f64::midpoint(FRAME.0, FRAME.1);
    let _ = writeln!(
        out,
        "<text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\" fill=\"#333\">pods (with four events each)</text>",
        FRAME.3 + 44.0
    );
    let series: [Series<'_>; 4] = [
        ("look, ms", "#2458c5", |point| point.look),
        ("analyzers, ms", "#c2571a", |point| point.analyzers),
        ("peak memory, MB", "#3a8a3f", |point| point.memory),
        ("one namespace, ms", "#7b3fa0", |point| point.namespace),
    ];
    for (_, colour, value) in series {
        line(&mut out, points, colour, value);
    }
    labels(&mut out, points, &series);
    out.push_str("</svg>\n");
    out
}

fn line(out: &mut String, points: &[Point], colour: &str, value: fn(&Point) -> f64) {
    let path: Vec<String> =
        points.iter().map(|point| format!("{:.1} {:.1}", x(point.pods), y(value(point)))).collect();
    let _ = writeln!(
        out,
        "<path d=\"M{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
        path.join("L")
    );
    for point in points {
        let _ = writeln!(
            out,
            "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"3\" fill=\"{colour}\"/>",
            x(point.pods),
            y(value(point))
        );
    }
}

/// The names at the lines' ends, apart from each other.
fn labels(out: &mut String, points: &[Point], series: &[Series<'_>]) {
    let Some(last) = points.last() else { return };
    let mut ends: Vec<(f64, &str, &str)> =
        series.iter().map(|(name, colour, value)| (y(value(last)) + 4.0, *name, *colour)).collect();
    ends.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut above = f64::MIN;
    for (end, name, colour) in ends {
        above = end.max(above + 16.0);
        let _ = writeln!(
            out,
            "<text x=\"{:.1}\" y=\"{above:.1}\" fill=\"{colour}\">{name}</text>",
            x(last.pods) + 10.0
        );
    }
}
