from django.urls import path

from doorstep.web import live, pages

urlpatterns = [
    path("live", live.live, name="live"),
    path("live/<slug:code>/<slug:key>", live.figure, name="live-figure"),
    path("large-type", pages.large_type, name="large-type"),
    path("language", pages.language, name="set_language"),
    path("design", pages.design, name="design"),
    path("design/<slug:shell>", pages.design_shell, name="design-shell"),
]
