"""Addresses of settlement pages, below ``/canteen/``."""

from django.urls import path

from doorstep.services.canteen.pages import settlement as pages

urlpatterns = [
    path("desk/settlements", pages.list_, name="settlements"),
    path("desk/settlements/prepare", pages.prepare, name="settlement-prepare"),
    path("desk/settlements/<uuid:settlement_id>", pages.detail, name="settlement"),
    path("desk/settlements/<uuid:settlement_id>/sheet", pages.sheet, name="settlement-sheet"),
    path("desk/settlements/<uuid:settlement_id>/file.<slug:file_format>", pages.file, name="settlement-file"),
    path("desk/settlements/<uuid:settlement_id>/adjust", pages.adjust, name="settlement-adjust"),
    path("desk/settlements/<uuid:settlement_id>/approve", pages.approve, name="settlement-approve"),
    path("desk/settlements/<uuid:settlement_id>/pay", pages.pay, name="settlement-pay"),
    path("desk/approvals", pages.approvals, name="approvals"),
    path("desk/paying-account", pages.paying_account, name="paying-account"),
]
