"""Addresses of the watch's pages, below ``/canteen/``."""

from django.urls import path

from doorstep.services.canteen.pages import watch as pages

urlpatterns = [
    path("desk/watch", pages.list_, name="watch"),
    path("desk/watch/run", pages.run, name="watch-run"),
    path("desk/watch/<uuid:alert_id>", pages.detail, name="alert"),
    path("desk/watch/<uuid:alert_id>/close", pages.close, name="alert-close"),
    path("desk/holds/venue/<uuid:venue_id>", pages.hold, name="hold-place"),
    path("desk/holds/<uuid:hold_id>/release", pages.release, name="hold-release"),
]
