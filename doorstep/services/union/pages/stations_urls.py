"""Addresses of stations, under /union/."""

from django.urls import path

from doorstep.services.union.pages import stations

urlpatterns = [
    path("stations/", stations.finder, name="stations"),
    path("stations/<uuid:station_id>", stations.station, name="station"),
    path("stations/<uuid:station_id>/defect", stations.defect, name="station-defect"),
    path("door/<str:code>", stations.door, name="door"),
    path("visit", stations.visit, name="visit"),
    path("desk/stations", stations.desk, name="stations-desk"),
    path("desk/stations/new", stations.station_new, name="station-new"),
    path("desk/stations/<uuid:station_id>", stations.station_case, name="station-case"),
    path("desk/stations/<uuid:station_id>/edit", stations.station_edit, name="station-edit"),
    path("desk/stations/<uuid:station_id>/exit", stations.station_exit, name="station-exit"),
    path("desk/stations/<uuid:station_id>/<slug:step>", stations.station_step, name="station-step"),
]
