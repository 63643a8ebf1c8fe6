"""Runs Portcullis against AWS on this machine: each module starts or drives one component.

The demo in examples/solar-system and the end-to-end tests in tests/e2e share it. Everything
listens on 127.0.0.1 and is stopped by the process id that it was started with.
"""
