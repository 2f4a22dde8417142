"""Every address of the site."""

from django.contrib import admin
from django.urls import include, path

from doorstep.project.api import api
from doorstep.project.health import healthz

urlpatterns = [
    path("healthz", healthz, name="healthz"),
    path("admin/", admin.site.urls),
    path("accounts/", include("allauth.urls")),
    path("api/", api.urls),
    path("canteen/", include("doorstep.services.canteen.urls")),
    path("", include("doorstep.web.urls")),
]
