"""Refusals of bookings, and the constraints of the database in their words."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import DatabaseError, IntegrityError, OperationalError
from django.utils.translation import gettext_lazy as _

from doorstep.kernel.common.errors import Conflict, Invalid, Problem, WrongState

EXCLUDED, DEADLOCK, SERIALIZATION = "23P01", "40P01", "40001"


class SessionFull(Conflict):
    code = "session_full"
    text = _("这一场已经约满。")
    remedy = _("请看看其他场次。")


class AlreadyBooked(Conflict):
    code = "already_booked"
    text = _("这一场您已经约过了。")
    remedy = _("请到「我的预约」里查看。")


class BookingNotOpen(WrongState):
    code = "booking_not_open"
    text = _("现在不在预约时间内。")
    remedy = _("请看预约的开始和截止时间,或选其他场次。")


class SessionCancelled(WrongState):
    code = "session_cancelled"
    text = _("这一场已经取消。")
    remedy = _("请看看其他场次。")


class SessionBegun(WrongState):
    code = "session_begun"
    text = _("这一场已经开始,不能再改。")
    remedy = _("请为剩下的人另开一场。")


class CancelTooLate(Conflict):
    code = "cancel_too_late"
    text = _("已经过了可以自行取消的时间。")
    remedy = _("请联系主办方的工作人员。")


class AlreadyCancelled(WrongState):
    code = "already_cancelled"
    text = _("这个预约已经取消。")
    remedy = _("需要的话请重新预约。")


class HoldOver(Conflict):
    code = "hold_over"
    text = _("保留时间已过,位子已经放出。")
    remedy = _("请重新预约;已满时可以排候补。")


class NotConfirmed(WrongState):
    code = "not_confirmed"
    text = _("这个预约还没有确认,不能签到。")
    remedy = _("请先确认预约;还在候补的请等通知。")


class CheckInTooEarly(WrongState):
    code = "check_in_too_early"
    text = _("还没有到签到时间。")
    remedy = _("开始前 {minutes} 分钟起可以签到。")


class NotBegun(WrongState):
    code = "not_begun"
    text = _("还没有开始,不能记为未到场。")
    remedy = _("请在开始以后再记。")


class CapacityTooSmall(Invalid):
    code = "capacity_too_small"
    text = _("已有 {booked} 人预约,名额不能少于这个数。")
    remedy = _("请先取消一些预约,或保持原来的名额。")


class Taken(Conflict):
    code = "taken"
    text = _("这个时间段已经被预订。")
    remedy = _("请换一个时间,或换一个同类的。")


class PoolShort(Conflict):
    code = "pool_short"
    text = _("这个时间段只剩 {left} 件。")
    remedy = _("请减少数量,或换一个时间。")


class ResourceRetired(WrongState):
    code = "resource_retired"
    text = _("这一项已经停用。")
    remedy = _("请选同类的其他一项。")


class Busy(Conflict):
    """Two requests stood in each other's way; neither is at fault."""

    code = "busy"
    text = _("同时预订的人太多,这一次没有排上。")
    remedy = _("什么也没有变,请马上再试一次。")


def refusal_of(error: DatabaseError) -> Problem:
    """The refusal behind a database error; one that tells of a fault of ours is raised again."""
    state = getattr(error.__cause__, "sqlstate", "")
    if state == EXCLUDED:
        return Taken()
    if state in (DEADLOCK, SERIALIZATION):
        return Busy()
    if "booking_once_a_session" in str(error):
        return AlreadyBooked()
    if "session_within_capacity" in str(error):
        return SessionFull()
    raise error


@contextmanager
def translated() -> Iterator[None]:
    """Turn violated constraints and deadlocks inside the block into refusals."""
    try:
        yield
    except (IntegrityError, OperationalError) as error:
        raise refusal_of(error) from error
