"""Refusals of custody and stock."""

from django.utils.translation import gettext_lazy as _

from doorstep.kernel.common.errors import Conflict, Invalid, NotFound, WrongState


class UnknownThing(NotFound):
    code = "unknown_thing"
    text = _("没有查到这件物品。")
    remedy = _("请核对条码,或先登记。")


class BarcodeTaken(Conflict):
    code = "barcode_taken"
    text = _("这个条码已经登记在另一件物品上。")
    remedy = _("请换一张条码贴上,再登记。")


class NotTheHolder(Conflict):
    code = "not_the_holder"
    text = _("这件物品现在不在交出方手里。")
    remedy = _("请刷新看看它现在由谁保管。")


class ThingRetired(WrongState):
    code = "thing_retired"
    text = _("这件物品已经停用。")
    remedy = _("请换同类的另一件。")


class ProofWrong(Invalid):
    code = "proof_wrong"
    text = _("交接凭证的内容不对。")
    remedy = _("请重新扫码、签名或拍照。")


class OutOfStock(Conflict):
    code = "out_of_stock"
    text = _("库存不够,只剩 {left} 件。")
    remedy = _("请减少数量,或等补货。")
