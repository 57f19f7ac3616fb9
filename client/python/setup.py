"""Generates the code of the API from the repository's proto files when the package is built."""

from importlib.resources import files
from pathlib import Path

from grpc_tools import protoc
from setuptools import setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).parent
PROTO = HERE.parents[1] / "proto"


def generate(out: Path) -> None:
    names = sorted(str(p.relative_to(PROTO)) for p in PROTO.rglob("*.proto"))
    status = protoc.main(
        [
            "protoc",
            f"--proto_path={PROTO}",
            f"--proto_path={files('grpc_tools') / '_proto'}",
            f"--python_out={out}",
            f"--grpc_python_out={out}",
            f"--mypy_out=quiet:{out}",
            f"--mypy_grpc_out=quiet:{out}",
            *names,
        ]
    )
    if status != 0:
        raise SystemExit(f"protoc failed with status {status}")
    for package in {Path(n).parent for n in names}:
        (out / package / "py.typed").touch()


class Build(build_py):
    def finalize_options(self) -> None:
        generate(HERE / "src")  # before anything looks for the packages
        super().finalize_options()


setup(cmdclass={"build_py": Build})
