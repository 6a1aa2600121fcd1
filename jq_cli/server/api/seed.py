"""The routes of the first days, kept for those who use them: `/admin/jobs/{id}/retry` and `/admin/jobs/{id}/cancel`. The others
stand beside their new paths."""

from litestar import Controller, post
from litestar.params import FromPath

from jq_cli.server.api.actions import find_action
from jq_cli.server.api.desk import Here
from jq_cli.server.api.jobs import change_one, full
from jq_cli.server.api.records import JobRecord


class Seed(Controller):
    """Old paths."""

    tags = ("jobs",)
    path = "/admin/jobs"

    @post("/{id:str}/retry", opt={"scope": "admin"}, status_code=200)
    async def retry(self, id: FromPath[str], desk: Here) -> JobRecord:
        """Make a dead job ready again."""
        await change_one(desk, await desk.job(id), find_action("requeue", "job"))
        return await full(desk, await desk.job(id))

    @post("/{id:str}/cancel", opt={"scope": "admin"}, status_code=200)
    async def cancel(self, id: FromPath[str], desk: Here) -> JobRecord:
        """Cancel a job; a running one is stopped by its worker."""
        await change_one(desk, await desk.job(id), find_action("cancel", "job"))
        return await full(desk, await desk.job(id))
