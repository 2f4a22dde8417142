"""The house's own pages: home, services, the wallet 卡包, me 我的, notices, who read my data, the desk's front."""

import re
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import NoReverseMatch, reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from doorstep.kernel.common import access
from doorstep.kernel.common.clock import local, now
from doorstep.kernel.common.errors import Conflict, Invalid, NotAllowed, NotFound, NotSignedIn
from doorstep.kernel.common.rooms import Room, WalletItem, all_rooms
from doorstep.kernel.notices.actions import mark_read
from doorstep.kernel.notices.models import Notice
from doorstep.kernel.people import actions as people
from doorstep.kernel.people.models import Person
from doorstep.web import house_queries as queries
from doorstep.web.signin import entrances

WHAT = {"phone": _("手机号"), "identity_number": _("身份证号")}
GREETINGS = (
    (5, _("夜深了")),
    (9, _("早上好")),
    (11, _("上午好")),
    (14, _("中午好")),
    (18, _("下午好")),
    (23, _("晚上好")),
    (24, _("夜深了")),
)
HOME_ITEMS = 3


def _me(request: HttpRequest) -> Person:
    """The person behind a page that only a signed-in person reaches."""
    if not isinstance(request.user, Person):
        raise NotSignedIn
    return request.user


def _page_number(request: HttpRequest) -> int:
    text = request.GET.get("page", "1")
    if not re.fullmatch(r"[0-9]{1,2}", text) or not 1 <= int(text) <= queries.MOST_PAGES:
        raise NotFound
    return int(text)


def _rendered(request: HttpRequest, items: list[WalletItem]) -> list[str]:
    """Each thing in its room's own template: its context at the top level, and the item itself."""
    return [render_to_string(item.template, {**item.context, "item": item}, request) for item in items]


def _doors() -> list[dict[str, Any]]:
    """The rooms whose front page is there, with its address."""
    return [{"room": room, "url": url, "tone": room.tone} for room in all_rooms() if (url := _address(room.url_name))]


def _address(url_name: str) -> str:
    """Where a page is; nothing for one that needs more than a name, or is not there."""
    try:
        return reverse(url_name)
    except NoReverseMatch:
        return ""


def _desk_groups(user: Any) -> list[dict[str, Any]]:
    """Each room with the desk pages this person may open and that are there."""
    capabilities, groups = access.capabilities_of(user), []
    for room in all_rooms():
        pages = []
        for page in room.desk:
            if page.capability in capabilities and (url := _address(page.url_name)):
                pages.append({"title": page.title, "icon": page.icon, "url": url})
        if pages:
            groups.append({"code": room.code, "title": room.title, "pages": pages})
    return groups


def _greeting(hour: int) -> Any:
    return next(words for until, words in GREETINGS if hour < until)


def _next_step(person: Person, items: list[WalletItem], doors: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The one thing most worth doing now."""
    if items:
        return {"url": items[0].url, "label": _("打开「%(thing)s」") % {"thing": items[0].title}, "icon": "ticket"}
    if person.real_name_checked_at is None:
        return {"url": reverse("real-name"), "label": _("完成实名,领取补贴"), "icon": "shield"}
    if doors:
        room: Room = doors[0]["room"]
        return {"url": doors[0]["url"], "label": room.title, "icon": room.icon}
    return None


@access.public
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Greeting, what one holds soonest, the services; for a visitor what this is and how to come in."""
    doors = _doors()
    if not request.user.is_authenticated:
        return render(request, "web/house/welcome.html", {"doors": doors})
    at = now()
    items = queries.wallet(request.user.pk, at)
    rooms = {room.code: room for room in all_rooms()}
    context = {
        "greeting": _greeting(local(at).hour),
        "today": at,
        "held": [{"item": item, "room": rooms.get(item.room)} for item in items[:HOME_ITEMS]],
        "held_count": len(items),
        "doors": doors,
        "unread": queries.unread_notices(request.user.pk),
        "next_step": _next_step(request.user, items, doors),
        "at_desk": bool(access.capabilities_of(request.user)),
    }
    return render(request, "web/house/home.html", context)


@access.public
@require_safe
def services(request: HttpRequest) -> HttpResponse:
    """Every service in one list."""
    return render(request, "web/house/services.html", {"doors": _doors()})


@access.signed_in
@never_cache
@require_safe
def wallet(request: HttpRequest) -> HttpResponse:
    """卡包: everything one holds, one pile, soonest first."""
    doors = _doors()
    items = queries.wallet(_me(request).pk, now())
    return render(request, "web/house/wallet.html", {"held": _rendered(request, items), "doors": doors})


@access.signed_in
@never_cache
@require_safe
def me(request: HttpRequest) -> HttpResponse:
    """我的: who I am here, what I agreed to, and the settings."""
    at = now()
    context = {
        "person": _me(request),
        "standings": queries.standings(_me(request).pk, at),
        "consents": queries.consents(_me(request).pk),
        "offices": queries.offices(_me(request).pk, at),
        "unread": queries.unread_notices(_me(request).pk),
        "entrances": entrances(),
    }
    return render(request, "web/house/me.html", context)


class RealNameForm(forms.Form):
    """Name and number as on the identity card; the check itself is the action's."""

    name = forms.CharField(
        label=_("姓名"),
        max_length=people.MAX_NAME_LENGTH,
        help_text=_("和身份证上一样"),
        widget=forms.TextInput({"autocomplete": "name"}),
    )
    identity_number = forms.CharField(
        label=_("身份证号"),
        max_length=24,
        help_text=_("18 位,最后一位可能是 X"),
        widget=forms.TextInput({"autocomplete": "off", "autocapitalize": "characters", "spellcheck": "false"}),
    )


@access.signed_in
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def real_name(request: HttpRequest) -> HttpResponse:
    """Give one's real name and identity number once."""
    form = RealNameForm(request.POST or None, initial={"name": _me(request).name})
    if request.method == "POST" and form.is_valid():
        try:
            people.check_real_name(
                actor=access.actor_of(request), at=now(), person_id=_me(request).pk, **form.cleaned_data
            )
        except (Invalid, Conflict) as problem:
            _put_error(form, problem)
        else:
            messages.success(request, _("实名完成。现在可以领取需要实名的补贴了。"))
            return redirect("me")
    status = 422 if form.is_bound else 200
    return render(request, "web/house/real_name.html", {"form": form, "tab": "me"}, status=status)


def _put_error(form: forms.Form, problem: Invalid | Conflict) -> None:
    """A refusal lands at the field it names, otherwise above the form."""
    field = getattr(problem, "field", "")
    form.add_error(field if field in form.fields else None, f"{problem.message}{problem.next_step}")


@access.signed_in
@require_POST
def consent(request: HttpRequest) -> HttpResponse:
    """Agree to one purpose, or take the agreement back."""
    purpose, wish = request.POST.get("purpose", ""), request.POST.get("wish", "")
    actor, at = access.actor_of(request), now()
    if purpose not in {line.purpose for line in queries.consents(_me(request).pk)} or wish not in ("give", "withdraw"):
        raise NotFound
    if wish == "give":
        people.give_consent(actor=actor, at=at, person_id=_me(request).pk, purpose=purpose)
        messages.success(request, _("已记下您的同意,随时可以收回。"))
    else:
        people.withdraw_consent(actor=actor, at=at, person_id=_me(request).pk, purpose=purpose)
        messages.success(request, _("已收回同意,从现在起不再这样使用。"))
    return HttpResponseRedirect(f"{reverse('me')}#consents")


@access.signed_in
@never_cache
@require_safe
def access_log(request: HttpRequest) -> HttpResponse:
    """Who read my sensitive data, when and what for."""
    page = queries.readings(_me(request).pk, _page_number(request))
    rows = [{"reading": row, "what": WHAT.get(row.what, row.what)} for row in page.rows]
    return render(request, "web/house/access_log.html", {"page": page, "rows": rows, "tab": "me"})


@access.signed_in
@never_cache
@require_safe
def notices(request: HttpRequest) -> HttpResponse:
    """What I was told, newest first."""
    page = queries.notices(_me(request).pk, _page_number(request))
    return render(request, "web/house/notices.html", {"page": page, "tab": "me"})


@access.signed_in
@require_POST
def notice_open(request: HttpRequest, notice_id: UUID) -> HttpResponse:
    """Mark one message read and go where it leads."""
    notice = Notice.objects.filter(pk=notice_id, person_id=_me(request).pk).first()
    if notice is None:
        raise NotFound
    mark_read(actor=access.actor_of(request), at=now(), notice_id=notice_id)
    inside = url_has_allowed_host_and_scheme(notice.url, {request.get_host()}, require_https=request.is_secure())
    return HttpResponseRedirect(notice.url if notice.url and inside else reverse("notices"))


# Staff ---------------------------------------------------------------------------------------------------------------


@access.signed_in
@require_safe
def desk(request: HttpRequest) -> HttpResponse:
    """The desk's front page: what this person may work on."""
    if not access.capabilities_of(request.user):
        raise NotAllowed
    context = {"offices": queries.offices(_me(request).pk, now()), "groups": _desk_groups(request.user)}
    return render(request, "web/house/desk.html", context)


class RevealForm(forms.Form):
    """Which value, and what for: the person will read this sentence."""

    field = forms.ChoiceField(
        label=_("看哪一项"), choices=list(WHAT.items()), widget=forms.RadioSelect, initial="phone"
    )
    purpose = forms.CharField(
        label=_("用途"),
        max_length=200,
        help_text=_("本人会在「谁看过我的资料」里看到这句话,例如:核对 5 月 7 日的退款"),
        widget=forms.TextInput({"autocomplete": "off"}),
    )


@access.needs("people.reveal")
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def reveal(request: HttpRequest, person_id: UUID) -> HttpResponse:
    """Read one sensitive value in the clear; the person sees who did and what for. No redirect carries the value."""
    person = Person.objects.filter(pk=person_id).first()
    if person is None:
        raise NotFound
    form = RevealForm(request.POST or None)
    context: dict[str, Any] = {"subject": person, "form": form, "status": 200}
    if request.method == "POST":
        if form.is_valid():
            given = form.cleaned_data
            context["value"] = people.reveal(
                actor=access.actor_of(request),
                at=now(),
                person_id=person_id,
                field=given["field"],
                purpose=given["purpose"],
            )
            context["what"], context["shown"] = WHAT[given["field"]], True
        else:
            context["status"] = 422
    return render(request, "web/house/reveal.html", context, status=context["status"])
