from django.apps import AppConfig


class PeopleConfig(AppConfig):
    name = "doorstep.kernel.people"
    label = "people"
