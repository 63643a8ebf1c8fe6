"""Does the JavaScript of the edge function keep to its part, whatever the module, config.js or a server does?

The files of crates/edge/js run under Node.js as they are, beside a module that each test writes.
"""

import json
import shutil
import subprocess

import pytest

from localaws import paths

FILES = paths.REPOSITORY / "crates" / "edge" / "js"
# A module that answers each event with a deny at once.
DENIES = """
const host = require('./host.js');
exports.start = () => 2000;
exports.handle = (call) => host.answered(call, '{"status":"403"}');
"""


@pytest.fixture
def run(tmp_path):
    """Runs a script beside the files, and returns what it printed."""

    def run(script, module=DENIES, config="module.exports = {};", options=()):
        for file in FILES.iterdir():
            shutil.copy(file, tmp_path)
        (tmp_path / "portcullis_edge.js").write_text(module)
        if config is not None:
            (tmp_path / "config.js").write_text(config)
        (tmp_path / "test.js").write_text(f"(async () => {{\n{script}\n}})();")
        command = ["node", *options, "test.js"]
        ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    return run


def test_an_rsa_signature_is_as_long_as_its_key(run):
    """OpenSSL takes a PSS signature that lacks its leading zeros, so that a token could be written in two ways."""
    said = run(
        """
        const crypto = require('node:crypto');
        const host = require('./host-crypto.js');
        const { publicKey, privateKey } = crypto.generateKeyPairSync('rsa', { modulusLength: 2048 });
        const key = host.importKey('PS256', JSON.stringify(publicKey.export({ format: 'jwk' })));
        const sign = { key: privateKey, padding: crypto.constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 };
        const message = Buffer.from('message');
        let signature;
        do signature = crypto.sign('sha256', message, sign); while (signature[0] !== 0);
        console.log(JSON.stringify([signature, signature.subarray(1), Buffer.concat([Buffer.from([0]), signature])]
          .map((each) => host.verifySignature(key, message, each))));
        """
    )
    assert json.loads(said) == [True, False, False]


def test_only_the_algorithms_that_are_written_there_have_keys(run):
    said = run(
        """
        const { generateKeyPairSync } = require('node:crypto');
        const host = require('./host-crypto.js');
        const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
        const jwk = JSON.stringify(publicKey.export({ format: 'jwk' }));
        const names = ['RS256', 'HS256', 'none', 'constructor', 'toString', '__proto__'];
        console.log(JSON.stringify(names.map((name) => host.importKey(name, jwk) !== 0)));
        """
    )
    assert json.loads(said) == [True, False, False, False, False, False]


ANSWER = """
const { handler } = require('./aws-lambda-authorizer.js');
console.log(JSON.stringify({ answer: await handler({}) }));
"""


@pytest.mark.parametrize(
    "config",
    [
        "module.exports = {\n  SECRET_HEADER_VALUE: hunter2hunter2,\n};",
        "module.exports = {\n  SECRET_HEADER_VALUE: '' hunter2hunter2,\n};",
        "module.exports = {\n  SECRET_HEADER_VALUE: JSON.parse('hunter2hunter2'),\n};",
        "module.exports = {\n  ...{ get SECRET_HEADER_VALUE() { throw new Error('hunter2hunter2'); } },\n};",
    ],
)
def test_what_is_wrong_in_config_js_is_told_by_its_line_alone(run, config):
    *log, last = map(json.loads, run(ANSWER, config=config).splitlines())
    assert last["answer"]["status"] == "503"
    assert [line["detail"] for line in log] == ["config.js: no JavaScript that exports settings, see line 2"] * 2


def test_a_config_js_that_is_not_there_or_throws_anything_ends_in_an_answer(run):
    for config in [None, "throw 'hunter2hunter2';", "throw null;", "require('./hunter2hunter2');"]:
        *log, last = map(json.loads, run(ANSWER, config=config).splitlines())
        assert last["answer"]["status"] == "503"
        assert "hunter2" not in str(log)


def test_nothing_of_a_module_that_broke_is_kept(run):
    """Each holds megabytes, and an instance has 128 MB: what breaks a module must not end the instance."""
    said = run(
        """
        const { handler } = require('./aws-lambda-authorizer.js');
        const crypto = require('./host-crypto.js');
        for (let event = 0; event < 20; event += 1) await handler({});
        await new Promise(setImmediate);
        gc();
        const kept = global.modules.filter((module) => module.deref() !== undefined).length;
        const made = global.modules.length;
        console.log(JSON.stringify({ made, kept, oldKey: crypto.verifySignature(1, global.message, global.signature) }));
        """,
        module="""
        const { generateKeyPairSync, sign } = require('node:crypto');
        const host = require('./host.js');
        (global.modules ??= []).push(new WeakRef(exports));
        exports.start = () => {
          const { publicKey, privateKey } = generateKeyPairSync('ed25519');
          host.importKey('EdDSA', JSON.stringify(publicKey.export({ format: 'jwk' })));
          global.message = Buffer.from('message');
          global.signature ??= sign(null, global.message, privateKey);
          return 2000;
        };
        exports.handle = () => { throw new Error('unreachable'); };
        """,
        options=["--expose-gc"],
    )
    assert json.loads(said.splitlines()[-1]) == {"made": 20, "kept": 1, "oldKey": False}


# Asks a server that answers each request with `reply`, and gives what the module is told.
ASK = """
const http = require('./host-http.js');
const net = require('node:net');
function ask(reply, fields = [], millis = 20000) {
  return new Promise((resolve) => {
    let asked = '';
    const server = net.createServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', (data) => { asked = data.toString(); socket.write(reply); });
    });
    const tell = (...told) => { server.close(); resolve({ asked, told: told.slice(1) }); };
    http.connect({ received: tell, failed: tell });
    server.listen(0, '127.0.0.1', () => {
      http.send(1, 'POST', `http://127.0.0.1:${server.address().port}/`, fields, Buffer.from('x'), millis, 1000);
    });
  });
}
const OK = 'HTTP/1.1 200 OK\\r\\ncontent-length: 2\\r\\nconnection: close\\r\\n\\r\\nok';
"""


def test_a_server_that_changes_the_protocol_has_not_answered(run):
    said = run(
        ASK
        + r"""
        const reply = 'HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n';
        console.log(JSON.stringify((await ask(reply)).told));
        """
    )
    assert json.loads(said) == ["network", "the connection was closed without an answer"]


def test_a_header_may_have_the_name_of_what_every_object_has(run):
    said = run(
        ASK
        + """
        const { asked } = await ask(OK, ['constructor', 'one', '__proto__', 'two', '__proto__', 'three']);
        console.log(JSON.stringify(asked.split('\\r\\n').slice(1, 4)));
        """
    )
    assert json.loads(said) == ["constructor: one", "__proto__: two", "__proto__: three"]


def test_an_answer_that_came_while_the_function_was_frozen_is_read(run):
    """What goes on after an answer is frozen with it: the time is over at the next event, and the answer there."""
    said = run(
        r"""
        const http = require('./host-http.js');
        const { Worker } = require('node:worker_threads');
        const sent = new Int32Array(new SharedArrayBuffer(4));
        const server = new Worker(`
          const { workerData, parentPort } = require('node:worker_threads');
          const server = require('node:net').createServer((socket) => socket.on('data', () => {
            socket.write('HTTP/1.1 200 OK\\r\\ncontent-length: 2\\r\\n\\r\\nok', () => {
              Atomics.add(workerData, 0, 1);
              Atomics.notify(workerData, 0);
            });
          }));
          server.listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port));
        `, { eval: true, workerData: sent });
        const port = await new Promise((resolve) => server.once('message', resolve));
        const ask = (millis) => new Promise((resolve) => {
          http.connect({ received: (number, status) => resolve(status), failed: (number, kind) => resolve(kind) });
          http.send(1, 'GET', `http://127.0.0.1:${port}/`, [], Buffer.alloc(0), millis, 1000);
        });
        await ask(20000);
        const asked = ask(10);
        // The request leaves on the connection that is open, and then nothing runs here until long after its time.
        await new Promise(process.nextTick);
        while (Atomics.load(sent, 0) < 2) Atomics.wait(sent, 0, 1);
        Atomics.wait(sent, 0, 2, 50);
        console.log(await asked);
        process.exit();
        """
    )
    assert said == "200\n"
