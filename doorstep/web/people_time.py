"""Times as people say them. Pure: the moment and the present are both given."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

SHANGHAI = ZoneInfo("Asia/Shanghai")
WEEKDAYS_ZH = "一二三四五六日"
WEEKDAYS_EN = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS_EN = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
MORNING_HOURS = range(5, 11)
EVENING_HOURS = range(18, 24)


def local(moment: datetime) -> datetime:
    """The same moment on a clock in China; a naive time would be a guess and is refused."""
    if moment.tzinfo is None:
        raise ValueError("a naive datetime has no place on a page; make it aware first")
    return moment.astimezone(SHANGHAI)


def spoken_day(day: date, today: date, *, english: bool) -> str:
    """今天, 明天, 昨天, otherwise the date, with its year only when it is another year."""
    near = {-1: ("昨天", "yesterday"), 0: ("今天", "today"), 1: ("明天", "tomorrow")}.get((day - today).days)
    if near:
        return near[english]
    if english:
        text = f"{day.day} {MONTHS_EN[day.month - 1]}"
        return text if day.year == today.year else f"{text} {day.year}"
    text = f"{day.month}月{day.day}日"
    return text if day.year == today.year else f"{day.year}年{text}"


def spoken_moment(moment: datetime, now: datetime, *, english: bool) -> str:
    """今天 14:58, 明早 8:15, 昨天 20:10, 5月7日 14:00."""
    at, today = local(moment), local(now).date()
    hour = f"{at.hour}:{at.minute:02}"
    if at.date() == today + timedelta(days=1) and not english:
        if at.hour in MORNING_HOURS:
            return f"明早 {hour}"
        if at.hour in EVENING_HOURS:
            return f"明晚 {hour}"
    return f"{spoken_day(at.date(), today, english=english)} {hour}"


def weekday(day: date, *, english: bool) -> str:
    return WEEKDAYS_EN[day.weekday()] if english else f"周{WEEKDAYS_ZH[day.weekday()]}"


def calendar_day(day: date, *, english: bool) -> str:
    """5月7日 周三."""
    if english:
        return f"{weekday(day, english=True)} {day.day} {MONTHS_EN[day.month - 1]}"
    return f"{day.month}月{day.day}日 {weekday(day, english=False)}"
