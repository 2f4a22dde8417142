from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class WebConfig(AppConfig):
    """The shared look: base pages, components, template tags and static files."""

    name = "doorstep.web"
    label = "web"
    verbose_name = _("界面")
