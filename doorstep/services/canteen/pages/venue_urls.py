"""Addresses of the restaurant's desk, under /canteen/."""

from django.urls import path

from doorstep.services.canteen.pages import venue

urlpatterns = [
    path("counter", venue.counter, name="counter"),
    path("counter/<uuid:venue_id>", venue.counter_of, name="counter-of"),
    path("counter/<uuid:venue_id>/menu", venue.counter_menu, name="counter-menu"),
    path("counter/<uuid:venue_id>/papers", venue.counter_paper, name="counter-paper"),
    path("join", venue.join, name="join"),
    path("join/<uuid:call_id>", venue.apply, name="apply"),
]
