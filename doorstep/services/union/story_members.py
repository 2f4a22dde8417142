"""The federation's part of the page, replayed through actions: 9 May 2025, the Wanda business district of 石峰区学林街道.

The district union founds a federation, the street's party committee, three trade associations and six alliances of shops are
tied into four levels, 104 shops join by one list and 986 workers by five. Some rows of the lists are broken, as in life.
"""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from uuid import UUID

from doorstep.kernel.common import clock
from doorstep.kernel.common.actor import Actor, person_actor, system_actor
from doorstep.kernel.common.clock import at_local
from doorstep.kernel.common.rooms import Step
from doorstep.kernel.organisations.actions import appoint, found_organisation
from doorstep.kernel.organisations.models import Organisation
from doorstep.kernel.people.actions import register_person
from doorstep.kernel.people.identity import check_character as identity_check
from doorstep.services.union.actions import board, joining, organising
from doorstep.services.union.models import Membership
from doorstep.services.union.rules.registration import check_character

STORY = system_actor("story")
DAY = date(2025, 5, 9)
DISTRICT = "石峰区总工会"
STREET = "学林街道党工委"
FEDERATION = "万达商圈新业态工会联合会"
POOL = "石峰区待转入会员"
MERCHANTS, WORKERS = 104, 986

SURNAMES = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林罗高易谭彭曾肖田董潘袁蔡蒋余于杜叶程魏苏吕丁任沈姚卢姜崔钟"
GIVEN = [
    "磊", "强", "敏", "静", "伟", "芳", "军", "丽", "勇", "艳", "杰", "娟", "涛", "明", "超", "霞", "平", "刚", "桂英", "辉",
    "志强", "建华", "小燕", "海波", "文静", "子轩", "思远", "雨欣", "家豪", "晓东",
]  # fmt: skip

# Association → its alliances → what shops there are called.
LEVELS = {
    "学林餐饮行业协会": {"美食街商户联盟": "小炒 米粉 烧烤 火锅 奶茶 包点", "负一层小吃商户联盟": "糖水 炸串 凉皮 卤味 煎饼"},
    "学林零售行业协会": {"室内步行街商户联盟": "女装 童装 鞋店 眼镜 箱包 饰品", "金街商户联盟": "文具 花店 水果 母婴 手机"},
    "学林配送服务行业协会": {"配送站点商户联盟": "快递站 外卖站 同城送 货运站", "直播电商商户联盟": "直播间 网店 选品仓 摄影棚"},
}  # fmt: skip
FAMILY_NAMES = [
    "湘味", "老灶", "阿婆", "一品", "城西", "荷塘", "学林", "白马", "云里", "小满",
    "半亩", "青石", "三味", "福来", "南门", "顺风", "橙子", "木子", "江边", "好邻",
]  # fmt: skip

# Who gave the list, what its people do, how many; the last list is the shops' own staff.
LISTS = (
    ("美团配送学林站", "外卖骑手", 262),
    ("顺丰速运学林网点", "快递员", 184),
    ("滴滴出行株洲", "网约车司机", 92),
    ("跨越速运株洲", "货车司机", 48),
    ("万达商圈商户", "商户员工", 400),
)
assert sum(count for _who, _what, count in LISTS) == WORKERS

TIPS = (
    ("gate", "万达 3 号门晚上十点关,夜宵单走 1 号门,保安室登记一下就能进。"),
    ("route", "学林路施工,下午五点以后从建设北路绕,比等红灯快五分钟。"),
    ("skill", "汤粉分两袋,粉一袋汤一袋,到门口再提醒顾客先倒汤,几乎没有差评。"),
    ("emergency", "摔了先靠边,别急着捡餐。1 号门劳动者之家有急救箱,里面有碘伏和纱布。"),
    ("gate", "钻石 B 座的电梯要刷卡,给前台看一眼订单,她会帮您按楼层。"),
    ("skill", "下雨天手机套两层保鲜袋,屏幕还能划,来电也听得清。"),
)
WAITING = (
    ("route", "清石广场那段路晚高峰改单行了,导航还没改,别跟着走。"),
    ("emergency", "电动车电池鼓包就别充了,推到站点,有人免费收走。"),
)


@dataclass
class Told:
    """What the story has made so far."""

    step: Step
    ids: dict[str, UUID] = field(default_factory=dict)
    officer: Actor = STORY
    leader: Actor = STORY
    steward: Actor = STORY
    done: int = 0
    total: int = 12

    def tick(self, text: str) -> None:
        self.done += 1
        self.step(text, self.done, self.total)


def key(*parts: object) -> str:
    return "story:union:" + ":".join(str(part) for part in parts)


def tell(scale: str, step: Step) -> None:
    """Both scales tell the same: lists take a fixed number of statements, so that the whole district takes seconds."""
    told = Told(step)
    _district(told)
    _levels(told)
    _merchants(told)
    _members(told)
    _poster(told)
    _pool(told)
    _union_of_shops(told)
    _tips(told)
    _today(told)


def _person(name: str, phone: str, username: str, at: datetime) -> UUID:
    return register_person(actor=STORY, at=at, name=name, phone=phone, username=username).person_id


def _appointed(told: Told, unit: str, name: str, phone: str, username: str, role: str, at: datetime) -> Actor:
    person_id = _person(name, phone, username, at)
    appoint(actor=STORY, at=at, person_id=person_id, organisation_id=told.ids[unit], role=role)
    return person_actor(person_id, name)


def _district(told: Told) -> None:
    """The district union, its people and its register for those without a unit; the street's party committee."""
    at = at_local(date(2025, 4, 1), 9)
    for name, kind in ((DISTRICT, "union"), (STREET, "party_committee")):
        told.ids[name] = found_organisation(actor=STORY, at=at, kind=kind, name=name)
    told.officer = _appointed(told, DISTRICT, "文秀芝", "13807320001", "demo-union-officer", "union_officer", at)
    told.leader = _appointed(told, DISTRICT, "陈国强", "13807320002", "demo-union-leader", "union_leader", at)
    _appointed(told, STREET, "黄明", "13807320003", "demo-street", "street_secretary", at)
    told.ids[POOL] = organising.open_holding_pool(actor=told.officer, at=at, union_id=told.ids[DISTRICT], name=POOL)
    told.tick("区总工会")


def _levels(told: Told) -> None:
    """Founded on the day of the page, tied together on the same day."""
    at = at_local(DAY, 9)
    told.ids[FEDERATION] = organising.charter_federation(
        actor=told.leader, at=at, key=key("federation"), parent_id=told.ids[DISTRICT], name=FEDERATION, term_years=3
    ).organisation_id or UUID(int=0)
    told.steward = _appointed(told, FEDERATION, "罗小燕", "13807320004", "demo-federation", "union_officer", at)
    pairs = [(FEDERATION, STREET)]
    for association, alliances in LEVELS.items():
        told.ids[association] = found_organisation(
            actor=told.steward, at=at, kind="association", name=association, parent_id=told.ids[FEDERATION]
        )
        pairs.append((association, FEDERATION))
        for alliance in alliances:
            told.ids[alliance] = found_organisation(
                actor=told.steward, at=at, kind="alliance", name=alliance, parent_id=told.ids[association]
            )
            pairs.append((alliance, association))
    for lower, upper in pairs:
        organising.link_levels(actor=told.steward, at=at, lower_id=told.ids[lower], upper_id=told.ids[upper], since=DAY)
    told.tick("四级联动")


# Lists ---------------------------------------------------------------------------------------------------------------


def as_csv(header: Sequence[str], rows: Sequence[Sequence[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows([header, *rows])
    return text.getvalue().encode("utf-8-sig")


def registration_number(index: int) -> str:
    """A made-up unified social credit code of 石峰区 that passes the check."""
    first = f"92430204MA4{index:06d}"
    return first + check_character(first)


def identity_number(index: int) -> str:
    """A made-up identity number that passes the check."""
    born = date(1970, 1, 1) + timedelta(days=(index * 37) % 12_000)
    first = f"430204{born:%Y%m%d}{index % 1000:03d}"
    return first + identity_check(first)


def name_of(index: int) -> str:
    return SURNAMES[index % len(SURNAMES)] + GIVEN[(index // 7) % len(GIVEN)]


def _shops() -> Iterator[tuple[str, str]]:
    """Shop and its alliance, in turn."""
    alliances = [(alliance, words.split()) for of in LEVELS.values() for alliance, words in of.items()]
    for index in range(MERCHANTS):
        alliance, words = alliances[index % len(alliances)]
        turn = index // len(alliances)
        yield f"{FAMILY_NAMES[turn % len(FAMILY_NAMES)]}{words[turn % len(words)]}", alliance


def _merchants(told: Told) -> None:
    """104 shops and two rows that cannot be: a wrong check digit, and the first shop once more."""
    rows = [
        (
            name,
            registration_number(index),
            name_of(index * 3),
            f"1370732{index:04d}",
            f"万达广场 {index + 101} 铺",
            alliance,
        )
        for index, (name, alliance) in enumerate(_shops())
    ]
    rows.insert(40, ("信用代码抄错的店", "92430204MA49999990", "李四", "13707329999", "", ""))
    rows.append(rows[0])
    header = ("商户名称", "统一社会信用代码", "联系人", "联系电话", "地址", "商户联盟")
    organising.upload_merchants(
        actor=told.steward, at=at_local(DAY, 9, 30), key=key("merchants"), organisation_id=told.ids[FEDERATION],
        content=as_csv(header, rows),
    )  # fmt: skip
    told.tick("商户入会")


def _members(told: Told) -> None:
    """986 workers by five lists, the shops' staff under their shops; two broken rows in each list."""
    shops = [name for name, _alliance in _shops()]
    index = 0
    for place, (employer, occupation, count) in enumerate(LISTS):
        rows: list[tuple[str, ...]] = []
        for turn in range(count):
            shop = shops[turn % len(shops)] if occupation == "商户员工" else ""
            rows.append((name_of(index), f"136{73200000 + index:08d}", identity_number(index), occupation, shop))
            index += 1
        rows.insert(5, ("少写一位", "1367320000", identity_number(5000 + place), occupation, ""))
        rows.append((rows[0][0], rows[0][1], rows[0][2], occupation, ""))
        joining.upload_members(
            actor=told.steward, at=at_local(DAY, 10, place), key=key("members", place),
            organisation_id=told.ids[FEDERATION], employer=employer, verified_until=at_local(date(2028, 5, 9)),
            content=as_csv(("姓名", "手机号", "身份证号", "职业", "商户"), rows),
        )  # fmt: skip
        told.tick(employer)


# After the page's day ------------------------------------------------------------------------------------------------


def _asks(name: str, phone: str, number: int, unit: UUID, at: datetime, username: str = "") -> tuple[Actor, UUID]:
    """Somebody signs in with their phone and asks to join."""
    person_id = register_person(actor=STORY, at=at, name=name, phone=phone, username=username or None).person_id
    actor = person_actor(person_id, name)
    asked = joining.apply_membership(
        actor=actor, at=at, key=key("ask", phone, at.date()), organisation_id=unit, name=name,
        identity_number=identity_number(number), occupation="rider", employer="饿了么学林站",
    )  # fmt: skip
    return actor, asked.membership_id


def _poster(told: Told) -> None:
    """A rider scans the poster, is asked to mend something, asks again and is in."""
    unit, at = told.ids[FEDERATION], at_local(date(2025, 5, 20), 14)
    _rider, case = _asks("何骁", "13607330001", 7001, unit, at, "demo-member")
    joining.reject_membership(
        actor=told.steward, at=at + timedelta(hours=1), key=key("reject"), membership_id=case,
        reason="站点名称请写全,好核对。",
    )  # fmt: skip
    again = at + timedelta(days=1)
    _asks("何骁", "13607330001", 7001, unit, again)
    joining.approve_memberships(
        actor=told.steward, at=again + timedelta(hours=2), key=key("approve"), membership_ids=[case]
    )


def _pool(told: Told) -> None:
    """A driver without a unit joins in the district's register; a month later both sides let her move."""
    at = at_local(date(2025, 5, 28), 11)
    _driver, case = _asks("谭丽君", "13607330002", 7002, told.ids[POOL], at)
    joining.approve_memberships(
        actor=told.officer, at=at + timedelta(hours=3), key=key("pool-approve"), membership_ids=[case]
    )
    later = at_local(date(2025, 6, 30), 10)
    moving = joining.ask_transfer(
        actor=told.officer, at=later, key=key("move"), membership_id=case, target_id=told.ids[FEDERATION]
    )
    joining.consent_transfer(
        actor=told.steward, at=later + timedelta(hours=1), key=key("moved"), transfer_id=moving.transfer_id
    )
    told.tick("转会")


def _union_of_shops(told: Told) -> None:
    """The first shops of the food street, none with 25 members, found a union together; one more asks and waits."""
    alliance, at = told.ids["美食街商户联盟"], at_local(date(2025, 9, 10), 10)
    shops = list(
        Organisation.objects.filter(parent_id=alliance, kind="merchant")
        .order_by("name")
        .values_list("pk", flat=True)[:14]
    )
    asked = organising.propose_union(
        actor=told.steward, at=at, key=key("propose"), parent_id=alliance, name="美食街联合工会委员会",
        unit_ids=shops[:8], term_years=3,
    )  # fmt: skip
    organising.decide_union(
        actor=told.leader, at=at + timedelta(days=5), key=key("decide"), founding_id=asked.founding_id, approved=True,
        reason="手续齐全。",
    )  # fmt: skip
    organising.propose_union(
        actor=told.steward, at=clock.now() - timedelta(days=2), key=key("propose-2"), parent_id=alliance,
        name="美食街东段联合工会委员会", unit_ids=shops[8:], term_years=5,
    )  # fmt: skip
    told.tick("联合建会")


def _tips(told: Told) -> None:
    members = list(
        Membership.objects.filter(organisation_id=told.ids[FEDERATION], state=Membership.State.APPROVED)
        .order_by("number")
        .values_list("person_id", flat=True)[: len(TIPS) + len(WAITING)]
    )
    at = at_local(date(2025, 6, 3), 21)
    for place, (author, (category, text)) in enumerate(zip(members, [*TIPS, *WAITING], strict=True)):
        written = at + timedelta(days=place) if place < len(TIPS) else clock.now() - timedelta(hours=3 + place)
        post = board.write_post(
            actor=person_actor(author), at=written, key=key("tip", place), category=category, text=text
        )
        if place < len(TIPS):
            board.decide_post(
                actor=told.officer, at=written + timedelta(hours=11), key=key("shown", place), post_id=post, shown=True
            )
    told.tick("经验板")


def _today(told: Told) -> None:
    """People who wait at the desk today."""
    at = clock.now() - timedelta(hours=5)
    for place in range(6):
        _asks(name_of(2000 + place), f"1360733{100 + place:04d}", 7100 + place, told.ids[FEDERATION],
              at + timedelta(minutes=17 * place))  # fmt: skip
    told.tick("今天的申请")
