from django.apps import AppConfig


class NoticesConfig(AppConfig):
    name = "doorstep.kernel.notices"
    label = "notices"
