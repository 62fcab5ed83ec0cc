"""Jobs as clients see them and ask for them."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from app.collections.schemas import MAX_MODEL
from app.jobs.tables import Job
from app.text import StorableText
from indexer.building.index_spec import IndexFamily
from indexer.errors import SourceError
from indexer.sources.locations import require_understood
from models.regions.schemes import Regions


class JobState(StrEnum):
    """The last three are final."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        return self not in UNFINISHED


_ID = "0197c3a2b4d8"

UNFINISHED = (JobState.QUEUED, JobState.RUNNING)
"""As in the index of app/jobs/tables.py."""


class JobKind(StrEnum):
    """reindex reads the sources; fold builds of what the catalog holds; activate serves a version
    of the past.
    """

    REINDEX = "reindex"
    """Scan the sources, embed what is new, build, publish."""
    FOLD = "fold"
    """Build of what the catalog holds: what was written since the last version enters the index."""
    ACTIVATE = "activate"
    """Serve a version of the past, with what was written since."""


def _understood(source: str) -> str:
    """Whether it can be read is for the worker to say: it may run on another machine."""
    try:
        require_understood(source)
    except SourceError as error:
        raise ValueError(str(error)) from error
    return source


class ReindexRequest(BaseModel):
    """What is left out stays as the collection has it; without a source all of its are scanned."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        use_attribute_docstrings=True,
        json_schema_extra={
            "examples": [
                {"source": "/srv/사진"},
                {"model": "openclip:ViT-B-32/laion2b_s34b_b79k", "recall": 0.98},
            ]
        },
    )

    source: Annotated[StorableText, AfterValidator(_understood)] | None = Field(
        None, max_length=4096
    )
    """Folder, catalogue, tar files or a URL: as the worker sees them."""
    model: StorableText | None = Field(None, max_length=MAX_MODEL)
    """Another model, which embeds every picture again."""
    regions: Regions | None = Field(None, strict=False)
    """Other parts of the pictures to search by, which embeds every picture again."""
    index: IndexFamily | None = Field(None, strict=False)
    """The kind of index to build."""
    recall: float | None = Field(None, gt=0, le=1)
    """recall@10 to aim at."""


class QueuedJob(BaseModel):
    model_config = ConfigDict(
        use_attribute_docstrings=True, json_schema_extra={"examples": [{"job_id": _ID}]}
    )

    job_id: str
    """Of the job that was queued."""


class JobView(BaseModel):
    model_config = ConfigDict(
        use_attribute_docstrings=True,
        json_schema_extra={
            "examples": [
                {
                    "id": _ID,
                    "collection": "shop",
                    "kind": "reindex",
                    "state": "failed",
                    "stage": "embed",
                    "done": 640,
                    "total": 1200,
                    "error": "the encoder's device is lost",
                    "request": {"source": "/srv/사진"},
                    "result": {},
                    "attempts": 1,
                    "created_at": "2026-11-21T09:50:00Z",
                    "started_at": "2026-11-21T09:50:01Z",
                    "finished_at": "2026-11-21T09:52:40Z",
                }
            ]
        },
    )

    id: str
    """By which it is followed and cancelled."""
    collection: str
    """Whose it is."""
    kind: JobKind
    """What it does."""
    state: JobState
    """How it stands."""
    stage: str | None
    """What it is at: read, embed, build …"""
    done: int
    """Of `total`, or so far."""
    total: int | None
    """In the stage's own units; null where it is not known."""
    error: str | None
    """Why it failed, or why it waits."""
    request: dict[str, Any]
    """What was asked for."""
    result: dict[str, Any] | None
    """What came of it, once it is over."""
    attempts: int
    """How often it was begun: again after a crash."""
    created_at: datetime
    """When it was asked for, in UTC."""
    started_at: datetime | None
    """When it was begun last, in UTC."""
    finished_at: datetime | None
    """When it was over, in UTC."""

    @classmethod
    def of(cls, job: Job, collection: str) -> Self:
        own = {name: getattr(job, name) for name in cls.model_fields if name != "collection"}
        return cls(collection=collection, **own)
