"""Addresses of the members' desk, under /union/."""

from django.urls import path

from doorstep.services.union.pages import members

urlpatterns = [
    path("members", members.members, name="members"),
    path("members/approve", members.approve, name="members-approve"),
    path("members/<uuid:membership_id>", members.member, name="member"),
    path("members/<uuid:membership_id>/<slug:step>", members.member_step, name="member-step"),
    path("transfers/<uuid:transfer_id>/<slug:step>", members.transfer_step, name="transfer-step"),
    path("lists/new/<slug:kind>", members.upload, name="upload"),
    path("lists/new/<slug:kind>/sample.csv", members.upload_sample, name="upload-sample"),
    path("lists/<uuid:list_id>", members.uploaded, name="list"),
    path("merchants", members.merchants, name="merchants"),
    path("merchants/<uuid:merchant_id>/leave", members.merchant_leave, name="merchant-leave"),
    path("units/<uuid:unit_id>/poster", members.poster, name="poster"),
    path("foundings", members.foundings, name="foundings"),
    path("foundings/new", members.founding_new, name="founding-new"),
    path("foundings/<uuid:founding_id>/decide", members.founding_decide, name="founding-decide"),
    path("committees/new", members.committee_new, name="committee-new"),
]
