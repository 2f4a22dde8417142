import re
from pathlib import Path

import pytest
from django.template.loader import render_to_string
from django.test import Client
from django.urls import reverse

from doorstep.web import samples
from doorstep.web.forms import Renderer
from doorstep.web.tests.test_templates import inline

COMPONENTS = Path(__file__).parents[1] / "templates" / "web" / "components"


@pytest.fixture
def visitor() -> Client:
    return Client()


def used(response) -> set[str]:
    return {template.name for template in response.templates if template.name}


def test_every_component_is_shown_on_the_design_pages(visitor):
    shown = used(visitor.get(reverse("design")))
    for shell in samples.SHELLS:
        shown |= used(visitor.get(reverse("design-shell", args=[shell])))
    assert {path.name for path in COMPONENTS.glob("*.html")} - {Path(name).name for name in shown} == set()


@pytest.mark.parametrize("shell", samples.SHELLS)
def test_every_shell_renders_with_one_main_heading_and_no_inline_code(visitor, shell):
    response = visitor.get(reverse("design-shell", args=[shell]))
    html = response.content.decode()
    assert response.status_code == 200
    assert html.count("<main") == 1
    assert inline(html) == []


def test_an_unknown_shell_is_not_found(visitor):
    assert visitor.get(reverse("design-shell", args=["nothing"])).status_code == 404


def test_ids_on_the_design_page_are_unique(visitor):
    ids = re.findall(r'\sid="([^"]+)"', visitor.get(reverse("design")).content.decode())
    assert sorted({name for name in ids if ids.count(name) > 1}) == []


def test_large_type_is_kept_in_a_cookie_and_shown_in_the_first_byte(visitor):
    assert " data-large" not in visitor.get(reverse("design")).content.decode()[:300]
    response = visitor.post(reverse("large-type"), {"next": "/design"})
    assert (response.status_code, response.url) == (302, "/design")
    assert response.cookies["large_type"].value == "1"
    assert " data-large" in visitor.get(reverse("design")).content.decode()[:300]
    assert visitor.post(reverse("large-type")).cookies["large_type"].value == "0"


def test_the_large_type_switch_never_leads_to_another_site(visitor):
    assert visitor.post(reverse("large-type"), {"next": "https://example.org/"}).url == "/"


@pytest.mark.parametrize("code", ["400", "403", "403_csrf", "404", "500"])
def test_error_pages_render_without_any_context(code):
    html = render_to_string(f"{code}.html")
    assert code[:3] in html
    assert 'href="/"' in html


def test_a_form_field_ties_its_help_and_error_to_the_control():
    form = samples.SampleForm({"phone": "1"}, renderer=Renderer())
    html = str(form["name"].as_field_group())
    assert 'aria-invalid="true"' in html
    described = re.search(r'aria-describedby="([^"]+)"', html)[1].split()
    assert [f'id="{name}"' in html for name in described] == [True] * len(described)
    assert "field--error" in html
