"""Is a release the same bytes for the same content, and is a difference noticed (`tools/dist`)?"""

import gzip
import os
import subprocess
from pathlib import Path

import pytest

from dist import again, archive, compile, errors, settings, sums

REPOSITORY = Path(__file__).resolve().parents[2]
FILES = {"README.md": (b"read me", 0o644), "portcullis": (b"\x7fELF", 0o755)}
EPOCH = 1_700_000_000


def test_an_archive_depends_on_nothing_but_its_content(tmp_path):
    archive.write_tar(tmp_path / "one.tar.gz", "folder", FILES, EPOCH)
    archive.write_tar(tmp_path / "two.tar.gz", "folder", dict(reversed(FILES.items())), EPOCH)
    assert (tmp_path / "one.tar.gz").read_bytes() == (tmp_path / "two.tar.gz").read_bytes()


def test_an_archive_is_what_tar_reads(tmp_path):
    archive.write_tar(tmp_path / "one.tar.gz", "folder", FILES, EPOCH)
    command = ["tar", "--utc", "--numeric-owner", "-tvzf", tmp_path / "one.tar.gz"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert [line.split() for line in lines] == [
        ["-rw-r--r--", "0/0", "7", "2023-11-14", "22:13", "folder/README.md"],
        ["-rwxr-xr-x", "0/0", "4", "2023-11-14", "22:13", "folder/portcullis"],
    ]
    # Magic and method, flags: no name, then the time (RFC 1952 section 2.3).
    packed = (tmp_path / "one.tar.gz").read_bytes()
    assert packed[:8] == b"\x1f\x8b\x08\x00" + EPOCH.to_bytes(4, "little")
    assert gzip.decompress(packed)


def test_checksums_are_what_sha256sum_reads(tmp_path):
    (tmp_path / "b.zip").write_bytes(b"b")
    (tmp_path / "a.zip").write_bytes(b"a")
    sums.write_sums(tmp_path)
    subprocess.run(["sha256sum", "--quiet", "--strict", "--check", sums.NAME], cwd=tmp_path, check=True)
    assert list(sums.read_sums(tmp_path)) == ["a.zip", "b.zip"]


def release(folder):
    folder.mkdir(exist_ok=True)
    for name in ("a.zip", "b.zip", "c.zip"):
        (folder / name).write_bytes(name.encode())
    sums.write_sums(folder)
    return folder


def test_only_the_files_that_are_published_are_made_again(tmp_path):
    first = release(tmp_path / "dist")
    assert sums.problems(first) == []
    (first / "a.zip").write_bytes(b"other")
    (first / "b.zip").unlink()
    (first / "d.zip").write_bytes(b"d")
    (first / "e").mkdir()
    expected = ["a.zip was changed", "b.zip is missing", "d.zip is not in SHA256SUMS", "e is not in SHA256SUMS"]
    assert sums.problems(first) == expected
    # Before anything is built, and whatever git says of the checkout.
    with pytest.raises(errors.DistError, match="is not what SHA256SUMS says") as refused:
        again.make_again(tmp_path, first, ["x86_64"], keep=False)
    assert [line.strip() for line in str(refused.value).splitlines()[1:]] == expected


def test_what_differs_between_two_releases_is_named():
    assert again.differences({"a": "1", "b": "2"}, {"a": "1", "b": "2"}) == []
    assert again.differences({"a": "1", "b": "2", "c": "3"}, {"a": "1", "b": "4", "d": "3"}) == [
        "b has other bytes",
        "c is only in the first",
        "d is only in the second",
    ]


def test_nothing_of_this_machine_reaches_a_compiler(monkeypatch, tmp_path):
    for name in ("RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_PROFILE_RELEASE_LTO", "CFLAGS", "RUSTC_WRAPPER", "CC", "LANG", "RUSTUP_LOG"):
        monkeypatch.setenv(name, "of this machine")
    # rustup would take it for a toolchain, and fail, if it was passed on to what asks for versions and folders.
    monkeypatch.setenv("RUSTUP_TOOLCHAIN", "of this machine")
    toolchains = os.environ.get("RUSTUP_HOME") or str(Path.home() / ".rustup")
    monkeypatch.setenv("RUSTUP_HOME", toolchains)
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    environment = compile.environment(compile.Workspace(REPOSITORY, tmp_path, EPOCH))
    assert "of this machine" not in environment.values()
    assert environment["RUSTUP_HOME"] == toolchains
    assert "RUSTUP_TOOLCHAIN" not in environment
    assert environment["HTTPS_PROXY"] == "http://127.0.0.1:9"
    # C code that asks when it was compiled is answered the same for every commit.
    assert environment["SOURCE_DATE_EPOCH"] != str(EPOCH)
    # A build for this machine heeds no variable without the name of a target (crate cc, "External configuration").
    for name in ("CFLAGS_x86_64_unknown_linux_gnu", "CFLAGS_aarch64_unknown_linux_gnu"):
        assert environment[name].endswith("-Wno-date-time")
    # aws-lc is told here what .cargo/config.toml tells it, and where paths are to lead.
    assert environment["AWS_LC_SYS_CFLAGS"].startswith("-DMY_ASSEMBLER_IS_TOO_OLD_FOR_512AVX -ffile-prefix-map=")
    for triple in ("X86_64_UNKNOWN_LINUX_GNU", "AARCH64_UNKNOWN_LINUX_GNU", "WASM32_UNKNOWN_UNKNOWN"):
        assert f"--remap-path-prefix={REPOSITORY}=/portcullis" in environment[f"CARGO_TARGET_{triple}_RUSTFLAGS"]


def test_another_rust_than_that_of_the_checkout_is_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("RUSTUP_TOOLCHAIN", "of this machine")
    compile.need_rust(REPOSITORY)
    # Here it is rustc that another one stands before.
    other = tmp_path / "rustc"
    other.write_text("#!/bin/sh\necho 'rustc 1.2.3 (of this machine)'\n")
    other.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(errors.DistError, match="and rustc is 1.2.3"):
        compile.need_rust(REPOSITORY)


@pytest.fixture
def checkout(monkeypatch, tmp_path):
    """A checkout two folders below `tmp_path`, with settings of its own, and with a home of cargo beside it."""
    monkeypatch.setenv("CARGO_HOME", str(tmp_path / "home"))
    root = tmp_path / "code" / "checkout"
    for folder in (tmp_path / "home", root / ".cargo", tmp_path / "code" / ".cargo"):
        folder.mkdir(parents=True)
    (root / ".cargo" / "config.toml").write_text('[env]\nNAME = "value"\n')
    settings.need_no_settings(root)
    return root


@pytest.mark.parametrize(
    "text, tables",
    [
        ('[profile.release]\nopt-level = 0\n', "[profile]"),
        ('build.rustc-wrapper = "sccache"\n', "[build]"),
        ('[net]\nretry = 5\n[patch.crates-io]\n[target.x86_64-unknown-linux-gnu]\nlinker = "mold"\n', "[patch], [target]"),
        ('include = ["more.toml"]\npaths = ["other"]\n', "[include], [paths]"),
    ],
)
@pytest.mark.parametrize("place", ["home/config.toml", "home/config", "code/.cargo/config.toml", "code/checkout/.cargo/config"])
def test_settings_of_cargo_that_change_code_are_refused(checkout, tmp_path, place, text, tables):
    (tmp_path / place).write_text(text)
    with pytest.raises(errors.DistError) as refused:
        settings.need_no_settings(checkout)
    assert str(refused.value).startswith(f"{tmp_path / place} has {tables}, which may change what is compiled")


def test_settings_of_the_network_are_none_of_code(checkout, tmp_path):
    text = '[http]\ncainfo = "/ca.pem"\n[net]\nretry = 5\n[source.crates-io]\nreplace-with = "mirror"\n'
    text += '[source.mirror]\nregistry = "sparse+https://mirror.example/"\n[registry]\ndefault = "ours"\n[registries.ours]\nindex = "i"\n'
    (tmp_path / "home" / "config.toml").write_text(text)
    settings.need_no_settings(checkout)
    (tmp_path / "home" / "config.toml").write_text("[http\n")
    with pytest.raises(errors.DistError, match="cannot be read"):
        settings.need_no_settings(checkout)


def test_a_path_that_would_become_two_flags_is_refused(tmp_path):
    workspace = compile.Workspace(REPOSITORY, tmp_path / "two words", EPOCH)
    with pytest.raises(errors.DistError, match="no path may have one"):
        compile.environment(workspace)


def test_the_time_of_a_release_is_that_of_its_commit(monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "12")
    assert compile.commit_time(REPOSITORY) == 12
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    with pytest.raises(errors.DistError, match="seconds since 1970"):
        compile.commit_time(REPOSITORY)
