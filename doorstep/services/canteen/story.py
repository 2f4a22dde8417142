"""The canteen's part of the page, replayed through actions at its dates: from the union's call to money in the bank.

Nothing is written past the actions, so what the story shows is what the system does. After the page's weeks it opens a
programme for today, so that a newcomer can act in every role at once.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import cycle
from urllib.parse import urlencode
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.urls import reverse

from doorstep.kernel.common import clock
from doorstep.kernel.common.access import DevicePrincipal, device_from_token
from doorstep.kernel.common.actor import Actor, person_actor, system_actor
from doorstep.kernel.common.clock import at_local
from doorstep.kernel.common.ids import uuid7
from doorstep.kernel.common.rooms import Step
from doorstep.kernel.entitlements.models import Entitlement, Use
from doorstep.kernel.organisations.actions import appoint, found_organisation, pair_device
from doorstep.kernel.passes.codes import PassKind, issue
from doorstep.kernel.people.actions import attest_standing, register_person
from doorstep.kernel.people.models import Person
from doorstep.services.canteen.actions import (
    feedback,
    issuing,
    programmes,
    redeeming,
    settling,
    syncing,
    venues,
    watching,
)
from doorstep.services.canteen.models import Meal, Venue, VoucherKind
from doorstep.services.canteen.refusals import RedemptionRefused

MOST_EACH = 10
STORY = system_actor("story")
UNION = "天元区总工会"
FIRST_DAY = date(2025, 5, 7)

SURNAMES = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林罗高"
GIVEN = [
    "磊",
    "强",
    "敏",
    "静",
    "伟",
    "芳",
    "军",
    "丽",
    "勇",
    "艳",
    "杰",
    "娟",
    "涛",
    "明",
    "超",
    "霞",
    "平",
    "刚",
    "桂",
    "辉",
]
DISHES = [
    ["辣椒炒肉", "红烧豆腐", "清炒空心菜", "番茄炒蛋", "酸豆角肉末", "蒸水蛋", "手撕包菜", "凉拌黄瓜"],
    ["小炒鸡", "家常茄子", "蒜蓉油麦菜", "青椒土豆丝", "梅菜扣肉", "虎皮鸡蛋", "炒藕片", "剁椒芽白"],
    ["啤酒鸭", "麻婆豆腐", "清炒丝瓜", "洋葱炒蛋", "萝卜干腊肉", "韭菜香干", "醋溜白菜", "拍黄瓜"],
]
SOUPS = ["紫菜蛋花汤", "冬瓜排骨汤", "海带豆腐汤"]


@dataclass(frozen=True, slots=True)
class VenueTold:
    """A restaurant of the story."""

    name: str
    address: str
    longitude: float
    latitude: float
    contact: str
    opens: date
    hours: str = "Mo-Su 10:30-15:00,17:00-21:00"


VENUES = (
    VenueTold("堂客们私房菜", "天元区高科汽配园", 113.0834, 27.8062, "周锋", date(2025, 5, 6)),
    VenueTold("泰山路湘味小馆", "天元区泰山路", 113.1021, 27.8305, "谭丽", date(2025, 7, 1)),
    VenueTold("滨江工友食堂", "天元区滨江南路", 113.1189, 27.8207, "罗建国", date(2025, 9, 1)),
)
NIGHT_VENUE = VenueTold("夜归人食堂", "天元区长江北路", 113.1077, 27.8391, "唐秀兰", date(2025, 12, 1), "24/7")

# What each scale replays: workers, free vouchers each, amount-off vouchers each. The full one is the programme as it was:
# 550 × 6 = 3,300 free and 550 × 20 = 11,000 subsidised meals.
SCALES = {"small": (40, 1, 4), "full": (550, 6, 20)}


@dataclass
class Told:
    """What the story has made so far."""

    step: Step
    union: UUID = field(default_factory=lambda: UUID(int=0))
    officer: Actor = STORY
    leader: Actor = STORY
    scorers: list[Actor] = field(default_factory=list)
    workers: list[UUID] = field(default_factory=list)
    venue_ids: dict[str, UUID] = field(default_factory=dict)
    tills: dict[str, DevicePrincipal] = field(default_factory=dict)
    till_keys: dict[str, Ed25519PrivateKey] = field(default_factory=dict)
    kinds: dict[str, UUID] = field(default_factory=dict)
    programme: UUID = field(default_factory=lambda: UUID(int=0))
    done: int = 0
    total: int = 1

    def tick(self, text: str, count: int = 1) -> None:
        self.done += count
        self.step(text, self.done, max(self.total, self.done))


def key(*parts: object) -> str:
    """The story's own idempotency keys: telling a step twice does it once."""
    return "story:" + ":".join(str(part) for part in parts)


def tell(scale: str, step: Step) -> None:
    """Replay the canteen's story. ``scale``: ``small`` (a few seconds) or ``full`` (the programme's 14,300 vouchers)."""
    workers, free, off = SCALES[scale]
    told = Told(step, total=workers * (1 + free + off) + 47)
    _people(told, workers)
    _programme(told)
    for venue in (*VENUES, NIGHT_VENUE):
        _venue(told, venue)
    _vouchers(told, free, off)
    _first_day(told)
    _meals(told)
    _offline_dinner(told)
    _opinions(told)
    _watch(told)
    _settle(told)
    _today(told)


def _demo_person(name: str, phone: str, username: str, at: datetime) -> UUID:
    return register_person(actor=STORY, at=at, name=name, phone=phone, username=username).person_id


def _phone(index: int) -> str:
    """The phone of the story's worker of that number."""
    return f"1390733{index:04d}"


def _people(told: Told, workers: int) -> None:
    """The union's officers and the workers it knows."""
    at = at_local(date(2025, 4, 1), 9)
    told.union = found_organisation(actor=STORY, at=at, kind="union", name=UNION, founded_on=date(2000, 1, 1))

    def appointed(name: str, phone: str, username: str, role: str) -> Actor:
        person_id = _demo_person(name, phone, username, at)
        appoint(actor=STORY, at=at, person_id=person_id, organisation_id=told.union, role=role)
        return person_actor(person_id, name)

    told.officer = appointed("易经办", "13807310001", "demo-officer", "union_officer")
    told.leader = appointed("李主席", "13807310002", "demo-leader", "union_leader")
    appointed("审计员", "13807310003", "demo-auditor", "auditor")
    told.scorers = [
        appointed(name, f"1380731001{index}", f"demo-scorer-{index}", "venue_scorer")
        for index, name in enumerate(["职工代表甲", "职工代表乙", "营养师丙"], start=1)
    ]
    names = [("凌涛", "demo-rider"), ("杨雷", "demo-courier"), ("周永栋", "demo-driver")]
    kinds = cycle(["rider", "courier", "driver"])
    for index in range(workers):
        if index < len(names):
            name, username = names[index]
            person_id = _demo_person(name, _phone(index), username, at)
        else:
            name = SURNAMES[index % len(SURNAMES)] + GIVEN[(index // 3) % len(GIVEN)]
            person_id = register_person(actor=STORY, at=at, name=name, phone=_phone(index)).person_id
        attest_standing(
            actor=told.officer,
            at=at,
            person_id=person_id,
            kind=next(kinds),
            organisation_id=told.union,
            valid_until=at_local(date(2030, 1, 1)),
            evidence="平台接单记录",
        )
        told.workers.append(person_id)
        told.tick("登记职工")


def _programme(told: Told) -> None:
    at = at_local(date(2025, 4, 20), 10)
    told.programme = programmes.open_programme(
        actor=told.officer,
        at=at,
        key=key("programme"),
        organisation_id=told.union,
        name="共享食堂补贴",
        starts_on=date(2025, 5, 1),
        ends_on=date(2027, 12, 31),
    ).programme_id
    programmes.fund_programme(
        actor=told.leader, at=at, key=key("fund"), programme_id=told.programme, amount_fen=20_000_000
    )
    told.tick("立项拨款")


def _venue(told: Told, venue: VenueTold) -> None:
    """Call, papers, visit, scores, decision, agreement, opening: each by the person whose job it is."""
    start = at_local(venue.opens - timedelta(days=28), 9)
    call = venues.publish_call(
        actor=told.officer,
        at=start,
        key=key("call", venue.name),
        organisation_id=told.union,
        title="征集共享食堂合作餐厅",
        requirements="八菜一汤不高于 13 元;午餐到 15:00、晚餐到 21:00;证照齐全。",
        opens_on=venue.opens - timedelta(days=28),
        closes_on=venue.opens - timedelta(days=20),
    )
    number = len(told.venue_ids)
    owner = person_actor(
        _demo_person(venue.contact, f"137073300{number:02d}", f"demo-venue-{number + 1}", start), venue.contact
    )
    venue_id = venues.apply_venue(
        actor=owner,
        at=start + timedelta(days=1),
        key=key("apply", venue.name),
        call_id=call,
        name=venue.name,
        address=venue.address,
        longitude=venue.longitude,
        latitude=venue.latitude,
        contact_name=venue.contact,
        bank_name="株洲农村商业银行",
        bank_account=f"6230900000{number:08d}",
        bank_code="402552000019",
    ).venue_id
    told.venue_ids[venue.name] = venue_id
    for kind, letters in (("business_licence", "YY"), ("food_permit", "JY"), ("health_certificate", "JK")):
        venues.add_paper(
            actor=owner,
            at=start + timedelta(days=2),
            key=key("paper", venue.name, kind),
            venue_id=venue_id,
            kind=kind,
            number=f"{letters}4302{number:06d}",
            expires_on=date(2028, 4, 30),
            holder=venue.contact,
        )
    venues.record_visit(
        actor=told.officer,
        at=start + timedelta(days=5),
        key=key("visit", venue.name),
        venue_id=venue_id,
        visited_on=venue.opens - timedelta(days=23),
        notes="明厨,生熟分开,留样柜正常。",
    )
    for index, scorer in enumerate(told.scorers):
        venues.score_venue(
            actor=scorer,
            at=start + timedelta(days=8),
            key=key("score", venue.name, index),
            venue_id=venue_id,
            kitchen=22 - index,
            dishes=23,
            price=24,
            hours=21 + index,
        )
    venues.decide_venue(
        actor=told.leader,
        at=start + timedelta(days=12),
        key=key("decide", venue.name),
        venue_id=venue_id,
        approved=True,
        reason="证照齐全,评分达标。",
    )
    venues.sign_agreement(
        actor=told.officer,
        at=start + timedelta(days=15),
        key=key("agreement", venue.name),
        venue_id=venue_id,
        list_price_fen=1300,
        opening_hours=venue.hours,
        valid_from=venue.opens,
        valid_until=date(2027, 12, 31),
    )
    opening = at_local(venue.opens, 9)
    venues.open_venue(actor=told.officer, at=opening, key=key("open", venue.name), venue_id=venue_id)
    device_id = venues.add_till(
        actor=told.officer, at=opening, key=key("till", venue.name), venue_id=venue_id, name="前台收银"
    )
    own_key = Ed25519PrivateKey.generate()
    told.till_keys[venue.name] = own_key
    public = own_key.public_key().public_bytes_raw()
    paired = pair_device(actor=told.officer, at=opening, device_id=device_id, public_key=public)
    device = device_from_token(paired.token)
    assert device is not None
    told.tills[venue.name] = device
    for offset in range(3):
        for index, meal in enumerate((Meal.LUNCH, Meal.DINNER)):
            venues.add_menu(
                actor=owner,
                at=opening,
                venue_id=venue_id,
                day=venue.opens + timedelta(days=offset + 1),
                meal=meal,
                dishes=DISHES[(offset + index) % 3],
                soups=[SOUPS[(offset + index) % 3]],
            )
    told.tick(venue.name, 5)


def _vouchers(told: Told, free: int, off: int) -> None:
    """The two kinds, and enough of each for every worker's meals."""
    at = at_local(date(2025, 5, 6), 10)
    for name, kind, share in (("4元减免券", VoucherKind.Kind.OFF, 400), ("免费餐券", VoucherKind.Kind.FREE, 1300)):
        told.kinds[name] = programmes.add_voucher_kind(
            actor=told.officer,
            at=at,
            key=key("kind", name),
            programme_id=told.programme,
            kind=kind,
            name=name,
            list_price_fen=1300,
            union_share_fen=share,
            standings=["rider", "courier", "driver"],
            venue_ids=[told.venue_ids[venue.name] for venue in VENUES],
            effective_from=at,
        ).kind_id
    for name, each in (("免费餐券", free), ("4元减免券", off)):
        given = 0
        while given < each:  # a push gives at most ten each
            size = min(MOST_EACH, each - given)
            issuing.push_vouchers(
                actor=told.officer,
                at=at,
                key=key("push", name, given),
                kind_id=told.kinds[name],
                valid_from=at,
                valid_until=at_local(date(2025, 12, 31), 24),
                each=size,
                title=name,
            )
            given += size
        told.tick(f"发放{name}", 5)


def _redeem(told: Told, till: DevicePrincipal, entitlement_id: UUID, at: datetime) -> str | None:
    code = issue(PassKind.ENTITLEMENT, entitlement_id, at)
    try:
        return redeeming.redeem_voucher(device=till, at=at, key=key("meal", entitlement_id), code=code)
    except RedemptionRefused:
        return None


def _first_day(told: Told) -> None:
    """7 May, two in the afternoon: 凌涛 pays nine yuan; at three o'clock the kitchen has closed."""
    till = told.tills["堂客们私房菜"]
    rider, courier = told.workers[0], told.workers[1]
    first = _open_vouchers(rider, told.kinds["4元减免券"])[0]
    _redeem(told, till, first, at_local(FIRST_DAY, 14))
    late = _open_vouchers(courier, told.kinds["4元减免券"])[0]
    _redeem(told, till, late, at_local(FIRST_DAY, 15))
    told.tick("5月7日第一餐", 2)


def _open_vouchers(person_id: UUID, kind_id: UUID | None = None) -> list[UUID]:
    """A person's unused vouchers, of one kind or of any, oldest first."""
    unused = Entitlement.objects.filter(person_id=person_id, state=Entitlement.State.OPEN, used=0)
    if kind_id is not None:
        unused = unused.filter(terms__canteen_kind=kind_id)
    return list(unused.order_by("number").values_list("pk", flat=True)[:100])


def _rounds(count: int) -> Iterator[tuple[date, int, tuple[VenueTold, ...]]]:
    """``count`` mealtimes: most in May at the first venue, the others in September at all three."""
    in_may = max(1, count * 3 // 5)
    for number in range(count):
        first, venues_then = (FIRST_DAY, VENUES[:1]) if number < in_may else (date(2025, 9, 1), VENUES)
        offset = number if number < in_may else number - in_may
        yield first + timedelta(days=1 + offset // 2), (10 * 60 + 35, 17 * 60 + 5)[offset % 2], venues_then


def _meals(told: Told) -> None:
    """Everybody eats, one voucher a mealtime, until the story's vouchers are used; the last tenth is left to expire."""
    queue: dict[UUID, list[UUID]] = {}
    owned = (
        Entitlement.objects.filter(terms__canteen_kind__in=told.kinds.values(), used=0, state="open")
        .order_by("number")
        .values_list("person_id", "pk")
    )
    for person_id, entitlement_id in owned.iterator(chunk_size=5000):
        queue.setdefault(person_id, []).append(entitlement_id)
    people = list(queue)
    keep = len(people) // 10 if len(people) < 100 else 0
    for day, start, venues_then in _rounds(max(len(vouchers) for vouchers in queue.values())):
        opening = at_local(day, start // 60, start % 60)
        for index, person_id in enumerate(people[: len(people) - keep]):
            if queue[person_id]:
                venue = venues_then[index % len(venues_then)]
                at = opening + timedelta(seconds=24 * (index // len(venues_then)))
                _redeem(told, told.tills[venue.name], queue[person_id].pop(0), at)
                told.tick("吃饭")


def _offline_dinner(told: Told) -> None:
    """10 September: the till has no network for an hour. Of two meals on one voucher the earlier stands, the other is booked."""
    venue = VENUES[2]
    till, own_key = told.tills[venue.name], told.till_keys[venue.name]
    waiting = [vouchers[0] for vouchers in map(_open_vouchers, told.workers) if vouchers][-3:]
    begin = at_local(date(2025, 9, 10), 18)
    records = []
    for index, entitlement_id in enumerate([*waiting, *waiting[:1]]):
        at = begin + timedelta(minutes=4 * index)
        code, record_key = issue(PassKind.ENTITLEMENT, entitlement_id, at), key("offline", index)
        signature = own_key.sign(syncing.signed_text(record_key, code, at.isoformat()))
        records.append((syncing.OfflineRecord(record_key, code, at, signature), at.isoformat()))
    syncing.sync_redemptions(device=till, at=begin + timedelta(hours=1), records=records)
    told.tick("离线记录补传", 2)


def _opinions(told: Told) -> None:
    """Diners rate what they ate; one complains and is answered."""
    words = [
        (5, "辣椒炒肉下饭。"),
        (5, ""),
        (4, "米饭可以再软一点。"),
        (5, "两点半来还是热的。"),
        (3, "人多,等了十分钟。"),
    ]
    uses = Use.objects.order_by("at").select_related("person")[: len(words) * 3]
    for index, use in enumerate(uses):
        stars, text = words[index % len(words)]
        feedback.rate_meal(
            actor=person_actor(use.person_id, use.person.name),
            at=use.at + timedelta(minutes=40),
            key=key("rate", use.pk),
            use_id=use.pk,
            stars=stars,
            text=text,
        )
    use = uses[2]
    at = use.at + timedelta(hours=1)
    complaint = feedback.complain(
        actor=person_actor(use.person_id, use.person.name),
        at=at,
        key=key("complaint"),
        venue_id=told.venue_ids[VENUES[0].name],
        text="汤上得慢,催了两次。",
        use_id=use.pk,
    )
    feedback.answer_feedback(
        actor=told.officer,
        at=at + timedelta(hours=3),
        key=key("answer"),
        feedback_id=complaint.feedback_id,
        answer="已和店里说好:高峰时汤放在取餐口自取。谢谢您告诉我们。",
    )
    told.tick("评价与投诉", 3)


def _watch(told: Told) -> None:
    """The watch rules look at every day on which somebody ate."""
    for day in Use.objects.order_by("day").values_list("day", flat=True).distinct()[:60]:
        watching.run_watch(actor=STORY, at=at_local(day, 23), day=day)
    told.tick("监督", 2)


def _settle(told: Told) -> None:
    """The officer prepares what the first venue is owed for May, the leader approves it against the invoice, it is paid."""
    settling.set_paying_account(
        actor=told.leader,
        at=at_local(date(2025, 5, 10), 9),
        key=key("paying-account"),
        organisation_id=told.union,
        account_name=UNION,
        bank_name="株洲农村商业银行",
        bank_account="81010000000000001",
    )
    first_venue, later = told.venue_ids[VENUES[0].name], [told.venue_ids[venue.name] for venue in VENUES[1:]]
    statement = settling.prepare_settlement(
        actor=told.officer,
        at=at_local(date(2025, 6, 2), 9),
        key=key("statement", "may"),
        venue_id=first_venue,
        payer_id=told.union,
        first_day=FIRST_DAY,
        last_day=date(2025, 5, 31),
    )
    settling.approve_settlement(
        actor=told.leader,
        at=at_local(date(2025, 6, 3), 10),
        key=key("approve", "may"),
        settlement_id=statement.settlement_id,
        invoice_number="25432000000018273645",
        invoice_fen=statement.payer_fen,
    )
    settling.pay_settlement(
        actor=told.officer,
        at=at_local(date(2025, 6, 3), 15),
        key=key("pay", "may"),
        settlement_id=statement.settlement_id,
    )
    for venue_id in later:  # prepared, waiting for somebody to approve them in the demo
        settling.prepare_settlement(
            actor=told.officer,
            at=at_local(date(2025, 10, 2), 9),
            key=key("statement", venue_id),
            venue_id=venue_id,
            payer_id=told.union,
            first_day=date(2025, 9, 1),
            last_day=date(2025, 9, 30),
        )
    told.tick("结算", 5)


def _today(told: Told) -> None:
    """A canteen that is open round the clock and vouchers for today, so that a newcomer can act at any hour."""
    at = clock.now()
    name = "夜班减免券"
    told.kinds[name] = programmes.add_voucher_kind(
        actor=told.officer,
        at=at,
        key=key("kind", name),
        programme_id=told.programme,
        kind=VoucherKind.Kind.OFF,
        name=name,
        list_price_fen=1300,
        union_share_fen=400,
        standings=["rider", "courier", "driver"],
        venue_ids=[told.venue_ids[NIGHT_VENUE.name]],
        effective_from=at,
        windows=[
            {"code": "lunch", "title": "午餐", "start": "00:00", "end": "15:00"},
            {"code": "dinner", "title": "晚餐", "start": "15:00", "end": "24:00"},
        ],
    ).kind_id
    until = at_local(clock.local_day(at) + timedelta(days=30))
    for kind in (name, "4元减免券", "免费餐券"):
        for index in range(3):  # 凌涛, 杨雷 and 周永栋, whom the demo lets one be
            issuing.issue_single(
                actor=told.officer,
                at=at,
                key=key("today", kind, index),
                kind_id=told.kinds[kind],
                phone=_phone(index),
                valid_from=at,
                valid_until=until,
                count=3,
            )
    issuing.open_claim(
        actor=told.officer,
        at=at,
        key=key("claim"),
        kind_id=told.kinds[name],
        quota=50,
        opens_at=at,
        closes_at=until,
        valid_from=at,
        valid_until=until,
        title="暖心晚餐,先到先得",
    )
    for venue in (*VENUES, NIGHT_VENUE):
        for index, meal in enumerate((Meal.LUNCH, Meal.DINNER)):
            venues.add_menu(
                actor=told.officer,
                at=at,
                venue_id=told.venue_ids[venue.name],
                day=clock.local_day(at),
                meal=meal,
                dishes=DISHES[index],
                soups=[SOUPS[index]],
            )
    told.tick("今天的券", 5)


def demo_till(at: datetime) -> str:
    """The address at which a visitor's browser becomes the till of the canteen that never closes."""
    venue = Venue.objects.select_related("place").get(place__name=NIGHT_VENUE.name)
    officer = Person.objects.get(username="demo-officer")
    actor = person_actor(officer.pk, officer.name)
    device_id = venues.add_till(actor=actor, at=at, key=f"demo-till:{uuid7()}", venue_id=venue.pk, name="演示收银台")
    code = venues.show_pairing_code(actor=actor, at=at, device_id=device_id)
    return f"{reverse('canteen:till-pair')}?{urlencode({'code': code})}"
