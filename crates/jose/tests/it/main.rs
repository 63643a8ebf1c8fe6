//! One binary for all integration tests: outside vectors, known attacks, properties.
