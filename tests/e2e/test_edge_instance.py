"""Does the stand-in for CloudFront of tests/edge run functions as Lambda does, and fail as it does?"""

import json
import re
import subprocess
import zipfile
from concurrent.futures import ThreadPoolExecutor

import pytest

from edge_runner import ALLOW, EVENTS, HANDLER, RUNNER, refused, write_package


@pytest.fixture(autouse=True)
def nothing_left(origin):
    yield
    origin.calls.clear()


def test_handlers_with_a_callback_are_answered_when_nothing_is_left_to_wait_for(serve):
    served = serve(
        """exports.handler = (event, context, callback) => {
          let waited = false;
          setTimeout(() => { waited = true; }, 50);
          context.callbackWaitsForEmptyEventLoop = event.Records[0].cf.request.uri === '/later';
          callback(null, { status: '200', get body() { return String(waited); } });
        };"""
    )
    assert served.call("/at-once").body == b"false"
    assert served.call("/later").body == b"true"


def test_an_error_given_to_the_callback_is_an_error(serve):
    served = serve("exports.handler = (event, context, callback) => callback(new Error('no'));")
    assert refused(served.call()) == (503, "function-error")


def test_a_handler_that_never_answers_and_waits_for_nothing_answers_null(serve):
    assert refused(serve("exports.handler = () => new Promise(() => {});").call()) == (502, "result-not-an-object")


FAILURES = {
    "throw new Error('no')": "function-error",
    "throw 'no'": "function-error",
    "return Promise.reject(new Error('no'))": "function-error",
    "return { status: '200', body: 1n }": "function-error",
    "return { status: '200', body: 'a'.repeat(6 * 1024 * 1024) }": "function-error",
    "process.exit(0)": "function-crashed",
    "process.kill(process.pid, 'SIGKILL'); return new Promise((resolve) => setTimeout(resolve, 60_000))": "function-crashed",
    "setTimeout(() => { throw new Error('no'); }); return new Promise((resolve) => setTimeout(resolve, 60_000))": "function-crashed",
    "Promise.reject(new Error('no')); return new Promise((resolve) => setTimeout(resolve, 60_000))": "function-crashed",
    "const all = []; for (;;) all.push(Buffer.alloc(1024 * 1024, 1))": "out-of-memory",
    "const all = []; for (;;) all.push({ text: [all.length] })": "out-of-memory",
    "Buffer.alloc(120 * 1024 * 1024, 1); return { status: '200' }": "out-of-memory",
}


@pytest.fixture(scope="module")
def failing(serve):
    functions = ",\n".join(f"() => {{ {code} }}" for code in FAILURES)
    return serve(
        f"""const failures = [{functions}];
        let calls = 0;
        exports.handler = async (event) => {{
          calls += 1;
          const {{ uri }} = event.Records[0].cf.request;
          return uri === '/calls' ? {{ status: '200', body: String(calls) }} : failures[Number(uri.slice(1))]();
        }};""",
        "--timeout=30",
    )


@pytest.mark.parametrize("code", FAILURES)
def test_a_failure_is_503_and_the_next_request_gets_a_new_instance(failing, origin, code):
    failing.call("/calls")
    answer = failing.call(f"/{list(FAILURES).index(code)}")
    assert refused(answer) == (503, FAILURES[code])
    assert answer.header("x-cache") == "LambdaExecutionError from cloudfront"
    assert failing.call("/calls").body == b"1"
    assert failing.call("/calls").body == b"2"
    assert origin.calls == []


def test_an_instance_whose_handler_threw_can_be_kept(serve):
    source = """let calls = 0;
    exports.handler = async (event) => {
      calls += 1;
      if (event.Records[0].cf.request.uri === '/throw') throw new Error('no');
      return { status: '200', body: String(calls) };
    };"""
    served = serve(source, "--keep-after-error")
    assert refused(served.call("/throw")) == (503, "function-error")
    assert served.call("/").body == b"2"


@pytest.mark.parametrize("code", ["return new Promise((resolve) => setTimeout(resolve, 60_000));", "for (;;);"])
def test_a_handler_that_hangs_is_503_after_the_time_it_has(serve, code):
    served = serve(f"exports.handler = async () => {{ {code} }};", "--timeout=0.2")
    answer = served.call()
    assert refused(answer) == (503, "function-timeout")
    assert answer.header("x-cache") == "LambdaLimitExceeded from cloudfront"


@pytest.mark.parametrize("source", ["throw new Error('no');", "exports.other = 1;", "this is no JavaScript"])
def test_code_that_cannot_be_loaded_is_503(serve, source):
    assert refused(serve(source).call()) == (503, "initialization-error")


def at_the_same_time(*calls):
    """What several calls return, which are made without waiting for one another."""
    with ThreadPoolExecutor(len(calls)) as threads:
        return [made.result() for made in [threads.submit(call) for call in calls]]


def test_an_instance_has_one_event_at_a_time_and_the_others_wait(serve):
    served = serve(
        """let running = 0;
        exports.handler = async () => {
          running += 1;
          await new Promise((resolve) => setTimeout(resolve, 50));
          const body = `${running} ${process.pid}`;
          running -= 1;
          return { status: '200', body };
        };"""
    )
    bodies = [answer.body.split() for answer in at_the_same_time(*[served.call] * 4)]
    assert [running for running, _ in bodies] == [b"1"] * 4
    assert len({process for _, process in bodies}) == 1


def test_there_are_as_many_instances_as_allowed(serve, tmp_path):
    served = serve(
        """const fs = require('node:fs');
        exports.handler = async (event) => {
          const directory = event.Records[0].cf.request.uri;
          fs.writeFileSync(`${directory}/${process.pid}`, '');
          // Each waits for the other, so neither answers unless both run.
          while (fs.readdirSync(directory).length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
          return { status: '200' };
        };""",
        "--concurrency=2",
        "--timeout=20",
    )
    answers = at_the_same_time(*[lambda: served.call(str(tmp_path))] * 2)
    assert [answer.status for answer in answers] == [200, 200]


def test_the_function_has_the_variables_of_the_edge_and_no_others(serve):
    source = "exports.handler = async () => ({ status: '200', body: JSON.stringify(process.env) });"
    secrets = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "PORTCULLIS_MODE": "x", "NODE_OPTIONS": ""}
    variables = serve(source, environment=secrets).call().json()
    assert variables["AWS_LAMBDA_FUNCTION_NAME"] == "us-east-1.portcullis-edge"
    assert (variables["AWS_REGION"], variables["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"], variables["TZ"]) == ("us-east-1", "128", ":UTC")
    assert not {"HOME", *secrets} & variables.keys()
    passed = serve(source, "--credentials-from-env", "--region=eu-central-1", environment=secrets).call().json()
    assert (passed["AWS_ACCESS_KEY_ID"], passed["AWS_SECRET_ACCESS_KEY"]) == ("key", "secret")
    assert passed["AWS_REGION"] == "eu-central-1"
    assert "PORTCULLIS_MODE" not in passed
    assert "AWS_ENDPOINT_URL" not in passed
    elsewhere = serve(source, "--aws-endpoint=http://127.0.0.1:4566").call().json()
    assert elsewhere["AWS_ENDPOINT_URL"] == "http://127.0.0.1:4566"


def test_one_line_of_json_for_each_request(serve):
    served = serve(
        """console.log('loaded');
        exports.handler = async (event) => {
          const { request } = event.Records[0].cf;
          console.warn('seen %s', request.uri);
          process.stdout.write('plain\\n');
          if (request.uri === '/error') throw new TypeError('no');
          return request.uri === '/bad' ? 1 : { status: '403' };
        };"""
    )
    for path in ("/deny", "/bad", "/error"):
        served.call(path)
    served.send(b"TRACE / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n")
    deny, bad, error, trace = served.records(4)
    assert [(record["status"], record["outcome"], record["rule"]) for record in (deny, bad, error, trace)] == [
        (403, "generated", None),
        (502, "invalid", "result-not-an-object"),
        (503, "error", "function-error"),
        (403, "refused", "request-method"),
    ]
    assert deny["initMs"] >= deny["loadMs"] > 0
    assert bad["initMs"] is bad["loadMs"] is None
    assert 20 < deny["memory"] <= 128
    assert deny["durationMs"] <= deny["totalMs"]
    assert error["error"]["type"] == "TypeError"
    loaded, seen, plain = deny["log"]
    assert re.fullmatch(r"\S+Z\t\tINFO\tloaded", loaded)
    assert re.fullmatch(r"\S+Z\t[0-9a-f-]{36}\tWARN\tseen /deny", seen)
    assert plain == "plain"
    assert len({record["requestId"] for record in (deny, bad, error, trace)}) == 4


def test_an_instance_can_be_used_alone(tmp_path):
    program = """const { Instance } = require('./instance.js');
    const instance = new Instance({ root: process.argv[1], timeoutSeconds: 2 });
    const event = { Records: [{ cf: { request: { uri: '/' } } }] };
    (async () => {
      const runs = [await instance.invoke(event), await instance.invoke(event)];
      instance.stop();
      console.log(JSON.stringify([instance.usable, ...runs]));
    })();"""
    package = write_package(tmp_path, ALLOW)
    result = subprocess.run(["node", "-e", program, package], cwd=RUNNER, check=True, capture_output=True, timeout=60)
    usable, cold, warm = json.loads(result.stdout)
    assert not usable
    assert cold["outcome"] == warm["outcome"] == "returned"
    assert warm["result"] == {"uri": "/"}
    assert cold["initMs"] > 0
    assert warm["initMs"] is None


# --- packages and single events ---


REDIRECT = "exports.handler = async () => ({status: '302', headers: {location: [{value: '/login'}]}});"


def zipped(path, method, mode=0o644, name=HANDLER, source=REDIRECT):
    with zipfile.ZipFile(path, "w", method) as archive:
        entry = zipfile.ZipInfo(name)
        entry.compress_type = method
        entry.external_attr = mode << 16
        archive.writestr(entry, source)
    return path


def run(*options, text=None):
    return subprocess.run(
        ["node", RUNNER / "runner.js", *map(str, options)], input=text, capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_zip_is_unpacked_and_cleared_away(serve, tmp_path, method):
    unpacked = tmp_path / "unpacked"
    unpacked.mkdir()
    archive = zipped(tmp_path / "edge.zip", method)
    served = serve(archive, "--json-log", environment={"TMPDIR": str(unpacked)})
    assert served.call().status == 302
    assert [path.name for path in unpacked.glob("*/aws-lambda-authorizer")] == ["aws-lambda-authorizer"]
    served.process.stop()
    assert list(unpacked.iterdir()) == []


@pytest.mark.parametrize(
    ("handler", "status"), [("a/b.run", 0), ("a/waits.run", 0), ("a/c.of.exports", 0), ("a/missing.run", 2), ("a/b.no", 2)]
)
def test_modules_of_every_kind_and_other_handlers_are_loaded(tmp_path, handler, status):
    others = {
        "a/b.mjs": "export const run = async () => ({ status: '200' });",
        "a/waits.mjs": "export const run = await Promise.resolve(async () => ({ status: '200' }));",
        "a/c.cjs": "exports.of = { exports: async () => ({ status: '200' }) };",
    }
    package = write_package(tmp_path, "", **others)
    event = EVENTS / "cloudfront_viewer_request.awsdocs.json"
    assert run(f"--package={package}", f"--handler={handler}", f"--event={event}").returncode == status


@pytest.mark.parametrize(
    ("problem", "options"),
    [
        ("leads out of the package", {"name": "../out.js"}),
        ("leads out of the package", {"name": "/out.js"}),
        ("symbolic link", {"mode": 0o120777}),
        ("cannot read it", {"mode": 0o100600}),
        ("method 12", {"method": zipfile.ZIP_BZIP2}),
    ],
)
def test_zips_that_lambda_would_not_run_are_refused(tmp_path, problem, options):
    archive = zipped(tmp_path / "edge.zip", **{"method": zipfile.ZIP_STORED, **options})
    result = run(f"--package={archive}", "--origin=http://127.0.0.1:1")
    assert (result.returncode, result.stdout) == (2, "")
    assert problem in result.stderr


def test_a_damaged_zip_is_refused(tmp_path):
    archive = zipped(tmp_path / "edge.zip", zipfile.ZIP_STORED)
    content = archive.read_bytes()
    archive.write_bytes(content.replace(b"302", b"200"))
    assert "does not hold the bytes" in run(f"--package={archive}", "--origin=http://127.0.0.1:1").stderr
    archive.write_bytes(content[:-30])
    assert "no zip" in run(f"--package={archive}", "--origin=http://127.0.0.1:1").stderr


RECORDED = sorted(path.name for path in EVENTS.glob("cloudfront_*.json") if "response" not in path.name)


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_events_are_given_to_the_function(tmp_path, name):
    result = run(f"--package={write_package(tmp_path, ALLOW)}", f"--event={EVENTS / name}")
    verdict = json.loads(result.stdout)
    recorded = json.loads((EVENTS / name).read_text())["Records"][0]["cf"]["request"]
    assert verdict["result"] == recorded
    # The placeholders that sam fills in are no path.
    valid = recorded["uri"].startswith("/")
    assert (result.returncode, verdict["outcome"]) == ((0, "request") if valid else (1, "invalid"))


@pytest.mark.parametrize(
    ("source", "status", "outcome", "rule"),
    [
        (REDIRECT, 0, "response", None),
        ("exports.handler = async () => ({ status: 302 });", 1, "invalid", "status-not-a-string"),
        ("exports.handler = async () => { throw new Error('no'); };", 2, "error", "function-error"),
        ("exports.handler = async () => { for (;;); };", 2, "timeout", "function-timeout"),
    ],
)
def test_one_event_from_the_standard_input(tmp_path, source, status, outcome, rule):
    event = (EVENTS / "cloudfront_viewer_request.awsdocs.json").read_text()
    result = run(f"--package={write_package(tmp_path, source)}", "--event=-", "--timeout=1", text=event)
    verdict = json.loads(result.stdout)
    assert (result.returncode, verdict["outcome"], verdict["rule"]) == (status, outcome, rule)


def test_the_first_line_can_be_json_and_tells_the_size_of_the_zip(tmp_path):
    archive = zipped(tmp_path / "edge.zip", zipfile.ZIP_STORED)
    command = ["node", RUNNER / "runner.js", f"--package={archive}", "--origin=http://127.0.0.1:1", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as runner:
        try:
            ready = json.loads(runner.stdout.readline())
        finally:
            runner.terminate()
    assert runner.returncode == 0
    assert ready == {
        "listening": f"http://127.0.0.1:{ready['port']}",
        "port": ready["port"],
        "packageBytes": archive.stat().st_size,
    }


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--package=/nowhere", "--origin=http://127.0.0.1:1"],
        ["--package=.", "--origin=ftp://127.0.0.1"],
        ["--package=.", "--origin=http://127.0.0.1:1", "--event=-"],
        ["--package=.", "--origin=http://127.0.0.1:1", "--memory=1"],
        ["--package=.", "--origin=http://127.0.0.1:1", "--unknown"],
        ["--package=.", "--event=/nowhere"],
    ],
)
def test_wrong_options_are_said_to_be_wrong(options):
    result = run(*options)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("runner: ")


def test_the_help_has_examples():
    result = run("--help")
    assert result.returncode == 0
    assert "Examples\n  node tests/edge/runner.js --package edge.zip --origin" in result.stdout
