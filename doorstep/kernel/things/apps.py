from django.apps import AppConfig


class ThingsConfig(AppConfig):
    name = "doorstep.kernel.things"
    label = "things"
