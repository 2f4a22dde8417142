"""Addresses of the resident's union, under /union/."""

from django.urls import path

from doorstep.services.union.pages import home

urlpatterns = [
    path("", home.home, name="home"),
    path("join/<uuid:unit_id>", home.join, name="join"),
    path("join/<uuid:unit_id>/move", home.move, name="move"),
    path("card", home.card, name="card"),
    path("card/code", home.card_code, name="card-code"),
    path("leave", home.leave, name="leave"),
]
