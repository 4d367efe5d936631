"""Dockerfile and compose file, without an engine: linted, and true of the program as it is."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.deployments.claims import FOLDER, ROOT, check_command, check_environment

DOCKER = FOLDER / "docker"
DOCKERFILE = (DOCKER / "Dockerfile").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load((DOCKER / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?P<rest>[^}]*)\}")


def run(*command: str) -> str:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def pins(lock: str) -> dict[str, str]:
    lines = (ROOT / "locks" / f"{lock}.lock").read_text(encoding="utf-8").splitlines()
    return {line.partition("==")[0]: line.partition("==")[2] for line in lines}


def filled_in(value: str) -> str:
    """A value with the defaults of compose.yaml, and something where a secret belongs."""
    return VARIABLE.sub(
        lambda match: "x" if match["rest"].startswith(":?") else match["rest"].removeprefix(":-"), value
    )


def test_the_dockerfile_is_linted() -> None:
    run(str(Path(sys.executable).parent / "hadolint"), str(DOCKER / "Dockerfile"))


def test_the_compose_file_follows_its_specification() -> None:
    check = str(Path(sys.executable).parent / "check-jsonschema")
    run(check, "--builtin-schema", "vendor.compose-spec", str(DOCKER / "compose.yaml"))


def test_the_image_has_no_root_no_secret_and_hears_signals() -> None:
    stages = re.split(r"^FROM ", DOCKERFILE, flags=re.MULTILINE)
    for target in ("cuda", "cpu"):
        (stage,) = [stage for stage in stages if re.match(rf"\S+ AS {target}\n", stage)]
        assert stage.rstrip().endswith("USER 10001:10001")
    assert 'ENTRYPOINT ["woa"]' in DOCKERFILE
    assert not re.search(r"(?i)(password|secret|token|key)=", DOCKERFILE)


def test_what_the_image_says_of_the_program_is_true() -> None:
    check_environment(dict(re.findall(r"^\s*(?:ENV )?((?:WOA|PREFECT)_\w+)=(\S+)", DOCKERFILE, re.MULTILINE)))
    for said in re.findall(r"(?:CMD|ENTRYPOINT) (\[.*\])", DOCKERFILE):
        words = yaml.safe_load(said)
        if words != ["woa"]:
            check_command(words if words[0] == "woa" else ["woa", *words])


def test_what_is_copied_is_there_and_let_through() -> None:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    copied = [name for line in re.findall(r"^COPY (locks.*) /", DOCKERFILE, re.MULTILINE) for name in line.split()]
    assert copied
    packages = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    wanted = {*copied, "pyproject.toml", "README.md", "LICENSE", "prefect.yaml", *packages} - {"deployments"}
    for name in wanted:
        assert (ROOT / name).exists()
        assert f"!{name}" in ignored, f".dockerignore keeps {name} from the builder"
    assert "*" in ignored
    assert not [line for line in ignored if line.startswith(("!.env", "!var", "!.git", "!tests"))]


def test_the_locks_of_the_image_hold_all_that_it_needs() -> None:
    """Each lock holds over the one before what its extras want besides, at the versions that the tests run."""
    base, cluster, steps = (pins(lock).items() for lock in ("base", "cluster", "steps"))
    assert cluster | steps <= pins("cpu").items()
    names = [{name for name, _ in lock} for lock in (base, cluster, steps)]
    assert len(set.union(*names)) == sum(map(len, names))
    assert needed_by("postgres", "s3", "redis") - names[0] == names[1]
    extras = ("postgres", "s3", "redis", "diarization", "alignment", "punctuation", "punctuation-onnx")
    assert needed_by(*extras) - names[0] - names[1] == names[2]


def needed_by(*extras: str) -> set[str]:
    """The packages that the product with these extras needs, those of the product itself among them."""
    needed: set[str] = set()
    wanted = [Requirement(text) for text in PROJECT["project"]["dependencies"]]
    for extra in extras:
        wanted += [Requirement(text) for text in PROJECT["project"]["optional-dependencies"][extra]]
    while wanted:
        requirement = wanted.pop()
        name = str(canonicalize_name(requirement.name))
        if name not in needed:
            needed.add(name)
            wanted += _wanted_by(requirement)
    return needed


def _wanted_by(requirement: Requirement) -> list[Requirement]:
    try:
        found = [Requirement(text) for text in requires(requirement.name) or ()]
    except PackageNotFoundError:  # one of another platform
        return []
    extras = [{"extra": extra} for extra in ("", *requirement.extras)]
    return [each for each in found if each.marker is None or any(each.marker.evaluate(extra) for extra in extras)]


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_does_what_it_says(name: str) -> None:
    service = SERVICES[name]
    check_environment({name: filled_in(value) for name, value in service.get("environment", {}).items()})
    if name in OURS:
        program, command = service.get("entrypoint", ["woa"]), service["command"]
        check_command([*program, *command])
        assert service["init"] is True
        assert service["build"]["target"] in re.findall(r" AS (\S+)$", DOCKERFILE, re.MULTILINE)
        assert (DOCKER / service["build"]["context"] / service["build"]["dockerfile"]).resolve().is_file()
    for port in service.get("ports", ()):
        assert port.startswith("127.0.0.1:"), "others than this machine's people reach it"
    for volume in service.get("volumes", ()):
        source = volume.partition(":")[0]
        assert (DOCKER / source).is_file() if source.startswith(".") else source in COMPOSE["volumes"]
    for needed in service.get("depends_on", {}):
        assert needed in SERVICES
    test = service.get("healthcheck", {}).get("test", [])
    if test[1:2] == ["woa"]:
        check_command(test[1:])
    assert service.get("healthcheck"), "nobody sees whether it works"
    assert service["restart"] in ("unless-stopped", "on-failure")


def test_workers_have_more_time_to_stop_than_to_drain() -> None:
    for name in ("worker", "worker-gpu"):
        worker = SERVICES[name]
        assert float(worker["stop_grace_period"].removesuffix("s")) > float(worker["environment"]["WOA_DRAIN_SECONDS"])


def test_no_secret_has_a_default() -> None:
    text = (DOCKER / "compose.yaml").read_text(encoding="utf-8")
    example = (DOCKER / "example.env").read_text(encoding="utf-8")
    used = {match["name"]: match["rest"] for match in VARIABLE.finditer(text)}
    empty = set(re.findall(r"^(\w+)=$", example, re.MULTILINE))
    optional = dict(re.findall(r"^#(\w+)=(.*)$", example, re.MULTILINE))
    assert {name for name, rest in used.items() if rest.startswith(":?")} == empty
    for name, rest in used.items():
        if not rest.startswith(":?"):
            assert rest.removeprefix(":-") == optional[name]
    assert used.keys() == empty | optional.keys()


def test_both_databases_are_made() -> None:
    assert "CREATE DATABASE prefect;" in (DOCKER / "databases.sql").read_text(encoding="utf-8")
    urls = [str(service["environment"]) for service in OURS.values()]
    assert all(re.search(r"@postgres:5432/(woa|prefect)\b", url) for url in urls)
