"""The emulator's application, one module a Google host, and one of its own."""

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware

from emulator.api import clock, discovery, faults, logging, ml, oauth2, projects, rest
from emulator.api.services import Services
from emulator.errors import ApiError


def application(services: Services) -> Starlette:
    """Every Google host but storage; paths do not clash, so the host is not asked for."""
    app = Starlette(
        routes=[
            *ml.endpoints(services),
            *discovery.endpoints(),
            *oauth2.endpoints(services),
            *projects.endpoints(services),
            *logging.endpoints(services),
            *clock.endpoints(services),
            *faults.endpoints(services),
        ],
        middleware=[Middleware(rest.SameOrigin)],
        exception_handlers={
            ApiError: rest.on_api_error,
            HTTPException: rest.on_http_error,
            Exception: rest.on_failure,
        },
    )
    app.router.redirect_slashes = False
    return app
