//! `kubectl`: the dialect that the models use, for people. Says and exits as kubectl does.

use std::{io::Write, process::ExitCode};

use super::printed;
use crate::{
    app::{Problem, connect},
    cluster::kubectl::{Output, parse},
    config::Config,
    redact::Redacted,
};

/// Runs one command, given in words.
pub(super) async fn run(config: &Config, words: &[String]) -> Result<ExitCode, Problem> {
    let output = match parse(&line(words)) {
        Ok(command) => connect(config).await?.kubectl(&command).await,
        Err(refusal) => {
            let stderr = Redacted::new(format!("error: {}\n", refusal.sentence()));
            Output { stderr, code: 1, ..Output::default() }
        }
    };
    printed(write!(std::io::stderr(), "{}", output.stderr))?;
    printed(write!(std::io::stdout(), "{}", output.stdout))?;
    Ok(ExitCode::from(u8::try_from(output.code).unwrap_or(1)))
}

/// The words as the line that gives them: a shell has split them already.
fn line(words: &[String]) -> String {
    let quoted = words.iter().map(|word| format!("'{}'", word.replace('\'', r"'\''")));
    quoted.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn words_stay_what_they_are() {
        let words = ["get", "pods", "-o", r#"jsonpath={.items[?(@.a=='b c')]}{"\n"}"#, "", "$x;|"];
        let words: Vec<String> = words.map(str::to_owned).to_vec();
        assert_eq!(
            line(&words),
            r#"'get' 'pods' '-o' 'jsonpath={.items[?(@.a=='\''b c'\'')]}{"\n"}' '' '$x;|'"#
        );
    }
}
