"""Addresses of games and check-ups, under /union/."""

from django.urls import path

from doorstep.services.union.pages import activities

urlpatterns = [
    path("activities/", activities.listing, name="activities"),
    path("activities/<uuid:event_id>", activities.event, name="activity"),
    path("activities/<uuid:event_id>/teams", activities.team_new, name="team-new"),
    path("teams/<uuid:team_id>/join", activities.team_join, name="team-join"),
    path("prizes/<uuid:prize_id>/claim", activities.prize_claim, name="prize-claim"),
    path("my-prizes/<uuid:claim_id>", activities.prize, name="prize"),
    path("checkups/<uuid:round_id>", activities.checkup, name="checkup"),
    path("checkups/slots/<uuid:session_id>/book", activities.checkup_book, name="checkup-book"),
    path("checkups/bookings/<uuid:booking_id>/cancel", activities.checkup_cancel, name="checkup-cancel"),
    path("checkups/results/<uuid:result_id>", activities.checkup_result, name="checkup-result"),
    path("desk/activities", activities.desk, name="activities-desk"),
    path("desk/activities/new", activities.event_new, name="activity-new"),
    path("desk/activities/<uuid:event_id>", activities.event_case, name="activity-case"),
    path("desk/activities/<uuid:event_id>/close", activities.event_close, name="activity-close"),
    path("desk/activities/<uuid:event_id>/<slug:step>", activities.event_step, name="activity-step"),
    path("desk/prizes/<uuid:claim_id>/hand-over", activities.claim_hand_over, name="prize-hand-over"),
    path("desk/clinic", activities.clinic, name="clinic"),
    path("desk/checkups/new", activities.round_new, name="checkup-new"),
    path("desk/checkups/<uuid:round_id>", activities.round_case, name="checkup-case"),
    path("desk/checkups/<uuid:round_id>/slots", activities.slot_add, name="checkup-slot"),
    path("desk/checkups/bookings/<uuid:booking_id>/<slug:step>", activities.booking_step, name="checkup-booking"),
]
