"""Addresses of the till, under /canteen/."""

from django.urls import path

from doorstep.services.canteen.pages import till

urlpatterns = [
    path("till/", till.counter, name="till"),
    path("till/pair", till.pair, name="till-pair"),
    path("till/preview", till.preview, name="till-preview"),
    path("till/redeem", till.redeem, name="till-redeem"),
    path("till/today", till.today, name="till-today"),
    path("till/void/<uuid:use_id>", till.void, name="till-void"),
    path("till/sw.js", till.service_worker, name="till-service-worker"),
]
