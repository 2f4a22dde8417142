"""Addresses of the auditor's pages, below ``/canteen/``."""

from django.urls import path

from doorstep.services.canteen.pages import audit as pages

urlpatterns = [
    path("desk/audit", pages.list_, name="audit"),
    path("desk/audit/check", pages.check, name="audit-check"),
    path("desk/audit/uses/<uuid:use_id>", pages.use, name="audit-use"),
    path("desk/audit/uses/<uuid:use_id>/facts.json", pages.facts, name="audit-facts"),
    path("desk/audit/uses/<uuid:use_id>/proof/<uuid:entry_id>.json", pages.proof, name="audit-proof"),
    path("desk/audit/heads/<int:old>-<int:new>.json", pages.consistency, name="audit-consistency"),
]
