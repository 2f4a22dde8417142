"""``/healthz``: whether this process answers and reaches its database."""

from django.db import Error, connection
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from doorstep.kernel.common.access import public


@public
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """200 ``ok``, or 503 while the database is away."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Error:
        return HttpResponse("database away\n", status=503, content_type="text/plain")
    return HttpResponse("ok\n", content_type="text/plain")
