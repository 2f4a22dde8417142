from django.apps import AppConfig


class BookingsConfig(AppConfig):
    name = "doorstep.kernel.bookings"
    label = "bookings"
