"""What can be wrong with what is asked of jobs."""

from http import HTTPStatus

from app.errors import NotFound, Problem


def job_url(job_id: str) -> str:
    return f"/v1/admin/jobs/{job_id}"


class UnknownJob(NotFound):
    code = "unknown_job"

    def __init__(self, job_id: str) -> None:
        super().__init__(f"there is no job {job_id!r}")


class JobRunning(Problem):
    """A collection has one unfinished job at a time."""

    status = HTTPStatus.CONFLICT
    code = "job_running"

    def __init__(self, collection: str, job_id: str) -> None:
        super().__init__(f"collection {collection!r} has an unfinished job already: {job_id}")
        self.members = {"job_id": job_id}
        self.headers = {"Location": job_url(job_id)}


class JobFinished(Problem):
    status = HTTPStatus.CONFLICT
    code = "job_finished"

    def __init__(self, job_id: str, state: str) -> None:
        super().__init__(f"job {job_id} is over: {state}")
