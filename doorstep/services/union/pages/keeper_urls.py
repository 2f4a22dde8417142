"""Addresses of the keeper and the door, under /union/."""

from django.urls import path

from doorstep.services.union.pages import keeper

urlpatterns = [
    path("keeper/", keeper.choose, name="station-keeper"),
    path("keeper/<uuid:station_id>", keeper.keeper, name="keeper"),
    path("keeper/<uuid:station_id>/door", keeper.keeper_door, name="keeper-door"),
    path("keeper/<uuid:station_id>/<slug:step>", keeper.keeper_step, name="keeper-step"),
    path("keeper/defects/<uuid:defect_id>/fix", keeper.fix, name="defect-fix"),
    path("keeper/supplies/<uuid:supply_id>/use", keeper.use_supply, name="supply-use"),
    path("door-screen/", keeper.door_screen, name="door-screen"),
    path("door-screen/pair", keeper.door_pair, name="door-pair"),
    path("desk/stations/<uuid:station_id>/door/add", keeper.door_add, name="door-add"),
]
