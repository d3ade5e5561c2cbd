//! A deterministic backend for tests and benchmarks.
