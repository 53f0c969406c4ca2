"""What the kubelet and the operator ask the sidecar. Answers HTTP; decides nothing."""

from aiohttp import web

from inferfleet_runtime import contract
from inferfleet_runtime.sidecar.drain import drain
from inferfleet_runtime.sidecar.series import Floor, Self, exposition
from inferfleet_runtime.sidecar.watch import Watch


def application(watch: Watch) -> web.Application:
    """Routes of the contract."""
    floor = Floor()

    async def ready(_: web.Request) -> web.Response:
        return _answer(watch.ready, watch.why_not())

    async def started(_: web.Request) -> web.Response:
        return _answer(watch.health.started, watch.health.message)

    async def live(_: web.Request) -> web.Response:
        return _answer(watch.health.live(watch.now(), watch.timing), watch.health.message)

    async def sidecar(_: web.Request) -> web.Response:
        return _answer(True, "")

    async def metrics(_: web.Request) -> web.Response:
        nonlocal floor
        about = Self(watch.config.served_model_name, watch.config.slots, watch.capacity, watch.health.well)
        readings = await watch.readings()
        text, floor = exposition(about, readings, watch.own, floor)
        return web.Response(text=text, content_type="text/plain", charset="utf-8")

    async def drained(_: web.Request) -> web.Response:
        return web.json_response({"open": await drain(watch)})

    app = web.Application()
    for path, handler in (
        (contract.READY_PATH, ready),
        (contract.STARTED_PATH, started),
        (contract.LIVE_PATH, live),
        (contract.SIDECAR_PATH, sidecar),
        (contract.METRICS_PATH, metrics),
        (contract.DRAIN_PATH, drained),
    ):
        app.router.add_get(path, handler)
    return app


def _answer(good: bool, message: str) -> web.Response:
    return web.Response(status=200 if good else 503, text=(message or "ok") + "\n")
