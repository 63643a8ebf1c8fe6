"""What the commands of one page find: a directory, an issuer, a free port for 8080, a local AWS.

A page names things as its reader has them, such as `https://idp.example.com`. Here such a name stands for something
that runs on loopback: it is replaced in commands and in the files of the page, and put back in what commands print.
"""

import os
import shutil
import sys
from pathlib import Path

from local_issuer import LocalIssuer
from localaws import paths
from localaws.ministack import REGION
from localaws.processes import free_port, plain_environment
from pages import ROOT

SOLAR_SYSTEM_AUDIENCE = "https://solar-system.example"


class World:
    """Everything around the commands of one page."""

    def __init__(self, directory, aws):
        self.directory = Path(directory) / "work"
        self.directory.mkdir()
        self.logs = Path(directory) / "logs"
        self.logs.mkdir()
        self._aws = aws
        self.issuer = LocalIssuer("https://api.example.com")
        # What a setup wants done in the shell before the commands of the page.
        self.before = ""
        # What somebody else does before the block that has this text, as a function of the world and the shell.
        self.between = {}
        port, tls_port, metrics_port = (str(free_port()) for _ in range(3))
        self.stands_for = {
            "https://idp.example.com": self.issuer.url,
            "https://pdp.example.com": f"http://127.0.0.1:{port}",
            "127.0.0.1:8080": f"127.0.0.1:{port}",
            "0.0.0.0:8080": f"127.0.0.1:{port}",
            "0.0.0.0:8443": f"127.0.0.1:{tls_port}",
            "127.0.0.1:8443": f"127.0.0.1:{tls_port}",
            "0.0.0.0:9090": f"127.0.0.1:{metrics_port}",
            "127.0.0.1:9090": f"127.0.0.1:{metrics_port}",
        }
        path = os.pathsep.join([str(paths.BINARIES), str(Path(sys.executable).parent), os.environ["PATH"]])
        self.environment = plain_environment(
            PATH=path,
            HOME=str(self.directory),
            USER="carol",
            BOOK_PORT=port,
            BOOK_TLS_PORT=tls_port,
            BOOK_LOGS=str(self.logs),
            BOOK_REPOSITORY=str(ROOT),
        )

    def solar_system(self, name="policy"):
        """A copy of the policy of the example, whose issuer is the one here."""
        target = self.directory / name
        shutil.copytree(paths.SOLAR_SYSTEM / "policy", target)
        file = target / "services" / "solar-system.yaml"
        file.write_text(file.read_text().replace("https://authorization-server.example", self.issuer.url))

    def token(self, **claims):
        """An access token of the issuer, for the API of the pages unless `aud` says otherwise."""
        return self.issuer.token(**claims)

    def write(self, name, text):
        """A file in the directory in which the commands run."""
        file = self.directory / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(self.here(text))

    def local_aws(self):
        """Makes `aws` and `portcullis aws` speak to the local AWS, and answers with it."""
        aws = self._aws()
        self.environment |= {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{aws.port}",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_PAGER": "",
            # `aws cloudformation deploy` looks at the stack every 5 or 30 seconds.
            "PYTHONPATH": str(Path(__file__).parent / "impatient"),
        }
        return aws

    def here(self, text):
        """What a page says, as it is here."""
        for name, real in self.stands_for.items():
            text = text.replace(name, real)
        return text

    def there(self, text):
        """What a command printed here, as a reader would see it."""
        for name, real in self.stands_for.items():
            text = text.replace(real, name)
        return text

    def stop(self):
        self.issuer.stop()
