"""Addresses of the diner's pages, under /canteen/."""

from django.urls import path

from doorstep.services.canteen.pages import diner

urlpatterns = [
    path("", diner.near, name="near"),
    path("venues/<uuid:venue_id>", diner.venue, name="venue"),
    path("claims", diner.claims, name="claims"),
    path("claims/<uuid:grant_id>", diner.claim, name="claim"),
    path("history", diner.history, name="history"),
    path("tickets/<uuid:entitlement_id>", diner.ticket, name="ticket"),
    path("tickets/<uuid:entitlement_id>/code", diner.ticket_code, name="ticket-code"),
    path("tickets/<uuid:entitlement_id>/print", diner.ticket_print, name="ticket-print"),
]
