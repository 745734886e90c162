//! Objects as text, in the forms that kubectl prints. Pure; knows no cluster and no command.

pub(super) mod age;
pub(super) mod columns;
pub(super) mod json;
pub(super) mod jsonpath;
mod jsonpath_eval;
pub(super) mod quantity;
pub(super) mod sort;
pub(super) mod tab;
pub(super) mod yaml;
mod yaml_scalar;
