"""Every setting, from `NOONGIL_*` environment variables, `.env` and the files of secrets that a
container is given; listed in docs/settings.md.
"""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, IPvAnyNetwork, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from app.auth.origins import Origins
from indexer.backends.milvus.connection import MilvusOptions
from indexer.building.places import BuildOptions
from indexer.drivers import DriverName
from indexer.sources.options import SourceOptions
from indexer.sources.web.fetch import FetchOptions

SECRETS_DIR = Path("/run/secrets")
"""Where Docker and Podman put them: a file of a setting's name holds its value."""


class Settings(BaseSettings):
    model_config = SettingsConfigDict(
        env_prefix="NOONGIL_",
        env_nested_delimiter="__",
        env_file=".env",
        secrets_dir=SECRETS_DIR if SECRETS_DIR.is_dir() else None,
        extra="ignore",
    )

    data_dir: Path = Field(Path("data"), description="Folder of shards, index versions, thumbnails")
    database_url: str = Field(
        "",
        repr=False,  # it may hold a password
        description="SQLite or PostgreSQL URL; empty: `noongil.db` in the data folder",
    )
    database_password: SecretStr = Field(
        SecretStr(""), description="Password for a PostgreSQL URL that holds none"
    )
    model: str = Field("starter", description="Model of collections that name none")
    recall: float = Field(
        0.95, gt=0, le=1, description="recall@10 that searches aim at where nothing else says so"
    )

    device: str = Field(
        "auto",
        pattern=r"^(auto|cpu|cuda(:\d+)?)$",
        description="Where encoders on PyTorch run: `auto`, `cpu`, `cuda`, `cuda:1` …",
    )
    precision: Literal["auto", "fp32", "bf16", "fp16"] = Field(
        "auto", description="Precision of encoders; `auto`: the fastest that the device is good at"
    )
    prompt_templates: Literal["auto", "on", "off"] = Field(
        "auto",
        description="Prompt templates around texts; `auto`: as the model's card says they help",
    )
    model_cache: str = Field(
        "", description="Folder of downloaded models; empty: the hub library's own"
    )
    offline: bool = Field(default=False, description="Never download a model")
    encoder_url: str = Field(
        "",
        description="Encoder worker: `http://host:port` or `unix:///path`; empty: in-process",
    )
    encode_max_texts: int = Field(256, gt=0, description="Texts that an encoder takes at once")
    encode_max_images: int = Field(32, gt=0, description="Pictures that an encoder takes at once")
    query_cache_size: int = Field(
        10_000, ge=0, description="Texts whose embeddings a server remembers"
    )
    query_timeout_seconds: float = Field(
        2.0, gt=0, description="A text that cannot be encoded within this is refused with 503"
    )
    image_timeout_seconds: float = Field(
        60.0,
        gt=0,
        description="The same for pictures, and for all that `embed` and `classify` are sent",
    )

    host: str = Field("127.0.0.1", description="Address that the server listens on")
    port: int = Field(8000, ge=0, le=65535, description="Port that the server listens on")
    drain_seconds: float = Field(
        0.0,
        ge=0,
        description="How long a server or encoder told to stop still answers, and is not ready",
    )
    auth: Literal["off", "on"] = Field(
        "off", description="`on`: callers show a key; `off`: every caller may do everything"
    )
    allow_open: bool = Field(
        default=False, description="Let the server listen beyond loopback with `auth` off"
    )
    requests_per_minute: int = Field(
        0,
        ge=0,
        description="Of a key without a limit of its own, a process; over it: 429; 0: any",
    )
    cors_origins: Origins = Field(
        [], description="Origins whose pages may call the API from a browser; empty: none"
    )
    max_body_bytes: int = Field(
        32 * 1024 * 1024, gt=0, description="Largest request body, in bytes; over it: 413"
    )
    max_batch_bytes: int = Field(
        1024**3, gt=0, description="The same of `images:batch`, whose lines are bodies each"
    )
    receive_timeout_seconds: float = Field(
        20.0, gt=0, description="A client silent for so long in the middle of a request is cut off"
    )
    receive_min_bytes_per_second: int = Field(
        1024, ge=0, description="So is one whose body arrives more slowly than this, on average"
    )
    allowed_hosts: list[str] = Field(
        ["localhost", "127.0.0.1", "[::1]"],
        description="Host headers answered while `auth` is off on loopback (stops DNS rebinding)",
    )

    refresh_seconds: float = Field(
        0.5, gt=0, description="How often a server looks for what was written or published"
    )
    delta_max_images: int = Field(
        100_000,
        gt=0,
        description="Images beside its index that a server keeps in memory of a collection",
    )
    reindex_after_changes: int = Field(
        10_000, ge=0, description="So many images beside the index have it built anew; 0: never"
    )
    decode_threads: int = Field(0, ge=0, description="Decode threads of `index`; 0: one a core")
    batch_size: int = Field(32, gt=0, description="Images a forward pass while indexing")
    index_devices: list[str] = Field(
        [], description="Devices that `index` embeds on, a process each; empty: on `DEVICE` alone"
    )
    index_driver: DriverName = Field(
        DriverName.LOCAL,
        description="Where `index` and jobs embed: on this machine, or on a Ray cluster",
    )
    ray_address: str = Field(
        "",
        description="Ray cluster, `host:port` or `auto`; empty: `RAY_ADDRESS`, or one of its own",
    )
    ray_encoders: int = Field(
        0,
        ge=0,
        description="Encoders on a Ray cluster; 0: one a GPU or, without, three on four CPUs",
    )
    ray_gpus_per_encoder: float = Field(
        1.0, gt=0, description="GPUs of each where there are any; 0.5: two encoders share one"
    )
    index_memory_mb: int = Field(
        1024, ge=16, description="Memory for files under way in `index`, and for decoding; in MiB"
    )
    max_image_pixels: int = Field(
        100_000_000, gt=0, description="Larger pictures are rejected before they are decoded"
    )
    max_image_bytes: int = Field(
        256 * 1024 * 1024, gt=0, description="Larger picture files are rejected unread"
    )
    fetch_allowed_networks: list[IPvAnyNetwork] = Field(
        [],
        description="Private networks (CIDR) that pictures may be fetched from",
    )
    index_bytes_per_vector: int = Field(
        100, ge=18, description="Bytes of an index that a vector may keep in memory"
    )
    build_memory_mb: int = Field(
        4096, ge=256, description="Memory that building an index may take for its lists"
    )
    milvus_uri: str = Field(
        "",
        description="Milvus for new indexes: `http://host:19530`, or a file `….db`; empty: files",
    )
    milvus_token: SecretStr = Field(
        SecretStr(""), description="`user:password` or key of that Milvus; empty: it asks for none"
    )
    keep_versions: int = Field(3, ge=1, description="Index versions kept for rollback")
    lease_seconds: float = Field(
        30.0,
        ge=1,
        description="A process silent for so long loses the collection that it writes",
    )
    switch_wait_seconds: float = Field(
        60.0, ge=0, description="How long a new version waits for servers to open it, at most"
    )
    job_attempts: int = Field(
        3, ge=1, description="How often a job is begun whose worker dies, in all"
    )
    jobs_host: str = Field("127.0.0.1", description="Address that `jobs` tells its state on")
    jobs_port: int = Field(
        0, ge=0, le=65535, description="Port of its `/healthz`, `/readyz`, `/metrics`; 0: none"
    )
    query_log: Literal["off", "on"] = Field(
        "off", description="`on`: count what is searched for, to suggest it; never by whom"
    )
    query_log_days: int = Field(30, ge=1, description="Days after which such a count is deleted")
    query_log_min_clients: int = Field(
        3, ge=1, description="Clients that ask for a text on one day before others are shown it"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least severe log line that is written"
    )
    log_format: Literal["text", "json"] = Field(
        "text", description="`json`: an object a line, for programs"
    )
    access_log: bool = Field(default=False, description="A log line for each request")
    otlp_endpoint: str = Field(
        "", description="Collector that traces are sent to, OTLP over HTTP; empty: no traces"
    )

    def source_options(self) -> SourceOptions:
        networks = tuple(str(network) for network in self.fetch_allowed_networks)
        return SourceOptions(self.max_image_bytes, FetchOptions(networks))

    def build_options(self) -> BuildOptions:
        memory_bytes = self.build_memory_mb * 1024**2
        return BuildOptions(self.index_bytes_per_vector, memory_bytes, self.milvus_options())

    def milvus_options(self) -> MilvusOptions | None:
        """None: indexes are files."""
        if not self.milvus_uri:
            return None
        return MilvusOptions(self.milvus_uri, self.milvus_token.get_secret_value())

    @model_validator(mode="after")
    def _default_database(self) -> Self:
        if not self.database_url:
            self.database_url = f"sqlite:///{self.data_dir.absolute() / 'noongil.db'}"
        elif password := self.database_password.get_secret_value():
            self.database_url = _with_password(self.database_url, password)
        return self


def _with_password(url: str, password: str) -> str:
    """`url` itself where it has one, or is not PostgreSQL's, or no URL: who opens it says so."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        return url
    if parsed.password is not None or not parsed.drivername.startswith("postgres"):
        return url
    return parsed.set(password=password).render_as_string(hide_password=False)
