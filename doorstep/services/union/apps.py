"""The union introduces itself to the house: its roles, its place in the shells."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class UnionConfig(AppConfig):
    name = "doorstep.services.union"
    label = "union"

    def ready(self) -> None:
        from doorstep.kernel.common.access import register_pairing_page, register_role
        from doorstep.kernel.common.rooms import ConsentKind, DeskPage, Room, register
        from doorstep.services.union import figures, periodic, story
        from doorstep.services.union.queries.wallet import wallet

        register_role(
            "union_officer",
            _("工会经办"),
            {
                "union.members",
                "union.stations",
                "union.station",
                "union.activities",
                "union.board",
                "union.overview",
                "places.manage",
                "organisations.manage",
                "organisations.devices",
                "bookings.manage",
            },
        )
        register_role("union_leader", _("工会负责人"), {"union.approve", "union.overview"})
        register_role("station_keeper", _("驿站管理员"), {"union.station"})
        register_role("checkup_doctor", _("体检医生"), {"union.checkups", "bookings.attend"})
        register_role("street_secretary", _("街道党工委"), {"union.overview"})
        register_role("merchant_manager", _("商户负责人"), {"union.merchant"})

        register_pairing_page("door", "union:door-pair")
        register(
            Room(
                code="union",
                title=_("职工之家"),
                icon="hand",
                summary=_("入会、歇脚、活动、体检"),
                url_name="union:home",
                desk=(
                    DeskPage("union:overview", _("四级看板"), "chart", "union.overview"),
                    DeskPage("union:members", _("会员"), "users", "union.members"),
                    DeskPage("union:foundings", _("建会"), "flag", "union.approve"),
                    DeskPage("union:stations-desk", _("驿站"), "map-pin", "union.stations"),
                    DeskPage("union:station-keeper", _("我的驿站"), "home", "union.station"),
                    DeskPage("union:activities-desk", _("活动与体检"), "star", "union.activities"),
                    DeskPage("union:clinic", _("体检"), "doctor", "union.checkups"),
                    DeskPage("union:board-desk", _("经验板"), "book", "union.board"),
                ),
                consents=(
                    ConsentKind(
                        "union.checkup_result",
                        _("在这里收体检结果"),
                        _("体检机构把结果加密放到这里,只有您自己能看;工会只知道多少人查过。"),
                    ),
                ),
                wallet=wallet,
                article="union/live/article.html",
                figures=figures.figures,
                figure_rows=figures.figure_rows,
                story=story.tell,
                periodic=periodic.run,
                tone="jade",
                order=20,
            )
        )
