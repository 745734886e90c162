//! Any line: reading it does not panic, and running what is accepted sends nothing but reads.
//! `cargo +nightly fuzz run kubectl`, or on a stable toolchain `cargo fuzz run --sanitizer none kubectl`.
#![no_main]

#[path = "../../tests/it/support/only_reads.rs"]
mod only_reads;

use std::sync::LazyLock;

use kubertnetes::cluster::kubectl::parse;
use libfuzzer_sys::fuzz_target;
use only_reads::{Watched, offence};
use tokio::runtime::{Builder, Runtime};

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Builder::new_current_thread().enable_all().build().unwrap());
static WATCHED: LazyLock<Watched> = LazyLock::new(Watched::new);

fuzz_target!(|line: &str| {
    match parse(line) {
        Err(refusal) => assert!(!refusal.to_string().contains('\n'), "{refusal}"),
        Ok(command) => {
            let (_, asked) = RUNTIME.block_on(WATCHED.run(&command));
            for (method, uri) in asked {
                assert_eq!(offence(&method, &uri), None, "{line}");
            }
        }
    }
});
