"""Does the check of a release notice programs that do not run where they should (`tools/dist/elf.py`)?"""

import io
import shutil
import subprocess
import zipfile

import pytest

from dist import archive, elf

# Beyond what any glibc has, so that the one of this machine does not matter.
FUTURE = "2.99"
HOST = "x86_64"


@pytest.fixture(scope="module")
def compiler():
    path = shutil.which("cc")
    assert path is not None, "the tests need cc, as Rust does"
    machine = subprocess.run([path, "-dumpmachine"], capture_output=True, text=True, check=True).stdout
    if not machine.startswith("x86_64"):
        pytest.skip("what is compiled here is judged as a program for x86-64")
    return path


@pytest.fixture(scope="module")
def program(compiler, tmp_path_factory):
    """Compiles a program against a library whose one function has a version, and returns its bytes."""

    def compile_one(version, library="libm.so.6"):
        folder = tmp_path_factory.mktemp("program")
        (folder / "library.c").write_text("int future_call(void) { return 0; }")
        (folder / "versions").write_text(f"{version} {{ global: future_call; local: *; }};")
        (folder / "main.c").write_text("int future_call(void); int main(void) { return future_call(); }")
        shared = ["-shared", "-fPIC", f"-Wl,-soname,{library}", "-Wl,--version-script=versions", "-o", "libfuture.so"]
        for command in [["library.c", *shared], ["main.c", "-o", "main", "-L.", "-lfuture"]]:
            subprocess.run([compiler, *command], cwd=folder, check=True)
        return (folder / "main").read_bytes()

    return compile_one


def problems(data, architecture=HOST, ceiling="2.98"):
    return elf.problems(io.BytesIO(data), architecture, ceiling)


def test_a_symbol_that_is_too_new_is_named(program):
    data = program(f"GLIBC_{FUTURE}")
    assert problems(data) == ["it needs GLIBC_2.99 (future_call), and GLIBC_2.98 is the newest allowed"]
    assert problems(data, ceiling=FUTURE) == []
    assert elf.newest_version(io.BytesIO(data)) == FUTURE


def test_versions_are_numbers_and_not_texts(program):
    data = program("GLIBC_2.100")
    assert problems(data, ceiling="2.99") == ["it needs GLIBC_2.100 (future_call), and GLIBC_2.99 is the newest allowed"]
    assert problems(data, ceiling="2.100") == []


@pytest.mark.parametrize("version", ["GLIBC_PRIVATE", "GLIBC_ABI_DT_RELR", "OTHER_1.0"])
def test_what_is_no_version_of_glibc_is_refused(program, version):
    assert problems(program(version)) == [f"it needs {version} (future_call), and GLIBC_2.98 is the newest allowed"]


def test_a_library_that_not_every_system_has_is_named(program):
    assert problems(program("GLIBC_2.5", library="libgcc_s.so.1")) == ["it needs the library libgcc_s.so.1, which not every system has"]


def test_a_program_for_another_machine_is_refused(program):
    found = problems(program("GLIBC_2.5"), architecture="arm64")
    assert found[:2] == [
        "it is for EM_X86_64, and EM_AARCH64 was expected",
        "its loader is /lib64/ld-linux-x86-64.so.2, and /lib/ld-linux-aarch64.so.1 was expected",
    ]


def test_a_program_without_sections_is_refused(program):
    """It starts as before, and its needs are not where they are looked for."""
    data = bytearray(program(f"GLIBC_{FUTURE}", library="libgcc_s.so.1"))
    # e_shoff, e_shnum, e_shstrndx of an ELF64 header.
    data[0x28:0x30] = bytes(8)
    silent = "it does not say what it needs of glibc: it has no .gnu.version_r, .dynsym, .gnu.version"
    library = "it needs the library libgcc_s.so.1, which not every system has"
    assert problems(data) == [silent, library]
    data[0x3C:0x40] = bytes(4)
    assert problems(data) == [silent, library]
    assert elf.newest_version(io.BytesIO(data)) == "none"


def test_a_program_without_libraries_is_refused(compiler, tmp_path):
    (tmp_path / "main.c").write_text("void _start(void) { for (;;); }")
    subprocess.run([compiler, "-nostdlib", "-static", "main.c", "-o", "main"], cwd=tmp_path, check=True)
    assert problems((tmp_path / "main").read_bytes())[1].startswith("it does not say what it needs of glibc")


def test_what_is_no_program_is_refused():
    assert problems(b"#!/bin/sh\n")[0].startswith("it is no ELF file")


def test_programs_are_found_in_archives(program, tmp_path):
    data = program("GLIBC_2.5")
    with zipfile.ZipFile(tmp_path / "one.zip", "w") as zipped:
        zipped.writestr("bootstrap", data)
        zipped.writestr("policy.json", "{}")
    archive.write_tar(tmp_path / "two.tar.gz", "two", {"portcullis": (data, 0o755), "README.md": (b"read me", 0o644)}, 0)
    assert list(archive.programs(tmp_path / "one.zip")) == [("bootstrap", data)]
    assert list(archive.programs(tmp_path / "two.tar.gz")) == [("two/portcullis", data)]
