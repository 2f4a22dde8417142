"""Address of the four-level board, under /union/."""

from django.urls import path

from doorstep.services.union.pages import overview

urlpatterns = [path("overview", overview.overview, name="overview")]
