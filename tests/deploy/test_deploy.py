"""What is in deploy/, read by the checkers of those who read it: no container engine or cluster is needed, and none is asked."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestrator.settings import Settings
from tests.requirements import need

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"


def ran(*command: str | Path, **more: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, timeout=120, check=False, **more
    )


def script(name: str) -> Path:
    """A checker beside this interpreter."""
    found = Path(sys.executable).with_name(name)
    need(name, found.exists())
    return found


# ---- image -----------------------------------------------------------------------------------------------------------
def test_the_image_is_described_without_a_fault() -> None:
    """hadolint finds nothing, at its strictest."""
    found = ran(script("hadolint"), "--failure-threshold", "style", "--no-color", DEPLOY / "Dockerfile")

    assert (found.returncode, found.stdout) == (0, "")


def stages() -> list[list[tuple[str, str]]]:
    text = re.sub(r"\\\n", " ", (DEPLOY / "Dockerfile").read_text())
    words = [line.split(None, 1) for line in text.splitlines() if line and not line.startswith("#")]
    found: list[list[tuple[str, str]]] = []
    for instruction, rest in words:
        if instruction == "FROM":
            found.append([])
        found[-1].append((instruction, rest))
    return found


def test_the_image_runs_as_nobody_on_a_root_it_never_writes() -> None:
    """Two stages; the last one has a numeric user, a health check, no package manager's work; copies only what exists."""
    build, last = stages()
    told = dict(last)

    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", told["USER"])
    assert "/livez" in told["HEALTHCHECK"]
    assert not [rest for name, rest in last if name == "RUN" and ("pip" in rest or "apt" in rest)]
    assert "--require-hashes" in " ".join(rest for name, rest in build if name == "RUN")
    sources = [word for name, rest in build if name == "COPY" for word in rest.split()[:-1]]
    assert [one for one in sources if not (ROOT / one).exists()] == []
    allowed = {
        line[1:] for line in (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines() if line.startswith("!")
    }
    assert set(sources) == allowed


def test_the_locks_of_the_image_agree() -> None:
    """What the image installs is what was tested: the driver's lines are those of the development lock, and names meet once."""
    driver = (DEPLOY / "requirements-postgres.lock").read_text()
    tested = (ROOT / "requirements-dev.lock").read_text()
    base = (ROOT / "requirements.lock").read_text()
    names = set(re.findall(r"^([a-z0-9-]+)==", driver, re.MULTILINE))

    assert names == {"psycopg", "psycopg-binary"}
    assert not names & set(re.findall(r"^([a-z0-9-]+)==", base, re.MULTILINE))
    for line in driver.splitlines()[1:]:
        assert line in tested


# ---- compose ---------------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    told: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return told


def test_compose_is_what_its_schema_says() -> None:
    """The compose specification's own JSON schema, as check-jsonschema brings it."""
    found = ran(script("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", DEPLOY / "compose.yaml")

    assert found.returncode == 0, found.stdout + found.stderr


def test_compose_has_the_whole_house(compose: dict[str, Any]) -> None:
    """A desk, two workers, PostgreSQL and a collector; nothing of ours may write its root or gain rights, nothing is published."""
    services = compose["services"]

    assert set(services) == {"db", "desk", "worker", "collector"}
    assert services["worker"]["deploy"]["replicas"] == 2
    assert not [p for one in services.values() for p in one.get("ports", ()) if not p.startswith("127.0.0.1:")]
    for name in ("desk", "worker", "collector"):
        assert services[name]["read_only"]
        assert services[name]["cap_drop"] == ["ALL"]
        assert "no-new-privileges:true" in services[name]["security_opt"]
    used = {
        secret if isinstance(secret, str) else secret["source"]
        for one in services.values()
        for secret in one.get("secrets", ())
    }
    assert used == set(compose["secrets"])
    assert {volume.partition(":")[0] for one in services.values() for volume in one.get("volumes", ())} == {
        *compose["volumes"],
        "./otelcol.yaml",
    }
    assert compose["networks"]["house"]["internal"]
    assert {net for one in services.values() for net in one["networks"]} == set(compose["networks"])


def test_every_setting_that_is_named_exists(compose: dict[str, Any]) -> None:
    """DEPUTY_* in compose, manifests, units and the image, and files in the secrets folder, are settings of this program."""
    text = "\n".join(path.read_text() for path in DEPLOY.rglob("*") if path.is_file() and path.suffix != ".lock")
    named = {name.lower() for name in re.findall(r"\bDEPUTY_([A-Z_]+)\b", text)} - {
        "port"
    }  # named as what must not be set
    mounted = {
        secret["target"].rpartition("/")[2]
        for one in compose["services"].values()
        for secret in one.get("secrets", ())
        if isinstance(secret, dict)
    }

    assert named
    assert (named | mounted) - set(Settings.model_fields) == set()


def test_what_they_set_is_accepted(compose: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of each service, with defaults filled in, makes settings that load."""
    for name in list(os.environ):
        if name.startswith("DEPUTY_"):
            monkeypatch.delenv(name)
    for name in ("desk", "worker"):
        with monkeypatch.context() as patch:
            for key, value in compose["services"][name]["environment"].items():
                plain = re.sub(r"\$\{\w+:\?[^}]*\}", "admin@deputy.example", value)
                patch.setenv(key, re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", plain))
            settings = Settings.load(home=tmp_path)
        assert not settings.office
        assert settings.owner == "admin@deputy.example"


# ---- collector -------------------------------------------------------------------------------------------------------
def test_the_collector_uses_what_it_defines_and_takes_what_is_sent(compose: dict[str, Any]) -> None:
    """Every part of every pipeline is defined and used; it listens where desks and workers send, and asks the desk's /metrics."""
    told = yaml.safe_load((DEPLOY / "otelcol.yaml").read_text())
    pipelines = told["service"]["pipelines"]

    for kind in ("receivers", "processors", "exporters"):
        used = {name for pipeline in pipelines.values() for name in pipeline[kind]}
        assert used == set(told[kind])
    assert told["service"]["extensions"] == list(told["extensions"])
    assert pipelines["traces"]["processors"][0] == "memory_limiter"
    assert pipelines["traces"]["processors"][-1] == "batch"
    port = told["receivers"]["otlp"]["protocols"]["http"]["endpoint"].rpartition(":")[2]
    assert compose["services"]["desk"]["environment"]["DEPUTY_OTLP_ENDPOINT"] == f"http://collector:{port}"
    (job,) = told["receivers"]["prometheus"]["config"]["scrape_configs"]
    assert (job["metrics_path"], job["static_configs"][0]["targets"]) == ("/metrics", ["desk:8787"])
    deleted = {action["key"] for action in told["processors"]["attributes/contents"]["actions"]}
    from orchestrator.telemetry import CONTENTS

    assert deleted == set(CONTENTS)


# ---- Kubernetes ------------------------------------------------------------------------------------------------------
def manifests() -> Iterator[dict[str, Any]]:
    for path in sorted((DEPLOY / "kubernetes").glob("*.yaml")):
        if path.name != "kustomization.yaml":
            yield from yaml.safe_load_all(path.read_text())


def rendered() -> list[dict[str, Any]]:
    need("kubectl", shutil.which("kubectl") is not None)
    found = ran("kubectl", "kustomize", DEPLOY / "kubernetes")
    assert found.returncode == 0, found.stderr
    return list(yaml.safe_load_all(found.stdout))


@pytest.mark.parametrize("version", ["1.30.0", "1.37.0"])
@pytest.mark.parametrize("source", ["files", "rendered"])
def test_manifests_are_what_their_schemas_say(source: str, version: str) -> None:
    """Kubernetes' own schemas, strictly: no unknown field either. As files, and as kustomize renders them."""
    need("kubernetes-validate", importlib.util.find_spec("kubernetes_validate") is not None)
    validate = import_module("kubernetes_validate").validate
    documents = list(manifests()) if source == "files" else rendered()

    for document in documents:
        validate(document, version, strict=True)

    assert len(documents) >= 9


def test_pods_are_locked_down_and_probed() -> None:
    """Non-root, read-only root, no rights, no token, no service links; the desk has three probes; both have a budget and limits."""
    documents = list(manifests())
    pods = {d["metadata"]["name"]: d["spec"]["template"]["spec"] for d in documents if d["kind"] == "Deployment"}
    budgets = {d["metadata"]["name"] for d in documents if d["kind"] == "PodDisruptionBudget"}

    assert set(pods) == budgets == {"desk", "worker"}
    for pod in pods.values():
        (container,) = pod["containers"]
        assert pod["enableServiceLinks"] is False
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] == int(dict(stages()[-1])["USER"].partition(":")[0])
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert container["resources"]["limits"]["memory"]
        assert pod["terminationGracePeriodSeconds"] >= 40
        assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}
    desk = pods["desk"]["containers"][0]
    assert desk["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert desk["livenessProbe"]["httpGet"]["path"] == desk["startupProbe"]["httpGet"]["path"] == "/livez"


def test_selectors_meet_their_pods() -> None:
    """Services, budgets and policies select labels that the rendered pods bear; everything is closed by default."""
    documents = rendered()
    labels = [d["spec"]["template"]["metadata"]["labels"] for d in documents if d["kind"] == "Deployment"]
    policies = {d["metadata"]["name"]: d["spec"] for d in documents if d["kind"] == "NetworkPolicy"}

    def meets(selector: dict[str, str]) -> bool:
        return any(selector.items() <= one.items() for one in labels)

    assert policies["nothing"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    for document in documents:
        if document["kind"] == "Service":
            assert meets(document["spec"]["selector"])
        if document["kind"] == "PodDisruptionBudget":
            assert meets(document["spec"]["selector"]["matchLabels"])
    assert all(meets(one["podSelector"].get("matchLabels", {})) for one in policies.values())
    assert "ingress" not in policies["from-deputy"]


# ---- systemd ---------------------------------------------------------------------------------------------------------
UNITS = sorted((DEPLOY / "systemd").iterdir())


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units with the program at a place where one is."""
    program = tmp_path / "deputy"
    program.write_text("#!/bin/sh\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    for path in UNITS:
        text = path.read_text().replace("/opt/deputy/bin/deputy", str(program))
        (tmp_path / path.name).write_text(re.sub(r"^(User|Group)=deputy$", r"\1=daemon", text, flags=re.MULTILINE))
    return tmp_path


def test_units_are_what_systemd_reads(units: Path) -> None:
    """`systemd-analyze verify` says nothing."""
    need("systemd-analyze", shutil.which("systemd-analyze") is not None)

    found = ran("systemd-analyze", "verify", "--recursive-errors=no", *(units / path.name for path in UNITS))

    mine = [line for line in found.stderr.splitlines() if "deputy" in line]
    assert (found.returncode, mine) == (0, [])


@pytest.mark.parametrize("name", ["deputy.service", "deputy-backup.service"])
def test_services_are_hardened(name: str, units: Path) -> None:
    """`systemd-analyze security` gives an exposure of at most 2.0, out of 10."""
    need("systemd-analyze", shutil.which("systemd-analyze") is not None)

    found = ran("systemd-analyze", "security", "--offline=true", "--threshold=20", "--no-pager", units / name)

    assert found.returncode == 0, found.stdout[-300:]


def test_commands_in_deploy_exist() -> None:
    """Every `deputy` command that image, manifests and units start is one, with these options."""
    from click.testing import CliRunner

    from orchestrator.surfaces.cli.main import deputy

    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    lines = [compose[name]["command"] for name in ("desk", "worker")]
    lines += [json.loads(dict(stages()[-1])["CMD"])]
    lines += [d["spec"]["template"]["spec"]["containers"][0]["args"] for d in manifests() if d["kind"] == "Deployment"]
    for path in UNITS:
        lines += [line.split() for line in re.findall(r"^ExecStart=\S+/deputy (.*)$", path.read_text(), re.MULTILINE)]

    assert len(lines) >= 7
    for line in lines:
        told = CliRunner().invoke(deputy, [line[0], "--help"])
        assert told.exit_code == 0, line
        assert [
            word
            for word in line
            if word.startswith("--") and word.replace("--no-", "--") not in told.output and word not in told.output
        ] == []


def test_the_package_builds_from_what_the_image_copies() -> None:
    """pyproject names the packages that the build stage copies."""
    told = tomllib.loads((ROOT / "pyproject.toml").read_text())
    copied = {word for name, rest in stages()[0] if name == "COPY" for word in rest.split()[:-1]}

    assert set(told["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]) <= copied
    assert {told["project"]["readme"], *told["project"]["license-files"]} <= copied
