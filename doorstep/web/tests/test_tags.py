from datetime import UTC, date, datetime

import pytest
from django.template import Context, Template
from django.utils.translation import override

from doorstep.web import charts
from doorstep.web.people_time import spoken_moment
from doorstep.web.templatetags import doorstep as tags

NOW = datetime(2025, 9, 29, 4, 10, tzinfo=UTC)  # 12:10 in Zhuzhou, a Monday


@pytest.fixture(autouse=True)
def noon(monkeypatch):
    monkeypatch.setattr(tags, "_now", lambda: NOW)


def render(source: str, **context) -> str:
    return Template(source).render(Context(context))


@pytest.mark.parametrize(
    ("amount", "text"),
    [(1300, "13.00"), (5, "0.05"), (0, "0.00"), (-905, "−9.05"), (4_316_800, "43,168.00"), (None, "")],
)
def test_fen_are_shown_as_yuan_with_two_places(amount, text):
    assert tags.fen(amount) == text


def test_a_missing_amount_is_not_shown_as_zero_yuan():
    with override("zh-hans"):
        assert (tags.yuan(900), tags.yuan(None)) == ("9.00 元", "")


@pytest.mark.parametrize(
    ("moment", "chinese", "english"),
    [
        (datetime(2025, 9, 29, 6, 58, tzinfo=UTC), "今天 14:58", "today 14:58"),
        (datetime(2025, 9, 30, 0, 15, tzinfo=UTC), "明早 8:15", "tomorrow 8:15"),
        (datetime(2025, 9, 30, 10, 30, tzinfo=UTC), "明晚 18:30", "tomorrow 18:30"),
        (datetime(2025, 9, 30, 5, 0, tzinfo=UTC), "明天 13:00", "tomorrow 13:00"),
        (datetime(2025, 9, 28, 12, 0, tzinfo=UTC), "昨天 20:00", "yesterday 20:00"),
        (datetime(2025, 9, 28, 16, 5, tzinfo=UTC), "今天 0:05", "today 0:05"),
        (datetime(2025, 5, 7, 6, 0, tzinfo=UTC), "5月7日 14:00", "7 May 14:00"),
        (datetime(2024, 12, 31, 16, 0, tzinfo=UTC), "1月1日 0:00", "1 Jan 0:00"),
        (datetime(2024, 12, 31, 15, 59, tzinfo=UTC), "2024年12月31日 23:59", "31 Dec 2024 23:59"),
    ],
)
def test_moments_are_said_as_people_say_them(moment, chinese, english):
    with override("zh-hans"):
        assert tags.when(moment) == chinese
    with override("en"):
        assert tags.when(moment) == english


def test_a_naive_time_is_refused():
    with pytest.raises(ValueError, match="naive"):
        spoken_moment(datetime(2025, 9, 29, 12, 0), NOW, english=False)  # noqa: DTZ001


def test_days_and_clocks():
    with override("zh-hans"):
        assert tags.day(date(2025, 5, 7)) == "5月7日 周三"
        assert tags.when(date(2025, 9, 30)) == "明天"
        assert tags.week_day(NOW) == "周一"
    with override("en"):
        assert tags.day(date(2025, 5, 7)) == "Wed 7 May"
    assert tags.clock(datetime(2025, 9, 29, 0, 5, tzinfo=UTC)) == "08:05"


@pytest.mark.parametrize(
    ("metres", "text"),
    [(0, "0 米"), (47, "47 米"), (318, "320 米"), (994, "990 米"), (996, "1.0 公里"), (1234, "1.2 公里")],
)
def test_distances_are_rounded_to_what_a_person_walks(metres, text):
    with override("zh-hans"):
        assert tags.distance(metres) == text


def test_a_money_line_that_does_not_add_up_is_never_shown():
    with pytest.raises(ValueError, match="is not 800"):
        tags.money_line(1300, 400, 800)
    with override("zh-hans"):
        text = render("{% money_line 1300 400 900 %}")
    assert [part in text for part in ("13.00", "4.00", "9.00")] == [True, True, True]


def test_an_icon_is_hidden_from_readers():
    html = render('{% icon "wallet" %}')
    assert 'aria-hidden="true"' in html
    assert html.count("#wallet") == 1


def test_a_qr_is_dark_on_white_with_a_quiet_zone_and_reads_back():
    zxingcpp = pytest.importorskip("zxingcpp")
    import io

    import segno
    from PIL import Image

    html = render("{% qr text %}", text="DS1.K7P24XMD.sample")
    assert 'fill="#fff"' in html
    assert "style=" not in html
    picture = io.BytesIO()
    segno.make("DS1.K7P24XMD.sample", error="m", micro=False).save(picture, kind="png", scale=6, border=4)
    assert zxingcpp.read_barcodes(Image.open(picture))[0].text == "DS1.K7P24XMD.sample"


def test_a_qr_nobody_could_scan_is_refused():
    with pytest.raises(ValueError, match="keep it short"):
        tags.qr("x" * 1201)


@pytest.mark.parametrize(("value", "top"), [(0, 1), (7, 8), (11, 15), (6240, 8000), (14300, 15000), (100, 100)])
def test_an_axis_ends_on_a_round_number(value, top):
    assert charts.nice_ceiling(value) == top


def test_shares_fill_the_whole_bar():
    items = charts.shares([("a", 1), ("b", 1), ("c", 1)])
    assert [item.left for item in items] == [0.0, 33.33, 66.66]
    assert [item.share_text for item in items] == ["33.3%"] * 3


def test_a_funnel_tells_what_is_left_of_the_step_before():
    items = charts.funnel([("sent", 14300), ("opened", 12870), ("used", 10640)])
    assert [item.step_text for item in items] == ["100.0%", "90.0%", "82.7%"]
    assert items[2].share_text == "74.4%"


def test_a_chart_of_nothing_is_still_a_page():
    for tag in ("bar_chart", "line_chart", "share_chart", "funnel_chart"):
        assert "<figure" in render(f"{{% {tag} data title='x' %}}", data=[])


def test_a_negative_bar_is_refused():
    with pytest.raises(ValueError, match="from zero up"):
        charts.bars([("a", -1)])


def test_labels_are_escaped_in_every_chart():
    for tag in ("bar_chart", "line_chart", "share_chart", "funnel_chart"):
        html = render(f"{{% {tag} data title='x' %}}", data=[("<b>", 1), ("c", 2)])
        assert "<b>" not in html


def test_map_data_cannot_close_its_own_element():
    html = render("{% map_points 'm' places %}", places=[{"name": "</script><b>", "lat": 1, "lon": 2}])
    assert "</script><b>" not in html
    assert 'id="m-data"' in html
