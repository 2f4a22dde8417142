"""Refusals: what happened and what the person can do next, with a code that never changes.

A rule returns a decision; an action raises :class:`Problem`; a face turns it into ``application/problem+json`` or a page.
"""

from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

Text = str | Promise


class Problem(Exception):
    """A named refusal. Subclasses fix ``code``, ``status``, ``text`` and ``remedy``; ``data`` fills their placeholders."""

    code: str = "problem"
    status: int = 400
    text: Text = _("这一步没有办成。")
    remedy: Text = ""

    def __init__(self, *, text: Text | None = None, remedy: Text | None = None, **data: Any) -> None:
        super().__init__(self.code)
        self.data = data
        if text is not None:
            self.text = text
        if remedy is not None:
            self.remedy = remedy

    @property
    def message(self) -> str:
        """The text with its placeholders filled, in the reader's language."""
        return str(self.text).format(**self.data) if self.data else str(self.text)

    @property
    def next_step(self) -> str:
        return str(self.remedy).format(**self.data) if self.data else str(self.remedy)

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


class NotFound(Problem):
    code = "not_found"
    status = 404
    text = _("没有找到这一项。")
    remedy = _("请核对后再试,或回到上一页。")


class NotAllowed(Problem):
    code = "not_allowed"
    status = 403
    text = _("您没有做这件事的权限。")
    remedy = _("需要时请联系本单位的管理员。")


class NotSignedIn(Problem):
    code = "not_signed_in"
    status = 401
    text = _("请先登录。")
    remedy = _("登录后会回到这里。")


class KeyMissing(Problem):
    code = "key_missing"
    status = 400
    text = _("请求缺少幂等键。")
    remedy = _("每次操作请带上新的 Idempotency-Key,重试时用同一个。")


class KeyReused(Problem):
    code = "key_reused"
    status = 409
    text = _("这个幂等键已经用于另一笔操作。")
    remedy = _("请换一个新的键再提交。")


class Invalid(Problem):
    """A value that cannot be right. ``field`` names it for the form."""

    code = "invalid"
    status = 422
    text = _("填写的内容有误。")

    def __init__(self, field: str = "", *, code: str | None = None, **data: Any) -> None:
        self.field = field
        if code:
            self.code = code
        super().__init__(**data)


class Conflict(Problem):
    code = "conflict"
    status = 409
    text = _("别人刚刚改过这一项。")
    remedy = _("请刷新后再试。")


class WrongState(Problem):
    code = "wrong_state"
    status = 409
    text = _("现在的状态不能做这一步。")
    remedy = _("请刷新页面看看最新情况。")


class TooMany(Problem):
    code = "too_many"
    status = 422
    text = _("一次最多 {limit} 条。")
    remedy = _("请分几次来。")


class FourEyes(Problem):
    """The second person of a two-person step is the first one."""

    code = "four_eyes"
    status = 409
    text = _("经办人和复核人不能是同一个人。")
    remedy = _("请换一位同事来复核。")
