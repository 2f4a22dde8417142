"""Sample content of the design page: it shows components, never records, and does not touch the database."""

import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django import forms

SHELLS = ("phone", "desk", "till", "till-ok", "till-no", "paper", "proof", "print", "map")


class SampleForm(forms.Form):
    """Each kind of control a form may hold."""

    name = forms.CharField(label="您的姓名", help_text="和身份证上一样")
    phone = forms.CharField(
        label="手机号", help_text="验证码发到这个号码", widget=forms.TextInput({"inputmode": "tel"})
    )
    district = forms.ChoiceField(label="所在的区", choices=[("tianyuan", "天元区"), ("hetang", "荷塘区")])
    work = forms.ChoiceField(
        label="您做哪一行",
        widget=forms.RadioSelect,
        choices=[("rider", "外卖骑手"), ("courier", "快递员"), ("driver", "货车司机")],
    )
    birthday = forms.DateField(label="出生日期", required=False, widget=forms.DateInput({"type": "date"}))
    remark = forms.CharField(label="还想说的", required=False, widget=forms.Textarea)
    agree = forms.BooleanField(label="我同意工会核对我的从业信息")


def _icons() -> list[str]:
    sprite = Path(__file__).parent / "static" / "web" / "icons.svg"
    return re.findall(r'<symbol id="([^"]+)"', sprite.read_text("utf-8"))


def _columns() -> list[dict[str, Any]]:
    return [
        {"title": "餐馆", "kind": "text", "sort": True},
        {"title": "状态"},
        {"title": "今天", "kind": "num", "sort": True},
        {"title": "工会补贴", "kind": "num", "sort": True},
        {"title": "证件到期", "kind": "text"},
    ]


def _rows() -> list[dict[str, Any]]:
    venues = (
        ("老株洲饭店", "开放", "jade", 214, "85,600", "2026-03-01"),
        ("天台小厨", "开放", "jade", 178, "71,200", "2025-11-20"),
        ("湘江食府", "暂停", "door", 0, "0", "食品许可已过期"),
        ("神农家常菜", "待签", "amber", 0, "0", "2027-01-15"),
    )
    return [
        {
            "url": f"#venue-{index}",
            "cells": [
                {"text": name},
                {"badge": state, "tone": tone},
                {"text": str(meals), "url": f"#meals-{index}"},
                {"text": f"{subsidy}.00"},
                {"text": until},
            ],
        }
        for index, (name, state, tone, meals, subsidy, until) in enumerate(venues)
    ]


def _places() -> list[dict[str, Any]]:
    rows = (
        ("老株洲饭店", "红烧肉、蒜蓉空心菜等 8 菜 1 汤 · 到 15:00", 27.8296, 113.1330, 320, True),
        ("天台小厨", "辣椒炒肉、番茄炒蛋等 8 菜 1 汤 · 到 15:00", 27.8342, 113.1402, 1180, True),
        ("神农驿站", "微波炉、充电、饮水 · 8:00 开门", 27.8251, 113.1267, 1640, False),
    )
    names = ("name", "note", "lat", "lon", "distance_m", "open")
    return [{**dict(zip(names, row, strict=True)), "url": f"#place-{index}"} for index, row in enumerate(rows)]


def _choices() -> list[dict[str, Any]]:
    return [
        {"value": "off", "title": "4 元抵用券", "note": "13 元套餐付 9 元", "end": "9.00 元", "checked": True},
        {"value": "free", "title": "爱心免费券", "note": "每人每月 2 张", "end": "0.00 元"},
        {"value": "none", "title": "团体餐券", "note": "本月已发完", "end": "–", "disabled": True},
    ]


def _events(now: datetime) -> list[dict[str, Any]]:
    rows = (
        ("已到账", timedelta(minutes=20), "老株洲饭店,1,284.00 元", "coins", "jade"),
        ("区总工会批准付款", timedelta(hours=5), "审批人:李敏", "check", "jade"),
        ("发票金额差 4.00 元,已退回", timedelta(days=1), "", "alert", "amber"),
        ("生成对账单", timedelta(days=40), "共 321 笔", "file", ""),
    )
    return [
        {"title": title, "at": now - ago, "note": note, "icon": icon, "tone": tone}
        for title, ago, note, icon, tone in rows
    ]


def _report() -> dict[str, Any]:
    return {
        "ok_text": "成功 298 行",
        "failed": 2,
        "failed_text": "没成 2 行",
        "rows": [
            {"number": 1, "who": "王师傅 138****2201", "ok": True, "text": "已发 1 张"},
            {
                "number": 2,
                "who": "刘师傅 139****8830",
                "ok": False,
                "text": "还没认证骑手身份。请他在「我的」里认证后重发。",
            },
            {"number": 3, "who": "陈师傅 136****0912", "ok": False, "text": "手机号少一位。请改好这一行再传。"},
        ],
    }


def _days(now: datetime) -> list[dict[str, Any]]:
    notes = ("余 12", "余 3", "已满", "休", "余 20", "余 20", "余 20")
    return [
        {
            "date": (now + timedelta(days=index)).date(),
            "url": f"#day-{index}",
            "note": note,
            "current": index == 0,
            "full": note == "已满",
            "off": note == "休",
        }
        for index, note in enumerate(notes)
    ]


def _charts() -> dict[str, Any]:
    return {
        "bars": [("老株洲饭店", 6240, "#a"), ("天台小厨", 5130, "#b"), ("神农家常菜", 2930, "#c")],
        "line": [(f"5月{day}日", 380 + (day * 37) % 90 + day * 9) for day in range(1, 31)],
        "shares": [("外卖骑手", 8120), ("快递员", 3410), ("货车司机", 1890), ("网约车司机", 880)],
        "funnel": [("收到券", 14300), ("打开过", 12870), ("到店", 11020), ("用掉", 10640)],
    }


def components() -> dict[str, Any]:
    """Everything the design page and the sample shells show."""
    from doorstep.kernel.common.clock import now as present

    now = present()
    wrong = SampleForm({"name": "王", "phone": "138", "district": "hetang"}, auto_id="wrong_%s")
    wrong.add_error("phone", "手机号是 11 位数字,请再看一遍。")
    return {
        "now": now,
        "tonight": now + timedelta(hours=3),
        "colours": ["paper", "card", "sunk", "ink", "muted", "door", "jade", "amber", "indigo", "glow"],
        "icons": _icons(),
        "choices": _choices(),
        "columns": _columns(),
        "rows": _rows(),
        "foot": [{"text": "合计"}, {"text": ""}, {"text": "392"}, {"text": "156,800.00"}, {"text": ""}],
        "events": _events(now),
        "report": _report(),
        "days": _days(now),
        "places": _places(),
        "here": {"lat": 27.8275, "lon": 113.1310},
        "charts": _charts(),
        "steps": [
            {"title": "填表", "state": "done"},
            {"title": "查证件", "state": "done"},
            {"title": "实地看", "state": "current"},
            {"title": "签约", "state": ""},
        ],
        "chips": [
            {"title": "全部", "url": "#all", "count": 31, "current": True},
            {"title": "开放", "url": "#open", "count": 27},
            {"title": "待办", "url": "#todo", "count": 4},
        ],
        "consequences": [
            "这笔 9.00 元会原路退回,券回到他的卡包。",
            "今天中午他可以再吃一次。",
            "这一步会记进审计,不能抹掉。",
        ],
        "facts": [
            {"label": "餐馆", "value": "老株洲饭店"},
            {"label": "营业执照", "value": "有效至 2026年3月1日"},
            {"label": "分成", "value": "工会 4.00 元,骑手 9.00 元"},
        ],
        "selects": [
            {
                "name": "state",
                "label": "状态",
                "options": [{"value": "", "title": "全部状态"}, *({"value": s, "title": s} for s in ("开放", "暂停"))],
            }
        ],
        "verify_command": "doorstep audit verify receipt.json \\\n  --head 9f2c41…e07a \\\n  --key doorstep.pub",
        "downloads": [{"title": "凭证 receipt.json", "url": "#receipt"}, {"title": "公钥 doorstep.pub", "url": "#key"}],
        "form": SampleForm(initial={"work": "rider"}),
        "wrong_form": wrong,
        "doors": [
            {"title": "共享食堂", "icon": "bowl", "tone": "door", "note": "9 元 8 菜 1 汤"},
            {"title": "工会驿站", "icon": "battery", "tone": "jade", "note": "最近 320 米"},
            {"title": "家门口工坊", "icon": "baby", "tone": "amber"},
            {"title": "招聘会", "icon": "briefcase", "tone": "indigo"},
            {"title": "家庭医生", "icon": "doctor", "tone": "jade", "count": 2},
            {"title": "琴行舞房", "icon": "guitar", "tone": "indigo"},
            {"title": "快递驿站", "icon": "parcel", "tone": "amber"},
            {"title": "招标公开", "icon": "gavel", "tone": "door"},
        ],
    }  # fmt: skip
