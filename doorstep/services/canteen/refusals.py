"""Every reason a meal can be refused: a stable code, what happened in the worker's words, and what helps."""

from typing import Any

from django.utils.translation import gettext_lazy as _

from doorstep.kernel.common.errors import Problem, Text

# code: (HTTP status, what happened, what to do next)
REFUSALS: dict[str, tuple[int, Text, Text]] = {
    "unknown_code": (404, _("没有查到这张券。"), _("请打开卡包里的券,等新码出来再扫一次。")),
    "pass_unreadable": (422, _("这不是餐券的码,或没有扫完整。"), _("请调亮屏幕再扫一次,或输入短码。")),
    "pass_forged": (422, _("这个码不是我们发的,不能用。"), _("请打开自己卡包里的券。")),
    "pass_expired": (409, _("这个码过了 60 秒,截图不能用。"), _("请在卡包里打开券,出示会动的那个码。")),
    "pass_not_yet_valid": (409, _("这个码还没到可用的时间。"), _("打印的券请看日期;电子券请核对手机时间。")),
    "pass_revoked": (409, _("这张打印的券已经挂失。"), _("请出示手机里的券,或请工会重新打印。")),
    "short_code_mistyped": (422, _("短码输错了一位。"), _("请对着屏幕重新输一遍。")),
    "short_code_expired": (409, _("这个短码已经换了。"), _("请输入屏幕上现在的短码。")),
    "scan_expired": (409, _("扫码后等得太久了。"), _("请再扫一次。")),
    "foreign_code": (409, _("这是别的服务的码,不是餐券。"), _("请到「卡包」里选餐券。")),
    "voided": (409, _("这张券已作废。"), _("有疑问请打工会电话;看看还有没有别的券。")),
    "expired": (409, _("这张券已过期。"), _("看看卡包里还有没有别的券。")),
    "not_yet_valid": (409, _("这张券 {day} 起才能用。"), _("看看卡包里有没有现在能用的券。")),
    "already_used": (409, _("这张券已经用过了。"), _("看看卡包里还有没有别的券。")),
    "already_this_window": (409, _("这顿{meal}已经用过一张券了,一人一餐一张。"), _("下一餐可以再用。")),
    "monthly_limit": (409, _("这个月的 {limit} 次已经用完。"), _("下个月 1 日起可以再用。")),
    "outside_window": (409, _("现在不是用餐时间。"), _("下一次开餐:{next_text}。")),
    "venue_closed": (409, _("这家店现在没有营业。"), _("下一次开餐:{next_text}。也可以看看附近别的店。")),
    "venue_suspended": (409, _("这家店暂停用券。"), _("请到附近别的共享食堂。")),
    "venue_not_open": (409, _("这家店还没有开通或已退出。"), _("请到附近别的共享食堂。")),
    "papers_expired": (409, _("这家店的证照过期了,暂时不能用券。"), _("请店家尽快补交;您可以到附近别的店。")),
    "no_agreement": (409, _("这家店的协议不在有效期内。"), _("请店家联系工会;您可以到附近别的店。")),
    "other_venue": (409, _("这张券不能在这家店用。"), _("在卡包里点开券,可以看到能用的店。")),
    "printed_elsewhere": (409, _("这张打印的券是给别的店用的。"), _("券面上印着可以用的店。")),
    "standing_ended": (409, _("您的职业认证已经到期。"), _("在「我的」里重新认证后就能用。")),
    "price_differs": (409, _("这家店的套餐价和券上约定的不一样。"), _("请店家联系工会核对价格。")),
    "programme_over": (409, _("这个补贴项目现在没有开。"), _("新的项目开始时会通知您。")),
    "clock_skew": (409, _("离线记录的时间不对。"), _("请校准收银设备的时间,超过 4 小时的离线记录请交工会处理。")),
    "bad_signature": (409, _("离线记录的签名不对。"), _("请用原来的收银设备同步,或联系工会。")),
}


class RedemptionRefused(Problem):
    """A refusal by its code. Raises: KeyError for a code that is not in :data:`REFUSALS`."""

    def __init__(self, code: str, **data: Any) -> None:
        self.code = code
        self.status, self.text, self.remedy = REFUSALS[code]
        super().__init__(**data)
