"""The canteen introduces itself to the house: its roles, its place in the shells."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class CanteenConfig(AppConfig):
    name = "doorstep.services.canteen"
    label = "canteen"

    def ready(self) -> None:
        from doorstep.kernel.common.access import register_pairing_page, register_role
        from doorstep.kernel.common.rooms import DemoEntry, DeskPage, Room, register
        from doorstep.services.canteen import figures, periodic, story
        from doorstep.services.canteen.queries.wallet import wallet

        register_role(
            "union_officer",
            _("工会经办"),
            {
                "canteen.vet",
                "canteen.programme",
                "canteen.issue",
                "canteen.watch",
                "canteen.settle",
                "canteen.feedback",
                "people.register",
                "people.attest",
                "people.reveal",
                "places.manage",
                "places.calendar",
                "organisations.manage",
                "organisations.devices",
            },
        )
        register_role(
            "union_leader",
            _("工会负责人"),
            {"canteen.decide", "canteen.approve", "canteen.watch", "canteen.fund", "organisations.manage"},
        )
        register_role("venue_scorer", _("评审成员"), {"canteen.score"})
        register_role(
            "venue_manager",
            _("餐厅负责人"),
            {"canteen.venue", "canteen.feedback", "organisations.devices"},
        )
        register_role("auditor", _("审计"), {"canteen.audit", "audit.read"})

        register_pairing_page("till", "canteen:till-pair")
        register(
            Room(
                code="canteen",
                title=_("共享食堂"),
                icon="bowl",
                summary=_("工会补贴的热乎饭,最多 9 元"),
                url_name="canteen:near",
                desk=(
                    DeskPage("canteen:programmes", _("补贴项目"), "coins", "canteen.programme"),
                    DeskPage("canteen:issue", _("发券"), "ticket", "canteen.issue"),
                    DeskPage("canteen:venues", _("餐厅"), "shop", "canteen.vet"),
                    DeskPage("canteen:scoring", _("餐厅评审"), "star", "canteen.score"),
                    DeskPage("canteen:deciding", _("餐厅定夺"), "gavel", "canteen.decide"),
                    DeskPage("canteen:funding", _("拨经费"), "coins", "canteen.fund"),
                    DeskPage("canteen:settlements", _("结算"), "list", "canteen.settle"),
                    DeskPage("canteen:approvals", _("复核"), "check", "canteen.approve"),
                    DeskPage("canteen:watch", _("监督"), "shield", "canteen.watch"),
                    DeskPage("canteen:feedback-desk", _("评价与投诉"), "star", "canteen.feedback"),
                    DeskPage("canteen:counter", _("我的餐厅"), "bowl", "canteen.venue"),
                    DeskPage("canteen:audit", _("审计"), "search", "canteen.audit"),
                ),
                article="canteen/live/article.html",
                wallet=wallet,
                figures=figures.figures,
                figure_rows=figures.figure_rows,
                story=story.tell,
                periodic=periodic.run,
                demo=(
                    DemoEntry("till", _("收银台"), _("把这台浏览器变成夜归人食堂的收银台"), "scan", story.demo_till),
                ),
                order=10,
            )
        )
