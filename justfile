# Shortcuts; nothing here that the commands themselves would not do.

# Chat with the practice cluster
chat *ARGS:
    cargo run --release -- {{ARGS}}

# Everything that has to pass
test *ARGS:
    ./test.sh {{ARGS}}

# What takes seconds, while working
check:
    cargo fmt --check
    cargo clippy --all-targets -- -D warnings

# The figures of the README
bench:
    cargo bench --bench spine
    cargo bench --bench cluster -- plot

# What is shipped
dist:
    cargo build --profile dist --locked
