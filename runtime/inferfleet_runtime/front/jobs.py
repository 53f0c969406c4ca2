"""The videos that a pod makes and has made. Pure but for `Shelf`, which writes below its folder.

A job lives in its pod: a restart forgets it, and other replicas never knew of it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from inferfleet_runtime.api.errors import ApiError
from inferfleet_runtime.api.media import Generation
from inferfleet_runtime.api.videos import seconds_of

Status = Literal["queued", "in_progress", "completed", "failed"]
_ENDED = ("completed", "failed")


@dataclass(frozen=True)
class Bounds:
    """What is kept; the oldest goes first."""

    jobs: int = 200
    """Queued, running and ended ones together."""
    bytes: int = 2**30
    """Of finished files."""
    seconds: float = 3600.0
    """From the end of a job."""


@dataclass
class VideoJob:
    """One video. Times are Unix seconds."""

    id: str
    model: str
    tenant: str
    """Whose it is; empty where tenants are not told apart."""
    generation: Generation
    created: float
    status: Status = "queued"
    steps: int = 0
    """That are done."""
    bytes: int = 0
    ended: float | None = None
    error: tuple[str, str] | None = None
    """Code and message, for the client."""
    refusal: ApiError | None = None
    """Of a queue that had no place for it, or none any more; the answer where it comes at once."""

    @property
    def progress(self) -> int:
        """In percent; 100 only when the file is there, since decoding and encoding follow the last step."""
        if self.status == "completed":
            return 100
        return min(99, 100 * self.steps // self.generation.shape.steps)

    def shown(self, keep_seconds: float) -> dict[str, Any]:
        """OpenAI's Video; the seed is ours."""
        shape = self.generation.shape
        code, message = self.error or ("", "")
        completed = self.status == "completed" and self.ended is not None
        return {
            "id": self.id,
            "object": "video",
            "created_at": int(self.created),
            "completed_at": int(self.ended or 0) if completed else None,
            "expires_at": int((self.ended or 0) + keep_seconds) if completed else None,
            "status": self.status,
            "progress": self.progress,
            "model": self.model,
            "prompt": self.generation.prompt,
            "seconds": seconds_of(shape),
            "size": f"{shape.width}x{shape.height}",
            "error": {"code": code, "message": message} if self.error else None,
            "remixed_from_video_id": None,
            "seed": self.generation.seed,
        }


@dataclass
class Jobs:
    """All that are known, in order of creation. For one event loop."""

    bounds: Bounds
    _jobs: dict[str, VideoJob] = field(default_factory=dict)

    def full(self) -> bool:
        """Whether as many are unfinished as may be known."""
        return sum(job.status not in _ENDED for job in self._jobs.values()) >= self.bounds.jobs

    def add(self, job: VideoJob) -> None:
        """Know of it from now on."""
        self._jobs[job.id] = job

    def get(self, video: str, tenant: str) -> VideoJob | None:
        """One's own job."""
        job = self._jobs.get(video)
        return job if job and job.tenant == tenant else None

    def remove(self, video: str) -> None:
        """Forget it; nothing if it is not known."""
        self._jobs.pop(video, None)

    def surplus(self, now: float) -> list[VideoJob]:
        """Ended jobs to forget, with their files, so that the bounds hold; oldest first."""
        ended = sorted((j for j in self._jobs.values() if j.status in _ENDED), key=lambda j: j.ended or 0)
        jobs, size = len(self._jobs), self.stored_bytes
        found = []
        for job in ended:
            expired = now - (job.ended or 0) > self.bounds.seconds
            if not expired and jobs <= self.bounds.jobs and size <= self.bounds.bytes:
                break
            found.append(job)
            jobs, size = jobs - 1, size - job.bytes
        return found

    def page(self, tenant: str, limit: int, after: str | None, newest_first: bool) -> tuple[list[VideoJob], bool]:
        """One's own jobs behind the one named `after`, and whether there are more. KeyError for an unknown one."""
        own = [job for job in self._jobs.values() if job.tenant == tenant]
        if newest_first:
            own.reverse()
        if after is not None:
            places = {job.id: place for place, job in enumerate(own)}
            own = own[places[after] + 1 :]
        return own[:limit], len(own) > limit

    @property
    def stored_bytes(self) -> int:
        """Of all finished files."""
        return sum(job.bytes for job in self._jobs.values())

    @property
    def stored(self) -> int:
        """Finished files."""
        return sum(job.status == "completed" for job in self._jobs.values())


@dataclass(frozen=True)
class Shelf:
    """The folder of the finished files."""

    folder: Path

    def clear(self) -> None:
        """Make it, empty: files of an earlier process belong to jobs that nobody knows. Raises OSError."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for file in self.folder.glob("*.mp4"):
            file.unlink()

    def path(self, video: str) -> Path:
        """Where the file of a job lies."""
        return self.folder / f"{video}.mp4"

    def put(self, video: str, content: bytes) -> None:
        """Keep a file. Raises OSError."""
        self.path(video).write_bytes(content)

    def drop(self, videos: Iterable[str]) -> None:
        """Remove files; a download that has begun goes on."""
        for video in videos:
            self.path(video).unlink(missing_ok=True)
