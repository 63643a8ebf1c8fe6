"""The solar system demo: Portcullis in front of a REST API, an HTTP API and a CloudFront distribution on this machine.

    python demo.py          starts everything, calls every route, stays up to be tried
    python demo.py --once   the same, but ends after the table: status 0 if every cell is right

ONCE=1 in the environment is the same as --once.
"""

import argparse
import os
import signal
import sys
import tempfile
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))

from localaws.processes import ComponentFailure  # noqa: E402
from localaws.solar_system import SolarSystem  # noqa: E402


# What API Gateway keeps the answers of a REST API's authorizer for where nothing else is set.
CACHE_SECONDS = 300


def main():
    parser = argparse.ArgumentParser(description="Runs the solar system example on this machine.")
    parser.add_argument("--once", action="store_true", help="end after the table; status 0 if every cell is right")
    once = parser.parse_args().once or os.environ.get("ONCE", "") not in ("", "0")

    # Being told to end is the same as Ctrl-C: what was started is stopped first. A shell that starts
    # this in the background tells it to ignore Ctrl-C, so that is set here too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="portcullis-demo-") as directory:
        system = None
        try:
            system = SolarSystem(directory, progress)
            progress("deploying the CloudFormation stacks")
            apis = system.deploy("solar-system")
            progress("packaging the function for CloudFront and starting it")
            edge = system.start_cloudfront("cloudfront", **system.edge_settings())
            progress("starting the app")
            app = system.start_app(apis)
            progress("calling every route")
            all_right = show_table(system, (apis.rest, apis.http, edge), rounds=1)
            if not all_right:
                show_logs(system, apis, edge)
            progress(f"deploying them again in OAuth mode, with answers cached for {CACHE_SECONDS} s")
            cached = system.deploy("solar-system-oauth", **system.oauth_parameters(CACHE_SECONDS))
            deciding = system.start_cloudfront("cloudfront-oauth", **system.edge_oauth_settings())
            progress("calling every route three times")
            if not show_table(system, (cached.rest, cached.http, deciding), rounds=3):
                all_right = False
                show_logs(system, cached, deciding)
            if not once:
                show_how_to_try(system, apis, edge, app)
                threading.Event().wait()
            return 0 if all_right else 1
        except ComponentFailure as failure:
            print(f"\n{failure}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print()
            return 130 if once else 0
        finally:
            if system is not None:
                progress("stopping everything")
                system.stop()


def progress(step):
    print(f"... {step}", flush=True)


def show_table(system, apis, rounds):
    """Calls every route as everyone, so many times, prints what came back, and says whether the policy agrees.

    A round goes through all routes before the next begins, so that a cached answer is used for other
    routes than the one that it was given for.
    """
    paths = [path for operation in system.policy.operations() for path in operation["paths"]]
    callers = system.callers()
    width = max(len(caller.name) for caller in callers)
    # The longest cell is `403, not 200`, with its mark.
    cell = max(16, *(len(path) + 6 for path in paths))

    all_right = True
    notes = set()
    for api in apis:
        print(f"\n{api.name}  {api.url}")
        print(("  " + " " * width + "".join(f"  {f'GET {path}':<{cell}}" for path in paths)).rstrip())
        for caller in callers:
            row = f"  {caller.name:<{width}}"
            answers = [[api.call(path, caller.headers).status for path in paths] for _ in range(rounds)]
            for path, *came in zip(paths, *answers):
                expected, note = api.expected(system.policy, path, caller)
                got = next((status for status in came if status != expected), expected)
                right = got == expected
                all_right = all_right and right
                if right and note:
                    notes.add(note)
                text = f"\N{CHECK MARK} {got}{'*' if note else ''}" if right else f"\N{BALLOT X} {got}, not {expected}"
                row += f"  {text:<{cell}}"
            print(row.rstrip(), flush=True)
    print()
    for note in sorted(notes):
        print(f"* {note}")
    verdict = "Every answer is what the policy says." if all_right else "Some answers are not what the policy says."
    print(f"{verdict} ({system.policy.file.name}: {len(paths)} operations)\n")
    return all_right


def show_logs(system, apis, edge):
    """The end of every log that can explain a wrong cell."""
    for name, tail in {
        "the authorizer": "\n".join(system.aws.log_lines(apis.authorizer_log_group)[-30:]),
        "CloudFront": edge.log_tail(),
        "the decision service": system.decision_service.process.log_tail(),
    }.items():
        print(f"--- end of the log of {name} ---\n{tail}", file=sys.stderr)


def show_how_to_try(system, apis, edge, app):
    server = system.authorization_server
    gold = server.clients["gold"]
    form = " ".join(
        f"-d {name}='{value}'"
        for name, value in {
            "grant_type": "client_credentials",
            "resource": server.resource,
            "scope": " ".join(gold["scopes"]),
        }.items()
    )
    print(f"REST API              {apis.rest.url}")
    print(f"HTTP API              {apis.http.url}")
    print(f"CloudFront            {edge.url}")
    print(f"decision service      {system.decision_service.url}")
    print(f"authorization server  {server.issuer}")
    print(f"policy, edit to try   {system.policy.file}")
    print(f"\nOpen the app in a browser: {app.url}")
    for name, user in server.users.items():
        print(f"  sign in as {name:<8}password {user['password']}")
    print("\nGet a token as gold, then ask for the moons:\n")
    print(
        f"  TOKEN=$(curl -s -u gold:{gold['secret']} {form} {server.token_endpoint}"
        " | sed 's/.*\"access_token\":\"\\([^\"]*\\)\".*/\\1/')"
    )
    print(f'  curl -i -H "Authorization: Bearer $TOKEN" {apis.rest.url}/moons')
    print("\nCtrl-C stops everything.", flush=True)


if __name__ == "__main__":
    sys.exit(main())
