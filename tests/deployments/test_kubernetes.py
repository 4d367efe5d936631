"""The manifests, without a cluster: valid by Kubernetes' own schemas, consistent, and true of the program as it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from fastapi.routing import APIRoute

from api.health_schemas import Checks, Depth, HealthView, QueueView
from api.routes import probes
from speech.pools import Routing
from speech.settings import Settings
from tests.deployments.claims import FOLDER, check_command, check_environment

KUBERNETES = FOLDER / "kubernetes"
VERSIONS = ("1.31", "1.37")
"""The oldest that is meant, and the newest that the schemas know."""
FOREIGN = {"Kustomization", "Component", "ScaledObject", "TriggerAuthentication"}
"""Kinds that are not of Kubernetes itself."""

Manifest = dict[str, Any]


def documents(path: Path) -> list[Manifest]:
    return [each for each in yaml.safe_load_all(path.read_text(encoding="utf-8")) if each]


FILES = sorted(KUBERNETES.rglob("*.yaml"))
ALL = [(path, each) for path in FILES for each in documents(path)]
WORKLOADS = [each for _, each in ALL if each["kind"] == "Deployment"]
NAMES = {(each["kind"], each["metadata"]["name"]) for _, each in ALL if "metadata" in each}


def containers(workload: Manifest) -> Iterator[Manifest]:
    pod = workload["spec"]["template"]["spec"]
    yield from [*pod["containers"], *pod.get("initContainers", [])]


def given(container: Manifest) -> dict[str, str]:
    """The environment of a container: what it refers to, and what it says itself."""
    environment: dict[str, str] = {}
    for source in container["envFrom"]:
        kind, key = ("ConfigMap", "configMapRef") if "configMapRef" in source else ("Secret", "secretRef")
        (found,) = [each for _, each in ALL if each["kind"] == kind and each["metadata"]["name"] == source[key]["name"]]
        environment |= found.get("data", {}) | found.get("stringData", {})
    return environment | {each["name"]: each["value"] for each in container.get("env", ())}


@pytest.mark.parametrize("version", VERSIONS)
def test_every_manifest_is_valid(version: str) -> None:
    for path, manifest in ALL:
        if manifest["kind"] not in FOREIGN:
            try:
                kubernetes_validate.validate(manifest, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                pytest.fail(f"{path.name}, {manifest['metadata']['name']}: {error.message}")


def test_every_file_is_part_of_the_whole() -> None:
    named = {KUBERNETES / "secrets.example.yaml"}
    for path in KUBERNETES.rglob("kustomization.yaml"):
        (content,) = documents(path)
        named |= {path} | {path.parent / each for each in content["resources"]}
    assert set(FILES) <= named
    assert all(path.exists() for path in named)


@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda workload: str(workload["metadata"]["name"]))
def test_a_workload_does_what_it_says(workload: Manifest) -> None:
    name, spec = workload["metadata"]["name"], workload["spec"]
    labels, pod = spec["template"]["metadata"]["labels"], spec["template"]["spec"]
    assert spec["selector"]["matchLabels"].items() <= labels.items()
    assert labels["app.kubernetes.io/component"] == name
    assert pod["securityContext"]["runAsNonRoot"] is True
    for container in containers(workload):
        environment = given(container)
        check_environment(environment)
        check_command([*container.get("command", ["woa"]), *container["args"]])
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert {each["name"] for each in container["volumeMounts"]} == {each["name"] for each in pod["volumes"]}
        for kind in ("startupProbe", "livenessProbe"):
            probe = container.get(kind, {}).get("exec")
            if probe:
                check_command(probe["command"])
    drain = float(given(pod["containers"][0]).get("WOA_DRAIN_SECONDS", Settings.model_fields["drain_seconds"].default))
    if name.startswith("worker"):
        assert pod["terminationGracePeriodSeconds"] > drain + 10


def test_probes_ask_what_the_api_answers() -> None:
    asked = {
        probe["httpGet"]["path"]
        for workload in WORKLOADS
        for container in containers(workload)
        for kind in ("startupProbe", "livenessProbe", "readinessProbe")
        if "httpGet" in (probe := container.get(kind, {}))
    }
    assert asked == {"/api/v1/health/live", "/api/v1/health/ready", "/api/health"}
    offered = {f"/api/v1{route.path}" for route in probes.router.routes if isinstance(route, APIRoute)}
    assert asked - {"/api/health"} <= offered


def test_what_refers_to_a_workload_finds_it() -> None:
    components = {workload["metadata"]["name"] for workload in WORKLOADS}
    for _, manifest in ALL:
        spec = manifest.get("spec", {})
        target = spec.get("scaleTargetRef")
        if target:
            assert target["name"] in components
        selector = spec.get("selector", {}) or spec.get("podSelector", {})
        component = selector.get("matchLabels", selector).get("app.kubernetes.io/component")
        assert component is None or component in components
    for component in ("api", "control", "prefect", "worker", "worker-gpu"):
        assert ("PodDisruptionBudget", component) in NAMES


def test_workers_are_scaled_by_what_health_tells() -> None:
    routes = {"faster_whisper/large*": "speech-gpu"}
    depth = Depth(queued=1, processing=2, unfinished=3)
    pools = dict.fromkeys(Routing("speech-cpu", routes).pools, depth)
    told = {"checks": {"queue": QueueView(ok=True, pools=pools, **depth.model_dump()).model_dump()}}
    assert HealthView.model_fields["checks"].annotation is Checks
    assert Checks.model_fields["queue"].annotation is QueueView
    scaled = [manifest["spec"] for _, manifest in ALL if manifest["kind"] == "ScaledObject"]
    assert len(scaled) == 2
    for spec in scaled:
        (trigger,) = spec["triggers"]
        value: Any = told
        for part in trigger["metadata"]["valueLocation"].split("."):
            value = value[part]
        assert value == 3
        assert int(trigger["metadata"]["targetValue"]) == Settings.model_fields["worker_slots"].default
        assert trigger["metadata"]["url"].endswith(f"/api/v1{probes.router.routes[0].path}")
    (content,) = documents(KUBERNETES / "gpu" / "kustomization.yaml")
    check_environment(yaml.safe_load(content["patches"][0]["patch"])["data"])
    served = [
        given(container)["WOA_WORK_POOL"]
        for each in WORKLOADS
        for container in containers(each)
        if "gpu" in each["metadata"]["name"]
    ]
    assert served == ["speech-gpu"]


def test_no_secret_is_here() -> None:
    for _, manifest in ALL:
        if manifest["kind"] == "Secret":
            assert set(manifest["stringData"].values()) == {""}
        if manifest["kind"] == "ConfigMap":
            assert not [name for name in manifest["data"] if "PASSWORD" in name or "AUTH" in name or "TOKEN" in name]
