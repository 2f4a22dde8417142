"""Why a proof cannot be given."""

from django.utils.translation import gettext_lazy as _

from doorstep.kernel.common.errors import NotFound, Problem


class NotSealedYet(Problem):
    code = "audit_not_sealed_yet"
    status = 409
    text = _("这条记录已经写下,还没有封存。")
    remedy = _("封存每分钟进行一次,请稍后再来取凭证。")


class EntryNotFound(NotFound):
    code = "audit_entry_not_found"
    text = _("没有这条记录。")
    remedy = _("请核对凭证上的编号。")


class HeadNotFound(NotFound):
    code = "audit_head_not_found"
    text = _("没有这个大小的签名树头。")
    remedy = _("请使用凭证或公布的树头上写明的大小。")
