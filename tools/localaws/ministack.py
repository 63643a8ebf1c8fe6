"""AWS on this machine: MiniStack, with Lambda functions as local processes."""

import sys
from pathlib import Path

import boto3
from botocore.config import Config

from .calls import Endpoint
from .processes import Process, free_port, plain_environment

REGION = "us-east-1"
# With a name below localhost every API gets a host name that curl and browsers resolve to loopback.
HOST = "localhost"


class MiniStack:
    def __init__(self, directory):
        scratch = Path(directory) / "ministack"
        scratch.mkdir()
        self.port = free_port()
        self.process = Process(
            "MiniStack",
            [sys.executable, "-m", "ministack.app"],
            directory,
            plain_environment(
                GATEWAY_PORT=str(self.port),
                BIND_HOST="127.0.0.1",
                MINISTACK_HOST=HOST,
                MINISTACK_REGION=REGION,
                LAMBDA_EXECUTOR="local",
                # Listeners that nothing here needs; the MQTT one would be open to the network.
                IOT_MTLS_ENABLED="0",
                SFTP_ENABLED="0",
                # Where it unpacks functions and keeps its process id.
                TMPDIR=str(scratch),
                PYTHONDONTWRITEBYTECODE="1",
            ),
        )
        self.endpoint = Endpoint(self.port)
        self.process.wait_until(self._is_ready, seconds=60)

    def _is_ready(self):
        try:
            return self.endpoint.call("/_ministack/health", timeout=2).status == 200
        except OSError:
            return False

    def client(self, service, region=REGION):
        """A boto3 client for one AWS service here."""
        return boto3.client(
            service,
            endpoint_url=f"http://127.0.0.1:{self.port}",
            region_name=region,
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}),
        )

    def api(self, api_id, stage=None):
        """Where an API answers. The $default stage of an HTTP API has no path prefix."""
        prefix = f"/{stage}" if stage else ""
        return Endpoint(self.port, f"{api_id}.execute-api.{HOST}", prefix)

    def log_lines(self, log_group):
        """What a function wrote to its log group so far, oldest first."""
        pages = self.client("logs").get_paginator("filter_log_events").paginate(logGroupName=log_group)
        events = [event for page in pages for event in page["events"]]
        events.sort(key=lambda event: event["timestamp"])
        return [event["message"] for event in events]

    def stop(self):
        self.process.stop()
