"""Why a code is not taken; each refusal has its own name and a code that never changes."""

from django.utils.translation import gettext_lazy as _

from doorstep.kernel.common.errors import Problem


class PassUnreadable(Problem):
    code = "pass_unreadable"
    status = 422
    text = _("这不是本平台的码,或没有扫完整。")
    remedy = _("请擦净屏幕、调亮后再扫一次,或改为输入短码。")


class PassForged(Problem):
    code = "pass_forged"
    status = 422
    text = _("这个码的签名不对,不能使用。")
    remedy = _("请让本人打开自己的码再扫;仍然这样时请报告管理员。")


class PassExpired(Problem):
    code = "pass_expired"
    status = 409
    text = _("这个码已经过期,截图不能用。")
    remedy = _("请让对方打开页面,等新码出来再扫。")


class PassNotYetValid(Problem):
    code = "pass_not_yet_valid"
    status = 409
    text = _("这个码还没有到可用的时间。")
    remedy = _("请核对码上的日期;日期没错时请校准这台设备的时钟。")


class PassRevoked(Problem):
    code = "pass_revoked"
    status = 409
    text = _("这个码已经作废。")
    remedy = _("请让对方打开最新的码,或联系发放单位。")


class ShortCodeMistyped(Problem):
    code = "short_code_mistyped"
    status = 422
    text = _("短码输错了。")
    remedy = _("请对照屏幕重新输入,数字不能多也不能少。")


class ShortCodeExpired(Problem):
    code = "short_code_expired"
    status = 409
    text = _("这个短码不在有效时间内。")
    remedy = _("请输入屏幕上现在显示的短码;打印的码只在当天有效。")
