from django.apps import AppConfig


class FilesConfig(AppConfig):
    name = "doorstep.kernel.files"
    label = "files"
