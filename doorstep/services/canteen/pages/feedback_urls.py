"""Addresses of feedback pages, below ``/canteen/``."""

from django.urls import path

from doorstep.services.canteen.pages import feedback as pages

urlpatterns = [
    path("meals/<uuid:use_id>/rate", pages.rate, name="rate"),
    path("report", pages.report, name="report"),
    path("report/<uuid:venue_id>", pages.report, name="report"),
    path("venues/<uuid:venue_id>/ratings", pages.ratings, name="ratings"),
    path("desk/feedback", pages.list_, name="feedback-desk"),
    path("desk/feedback/<uuid:feedback_id>", pages.detail, name="feedback"),
    path("desk/feedback/<uuid:feedback_id>/answer", pages.answer, name="feedback-answer"),
    path("desk/feedback/<uuid:feedback_id>/photo", pages.photo, name="feedback-photo"),
]
