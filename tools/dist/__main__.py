"""`python -m dist build` and `python -m dist again`: what `make dist` and `make dist-check` call."""

import argparse
import sys
from pathlib import Path

from dist.again import make_again
from dist.compile import TRIPLES, Workspace, commit_time, compile_binaries, compile_edge, need_rust, need_targets
from dist.errors import DistError
from dist.release import native, put_together
from dist.settings import need_no_settings

ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    parser = argparse.ArgumentParser(prog="dist", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    build = commands.add_parser("build", help="make a release")
    build.add_argument("--root", type=Path, default=ROOT, help="the checkout")
    build.add_argument("--target-directory", type=Path, default=ROOT / "target" / "dist", help="where it is compiled")
    again = commands.add_parser("again", help="make it a second time elsewhere, and compare")
    again.add_argument("--keep", action="store_true", help="leave the second build where it is")
    for command in (build, again):
        command.add_argument("--out", type=Path, default=ROOT / "dist", help="where the release is")
        command.add_argument("--archs", nargs="+", default=list(TRIPLES), choices=list(TRIPLES), help="for which machines")
    arguments = parser.parse_args()
    architectures = list(dict.fromkeys(arguments.archs))
    try:
        if arguments.command == "again":
            make_again(ROOT, arguments.out.resolve(), architectures, arguments.keep)
            return 0
        root = arguments.root.resolve()
        workspace = Workspace(root, arguments.target_directory.resolve(), commit_time(root))
        native(architectures)
        need_no_settings(root)
        need_rust(root)
        need_targets(root, architectures)
        compile_edge(workspace)
        for architecture in architectures:
            compile_binaries(workspace, architecture)
        put_together(workspace, architectures, arguments.out.resolve())
    except DistError as error:
        print(f"dist: {error}", file=sys.stderr)
        return 1
    skipped = [name for name in TRIPLES if name not in architectures]
    print(f"{arguments.out}: a release for {' and '.join(architectures)}")
    if skipped:
        print(f"NOT COMPLETE: {' and '.join(skipped)} was left out, as ARCHS says")
    return 0


if __name__ == "__main__":
    sys.exit(main())
