//! The kubectl dialect.
mod command;
mod parse;
mod print;
pub use command::Command;
pub use parse::{Refusal, parse};
