"""The canteen's pages."""

from doorstep.services.canteen.pages.till_urls import urlpatterns as till_pages

app_name = "canteen"
urlpatterns = [*till_pages]
