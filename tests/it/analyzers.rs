//! Tests of the room `analyzers`.
