"""The union's named refusals: what happened, and what the person can do next."""

from django.utils.translation import gettext_lazy as _

from doorstep.kernel.common.errors import Conflict, Invalid, Text, WrongState


class AlreadyMember(Conflict):
    code = "already_member"
    text = _("您已经是工会会员,所在单位:{unit}。")
    remedy = _("换了单位请申请转会,不用再入一次会。")


class PendingElsewhere(Conflict):
    code = "pending_elsewhere"
    text = _("您在{unit}的入会申请还在审核。")
    remedy = _("等那边有了结果再来;填错单位请联系那边撤回。")


class PhoneNotVerified(Conflict):
    code = "phone_not_verified"
    text = _("还没有用手机验证码登录。")
    remedy = _("请先用本人手机号登录,再回来入会。")


class NameDiffers(Conflict):
    code = "name_differs"
    text = _("姓名与您已实名的「{name}」不一致。")
    remedy = _("请按身份证填写;姓名确有更改,请带身份证到工会站点办理。")


class IdentityDiffers(Conflict):
    code = "identity_differs"
    text = _("身份证号与您已实名的不一致。")
    remedy = _("请核对身份证号;换了人请用他本人的手机号登录。")


class IdentityElsewhere(Conflict):
    code = "identity_elsewhere"
    text = _("这个身份证号已用手机号 {phone} 登记。")
    remedy = _("是您本人就用那个号登录;号码停用了,请带身份证到工会站点换号。")


class IdentityOfAnother(Conflict):
    code = "identity_of_another"
    text = _("这个身份证号登记的是另一个人。")
    remedy = _("请核对身份证号;没有填错请带身份证到工会站点,由工作人员查明。")


class NotJoinable(Conflict):
    code = "not_joinable"
    text = _("这里不接受入会申请。")
    remedy = _("请扫本单位海报上的码,或先进本区的待转入名册。")


class TransferOpen(Conflict):
    code = "transfer_open"
    text = _("这个人已有一笔转会在办。")
    remedy = _("请先办完或退回那一笔。")


class MerchantGone(WrongState):
    code = "merchant_gone"
    text = _("这家商户已经退出。")
    remedy = _("重新加入请把它放进商户名单上传。")


class NoHoldingPool(WrongState):
    code = "no_holding_pool"
    text = _("本区还没有待转入名册,员工没有地方可去。")
    remedy = _("请区总工会先开一个待转入名册。")


class TooFewMembers(Conflict):
    code = "too_few_members"
    text = _("{unit}只有 {members} 名会员,不满 25 人,不能单独建会。")
    remedy = _("请再选一家或几家单位联合建会。")


class NotTheLevelAbove(Invalid):
    code = "not_the_level_above"
    text = _("四级联动要一级接一级:街道党工委、工会联合会、行业协会、商户联盟。")
    remedy = _("请选相邻的上一级。")


class LinkedElsewhere(Conflict):
    code = "linked_elsewhere"
    text = _("这个单位已经接在{upper}下面,再接一处就会重复计数。")
    remedy = _("请先解除原来的联动。")


class PostRefused(Invalid):
    code = "post_refused"


POST_TEXTS: dict[str, Text] = {
    "too_short": _("太短了,至少写 6 个字。"),
    "too_long": _("太长了,最多 280 个字。"),
    "advert": _("看起来像广告:经验板不放电话、微信、网址和买卖。"),
}


class TooManyPosts(Conflict):
    code = "too_many_posts"
    text = _("今天已经写了 {limit} 条。")
    remedy = _("留着明天再写。")


class MembersOnly(Conflict):
    code = "members_only"
    text = _("会员才能在经验板上写。")
    remedy = _("先入会,一分钟就够。")


ROW_TEXTS: dict[str, Text] = {
    "name_missing": _("没有名称。"),
    "name_long": _("名称超过 60 个字。"),
    "phone_wrong": _("手机号应为 11 位,以 1 开头。"),
    "identity_length": _("身份证号应为 18 位。"),
    "identity_region": _("身份证号开头的地区码不存在。"),
    "identity_birth_date": _("身份证号里的出生日期不对。"),
    "identity_check_digit": _("身份证号的校验位不对,请逐位核对。"),
    "occupation_unknown": _("职业看不懂,请从模板里的几种中选。"),
    "duplicate": _("名单里前面已经有它。"),
    "merchant_unknown": _("找不到这家商户,请先上传商户名单,或改成信用代码。"),
    "name_differs": _("姓名与这个手机号或身份证号登记的不一致。"),
    "identity_differs": _("身份证号与这个手机号已实名的不一致。"),
    "identity_elsewhere": _("手机号和身份证号登记在两个不同的人名下。"),
    "just_taken": _("这个手机号或身份证号刚刚被别人登记,请再传一次。"),
    "already_member": _("已经是这里的会员,不用再传。"),
    "member_elsewhere": _("是别的单位的会员,请办转会。"),
    "pending_elsewhere": _("在别的单位有申请正在审核。"),
    "registration_length": _("统一社会信用代码应为 18 位。"),
    "registration_characters": _("统一社会信用代码里有不该出现的字符(I、O、S、V、Z)。"),
    "registration_check": _("统一社会信用代码的校验位不对,请逐位核对。"),
    "contact_missing": _("没有联系人。"),
    "parent_unknown": _("找不到这个商户联盟或协会。"),
    "already_joined": _("这家商户已经加入。"),
    "registered_elsewhere": _("这个信用代码登记在别的单位名下。"),
    "name_taken": _("同一联盟下已有同名的单位。"),
}
