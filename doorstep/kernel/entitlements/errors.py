"""Refusals of the core loop that every service shares."""

from django.utils.translation import gettext_lazy as _

from doorstep.kernel.common.errors import Conflict, NotFound, Problem, WrongState


class UnknownEntitlement(NotFound):
    code = "unknown_code"
    text = _("没有查到这张券。")
    remedy = _("请让对方刷新卡包里的二维码,再扫一次。")


class AlreadyUsed(Conflict):
    code = "already_used"
    text = _("这张券已经用过了。")
    remedy = _("请换一张券;看看卡包里还有没有。")


class AlreadyThisWindow(Conflict):
    code = "already_this_window"
    text = _("这一餐已经用过券了,一人一餐一张。")
    remedy = _("下一餐可以再用。")


class MonthlyLimit(Conflict):
    code = "monthly_limit"
    text = _("这个月的次数已经用完。")
    remedy = _("下个月 1 日起可以再用。")


class Voided(Conflict):
    code = "voided"
    text = _("这张券已作废。")
    remedy = _("有疑问请联系发券的工会。")


class Expired(Conflict):
    code = "expired"
    text = _("这张券已过期。")
    remedy = _("请看看卡包里有没有别的券。")


class QuotaGone(Conflict):
    code = "quota_gone"
    text = _("来晚了一步,这一批已经领完。")
    remedy = _("下一批开抢时会通知您。")


class AlreadyClaimed(Conflict):
    code = "already_claimed"
    text = _("这一批您已经领过了。")
    remedy = _("请到卡包里查看。")


class ClaimNotOpen(WrongState):
    code = "claim_not_open"
    text = _("现在不在领取时间内。")
    remedy = _("请看领取的开始和结束时间。")


class NotEligible(Problem):
    code = "not_eligible"
    status = 403
    text = _("您还没有可以领这张券的身份认证。")
    remedy = _("骑手、快递员、司机可以在「我的」里完成认证。")


class ReversalTooLate(Conflict):
    code = "reversal_too_late"
    text = _("已超过 {minutes} 分钟,不能在收银台撤销。")
    remedy = _("请联系工会,在结算时更正。")


class AlreadyReversed(Conflict):
    code = "already_reversed"
    text = _("这一笔已经撤销过了。")
    remedy = _("请看今日流水。")


class AlreadySettled(Conflict):
    code = "already_settled"
    text = _("这一天已经结算过。")
    remedy = _("请打开已有的结算单。")
