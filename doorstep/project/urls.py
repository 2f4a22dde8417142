"""Every address of the site."""

from allauth.account.decorators import secure_admin_login
from django.contrib import admin
from django.urls import include, path

from doorstep.project.api import api
from doorstep.project.health import healthz

# The admin pages have a password form of their own; everybody signs in at the one with the second factor.
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign, no-untyped-call]

urlpatterns = [
    path("healthz", healthz, name="healthz"),
    path("admin/", admin.site.urls),
    path("api/", api.urls),
    path("canteen/", include("doorstep.services.canteen.urls")),
    path("union/", include("doorstep.services.union.urls")),
    path("", include("doorstep.web.house_urls")),
    path("", include("doorstep.web.urls")),
]
