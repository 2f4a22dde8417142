"""Stations and activities of the page, replayed through actions at its dates.

Twenty workers' homes and seven stations of 学林街道 and who came in; the home at gate 1 of Wanda Plaza; the Labour-Day games of
天元区 with their prizes; check-ups. Both scales tell the same: lists take a fixed number of statements.
"""

from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from uuid import UUID

from doorstep.kernel.common import clock
from doorstep.kernel.common.actor import Actor, person_actor, system_actor
from doorstep.kernel.common.clock import at_local
from doorstep.kernel.common.rooms import Step
from doorstep.kernel.organisations.actions import appoint, found_organisation
from doorstep.kernel.organisations.models import Organisation
from doorstep.kernel.people.actions import register_person
from doorstep.kernel.people.bulk import NewPerson, NewStanding, attest_standings, register_people
from doorstep.services.union.actions import activities, checkups, stations, visits
from doorstep.services.union.models import Have, StationKind

STORY = system_actor("story")
DISTRICT, FEDERATION = "石峰区总工会", "万达商圈新业态工会联合会"
GAMES_UNION, CLINIC = "天元区总工会", "泰山路社区卫生服务中心"
PAGE_DAY = date(2025, 5, 9)
FIRST_DAY = date(2025, 3, 1)
LAST_DAY = date(2025, 5, 8)
WANDA = (113.1513, 27.8675)
MEDICINE_UNTIL = date(2028, 4, 30)

HOMES = (
    "学林路劳动者之家", "清石广场劳动者之家", "建设北路劳动者之家", "田心劳动者之家", "响田路劳动者之家", "合泰劳动者之家",
    "中心广场劳动者之家", "红旗路劳动者之家", "时代大道劳动者之家", "杉木塘劳动者之家", "九郎山劳动者之家", "铜塘湾劳动者之家",
    "霞湾劳动者之家", "先锋劳动者之家", "向阳广场劳动者之家", "北站路劳动者之家", "人民北路劳动者之家", "株百路劳动者之家",
    "云龙桥劳动者之家",
)  # fmt: skip
POSTS = (
    "学林街道工会驿站", "清水塘工会驿站", "井龙工会驿站", "龙头铺工会驿站", "响石工会驿站", "白马垄工会驿站", "汽车站工会驿站",
)  # fmt: skip
EQUIPMENT = ("seats", "first_aid", "charging", "water", "bike_charging", "microwave", "wifi", "aircon", "fridge")
SIX = ("microwave", "seats", "first_aid", "wifi", "charging", "fridge")
OCCUPATIONS = ("rider", "courier", "ride_driver", "driver", "rider", "courier", "rider", "livestreamer")
VISITORS = 400

SURNAMES = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林罗高"
GIVEN = ("建军", "海燕", "志勇", "红梅", "国庆", "春兰", "立新", "秋菊", "永康", "小龙", "爱民", "美玲", "卫东")

# Team, what its people do, what they reached at each stall.
TEAMS = (
    ("顺手就到队", "courier", ("41.20", "36", "9")),
    ("风火轮队", "rider", ("38.75", "33", "11")),
    ("方向盘队", "ride_driver", ("52.10", "36", "7")),
    ("跨越山海队", "driver", ("44.60", "41", "8")),
    ("夜宵突击队", "rider", ("40.05", "29", "10")),
    ("最后一公里队", "courier", ("37.90", "38", "9")),
)
TEAM_SIZE = 5
STALLS = (
    ("快递分拣接力", "五人接力,把三十件包裹按楼栋分好,用时最短。", "秒", "low", time(14), time(16, 30)),
    ("盲盒投篮", "每队三十秒,进一个算一个。", "个", "high", time(19, 30), time(21)),
    ("路线问答", "看图认路口、门牌和应急处置,答对一题一分。", "分", "high", time(19, 30), time(21)),
)


@dataclass
class Told:
    """What the story has made so far."""

    step: Step
    district: UUID = field(default_factory=lambda: UUID(int=0))
    federation: UUID = field(default_factory=lambda: UUID(int=0))
    games: UUID = field(default_factory=lambda: UUID(int=0))
    officer: Actor = STORY
    games_officer: Actor = STORY
    keeper: Actor = STORY
    visitors: list[UUID] = field(default_factory=list)
    station_ids: list[UUID] = field(default_factory=list)
    wanda: UUID = field(default_factory=lambda: UUID(int=0))
    done: int = 0
    total: int = 70

    def tick(self, text: str, count: int = 1) -> None:
        self.done += count
        self.step(text, self.done, max(self.total, self.done))


def key(*parts: object) -> str:
    return "story:stations:" + ":".join(str(part) for part in parts)


def tell(scale: str, step: Step) -> None:
    """Both scales tell the same, in seconds."""
    told = Told(step)
    _people(told)
    _stations(told)
    _who_came(told)
    _wanda(told)
    _care(told)
    _games(told)
    _checkups(told)
    _today(told)


def _appointed(name: str, phone: str, username: str | None, role: str, organisation_id: UUID, at: datetime) -> Actor:
    person_id = register_person(actor=STORY, at=at, name=name, phone=phone, username=username).person_id
    appoint(actor=STORY, at=at, person_id=person_id, organisation_id=organisation_id, role=role)
    return person_actor(person_id, name)


def _people(told: Told) -> None:
    """The unions and their officers, and workers the stations know by their cards."""
    at = at_local(date(2025, 2, 20), 9)
    told.district = found_organisation(actor=STORY, at=at, kind="union", name=DISTRICT)
    found = Organisation.objects.filter(name=FEDERATION).values_list("pk", flat=True).first()
    told.federation = found or told.district
    told.games = found_organisation(actor=STORY, at=at, kind="union", name=GAMES_UNION, founded_on=date(2000, 1, 1))
    told.officer = _appointed("谢文", "13807320020", "demo-stations", "union_officer", told.district, at)
    told.games_officer = _appointed("易经办", "13807310001", "demo-officer", "union_officer", told.games, at)
    people = [
        NewPerson(SURNAMES[n % len(SURNAMES)] + GIVEN[n % len(GIVEN)], f"1390734{n:04d}") for n in range(VISITORS)
    ]
    registered = register_people(actor=STORY, at=at, organisation_id=told.district, people=people)
    told.visitors = [one.person_id for one in registered if one.person_id is not None]
    standings = [NewStanding(person_id, OCCUPATIONS[n % len(OCCUPATIONS)]) for n, person_id in enumerate(told.visitors)]
    attest_standings(
        actor=told.officer, at=at, organisation_id=told.district, standings=standings, valid_until=at_local(date(2030, 1, 1)),
        evidence="平台接单记录",
    )  # fmt: skip
    told.tick("工会和劳动者")


def _stations(told: Told) -> None:
    """Nineteen homes and seven stations, each with its equipment, opened in the years before."""
    at = at_local(date(2025, 2, 21), 9)
    for number, name in enumerate((*HOMES, *POSTS)):
        kind = StationKind.HOME if number < len(HOMES) else StationKind.STATION
        codes = EQUIPMENT[: 5 + number % 5]
        # A walk of a few hundred metres to some kilometres around the plaza.
        east, north = (number * 7 % 13 - 6) * 0.0041 + 0.0013, (number * 5 % 11 - 5) * 0.0036 + 0.0017
        made = stations.add_station(
            actor=told.officer, at=at, key=key("station", number), organisation_id=told.district, kind=kind, name=name,
            longitude=round(WANDA[0] + east, 6), latitude=round(WANDA[1] + north, 6),
            address=f"石峰区学林街道{name.removesuffix('劳动者之家').removesuffix('工会驿站')}",
            opening_hours="24/7" if number % 6 == 0 else "Mo-Su 07:30-21:30", area_m2=Decimal(18 + number * 3 % 25),
            facilities={code: MEDICINE_UNTIL if code == "first_aid" else None for code in codes},
            opened_on=date(2023, 6, 1) + timedelta(days=20 * number),
        )  # fmt: skip
        told.station_ids.append(made.station_id)
        for have in Have:
            met = (number + len(have)) % 9 != 0
            stations.check_have(
                actor=told.officer, at=at + timedelta(days=4), key=key("have", number, have), station_id=made.station_id,
                have=have, met=met, note_text="" if met else "下个月补上",
            )  # fmt: skip
        told.tick(name)


def _who_came(told: Told) -> None:
    """Each keeper brings in a week's list: who showed a card, and who was counted without a phone."""
    for number, station_id in enumerate(told.station_ids):
        monday = FIRST_DAY
        while monday <= LAST_DAY:
            last = min(monday + timedelta(days=6), LAST_DAY)
            taps = [
                tap
                for offset in range((last - monday).days + 1)
                for tap in _day(told, number, monday + timedelta(days=offset))
            ]
            visits.record_visits(
                actor=told.officer,
                at=at_local(last, 23),
                key=key("week", number, monday),
                station_id=station_id,
                taps=taps,
            )
            monday = last + timedelta(days=1)
        told.tick("来访")


def _day(told: Told, number: int, day: date) -> list[visits.Tap]:
    """Three to seven visits of one station on one day, hours apart; one in five has no phone."""
    serial = day.toordinal()
    found = []
    for turn in range(3 + (number * 7 + serial * 3) % 5):
        at = at_local(day, 8 + turn * 2 - turn // 6, (number * 11 + serial * 7 + turn * 13) % 60)
        worker = (number * 61 + serial * 17 + turn * 97) % len(told.visitors)
        if (number + serial + turn) % 5 == 0:
            found.append(visits.Tap(at, occupation=OCCUPATIONS[worker % len(OCCUPATIONS)]))
        else:
            found.append(visits.Tap(at, person_id=told.visitors[worker]))
    return found


def _wanda(told: Told) -> None:
    """9 May 2025: the home at gate 1 of Wanda Plaza, about forty square metres, with the six things the page lists."""
    at = at_local(PAGE_DAY, 9, 30)
    steward = told.officer
    told.keeper = _appointed("彭桂兰", "13807320021", "demo-keeper", "station_keeper", told.federation, at)
    told.wanda = stations.add_station(
        actor=steward, at=at, key=key("wanda"), organisation_id=told.federation, kind=StationKind.HOME,
        name="万达商圈新业态劳动者之家", longitude=WANDA[0], latitude=WANDA[1], address="石峰区学林街道万达广场",
        gate="万达广场 1 号门旁", opening_hours="24/7", area_m2=Decimal(40),
        facilities={code: MEDICINE_UNTIL if code == "first_aid" else None for code in SIX}, opened_on=PAGE_DAY,
    ).station_id  # fmt: skip
    stations.put_keeper(actor=steward, at=at, station_id=told.wanda, person_id=told.keeper.id or UUID(int=0))
    for have in Have:
        stations.check_have(
            actor=told.keeper,
            at=at + timedelta(minutes=30),
            key=key("have", have),
            station_id=told.wanda,
            have=have,
            met=True,
        )
    opening = at + timedelta(hours=2)
    for number in range(12):
        moment = opening + timedelta(minutes=11 * number)
        visits.check_in_at_door(
            actor=person_actor(told.visitors[number * 5]), at=moment, key=key("door", number), scanned_at=moment,
            code=visits.door_code(told.wanda, moment), longitude=WANDA[0], latitude=WANDA[1],
        )  # fmt: skip
    told.tick("万达 1 号门", 6)


def _care(told: Told) -> None:
    """What broke and was mended, what was used up, who came unannounced."""
    broke = at_local(date(2025, 5, 20), 13)
    defect = stations.report_defect(
        actor=person_actor(told.visitors[3]), at=broke, key=key("defect"), station_id=told.wanda, facility_code="microwave",
        text="微波炉转盘不转了",
    )  # fmt: skip
    stations.fix_defect(actor=told.keeper, at=broke + timedelta(hours=5), defect_id=defect, fix_note="换了电机")
    stations.report_defect(
        actor=person_actor(told.visitors[9]),
        at=broke,
        key=key("defect", 2),
        station_id=told.station_ids[4],
        text="门把手松了",
    )
    for name, count, until in (
        ("创可贴", 60, MEDICINE_UNTIL),
        ("藿香正气水", 40, MEDICINE_UNTIL),
        ("一次性水杯", 200, None),
    ):
        stations.move_supply(
            actor=told.keeper,
            at=broke,
            key=key("supply", name),
            station_id=told.wanda,
            name=name,
            change=count,
            expires_on=until,
        )
    for number, points in ((0, (24, 23, 22, 25)), (1, (21, 22, 20, 19)), (2, (10, 14, 15, 12))):
        stations.inspect_station(
            actor=told.officer, at=broke + timedelta(days=3), key=key("inspection", number),
            station_id=told.wanda if number == 0 else told.station_ids[number],
            open_as_posted=points[0], working=points[1], tidy=points[2], records=points[3], note_text="中午去看的",
        )  # fmt: skip
    told.tick("维护和暗访", 4)


def _players(told: Told) -> dict[str, list[UUID]]:
    """Five to a team; 杨雷 and 周永栋, whom the page quotes, among them."""
    at = at_local(date(2025, 4, 25), 10)
    by_kind: dict[str, list[UUID]] = {}
    for number, person_id in enumerate(told.visitors):
        by_kind.setdefault(OCCUPATIONS[number % len(OCCUPATIONS)], []).append(person_id)
    known = {"rider": ("杨雷", "13907330001"), "driver": ("周永栋", "13907330002")}
    for kind, (name, phone) in known.items():
        by_kind[kind].insert(0, register_person(actor=STORY, at=at, name=name, phone=phone).person_id)
    teams: dict[str, list[UUID]] = {}
    for name, kind, _values in TEAMS:
        teams[name] = [by_kind[kind].pop(0) for _ in range(TEAM_SIZE)]
    return teams


def _games(told: Told) -> None:
    """1 to 5 May 2025 in the parks and neighbourhoods of 天元区, clear of lunch and dinner."""
    at = at_local(date(2025, 4, 26), 10)
    officer = told.games_officer
    event = activities.open_event(
        actor=officer, at=at, key=key("event"), organisation_id=told.games, title="五一游艺:跑起来,也玩起来", holiday="劳动节",
        where="天元区各园区、社区", starts_on=date(2025, 5, 1), ends_on=date(2025, 5, 5),
    )  # fmt: skip
    stalls: dict[str, UUID] = {}
    prizes: dict[str, tuple[UUID, UUID]] = {}
    for name, rules, unit, better, opens, closes in STALLS:
        stall = activities.add_stall(
            actor=officer, at=at, key=key("stall", name), event_id=event, name=name, rules=rules, unit=unit, better=better,
            opens=opens, closes=closes,
        )  # fmt: skip
        stalls[name] = stall
        everybody = activities.add_prize(
            actor=officer, at=at, key=key("prize", name, "all"), stall_id=stall, name="保温杯", stock=30, days=600
        )
        best = activities.add_prize(
            actor=officer,
            at=at,
            key=key("prize", name, "best"),
            stall_id=stall,
            name="骑行头盔",
            stock=10,
            best=2,
            days=600,
        )
        prizes[name] = (everybody, best)
    players = _players(told)
    team_ids: dict[str, UUID] = {}
    for name, kind, _values in TEAMS:
        captain, *others = players[name]
        team = activities.found_team(
            actor=person_actor(captain), at=at, key=key("team", name), event_id=event, name=name, occupation=kind
        )
        team_ids[name] = team.team_id
        for person_id in others:
            activities.join_team(actor=person_actor(person_id), at=at, key=key("join", person_id), team_id=team.team_id)
    told.tick("五一游艺", 6)
    _play(told, event, stalls, team_ids)
    _claims(told, prizes, players)


def _play(told: Told, event: UUID, stalls: dict[str, UUID], teams: dict[str, UUID]) -> None:
    """Two tries each, the second a little worse; one mistyped and put right; then the table stands."""
    for number, (team, _kind, values) in enumerate(TEAMS):
        for stall, value in zip(STALLS, values, strict=True):
            name, low = stall[0], stall[3] == "low"
            at = at_local(date(2025, 5, 1 + number % 5), stall[4].hour, 30)
            best = Decimal(value)
            for attempt, reached in ((1, best), (2, best + (3 if low else -2))):
                activities.record_score(
                    actor=told.games_officer, at=at, key=key("score", team, name, attempt), stall_id=stalls[name],
                    team_id=teams[team], attempt=attempt, value=reached,
                )  # fmt: skip
    activities.correct_score(
        actor=told.games_officer, at=at_local(date(2025, 5, 5), 21), key=key("correct"), stall_id=stalls["盲盒投篮"],
        team_id=teams["夜宵突击队"], attempt=2, value=Decimal(28),
    )  # fmt: skip
    activities.close_event(actor=told.games_officer, at=at_local(date(2025, 5, 5), 22), event_id=event)
    told.tick("成绩", 6)


def _claims(told: Told, prizes: dict[str, tuple[UUID, UUID]], players: dict[str, list[UUID]]) -> None:
    """The best two teams at a stall take helmets, the others cups; most are handed over."""
    at = at_local(date(2025, 5, 6), 20)
    best_of = {
        "快递分拣接力": ("最后一公里队", "风火轮队"),
        "盲盒投篮": ("跨越山海队", "最后一公里队"),
        "路线问答": ("风火轮队", "夜宵突击队"),
    }
    for stall, (everybody, best) in prizes.items():
        for team, people in players.items():
            for number, person_id in enumerate(people[:4]):
                prize = best if team in best_of[stall] else everybody
                claim = activities.claim_prize(
                    actor=person_actor(person_id), at=at, key=key("claim", stall, person_id), prize_id=prize
                )
                if number:  # the captains still carry theirs in the wallet
                    activities.hand_over_claim(
                        actor=told.games_officer, at=at, key=key("give", claim.claim_id), claim_id=claim.claim_id
                    )
    told.tick("奖品", 6)


def _checkups(told: Told) -> None:
    """June 2025: three mornings at the health centre; results go to the person."""
    at = at_local(date(2025, 5, 28), 9)
    clinic = found_organisation(actor=STORY, at=at, kind="clinic", name=CLINIC)
    doctor = _appointed("谭医生", "13807320031", "demo-checkup", "checkup_doctor", clinic, at)
    one = checkups.open_checkup(
        actor=told.games_officer, at=at, key=key("round"), organisation_id=told.games, clinic_id=clinic,
        title="新就业形态劳动者免费体检", items="血压、血糖、心电图、腹部 B 超、胸片",
    )  # fmt: skip
    for number, day in enumerate((date(2025, 6, 7), date(2025, 6, 8), date(2025, 6, 14))):
        starts = at_local(day, 8)
        session = checkups.add_slot(
            actor=told.games_officer, at=at, key=key("slot", number), round_id=one, starts_at=starts,
            ends_at=starts + timedelta(hours=3), capacity=12,
        )  # fmt: skip
        for place in range(8):
            person = person_actor(told.visitors[100 + number * 8 + place])
            booked = checkups.book_checkup(
                actor=person, at=at, key=key("book", number, place), session_id=session, consent=place % 4 != 3
            )
            if number == 0:
                checkups.attend_checkup(actor=doctor, at=starts, booking_id=booked.booking_id)
                if place % 4 != 3:
                    checkups.give_result(
                        actor=doctor, at=starts + timedelta(days=3), key=key("result", place), booking_id=booked.booking_id,
                        text="血压 128/82,血糖 5.4,心电图、B 超、胸片未见异常。多喝水,少熬夜。",
                    )  # fmt: skip
    told.tick("体检", 4)


def _today(told: Told) -> None:
    """Times a newcomer can book, and a game that is running."""
    at = clock.now()
    day = clock.local_day(at)
    clinic = Organisation.objects.get(name=CLINIC)
    one = checkups.open_checkup(
        actor=told.games_officer, at=at, key=key("round", "now"), organisation_id=told.games, clinic_id=clinic.pk,
        title="冬季体检", items="血压、血糖、心电图",
    )  # fmt: skip
    for number in range(3):
        starts = at_local(day + timedelta(days=3 + number), 8)
        checkups.add_slot(
            actor=told.games_officer, at=at, key=key("slot", "now", number), round_id=one, starts_at=starts,
            ends_at=starts + timedelta(hours=3), capacity=12,
        )  # fmt: skip
    told.tick("今天", 2)
