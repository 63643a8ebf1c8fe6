"""What makes a release: docs/releases.md says what is in one. `make dist` and `make dist-check` call it."""
