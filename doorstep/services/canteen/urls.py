"""The canteen's pages."""

from django.urls import URLPattern

app_name = "canteen"
urlpatterns: list[URLPattern] = []
