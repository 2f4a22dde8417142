"""The union introduces itself to the house: its roles, its place in the shells."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class UnionConfig(AppConfig):
    name = "doorstep.services.union"
    label = "union"

    def ready(self) -> None:
        from doorstep.kernel.common.access import register_role
        from doorstep.kernel.common.rooms import DeskPage, Room, register
        from doorstep.services.union import figures, story
        from doorstep.services.union.queries.wallet import wallet

        register_role(
            "union_officer",
            _("工会经办"),
            {"union.members", "union.stations", "union.activities", "union.board", "union.overview"},
        )
        register_role("union_leader", _("工会负责人"), {"union.approve", "union.overview"})
        register_role("station_keeper", _("驿站管理员"), {"union.station"})
        register_role("street_secretary", _("街道党工委"), {"union.overview"})
        register_role("merchant_manager", _("商户负责人"), {"union.merchant"})

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
                    DeskPage("union:board-desk", _("经验板"), "book", "union.board"),
                ),
                wallet=wallet,
                article="union/live/article.html",
                figures=figures.figures,
                figure_rows=figures.figure_rows,
                story=story.tell,
                tone="jade",
                order=20,
            )
        )
