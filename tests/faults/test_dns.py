"""The name of the decision service cannot be resolved for a while.

The authorizers run with a resolver of their own, in a mount namespace: a DNS server of this test, which fails in every way
that one can. Connections that are open go on without DNS, so they are cut at the same time.
"""

import shlex

import pytest
import trustme

import checker
import dns_server
from dns_server import DnsServer
from namespaces import needs_mounts, with_mounts
from tcp_proxy import TcpProxy

# A handshake of TLS takes some milliseconds; this is for a machine that is busy.
SETTLED_SECONDS = 0.3
# On a busy machine, gateways that never rest make decisions faster than they are written, and memory grows with what waits.
PAUSE_SECONDS = 0.005
NAME = "decisions.faults.example"
FAILURES = {
    "no such name": dns_server.NAME_ERROR,
    "server failure": dns_server.SERVER_FAILURE,
    "refused": dns_server.REFUSED,
    "no answer": dns_server.SILENT,
}


@pytest.fixture
def resolver(tmp_path):
    """A DNS server, and a command that runs others with it as the only one."""
    needs_mounts()
    server = DnsServer()
    files = {
        "/etc/resolv.conf": f"nameserver {server.address}\noptions timeout:1 attempts:1\n",
        "/etc/nsswitch.conf": "hosts: files dns\n",
    }
    mounts = []
    for path, text in files.items():
        mine = tmp_path / path.replace("/", "-")
        mine.write_text(text)
        mounts.append(f"mount --bind {shlex.quote(str(mine))} {path}")
    yield server, with_mounts("; ".join([*mounts, 'exec "$0"']))
    server.stop()


def test_the_name_cannot_be_resolved_and_can_again(stage, seconds, resolver):
    server, run_by = resolver
    authority = trustme.CA()
    service = stage.serve()
    # Only TLS goes to hosts that have a name.
    proxy = stage.closing(TcpProxy(service.endpoint.port, authority.issue_cert(NAME)))
    scene = stage.scene(
        service, authorizers=3, pause=PAUSE_SECONDS, url=f"https://{NAME}:{proxy.port}", run_by=run_by,
        PORTCULLIS_ROOT_CA=authority.cert_pem.bytes().decode(),
    )
    outages = {}
    with scene.running() as load:
        load.before(seconds.before)
        assert server.asked > 0, "nobody asked the DNS server of this test"
        server.code = next(iter(FAILURES.values()))
        cut_off(load, proxy)
        for name, code in FAILURES.items():
            server.code = code
            outages[name] = outage(load, server, proxy, seconds.fault / len(FAILURES))
        server.code = dns_server.NO_ERROR
        load.recovered()
        load.after()
    scene.check(unhurt=["gateway"])
    authorizers = [client.name for client in scene.clients if client.name.startswith("authorizer")]
    for name, (lines, questions, connections) in outages.items():
        asked = (line for line in lines if line.client in authorizers)
        checker.check_nobody_was_decided_on(name, asked, authorizers, questions, connections)


def cut_off(load, proxy):
    """Ends the connections that are open, once those that were being opened when names could still be resolved are so, too."""
    load.turn()
    load.go_on(SETTLED_SECONDS)
    proxy.drop_connections()
    load.turn()


def outage(load, server, proxy, seconds):
    """Goes on for so long, and until everyone has tried. Returns what was asked and answered in that time, how often the
    name was asked for, and how many connections were opened."""
    asked, accepted, mark = server.asked, proxy.accepted, len(load.ledger.lines)
    load.go_on(seconds)
    load.turn(mark)
    lines = [line for line in load.ledger.lines[mark:] if line.reply]
    return lines, server.asked - asked, proxy.accepted - accepted
