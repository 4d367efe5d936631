"""What `woa doctor` looks at. Every check answers, whatever state the machine is in."""

from __future__ import annotations

import asyncio
import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from cli.terminal import size
from engine.device import Device, default_whisper_model, detect
from engine.host import total_memory
from speech.redaction import redacted
from speech.settings import GIB, Settings
from storage.store import Store
from weights.layouts import WHISPER
from weights.store import WeightStore

WANTED_MEMORY = 2 * GIB
WANTED_DISK = 5 * GIB
NEEDED_DISK = GIB // 2
SECONDS = 3.0


class State(StrEnum):
    """How a check went: ``warn`` works, but not as well as it could."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Check:
    """One line: what was looked at, how it is, what was found, and what to do about it."""

    name: str
    state: State
    found: str
    mend: str | None = None


def examine(settings: Settings) -> list[Check]:
    """All checks, in the order in which one would mend things."""
    looks: tuple[tuple[str, Callable[[Settings], Check]], ...] = (
        ("python", _python),
        ("memory", _memory),
        ("data folder", _folder),
        ("disk space", _disk),
        ("device", _device),
        ("default model", _model),
        ("weights", _weights),
        ("database", _database),
        ("blobs", _blobs),
        ("prefect", _prefect),
        ("access", _access),
    )
    return [*(_answer(name, look, settings) for name, look in looks), Check("ffmpeg", State.OK, "not needed")]


def _answer(name: str, look: Callable[[Settings], Check], settings: Settings) -> Check:
    try:
        return look(settings)
    except Exception as error:  # noqa: BLE001 - a doctor tells what is wrong, whatever that is
        return Check(name, State.FAIL, f"{type(error).__name__}: {redacted(str(error)).splitlines()[0]}"[:300])


def _python(_settings: Settings) -> Check:
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    if not (3, 11) <= sys.version_info[:2] <= (3, 13):
        return Check("python", State.FAIL, found, "Use Python 3.11, 3.12 or 3.13.")
    return Check("python", State.OK, found)


def _memory(_settings: Settings) -> Check:
    total = total_memory()
    if total < WANTED_MEMORY:
        return Check("memory", State.WARN, size(total), "Use the model tiny or tiny.en: WOA_DEFAULT_MODEL=tiny.")
    return Check("memory", State.OK, size(total))


def _folder(settings: Settings) -> Check:
    near = _nearest(settings.data_dir)
    if not os.access(near, os.W_OK):
        return Check("data folder", State.FAIL, f"{near} is not writable", "Set WOA_DATA_DIR to a folder of yours.")
    return Check("data folder", State.OK, str(settings.data_dir))


def _disk(settings: Settings) -> Check:
    free = shutil.disk_usage(_nearest(settings.data_dir)).free
    state = State.FAIL if free < NEEDED_DISK else State.WARN if free < WANTED_DISK else State.OK
    mend = None if state is State.OK else "Free some space, or set WOA_DATA_DIR to a folder on a larger disk."
    return Check("disk space", state, f"{size(free)} free", mend)


def _device(settings: Settings) -> Check:
    device = detect(settings)
    found = f"{device.kind} ({device.name}), {device.compute_type}, {size(device.memory_bytes)}"
    if device.kind == "cpu":
        found += f", {device.threads} threads a model call"
    if not device.usable:
        return Check("device", State.FAIL, found, device.problem)
    return Check("device", State.WARN if device.problem else State.OK, found, device.problem)


def _model(settings: Settings) -> Check:
    name = _default_model(settings, detect(settings))
    WeightStore.from_settings(settings).check(name, WHISPER)
    if WeightStore.from_settings(settings).installed(name):
        return Check("default model", State.OK, f"{name}, installed")
    mend = f"The first job will fetch it; `woa models pull {name}` does so now."
    return Check("default model", State.WARN, f"{name}, not installed", mend)


def _weights(settings: Settings) -> Check:
    installed = WeightStore.from_settings(settings).list()
    names = ", ".join(found.name for found in installed) or "none"
    return Check("weights", State.OK, f"{names} in {settings.models}")


def _database(settings: Settings) -> Check:
    asyncio.run(_migrated(settings))
    return Check("database", State.OK, redacted(settings.database))


async def _migrated(settings: Settings) -> None:
    store = Store.open(settings)
    try:
        async with asyncio.timeout(SECONDS * 5):
            await store.migrate()
    finally:
        await store.close()


def _blobs(settings: Settings) -> Check:
    Store.open(settings).blobs.check()
    return Check("blobs", State.OK, redacted(settings.blobs))


def _prefect(settings: Settings) -> Check:
    import httpx

    try:
        answer = httpx.get(
            f"{settings.prefect}/health", timeout=SECONDS, trust_env=settings.prefect_api_url is not None
        )
        answer.raise_for_status()
    except httpx.HTTPError as error:
        found = f"{redacted(settings.prefect)} does not answer ({type(error).__name__})"
        if settings.prefect_api_url is None:
            return Check("prefect", State.WARN, found, "`woa serve` starts a Prefect server of its own.")
        return Check("prefect", State.FAIL, found, "Start that server, or mend WOA_PREFECT_API_URL.")
    return Check("prefect", State.OK, redacted(settings.prefect))


def _access(settings: Settings) -> Check:
    from api.principal import is_loopback

    where = f"{settings.api_host}:{settings.api_port}"
    if asyncio.run(_any_key(settings)):
        return Check("access", State.OK, f"{where}, with a key")
    if is_loopback(settings.api_host):
        return Check("access", State.OK, f"{where}, this machine only, without a key")
    if settings.allow_anonymous:
        return Check("access", State.WARN, f"{where}, anybody", "Create a key: `woa keys create NAME`.")
    mend = "Create a key with `woa keys create NAME`, or set WOA_ALLOW_ANONYMOUS=true."
    return Check("access", State.FAIL, f"{where} without any key is refused", mend)


async def _any_key(settings: Settings) -> bool:
    store = Store.open(settings)
    try:
        return await store.keys.any()
    finally:
        await store.close()


def _default_model(settings: Settings, device: Device) -> str:
    return default_whisper_model(device, settings.default_model)


def _nearest(folder: Path) -> Path:
    return next(parent for parent in _upwards(folder) if parent.exists())


def _upwards(folder: Path) -> Iterator[Path]:
    yield folder
    yield from folder.parents
